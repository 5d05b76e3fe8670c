//! A least gap between the changes of one view that are fanned out, for presentities that flap.
//!
//! Lives at the home, before the links. What changes within the gap after a change that went out is not queued: the home has
//! the newest, and passes it on when the gap is over, or what the shards know is. First states, policies and expiries that come
//! sooner do not wait, and what goes out with one of them is the newest, too. Invariant: a view that waits is due when its gap is over, and no two entries are of one
//! view. Costs a tree entry of some 60 bytes for each view that has changed within the gap, and nothing at all without one.

use alloc::collections::{BTreeMap, BTreeSet};

use super::{FanOut, ShardMemory};
use crate::id::Tick;

/// Views that have changed within the gap.
#[derive(Debug, Default)]
pub(crate) struct Flapping {
    /// When the gap is over, and whether it waits for that.
    views: BTreeMap<u32, (Tick, bool)>,
    over: BTreeSet<(Tick, u32)>,
}

impl Flapping {
    /// When the first gap is over.
    pub(crate) fn first_due(&self) -> Option<Tick> {
        self.over.first().map(|(over, _)| *over)
    }

    /// Whether a change of a view waits for its gap to be over.
    pub(crate) fn waits(&self, view: u32) -> bool {
        self.views.get(&view).is_some_and(|&(over, waits)| waits && self.over.contains(&(over, view)))
    }

    pub(crate) fn bytes(&self) -> u64 {
        // Entries of trees with half of their places free.
        (self.views.len() * 2 * (size_of::<(u32, (Tick, bool))>() + size_of::<(Tick, u32)>())) as u64
    }

    /// The view is gone, and its number may be another's.
    #[inline]
    pub(crate) fn forget(&mut self, view: u32) {
        if let Some((over, _)) = self.views.remove(&view) {
            self.over.remove(&(over, view));
        }
    }

    /// Lets a change wait, if its view's gap is not over and what is known of it is true for longer; tells whether it does.
    fn wait(&mut self, view: u32, known_until: Tick, now: Tick) -> bool {
        let Some((over, waits)) = self.views.get_mut(&view).filter(|(over, _)| *over > now && known_until > now) else {
            return false;
        };
        *waits = true;
        if known_until < *over {
            self.over.remove(&(*over, view));
            *over = known_until;
            self.over.insert((known_until, view));
        }
        true
    }

    fn begin(&mut self, view: u32, over: Tick) {
        self.views.insert(view, (over, false));
        self.over.insert((over, view));
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// A view has changed, whose state was known until then: every shard that listens is owed that, now or when the gap is
    /// over, or the state that they know.
    pub(crate) fn owe_change(&mut self, view: u32, known_until: Tick) {
        let gap_us = self.limits.fan_out_gap_us;
        if gap_us != 0 {
            if self.homes.flapping.wait(view, known_until, self.now) {
                return;
            }
            self.homes.flapping.forget(view);
            self.homes.flapping.begin(view, self.now.after_micros(gap_us));
        }
        self.owe_updates(view);
    }

    /// A view's expiry has moved: a later one can wait as a change does, and until the one that is known is over.
    pub(crate) fn owe_expiry(&mut self, view: u32, known_until: Tick) {
        let is_later = self.homes.views[view].expires > known_until;
        if !(is_later && self.limits.fan_out_gap_us != 0 && self.homes.flapping.wait(view, known_until, self.now)) {
            self.owe_updates(view);
        }
    }

    /// Passes on what has waited for long enough, up to so many views, and forgets who has not changed again; tells how many
    /// it looked at.
    pub(crate) fn end_gaps(&mut self, most: usize) -> usize {
        let mut done = 0;
        while done < most {
            let Some(&(over, view)) = self.homes.flapping.over.first().filter(|(over, _)| *over <= self.now) else {
                break;
            };
            done += 1;
            self.homes.flapping.over.remove(&(over, view));
            let waits = self.homes.flapping.views.remove(&view).is_some_and(|(_, waits)| waits);
            if waits {
                self.homes.flapping.begin(view, self.now.after_micros(self.limits.fan_out_gap_us));
                self.owe_updates(view);
            }
        }
        done
    }
}
