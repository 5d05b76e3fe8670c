//! Whether the measured time was steady: one distribution of a time in which latency rose is that of no time at all.
//!
//! Made once, at the end, from the series: the median latency of the last watcher in each interval. It judges where the load
//! was to stay the same, and nowhere else: where the rate changes, latency may. It never fails a run; whoever quotes the
//! figures has to know. Cost: some milliseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::screen::micros;
use crate::point::Distributions;
use crate::schedule::Course;
use crate::settings::Settings;
use crate::statistics::steadiness::{self, State, WINDOW_MIN, Window};

/// The mean may lie so far from where it was found, and latency may have changed by so much: about twice what two runs of the
/// same thing differ by.
const SHARE_MAX: f64 = 0.1;

/// How sure the limits are.
const CONFIDENCE: f64 = 0.95;

/// What was found of a measured time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Steadiness {
    /// No trend, and a mean within narrow limits.
    Steady,
    /// It still rose or fell.
    Trend,
    /// No trend, but the mean could lie anywhere within wide limits.
    Wide,
    /// Too few intervals to tell.
    TooShort,
}

/// The judgement, over all intervals in which something was due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Steady {
    /// What was found.
    pub found: Steadiness,
    /// Intervals that had a latency.
    pub intervals: usize,
    /// The change from the first to the last as a share of the mean, where there is a trend; below 0 if it fell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_share: Option<f64>,
    /// The mean of the intervals' medians, where there is no trend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_us: Option<f64>,
    /// How far the mean may be from that on either side, as a share of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_share: Option<f64>,
}

impl Steady {
    /// Of a point; nothing where the load was to change on the way, or where there are no intervals.
    #[must_use]
    pub fn of(distributions: &Distributions, settings: &Settings) -> Option<Self> {
        let is_even = settings.shape.course == Course::Steady
            && settings.troubles.storm.is_none()
            && settings.traces.replay.is_none();
        let intervals = distributions.latencies.timeline.times();
        let medians = intervals.iter().filter(|[.., last]| !last.is_empty());
        let medians: Vec<f64> = medians.map(|[.., last]| last.value_at_quantile(0.5) as f64).collect();
        (is_even && !intervals.is_empty()).then(|| Self::of_medians(&medians))
    }

    fn of_medians(medians: &[f64]) -> Self {
        let settings = steadiness::Settings { share_max: SHARE_MAX, confidence: CONFIDENCE, window: Window::All };
        let mut series = steadiness::Steadiness::new(settings);
        medians.iter().for_each(|&median| series.push(median));
        let intervals = medians.len();
        let nothing =
            Self { found: Steadiness::TooShort, intervals, change_share: None, mean_us: None, limits_share: None };
        let (found, limits) = match series.end() {
            State::Gathering => return nothing,
            State::Trend { change_share, .. } => {
                let change_share = Some(super::round(change_share, 4));
                return Self { found: Steadiness::Trend, change_share, ..nothing };
            }
            State::Wide(limits) => (Steadiness::Wide, limits),
            State::Steady(limits) => (Steadiness::Steady, limits),
        };
        let (mean_us, limits_share) = (Some(super::round(limits.mean, 1)), Some(super::round(limits.share(), 4)));
        Self { found, mean_us, limits_share, ..nothing }
    }

    /// In words, for the screen.
    #[must_use]
    pub fn says(&self) -> String {
        let limits = format!(
            "{} +- {:.1} %",
            micros(self.mean_us.unwrap_or(0.0).round() as u64),
            100.0 * self.limits_share.unwrap_or(0.0)
        );
        match self.found {
            Steadiness::Steady => format!("steady: the last watcher's median was {limits} throughout"),
            Steadiness::Wide => format!("too uneven for a mean: the last watcher's median was {limits}"),
            Steadiness::Trend => {
                let change = self.change_share.unwrap_or(0.0);
                let way = if change > 0.0 { "rose" } else { "fell" };
                format!("not steady: the last watcher's median {way} by {:.0} % of its mean", 100.0 * change.abs())
            }
            Steadiness::TooShort => format!(
                "too short to tell whether it was steady: {} intervals with a latency, and {WINDOW_MIN} are needed",
                self.intervals
            ),
        }
    }

    /// What has to be known before a figure is quoted, if anything has.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let advice = match self.found {
            Steadiness::Steady | Steadiness::TooShort => return None,
            Steadiness::Trend => "the figures depend on when it began and ended; measure longer, or at a lower rate",
            Steadiness::Wide => "the figures may be others next time; measure longer, or on a quiet machine",
        };
        Some(format!("the measured time was {}: {advice}", self.says()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_level_is_steady_and_what_rises_or_jumps_is_not() {
        let of = |count: u32, median: fn(f64) -> f64| {
            Steady::of_medians(&(0..count).map(|at| median(f64::from(at))).collect::<Vec<_>>())
        };
        let level = of(100, |at| 500.0 + 20.0 * (at * 0.7).sin());
        assert_eq!((level.found, level.warning()), (Steadiness::Steady, None));
        assert!(level.says().contains(" us +- "), "{}", level.says());
        let rises = of(100, |at| 500.0 + 10.0 * at);
        assert!(rises.found == Steadiness::Trend && rises.change_share.unwrap() > 0.5, "{rises:?}");
        assert!(rises.warning().unwrap().contains("median rose by"));
        assert!(of(100, |at| 5_000.0 - 30.0 * at).says().contains("fell by"));
        let jumps = of(100, |at| if at % 10.0 < 1.0 { 90_000.0 } else { 500.0 });
        assert!(jumps.found == Steadiness::Wide && jumps.limits_share.unwrap() > SHARE_MAX, "{jumps:?}");
        assert!(jumps.warning().unwrap().contains("too uneven"));
        assert_eq!(of(32, |_| 500.0).found, Steadiness::Steady, "one look at all of it is enough");
        let short = of(31, |at| 500.0 + 100.0 * at);
        assert_eq!((short.found, short.warning()), (Steadiness::TooShort, None));
        assert!(short.says().contains("31 intervals"));
    }
}
