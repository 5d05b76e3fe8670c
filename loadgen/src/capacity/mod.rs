//! The search for the highest rate that keeps the target.
//!
//! [`hunt`] says which rate to try (or, in [`users`], how many users), by what [`evidence`] there is; here it is tried and
//! judged. Machines are noisy: only a point that was hopelessly late on busy shards, with nobody else on the machine, is
//! told as one that need not be tried again. A point that is hopelessly late ends early.

pub mod evidence;
pub mod hunt;
pub mod knee;
mod staircase;
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
/// No new point of a search begins after this time of its own, so that the whole of one stays within two minutes.
const SEARCH_MAX: Duration = Duration::from_secs(80);
/// The same where several searches take turns: that takes minutes anyway, and they are compared.
const SEARCH_MAX_OF_MANY: Duration = Duration::from_secs(110);
/// So long a search makes points again that others on the machine have spoiled, before it takes them for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same where several searches take turns: that takes minutes anyway.
const PATIENCE_OF_MANY: Duration = Duration::from_secs(60);
/// The share of the time that a long point is counted with at the most, so that there are several of them.
const CONFIRMING_MAX: u32 = 4;

/// More searches in turns say nothing that so many do not, and take half an hour.
pub const SEARCHES_MAX: u32 = 10;

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
    /// The confirmed point; of a search that was cut before there was one, the long point that was under way.
    pub best: Option<PointResult>,
    /// Whether it is confirmed.
    pub is_confirmed: bool,
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
    /// The share of its time in which every shard had its core, and what the 99th percentile of the last watcher was in it;
    /// nothing where that was all of it, or too little to say anything.
    pub undisturbed: Option<(f64, u64)>,
    /// What it failed for; nothing if it passed.
    pub reasons: Vec<String>,
}

impl Search {
    /// What was confirmed; 0 if nothing was.
    #[must_use]
    pub fn found_per_s(&self) -> f64 {
        self.best.as_ref().filter(|_| self.is_confirmed).map_or(0.0, |point| point.sent_per_s)
    }

    /// Points that failed at a rate at or below the one that was found: bad luck, or a limit that has moved.
    #[must_use]
    pub fn failed_at_or_below(&self) -> usize {
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

/// Searches as often as was asked for, point by point in turns: what the machine does in the meantime, all searches have
/// part in, and where they differ it is by what each of them met.
///
/// # Errors
/// A generator that breaks off.
pub fn search(session: &mut Session<'_>) -> Result<Vec<Search>, RunError> {
    let mut seekers: Vec<_> = (0..session.settings().searches).map(|_| Seeker::new(session.settings())).collect();
    while seekers.iter().any(Seeker::is_under_way) {
        for seeker in &mut seekers {
            seeker.go_on(session)?;
        }
    }
    Ok(seekers.into_iter().map(Seeker::end).collect())
}

/// The search that is reported of several: the one that found the median, or the smaller of the two in the middle. Of
/// searches that were cut, one that has measured something.
#[must_use]
pub fn reported(searches: &[Search]) -> Option<&Search> {
    let is_cut = searches.iter().any(|search| search.ended == Some(Ended::Cut));
    let has_point = |search: &&Search| search.best.is_some();
    let mut sorted: Vec<_> = searches.iter().filter(|search| !is_cut || has_point(search)).collect();
    sorted.sort_by(|one, other| one.found_per_s().total_cmp(&other.found_per_s()));
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// A search under way, which tries a point whenever it is its turn.
struct Seeker {
    hunt: Hunt,
    /// What its own points have taken, without those that were made again.
    spent: Duration,
    /// What points may take that have to be made again.
    patience: Duration,
    search: Search,
    /// Long points that passed, and all that failed.
    passed: ByLoad<PointResult>,
    failed: ByLoad<PointResult>,
}

impl Seeker {
    fn new(settings: &Settings) -> Self {
        let begin_per_s = settings.rate_per_s.max(BEGIN_PER_S);
        let confirming = settings.duration.min(SEARCH_MAX / CONFIRMING_MAX);
        let time_max = if settings.searches == 1 { SEARCH_MAX } else { SEARCH_MAX_OF_MANY };
        let hunt = Hunt::new(begin_per_s, RATES_PER_S, time_max, confirming);
        let patience = match settings.searches {
            _ if settings.count_disturbed => Duration::ZERO,
            1 => PATIENCE,
            _ => PATIENCE_OF_MANY,
        };
        let (passed, failed) = (ByLoad::default(), ByLoad::default());
        Self { hunt, spent: Duration::ZERO, patience, search: Search::default(), passed, failed }
    }

    fn is_under_way(&self) -> bool {
        self.search.ended.is_none()
    }

    /// One point, if it has not ended.
    fn go_on(&mut self, session: &mut Session<'_>) -> Result<(), RunError> {
        if self.is_under_way() {
            self.search.ended = match self.hunt.next(self.spent) {
                _ if session.is_cut() => Some(Ended::Cut),
                Next::End(ended) => Some(ended),
                Next::Try(stage, rate) => self.attempt(session, stage, rate)?,
            };
        }
        Ok(())
    }

    fn attempt(&mut self, session: &mut Session<'_>, stage: Stage, rate: f64) -> Result<Option<Ended>, RunError> {
        let begin = Instant::now();
        let longest = session.settings().duration;
        let (name, measure) = match stage {
            Stage::Grow => ("grow", GROW.min(longest)),
            Stage::Narrow => ("narrow", NARROW.min(longest)),
            Stage::Confirm => ("confirm", longest),
        };
        let hopeless = hopeless(session.settings(), measure);
        let point = session.point(name, rate, measure, Some(hopeless))?;
        let tried = Tried::of(session.settings(), &point);
        let went = tried.went(session.settings(), &point, hopeless);
        self.search.points.push(tried);
        if session.is_cut() && went != Went::Passed {
            // Cut short, it says nothing about the rate; what was measured until then is reported all the same.
            self.search.best = (stage == Stage::Confirm).then_some(point);
            return Ok(Some(Ended::Cut));
        }
        let took = begin.elapsed();
        if went == Went::Disturbed && !self.patience.is_zero() {
            self.patience = self.patience.saturating_sub(took);
            return Ok(None);
        }
        self.spent += took;
        self.hunt.tell(stage, rate, went);
        if went != Went::Passed {
            self.failed.keep(rate, point);
        } else if stage == Stage::Confirm {
            self.passed.keep(rate, point);
        }
        Ok(None)
    }

    fn end(mut self) -> Search {
        let confirmed = self.passed.take(self.hunt.confirmed());
        let limit = self.failed.take(self.hunt.failed());
        let is_confirmed = confirmed.is_some();
        Search { is_confirmed, best: confirmed.or(self.search.best), limit, ..self.search }
    }
}

/// So late, more than one in a hundred of a point's publications has missed the target already.
fn hopeless(settings: &Settings, measure: Duration) -> Duration {
    let slo = settings.slo.as_ref().map_or(Duration::ZERO, Slo::longest);
    (slo * 20).max(measure / 5).max(Duration::from_millis(200))
}

/// What was measured at each load, the latest of it: which of them is the answer is known at the end.
struct ByLoad<T>(Vec<(f64, T)>);

impl<T> Default for ByLoad<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByLoad<T> {
    fn keep(&mut self, load: f64, measured: T) {
        self.0.retain(|&(other, _)| other.total_cmp(&load).is_ne());
        self.0.push((load, measured));
    }

    fn take(&mut self, load: Option<f64>) -> Option<T> {
        let place = self.0.iter().position(|&(other, _)| Some(other) == load)?;
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
            undisturbed: point.undisturbed.as_ref().map(|calm| (calm.share, calm.latency[2].p99)),
            reasons: verdict::of_point(point, settings),
        }
    }

    /// A try of which nothing was measured.
    fn nothing(settings: &Settings, reasons: Vec<String>) -> Self {
        let (rate_per_s, users) = (settings.rate_per_s, settings.traits.users);
        Self { rate_per_s, users, sent_per_s: 0.0, last_p99_us: 0, skipped_share: 0.0, undisturbed: None, reasons }
    }

    /// What it says of its load, when nobody could tell from a point later than `hopeless` whether it will do.
    fn went(&self, settings: &Settings, point: &PointResult, hopeless: Duration) -> Went {
        let is_late = point.cut || u128::from(point.lag.max) > hopeless.as_micros();
        match self.reasons.is_empty() {
            true => Went::Passed,
            false if verdict::is_disturbed(point, settings) => Went::Disturbed,
            false if is_late && point.busy_share() > BUSY_ENOUGH && !verdict::has_others(point) => Went::FailedPlainly,
            false => Went::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Surroundings;
    use crate::plan::Occasion;
    use crate::point::PointAnswer;
    use crate::schedule::Shape;
    use crate::targets::LoopTimes;

    /// A search that found this, or nothing.
    fn search(found_per_s: f64) -> Search {
        let measure = Some(Duration::from_secs(1));
        let occasion =
            Occasion { number: 1, rate_per_s: 1.0, hot_user: 0, from_us: 0, warm_up: Duration::ZERO, measure };
        let drawing = occasion.drawing(1, Shape::default());
        let point = PointResult::of(&drawing, &[PointAnswer::default()], LoopTimes::default(), Surroundings::default());
        let best = (found_per_s != 0.0).then_some(PointResult { sent_per_s: found_per_s, ..point });
        Search { is_confirmed: best.is_some(), best, ..Search::default() }
    }

    #[test]
    fn the_search_in_the_middle_is_reported_and_of_two_the_one_that_found_less() {
        let reported = |found: &[f64]| {
            let searches: Vec<_> = found.iter().map(|&found| search(found)).collect();
            reported(&searches).map(Search::found_per_s)
        };
        assert_eq!(reported(&[]), None);
        assert_eq!(reported(&[7.0]), Some(7.0));
        assert_eq!(reported(&[9.0, 7.0]), Some(7.0));
        assert_eq!(reported(&[9.0, 0.0]), Some(0.0), "one that found nothing is no reason to believe the other");
        assert_eq!(reported(&[9.0, 7.0, 8.0]), Some(8.0));
        let cut = [Search { ended: Some(Ended::Cut), ..Search::default() }, search(7.0)];
        assert_eq!(super::reported(&cut).map(Search::found_per_s), Some(7.0), "what was measured until then");
    }
}
