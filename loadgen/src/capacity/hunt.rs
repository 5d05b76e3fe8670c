//! Which load to try next, in publications a second or in users: the search itself, without a clock, a target or a
//! measurement.
//!
//! Loads double until one fails. Then the gap between the best that passed and the worst that did not is halved, by
//! short points, until the two are close. Long points confirm the best, a step lower each time that they fail; when one
//! passes, the gap to the lowest that failed is halved again while there is time. The invariant: what was confirmed
//! passed a long point, and whatever failed one is above it.

use std::time::Duration;

/// How close the best and the worst are to become.
const CLOSE_ENOUGH: f64 = 1.03;
const GROWTH: f64 = 2.0;
const SHRINK: f64 = 4.0;
/// What confirmations take off the load, one after the other, until one succeeds: above its limit a target may fall
/// behind so slowly that no short point shows it. The steps grow, for there is time for five or six long points; what
/// lies between the last two is looked at afterwards.
const STEPS_DOWN: [f64; 7] = [1.0, 0.97, 0.91, 0.82, 0.7, 0.5, 0.3];

/// Long points after the first that passed: what four of them do not settle is noise.
const SETTLING_MAX: usize = 4;

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
    /// The highest load that passed a point of any length, until a longer one says otherwise.
    low: f64,
    /// The lowest that failed one.
    high: Option<f64>,
    confirmed: Option<f64>,
    steps: usize,
    settling: usize,
    next: f64,
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
        let (low, high, confirmed, steps, settling) = (0.0, None, None, 0, 0);
        Self { low, high, confirmed, steps, settling, next: begin, least, most, time_max, confirming }
    }

    /// What to do after so much time.
    #[must_use]
    pub fn next(&self, elapsed: Duration) -> Next {
        let is_time_up = elapsed + self.confirming > self.time_max;
        if let Some(confirmed) = self.confirmed {
            return match self.high {
                None => Next::End(Ended::NoLimit),
                Some(high) if high / confirmed <= CLOSE_ENOUGH => Next::End(Ended::Settled),
                Some(_) if is_time_up || self.settling == SETTLING_MAX => Next::End(Ended::TimeUp),
                Some(high) => Next::Try(Stage::Confirm, (confirmed * high).sqrt()),
            };
        }
        match self.high {
            _ if self.steps > 0 => {}
            None if self.next <= self.most => return Next::Try(Stage::Grow, self.next),
            Some(high) if self.low == 0.0 && high / SHRINK < self.least => return Next::End(Ended::NothingPassed),
            Some(high) if self.low == 0.0 => return Next::Try(Stage::Narrow, high / SHRINK),
            // Half of the time belongs to the confirmations.
            Some(high) if high / self.low > CLOSE_ENOUGH && elapsed < self.time_max / 2 => {
                return Next::Try(Stage::Narrow, (self.low * high).sqrt());
            }
            _ => {}
        }
        match STEPS_DOWN.get(self.steps) {
            Some(step) if !is_time_up => Next::Try(Stage::Confirm, self.low * step),
            Some(_) => Next::End(Ended::TimeUp),
            None => Next::End(Ended::NothingPassed),
        }
    }

    /// Tells how the point went that was asked for last.
    pub fn tell(&mut self, stage: Stage, load: f64, passed: bool) {
        self.settling += usize::from(self.confirmed.is_some());
        match (stage, passed) {
            (Stage::Confirm, true) => self.confirmed = Some(load),
            (_, true) => self.low = self.low.max(load),
            (Stage::Confirm, false) => {
                self.steps += 1;
                self.fail(load);
            }
            (_, false) => self.fail(load),
        }
        if stage == Stage::Grow {
            // The most is tried itself, however near it is.
            self.next = if load < self.most { (load * GROWTH).min(self.most) } else { f64::INFINITY };
        }
    }

    /// The load that was confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Option<f64> {
        self.confirmed
    }

    /// The lowest that failed.
    #[must_use]
    pub fn failed(&self) -> Option<f64> {
        self.high
    }

    fn fail(&mut self, load: f64) {
        self.high = Some(self.high.map_or(load, |high| high.min(load)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(9);

    /// Hunts a target that fails short points above `short` and long ones above `long`; what it found, what failed, why
    /// it ended, and how many points it took.
    fn hunt(short: f64, long: f64, time_max: Duration) -> (Option<f64>, Option<f64>, Ended, usize) {
        let mut hunt = Hunt::new(2_000.0, (1.0, 5e6), time_max, LONG);
        let mut elapsed = Duration::ZERO;
        for points in 0..1_000 {
            match hunt.next(elapsed) {
                Next::End(ended) => return (hunt.confirmed(), hunt.failed(), ended, points),
                Next::Try(stage, rate) => {
                    elapsed += if stage == Stage::Confirm { LONG } else { Duration::from_secs(2) };
                    hunt.tell(stage, rate, rate <= if stage == Stage::Confirm { long } else { short });
                }
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn the_limit_is_found_from_both_sides() {
        let (found, failed, ended, points) = hunt(20_000.0, 20_000.0, Duration::from_secs(95));
        let (found, failed) = (found.unwrap(), failed.unwrap());
        assert_eq!(ended, Ended::Settled);
        assert!(found <= 20_000.0 && failed > 20_000.0 && failed / found <= CLOSE_ENOUGH, "{found} {failed}");
        assert!(points < 14, "{points}");
    }

    #[test]
    fn what_short_points_do_not_show_long_ones_do() {
        let (found, failed, ended, _) = hunt(24_000.0, 20_000.0, Duration::from_secs(200));
        let (found, failed) = (found.unwrap(), failed.unwrap());
        assert_eq!(ended, Ended::Settled);
        assert!(found <= 20_000.0 && failed > 20_000.0 && failed / found <= CLOSE_ENOUGH, "{found} {failed}");
    }

    #[test]
    fn it_says_why_it_ends() {
        let ended = |short, long, seconds| hunt(short, long, Duration::from_secs(seconds)).2;
        assert_eq!(ended(1e9, 1e9, 95), Ended::NoLimit);
        assert_eq!(ended(0.0, 0.0, 95), Ended::NothingPassed);
        assert_eq!(ended(30_000.0, 15_000.0, 60), Ended::TimeUp);
        assert_eq!(ended(30_000.0, 1.0, 1_000), Ended::NothingPassed);
    }

    proptest! {
        #[test]
        fn it_ends_and_never_claims_what_failed(short in 1.0..1e7f64, share in 0.1..1.0f64, seconds in 10..300u64) {
            let long = short * share;
            let (found, failed, ended, _) = hunt(short, long, Duration::from_secs(seconds));
            if let Some(found) = found {
                prop_assert!(found <= long);
                prop_assert!(failed.is_none_or(|failed| failed > found));
                prop_assert!(ended != Ended::Settled || failed.unwrap() / found <= CLOSE_ENOUGH);
            }
        }
    }
}
