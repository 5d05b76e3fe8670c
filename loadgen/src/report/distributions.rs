//! What a report keeps of a point's distributions: whole curves, and the measured time interval by interval.
//!
//! Made once, at the end, on the main thread. The columns of a series are equally long, and the intervals of its first
//! watcher's histograms add up to the curve of the first watcher, and so on: whoever reads a saved report can add, merge and
//! overlay without having been there.

use hdrhistogram::{Counter, Histogram};

use super::histogram::encode;
use super::schema::{Cells, Curve, Curves, LatencyUs, Series, SeriesUs, WatcherCurves};
use crate::point::Distributions;
use crate::recorder::{Brief, Latency, Times};

/// Points of a curve between 0 and 50 %, between 50 and 75 %, and so on.
const POINTS_PER_HALVING: u32 = 5;

/// Rows of the heat map for each power of ten.
const CELLS_PER_DECADE: i32 = 8;

impl LatencyUs {
    /// The quantiles of first, median and last.
    #[must_use]
    pub fn of(latency: &Latency) -> Self {
        let Latency { first, median, last } = latency;
        Self { first: first.quantiles(), median: median.quantiles(), last: last.quantiles() }
    }
}

impl Curves {
    /// All curves of a point.
    #[must_use]
    pub fn of(distributions: &Distributions) -> Self {
        let watchers = |latency: &Latency| WatcherCurves {
            first: Curve::of(&latency.first),
            median: Curve::of(&latency.median),
            last: Curve::of(&latency.last),
        };
        Self {
            from_plan: watchers(&distributions.latencies.from_plan),
            from_send: watchers(&distributions.latencies.from_send),
            generator_lag: Curve::of(&distributions.lag),
            generator_gap: Curve::of(&distributions.generator_gap),
            shard_gap: Curve::of(&distributions.shard_gap),
        }
    }
}

impl Curve {
    fn of(times: &Times) -> Self {
        let histogram = times.histogram();
        let mut points: Vec<(f64, u64)> = Vec::new();
        for step in histogram.iter_quantiles(POINTS_PER_HALVING) {
            // Of the steps at one value the last one says the most.
            let quantile = (step.quantile() * 1e9).round() / 1e9;
            let point = (quantile, step.value_iterated_to().min(histogram.max()));
            match points.last_mut() {
                Some(last) if last.1 == point.1 => *last = point,
                _ => points.push(point),
            }
        }
        Self { histogram_us: encode(histogram), points_us: points }
    }
}

impl Series {
    /// A point's measured time, interval by interval; nothing where it was not divided, for nobody knew how long it would be.
    #[must_use]
    pub fn of(distributions: &Distributions) -> Option<Self> {
        let counts = &distributions.counts;
        if counts.intervals.count == 0 {
            return None;
        }
        let times = distributions.latencies.timeline.times();
        let column = |which: usize| SeriesUs::of(times.iter().map(|times| &times[which]));
        Some(Self {
            interval_s: counts.intervals.interval_us as f64 / 1e6,
            publications_planned: counts.planned.clone(),
            publications_sent: counts.sent.clone(),
            notifications_delivered: counts.delivered.clone(),
            notifications_skipped: counts.skipped.clone(),
            first_us: column(0),
            median_us: column(1),
            last_us: column(2),
            last_cells: Cells::of(times.iter().map(|times| &times[2])),
        })
    }
}

impl Series {
    /// How long all intervals are together.
    #[must_use]
    pub fn span_s(&self) -> f64 {
        self.interval_s * self.publications_planned.len() as f64
    }
}

impl SeriesUs {
    fn of<'h>(intervals: impl Iterator<Item = &'h Brief>) -> Self {
        let mut series = Self::default();
        for histogram in intervals {
            let at = |share| if histogram.is_empty() { 0 } else { histogram.value_at_quantile(share) };
            series.p50.push(at(0.5));
            series.p90.push(at(0.9));
            series.p99.push(at(0.99));
            series.max.push(histogram.max());
            series.count.push(histogram.len());
            series.histograms_us.push(encode(histogram));
        }
        series
    }
}

impl Cells {
    fn of<'h>(intervals: impl Iterator<Item = &'h Brief> + Clone) -> Self {
        let edges = edges();
        let mut counts: Vec<Vec<u64>> = intervals.map(|histogram| row(histogram, &edges)).collect();
        let used = |at: &usize| counts.iter().any(|row| row[*at] != 0);
        let (Some(from), Some(to)) = ((0..edges.len()).find(used), (0..edges.len()).rfind(used)) else {
            return Self::default();
        };
        // Rows that are empty everywhere below and above tell nothing.
        for row in &mut counts {
            row.truncate(to + 1);
            row.drain(..from);
        }
        let mut edges_us = edges;
        edges_us.push(u64::MAX);
        edges_us.truncate(to + 2);
        edges_us.drain(..from);
        Self { edges_us, counts }
    }
}

/// Where the rows begin: eight a power of ten, from a microsecond to a minute; whole numbers, so there are fewer below ten.
fn edges() -> Vec<u64> {
    let exponents = 0..=8 * CELLS_PER_DECADE;
    let mut edges: Vec<u64> =
        exponents.map(|step| 10f64.powf(f64::from(step) / f64::from(CELLS_PER_DECADE)).round() as u64).collect();
    edges.dedup();
    edges
}

fn row<T: Counter>(histogram: &Histogram<T>, edges: &[u64]) -> Vec<u64> {
    let mut row = vec![0; edges.len()];
    for step in histogram.iter_recorded() {
        let at = edges.partition_point(|&edge| edge <= step.value_iterated_to());
        row[at.saturating_sub(1)] += step.count_since_last_iteration();
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::{Latencies, Told};
    use crate::report::histogram::decode;
    use crate::series::{Counts, Intervals};

    fn told(plan_us: u64, last_us: u64) -> Told {
        Told { plan_us, sent_us: plan_us, first_us: 1, median_us: last_us / 2, last_us, measured: true }
    }

    #[test]
    fn the_intervals_add_up_to_the_curve() {
        let intervals = Intervals::over(0, 400_000);
        let mut latencies = Latencies::over(intervals);
        (0..4_000u64).for_each(|at| latencies.record(&told(at * 100, 50 + at % 900)));
        let distributions = Distributions { latencies, counts: Counts::over(intervals), ..Distributions::default() };
        let (curves, series) = (Curves::of(&distributions), Series::of(&distributions).unwrap());
        let whole = decode(&curves.from_plan.last.histogram_us).unwrap();
        assert_eq!((whole.len(), series.last_us.count.as_slice()), (4_000, &[1_000; 4][..]));
        let mut sum = Histogram::<u64>::new_with_bounds(1, 60_000_000, 2).unwrap();
        series.last_us.histograms_us.iter().for_each(|text| sum.add(decode(text).unwrap()).unwrap());
        assert!(sum.value_at_quantile(0.9).abs_diff(whole.value_at_quantile(0.9)) <= 10);
        let cells = &series.last_cells;
        assert_eq!(cells.counts.iter().map(|row| row.iter().sum::<u64>()).collect::<Vec<_>>(), [1_000; 4]);
        assert!(cells.counts.iter().all(|row| row.len() + 1 == cells.edges_us.len()));
        assert!(cells.edges_us[0] <= 50 && *cells.edges_us.last().unwrap() >= 950, "{:?}", cells.edges_us);
    }

    #[test]
    fn a_curve_rises_to_its_highest_value() {
        let mut times = Times::new();
        (1..=10_000).for_each(|micros| times.record(micros));
        let Curve { points_us, .. } = Curve::of(&times);
        assert!(points_us.is_sorted_by(|a, b| a.0 <= b.0 && a.1 < b.1), "{points_us:?}");
        assert_eq!(points_us.last().unwrap().0, 1.0);
        assert!((30..100).contains(&points_us.len()), "{}", points_us.len());
    }

    #[test]
    fn nothing_measured_is_nothing_shown() {
        let distributions = Distributions::default();
        assert!(Curves::of(&distributions).from_send.first.points_us.len() <= 1);
        assert!(Series::of(&distributions).is_none());
    }
}
