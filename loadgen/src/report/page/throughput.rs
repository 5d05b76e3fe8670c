//! Throughput against latency: what a search for capacity tried, what it confirmed, and where latency turns up.

use super::Subject;
use super::axis::Axis;
use super::chart::{Chart, ChartError, Mark, Side, Style};
use super::plot::{Key, Plot, Table};
use crate::report::screen::{count, micros};
use crate::report::{Capacity, CapacityPoint};

const NOTE: &str = "Each shape is a rate that was tried; a ring around it says that it failed. The line joins those that passed. \
    Confirmed is the rate around which as many longer points kept the target as missed it, in all of their time or in that in which every \
    shard had its core (latencies here are of all of it): single points may pass above it, and fail below. The \
    knee is the rate from which on latency rises faster: the point furthest below the straight line from the lowest rate to the \
    highest. Above it a little more load costs much, whatever the target; most keep below.";

pub(super) fn plot(subjects: &[Subject<'_>]) -> Result<Option<Plot>, ChartError> {
    let searched: Vec<_> = subjects
        .iter()
        .enumerate()
        .filter_map(|(at, subject)| Some((at, subject, subject.report.capacity.as_ref()?)))
        .filter(|(_, _, capacity)| !capacity.points.is_empty())
        .collect();
    if searched.is_empty() {
        return Ok(None);
    }
    let points = || searched.iter().flat_map(|(_, _, capacity)| &capacity.points);
    let targets: Vec<_> = searched.iter().filter_map(|(_, subject, _)| subject.report.config.slo_us).collect();
    let highest = points().map(|point| point.sent_per_s).fold(0.0, f64::max);
    let uprights = searched.iter().map(|(_, _, capacity)| rates(capacity).count()).sum();
    let mut chart = Chart::new(
        Axis::linear("publications sent a second", highest),
        Axis::micros("p99 of the last watcher", points().map(|point| point.last_p99_us).chain(targets.iter().copied()))
            .with_headroom(uprights),
    );
    let mut row = 0;
    let mut table = Table::new(["result", "asked for", "sent", "p99 of last", "skipped", "outcome", "why it failed"]);
    let mut legend = Vec::new();
    for &(at, subject, capacity) in &searched {
        let style = Style::of(at);
        let mut tried: Vec<&CapacityPoint> = capacity.points.iter().filter(|point| point.last_p99_us != 0).collect();
        tried.sort_by(|one, other| one.sent_per_s.total_cmp(&other.sent_per_s));
        let place = |point: &&CapacityPoint| (point.sent_per_s, point.last_p99_us as f64);
        let passed: Vec<_> = tried.iter().filter(|point| point.passed).map(place).collect();
        let failed: Vec<_> = tried.iter().filter(|point| !point.passed).map(place).collect();
        chart.marks.push(Mark::Line(passed.clone(), style));
        chart.marks.push(Mark::Dots([passed, failed.clone()].concat(), style));
        chart.marks.push(Mark::Rings(failed, style));
        let lowest = rates(capacity).map(|(_, rate)| rate).fold(f64::INFINITY, f64::min);
        for (what, rate) in rates(capacity) {
            // What is written beside one line is not to cross the other.
            let side = if rate > lowest { Side::Right } else { Side::Left };
            let of = if subjects.len() == 1 { String::new() } else { format!("{}: ", at + 1) };
            chart.marks.push(Mark::Upright(rate, format!("{of}{what} {}/s", count(rate)), row, side));
            row += 1;
        }
        legend.push(Key::new(style, subject.numbered(subjects.len(), at)));
        let rows = tried.iter().map(|point| {
            vec![
                subject.label(),
                count(point.rate_per_s),
                count(point.sent_per_s),
                micros(point.last_p99_us),
                format!("{:.2} %", 100.0 * point.skipped_share),
                if point.passed { "passed" } else { "failed" }.to_owned(),
                point.reasons.join("; "),
            ]
        });
        table.rows.extend(rows);
    }
    let mut targets = targets;
    targets.sort_unstable();
    targets.dedup();
    chart.marks.extend(targets.iter().map(|&target| Mark::Level(target as f64, format!("target {}", micros(target)))));
    Plot::draw("throughput", "Throughput against latency", NOTE, &chart, legend, table).map(Some)
}

/// The rates that a search has found, each with what it is called; they have a line of their own.
fn rates(capacity: &Capacity) -> impl Iterator<Item = (&'static str, f64)> {
    let confirmed = Some(capacity.publications_per_s).filter(|&rate| rate > 0.0);
    [("confirmed", confirmed), ("knee", capacity.knee_per_s)].into_iter().filter_map(|(what, rate)| Some((what, rate?)))
}
