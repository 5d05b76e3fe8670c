//! Traffic by kind: what went in and out a second.

use std::collections::BTreeSet;

use super::Subject;
use super::axis::Axis;
use super::chart::{Chart, ChartError, Mark, Style};
use super::plot::{Key, Plot, Table};
use crate::report::screen::{bytes, count, grouped};

const NOTE: &str = "Publications go in, notifications come out; first states are those of new subscriptions and of watchers whom a \
    policy has moved to another view, and all that a refresh tells again. Notifications of sessions are to short subscriptions \
    and expanded groups, which nobody waits for; what sessions do comes at the model's own rate. On a logarithmic scale; kinds that there were none of have no shape.";

/// Kinds in one plot: a model has at most a few dozen categories.
const KINDS_MAX: usize = 64;

pub(super) fn plot(subjects: &[Subject<'_>]) -> Result<Option<Plot>, ChartError> {
    let kinds: BTreeSet<&String> = subjects.iter().flat_map(|subject| subject.report.traffic.keys()).collect();
    let kinds: Vec<_> = kinds.into_iter().take(KINDS_MAX).collect();
    let rates = || subjects.iter().flat_map(|subject| subject.report.traffic.values().map(|kind| kind.rate_per_s));
    if rates().all(|rate| rate <= 0.0) {
        return Ok(None);
    }
    let names: Vec<_> = kinds.iter().map(|kind| kind.replace('_', " ")).collect();
    let mut chart = Chart::new(Axis::magnitudes("a second", rates()), Axis::rows(&names));
    let mut table =
        Table::new(["kind", "result", "a second", "in all", "documents a second", "planned", "model a second"]);
    let mut legend = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let y = |at: usize| names.len() as f64 - 0.5 - at as f64;
        let rate = |kind: &str| subject.report.traffic.get(kind).map_or(0.0, |kind| kind.rate_per_s);
        let points = kinds.iter().enumerate().map(|(at, kind)| (rate(kind), y(at))).filter(|(rate, _)| *rate > 0.0);
        chart.marks.push(Mark::Dots(points.collect(), Style::of(number)));
        legend.push(Key::new(Style::of(number), subject.label()));
    }
    for (kind, name) in kinds.iter().zip(&names) {
        for subject in subjects {
            let Some(flow) = subject.report.traffic.get(*kind) else { continue };
            let session = subject.report.sessions.get(*kind);
            table.rows.push(vec![
                name.clone(),
                subject.label(),
                count(flow.rate_per_s),
                grouped(flow.count),
                bytes(flow.bytes_per_s),
                session.map_or_else(String::new, |session| grouped(session.planned)),
                session.map_or_else(String::new, |session| count(session.expected_per_s)),
            ]);
        }
    }
    chart.label_width = 480;
    Plot::draw("traffic", "Traffic by kind", NOTE, &chart, legend, table).map(Some)
}
