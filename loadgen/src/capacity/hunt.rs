//! Which load to try next, in publications a second or in users: the search itself, without a clock, a target or a
//! measurement.
//!
//! Loads double until one fails. Then the gap between the best that passed and the lowest that did not is halved, by short
//! points, until the two are near. From the best on, long points go up and down a staircase (`staircase.rs`) around the
//! limit, until that is clear or the time is over; they find their way back from what a short point was wrong about, so only
//! a failure that costs a long way is tried again before it is believed. The invariant: what was confirmed passed at least as many long points as it failed, and what is reported as failed is above it.

use std::time::Duration;

pub use super::evidence::Went;
use super::evidence::{Evidence, Length};
use super::staircase::Staircase;

/// How close short points bring the best and the worst: from there on the first strides of the staircase are as cheap.
const NEAR: f64 = 1.2;
const GROWTH: f64 = 2.0;
const SHRINK: f64 = 4.0;
/// To halve a gap as wide as this for nothing takes longer than to try again what failed.
const WIDE: f64 = 0.99 * GROWTH;
/// A search that has to go down further than to this share of what short points passed has found nothing.
const DEEPEST: f64 = 0.2;

/// Long points of a search: what so many do not settle, more would not.
const LONG_MAX: usize = 24;

/// What a point is for, and so how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To find the order of magnitude.
    Grow,
    /// To close the gap.
    Narrow,
    /// To tell the limit.
    Confirm,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its points stay at two or three neighbouring loads.
    Settled,
    /// There was no time for another long point, there had been enough of them, or none could be lower.
    TimeUp,
    /// Even the highest load that is tried passed.
    NoLimit,
    /// Even the lowest load failed.
    NothingPassed,
    /// Somebody asked for it.
    Cut,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Try this load.
    Try(Stage, f64),
    /// That was it.
    End(Ended),
}

/// A search under way.
#[derive(Clone, Debug)]
pub struct Hunt {
    evidence: Evidence,
    /// The long points.
    staircase: Option<Staircase>,
    begin: f64,
    /// Below the least, nothing that passes says anything; above the most, there is no limit worth the name.
    least: f64,
    most: f64,
    /// How long the whole may take, and how long a confirmation takes.
    time_max: Duration,
    confirming: Duration,
}

impl Hunt {
    /// A search from a load on, between the least and the most, that has so much time and confirms by points of a length.
    #[must_use]
    pub fn new(begin: f64, (least, most): (f64, f64), time_max: Duration, confirming: Duration) -> Self {
        let evidence = Evidence::default();
        Self { evidence, staircase: None, begin: begin.max(least).min(most), least, most, time_max, confirming }
    }

    /// What to do after so much time.
    #[must_use]
    pub fn next(&self, elapsed: Duration) -> Next {
        if self.staircase.is_none()
            && let Some(next) = self.approach(elapsed)
        {
            return next;
        }
        let Some(carried) = self.evidence.carried() else { return Next::End(Ended::NothingPassed) };
        let left = self.long_points_left(elapsed);
        let Some(staircase) = &self.staircase else {
            return if left == 0 { Next::End(Ended::TimeUp) } else { Next::Try(Stage::Confirm, carried) };
        };
        let load = staircase.next(left);
        let has_passed = staircase.middle().is_some();
        match () {
            () if self.confirmed() == Some(self.most) => Next::End(Ended::NoLimit),
            () if staircase.is_clear() => Next::End(Ended::Settled),
            () if !has_passed && (load < DEEPEST * carried || staircase.is_at_its_foot()) => {
                Next::End(Ended::NothingPassed)
            }
            () if left == 0 || staircase.points() == LONG_MAX || staircase.is_at_its_foot() => Next::End(Ended::TimeUp),
            () => Next::Try(Stage::Confirm, load),
        }
    }

    /// Tells how the point went that was asked for last.
    pub fn tell(&mut self, stage: Stage, load: f64, went: Went) {
        let length = if stage == Stage::Confirm { Length::Long } else { Length::Short };
        if length == Length::Long {
            self.staircase
                .get_or_insert_with(|| Staircase::new(load, (self.least, self.most)))
                .tell(load, went == Went::Passed);
        }
        self.evidence.add(length, load, went);
    }

    /// Of the loads that passed as many long points as they failed, the one that is nearest to the middle of all.
    #[must_use]
    pub fn confirmed(&self) -> Option<f64> {
        self.evidence.confirmed_near(self.staircase.as_ref()?.middle()?)
    }

    /// The lowest above it that failed.
    #[must_use]
    pub fn failed(&self) -> Option<f64> {
        self.evidence.too_much_above(self.confirmed().unwrap_or(0.0)).map(|too_much| too_much.load)
    }

    /// Short points, until they have said what they can.
    fn approach(&self, elapsed: Duration) -> Option<Next> {
        // Half of the time belongs to the long points.
        let is_time = elapsed < self.time_max / 2;
        let carried = self.evidence.carried();
        let (stage, load) = match (carried, self.evidence.too_much_above(carried.unwrap_or(0.0))) {
            (None, None) => (Stage::Grow, self.begin),
            // The most is tried itself, however near it is.
            (Some(low), None) if low < self.most => (Stage::Grow, (low * GROWTH).min(self.most)),
            (None, Some(high)) if !high.is_sure => (Stage::Grow, high.load),
            (None, Some(high)) if high.load / SHRINK < self.least => return Some(Next::End(Ended::NothingPassed)),
            (None, Some(high)) => (Stage::Narrow, high.load / SHRINK),
            (Some(low), Some(high)) if !high.is_sure && high.load / low >= WIDE => (Stage::Grow, high.load),
            (Some(low), Some(high)) if high.load / low > NEAR && is_time => (Stage::Narrow, (low * high.load).sqrt()),
            _ => return None,
        };
        Some(Next::Try(stage, load))
    }

    /// Long points that fit what is left of the time.
    fn long_points_left(&self, elapsed: Duration) -> usize {
        let left = self.time_max.saturating_sub(elapsed).as_nanos();
        (left / self.confirming.as_nanos().max(1)) as usize
    }
}

#[cfg(test)]
mod tests;
