//! What is known of each load that was tried: how often it passed and how often it failed, in short points and in long ones.
//!
//! Lives inside a search, on the main thread. Machines are noisy: what fails once may have met somebody else's work, while
//! hardly anything passes by luck. So one pass of a short point shows that a load can be carried for a moment, and a
//! failure is believed when it was seen again or was too plain for luck. Long points outvote short ones. The invariant: what
//! is called confirmed has passed at least as many long points as it failed. Cost: a list of as many
//! loads as were tried, looked through at each question.

/// So many short points have to fail, and none pass, before a load is taken for too much; of disturbed ones twice as many,
/// for whoever had the CPUs may have them for some seconds.
const SHORT_MIN: u32 = 2;

/// How a point went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// The target was kept.
    Passed,
    /// It was missed while others on the machine had much of the CPUs: they may be to blame.
    Disturbed,
    /// It was missed. That may have been bad luck.
    Failed,
    /// It was missed by so much, with nobody else to blame, that to try again would take time and tell nothing.
    FailedPlainly,
}

/// How long a point was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Short,
    Long,
}

#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    passed: u32,
    failed: u32,
    /// Of those that failed, the disturbed ones.
    disturbed: u32,
}

impl Votes {
    fn is_empty(self) -> bool {
        self.passed + self.failed == 0
    }
}

#[derive(Clone, Copy, Debug)]
struct Tried {
    load: f64,
    short: Votes,
    long: Votes,
    plain: bool,
}

impl Tried {
    /// Whether what failed was seen often enough by short points. Long ones ask nobody: they walk on.
    fn is_sure(&self) -> bool {
        self.plain || 2 * self.short.failed - self.short.disturbed >= 2 * SHORT_MIN
    }
}

/// A load that stands as too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TooMuch {
    pub(super) load: f64,
    /// Whether it was seen often enough. If not, it may have been bad luck.
    pub(super) is_sure: bool,
}

/// All loads that were tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    tried: Vec<Tried>,
}

impl Evidence {
    /// Adds a point.
    pub(super) fn add(&mut self, length: Length, load: f64, went: Went) {
        let place = self.tried.iter().position(|tried| tried.load.total_cmp(&load).is_eq()).unwrap_or_else(|| {
            self.tried.push(Tried { load, short: Votes::default(), long: Votes::default(), plain: false });
            self.tried.len() - 1
        });
        let tried = &mut self.tried[place];
        let votes = if length == Length::Short { &mut tried.short } else { &mut tried.long };
        match went {
            Went::Passed => votes.passed += 1,
            Went::Disturbed | Went::Failed | Went::FailedPlainly => votes.failed += 1,
        }
        votes.disturbed += u32::from(went == Went::Disturbed);
        tried.plain |= went == Went::FailedPlainly;
    }

    /// The highest load that passed a short point.
    pub(super) fn carried(&self) -> Option<f64> {
        highest(self.tried.iter().filter(|tried| tried.short.passed != 0))
    }

    /// Of the loads that passed at least as many long points as they failed, the nearest to another: the one with the least
    /// ratio to it, of two alike the lower.
    pub(super) fn confirmed_near(&self, load: f64) -> Option<f64> {
        let distance = |other: &f64| (other / load).ln().abs();
        let confirmed =
            self.tried.iter().filter(|tried| tried.long.passed != 0 && tried.long.passed >= tried.long.failed);
        let loads = confirmed.map(|tried| tried.load);
        loads.min_by(|one, other| distance(one).total_cmp(&distance(other)).then(one.total_cmp(other)))
    }

    /// The lowest load above another that stands as too much.
    pub(super) fn too_much_above(&self, load: f64) -> Option<TooMuch> {
        let lowest = self
            .tried
            .iter()
            .filter(|tried| tried.load > load && self.is_too_much(tried))
            .min_by(|one, other| one.load.total_cmp(&other.load))?;
        Some(TooMuch { load: lowest.load, is_sure: lowest.is_sure() })
    }

    /// A failure below what passed was somebody else's fault: who carries more carries less.
    fn is_too_much(&self, tried: &Tried) -> bool {
        if tried.long.is_empty() {
            self.carried().is_none_or(|carried| tried.load > carried)
        } else {
            tried.long.failed >= tried.long.passed
        }
    }
}

fn highest<'a>(tried: impl Iterator<Item = &'a Tried>) -> Option<f64> {
    tried.map(|tried| tried.load).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::Length::{Long, Short};
    use super::*;

    fn of(points: &[(Length, f64, Went)]) -> Evidence {
        let mut evidence = Evidence::default();
        points.iter().for_each(|&(length, load, went)| evidence.add(length, load, went));
        evidence
    }

    fn too_much(load: f64, is_sure: bool) -> Option<TooMuch> {
        Some(TooMuch { load, is_sure })
    }

    #[test]
    fn a_failure_is_believed_when_it_was_seen_again_or_was_plain() {
        let failed = (Short, 8.0, Went::Failed);
        assert_eq!(of(&[failed]).too_much_above(0.0), too_much(8.0, false));
        assert_eq!(of(&[failed; 2]).too_much_above(0.0), too_much(8.0, true));
        let disturbed = (Short, 8.0, Went::Disturbed);
        assert_eq!(of(&[disturbed; 3]).too_much_above(0.0), too_much(8.0, false));
        assert_eq!(of(&[disturbed; 4]).too_much_above(0.0), too_much(8.0, true));
        assert_eq!(of(&[failed, disturbed, disturbed]).too_much_above(0.0), too_much(8.0, true));
        assert_eq!(of(&[(Short, 8.0, Went::FailedPlainly)]).too_much_above(0.0), too_much(8.0, true));
        let luck = of(&[failed, failed, (Short, 8.0, Went::Passed)]);
        assert_eq!((luck.too_much_above(0.0), luck.carried()), (None, Some(8.0)));
        assert_eq!(of(&[failed, (Short, 9.0, Went::Passed)]).too_much_above(0.0), None, "more has passed");
    }

    #[test]
    fn long_points_outvote_short_ones_by_their_majority() {
        let (short, passed, failed) =
            ((Short, 8.0, Went::Passed), (Long, 8.0, Went::Passed), (Long, 8.0, Went::Failed));
        let too_much = |points: &[_]| of(points).too_much_above(0.0).map(|too_much| too_much.load);
        assert_eq!(too_much(&[short, failed]), Some(8.0));
        let even = [short, failed, passed];
        assert_eq!((of(&even).confirmed_near(1.0), too_much(&even)), (Some(8.0), Some(8.0)));
        let most = [short, failed, passed, passed];
        assert_eq!((of(&most).confirmed_near(8.0), too_much(&most)), (Some(8.0), None));
        let few = [short, failed, passed, failed];
        assert_eq!((of(&few).confirmed_near(8.0), too_much(&few)), (None, Some(8.0)));
    }

    #[test]
    fn the_confirmed_load_nearest_to_the_middle_is_taken() {
        let passed = |load| (Long, load, Went::Passed);
        let evidence =
            of(&[passed(8.0), passed(10.0), passed(16.0), (Long, 12.0, Went::Failed), (Short, 13.0, Went::Passed)]);
        let near = |load| evidence.confirmed_near(load);
        assert_eq!((near(1.0), near(9.2), near(12.0), near(13.0)), (Some(8.0), Some(10.0), Some(10.0), Some(16.0)));
    }
}
