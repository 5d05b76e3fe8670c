//! Whether the measured time was steady: one distribution of a time in which latency rose is that of no time at all.
//!
//! Made once, at the end, from the series: the median latency of the last watcher in each interval. It judges where the load
//! was to stay the same, and nowhere else: where the rate changes, latency may. It never fails a run; whoever quotes the
//! figures has to know. Cost: some milliseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::screen::micros;
use crate::pace::{CONFIDENCE, Paced, STEADY_MAX, WARM_SHARE};
use crate::point::Distributions;
use crate::schedule::Course;
use crate::settings::Settings;
use crate::statistics::steadiness::{self, State, WINDOW_MIN, Window};

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
        let settings = steadiness::Settings { share_max: WARM_SHARE, confidence: CONFIDENCE, window: Window::All };
        let mut series = steadiness::Steadiness::new(settings);
        medians.iter().for_each(|&median| series.push(median));
        Self::in_state(series.end(), medians.len())
    }

    /// Of a series of so many intervals that stands so.
    #[must_use]
    pub fn in_state(state: State, intervals: usize) -> Self {
        let nothing =
            Self { found: Steadiness::TooShort, intervals, change_share: None, mean_us: None, limits_share: None };
        let (found, limits) = match state {
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

/// What was asked of the mean of the last watcher's medians, and what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Known {
    /// How far it might be from the truth on either side, as a share of it.
    pub asked_share: f64,
    /// Whether it was known so well before the time was up.
    pub reached: bool,
    /// How it stood then.
    #[serde(flatten)]
    pub stood: Steady,
}

impl Known {
    /// Of a point that was measured until it was known; nothing if that was not asked for.
    #[must_use]
    pub fn of(paced: &Paced) -> Option<Self> {
        let (asked_share, state, intervals) = paced.until?;
        let reached = matches!(state, State::Steady(_));
        let mut stood = Steady::in_state(state, intervals);
        // Medians are whole microseconds, and nothing is known better.
        if let (Some(share), Some(mean_us)) = (&mut stood.limits_share, stood.mean_us) {
            *share = super::round(share.max(0.5 / mean_us.max(0.5)), 4);
        }
        Some(Self { asked_share, reached, stood })
    }

    /// In words, for the screen.
    #[must_use]
    pub fn says(&self) -> String {
        let asked = 100.0 * self.asked_share;
        match (self.reached, self.stood.limits_share) {
            (true, Some(share)) => format!("known to {:.1} %, and {asked:.1} % was asked for", 100.0 * share),
            (_, Some(share)) => format!("known to {:.1} % only, and {asked:.1} % was asked for", 100.0 * share),
            (_, None) => format!("not known to {asked:.1} %: {}", self.stood.says()),
        }
    }

    /// What has to be known before a figure is quoted, if it was not reached.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let says = || format!("the last watcher's mean is {}; say a longer --duration", self.says());
        (!self.reached).then(says)
    }
}

/// How a warm-up that was to be steady ended; nothing if it was for a time.
#[must_use]
pub fn warm_up_of(paced: &Paced) -> Option<Steady> {
    paced.warm_up.map(|(state, intervals)| Steady::in_state(state, intervals))
}

/// What has to be known before a figure is quoted, if the warm-up was given up.
#[must_use]
pub fn warm_up_warning(warm_up: &Steady) -> Option<String> {
    let says = || format!("the warm-up was given up after {} s: {}", STEADY_MAX.as_secs(), warm_up.says());
    (warm_up.found != Steadiness::Steady).then(says)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::mean::MeanLimits;

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
        assert!(jumps.found == Steadiness::Wide && jumps.limits_share.unwrap() > WARM_SHARE, "{jumps:?}");
        assert!(jumps.warning().unwrap().contains("too uneven"));
        assert_eq!(of(32, |_| 500.0).found, Steadiness::Steady, "one look at all of it is enough");
        let short = of(31, |at| 500.0 + 100.0 * at);
        assert_eq!((short.found, short.warning()), (Steadiness::TooShort, None));
        assert!(short.says().contains("31 intervals"));
    }

    #[test]
    fn what_was_asked_of_the_mean_and_was_not_reached_is_a_warning() {
        let limits = |half_width| MeanLimits { mean: 100.0, half_width, batches: 32, correlation: 0.0 };
        let known = |state| Known::of(&Paced { warm_up: None, until: Some((0.05, state, 90)) }).unwrap();
        let reached = known(State::Steady(limits(4.0)));
        assert_eq!((reached.reached, reached.warning()), (true, None));
        assert_eq!(reached.says(), "known to 4.0 %, and 5.0 % was asked for");
        let wide = known(State::Wide(limits(7.0)));
        assert!(!wide.reached && wide.warning().unwrap().contains("known to 7.0 % only"), "{wide:?}");
        assert!(known(State::Gathering).warning().unwrap().contains("not known to 5.0 %: too short"));
        let warm_up = |state| warm_up_of(&Paced { warm_up: Some((state, 600)), until: None }).unwrap();
        assert_eq!(warm_up_warning(&warm_up(State::Steady(limits(4.0)))), None);
        let given_up = warm_up_warning(&warm_up(State::Trend { change_share: 0.4, p: 0.001 })).unwrap();
        assert!(given_up.contains("given up after 60 s") && given_up.contains("rose by 40 %"), "{given_up}");
    }
}
