//! Distributions of times: bounded, one per core, merged at the end.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One minute; what takes longer is counted as a minute.
pub(super) const HIGHEST_US: u64 = 60_000_000;

/// A distribution of microseconds from 1 to a minute, to three digits. 140 KB, and about 10 ns a time.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    /// An empty distribution.
    #[must_use]
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, HIGHEST_US, 3).expect("the bounds are constant and valid"))
    }

    /// Adds one time; less than a microsecond counts as one.
    pub fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros.max(1));
    }

    /// Adds one time as often as that.
    pub fn record_many(&mut self, micros: u64, count: u64) {
        self.0.saturating_record_n(micros.max(1), count);
    }

    /// Adds another core's.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The distribution itself.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// What 99 % are not above; 0 if there is none. One scan, where [`Self::quantiles`] takes four.
    #[must_use]
    pub fn p99(&self) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.value_at_quantile(0.99) }
    }

    /// What a report shows of it.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        if self.0.is_empty() {
            return Quantiles::default();
        }
        let at = |share| self.0.value_at_quantile(share);
        Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: self.0.max(), count: self.0.len() }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// A distribution of microseconds in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// The median.
    pub p50: u64,
    /// Nine of ten are not above.
    pub p90: u64,
    /// 99 % are not above.
    pub p99: u64,
    /// 99.9 % are not above.
    pub p999: u64,
    /// The highest.
    pub max: u64,
    /// How many there are.
    pub count: u64,
}
