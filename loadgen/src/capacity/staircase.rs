//! Long points up and down around the limit: a step up after one that passed, a step down after one that failed.
//!
//! Lives inside a search, on the main thread. On a noisy machine a load near the limit passes now and fails then, so a
//! bound that one failure sets is luck. A staircase spends its points where they pass and fail equally often, and where it
//! went is around that load, whatever each of them met. Steps grow while they go one way, so that a begin far off
//! costs a handful of points, and are halved at each turn. The invariant: loads are those of a grid around the first, which
//! ends with the least and the most that may be tried, so that points of one load come together and can outvote each other. Cost: a list of some twenty points.

/// The ratio of two neighbouring loads: how finely a limit is told.
pub(super) const STEP: f64 = 1.03;

/// The first one, in steps: an eighth up or down.
const STRIDE_FIRST: i32 = 4;

/// The largest, in steps: 1.6 times.
const STRIDE_MAX: i32 = 16;

/// The load that is taken for the limit has two thirds of these at or below it, and not half: a point may fail by bad luck,
/// and hardly passes by good. Simulated: where one in seven fails so, the search finds a sharp limit within 5 % in 89 to 95 of
/// 100 cases (by the mean in 84 to 90).
const RANK: (usize, usize) = (2, 3);

/// Before anything has passed, the stride down by how many long points are left: a search that ends with nothing confirmed
/// has found nothing.
const HURRY: [i32; 4] = [16, 12, 8, 4];

/// A limit is clear when so many points in succession,
const CLEAR: usize = 10;
/// stayed within so many steps.
const CLEAR_STEPS: i32 = 2;

/// The later two thirds of the points count, for the first ones were still on their way.
const COUNTING: (usize, usize) = (2, 3);

/// A staircase, as far as it went.
#[derive(Clone, Debug)]
pub(super) struct Staircase {
    first: f64,
    least: f64,
    most: f64,
    /// Grid place, and whether it passed.
    went: Vec<(i32, bool)>,
}

impl Staircase {
    /// Begins at a load, between the least and the most.
    pub(super) fn new(first: f64, (least, most): (f64, f64)) -> Self {
        Self { first, least, most, went: Vec::new() }
    }

    /// The load to try next, when so many more points can be.
    pub(super) fn next(&self, left: usize) -> f64 {
        self.load(self.place(left))
    }

    /// Tells how that went.
    pub(super) fn tell(&mut self, load: f64, passed: bool) {
        let (lowest, highest) = self.ends();
        let place = match load {
            load if load >= self.most => highest,
            load if load <= self.least => lowest,
            load => self.steps_to(load).round() as i32,
        };
        self.went.push((place, passed));
    }

    /// How many points it took.
    pub(super) fn points(&self) -> usize {
        self.went.len()
    }

    /// The load around which it went; nothing until something passed.
    pub(super) fn middle(&self) -> Option<f64> {
        let since = self.went.iter().position(|&(_, passed)| passed)?;
        let walked = &self.went[since..];
        let counting = &walked[walked.len() - (walked.len() * COUNTING.0).div_ceil(COUNTING.1)..];
        let mut places: Vec<_> = counting.iter().map(|&(place, _)| place).collect();
        places.sort_unstable();
        Some(self.load(places[places.len() * RANK.0 / RANK.1]))
    }

    /// Whether it goes to and fro between two or three neighbouring loads.
    pub(super) fn is_clear(&self) -> bool {
        let Some(from) = self.went.len().checked_sub(CLEAR) else { return false };
        let last = &self.went[from..];
        let places = || last.iter().map(|&(place, _)| place);
        let is_near = places().max().zip(places().min()).is_some_and(|(most, least)| most - least <= CLEAR_STEPS);
        is_near && last.iter().any(|went| went.1) && last.iter().any(|went| !went.1)
    }

    /// Whether it can go no further down: the least has failed twice in succession.
    pub(super) fn is_at_its_foot(&self) -> bool {
        let lowest = self.ends().0;
        matches!(self.went[..], [.., (one, false), (other, false)] if one == lowest && other == lowest)
    }

    fn place(&self, left: usize) -> i32 {
        let Some(&(place, passed)) = self.went.last() else { return 0 };
        let stride = match self.went.iter().any(|went| went.1) {
            true => self.stride(),
            false => self.stride().max(left.checked_sub(1).and_then(|later| HURRY.get(later)).copied().unwrap_or(1)),
        };
        let (lowest, highest) = self.ends();
        (if passed { place + stride } else { place - stride }).clamp(lowest, highest)
    }

    /// Half of the one before at a turn, the same once more after that, and from then on twice the one before.
    fn stride(&self) -> i32 {
        let (mut stride, mut alike) = (STRIDE_FIRST, 0);
        let mut before = None;
        for &(_, passed) in &self.went {
            alike = if before == Some(passed) { alike + 1 } else { 0 };
            stride = match (before, alike) {
                (None, _) | (_, 1) => stride,
                (_, 0) => (stride / 2).max(1),
                _ => (stride * 2).min(STRIDE_MAX),
            };
            before = Some(passed);
        }
        stride
    }

    fn load(&self, place: i32) -> f64 {
        (self.first * STEP.powi(place)).clamp(self.least, self.most)
    }

    fn steps_to(&self, load: f64) -> f64 {
        (load / self.first).ln() / STEP.ln()
    }

    /// The places of the least and of the most: one each, however far they are from the grid.
    fn ends(&self) -> (i32, i32) {
        (self.steps_to(self.least).floor() as i32, self.steps_to(self.most).ceil() as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that fails above a limit, after so many points.
    fn of(first: f64, limit: f64, points: usize) -> Staircase {
        let mut staircase = Staircase::new(first, (1.0, 1e6));
        for left in (1..=points).rev() {
            let load = staircase.next(left);
            staircase.tell(load, load <= limit);
        }
        staircase
    }

    #[test]
    fn it_goes_to_a_limit_and_around_it() {
        for first in [4_000.0, 12_000.0, 20_000.0, 21_000.0, 40_000.0, 90_000.0] {
            let staircase = of(first, 20_000.0, 24);
            let middle = staircase.middle().unwrap();
            assert!(
                staircase.is_clear() && (middle / 20_000.0).ln().abs() < STEP.ln() * (1.0 + 1e-9),
                "{first}: {middle}"
            );
        }
    }

    #[test]
    fn nothing_passed_is_no_middle_and_few_points_go_down_fast() {
        assert_eq!(of(20_000.0, 1_000.0, 3).middle(), None);
        for points in 3..8 {
            assert!(of(20_000.0, 13_000.0, points).middle().is_some(), "{points}");
        }
    }

    #[test]
    fn points_of_one_load_come_together() {
        let staircase = of(20_000.0, 19_000.0, 20);
        let loads: std::collections::BTreeSet<_> = staircase.went.iter().map(|&(place, _)| place).collect();
        assert!(loads.len() < 8, "{loads:?}");
        let lowest = *loads.first().unwrap();
        assert!(!of(20_000.0, 20_000.0 * STEP.powi(40), 12).is_clear(), "it is still on its way: {lowest}");
    }

    #[test]
    fn the_ends_of_the_grid_are_places_of_their_own() {
        let (least, most) = (18_123.0, 20_456.0);
        let walk = |limit: f64| {
            let mut staircase = Staircase::new(19_000.0, (least, most));
            for left in (1..=12).rev() {
                let load = staircase.next(left);
                assert!((least..=most).contains(&load), "{load}");
                staircase.tell(load, load <= limit);
            }
            staircase
        };
        assert_eq!(walk(1e6).middle(), Some(most));
        assert!(!walk(1e6).is_clear() && !walk(0.0).is_clear(), "what always goes one way tells no limit");
        assert!(walk(0.0).is_at_its_foot() && !walk(1e6).is_at_its_foot());
        assert!(walk(least).middle().is_some_and(|middle| middle < least * STEP));
    }
}
