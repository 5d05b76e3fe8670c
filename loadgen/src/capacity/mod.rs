//! The search for the highest rate that keeps the target.
//!
//! [`hunt`] says which rate to try (or, in [`users`], how many users); here it is tried, judged, and tried again if something else was to blame: machines
//! are noisy, and a short point that failed although its shards had time left was disturbed. A point that is hopelessly
//! late ends early.

pub mod hunt;
pub mod knee;
pub mod users;

use std::time::{Duration, Instant};

use crate::plan::{PointResult, RunError, Session};
use crate::slo::Slo;
use crate::verdict;
use hunt::{Ended, Hunt, Next, Stage};

/// Where the search begins, or at the model's own rate if that is higher: a short point at this rate has the thousands
/// of publications that a 99th percentile needs.
const BEGIN_PER_S: f64 = 2_000.0;
/// No machine sends more; and a point of less says nothing.
const RATES_PER_S: (f64, f64) = (1.0, 5e6);
/// How long a point that only looks for the order of magnitude is measured.
const GROW: Duration = Duration::from_millis(1_000);
/// How long a point between two others is measured.
const NARROW: Duration = Duration::from_millis(2_000);
/// How often the rate of a short point is tried while its shards have time left.
const TRIES: usize = 3;
/// The share of the shards' time from which on they have none left.
const BUSY_ENOUGH: f64 = 0.75;
/// No new point begins after this time, so that the whole stays within two minutes.
const SEARCH_MAX: Duration = Duration::from_secs(95);
/// The share of the time that a confirmation is counted with, so that short ones have time for all steps.
const CONFIRMING_MAX: u32 = 4;

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The confirmed point.
    pub best: Option<PointResult>,
    /// The lowest point that failed.
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
    search.ended = Some(loop {
        if session.is_cut() {
            break Ended::Cut;
        }
        let (stage, rate) = match hunt.next(begin.elapsed()) {
            Next::End(ended) => break ended,
            Next::Try(stage, rate) => (stage, rate),
        };
        let (name, measure, tries) = match stage {
            Stage::Grow => ("grow", GROW.min(longest), TRIES),
            Stage::Narrow => ("narrow", NARROW.min(longest), TRIES),
            // There is no time to do it again: a rate that fails is followed by a lower one.
            Stage::Confirm => ("confirm", longest, 1),
        };
        let point = try_often(session, &mut search, name, rate, measure, tries)?;
        let passed = search.points.last().is_some_and(|tried| tried.reasons.is_empty());
        match (passed, stage) {
            (true, Stage::Confirm) => search.best = Some(point),
            // Cut short, it says nothing about the rate; what was measured until then is reported all the same.
            _ if session.is_cut() => {
                search.best = search.best.or_else(|| (stage == Stage::Confirm).then_some(point));
                break Ended::Cut;
            }
            (true, _) => {}
            (false, _) if hunt.failed().is_none_or(|lowest| rate < lowest) => search.limit = Some(point),
            (false, _) => {}
        }
        hunt.tell(stage, rate, passed);
    });
    Ok(search)
}

/// Tries a rate until it passes, or has failed for want of time on its shards, or has failed often enough.
fn try_often(
    session: &mut Session<'_>,
    search: &mut Search,
    name: &str,
    rate: f64,
    measure: Duration,
    tries: usize,
) -> Result<PointResult, RunError> {
    let mut tried = 1;
    loop {
        let point = try_at(session, search, name, rate, measure)?;
        let passed = search.points.last().is_some_and(|tried| tried.reasons.is_empty());
        if passed || tried == tries || point.busy_share() > BUSY_ENOUGH || session.is_cut() {
            return Ok(point);
        }
        tried += 1;
    }
}

fn try_at(
    session: &mut Session<'_>,
    search: &mut Search,
    name: &str,
    rate: f64,
    measure: Duration,
) -> Result<PointResult, RunError> {
    let slo = session.settings().slo.as_ref().map_or(Duration::ZERO, Slo::longest);
    // So late, more than one in a hundred of the point's publications has missed the target already.
    let hopeless = (slo * 20).max(measure / 5).max(Duration::from_millis(200));
    let point = session.point(name, rate, measure, Some(hopeless))?;
    let reasons = verdict::of_point(&point, session.settings());
    search.points.push(Tried {
        rate_per_s: rate,
        users: session.settings().traits.users,
        sent_per_s: point.sent_per_s,
        last_p99_us: point.latency[2].p99,
        skipped_share: point.skipped_share(),
        reasons,
    });
    Ok(point)
}
