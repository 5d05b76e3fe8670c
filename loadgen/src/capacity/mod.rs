//! The search for the highest rate that keeps the target.
//!
//! [`hunt`] says which rate to try (or, in [`users`], how many users), by what [`evidence`] there is; here it is tried and
//! judged. Machines are noisy: only a point that was hopelessly late on busy shards, with nobody else on the machine, is
//! told as one that need not be tried again. A point that is hopelessly late ends early.

pub mod evidence;
pub mod hunt;
pub mod knee;
pub mod users;

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::plan::{RunError, Session};
use crate::point::PointResult;
use crate::settings::Settings;
use crate::slo::Slo;
use crate::verdict;
use evidence::Went;
use hunt::{Ended, Hunt, Next, Stage};

/// Where the search begins, or at the model's own rate if that is higher: a short point at this rate has the thousands
/// of publications that a 99th percentile needs.
const BEGIN_PER_S: f64 = 2_000.0;
/// No machine sends more; and a point of less says nothing.
const RATES_PER_S: (f64, f64) = (1.0, 5e6);
/// How long a point that only looks for the order of magnitude is measured.
pub const GROW: Duration = Duration::from_millis(1_000);
/// How long a point between two others is measured.
const NARROW: Duration = Duration::from_millis(2_000);
/// The share of the shards' time from which on they have none left.
const BUSY_ENOUGH: f64 = 0.75;
/// No new point begins after this time, so that the whole stays within two minutes.
const SEARCH_MAX: Duration = Duration::from_secs(95);
/// The share of the time that a confirmation is counted with, so that short ones have time for all steps.
const CONFIRMING_MAX: u32 = 4;

/// What a search can vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vary {
    /// Publications a second, of the users there are
    Rate,
    /// Users, each of whom publishes at the model's rate; each population is built, signed in, measured and checked
    Users,
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The confirmed point.
    pub best: Option<PointResult>,
    /// The lowest point above it that failed.
    pub limit: Option<PointResult>,
    /// All points, in order: rate, p99 of last, skipped share, and what it failed for.
    pub points: Vec<Tried>,
    /// Why it ended.
    pub ended: Option<Ended>,
}

/// One point of a search, in short.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What was asked for.
    pub rate_per_s: f64,
    /// Of how many users.
    pub users: u32,
    /// What was sent.
    pub sent_per_s: f64,
    /// The 99th percentile of the last watcher.
    pub last_p99_us: u64,
    /// Skipped turns as a share.
    pub skipped_share: f64,
    /// The longest time for which a shard's core cannot have been the shard's.
    pub stood_us_max: u64,
    /// What it failed for; nothing if it passed.
    pub reasons: Vec<String>,
}

impl Search {
    /// Points that failed at a rate at or below one that passed a long point: something else was to blame, or the
    /// target has no one limit.
    #[must_use]
    pub fn disturbed(&self) -> usize {
        let Some(best) = &self.best else { return 0 };
        self.points.iter().filter(|point| !point.reasons.is_empty() && point.rate_per_s <= best.rate_per_s).count()
    }

    /// The knee of the curve of rates and latencies.
    #[must_use]
    pub fn knee_per_s(&self) -> Option<f64> {
        let points: Vec<_> = self.points.iter().map(|point| (point.rate_per_s, point.last_p99_us)).collect();
        knee::of(&points)
    }
}

/// Searches.
///
/// # Errors
/// A generator that breaks off.
pub fn search(session: &mut Session<'_>) -> Result<Search, RunError> {
    let mut search = Search::default();
    let begin = Instant::now();
    let longest = session.settings().duration;
    let begin_per_s = session.settings().rate_per_s.max(BEGIN_PER_S);
    let mut hunt = Hunt::new(begin_per_s, RATES_PER_S, SEARCH_MAX, longest.min(SEARCH_MAX / CONFIRMING_MAX));
    let mut failed = Failed::default();
    search.ended = Some(loop {
        if session.is_cut() {
            break Ended::Cut;
        }
        let (stage, rate) = match hunt.next(begin.elapsed()) {
            Next::End(ended) => break ended,
            Next::Try(stage, rate) => (stage, rate),
        };
        let (name, measure) = match stage {
            Stage::Grow => ("grow", GROW.min(longest)),
            Stage::Narrow => ("narrow", NARROW.min(longest)),
            Stage::Confirm => ("confirm", longest),
        };
        let hopeless = hopeless(session.settings(), measure);
        let point = session.point(name, rate, measure, Some(hopeless))?;
        let tried = Tried::of(session.settings(), &point);
        let went = tried.went(session.settings(), &point, hopeless);
        search.points.push(tried);
        if session.is_cut() && went != Went::Passed {
            // Cut short, it says nothing about the rate; what was measured until then is reported all the same.
            search.best = search.best.or_else(|| (stage == Stage::Confirm).then_some(point));
            break Ended::Cut;
        }
        hunt.tell(stage, rate, went);
        if went != Went::Passed {
            failed.keep(&hunt, rate, point);
        } else if stage == Stage::Confirm && hunt.confirmed() == Some(rate) {
            search.best = Some(point);
        }
    });
    search.limit = failed.lowest(&hunt);
    Ok(search)
}

/// So late, more than one in a hundred of a point's publications has missed the target already.
fn hopeless(settings: &Settings, measure: Duration) -> Duration {
    let slo = settings.slo.as_ref().map_or(Duration::ZERO, Slo::longest);
    (slo * 20).max(measure / 5).max(Duration::from_millis(200))
}

/// Points that failed, by load: which of them is the limit is known at the end.
#[derive(Default)]
struct Failed(Vec<(f64, PointResult)>);

impl Failed {
    /// Keeps one, and lets go of those below what was confirmed.
    fn keep(&mut self, hunt: &Hunt, load: f64, point: PointResult) {
        self.0.retain(|&(other, _)| hunt.confirmed().is_none_or(|confirmed| other > confirmed));
        self.0.push((load, point));
    }

    /// The latest at the lowest load that stands as failed.
    fn lowest(mut self, hunt: &Hunt) -> Option<PointResult> {
        let place = self.0.iter().rposition(|&(load, _)| hunt.failed() == Some(load))?;
        Some(self.0.swap_remove(place).1)
    }
}

impl Tried {
    /// What a point says, in short.
    fn of(settings: &Settings, point: &PointResult) -> Self {
        Self {
            rate_per_s: point.rate_per_s,
            users: settings.traits.users,
            sent_per_s: point.sent_per_s,
            last_p99_us: point.latency[2].p99,
            skipped_share: point.skipped_share(),
            stood_us_max: point.stood_us_max,
            reasons: verdict::of_point(point, settings),
        }
    }

    /// A try of which nothing was measured.
    fn nothing(settings: &Settings, reasons: Vec<String>) -> Self {
        let (rate_per_s, users) = (settings.rate_per_s, settings.traits.users);
        Self { rate_per_s, users, sent_per_s: 0.0, last_p99_us: 0, skipped_share: 0.0, stood_us_max: 0, reasons }
    }

    /// What it says of its load, when nobody could tell from a point later than `hopeless` whether it will do.
    fn went(&self, settings: &Settings, point: &PointResult, hopeless: Duration) -> Went {
        let is_late = point.cut || u128::from(point.lag.max) > hopeless.as_micros();
        match self.reasons.is_empty() {
            true => Went::Passed,
            false if verdict::is_disturbed(point, &self.reasons, settings) => Went::Disturbed,
            false if is_late && point.busy_share() > BUSY_ENOUGH => Went::FailedPlainly,
            false => Went::Failed,
        }
    }
}
