//! The percentile distribution of HdrHistogram (`.hgrm`), as its plotter reads it: of the last watcher, from the plan, in
//! microseconds. One distribution a file, so the others are to be had from the interval log.

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::report::Report;
use crate::report::histogram::decode;

/// Steps between 0 and 50 %, between 50 and 75 %, and so on, as the format's tools have them.
const TICKS: u32 = 5;

/// The distribution; empty if nothing was measured.
#[must_use]
pub fn render(report: &Report) -> String {
    let histogram = report.curves.as_ref().and_then(|curves| decode(&curves.from_plan.last.histogram_us).ok());
    histogram.map_or_else(String::new, |histogram| distribution(&histogram))
}

fn distribution(histogram: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    // Writing to a string cannot fail.
    for step in histogram.iter_quantiles(TICKS) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to() as f64, step.quantile_iterated_to());
        let _ = write!(text, "{value:12.3} {quantile:2.12} {total:10}");
        let _ = if quantile < 1.0 { writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
    }
    let (mean, deviation) = (histogram.mean(), histogram.stdev());
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {:12.3}, Total count    = {:12}]", histogram.max() as f64, histogram.len());
    // A bucket has a value of its own for each of the two lowest units that its digits tell apart, in a power of two.
    let sub_buckets = (2 * 10_u64.pow(histogram.sigfig().into())).next_power_of_two();
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", histogram.buckets());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_four_columns_and_the_three_lines_at_the_end() {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
        (1..=1_000u64).for_each(|micros| histogram.record(micros).unwrap());
        let text = distribution(&histogram);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|column| column.parse().unwrap()).collect())
            .collect();
        let half = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert_eq!((half[0], half[2], half[3]), (500.0, 500.0, 2.0));
        assert_eq!(rows.last().unwrap()[..3], [1_000.0, 1.0, 1_000.0]);
        assert!(rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1]));
        assert!(text.ends_with("]\n") && text.matches("#[").count() == 3);
        assert!(text.contains("SubBuckets     =         2048]"), "three digits need so many: {text}");
    }
}
