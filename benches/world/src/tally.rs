//! What a benchmark got done, as a checksum, and how long the measured part of it took.
//!
//! The sum over notes does not depend on their order, because the engine and the plain model drain in different ones.
//! It costs three multiplications a note, of the two hundred nanoseconds that a note takes.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notes told.
    pub notes: u64,
    /// A sum over who was told what of whom.
    pub sum: u64,
    /// Subscriptions that walks marked.
    pub marked: u64,
    /// Subscriptions made and ended.
    pub changed: u64,
}

impl Tally {
    /// That so many subscriptions were made or ended.
    #[must_use]
    pub fn of_changes(changed: usize) -> Self {
        Self { changed: changed as u64, ..Self::default() }
    }

    /// Counts a note: whom it was told, of whom, and the number in its document, which is 0 where there is none.
    #[inline]
    pub fn add_note(&mut self, watcher: u64, presentity: u64, serial: u64) {
        let watcher = (watcher + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let presentity = (presentity + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let note = (watcher ^ presentity.rotate_left(17) ^ serial).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.notes += 1;
        self.sum = self.sum.wrapping_add(note ^ (note >> 31));
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.notes += other.notes;
        self.sum = self.sum.wrapping_add(other.sum);
        self.marked += other.marked;
        self.changed += other.changed;
    }
}

/// Time spent in what a benchmark measures, without what it has to do before and after.
#[derive(Debug, Default)]
pub struct Stopwatch {
    elapsed: Duration,
}

impl Stopwatch {
    /// Does it and counts its time. Looking at the clock twice costs some 50 ns: what is timed should take microseconds.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.elapsed += begun.elapsed();
        done
    }

    /// All that was timed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_knows_who_was_told_what_of_whom_but_not_in_which_order() {
        let tally = |notes: &[(u64, u64, u64)]| {
            let mut tally = Tally::default();
            notes.iter().for_each(|&(watcher, presentity, serial)| tally.add_note(watcher, presentity, serial));
            tally
        };
        let told = tally(&[(1, 2, 3), (4, 5, 6)]);
        assert_eq!(told, tally(&[(4, 5, 6), (1, 2, 3)]));
        for other in [[(2, 1, 3), (4, 5, 6)], [(1, 2, 6), (4, 5, 3)], [(1, 5, 3), (4, 2, 6)], [(1, 2, 3), (1, 2, 3)]] {
            assert_ne!(told, tally(&other), "{other:?}");
        }
    }
}
