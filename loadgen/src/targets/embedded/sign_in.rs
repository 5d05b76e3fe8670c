//! The sign-in storm: every user's endpoints come as fast as the engine takes them, each with all its contacts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fanfare::{Categories, GroupId, Network, Shard, View};

use super::troubled::Troubled;
use crate::crew::{Common, SignIn};
use crate::host::ThreadTimes;
use crate::population::Scratch;
use crate::presence::{self, Sight};
use crate::recorder::Recorder;
use crate::schedule::Residents;

/// Contacts subscribed in one poll: some ten microseconds, so that first states are told while the topics' lines are
/// still near, as they would be in a frontend that serves one session after the other.
const CONTACTS_PER_POLL: u64 = 320;

/// Drawing is timed for one user in so many and reckoned up, so that the clock does not weigh on the result.
const TIMED_EVERY: u32 = 16;

/// Who is signed in on a shard.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// The group of each watcher, by its number here.
    pub(super) groups: Vec<GroupId>,
    /// The number of each resident's first watcher; nothing where sessions do nothing but watch.
    pub(super) numbers: Vec<u32>,
    /// Those who behave badly.
    pub(super) troubled: Troubled,
}

/// A sign-in under way.
#[derive(Debug)]
pub(super) struct SigningIn {
    next: u32,
    done: SignIn,
    counted: bool,
    thread_before: ThreadTimes,
    readings_before: u64,
}

impl SigningIn {
    /// A sign-in of everybody. Called on the shard's own thread.
    pub(super) fn begin(recorder: &Recorder) -> Self {
        Self {
            next: 0,
            done: SignIn::default(),
            counted: false,
            thread_before: ThreadTimes::of_this_thread(),
            readings_before: recorder.tally().readings,
        }
    }

    /// Signs some users in. Tells whether there was anything to do.
    ///
    /// # Errors
    /// What the engine refuses.
    pub(super) fn go_on(
        &mut self,
        shard: &mut Shard,
        common: &Common,
        residents: &Residents,
        recorder: &mut Recorder,
        roster: &mut Roster,
        scratch: &mut Scratch,
    ) -> Result<bool, fanfare::Error> {
        self.done.cut |= common.is_cut() && self.next < residents.count();
        let target = self.done.subscriptions + CONTACTS_PER_POLL;
        let mut any = false;
        while self.next < residents.count() && !self.done.cut && self.done.subscriptions < target {
            any = true;
            let user = residents.user(self.next);
            let timed = self.next.is_multiple_of(TIMED_EVERY);
            let begin_ns = if timed { common.clock.nanos() } else { 0 };
            let person = common.plan.population.draw(user, scratch);
            let network = common.plan.population.network(user);
            let sight = sight_of(common.plan.composed, network);
            let number = roster.groups.len() as u32;
            if common.has_sessions {
                roster.numbers.push(number);
            }
            // Whoever is shown a number alone could not say, after a while, which of several changes it was.
            let plan = common.plan.troubles.filter(|_| sight != Sight::Number);
            let trouble_of = |number| plan.and_then(|plan| plan.of(residents.shard, number));
            let good = (number..number + person.endpoints).filter(|&number| trouble_of(number).is_none()).count();
            for contact in scratch.contacts() {
                recorder.watch(contact.get() as u32, sight, good as u32);
            }
            let who = common.plan.composed.then(|| Arc::new(presence::identity(user, network)));
            let drawn_ns = if timed { common.clock.nanos() } else { 0 };
            for _ in 0..person.endpoints {
                // Its number here comes back with every note.
                let watcher = shard.open_watcher(roster.groups.len() as u64)?;
                if let Some(trouble) = trouble_of(roster.groups.len() as u32) {
                    roster.troubled.add(trouble, roster.groups.len() as u32, user, watcher);
                }
                let (token, all) = (user.into(), Categories::ALL);
                let group = match &who {
                    None => shard.open_group(watcher, token, all)?,
                    Some(who) => shard.open_group_for(watcher, token, all, Arc::clone(who))?,
                };
                for batch in scratch.contacts().chunks(common.plan.batch) {
                    let fresh = match who {
                        None => shard.subscribe(group, View::PLAIN, batch)?,
                        Some(_) => shard.watch(group, batch)?,
                    };
                    self.done.subscriptions += fresh as u64;
                }
                roster.groups.push(group);
                self.done.watchers += 1;
            }
            if timed {
                let end_ns = common.clock.nanos();
                self.done.generator_ns += (drawn_ns - begin_ns) * u64::from(TIMED_EVERY);
                self.done.engine_ns += (end_ns - drawn_ns) * u64::from(TIMED_EVERY);
            }
            self.next += 1;
        }
        Ok(any)
    }

    /// Users that are signed in.
    pub(super) fn users(&self) -> u32 {
        self.next
    }

    /// Subscriptions so far.
    pub(super) fn subscriptions(&self) -> u64 {
        self.done.subscriptions
    }

    /// The result, once every subscription was told its first state.
    pub(super) fn result(&mut self, common: &Common, residents: &Residents, recorder: &Recorder) -> Option<SignIn> {
        if self.next < residents.count() && !self.done.cut {
            return None;
        }
        if !self.counted {
            self.counted = true;
            let inside = common.inside.iter().zip(recorder.inside());
            for (all, here) in inside.chain(common.outside.iter().zip(recorder.outside())) {
                all.fetch_add(*here, Ordering::Relaxed);
            }
        }
        let tally = recorder.tally();
        if tally.firsts < self.done.subscriptions {
            return None;
        }
        let thread = ThreadTimes::of_this_thread().since(&self.thread_before);
        Some(SignIn { thread, readings: tally.readings - self.readings_before, ..self.done })
    }
}

/// What a watcher is shown, as long as nobody's policy names him.
pub(super) fn sight_of(composed: bool, network: Network) -> Sight {
    match network {
        _ if !composed => Sight::Plain,
        Network::Enterprise => Sight::Whole,
        Network::Federated | Network::PublicCloud => Sight::Number,
    }
}
