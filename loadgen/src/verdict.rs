//! PASS or FAIL, and why; and what the limit was, with the evidence.

use std::time::Duration;

use crate::capacity::Vary;
use crate::point::{PointResult, Undisturbed};
use crate::recorder::Quantiles;
use crate::recorder::calibrate::RecorderCost;
use crate::report::Findings;
use crate::sessions;
use crate::settings::{Purpose, Settings};
use crate::targets::TargetName;
use crate::trace::recording::Recorded;

/// The share of the planned publications that has to be sent.
const SENT_MIN: f64 = 0.99;

/// A difference of two clocks that is only the time between their readings.
const SUSPENDED_MAX: Duration = Duration::from_millis(50);

/// The share of the shards' time from which on others on the machine have to be mentioned.
const OTHERS_MAX: f64 = 0.05;

/// The share of a point's time that cores were away for, or had to catch up with that, from which on it may be what it failed for.
const DISTURBED_MAX: f64 = 0.5;

/// What a point failed for; nothing if it passed.
#[must_use]
pub fn of_point(point: &PointResult, settings: &Settings) -> Vec<String> {
    let mut reasons = Vec::new();
    if point.issued.planned == 0 {
        // Whatever holds of nothing says nothing: such a point keeps every target.
        reasons.push("nothing was due in the measured time: raise --rate or --duration".to_owned());
    }
    // What others on the machine made late is not held against a rate: that is looked for, and not a run's own verdict.
    reasons.extend(match calm(point, settings) {
        Some(calm) => of_calm(calm, settings),
        None => late_or_skipped(&point.latency, point.skipped_share(), settings),
    });
    reasons.extend(rate_missed(point));
    reasons.extend(sessions::not_done(point, settings));
    reasons.extend(broken(point));
    reasons
}

/// Whether fewer were sent than were planned, or too late.
fn rate_missed(point: &PointResult) -> Option<String> {
    let missed = (point.issued.sent as f64) < SENT_MIN * point.issued.planned as f64;
    // A schedule that was worked off late has not held its rate either. Half a second's grace is for short ones, of which
    // a hiccup of the machine is a large part.
    let planned_per_s = point.issued.planned as f64 / point.measured_s.max(1e-6);
    let slow = point.sent_per_s < 0.97 * planned_per_s && point.lag.p99 > 500_000;
    (missed || slow).then(|| {
        format!(
            "the rate was missed: {} of {} publications planned were sent, at {:.0} a second instead of {:.0}",
            point.issued.sent, point.issued.planned, point.sent_per_s, planned_per_s
        )
    })
}

/// What no machine is an excuse for.
fn broken(point: &PointResult) -> Vec<String> {
    let mut reasons = Vec::new();
    if point.unfinished != 0 {
        reasons.push(format!("{} publications did not reach every watcher in time", point.unfinished));
    }
    let measured = point.latency[2].count;
    if point.unfinished == 0 && measured != point.issued.timed {
        reasons.push(format!(
            "the rig is at fault: {measured} latencies of {} publications that everybody was told of",
            point.issued.timed
        ));
    }
    if point.around.suspended > SUSPENDED_MAX {
        reasons.push(format!(
            "the machine was suspended for {:.1} s in between, and nothing here has seen that time",
            point.around.suspended.as_secs_f64()
        ));
    }
    if point.faults.sum() != 0 {
        reasons.push(format!("promises were broken: {:?}", point.faults));
    }
    reasons
}

/// What this misses of the targets.
fn late_or_skipped(latency: &[Quantiles; 3], skipped_share: f64, settings: &Settings) -> Vec<String> {
    let mut reasons = settings.slo.as_ref().map_or_else(Vec::new, |slo| slo.missed(latency));
    if skipped_share > settings.skip_max {
        let (skipped, most) = (100.0 * skipped_share, 100.0 * settings.skip_max);
        reasons.push(format!("{skipped:.2} % were skipped, more than {most:.2} %"));
    }
    reasons
}

/// What decides about a point that missed a target in all of its time: the part in which every shard had its core, if
/// there is enough of that. Nothing for a point that kept them, for there is nothing to be excused, or where disturbed time
/// is to count.
fn calm<'a>(point: &'a PointResult, settings: &Settings) -> Option<&'a Undisturbed> {
    if settings.count_disturbed || late_or_skipped(&point.latency, point.skipped_share(), settings).is_empty() {
        return None;
    }
    point.undisturbed.as_ref()
}

fn of_calm(calm: &Undisturbed, settings: &Settings) -> Vec<String> {
    let mut reasons = late_or_skipped(&calm.latency, calm.skipped_share, settings);
    reasons.iter_mut().for_each(|reason| reason.push_str(", in undisturbed time"));
    reasons
}

/// Whether others on the machine may be to blame for all that a point failed for: they had the CPUs for a twentieth of the
/// time, or kept cores for long in most of it. Never for what was late or skipped while every shard had its core.
#[must_use]
pub fn is_disturbed(point: &PointResult, settings: &Settings) -> bool {
    if !broken(point).is_empty() || calm(point, settings).is_some_and(|calm| !of_calm(calm, settings).is_empty()) {
        return false;
    }
    has_others(point) || point.disturbed_share > DISTURBED_MAX
}

/// Whether others had the CPUs for so much of a point that it has to be mentioned.
#[must_use]
pub fn has_others(point: &PointResult) -> bool {
    others_share(point) > OTHERS_MAX
}

/// The share of a point's time in which others had the CPUs, in this system and in others on the same machine.
fn others_share(point: &PointResult) -> f64 {
    point.preempted_share() + point.around.steal_share
}

/// What the whole run failed for; nothing if it passed.
#[must_use]
pub fn of_run(findings: &Findings, settings: &Settings) -> Vec<String> {
    let mut reasons = Vec::new();
    if findings.cut {
        reasons.push("cut short: the figures are of what was measured until then".to_owned());
    }
    if let Some(Err(error)) = &findings.recorded {
        reasons.push(format!("the run was not recorded: {error}"));
    }
    let checked = &findings.checked;
    if checked.lost != 0 {
        reasons.push(format!("{} subscriptions have not seen the newest state", checked.lost));
    }
    if checked.faults.sum() != 0 {
        reasons.push(format!("promises were broken: {:?}", checked.faults));
    }
    if checked.pending != 0 && !findings.sample.is_all() {
        // Of those who are followed it shows in what they have seen. Of the others this is all there is to see it by.
        reasons
            .push(format!("{} turns are owed still, some of them to watchers who are not followed", checked.pending));
    }
    if !checked.identity_holds() {
        reasons.push(format!(
            "the books do not balance: {} owed, but {} delivered + {} skipped + {} cancelled + {} filtered + {} pending",
            checked.owed, checked.delivered, checked.skipped, checked.cancelled, checked.filtered, checked.pending
        ));
    }
    match (&findings.point, settings.purpose) {
        (None, _) if findings.cut => {}
        (None, Purpose::Capacity) => reasons.push(match settings.vary {
            Vary::Rate => "no rate kept the target, not even the lowest".to_owned(),
            Vary::Users => "no number of users kept the target, not even the fewest".to_owned(),
        }),
        (None, Purpose::Run) => reasons.push("nothing was measured".to_owned()),
        (Some(point), Purpose::Run) => reasons.extend(of_point(point, settings)),
        (Some(point), Purpose::Capacity) => {
            // The share of planned publications scatters with their number, as Poisson does.
            let scatter = 4.0 / (point.issued.planned.max(1) as f64).sqrt();
            if settings.vary == Vary::Rate && point.sent_per_s < settings.rate_per_s * (1.0 - scatter) {
                reasons.push(format!(
                    "{:.0} publications a second were found, fewer than the model's own {:.0}",
                    point.sent_per_s, settings.rate_per_s
                ));
            }
            let still_wrong = of_point(point, settings);
            if !findings.cut {
                reasons.extend(still_wrong);
            }
        }
    }
    reasons
}

/// What went well enough and should be known all the same.
#[must_use]
pub fn warnings(findings: &Findings, settings: &Settings) -> Vec<String> {
    let mut warnings: Vec<String> = sessions::left_out(settings).into_iter().collect();
    if settings.traces.is_at_once() {
        let what = "replayed at --speed max: each publication was due when it was sent, so latency from plan is latency from \
                    send, and no rate was kept";
        warnings.push(what.to_owned());
    }
    if let Some((users, seed)) = settings.traces.drawn_with()
        && (users, seed) != (settings.traits.users, settings.traits.seed)
    {
        warnings.push(format!(
            "the trace is of {users} users drawn with --seed {seed}, and this run has {} drawn with --seed {}: others watch \
             others than when it was recorded",
            settings.traits.users, settings.traits.seed
        ));
    }
    if let Some(Ok(Recorded { waits: waits @ 1.., .. })) = findings.recorded {
        warnings.push(format!("publishers waited {waits} times for the recording, which shows in their lag"));
    }
    let Some(point) = &findings.point else { return warnings };
    if let Some(calm) = calm(point, settings).filter(|calm| of_calm(calm, settings).is_empty()) {
        warnings.push(format!(
            "the target was kept in the {:.0} % of the time in which every shard had its core; in all of it {}: that is what others on \
             this machine cost, and --count-disturbed counts it",
            100.0 * calm.share,
            late_or_skipped(&point.latency, point.skipped_share(), settings).join(", and ")
        ));
    }
    let incomplete = point.traffic.answers.incomplete;
    if incomplete != 0 {
        let late = "policies were not applied by every shard in time; they were closed there until then";
        warnings.push(format!("{incomplete} {late}"));
    }
    if has_others(point) {
        warnings.push(format!(
            "others had the CPUs for {:.0} % of the time (this system {:.1} %, the hypervisor {:.1} %): repeat it on a quiet machine",
            100.0 * others_share(point),
            100.0 * point.preempted_share(),
            100.0 * point.around.steal_share
        ));
    }
    warnings
}

/// What a point cost, by whom. Nanoseconds of all shards together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    /// The engine's own work.
    pub engine_ns: f64,
    /// The recorder's, as calibrated.
    pub recorder_ns: f64,
    /// The generator's, as measured.
    pub generator_ns: f64,
    /// Spinning.
    pub spin_ns: f64,
    /// All shards' time.
    pub elapsed_ns: f64,
}

impl Shares {
    /// Who took what of a point.
    #[must_use]
    pub fn of(point: &PointResult, recorder: &RecorderCost) -> Self {
        let recorder_ns = point.notes as f64 * recorder.note_ns + point.readings as f64 * recorder.reading_ns;
        let generator_ns = point.generator_ns as f64;
        Self {
            engine_ns: (point.loops.work_ns as f64 * point.on_cpu_share() - recorder_ns - generator_ns).max(0.0),
            recorder_ns,
            generator_ns,
            spin_ns: point.loops.spin_ns as f64 * point.on_cpu_share(),
            elapsed_ns: (point.elapsed_ns as f64).max(1.0),
        }
    }

    /// The engine's share of the shards' time.
    #[must_use]
    pub fn engine_share(&self) -> f64 {
        self.engine_ns / self.elapsed_ns
    }

    /// The generator's and the recorder's share.
    #[must_use]
    pub fn rig_share(&self) -> f64 {
        (self.generator_ns + self.recorder_ns) / self.elapsed_ns
    }
}

/// What kept a run from more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitedBy {
    /// One of `engine`, `double`, `generator`, `target`, `memory`, `network`.
    pub what: String,
    /// The figures that say so.
    pub evidence: String,
}

/// Names what kept a point from more, where it failed.
#[must_use]
pub fn limit_of_point(point: &PointResult, recorder: &RecorderCost, settings: &Settings) -> LimitedBy {
    let shares = Shares::of(point, recorder);
    let reasons = of_point(point, settings);
    let (engine, rig) = (100.0 * shares.engine_share(), 100.0 * shares.rig_share());
    let what = match settings.target {
        TargetName::Null => "generator",
        _ if rig > engine && rig > 40.0 => "generator",
        TargetName::Double(_) => "double",
        TargetName::Embedded => "engine",
    };
    let taken_by = if matches!(settings.target, TargetName::Double(_)) { "double" } else { "engine" };
    let evidence = format!(
        "at {:.0} publications a second {}; of the shards' time the {taken_by} took {engine:.0} %, generator and recorder {rig:.0} %, \
         and others had the CPUs for {:.0} %",
        point.rate_per_s,
        if reasons.is_empty() { "the target was kept".to_owned() } else { reasons.join(", and ") },
        100.0 * others_share(point),
    );
    LimitedBy { what: what.to_owned(), evidence }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};
    use crate::host::Host;
    use crate::point::undisturbed;

    fn settings(flags: &str) -> Settings {
        let line = format!("loadgen --users 200 --contacts 5 --shards 1 --html none {flags}");
        let flags = Cli::try_parse_from(line.split_whitespace()).unwrap().flags;
        Settings::resolve(Purpose::Capacity, flags, Host::look(), line).unwrap()
    }

    fn point(late_us: u64, away: &[(u64, u64)]) -> PointResult {
        let mut point = undisturbed::tests::point(late_us, away);
        point.leave_out_disturbed(1_000);
        point
    }

    #[test]
    fn a_rate_is_judged_by_the_time_in_which_every_shard_had_its_core() {
        let (away, elsewhere) = ([(325_000, 20_000)], [(725_000, 20_000)]);
        let search = settings("");
        let verdict = |away: &[(u64, u64)], settings| {
            let point = point(40_000, away);
            (of_point(&point, settings).is_empty(), is_disturbed(&point, settings))
        };
        assert_eq!(verdict(&away, &search), (true, false), "what was late was the machine's");
        assert_eq!(verdict(&elsewhere, &search), (false, false), "it was late while nobody was away");
        assert_eq!(verdict(&[], &search), (false, false));
        assert_eq!(verdict(&away, &settings("--count-disturbed")), (false, false), "it was asked to count");
        assert_eq!(calm(&point(500, &away), &search), None, "nothing is to be excused");
    }

    #[test]
    fn where_too_little_is_left_to_judge_by_all_of_it_counts_and_is_excused() {
        let search = settings("");
        let point = point(40_000, &[(890_000, 880_000)]);
        assert_eq!((of_point(&point, &search).is_empty(), is_disturbed(&point, &search)), (false, true));
        let broken = PointResult { unfinished: 1, ..point };
        assert!(!is_disturbed(&broken, &search), "no machine is an excuse for that");
    }

    #[test]
    fn a_run_is_judged_by_all_of_its_time() {
        let line = "loadgen run --users 200 --contacts 5 --shards 1 --slo 10ms";
        let Some(Verb::Run(flags)) = Cli::try_parse_from(line.split(' ')).unwrap().command else { panic!("{line}") };
        let run = Settings::resolve(Purpose::Run, flags, Host::look(), line.to_owned()).unwrap();
        assert!(!of_point(&point(40_000, &[(325_000, 20_000)]), &run).is_empty());
    }
}
