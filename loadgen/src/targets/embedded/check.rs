//! The final check: every watcher and every contact, drawn again from the seed, against what was published.

use std::sync::atomic::Ordering;

use fanfare::{GroupId, Shard, View};

use super::sign_in::sight_of;
use crate::crew::{Checked, Common};
use crate::population::Scratch;
use crate::presence::Sight;
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
            let sight = sight_of(common.composed, common.population.network(user));
            for _ in 0..person.endpoints {
                let group = groups[self.next_group];
                self.next_group += 1;
                let mut right = 0;
                for (slot, presentity, view) in shard.subscriptions(group) {
                    let contact = presentity.get() as u32;
                    let newest = newest(common, sight, contact);
                    let is_right = recorder.seen(slot.index()) == newest && is_fit(sight, view);
                    right += u64::from(is_right && scratch.contains(user, contact));
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

    /// The result, with what the shard counts, and with what composition has absorbed.
    pub(super) fn result(&self, shard: &Shard, recorder: &Recorder, absorbed: u64) -> Checked {
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
            absorbed: counters.absorbed + absorbed,
            engine_bytes: footprint.total(),
            topic_bytes: footprint.topics,
            document_bytes: footprint.documents + footprint.retired,
            topics: shard.population().topics,
            presentities: recorder.inside().iter().zip(recorder.outside()).filter(|(a, b)| **a + **b != 0).count()
                as u64,
            ..self.done
        }
    }
}

/// The newest version that a watcher has to have been told of a user: those outside are told of wide ones only.
fn newest(common: &Common, sight: Sight, user: u32) -> u32 {
    match sight {
        Sight::Number => common.log.newest_wide(user).version,
        _ => common.versions[user as usize].load(Ordering::Relaxed),
    }
}

/// Whether a view is one that the watcher may be in: policies move colleagues into the workgroup and back.
fn is_fit(sight: Sight, view: View) -> bool {
    match (sight, Sight::of(view)) {
        (Sight::Plain, _) => view == View::PLAIN,
        (Sight::Number, found) => found == Some(Sight::Number),
        (_, found) => matches!(found, Some(Sight::Whole | Sight::Urgent)),
    }
}
