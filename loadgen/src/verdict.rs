//! PASS or FAIL, and why; and what the limit was, with the evidence.

use std::time::Duration;

use crate::capacity::Vary;
use crate::point::PointResult;
use crate::recorder::calibrate::RecorderCost;
use crate::report::Findings;
use crate::settings::{Purpose, Settings};
use crate::targets::TargetName;
use crate::trace::recording::Recorded;

/// The share of the planned publications that has to be sent.
const SENT_MIN: f64 = 0.99;

/// A difference of two clocks that is only the time between their readings.
const SUSPENDED_MAX: Duration = Duration::from_millis(50);

/// The share of the shards' time from which on others on the machine have to be mentioned.
const OTHERS_MAX: f64 = 0.05;

/// What a point failed for; nothing if it passed.
#[must_use]
pub fn of_point(point: &PointResult, settings: &Settings) -> Vec<String> {
    let mut reasons = Vec::new();
    if point.issued.planned == 0 {
        // Whatever holds of nothing says nothing: such a point keeps every target.
        reasons.push("nothing was due in the measured time: raise --rate or --duration".to_owned());
    }
    if let Some(slo) = &settings.slo {
        reasons.extend(slo.missed(&point.latency));
    }
    if point.skipped_share() > settings.skip_max {
        reasons.push(format!(
            "{:.2} % were skipped, more than {:.2} %",
            100.0 * point.skipped_share(),
            100.0 * settings.skip_max
        ));
    }
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
    let missed = (point.issued.sent as f64) < SENT_MIN * point.issued.planned as f64;
    // A schedule that was worked off late has not held its rate either. Half a second's grace is for short ones, of which
    // a hiccup of the machine is a large part.
    let planned_per_s = point.issued.planned as f64 / point.measured_s.max(1e-6);
    let slow = point.sent_per_s < 0.97 * planned_per_s && point.lag.p99 > 500_000;
    if missed || slow {
        reasons.push(format!(
            "the rate was missed: {} of {} publications planned were sent, at {:.0} a second instead of {:.0}",
            point.issued.sent, point.issued.planned, point.sent_per_s, planned_per_s
        ));
    }
    if point.faults.sum() != 0 {
        reasons.push(format!("promises were broken: {:?}", point.faults));
    }
    reasons
}

/// What is late for longer than so many times of standing still was not late for that.
const LATE_BY_STANDING: u64 = 10;

/// A core is away for less than this all the time, and nobody is to be excused for it.
const STOOD_MIN: Duration = Duration::from_millis(5);

/// Whether others on the machine had the CPUs for so much of a point, or once for so long, that what it failed for may have
/// been theirs.
#[must_use]
pub fn is_disturbed(point: &PointResult, reasons: &[String], settings: &Settings) -> bool {
    others_share(point) > OTHERS_MAX || stood_still(point, reasons, settings)
}

/// Whether a point has missed latencies only, and a shard's core was once away for half of what the target allows, and
/// what was late was not much later than that explains. A hypervisor's other guests are told by no other sign.
fn stood_still(point: &PointResult, reasons: &[String], settings: &Settings) -> bool {
    let Some(slo) = &settings.slo else { return false };
    if point.cut || reasons.len() != slo.missed(&point.latency).len() {
        return false;
    }
    let stood = Duration::from_micros(point.stood_us_max);
    slo.missed_strictest(&point.latency).is_some_and(|(below, measured_us)| {
        stood >= STOOD_MIN.max(below / 2) && measured_us <= LATE_BY_STANDING * point.stood_us_max
    })
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
    let mut warnings = Vec::new();
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
    let incomplete = point.traffic.answers.incomplete;
    if incomplete != 0 {
        let late = "policies were not applied by every shard in time; they were closed there until then";
        warnings.push(format!("{incomplete} {late}"));
    }
    if others_share(point) > OTHERS_MAX {
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
    use crate::args::Cli;
    use crate::host::{Host, Surroundings};
    use crate::plan::Occasion;
    use crate::point::PointAnswer;
    use crate::schedule::Shape;
    use crate::targets::LoopTimes;

    #[test]
    fn who_stood_still_for_long_is_excused_for_what_that_explains() {
        let line = "loadgen --users 200 --contacts 5 --shards 1 --html none";
        let flags = Cli::try_parse_from(line.split(' ')).unwrap().flags;
        let settings = Settings::resolve(Purpose::Capacity, flags, Host::look(), line.to_owned()).unwrap();
        let measure = Some(Duration::from_secs(1));
        let occasion =
            Occasion { number: 1, rate_per_s: 1.0, hot_user: 0, from_us: 0, warm_up: Duration::ZERO, measure };
        let drawing = occasion.drawing(1, Shape::default());
        let excused = |stood_us_max, p99, skipped| {
            let parts = [PointAnswer::default()];
            let mut point = PointResult::of(&drawing, &parts, LoopTimes::default(), Surroundings::default());
            (point.stood_us_max, point.latency[2].p99, point.skipped, point.delivered) =
                (stood_us_max, p99, skipped, 100);
            point.issued.planned = 1;
            point.issued.sent = 1;
            is_disturbed(&point, &of_point(&point, &settings), &settings)
        };
        // The target is 10 ms.
        assert!(excused(5_000, 12_000, 0) && excused(40_000, 90_000, 0));
        assert!(!excused(4_900, 12_000, 0), "that is what every machine does");
        assert!(!excused(6_000, 300_000, 0), "that is a target which falls behind");
        assert!(!excused(40_000, 90_000, 5), "nobody skips because he stood still");
        assert!(!excused(40_000, 9_000, 0), "nothing was missed");
    }
}
