//! When the measurement of a point begins and ends, where that depends on what is seen on the way.
//!
//! A fixed warm-up is too short for one machine and too long for another, and a fixed measurement knows its answer either
//! too badly or too late. Here the warm-up lasts until the last watcher's latency has no trend left and a mean that is known,
//! and the measurement until that mean is known as well as was asked for. The main thread judges ([`Pacing`]) from what
//! shards show it ten times a second, and says a moment beforehand when it begins or ends ([`Moments`]), so that it is the
//! same moment on every shard. The invariant: no moment is later than the one that was planned. Costs two relaxed reads a
//! poll, and only in points that are paced.

mod pacing;

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use pacing::{CONFIDENCE, Paced, Pacing, WARM_SHARE};

use crate::quantities;
use crate::schedule::Drawing;

/// A warm-up that is not steady by then never will be.
pub const STEADY_MAX: Duration = Duration::from_secs(60);

/// The warm-up before a measurement of which nothing was said: caches and rings come to what they are like at a rate.
pub const WARM_UP_MAX: Duration = Duration::from_millis(500);

/// How long a shard waits between two medians.
pub const STEP_US: u64 = 100_000;

/// How long beforehand a moment is named: shards look at least every millisecond, unless somebody has their CPU.
const AHEAD_US: u64 = 200_000;

/// What is not named yet.
const UNNAMED: u64 = u64::MAX;

/// How long a warm-up is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarmUp {
    /// Half of the measurement, or [`WARM_UP_MAX`] if that is less.
    #[default]
    Usual,
    /// So long.
    For(Duration),
    /// Until it is steady, or [`STEADY_MAX`].
    Steady,
}

impl WarmUp {
    /// The most that it takes before so long a measurement.
    #[must_use]
    pub fn longest(self, measure: Duration) -> Duration {
        match self {
            Self::Usual => (measure / 2).min(WARM_UP_MAX),
            Self::For(time) => time,
            Self::Steady => STEADY_MAX,
        }
    }
}

impl FromStr for WarmUp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "steady" => Ok(Self::Steady),
            "0" | "0s" => Ok(Self::For(Duration::ZERO)),
            _ => quantities::time(text).map(Self::For).map_err(|error| format!("{error}, or the word steady")),
        }
    }
}

/// What of a point depends on what is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// How long it warms up.
    pub warm_up: WarmUp,
    /// It is measured until the mean is known to this share of itself, either way.
    pub until_share: Option<f64>,
}

impl Pace {
    /// Whether anything does.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.warm_up == WarmUp::Steady || self.until_share.is_some()
    }
}

/// The moments at which the measurement under way begins and ends, on the run's clock. Written by the main thread, read by
/// all shards; each moment stands by itself, so nothing has to be in order.
#[derive(Debug)]
pub struct Moments {
    begin_us: AtomicU64,
    end_us: AtomicU64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { begin_us: AtomicU64::new(UNNAMED), end_us: AtomicU64::new(UNNAMED) }
    }
}

impl Moments {
    /// Nothing is named for the point that comes next.
    pub fn forget(&self) {
        self.begin_us.store(UNNAMED, Ordering::Relaxed);
        self.end_us.store(UNNAMED, Ordering::Relaxed);
    }

    /// The measurement begins at this moment.
    pub fn name_begin(&self, at_us: u64) {
        self.begin_us.store(at_us, Ordering::Relaxed);
    }

    /// It ends at this moment.
    pub fn name_end(&self, at_us: u64) {
        self.end_us.store(at_us, Ordering::Relaxed);
    }

    /// What a drawing becomes by what is named so far. The measurement is as long as it was to be, if it begins sooner.
    #[must_use]
    pub fn of(&self, drawing: &Drawing) -> Drawing {
        let begin_us = self.begin_us.load(Ordering::Relaxed).min(drawing.measure_from_us);
        let end_us = drawing.end_us - (drawing.measure_from_us - begin_us);
        let named_us = self.end_us.load(Ordering::Relaxed);
        Drawing { measure_from_us: begin_us, end_us: end_us.min(named_us), ..*drawing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Occasion;
    use crate::schedule::Shape;

    #[test]
    fn a_measurement_that_begins_sooner_is_as_long_and_may_end_sooner() {
        let (warm_up, measure) = (Duration::from_millis(60), Some(Duration::from_millis(100)));
        let occasion = Occasion { number: 1, rate_per_s: 1.0, hot_user: 0, from_us: 5_000, warm_up, measure };
        let planned = occasion.drawing(1, Shape::default());
        let moments = Moments::default();
        assert_eq!(moments.of(&planned), planned);
        moments.name_begin(25_000);
        let sooner = moments.of(&planned);
        assert_eq!((sooner.measure_from_us, sooner.end_us), (25_000, 125_000));
        assert_eq!(moments.of(&sooner), sooner, "to look again changes nothing");
        moments.name_end(90_000);
        assert_eq!(moments.of(&sooner).end_us, 90_000);
        assert_eq!(moments.of(&planned), moments.of(&moments.of(&sooner)));
        moments.forget();
        assert_eq!(moments.of(&planned), planned);
    }

    #[test]
    fn a_warm_up_is_a_time_or_the_word() {
        assert_eq!("steady".parse(), Ok(WarmUp::Steady));
        assert_eq!("2s".parse(), Ok(WarmUp::For(Duration::from_secs(2))));
        assert_eq!("0".parse(), Ok(WarmUp::For(Duration::ZERO)));
        assert!("stedy".parse::<WarmUp>().unwrap_err().contains("or the word steady"));
        let second = Duration::from_secs(1);
        assert_eq!([WarmUp::Usual, WarmUp::Steady].map(|it| it.longest(second)), [second / 2, STEADY_MAX]);
    }
}
