//! What the arrivals of a point are drawn from: the same for whoever measures it and for whoever only writes it down.

use std::time::Duration;

use crate::schedule::{Drawing, Shape, UNKNOWN_END_US};

/// A point of a run, before it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// Which of the run's points, counted from 1.
    pub number: u64,
    /// Publications a second of all shards, where the shape is at its height.
    pub rate_per_s: f64,
    /// Who has the most watchers.
    pub hot_user: u32,
    /// When it begins, on the run's clock.
    pub from_us: u64,
    /// The time that is not measured.
    pub warm_up: Duration,
    /// The time after it that is; none where nobody knows how long it takes.
    pub measure: Option<Duration>,
}

impl Occasion {
    /// What its arrivals are drawn from, in a run of this seed and shape.
    #[must_use]
    pub fn drawing(&self, seed: u64, shape: Shape) -> Drawing {
        let measure_from_us = self.from_us + self.warm_up.as_micros() as u64;
        Drawing {
            rate_per_s: self.rate_per_s,
            shape,
            hot_user: self.hot_user,
            from_us: self.from_us,
            measure_from_us,
            end_us: self.measure.map_or(UNKNOWN_END_US, |measure| measure_from_us + measure.as_micros() as u64),
            seed: seed ^ self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }
}
