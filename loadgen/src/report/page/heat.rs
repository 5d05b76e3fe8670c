//! Latency over time as a heat map: how many publications of each interval took how long until the last watcher was told.

use super::Subject;
use super::axis::Axis;
use super::chart::{Chart, ChartError, Mark, Style};
use super::plot::{Key, Plot, Table};
use crate::report::screen::{grouped, micros};

const NOTE: &str = "Each column is an interval, and holds the publications that were due in it; the stronger a field is filled, \
    the more of them took so long until their last watcher was told (on a logarithmic scale). The lines are the median and the \
    99th percentile of each interval.";

/// What it shows.
pub(super) const TITLE: &str = "Last watcher over time";

/// The faintest field that can be seen.
const FAINTEST: f64 = 0.12;

pub(super) fn plot(subject: &Subject<'_>, of: usize, number: usize) -> Result<Option<Plot>, ChartError> {
    let Some(series) = subject.report.series.as_ref().filter(|series| !series.last_cells.counts.is_empty()) else {
        return Ok(None);
    };
    let (cells, last, interval_s) = (&series.last_cells, &series.last_us, series.interval_s);
    let whole_s = interval_s * cells.counts.len() as f64;
    let most = cells.counts.iter().flatten().copied().max().unwrap_or(0).max(2);
    let mut chart = Chart::new(Axis::time(whole_s), Axis::micros("latency", cells.edges_us.iter().copied()));
    for (at, row) in (0u32..).zip(&cells.counts) {
        let (from_s, to_s) = (f64::from(at) * interval_s, f64::from(at + 1) * interval_s);
        for (edges, &count) in cells.edges_us.windows(2).zip(row).filter(|(_, count)| **count != 0) {
            let share = FAINTEST + (1.0 - FAINTEST) * (count as f64).ln() / (most as f64).ln();
            chart.marks.push(Mark::Field([(from_s, edges[0] as f64), (to_s, edges[1] as f64)], share));
        }
    }
    let line = |column: &[u64]| -> Vec<(f64, f64)> {
        let middles = (0u32..).map(|at| (f64::from(at) + 0.5) * interval_s);
        let filled = middles.zip(column.iter().zip(&last.count)).filter(|(_, (_, count))| **count != 0);
        filled.map(|(at, (&micros, _))| (at, micros as f64)).collect()
    };
    let (median, rare) = (Style::solid(0), Style::dashed(3));
    chart.marks.push(Mark::Line(line(&last.p50), median));
    chart.marks.push(Mark::Line(line(&last.p99), rare));
    let mut table = Table::new(["from", "publications", "p50", "p90", "p99", "max"]);
    for at in 0..last.count.len() {
        let mut cells = vec![format!("{:.1} s", at as f64 * interval_s), grouped(last.count[at])];
        cells.extend([&last.p50, &last.p90, &last.p99, &last.max].map(|column| micros(column[at])));
        table.rows.push(cells);
    }
    let legend = vec![Key::new(median, "median"), Key::new(rare, "99th percentile")];
    let title = format!("{TITLE}{}", subject.suffix(of));
    Plot::draw(format!("heat-{number}"), title, NOTE, &chart, legend, table).map(Some)
}
