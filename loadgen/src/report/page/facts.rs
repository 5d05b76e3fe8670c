//! What stands on the page in words and numbers: verdicts, the summary, and where and how it was measured.

use super::Subject;
use super::plot::Table;
use crate::report::Report;
use crate::report::screen::{bytes, count, grouped, micros};

/// The verdict of one result.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) name: String,
    pub(super) passed: bool,
    pub(super) says: String,
    pub(super) limited_by: Option<(String, String)>,
    pub(super) reasons: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) command: String,
}

impl Verdict {
    pub(super) fn of(subject: &Subject<'_>) -> Self {
        let report = subject.report;
        let cut = if report.cut_short { " (cut short)" } else { "" };
        Self {
            name: subject.label(),
            passed: report.passed(),
            says: format!("{}{cut}", report.verdict),
            limited_by: report.limited_by.clone().zip(report.limited_by_evidence.clone()),
            reasons: report.reasons.clone(),
            warnings: report.warnings.clone(),
            command: report.command.clone(),
        }
    }
}

/// A figure of the summary: of each result.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) values: Vec<String>,
}

/// How a figure of a report is written, if it has one.
type Says = fn(&Report) -> Option<String>;

/// What one wants to know first.
pub(super) fn summary(subjects: &[Subject<'_>]) -> Vec<Figure> {
    let all: [(&str, Says); 11] = [
        ("publications a second", |report| Some(count(report.publications.rate_per_s))),
        ("notifications a second", |report| Some(count(report.notifications.rate_per_s))),
        ("last watcher, p99 from plan", |report| time(report.latency_us.last.count, report.latency_us.last.p99)),
        ("the same from send", |report| {
            time(report.latency_from_send_us.last.count, report.latency_from_send_us.last.p99)
        }),
        ("skipped for a newer state", |report| Some(format!("{:.3} %", 100.0 * report.notifications.skipped_share))),
        ("lost", |report| Some(grouped(report.notifications.lost))),
        ("CPU a notification", |report| Some(format!("{:.0} ns", report.cost.cpu_ns_per_notification))),
        ("memory a subscription", |report| {
            (report.cost.engine_bytes != 0).then(|| format!("{:.1} B", report.cost.bytes_per_subscription))
        }),
        ("generator sent late, p99", |report| time(report.rig.generator_lag_us.count, report.rig.generator_lag_us.p99)),
        ("users that this is worth", |report| {
            let capacity = report.capacity.as_ref()?;
            Some(grouped(capacity.users_by_memory.unwrap_or(u64::MAX).min(capacity.users_by_rate)))
        }),
        ("Lync pools of 80,000 users", |report| Some(report.capacity.as_ref()?.lync_pools.to_string())),
    ];
    let figure = |(name, of): (&'static str, Says)| {
        let found: Vec<_> = subjects.iter().map(|subject| of(subject.report)).collect();
        let is_known = found.iter().any(Option::is_some);
        let values = found.into_iter().map(|value| value.unwrap_or_else(|| "-".to_owned())).collect();
        is_known.then_some(Figure { name, values })
    };
    all.into_iter().filter_map(figure).collect()
}

fn time(count: u64, value: u64) -> Option<String> {
    (count != 0).then(|| micros(value))
}

/// What a report says of something that it always knows.
type Fact = dyn Fn(&Report) -> String;

/// Where and how it was measured, and how noisy it was there.
pub(super) fn environment(subjects: &[Subject<'_>]) -> Table {
    let mut table = Table::new(std::iter::once("".to_owned()).chain(subjects.iter().map(Subject::label)));
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut rows: Vec<(&str, Box<Fact>)> = Vec::new();
    let mut row = |name, of: Box<Fact>| rows.push((name, of));
    row("measured at (UTC)", Box::new(|report| report.measured_at.clone().unwrap_or_else(|| "-".to_owned())));
    row("commit", Box::new(|report| report.commit.clone()));
    row("processor", Box::new(|report| format!("{}, {} CPUs", report.host.cpu, report.host.cores)));
    row("memory", Box::new(|report| bytes(report.host.memory_bytes as f64)));
    row("kernel", Box::new(|report| report.host.kernel.clone()));
    row("target", Box::new(|report| format!("{}, {} shards", report.config.target, report.config.shards)));
    row("runtime", Box::new(|report| format!("{} ({})", report.config.runtime, report.config.runtime_why)));
    row("model", Box::new(|report| format!("{}, presence {}", report.config.model, report.config.presence)));
    row("users", Box::new(|report| grouped(report.config.users.into())));
    row("watchers", Box::new(|report| grouped(report.config.watchers)));
    row("subscriptions", Box::new(|report| grouped(report.config.subscriptions)));
    row("contacts in the mean", Box::new(|report| report.config.contacts_mean.to_string()));
    row("document in the mean", Box::new(|report| bytes(report.config.document_bytes as f64)));
    row("seed", Box::new(|report| report.config.seed.to_string()));
    row("measured for", Box::new(|report| format!("{} s", report.config.duration_s)));
    row(
        "target for the last watcher",
        Box::new(|report| report.config.slo_us.map_or_else(|| "none".to_owned(), micros)),
    );
    row("idle shard stood still, p99", Box::new(|report| micros(report.rig.shard_gap_us.p99)));
    row("generator not called, p99", Box::new(|report| micros(report.rig.generator_gap_us.p99)));
    row("others had the CPUs", Box::new(move |report| share(report.noise.preempted_share)));
    row("hypervisor had the CPUs", Box::new(move |report| share(report.noise.steal_share)));
    row("books", Box::new(|report| if report.books.balanced { "balanced" } else { "NOT balanced" }.to_owned()));
    let cells = |of: &dyn Fn(&Report) -> String| subjects.iter().map(|subject| of(subject.report)).collect::<Vec<_>>();
    table.rows = rows.iter().map(|(name, of)| std::iter::once((*name).to_owned()).chain(cells(of)).collect()).collect();
    table
}

/// The phases of one result.
pub(super) fn phases(report: &Report) -> Table {
    let mut table = Table::new(["phase", "seconds", "figures"]);
    for phase in &report.phases {
        let figures = phase.figures.iter().map(|(name, value)| format!("{} {value:.1}", name.replace('_', " ")));
        table.rows.push(vec![
            phase.name.clone(),
            format!("{:.2}", phase.seconds),
            figures.collect::<Vec<_>>().join(", "),
        ]);
    }
    table
}
