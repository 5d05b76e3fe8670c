//! The search for the highest rate that keeps the target.
//!
//! Short points double until one fails, then halve the gap between the best that passed and the worst that did not; at
//! last a longer point confirms what was found, lower each time that it does not. A point that is hopelessly late ends
//! early. Machines are noisy: a short point that failed although its shards had time left was disturbed, and is tried again.

use std::time::{Duration, Instant};

use crate::plan::{PointResult, RunError, Session};
use crate::verdict;

/// Where the search begins, or at the model's own rate if that is higher: a short point at this rate has the thousands
/// of publications that a 99th percentile needs.
const BEGIN_PER_S: f64 = 2_000.0;
/// How long a point that only looks for the order of magnitude is measured.
const GROW: Duration = Duration::from_millis(1_000);
/// How long a point between two others is measured.
const NARROW: Duration = Duration::from_millis(2_000);
/// How close the bracket is to become.
const CLOSE_ENOUGH: f64 = 1.06;
const GROWTH: f64 = 2.0;
const SHRINK: f64 = 4.0;
/// What confirmations take off the rate, one after the other, until one succeeds. Each is tried once: above its limit an
/// engine falls behind for good within seconds, and there is time for five or six of these long points, no more.
const STEPS_DOWN: [f64; 7] = [1.0, 0.93, 0.86, 0.78, 0.65, 0.5, 0.3];
/// How often the rate of a short point is tried while its shards have time left.
const TRIES: usize = 3;
/// The share of the shards' time from which on they have none left.
const BUSY_ENOUGH: f64 = 0.75;
/// No new point begins after this time, so that the whole stays within two minutes.
const SEARCH_MAX: Duration = Duration::from_secs(95);
/// No machine sends more; a target that takes it has no limit worth the name.
const RATE_MAX: f64 = 5e6;

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The confirmed point.
    pub best: Option<PointResult>,
    /// The lowest point that failed.
    pub limit: Option<PointResult>,
    /// All points, in order: rate, p99 of last, skipped share, and what it failed for.
    pub points: Vec<Tried>,
}

/// One point of a search, in short.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What was asked for.
    pub rate_per_s: f64,
    /// What was sent.
    pub sent_per_s: f64,
    /// The 99th percentile of the last watcher.
    pub last_p99_us: u64,
    /// Skipped turns as a share.
    pub skipped_share: f64,
    /// What it failed for; nothing if it passed.
    pub reasons: Vec<String>,
}

/// Searches.
///
/// # Errors
/// A generator that breaks off.
pub fn search(session: &mut Session<'_>) -> Result<Search, RunError> {
    let mut search = Search::default();
    let begin = Instant::now();
    let longest = session.settings().duration;
    let (mut low, mut high) = (0.0, None);
    let mut rate = session.settings().rate_per_s.max(BEGIN_PER_S);
    while high.is_none() && rate < RATE_MAX && !session.is_cut() {
        narrow(session, &mut search, "grow", rate, GROW.min(longest), &mut low, &mut high)?;
        rate *= GROWTH;
    }
    while let Some(top) = high
        && (low == 0.0 || top / low > CLOSE_ENOUGH)
        && top > 1.0
        && begin.elapsed() < SEARCH_MAX / 2
        && !session.is_cut()
    {
        let rate = if low == 0.0 { top / SHRINK } else { (low * top).sqrt() };
        narrow(session, &mut search, "narrow", rate, NARROW.min(longest), &mut low, &mut high)?;
    }
    search.best = None;
    for step in STEPS_DOWN {
        let time_left = SEARCH_MAX.saturating_sub(begin.elapsed());
        if low == 0.0 || session.is_cut() || time_left < longest.min(SEARCH_MAX / 4) {
            break;
        }
        let tried = try_at(session, &mut search, "confirm", low * step, longest)?;
        if tried.reasons.is_empty() || session.is_cut() {
            search.best = Some(tried.point);
            break;
        }
        search.limit = Some(tried.point);
    }
    Ok(search)
}

struct Point {
    point: PointResult,
    reasons: Vec<String>,
}

fn narrow(
    session: &mut Session<'_>,
    search: &mut Search,
    name: &str,
    rate: f64,
    measure: Duration,
    low: &mut f64,
    high: &mut Option<f64>,
) -> Result<(), RunError> {
    let tried = try_often(session, search, name, rate, measure)?;
    if tried.reasons.is_empty() {
        *low = rate;
    } else if !session.is_cut() {
        *high = Some(rate);
        search.limit = Some(tried.point);
    }
    Ok(())
}

/// Tries a rate until it passes, or has failed for want of time on its shards, or has failed often enough.
fn try_often(
    session: &mut Session<'_>,
    search: &mut Search,
    name: &str,
    rate: f64,
    measure: Duration,
) -> Result<Point, RunError> {
    let mut tried = try_at(session, search, name, rate, measure)?;
    for _ in 1..TRIES {
        if tried.reasons.is_empty() || tried.point.busy_share() > BUSY_ENOUGH || session.is_cut() {
            break;
        }
        tried = try_at(session, search, name, rate, measure)?;
    }
    Ok(tried)
}

fn try_at(
    session: &mut Session<'_>,
    search: &mut Search,
    name: &str,
    rate: f64,
    measure: Duration,
) -> Result<Point, RunError> {
    let settings = session.settings();
    let slo = settings.slo.unwrap_or_default();
    // So late, more than one in a hundred of the point's publications has missed the target already.
    let hopeless = (slo * 20).max(measure / 5).max(Duration::from_millis(200));
    let point = session.point(name, rate, measure, Some(hopeless))?;
    let reasons = verdict::of_point(&point, session.settings());
    search.points.push(Tried {
        rate_per_s: rate,
        sent_per_s: point.sent_per_s,
        last_p99_us: point.latency[2].p99,
        skipped_share: point.skipped_share(),
        reasons: reasons.clone(),
    });
    Ok(Point { point, reasons })
}
