//! The percentile curve, on the scale of HdrHistogram: each step to the right is ten times rarer.

use super::Subject;
use super::axis::Axis;
use super::chart::{Chart, ChartError, Mark, Style};
use super::plot::{Key, Plot, Table};
use crate::recorder::Quantiles;
use crate::report::screen::{grouped, micros};
use crate::report::{Curve, LatencyUs, Report};

const NOTE: &str = "Read it from the left: so large a share of the publications was not slower than the curve's height. From plan \
    counts from the moment a publication was due, and so what it waited because the generator, or a target that stood still, kept \
    it from being sent; from send counts from the call that sent it and does not. Where the two part, a tool that counts from send \
    would not have seen it: coordinated omission.";

struct Line<'a> {
    name: String,
    style: Style,
    points: Vec<(f64, u64)>,
    of: &'a Quantiles,
}

pub(super) fn plot(subjects: &[Subject<'_>]) -> Result<Option<Plot>, ChartError> {
    let lines = match subjects {
        [one] => all(one.report),
        many => lasts(many),
    };
    let count = lines.iter().map(|line| line.of.count).max().unwrap_or(0);
    if count == 0 {
        return Ok(None);
    }
    let values = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let mut chart = Chart::new(Axis::quantiles(count), Axis::micros("latency", values));
    let mut legend = Vec::new();
    let mut table = Table::new(["line", "p50", "p90", "p99", "p99.9", "max", "publications"]);
    for line in &lines {
        let points = line.points.iter().map(|&(quantile, micros)| (quantile, micros as f64)).collect();
        chart.marks.push(Mark::Line(points, line.style));
        legend.push(Key::new(line.style, &line.name));
        // Of everything that was recorded: the points that are drawn are fewer, and none of them need be at p99.
        let Quantiles { p50, p90, p99, p999, max, count } = *line.of;
        let cells = [p50, p90, p99, p999, max].map(micros).into_iter().chain([grouped(count)]);
        table.rows.push(std::iter::once(line.name.clone()).chain(cells).collect());
    }
    Plot::draw("curve", "Latency by percentile", NOTE, &chart, legend, table).map(Some)
}

/// First, median and last of one result, from plan and from send.
fn all(report: &Report) -> Vec<Line<'_>> {
    let curves = report.curves.as_ref();
    let plan = of_watchers(&report.latency_us, curves.map(|curves| &curves.from_plan));
    let send = of_watchers(&report.latency_from_send_us, curves.map(|curves| &curves.from_send));
    let named = |from: &'static str, style: fn(usize) -> Style| {
        move |(at, (watcher, points, of))| Line {
            name: format!("{watcher}, from {from}"),
            style: style(at),
            points,
            of,
        }
    };
    let plan = plan.into_iter().enumerate().map(named("plan", Style::solid));
    let send = send.into_iter().enumerate().map(named("send", Style::dashed));
    plan.chain(send).filter(|line| line.of.count != 0).collect()
}

type Watcher<'a> = (&'static str, Vec<(f64, u64)>, &'a Quantiles);

fn of_watchers<'a>(latency: &'a LatencyUs, curves: Option<&crate::report::WatcherCurves>) -> [Watcher<'a>; 3] {
    [
        ("first watcher", points(curves.map(|curves| &curves.first), &latency.first), &latency.first),
        ("median watcher", points(curves.map(|curves| &curves.median), &latency.median), &latency.median),
        ("last watcher", points(curves.map(|curves| &curves.last), &latency.last), &latency.last),
    ]
}

/// The last watcher of several results, from plan.
fn lasts<'a>(subjects: &'a [Subject<'_>]) -> Vec<Line<'a>> {
    let line = |(at, subject): (usize, &'a Subject<'_>)| {
        let of = &subject.report.latency_us.last;
        let curve = subject.report.curves.as_ref().map(|curves| &curves.from_plan.last);
        let name = format!("{}: last watcher, from plan", subject.label());
        Line { name, style: Style::of(at), points: points(curve, of), of }
    };
    subjects.iter().enumerate().map(line).filter(|line| line.of.count != 0).collect()
}

/// A curve's points; of a result that was saved without them, the quantiles that it has.
fn points(curve: Option<&Curve>, of: &Quantiles) -> Vec<(f64, u64)> {
    match curve {
        Some(curve) if !curve.points_us.is_empty() => curve.points_us.clone(),
        _ => vec![(0.5, of.p50), (0.9, of.p90), (0.99, of.p99), (0.999, of.p999), (1.0, of.max)],
    }
}
