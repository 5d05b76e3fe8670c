//! Changes of policy under way: who has still to apply which, and whose ticket waits for it.
//!
//! A change is accepted at once and answered when every shard that listened then has said that it is applied, or that it
//! listens no more. Invariant: each change here waits for at least one shard, and has a deadline.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::Shard;
use super::stream::Audited;
use crate::id::{PolicyEpoch, PresentityId, ShardIndex, ShardSet, Tick, Ticket};
use crate::shard::ShardMemory;
use crate::shard::home::UNSETTLED;
use crate::shard::message::Outcome;
use crate::store::NONE;

/// A change that some shard has still to apply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    asker: ShardIndex,
    ticket: Ticket,
    waits_for: ShardSet,
    deadline: Tick,
}

type Key = (PresentityId, PolicyEpoch);

/// All of them.
#[derive(Debug)]
pub(crate) struct Edits {
    pub(crate) under_way: BTreeMap<Key, Edit>,
    /// When each has to be applied.
    pub(crate) deadlines: BTreeSet<(Tick, Key)>,
}

impl Edits {
    pub(crate) fn bytes(&self) -> u64 {
        (self.under_way.len() * (size_of::<(Key, Edit)>() + size_of::<(Tick, Key)>())) as u64
    }

    pub(crate) fn is_under_way(&self, presentity: PresentityId) -> bool {
        self.under_way.range(keys_of(presentity)).next().is_some()
    }

    /// The changes of a presentity's policy.
    fn of_mut(&mut self, presentity: PresentityId) -> impl Iterator<Item = (&Key, &mut Edit)> {
        self.under_way.range_mut(keys_of(presentity))
    }

    pub(crate) fn first_deadline(&self) -> Option<Tick> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

fn keys_of(presentity: PresentityId) -> RangeInclusive<Key> {
    (presentity, PolicyEpoch(0))..=(presentity, PolicyEpoch(u32::MAX))
}

impl<B: ShardMemory> Shard<B> {
    /// Lets a ticket wait until these shards have applied the newest policy; answers at once if there is none.
    pub(crate) fn await_applied(&mut self, ward: u32, asker: ShardIndex, ticket: Ticket, waits_for: ShardSet) {
        let presentity = self.presentity_of(ward);
        let epoch = self.fan.homes.wards[ward].epoch;
        let key = (presentity, epoch);
        // A change that is not applied yet is superseded: its ticket waits for this one now.
        for (_, earlier) in self.desk.edits.of_mut(presentity) {
            earlier.waits_for = waits_for;
        }
        let deadline = self.fan.now().after_micros(self.fan.limits().policy_apply_us);
        self.desk.edits.under_way.insert(key, Edit { asker, ticket, waits_for, deadline });
        self.desk.edits.deadlines.insert((deadline, key));
        if waits_for.is_empty() {
            let ended: Vec<Key> = self.desk.edits.of_mut(presentity).map(|(key, _)| *key).collect();
            ended.into_iter().for_each(|key| self.end_edit(key));
        }
    }

    /// A shard lets nobody see what this policy denies.
    pub(crate) fn take_applied(&mut self, from: ShardIndex, presentity: PresentityId, epoch: PolicyEpoch) {
        let Some(ward) = self.ward_of(presentity).filter(|&ward| self.fan.homes.wards[ward].epoch == epoch) else {
            // A later one was accepted meanwhile, and every ticket waits for that.
            return;
        };
        self.settle_readers(ward, from);
        let mut ended = Vec::new();
        for (key, edit) in self.desk.edits.of_mut(presentity) {
            edit.waits_for.remove(from);
            if edit.waits_for.is_empty() {
                ended.push(*key);
            }
        }
        for key in ended {
            self.end_edit(key);
        }
        self.forget_if_empty(ward);
    }

    /// A shard knows what each of its watchers may see: from now on they count as watchers.
    fn settle_readers(&mut self, ward: u32, shard: ShardIndex) {
        let homes = &mut self.fan.homes;
        let mut view = homes.homes[homes.wards[ward].home].views;
        while view != NONE {
            let mut reader = homes.views[view].readers;
            while reader != NONE {
                if usize::from(homes.readers[reader].shard) == shard.index() {
                    homes.readers[reader].guard_marks &= !UNSETTLED;
                }
                reader = homes.readers[reader].next;
            }
            view = homes.views[view].next;
        }
        self.note_watched(ward);
    }

    /// Takes a change out of those under way, with the newest number of its presentity's policy.
    fn take_edit(&mut self, key: Key) -> Option<(Edit, Option<u32>, PolicyEpoch)> {
        let edit = self.desk.edits.under_way.remove(&key)?;
        self.desk.edits.deadlines.remove(&(edit.deadline, key));
        let ward = self.ward_of(key.0);
        Some((edit, ward, ward.map_or(key.1, |ward| self.fan.homes.wards[ward].epoch)))
    }

    fn end_edit(&mut self, key: Key) {
        let Some((edit, ward, epoch)) = self.take_edit(key) else { return };
        self.fan.answer(edit.asker, edit.ticket, Outcome::PolicyApplied { epoch });
        if let Some(ward) = ward {
            self.audit(ward, Audited::Applied);
        }
    }

    /// Answers those whose time is up.
    pub(crate) fn end_overdue_edits(&mut self) {
        while let Some(&(deadline, key)) = self.desk.edits.deadlines.first() {
            if deadline > self.fan.now() {
                return;
            }
            let Some((edit, ward, epoch)) = self.take_edit(key) else { return };
            let shards = edit.waits_for;
            self.fan.answer(edit.asker, edit.ticket, Outcome::Incomplete { epoch, shards });
            if let Some(ward) = ward {
                self.audit(ward, Audited::Incomplete { shards });
            }
        }
    }
}
