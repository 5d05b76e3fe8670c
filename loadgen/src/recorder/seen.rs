//! The last version that each followed subscription was told.
//!
//! Lives on a shard's core. Where everybody is followed it is an array by slot, four bytes each. Where only a sample is,
//! it is one open table by (watcher, presentity), seventeen bytes for each of these few: the watcher's number and the
//! presentity are all the key there is, so that the check at the end asks it about watchers drawn from the seed and needs
//! no word of the engine's. The invariant: what was never told is version 0.

use crate::sample::mix;

/// How full the table may become, in parts of four: a search is then two or three neighbours long.
const QUARTERS_MAX: usize = 3;

/// A followed subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The subscription's place on its shard.
    pub slot: usize,
    /// The watcher's number on its shard.
    pub watcher: u32,
    /// Whom it watches.
    pub user: u32,
}

/// Versions of followed subscriptions.
#[derive(Debug)]
pub(super) enum Seen {
    BySlot(Vec<u32>),
    ByPair(PairTable),
}

impl Seen {
    /// Room for so many followed subscriptions.
    pub(super) fn new(is_all: bool, followed: usize) -> Self {
        if is_all { Self::BySlot(Vec::with_capacity(followed)) } else { Self::ByPair(PairTable::new(followed)) }
    }

    #[inline]
    pub(super) fn get(&self, of: &Followed) -> u32 {
        match self {
            Self::BySlot(versions) => versions.get(of.slot).copied().unwrap_or(0),
            Self::ByPair(table) => table.get(of.watcher, of.user),
        }
    }

    #[inline]
    pub(super) fn set(&mut self, of: &Followed, version: u32) {
        match self {
            Self::BySlot(versions) => {
                if of.slot >= versions.len() {
                    versions.resize(of.slot + 1, 0);
                }
                versions[of.slot] = version;
            }
            Self::ByPair(table) => table.set(of.watcher, of.user, version),
        }
    }
}

/// Open addressing, never emptied. An entry is the key and the version.
#[derive(Debug)]
pub(super) struct PairTable {
    entries: Vec<Entry>,
    used: usize,
}

/// A version of 0 is a place that is free.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    watcher: u32,
    user: u32,
    version: u32,
}

impl PairTable {
    fn new(expected: usize) -> Self {
        // A sample scatters about its share; a sixteenth more than expected is further off than chance takes it.
        let room = (expected + expected / 16 + 64) * 4 / QUARTERS_MAX;
        Self { entries: vec![Entry::default(); room], used: 0 }
    }

    fn get(&self, watcher: u32, user: u32) -> u32 {
        self.find(watcher, user).map_or(0, |at| self.entries[at].version)
    }

    fn set(&mut self, watcher: u32, user: u32, version: u32) {
        if version == 0 {
            return;
        }
        match self.find(watcher, user) {
            Ok(at) => self.entries[at].version = version,
            Err(_) if self.used * 4 >= self.entries.len() * QUARTERS_MAX => {
                self.grow();
                self.set(watcher, user, version);
            }
            Err(free) => {
                self.entries[free] = Entry { watcher, user, version };
                self.used += 1;
            }
        }
    }

    /// Where the pair is, or where it would go.
    fn find(&self, watcher: u32, user: u32) -> Result<usize, usize> {
        let hash = mix(u64::from(watcher) << 32 | u64::from(user)) >> 32;
        let mut at = ((hash * self.entries.len() as u64) >> 32) as usize;
        loop {
            let entry = &self.entries[at];
            if entry.version == 0 {
                return Err(at);
            }
            if entry.watcher == watcher && entry.user == user {
                return Ok(at);
            }
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
    }

    fn grow(&mut self) {
        let larger = vec![Entry::default(); self.entries.len() * 2];
        let entries = std::mem::replace(&mut self.entries, larger);
        self.used = 0;
        for entry in entries.iter().filter(|entry| entry.version != 0) {
            self.set(entry.watcher, entry.user, entry.version);
        }
    }
}

/// Bytes that so many followed subscriptions take; for estimates.
#[must_use]
pub fn bytes(is_all: bool, followed: f64) -> f64 {
    if is_all {
        return followed * size_of::<u32>() as f64;
    }
    followed * (17.0 / 16.0) * (4.0 / QUARTERS_MAX as f64) * size_of::<Entry>() as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_table_that_has_to_grow_forgets_nothing() {
        let mut seen = Seen::new(false, 0);
        let mut model = HashMap::new();
        for step in 0..20_000u32 {
            let (watcher, user) = (step.wrapping_mul(2_654_435_761) % 500, step % 37);
            let of = Followed { slot: 0, watcher, user };
            assert_eq!(seen.get(&of), model.get(&(watcher, user)).copied().unwrap_or(0));
            seen.set(&of, step + 1);
            model.insert((watcher, user), step + 1);
        }
        for (&(watcher, user), &version) in &model {
            assert_eq!(seen.get(&Followed { slot: 9, watcher, user }), version);
        }
        let Seen::ByPair(table) = seen else { panic!("a table") };
        assert_eq!(table.used, model.len());
    }

    #[test]
    fn what_was_never_told_is_zero() {
        for is_all in [true, false] {
            let mut seen = Seen::new(is_all, 10);
            let of = |slot| Followed { slot, watcher: slot as u32, user: 3 };
            seen.set(&of(5), 2);
            assert_eq!((seen.get(&of(5)), seen.get(&of(4)), seen.get(&of(6))), (2, 0, 0), "{is_all}");
        }
    }
}
