//! A least gap between the changes of one view that are fanned out, for presentities that flap.
//!
//! Lives at the home, before the links. What changes within the gap after a change that went out is not queued: the home has
//! the newest, and passes it on when the gap is over. First states, policies and expiries do not wait, and what goes out with
//! one of them is the newest, too. Invariant: a view that waits is due when its gap is over, and no two entries are of one
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

    fn begin(&mut self, view: u32, over: Tick) {
        self.views.insert(view, (over, false));
        self.over.insert((over, view));
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// A view has changed: every shard that listens is owed that, now or when the gap is over.
    pub(crate) fn owe_change(&mut self, view: u32) {
        let gap_us = self.limits.fan_out_gap_us;
        if gap_us == 0 {
            return self.owe_updates(view);
        }
        match self.homes.flapping.views.get_mut(&view) {
            Some((over, waits)) if *over > self.now => *waits = true,
            before => {
                if let Some(&mut (over, _)) = before {
                    self.homes.flapping.over.remove(&(over, view));
                }
                self.homes.flapping.begin(view, self.now.after_micros(gap_us));
                self.owe_updates(view);
            }
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
            // The view of one that nobody listens to may be gone, and its number be another's: to owe that one once more costs
            // an update that changes nothing.
            if waits {
                self.homes.flapping.begin(view, self.now.after_micros(self.limits.fan_out_gap_us));
                self.owe_updates(view);
            }
        }
        done
    }
}
