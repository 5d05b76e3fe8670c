//! The report as one table, a figure a row: the quantiles of the whole measured time, and the series.
//!
//! Long and narrow on purpose: every program that takes a CSV can group and turn it, and a figure that is added later is a
//! row and not a column that was not there before.

use csv::Writer;
use serde::Serialize;

use crate::recorder::Quantiles;
use crate::report::{LatencyUs, Report, Series, SeriesUs};

/// One figure.
#[derive(Serialize)]
struct Row<'a> {
    /// `whole` or `interval`.
    scope: &'a str,
    from_s: f64,
    to_s: f64,
    /// Of what, with its unit.
    measure: &'a str,
    /// `count`, or a quantile.
    figure: &'a str,
    value: f64,
}

/// The table.
#[must_use]
pub fn render(report: &Report) -> Vec<u8> {
    let mut table = Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = write(&mut table, report);
    table.into_inner().unwrap_or_default()
}

fn write(table: &mut Writer<Vec<u8>>, report: &Report) -> csv::Result<()> {
    let series = report.series.as_ref();
    let whole_s = report.measured_s.unwrap_or_else(|| series.map_or(0.0, Series::span_s));
    let mut whole = |measure: &str, figure: &str, value: f64| {
        table.serialize(Row { scope: "whole", from_s: 0.0, to_s: whole_s, measure, figure, value })
    };
    for (from, of) in [("from_plan", &report.latency_us), ("from_send", &report.latency_from_send_us)] {
        let LatencyUs { first, median, last } = of;
        for (watcher, quantiles) in [("first", first), ("median", median), ("last", last)] {
            let measure = format!("latency_{from}_{watcher}_us");
            figures(quantiles).into_iter().try_for_each(|(figure, value)| whole(&measure, figure, value))?;
        }
    }
    let rig = &report.rig;
    let times = [
        ("generator_lag_us", &rig.generator_lag_us),
        ("generator_gap_us", &rig.generator_gap_us),
        ("shard_gap_us", &rig.shard_gap_us),
    ];
    for (measure, quantiles) in times {
        figures(quantiles).into_iter().try_for_each(|(figure, value)| whole(measure, figure, value))?;
    }
    for (measure, value) in [
        ("publications_planned", report.publications.planned),
        ("publications_sent", report.publications.sent),
        ("notifications_delivered", report.notifications.delivered),
        ("notifications_skipped", report.notifications.skipped),
        ("notifications_lost", report.notifications.lost),
    ] {
        whole(measure, "count", value as f64)?;
    }
    series.map_or(Ok(()), |series| intervals(table, series, whole_s))
}

fn figures(of: &Quantiles) -> [(&'static str, f64); 6] {
    let Quantiles { p50, p90, p99, p999, max, count } = *of;
    [("p50", p50), ("p90", p90), ("p99", p99), ("p999", p999), ("max", max), ("count", count)]
        .map(|(figure, value)| (figure, value as f64))
}

fn intervals(table: &mut Writer<Vec<u8>>, series: &Series, whole_s: f64) -> csv::Result<()> {
    let counts = [
        ("publications_planned", &series.publications_planned),
        ("publications_sent", &series.publications_sent),
        ("notifications_delivered", &series.notifications_delivered),
        ("notifications_skipped", &series.notifications_skipped),
    ];
    let times = [
        ("latency_from_plan_first_us", &series.first_us),
        ("latency_from_plan_median_us", &series.median_us),
        ("latency_from_plan_last_us", &series.last_us),
    ];
    for at in 0..series.publications_planned.len() {
        let (from_s, to_s) = (series.interval_s * at as f64, (series.interval_s * (at + 1) as f64).min(whole_s));
        let mut row = |measure, figure, value: u64| {
            table.serialize(Row { scope: "interval", from_s, to_s, measure, figure, value: value as f64 })
        };
        for (measure, column) in counts {
            row(measure, "count", column[at])?;
        }
        for (measure, SeriesUs { p50, p90, p99, max, count, .. }) in times {
            for (figure, column) in [("p50", p50), ("p90", p90), ("p99", p99), ("max", max), ("count", count)] {
                row(measure, figure, column[at])?;
            }
        }
    }
    Ok(())
}
