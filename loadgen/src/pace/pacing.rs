//! The judge of a point under way: whether the warm-up is over, and whether enough was measured.
//!
//! Lives on the main thread for one point. What it is fed is the mean over all shards of the medians that they have shown
//! since it last looked. Cost: a hundred microseconds at a look at most, ten times a second, beside the shards.

use super::{AHEAD_US, Moments, Pace, STEP_US, WarmUp};
use crate::live::Recent;
use crate::schedule::Drawing;
use crate::statistics::steadiness::{Settings, State, Steadiness, Window};

/// A warm-up is over when its mean is known to this share, and has changed by no more: about twice what two runs of the same
/// thing differ by.
pub const WARM_SHARE: f64 = 0.1;

/// How sure the limits of a mean are.
pub const CONFIDENCE: f64 = 0.95;

/// What a paced point came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paced {
    /// How the warm-up stood when the measurement began, and of how many values that is; nothing if it was for a time.
    pub warm_up: Option<(State, usize)>,
    /// What was asked of the mean, how it stood at the end, and of how many values; nothing if nothing was asked.
    pub until: Option<(f64, State, usize)>,
}

/// Judges one point.
#[derive(Debug)]
pub struct Pacing {
    drawing: Drawing,
    warm_up: Option<Steadiness>,
    until: Option<(f64, Steadiness)>,
    is_warm: bool,
    is_over: bool,
    seen: Vec<Recent>,
}

impl Pacing {
    /// Of a point that is drawn so at the latest.
    #[must_use]
    pub fn of(pace: &Pace, drawing: &Drawing) -> Self {
        let steadiness = |share_max, window| Steadiness::new(Settings { share_max, confidence: CONFIDENCE, window });
        let warm_up = (pace.warm_up == WarmUp::Steady).then(|| steadiness(WARM_SHARE, Window::NewerHalf));
        let until = pace.until_share.map(|share| (share, steadiness(share, Window::All)));
        Self { drawing: *drawing, is_warm: warm_up.is_none(), warm_up, until, is_over: false, seen: Vec::new() }
    }

    /// What all shards show at this moment.
    pub fn look(&mut self, now_us: u64, shown: impl Iterator<Item = Recent>, moments: &Moments) {
        let Some(median) = self.mean_of_new(shown) else { return };
        if now_us < self.drawing.measure_from_us {
            let Some(warm_up) = self.warm_up.as_mut().filter(|_| !self.is_warm) else { return };
            warm_up.push(median);
            if warm_up.is_steady() {
                self.is_warm = true;
                moments.name_begin(now_us + AHEAD_US);
                self.drawing = moments.of(&self.drawing);
            }
            return;
        }
        // The first is of the warm-up still.
        if now_us < self.drawing.measure_from_us + 2 * STEP_US || self.is_over {
            return;
        }
        if let Some((_, until)) = &mut self.until {
            until.push(median);
            if until.is_steady() {
                self.is_over = true;
                moments.name_end(now_us + AHEAD_US);
            }
        }
    }

    /// How it stood. A warm-up is judged as it was at the last look, and a measurement that was not ended by all of it.
    #[must_use]
    pub fn end(self) -> Paced {
        Paced {
            warm_up: self.warm_up.map(|series| (series.state(), series.seen())),
            until: self.until.map(|(share, series)| {
                let (state, seen) = (series.state(), series.seen());
                (share, if self.is_over { state } else { series.end() }, seen)
            }),
        }
    }

    /// The mean of what the shards have shown since the last look; nothing if they have shown nothing.
    fn mean_of_new(&mut self, shown: impl Iterator<Item = Recent>) -> Option<f64> {
        let (mut sum_us, mut count) = (0, 0);
        for (shard, recent) in shown.enumerate() {
            if self.seen.len() == shard {
                self.seen.push(Recent::default());
            }
            if std::mem::replace(&mut self.seen[shard], recent).number != recent.number {
                sum_us += recent.median_us;
                count += 1;
            }
        }
        (count != 0).then(|| sum_us as f64 / f64::from(count))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Occasion;
    use crate::schedule::Shape;

    const SECOND_US: u64 = 1_000_000;

    /// Plays a point of two shards whose medians are so, and tells when it began and ended, and what came of it.
    fn play(pace: Pace, median_us: impl Fn(u64) -> u64) -> (u64, u64, Paced) {
        let (warm_up, measure) = (pace.warm_up.longest(Duration::from_secs(20)), Some(Duration::from_secs(20)));
        let occasion = Occasion { number: 1, rate_per_s: 1.0, hot_user: 0, from_us: 0, warm_up, measure };
        let planned = occasion.drawing(1, Shape::default());
        let (moments, mut pacing) = (Moments::default(), Pacing::of(&pace, &planned));
        let mut number = 0;
        while number * STEP_US < moments.of(&planned).end_us {
            number += 1;
            let recent = |add_us| Recent { number, median_us: median_us(number) + add_us };
            pacing.look(number * STEP_US, [recent(0), recent(20)].into_iter(), &moments);
        }
        let drawing = moments.of(&planned);
        (drawing.measure_from_us, drawing.end_us, pacing.end())
    }

    const STEADY: Pace = Pace { warm_up: WarmUp::Steady, until_share: None };

    #[test]
    fn a_warm_up_ends_when_nothing_falls_any_more_and_the_measurement_is_as_long_as_asked() {
        let level = |number| 400 + number % 7;
        let (begin, end, paced) = play(STEADY, level);
        assert!((6 * SECOND_US..12 * SECOND_US).contains(&begin), "{begin}");
        assert_eq!(end - begin, 20 * SECOND_US);
        assert!(matches!(paced.warm_up, Some((State::Steady(_), 64..)),), "{paced:?}");
        let cold = |number| level(number) + 4_000 / number.max(1);
        let (later, ..) = play(STEADY, cold);
        assert!(later > begin, "{later} {begin}");
    }

    #[test]
    fn what_never_settles_is_measured_at_the_latest_and_said() {
        let (begin, end, paced) = play(STEADY, |number| 400 + 10 * number);
        assert_eq!((begin, end), (60 * SECOND_US, 80 * SECOND_US));
        assert!(
            matches!(paced.warm_up, Some((State::Trend { change_share, .. }, _)) if change_share > 0.5),
            "{paced:?}"
        );
    }

    #[test]
    fn a_measurement_ends_when_its_mean_is_known_or_says_that_it_is_not() {
        let until = |share| Pace { warm_up: WarmUp::For(Duration::from_secs(1)), until_share: Some(share) };
        let jagged = |number: u64| 400 + 100 * (number % 3);
        let (begin, end, paced) = play(until(0.05), jagged);
        assert_eq!(begin, SECOND_US);
        assert!(end < 12 * SECOND_US, "{end}");
        assert!(matches!(paced.until, Some((_, State::Steady(limits), _)) if limits.share() <= 0.05), "{paced:?}");
        let noisy = |number: u64| 400 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(9) % 4_000;
        let (_, end, paced) = play(until(0.0001), noisy);
        assert_eq!(end, 21 * SECOND_US);
        assert!(matches!(paced.until, Some((_, State::Wide(limits), _)) if limits.share() > 0.0001), "{paced:?}");
    }

    #[test]
    fn a_shard_that_shows_nothing_new_counts_for_nothing() {
        let mut pacing = Pacing::of(
            &STEADY,
            &Occasion { number: 1, rate_per_s: 1.0, hot_user: 0, from_us: 0, warm_up: Duration::ZERO, measure: None }
                .drawing(1, Shape::default()),
        );
        let shown = |number, median_us| Recent { number, median_us };
        assert_eq!(pacing.mean_of_new([shown(1, 100), shown(0, 0)].into_iter()), Some(100.0));
        assert_eq!(pacing.mean_of_new([shown(1, 100), shown(0, 0)].into_iter()), None);
        assert_eq!(pacing.mean_of_new([shown(2, 100), shown(1, 300)].into_iter()), Some(200.0));
    }
}
