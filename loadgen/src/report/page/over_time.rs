//! What happened when: turns skipped, and publications planned and sent.

use super::Subject;
use super::axis::Axis;
use super::chart::{Chart, ChartError, Mark, Style};
use super::plot::{Key, Plot, Table};
use crate::report::Series;
use crate::report::screen::grouped;

const SKIPPED: &str = "Turns that became due and were overtaken by a newer state before the watcher was told: the newest state is \
    told, the one between is not. Counted when it happened. Zero throughout means that everybody was told everything.";

const SENT: &str = "Planned is what the schedule asked for, counted when it was due; sent is when it was given to the target. Where \
    sent falls behind planned, generator or target stood still; where it is above, they caught up.";

/// What the first shows.
pub(super) const SKIPPED_TITLE: &str = "Skipped over time";

/// What the second shows.
pub(super) const SENT_TITLE: &str = "Publications over time";

struct Line<'a> {
    name: String,
    style: Style,
    series: &'a Series,
    column: &'a [u64],
}

/// Skipped over time.
pub(super) fn skipped(subjects: &[Subject<'_>]) -> Result<Option<Plot>, ChartError> {
    let lines = measured(subjects).map(|(at, subject, series)| Line {
        name: subject.label(),
        style: Style::of(at),
        series,
        column: &series.notifications_skipped,
    });
    draw("skipped", SKIPPED_TITLE, SKIPPED, "turns skipped a second", lines.collect())
}

/// Planned and sent over time.
pub(super) fn sent(subjects: &[Subject<'_>]) -> Result<Option<Plot>, ChartError> {
    let lines = measured(subjects).flat_map(|(at, subject, series)| {
        let line = |what: &str, series_at, column| Line {
            name: if subjects.len() == 1 { what.to_owned() } else { format!("{}: {what}", subject.label()) },
            style: series_at,
            series,
            column,
        };
        // Of several results the plans would hide one another.
        let planned = (subjects.len() == 1).then(|| line("planned", Style::dashed(1), &series.publications_planned));
        planned.into_iter().chain([line("sent", Style::of(at), &series.publications_sent)])
    });
    draw("sent", SENT_TITLE, SENT, "publications a second", lines.collect())
}

fn measured<'a>(subjects: &'a [Subject<'_>]) -> impl Iterator<Item = (usize, &'a Subject<'a>, &'a Series)> {
    let series = |(at, subject): (usize, &'a Subject<'_>)| Some((at, subject, subject.report.series.as_ref()?));
    subjects.iter().enumerate().filter_map(series).filter(|(_, _, series)| !series.publications_planned.is_empty())
}

fn draw(id: &str, title: &str, note: &str, upwards: &str, lines: Vec<Line<'_>>) -> Result<Option<Plot>, ChartError> {
    let per_s = |line: &Line<'_>, count: u64| count as f64 / line.series.interval_s;
    let whole_s = lines.iter().map(|line| line.series.interval_s * line.column.len() as f64).fold(0.0, f64::max);
    let highest = lines.iter().flat_map(|line| line.column.iter().map(|&count| per_s(line, count))).fold(0.0, f64::max);
    if whole_s == 0.0 {
        return Ok(None);
    }
    // An axis without any height would show noise as mountains.
    let mut chart = Chart::new(Axis::time(whole_s), Axis::linear(upwards, highest.max(1.0)));
    let mut table = Table::new(["line", "from", "to", "count", "a second"]);
    for line in &lines {
        let interval_s = line.series.interval_s;
        let at = |middle: usize| (middle as f64 + 0.5) * interval_s;
        let points = line.column.iter().enumerate().map(|(middle, &count)| (at(middle), per_s(line, count))).collect();
        chart.marks.push(Mark::Line(points, line.style));
        table.rows.extend(line.column.iter().enumerate().map(|(at, &count)| {
            let seconds = |edge: usize| format!("{:.1} s", edge as f64 * interval_s);
            let rate = grouped(per_s(line, count).round() as u64);
            vec![line.name.clone(), seconds(at), seconds(at + 1), grouped(count), rate]
        }));
    }
    let legend = lines.iter().map(|line| Key::new(line.style, &line.name)).collect();
    Plot::draw(id, title, note, &chart, legend, table).map(Some)
}
