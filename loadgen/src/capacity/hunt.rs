//! Which load to try next, in publications a second or in users: the search itself, without a clock, a target or a
//! measurement.
//!
//! Loads double until one fails. Then the gap between the best that passed and the lowest that did not is halved, by short
//! points, until the two are close. Long points confirm the best, a step lower each time that they fail; when one passes,
//! the gap to the lowest that failed is halved again while there is time. No single failure is believed: before a search
//! ends at a load, or goes a long way back from it, that load is tried again, and what passes then puts the bound back to
//! where it was. The invariant: what was confirmed passed more long points than it failed, and what is reported as failed
//! is above it.

use std::time::Duration;

pub use super::evidence::Went;
use super::evidence::{Evidence, Length};

/// How close the best and the worst are to become.
const CLOSE_ENOUGH: f64 = 1.03;
const GROWTH: f64 = 2.0;
const SHRINK: f64 = 4.0;
/// To halve a gap as wide as this for nothing takes longer than to try again what failed.
const WIDE: f64 = 0.99 * GROWTH;
/// What confirmations take off the load, one after the other, until one succeeds: above its limit a target may fall
/// behind so slowly that no short point shows it. The steps grow, for there is time for five or six long points; what
/// lies between the last two is looked at afterwards. The first is small, for it may have been bad luck.
const STEPS_DOWN: [f64; 7] = [1.0, 0.98, 0.92, 0.83, 0.7, 0.5, 0.3];

/// With so many long points left each of them takes a further step.
const POINTS_OF_STEPS: usize = 4;

/// Long points after the first that passed: what so many of them do not settle is noise.
const SETTLING_MAX: usize = 8;

/// What a point is for, and so how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To find the order of magnitude.
    Grow,
    /// To close the gap.
    Narrow,
    /// To make sure.
    Confirm,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// What was confirmed and what failed are close.
    Settled,
    /// There was no time for another long point, or several had not settled it.
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
    settling: usize,
    begin: f64,
    /// Below the least, nothing that passes says anything; above the most, there is no limit worth the name.
    least: f64,
    most: f64,
    /// How long the whole may take, and how long a confirmation takes.
    time_max: Duration,
    confirming: Duration,
}

impl Hunt {
    /// A search from a load on, or from the most if that is less, down to the least, that has so much time and confirms by
    /// points of a length.
    #[must_use]
    pub fn new(begin: f64, (least, most): (f64, f64), time_max: Duration, confirming: Duration) -> Self {
        let evidence = Evidence::default();
        Self { evidence, settling: 0, begin: begin.min(most), least, most, time_max, confirming }
    }

    /// What to do after so much time.
    #[must_use]
    pub fn next(&self, elapsed: Duration) -> Next {
        if let Some(confirmed) = self.confirmed() {
            return self.settle(confirmed, elapsed);
        }
        if self.evidence.tried_long() == 0
            && let Some(next) = self.approach(elapsed)
        {
            return next;
        }
        let left = self.long_points_left(elapsed);
        if left == 0 {
            return Next::End(Ended::TimeUp);
        }
        // What failed while others had the CPUs is tried again before it costs a step, while there is time for steps.
        if let Some(load) = self.evidence.in_doubt()
            && left >= POINTS_OF_STEPS
        {
            return Next::Try(Stage::Confirm, load);
        }
        let Some(carried) = self.evidence.carried() else { return Next::End(Ended::NothingPassed) };
        // The fewer points are left, the larger a step after a failure: what ends with nothing confirmed has found nothing.
        let step = match self.evidence.tried_long() {
            0 => 0,
            tried => tried.max((POINTS_OF_STEPS + 1).saturating_sub(left)),
        };
        let confirm = |share: &f64| Next::Try(Stage::Confirm, carried * share);
        STEPS_DOWN.get(step).map_or(Next::End(Ended::NothingPassed), confirm)
    }

    /// Tells how the point went that was asked for last.
    pub fn tell(&mut self, stage: Stage, load: f64, went: Went) {
        self.settling += usize::from(self.confirmed().is_some());
        let length = if stage == Stage::Confirm { Length::Long } else { Length::Short };
        self.evidence.add(length, load, went);
    }

    /// The highest load that was confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Option<f64> {
        self.evidence.confirmed()
    }

    /// The lowest above it that failed.
    #[must_use]
    pub fn failed(&self) -> Option<f64> {
        self.evidence.too_much_above(self.confirmed().unwrap_or(0.0)).map(|too_much| too_much.load)
    }

    /// Short points, until they have said what they can.
    fn approach(&self, elapsed: Duration) -> Option<Next> {
        // Half of the time belongs to the confirmations.
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
            (Some(low), Some(high)) if high.load / low > CLOSE_ENOUGH && is_time => {
                (Stage::Narrow, (low * high.load).sqrt())
            }
            // Some seconds later than before: whatever disturbed it then may be over.
            (Some(_), Some(high)) if !high.is_sure && is_time => (Stage::Narrow, high.load),
            _ => return None,
        };
        Some(Next::Try(stage, load))
    }

    /// Long points, between what was confirmed and what failed.
    fn settle(&self, confirmed: f64, elapsed: Duration) -> Next {
        let load = match self.evidence.too_much_above(confirmed) {
            None if confirmed >= self.most => return Next::End(Ended::NoLimit),
            // What had stood in the way was bad luck.
            None => (confirmed * GROWTH).min(self.most),
            Some(high) if high.load / confirmed > CLOSE_ENOUGH => (confirmed * high.load).sqrt(),
            Some(high) if high.is_sure => return Next::End(Ended::Settled),
            Some(high) => high.load,
        };
        if self.long_points_left(elapsed) == 0 || self.settling == SETTLING_MAX {
            return Next::End(Ended::TimeUp);
        }
        Next::Try(Stage::Confirm, load)
    }

    /// Long points that fit what is left of the time.
    fn long_points_left(&self, elapsed: Duration) -> usize {
        let left = self.time_max.saturating_sub(elapsed).as_nanos();
        (left / self.confirming.as_nanos().max(1)) as usize
    }
}

#[cfg(test)]
mod tests;
