//! Fan-out completion: how long until the first watcher, half of them, and the last were told.

use super::Subject;
use super::axis::Axis;
use super::chart::{Chart, ChartError, Mark, Style};
use super::plot::{Key, Plot, Table};
use crate::recorder::Quantiles;
use crate::report::LatencyUs;
use crate::report::screen::micros;

const NOTE: &str = "A row for each watcher of a publication that counts: the first who was told, the one in the middle, the last. The \
    line goes from the median of all publications to their 99.9th percentile; the shapes on it are p50, p90, p99 and p99.9, from left \
    to right. What lies between first and last is the time that the fan-out itself takes.";

pub(super) fn plot(subjects: &[Subject<'_>]) -> Result<Option<Plot>, ChartError> {
    let measured = subjects.iter().enumerate().filter(|(_, subject)| subject.report.latency_us.last.count != 0);
    let mut rows: Vec<(String, Style, &Quantiles)> = Vec::new();
    let mut legend = Vec::new();
    for (at, subject) in measured {
        let LatencyUs { first, median, last } = &subject.report.latency_us;
        let name = |watcher: &str| format!("{watcher}{}", subject.number(subjects.len(), at));
        rows.extend(
            [("first", first), ("median", median), ("last", last)]
                .map(|(watcher, of)| (name(watcher), Style::solid(at), of)),
        );
        legend.push(Key::new(Style::solid(at), subject.numbered(subjects.len(), at)));
    }
    if rows.is_empty() {
        return Ok(None);
    }
    // The same watcher of all results together: that is what is compared.
    rows.sort_by_key(|(name, _, _)| ["first", "median", "last"].iter().position(|watcher| name.starts_with(watcher)));
    let names: Vec<_> = rows.iter().map(|(name, _, _)| name.clone()).collect();
    let values = rows.iter().flat_map(|(_, _, of)| [of.p50, of.p999]);
    let mut chart = Chart::new(Axis::micros("latency from plan", values), Axis::rows(&names));
    let mut table = Table::new(["watcher", "p50", "p90", "p99", "p99.9", "max"]);
    for (at, (name, style, of)) in rows.iter().enumerate() {
        let y = names.len() as f64 - 0.5 - at as f64;
        let points: Vec<_> = [of.p50, of.p90, of.p99, of.p999].map(|micros| (micros as f64, y)).to_vec();
        chart.marks.push(Mark::Line(vec![points[0], points[3]], *style));
        chart.marks.push(Mark::Dots(points, *style));
        let cells = [of.p50, of.p90, of.p99, of.p999, of.max].map(micros);
        table.rows.push(std::iter::once(name.clone()).chain(cells).collect());
    }
    chart.label_width = 230;
    let title = "Fan-out: first, median and last watcher";
    Plot::draw("fan-out", title, NOTE, &chart, legend, table).map(Some)
}
