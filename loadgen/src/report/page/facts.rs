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
    let all: [(&str, Says); 12] = [
        ("publications a second", |report| Some(count(report.publications.rate_per_s))),
        ("notifications a second", |report| Some(count(report.notifications.rate_per_s))),
        ("last watcher, p99 from plan", |report| time(report.latency_us.last.count, report.latency_us.last.p99)),
        ("the same from send", |report| {
            time(report.latency_from_send_us.last.count, report.latency_from_send_us.last.p99)
        }),
        ("skipped for a newer state", |report| Some(share(report.notifications.skipped_share))),
        ("lost", |report| Some(grouped(report.notifications.lost))),
        ("CPU a notification", |report| Some(format!("{} ns", count(report.cost.cpu_ns_per_notification)))),
        ("memory a subscription", |report| {
            (report.cost.engine_bytes != 0).then(|| few_bytes(report.cost.bytes_per_subscription))
        }),
        ("generator sent late, p99", |report| time(report.rig.generator_lag_us.count, report.rig.generator_lag_us.p99)),
        ("users that this is worth", |report| {
            let capacity = report.capacity.as_ref()?;
            Some(grouped(capacity.users_by_memory.unwrap_or(u64::MAX).min(capacity.users_by_rate)))
        }),
        ("knee, publications a second", |report| Some(count(report.capacity.as_ref()?.knee_per_s?))),
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

/// A share with as many digits as say something: rare things are told apart, and common ones are not told to the thousandth.
fn share(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        0.0 => "0 %".to_owned(),
        ..1.0 => format!("{percent:.3} %"),
        _ => format!("{percent:.1} %"),
    }
}

/// Bytes of something small, to the tenth where that is much of it.
fn few_bytes(bytes: f64) -> String {
    if bytes < 100.0 { format!("{bytes:.1} B") } else { format!("{} B", count(bytes)) }
}

fn time(count: u64, value: u64) -> Option<String> {
    (count != 0).then(|| micros(value))
}

/// What a report says of something that it always knows.
type Fact = dyn Fn(&Report) -> String;

/// Where and how it was measured, and how noisy it was there.
pub(super) fn environment(subjects: &[Subject<'_>]) -> Table {
    let mut table = Table::new(std::iter::once("".to_owned()).chain(subjects.iter().map(Subject::label)));
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
    row("measured for", Box::new(|report| format!("{} s", (report.config.duration_s * 1e3).round() / 1e3)));
    // Results from before targets could be others have the last watcher's alone.
    let of_the_last = |us| format!("last.p99<{us}us");
    let slo = move |report: &Report| report.config.slo.clone().or(report.config.slo_us.map(of_the_last));
    row("latency target", Box::new(move |report| slo(report).unwrap_or_else(|| "none".to_owned())));
    row("idle shard stood still, p99", Box::new(|report| micros(report.rig.shard_gap_us.p99)));
    row("generator not called, p99", Box::new(|report| micros(report.rig.generator_gap_us.p99)));
    row("others had the CPUs", Box::new(|report| share(report.noise.preempted_share)));
    row("hypervisor had the CPUs", Box::new(|report| share(report.noise.steal_share)));
    row("books", Box::new(|report| if report.books.balanced { "balanced" } else { "NOT balanced" }.to_owned()));
    let cells = |of: &dyn Fn(&Report) -> String| subjects.iter().map(|subject| of(subject.report)).collect::<Vec<_>>();
    table.rows = rows.iter().map(|(name, of)| std::iter::once((*name).to_owned()).chain(cells(of)).collect()).collect();
    table
}

/// The phases of one result.
pub(super) fn phases(report: &Report) -> Table {
    let mut table = Table::new(["phase", "seconds", "figures"]);
    for phase in &report.phases {
        let figures = phase.figures.iter().map(|(name, value)| figure(name, *value));
        table.rows.push(vec![
            phase.name.clone(),
            format!("{:.2}", phase.seconds),
            figures.collect::<Vec<_>>().join(", "),
        ]);
    }
    table
}

/// A phase's figure with its unit, which its name ends with.
fn figure(name: &str, value: f64) -> String {
    type Written = fn(f64) -> String;
    let units: [(&str, Written); 6] = [
        ("_share", share),
        ("_us", |value| micros(value as u64)),
        ("_per_s", |value| format!("{}/s", count(value))),
        ("_s", |value| format!("{value:.2} s")),
        ("_ns", |value| format!("{value:.1} ns")),
        ("_bytes", bytes),
    ];
    let found = units.into_iter().find_map(|(unit, written)| Some((name.strip_suffix(unit)?, written)));
    let (name, value) = match found {
        Some((name, written)) => (name, written(value)),
        None if value.fract() == 0.0 => (name, grouped(value as u64)),
        None => (name, count(value)),
    };
    format!("{} {value}", name.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_phases_have_their_units() {
        let all = [
            ("skipped_share", 0.0, "skipped 0 %"),
            ("busy_share", 0.124, "busy 12.4 %"),
            ("last_p99_us", 5_143.0, "last p99 5.14 ms"),
            ("sent_per_s", 1_487.3, "sent 1,487/s"),
            ("warm_up_s", 0.5, "warm up 0.50 s"),
            ("note_ns", 178.94, "note 178.9 ns"),
            ("memory_bytes", 512_896.0, "memory 500.9 KiB"),
            ("engine_ns_per_subscription", 1_244.8, "engine ns per subscription 1,245"),
            ("watchers", 76_800.0, "watchers 76,800"),
        ];
        for (name, value, says) in all {
            assert_eq!(figure(name, value), says);
        }
    }

    #[test]
    fn digits_are_as_many_as_say_something() {
        assert_eq!([0.000_04, 0.1026].map(share), ["0.004 %", "10.3 %"]);
        assert_eq!([21.26, 2_606.1].map(few_bytes), ["21.3 B", "2,606 B"]);
    }
}
