//! The latencies of publications: from plan and from send, over the whole measured time and interval by interval.
//!
//! One on each core, merged at the end. Everything here happens once a publication, when its last watcher was told: nine
//! records of some ten nanoseconds, shared by all its notes.

use hdrhistogram::Histogram;

use super::Told;
use super::quantiles::{HIGHEST_US, Times};
use super::singles::Singles;
use crate::series::Intervals;

/// First, median and last watcher.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Until the first watcher was told.
    pub first: Times,
    /// Until half of them were.
    pub median: Times,
    /// Until the last was.
    pub last: Times,
}

impl Latency {
    fn record(&mut self, [first, median, last]: [u64; 3]) {
        self.first.record(first);
        self.median.record(median);
        self.last.record(last);
    }

    /// Adds another core's.
    pub fn merge(&mut self, other: &Self) {
        self.first.merge(&other.first);
        self.median.merge(&other.median);
        self.last.merge(&other.last);
    }
}

/// All latencies of one core.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// From the plan.
    pub from_plan: Latency,
    /// From the call that sent the publication. What came before, while the generator or a stalled target kept it from
    /// being sent, is missing here: the difference is coordinated omission.
    pub from_send: Latency,
    /// From the plan, interval by interval.
    pub timeline: Timeline,
    /// From the plan, publication by publication; a list for each core.
    pub singles: Vec<Singles>,
}

impl Latencies {
    /// Nothing yet, to be divided so.
    #[must_use]
    pub fn over(intervals: Intervals) -> Self {
        Self { timeline: Timeline::over(intervals), singles: vec![Singles::with_room()], ..Self::default() }
    }

    /// Divides otherwise what comes from now on.
    pub fn divide(&mut self, intervals: Intervals) {
        self.timeline = Timeline::over(intervals);
    }

    /// Adds one publication.
    pub fn record(&mut self, told: &Told) {
        let from_plan = [told.first_us, told.median_us, told.last_us];
        let late_us = told.sent_us.saturating_sub(told.plan_us);
        self.from_plan.record(from_plan);
        self.from_send.record(from_plan.map(|micros| micros.saturating_sub(late_us)));
        self.timeline.record(told.plan_us, from_plan);
        if let Some(singles) = self.singles.first_mut() {
            singles.record(told.plan_us, from_plan);
        }
    }

    /// Adds another core's.
    pub fn merge(&mut self, other: &Self) {
        self.from_plan.merge(&other.from_plan);
        self.from_send.merge(&other.from_send);
        self.timeline.merge(&other.timeline);
        self.singles.extend(other.singles.iter().cloned());
    }
}

/// A distribution of one interval, in microseconds to two digits: 10 KB, for there are hundreds of them.
pub type Brief = Histogram<u32>;

/// Nothing yet.
pub(super) fn brief() -> Brief {
    Histogram::new_with_bounds(1, HIGHEST_US, 2).expect("the bounds are constant and valid")
}

/// Distributions of first, median and last by the interval in which the publication was due.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    intervals: Intervals,
    times: Vec<[Brief; 3]>,
}

impl Timeline {
    fn over(intervals: Intervals) -> Self {
        let one = [brief(), brief(), brief()];
        Self { intervals, times: vec![one; intervals.count] }
    }

    fn record(&mut self, plan_us: u64, latency_us: [u64; 3]) {
        let Some(at) = self.intervals.at(plan_us) else { return };
        for (times, micros) in self.times[at].iter_mut().zip(latency_us) {
            times.saturating_record(micros.max(1));
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.times.is_empty() {
            *self = other.clone();
            return;
        }
        for (mine, theirs) in self.times.iter_mut().flatten().zip(other.times.iter().flatten()) {
            mine.add(theirs).expect("all have the same bounds");
        }
    }

    /// Forgets the intervals that were never reached.
    pub fn cut(&mut self, end_us: u64) {
        self.intervals = self.intervals.until(end_us);
        self.times.truncate(self.intervals.count);
    }

    /// The intervals.
    #[must_use]
    pub fn intervals(&self) -> Intervals {
        self.intervals
    }

    /// First, median and last of each interval.
    #[must_use]
    pub fn times(&self) -> &[[Brief; 3]] {
        &self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_send_leaves_out_what_came_before_and_the_interval_is_that_of_the_plan() {
        let told = Told {
            plan_us: 150_000,
            sent_us: 650_000,
            first_us: 500_100,
            median_us: 500_200,
            last_us: 500_900,
            measured: true,
        };
        let mut latencies = Latencies::over(Intervals::over(0, 1_000_000));
        latencies.record(&told);
        let mut both = Latencies::default();
        both.merge(&latencies);
        both.merge(&latencies);
        let close = |found: u64, expected: u64| found.abs_diff(expected) * 1_000 <= expected;
        assert!(close(both.from_plan.last.quantiles().max, 500_900));
        assert!(close(both.from_send.first.quantiles().max, 100) && close(both.from_send.last.quantiles().max, 900));
        let counts: Vec<_> = both.timeline.times().iter().map(|[_, _, last]| last.len()).collect();
        assert_eq!(counts, [0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
