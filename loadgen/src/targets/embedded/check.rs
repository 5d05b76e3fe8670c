//! The final check: every watcher and every contact that is followed, drawn again from the seed, against what was published.

use std::sync::atomic::Ordering;

use fanfare::{GroupId, Shard, View};

use super::sign_in::sight_of;
use crate::crew::{Checked, Common};
use crate::population::Scratch;
use crate::presence::Sight;
use crate::recorder::{Followed, Recorder};
use crate::schedule::Residents;

/// Users compared in one poll: some milliseconds.
const USERS_PER_POLL: u32 = 500;

/// How long those who are not waited for may take to be told before they are looked at: all others were told already.
const DRAIN_MAX_US: u64 = 20_000_000;

/// A check under way.
#[derive(Debug)]
pub(super) struct Checking {
    users: u32,
    next: u32,
    next_group: usize,
    wait_until_us: u64,
    /// Subscriptions that those who were looked at should have.
    drawn: u64,
    done: Checked,
}

/// What one watcher's followed subscriptions come to.
#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    subscriptions: u64,
    right: u64,
}

impl Checking {
    /// A check of the residents that were signed in: the first `users` of them.
    pub(super) fn begin(users: u32, now_us: u64) -> Self {
        let wait_until_us = now_us + DRAIN_MAX_US;
        Self { users, next: 0, next_group: 0, wait_until_us, drawn: 0, done: Checked::default() }
    }

    /// Whether to wait still: somebody may not have been told, and nobody would have noticed.
    pub(super) fn waits(&self, shard: &Shard, common: &Common, now_us: u64) -> bool {
        let counters = shard.counters();
        let accounted = counters.delivered + counters.skipped + counters.cancelled + counters.filtered;
        self.next == 0
            && (!common.plan.sample.is_all() || common.plan.troubles.is_some())
            && accounted < counters.owed
            && now_us < self.wait_until_us
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
            let person = common.plan.population.draw(user, scratch);
            let sight = sight_of(common.plan.composed, common.plan.population.network(user));
            for _ in 0..person.endpoints {
                let watcher = Watching { user, number: self.next_group as u32, group: groups[self.next_group], sight };
                self.next_group += 1;
                let compared = if common.plan.sample.is_all() {
                    watcher.compare_all(shard, common, recorder, scratch)
                } else {
                    watcher.compare_some(shard, common, recorder, scratch)
                };
                self.drawn += u64::from(person.contacts);
                self.done.compared += compared.subscriptions;
                self.done.lost += compared.subscriptions.saturating_sub(compared.right);
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
        let population = shard.population();
        // Of those who are not followed it is known at least how many there should be.
        let missing = self.drawn.saturating_sub(population.subscriptions);
        Checked {
            lost: self.done.lost.max(missing),
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
            topics: population.topics,
            presentities: recorder.users_watched(),
            ..self.done
        }
    }
}

/// A watcher as it was drawn from the seed.
#[derive(Clone, Copy, Debug)]
struct Watching {
    user: u32,
    number: u32,
    group: GroupId,
    sight: Sight,
}

impl Watching {
    /// Every subscription that the engine has of it, against every contact that was drawn.
    fn compare_all(&self, shard: &Shard, common: &Common, recorder: &Recorder, drawn: &Scratch) -> Compared {
        let mut right = 0;
        for (slot, presentity, view) in shard.subscriptions(self.group) {
            let contact = presentity.get() as u32;
            let told = recorder.seen(&self.followed(slot.index(), contact));
            let is_right = told == newest(common, self.sight, contact) && is_fit(self.sight, view);
            right += u64::from(is_right && drawn.contains(self.user, contact));
        }
        Compared { subscriptions: drawn.contacts().len() as u64, right }
    }

    /// The contacts whose watchers are followed. What they were told is asked of the recorder alone; of the engine only
    /// whether the subscription is there. The others' lines are not touched, which at a billion would take minutes.
    fn compare_some(&self, shard: &Shard, common: &Common, recorder: &Recorder, drawn: &Scratch) -> Compared {
        let mut compared = Compared::default();
        for &presentity in drawn.contacts() {
            let contact = presentity.get() as u32;
            if !common.plan.sample.holds(contact) {
                continue;
            }
            compared.subscriptions += 1;
            let told = recorder.seen(&self.followed(0, contact));
            let found = shard.explain(self.group, presentity).ok().flatten();
            let is_there = found.is_some_and(|found| is_fit(self.sight, found.view));
            compared.right += u64::from(is_there && told == newest(common, self.sight, contact));
        }
        compared
    }

    fn followed(&self, slot: usize, user: u32) -> Followed {
        Followed { slot, watcher: self.number, user }
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
