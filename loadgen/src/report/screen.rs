//! The report for people: one screen that can be read from top to bottom.

use std::fmt::Write;

use super::Report;
use super::sessions;
use crate::recorder::Quantiles;
use crate::traffic::Kind;

/// The report as text.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut page, report);
    page
}

fn write_all(page: &mut String, report: &Report) -> std::fmt::Result {
    machine(page, report)?;
    population(page, report)?;
    phases(page, report)?;
    if report.publications.planned != 0 {
        traffic(page, report)?;
        latency(page, report)?;
        cost(page, report)?;
    }
    truth(page, report)?;
    if report.capacity.is_some() {
        capacity(page, report)?;
    }
    verdict(page, report)
}

fn machine(page: &mut String, report: &Report) -> std::fmt::Result {
    let host = &report.host;
    writeln!(
        page,
        "\nMachine      {}, {} CPUs, {}, Linux {}",
        host.cpu,
        host.cores,
        bytes(host.memory_bytes as f64),
        host.kernel
    )?;
    let facts = &host.facts;
    let said = [
        facts.cpu_mhz.map(|mhz| format!("{mhz} MHz")),
        facts.governor.as_ref().map(|governor| format!("governor {governor}")),
        facts.smt.map(|smt| if smt { "SMT on" } else { "no SMT" }.to_owned()),
        facts.numa_nodes.map(|nodes| format!("{nodes} NUMA node{}", plural(nodes as u64))),
        facts.hypervisor.then(|| "virtual".to_owned()),
        facts.io_uring.as_ref().map(|allowed| format!("io_uring {allowed}")),
        facts.load_1m.map(|load| format!("load {load:.1}")),
        Some(format!("clock {} ns a reading", facts.clock_reading_ns)),
    ];
    writeln!(page, "             {}", said.into_iter().flatten().collect::<Vec<_>>().join(", "))?;
    let config = &report.config;
    writeln!(
        page,
        "Target       {}, {} shard{} on {} ({}), commit {}, seed {}",
        match config.target.as_str() {
            "null" => "none (a plain loop)",
            "double" => "a double, with faults and limits that are known",
            _ => "embedded engine",
        },
        config.shards,
        plural(config.shards as u64),
        config.runtime,
        config.runtime_why,
        report.commit,
        config.seed
    )
}

fn population(page: &mut String, report: &Report) -> std::fmt::Result {
    let config = &report.config;
    writeln!(
        page,
        "Population   {}: {} users, {} watchers, {} subscriptions ({} contacts in the mean), documents of {}, {} categor{}",
        config.model,
        grouped(config.users.into()),
        grouped(config.watchers),
        grouped(config.subscriptions),
        config.contacts_mean,
        bytes(config.document_bytes as f64),
        config.categories,
        if config.categories == 1 { "y" } else { "ies" }
    )?;
    if config.presence == "plain" {
        return Ok(());
    }
    writeln!(
        page,
        "Presence     {}: {} endpoints a user composed; watchers {:.0} % colleagues, {:.0} % federated, {:.0} % of public clouds",
        config.presence,
        config.endpoints_per_user,
        100.0 * config.watchers_internal_share,
        100.0 * config.watchers_federated_share,
        100.0 * (1.0 - config.watchers_internal_share - config.watchers_federated_share)
    )
}

fn phases(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(page, "\nPhases")?;
    for phase in &report.phases {
        let figure = |name: &str| phase.figures.get(name).copied();
        let mut says = String::new();
        if let (Some(whole), Some(engine)) = (figure("subscriptions_per_s"), figure("subscriptions_per_s_engine")) {
            write!(says, "{} subscriptions/s, {} by the engine alone", count(whole), count(engine))?;
            if let Some(engine_ns) = figure("engine_ns_per_subscription") {
                sign_in(&mut says, whole, engine_ns, figure)?;
            }
        } else if let (Some(sent), Some(last)) = (figure("sent_per_s"), figure("last_p99_us")) {
            let notified = figure("notified_per_s").unwrap_or(0.0);
            let skipped = 100.0 * figure("skipped_share").unwrap_or(0.0);
            write!(
                says,
                "{:>9} publications/s, {:>10} notifications/s, last p99 {:>9}, skipped {skipped:.2} %",
                count(sent),
                count(notified),
                micros(last as u64)
            )?;
        } else if let Some(compared) = figure("compared") {
            write!(says, "{} subscriptions compared with the truth", count(compared))?;
        } else if let Some(taken) = figure("memory_bytes") {
            write!(says, "{} taken for those who will sign in, so that they do not wait for it", self::bytes(taken))?;
        } else if let Some(documents) = figure("documents") {
            write!(says, "{} documents published", count(documents))?;
        } else if let (Some(events), Some(size)) = (figure("events"), figure("bytes")) {
            write!(says, "{} events written as a trace of {}", count(events), self::bytes(size))?;
        } else if let Some(note) = figure("note_ns") {
            write!(says, "{note:.0} ns a note, {:.0} ns a reading of the clock", figure("reading_ns").unwrap_or(0.0))?;
        }
        writeln!(page, "  {:<20} {:>7.2} s  {says}", phase.name, phase.seconds)?;
    }
    Ok(())
}

/// Where the sign-in's time went, now that the recorder's cost is known.
fn sign_in(says: &mut String, whole: f64, engine_ns: f64, figure: impl Fn(&str) -> Option<f64>) -> std::fmt::Result {
    let ns = |name: &str| figure(&format!("{name}_ns_per_subscription")).unwrap_or(0.0);
    // Measured on the wall, and shown as what it took on a core.
    let on_cpu = figure("on_cpu_share").unwrap_or(1.0);
    says.clear();
    write!(
        says,
        "{} subscriptions/s; the engine alone {} a core and second, {engine_ns:.0} ns each ({:.0} to subscribe, {:.0} until the \
         first state is told); the rig {:.0} to draw, {:.0} to record",
        count(whole),
        count(1e9 / engine_ns),
        on_cpu * ns("subscribe"),
        ns("first_state"),
        on_cpu * ns("draw"),
        ns("recorder")
    )?;
    if on_cpu < 0.98 {
        write!(says, "; others had the cores for {:.0} %", 100.0 * (1.0 - on_cpu))?;
    }
    Ok(())
}

fn traffic(page: &mut String, report: &Report) -> std::fmt::Result {
    let (sent, told) = (&report.publications, &report.notifications);
    writeln!(page, "\nTraffic")?;
    writeln!(
        page,
        "  publications   {}/s: {} planned, {} sent, {} refused and sent later, {} of users without a watcher",
        count(sent.rate_per_s),
        grouped(sent.planned),
        grouped(sent.sent),
        grouped(sent.refused),
        grouped(sent.unwatched)
    )?;
    writeln!(
        page,
        "  notifications  {}/s: {} delivered, {} skipped for a newer state ({:.3} %)",
        count(told.rate_per_s),
        grouped(told.delivered),
        grouped(told.skipped),
        100.0 * told.skipped_share
    )?;
    // With one category and nothing composed, the lines above have said it all.
    for (name, kind) in report.traffic.iter().filter(|_| report.config.presence != "plain") {
        let says = format!("{}/s", count(kind.rate_per_s));
        writeln!(
            page,
            "    {:<28}{says:>12}  {:>11} in all{}",
            name.replace('_', " "),
            grouped(kind.count),
            weight(kind)
        )?;
    }
    sessions::lines(page, report)
}

fn weight(kind: &Kind) -> String {
    if kind.bytes_per_s == 0.0 { String::new() } else { format!(", {} of documents a second", bytes(kind.bytes_per_s)) }
}

fn latency(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        page,
        "\n{:<32}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "Latency from plan to watcher", "p50", "p90", "p99", "p99.9", "max"
    )?;
    let latency = &report.latency_us;
    quantiles(page, "first watcher", &latency.first)?;
    quantiles(page, "median watcher", &latency.median)?;
    quantiles(page, "last watcher", &latency.last)?;
    quantiles(page, "last watcher, from send", &report.latency_from_send_us.last)?;
    if let Some(calm) = &report.undisturbed {
        quantiles(page, "last watcher, undisturbed", &calm.latency_us.last)?;
        let (share, away) = (100.0 * calm.share, micros(calm.away_us));
        writeln!(
            page,
            "  undisturbed: the {share:.0} % of the time in which no shard's core was away for {away} or more"
        )?;
    }
    writeln!(
        page,
        "  from plan counts what a publication waited because generator or target kept it from being sent; from send does not"
    )?;
    if let Some(steady) = &report.steadiness {
        writeln!(page, "  {}", steady.says())?;
    }
    if let Some(warm_up) = &report.warm_up {
        writeln!(page, "  warm-up {}", warm_up.says())?;
    }
    if let Some(known) = &report.mean_known {
        writeln!(page, "  mean {}", known.says())?;
    }
    if let Some(bad) = &report.troubled {
        writeln!(
            page,
            "Bad watchers: {}, for whom nobody waits; {} read slowly, {} not at all, {} left and {} came back",
            grouped(bad.watchers),
            grouped(bad.slow),
            grouped(bad.stopped),
            grouped(bad.left),
            grouped(bad.returned)
        )?;
        quantiles(page, "back, and all states told", &bad.return_us)?;
    }
    writeln!(page, "Noise of the rig")?;
    let rig = &report.rig;
    quantiles(page, "shard stood still, idle", &rig.shard_gap_us)?;
    quantiles(page, "generator not called", &rig.generator_gap_us)?;
    quantiles(page, "publication sent late", &rig.generator_lag_us)?;
    writeln!(
        page,
        "  {:<30}{:>9.1} % of the shards' time; the hypervisor had {:.1} %",
        "others had the CPUs",
        100.0 * report.noise.preempted_share,
        100.0 * report.noise.steal_share
    )
}

fn quantiles(page: &mut String, name: &str, of: &Quantiles) -> std::fmt::Result {
    write!(page, "  {name:<30}")?;
    for value in [of.p50, of.p90, of.p99, of.p999, of.max] {
        write!(page, "{:>10}", if of.count == 0 { "-".to_owned() } else { micros(value) })?;
    }
    writeln!(page)
}

fn cost(page: &mut String, report: &Report) -> std::fmt::Result {
    let cost = &report.cost;
    let share = |seconds: f64| 100.0 * seconds / cost.elapsed_cpu_s.max(1e-9);
    writeln!(page, "\nCost")?;
    writeln!(
        page,
        "  CPU            {} {:.0} % ({:.0} ns a notification), recorder {:.0} %, generator {:.0} %, spinning {:.0} %",
        report.config.who(),
        share(cost.engine_cpu_s),
        cost.cpu_ns_per_notification,
        share(cost.recorder_cpu_s),
        share(cost.generator_cpu_s),
        share(cost.spin_cpu_s)
    )?;
    if cost.engine_bytes != 0 {
        writeln!(
            page,
            "  memory         engine {}, of which documents {}; {} B a subscription ({} B without documents)",
            bytes(cost.engine_bytes as f64),
            bytes(cost.document_bytes as f64),
            cost.bytes_per_subscription,
            cost.bytes_per_subscription_without_documents
        )?;
        writeln!(
            page,
            "  topics         {}, {} shards for each presentity that is watched",
            grouped(cost.topics),
            cost.shards_per_topic
        )?;
    }
    Ok(())
}

fn truth(page: &mut String, report: &Report) -> std::fmt::Result {
    let books = &report.books;
    let faults = &report.faults;
    writeln!(page, "\nTruth")?;
    writeln!(
        page,
        "  lost           {} of {} subscriptions",
        grouped(report.notifications.lost),
        grouped(books.compared)
    )?;
    if books.checked_presentities_share < 1.0 {
        writeln!(
            page,
            "  followed       {} presentities of {}, drawn from the seed ({:.2} %): latency, order and lost are theirs",
            grouped(books.checked_presentities),
            grouped(report.config.users.into()),
            100.0 * books.checked_presentities_share
        )?;
    }
    writeln!(
        page,
        "  books          {} owed {} {} delivered + {} skipped + {} cancelled + {} pending",
        grouped(books.owed),
        if books.balanced { "=" } else { "IS NOT" },
        grouped(books.delivered),
        grouped(books.skipped),
        grouped(books.cancelled),
        grouped(books.pending)
    )?;
    writeln!(
        page,
        "  promises       {} out of order, {} repeated, {} untrue, {} without state, {} miscounted, {} denied, {} stray",
        faults.backwards,
        faults.repeated,
        faults.untrue,
        faults.stateless,
        faults.miscounted,
        faults.denied,
        faults.stray
    )
}

fn capacity(page: &mut String, report: &Report) -> std::fmt::Result {
    let Some(capacity) = &report.capacity else { return Ok(()) };
    let slo = report.config.slo.as_deref().unwrap_or("-");
    let of_users = capacity.vary == "users";
    writeln!(page, "\nCapacity       the {} with {slo}", if of_users { "most users" } else { "highest rate" })?;
    if of_users && report.publications.planned != 0 {
        let users = grouped(report.config.users.into());
        writeln!(page, "  users          {users}, each at the model's rate times the speed-up")?;
    }
    writeln!(
        page,
        "  by rate        {} publications/s, {} notifications/s: {} users",
        count(capacity.publications_per_s),
        count(capacity.notifications_per_s),
        grouped(capacity.users_by_rate)
    )?;
    if let Some(users) = capacity.users_by_memory {
        writeln!(page, "  by memory      {} users in {}", grouped(users), bytes(report.host.memory_bytes as f64))?;
    }
    writeln!(page, "  Lync pools     {} of 80,000 users, by the smaller of the two", capacity.lync_pools)?;
    let failed =
        capacity.failed_per_s.map_or_else(String::new, |rate| format!("; {} publications/s failed", count(rate)));
    let knee = capacity.knee_per_s.map_or_else(String::new, |rate| format!("; latency turns up at {}/s", count(rate)));
    writeln!(page, "  search         {}{failed}{knee}", capacity.ended)?;
    if let Some(share) = capacity.agreement_share() {
        let found: Vec<_> = capacity.searches.iter().map(|search| count(search.found_per_s)).collect();
        let (all, least) = (found.join(", "), 100.0 * share);
        writeln!(
            page,
            "  in turns       {all}/s found; the least is {least:.1} % of the most, and the median is reported"
        )?;
    }
    if capacity.failed_at_or_below != 0 {
        let points = capacity.failed_at_or_below;
        writeln!(page, "  noise          {points} point{} failed at or below what was found", plural(points as u64))?;
    }
    if let (Some(what), Some(evidence)) = (&capacity.rate_limited_by, &capacity.rate_limited_by_evidence) {
        writeln!(page, "  rate limit     {what}: {evidence}")?;
    }
    Ok(())
}

fn verdict(page: &mut String, report: &Report) -> std::fmt::Result {
    if let (Some(what), Some(evidence)) = (&report.limited_by, &report.limited_by_evidence) {
        writeln!(page, "\nLimited by     {what}: {evidence}")?;
    }
    writeln!(page, "\n{}{}", report.verdict, if report.cut_short { " (cut short)" } else { "" })?;
    for reason in &report.reasons {
        writeln!(page, "  {reason}")?;
    }
    for warning in &report.warnings {
        writeln!(page, "  warning: {warning}")?;
    }
    Ok(())
}

/// A number with its thousands set apart.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number as people read it: one digit after the point if it is small, thousands set apart if not.
#[must_use]
pub fn count(number: f64) -> String {
    if number < 100.0 { format!("{number:.1}") } else { grouped(number.round() as u64) }
}

/// A number of bytes with a unit that fits.
#[must_use]
pub fn bytes(number: f64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, unit) in units {
        if number >= size as f64 {
            return format!("{:.1} {unit}", number / size as f64);
        }
    }
    format!("{number:.0} B")
}

/// A time with a unit that fits.
#[must_use]
pub fn micros(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} us"),
        1_000..100_000 => format!("{:.2} ms", number as f64 / 1e3),
        100_000..1_000_000 => format!("{:.0} ms", number as f64 / 1e3),
        _ => format!("{:.2} s", number as f64 / 1e6),
    }
}

fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(
            (grouped(0).as_str(), grouped(999).as_str(), grouped(12_160_000).as_str()),
            ("0", "999", "12,160,000")
        );
        assert_eq!((bytes(24.0), bytes(4_096.0), bytes(3e9)), ("24 B".into(), "4.0 KiB".into(), "2.8 GiB".into()));
        assert_eq!((micros(7), micros(10_000), micros(250_000)), ("7 us".into(), "10.00 ms".into(), "250 ms".into()));
        assert_eq!(micros(2_500_000), "2.50 s");
    }
}
