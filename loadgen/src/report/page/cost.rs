//! What a notification costs, and whom.

use super::Subject;
use super::axis::Axis;
use super::chart::{Chart, ChartError, Mark, Style};
use super::plot::{Key, Plot, Table};

const NOTE: &str = "CPU time of all shards in the measured point, publishing included, divided by the notifications told. Recorder \
    and generator are the rig's: they run on the same cores, and are taken off what the target is said to cost.";

pub(super) fn plot(subjects: &[Subject<'_>]) -> Result<Option<Plot>, ChartError> {
    let rows = |subject: &Subject<'_>| {
        let cost = &subject.report.cost;
        [
            (subject.report.config.who(), cost.cpu_ns_per_notification),
            ("recorder", cost.recorder_ns_per_notification),
            ("generator", cost.generator_ns_per_notification),
        ]
    };
    let highest = subjects.iter().flat_map(rows).map(|(_, nanos)| nanos).fold(0.0, f64::max);
    if highest <= 0.0 {
        return Ok(None);
    }
    let (mut names, mut bars, mut legend) = (Vec::new(), Vec::new(), Vec::new());
    for (number, subject) in subjects.iter().enumerate() {
        for (who, nanos) in rows(subject) {
            names.push(format!("{who}{}", subject.number(subjects.len(), number)));
            bars.push((Style::solid(number), nanos));
        }
        legend.push(Key::new(Style::solid(number), subject.numbered(subjects.len(), number)));
    }
    let mut chart = Chart::new(Axis::linear("nanoseconds a notification", highest), Axis::rows(&names));
    let mut table = Table::new(["who", "nanoseconds a notification"]);
    for (at, ((style, nanos), name)) in bars.into_iter().zip(&names).enumerate() {
        let y = names.len() as f64 - 0.5 - at as f64;
        chart.marks.push(Mark::Bar([(0.0, y - 0.3), (nanos, y + 0.3)], style));
        table.rows.push(vec![name.clone(), format!("{nanos:.1}")]);
    }
    chart.label_width = 250;
    Plot::draw("cost", "Cost of a notification", NOTE, &chart, legend, table).map(Some)
}
