//! The final check: every watcher and every contact, drawn again from the seed, against what was published.

use std::sync::atomic::Ordering;

use fanfare::{GroupId, Shard};

use crate::crew::{Checked, Common};
use crate::population::Scratch;
use crate::recorder::Recorder;
use crate::schedule::Residents;

/// Users compared in one poll: some milliseconds.
const USERS_PER_POLL: u32 = 500;

/// A check under way.
#[derive(Debug)]
pub(super) struct Checking {
    users: u32,
    next: u32,
    next_group: usize,
    done: Checked,
}

impl Checking {
    /// A check of the residents that were signed in: the first `users` of them.
    pub(super) fn begin(users: u32) -> Self {
        Self { users, next: 0, next_group: 0, done: Checked::default() }
    }

    /// Compares some more of them; true when all are done.
    pub(super) fn go_on(
        &mut self,
        shard: &Shard,
        common: &Common,
        residents: &Residents,
        recorder: &Recorder,
        groups: &[GroupId],
        scratch: &mut Scratch,
    ) -> bool {
        for _ in 0..USERS_PER_POLL {
            if self.next >= self.users {
                return true;
            }
            let user = residents.user(self.next);
            let person = common.population.draw(user, scratch);
            for _ in 0..person.endpoints {
                let group = groups[self.next_group];
                self.next_group += 1;
                let mut right = 0;
                for (slot, presentity, _) in shard.subscriptions(group) {
                    let contact = presentity.get() as u32;
                    let newest = common.versions[contact as usize].load(Ordering::Relaxed);
                    right += u64::from(scratch.contains(user, contact) && recorder.seen(slot.index()) == newest);
                }
                self.done.compared += u64::from(person.contacts);
                self.done.lost += u64::from(person.contacts).saturating_sub(right);
            }
            self.next += 1;
        }
        false
    }

    /// Subscriptions compared so far.
    pub(super) fn compared(&self) -> u64 {
        self.done.compared
    }

    /// The result, with what the shard counts.
    pub(super) fn result(&self, shard: &Shard, recorder: &Recorder) -> Checked {
        let counters = shard.counters();
        let footprint = shard.footprint();
        Checked {
            faults: recorder.tally().faults,
            owed: counters.owed,
            delivered: counters.delivered,
            skipped: counters.skipped,
            cancelled: counters.cancelled,
            filtered: counters.filtered,
            pending: shard.pending(),
            absorbed: counters.absorbed,
            engine_bytes: footprint.total(),
            topic_bytes: footprint.topics,
            document_bytes: footprint.documents + footprint.retired,
            topics: recorder.watchers().iter().filter(|&&watchers| watchers != 0).count() as u64,
            ..self.done
        }
    }
}
