//! What was asked for and would not be done: refused, and never passed over in silence.
//!
//! Looked at on the main thread before anything is built. The invariant: each flag that was said has its part in the run.

use std::time::Duration;

use clap::ValueEnum;

use super::{Purpose, SettingsError};
use crate::args::Flags;
use crate::capacity::{GROW, Vary};
use crate::pace::{Pace, WarmUp};
use crate::schedule::Course;
use crate::targets::{RuntimeName, TargetName};
use crate::trouble::{STORM_AT, Troubles};

/// Refuses flags that have nothing to do beside others.
pub(super) fn check_flags(purpose: Purpose, flags: &Flags) -> Result<(), SettingsError> {
    if purpose == Purpose::Run && flags.vary != Vary::Rate {
        return Err(SettingsError::Idle {
            flag: format!("--vary {}", name_of(flags.vary)),
            beside: "`loadgen run`".to_owned(),
            way_out: "a run is of one rate and one population; say `loadgen capacity`, or leave it out",
        });
    }
    if flags.searches != 1 && (purpose == Purpose::Run || flags.vary == Vary::Users) {
        let flag = format!("--searches {}", flags.searches);
        let (beside, way_out) = match purpose {
            Purpose::Run => ("`loadgen run`", "a run searches for nothing; say `loadgen capacity`, or leave it out"),
            Purpose::Capacity => (
                "--vary users",
                "each try is a population of its own, and the search one of minutes; repeat the command",
            ),
        };
        return Err(SettingsError::Idle { flag, beside: beside.to_owned(), way_out });
    }
    if purpose == Purpose::Run && flags.count_disturbed {
        return Err(SettingsError::Idle {
            flag: "--count-disturbed".to_owned(),
            beside: "`loadgen run`".to_owned(),
            way_out: "a run is judged by all of its time; leave it out",
        });
    }
    if flags.runtime != RuntimeName::Auto && flags.target != TargetName::Embedded {
        return Err(SettingsError::Idle {
            flag: format!("--runtime {}", name_of(flags.runtime)),
            beside: format!("--target {}", flags.target.as_str()),
            way_out: "only the embedded engine has shards to turn; leave one of the two out",
        });
    }
    let embedded = flags.target == TargetName::Embedded;
    if flags.spin.is_some() && (!embedded || flags.runtime == RuntimeName::Host) {
        let (beside, way_out) = match embedded {
            true => ("--runtime host".to_owned(), "who hosts a shard never spins; leave one of the two out"),
            false => (
                format!("--target {}", flags.target.as_str()),
                "only shards of the embedded engine sleep; leave it out",
            ),
        };
        return Err(SettingsError::Idle { flag: "--spin".to_owned(), beside, way_out });
    }
    Ok(())
}

/// So long it takes at the least until a mean is called known.
const KNOWN_MIN: Duration = Duration::from_secs(5);

/// Refuses to let a measurement depend on what is seen where what is seen is not meant to be steady.
pub(super) fn check_pace(
    purpose: Purpose,
    flags: &Flags,
    pace: &Pace,
    measured: Duration,
) -> Result<(), SettingsError> {
    if *pace == Pace::default() {
        return Ok(());
    }
    let words = flags.schedule.words();
    let flag = match pace.warm_up {
        WarmUp::Steady => "--warm-up steady",
        WarmUp::For(_) if !pace.is_open() => "--warm-up",
        _ => "--until",
    };
    let refuse = |flag: &str, beside: &str, way_out| {
        Err(SettingsError::Idle { flag: flag.to_owned(), beside: beside.to_owned(), way_out })
    };
    let idle = |beside, way_out| refuse(flag, beside, way_out);
    if purpose == Purpose::Capacity {
        return idle(
            "a search for capacity",
            "its points are short on purpose; measure the rate it finds with `loadgen run`",
        );
    }
    if flags.schedule.trace().is_some() {
        return idle("--schedule trace:FILE", "a trace begins and ends where it does; leave it out");
    }
    if !pace.is_open() {
        return Ok(());
    }
    let way_out = "what is to change never becomes steady; say times with --warm-up and --duration";
    if words.shape.course != Course::Steady {
        return idle("a --schedule that changes the rate", way_out);
    }
    if pace.until_share.is_some() && measured < KNOWN_MIN {
        let seconds = measured.as_secs_f64();
        let way_out = "a mean is known after 5 s at the earliest; say a longer --duration, which is then the most";
        return refuse("--until", &format!("--duration {seconds}s"), way_out);
    }
    if words.storm.is_some() || flags.slow + flags.stop + flags.drop > 0.0 {
        return idle("--slow, --stop, --drop or a storm", way_out);
    }
    Ok(())
}

/// Refuses a storm that would be over before all have come, which is to say, that would be a faster one than was asked for.
pub(super) fn check_storm(purpose: Purpose, troubles: &Troubles, measured: Duration) -> Result<(), SettingsError> {
    let Some(storm) = troubles.storm else { return Ok(()) };
    let (measured, place, way_out) = match purpose {
        Purpose::Run => (measured, "this run", "say a longer --duration or a shorter storm"),
        Purpose::Capacity => (
            measured.min(GROW),
            "the shortest point of a search",
            "say a shorter storm, such as reconnect-storm:20%/500ms, or measure one rate with `loadgen run`",
        ),
    };
    if storm.within <= measured.mul_f64(1.0 - STORM_AT) {
        return Ok(());
    }
    Err(SettingsError::Storm { within: storm.within, measured, place, way_out })
}

/// As it is written on the command line.
fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
