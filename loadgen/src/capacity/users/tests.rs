//! Searches over users of a target that refuses too many, without a target.

use clap::Parser;

use super::*;
use crate::args::Cli;
use crate::crew::{Checked, CrewError, SignIn};
use crate::host::{Host, Surroundings};
use crate::point::{PointAnswer, PointResult};
use crate::population::Totals;
use crate::publisher::Issued;
use crate::recorder::calibrate::RecorderCost;
use crate::report::Report;
use crate::sample::Sample;
use crate::schedule::{Drawing, Shape};
use crate::settings::Purpose;
use crate::sign_in::Division;
use crate::targets::LoopTimes;

fn settings() -> Settings {
    let line = "loadgen --vary users --users 1000 --model plain --shards 1 --target null --html none";
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    Settings::resolve(Purpose::Capacity, cli.flags, Host::look(), line.to_owned()).unwrap()
}

/// A second in which all was sent that was planned, or a hundredth of it.
fn findings(settings: &Settings, is_kept: bool) -> Findings {
    let end_us = 1_000_000;
    let drawing = Drawing {
        rate_per_s: settings.rate_per_s,
        shape: Shape::default(),
        hot_user: 0,
        from_us: 0,
        measure_from_us: 0,
        end_us,
        seed: 1,
    };
    let issued =
        Issued { planned: 100, sent: if is_kept { 100 } else { 1 }, last_sent_us: end_us, ..Issued::default() };
    let part = PointAnswer { issued, ..PointAnswer::default() };
    let point = PointResult::of(&drawing, &[part], LoopTimes::default(), Surroundings::default());
    Findings {
        totals: Totals::default(),
        sign_in: SignIn::default(),
        point: Some(point),
        searches: Vec::new(),
        checked: Checked::default(),
        sample: Sample::ALL,
        checked_presentities: 0,
        storm: Division::default(),
        recorder: RecorderCost::default(),
        phases: Vec::new(),
        runtime: String::new(),
        runtime_why: String::new(),
        recorded: None,
        presentities_watched: 0,
        cut: false,
    }
}

fn refusal() -> RunError {
    RunError::Crew(CrewError::Failed { shard: 0, reason: "too many subscriptions".to_owned() })
}

#[test]
fn a_population_that_is_refused_is_too_large_and_does_not_end_the_search() {
    let run = |tried: &Settings| if tried.traits.users > 10_000 { Err(refusal()) } else { Ok(findings(tried, true)) };
    let (found, mut findings) = search_by(settings(), &AtomicBool::new(false), run).unwrap();
    assert!((9_700..=10_000).contains(&found.traits.users), "{}", found.traits.users);
    let search = findings.searches.remove(0);
    assert_eq!(search.ended, Some(Ended::Settled));
    let refused: Vec<_> = search.points.iter().filter(|tried| tried.users > 10_000).collect();
    assert!(!refused.is_empty() && refused.iter().all(|tried| tried.reasons[0].contains("too many subscriptions")));
}

#[test]
fn where_every_population_is_refused_it_is_said_why() {
    let ended = search_by(settings(), &AtomicBool::new(false), |_| Err(refusal()));
    assert_eq!(ended.unwrap_err().to_string(), "shard 0: too many subscriptions");
}

#[test]
fn what_has_nothing_to_do_with_the_population_ends_the_search() {
    let mut runs = 0;
    let ended = search_by(settings(), &AtomicBool::new(false), |_| {
        runs += 1;
        Err(RunError::Cut)
    });
    assert!(matches!(ended, Err(RunError::Cut)) && runs == 1, "{runs}");
}

#[test]
fn a_search_over_users_speaks_of_users() {
    let run = |tried: &Settings| Ok(findings(tried, false));
    let (settings, findings) = search_by(settings(), &AtomicBool::new(false), run).unwrap();
    let report = Report::new(&settings, findings);
    let ended = report.capacity.unwrap().ended;
    for said in [report.reasons.join("; "), ended] {
        assert!(said.contains("users") && !said.contains("no rate"), "{said}");
    }
}
