//! What a home tells beside states: events for push and hooks, and the audit of decisions.
//!
//! Events are owed, like states: a presentity that went online and offline and online again before anybody asked is told
//! as online, once. The audit is a queue: each decision is told, and the oldest are given up, and counted, when nobody
//! reads it.

use alloc::collections::VecDeque;

use super::Shard;
use super::record::{LISTED, ONLINE, ONLINE_TOLD, Presence, WATCHED, WATCHED_TOLD};
use crate::id::{PolicyEpoch, PresentityId, ShardSet, Tick};
use crate::shard::ShardMemory;
use crate::shard::home::UNSETTLED;
use crate::store::NONE;

/// What happened to a presentity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PresenceEventKind {
    /// It is online: not one endpoint, but it as a whole.
    Online,
    /// It is not any more.
    Offline,
    /// Somebody watches it, who may see something.
    FirstWatcher,
    /// Nobody does any more.
    LastWatcher,
}

/// One event. The newest is told; what it overtook is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PresenceEvent {
    /// Whose.
    pub presentity: PresentityId,
    /// What.
    pub kind: PresenceEventKind,
}

/// A decision about who sees what, or what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Audit {
    /// When, by the home's clock.
    pub at: Tick,
    /// About whose presence.
    pub presentity: PresentityId,
    /// The policy that it is about.
    pub epoch: PolicyEpoch,
    /// What.
    pub what: Audited,
}

/// What the audit tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Audited {
    /// A policy of its own was accepted.
    PolicySet {
        /// Who set it.
        author: PresentityId,
    },
    /// The presentity has no policy of its own any more.
    PolicyRemoved {
        /// Who removed it.
        author: PresentityId,
    },
    /// Every interested shard has applied it.
    Applied,
    /// These shards have not said so in time.
    Incomplete {
        /// Which.
        shards: ShardSet,
    },
    /// Somebody waits for the owner's decision.
    Asked {
        /// Who.
        watcher: PresentityId,
    },
    /// Somebody waits no more: the policy of this number says what he gets.
    Answered {
        /// Who.
        watcher: PresentityId,
    },
    /// So many entries were given up before this one, because nobody read them.
    Lost {
        /// How many.
        entries: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) audit: VecDeque<Audit>,
    pub(crate) lost: u64,
}

impl<B: ShardMemory> Shard<B> {
    /// The next event of a presentity at home here, if the scheme keeps events.
    pub fn next_event(&mut self) -> Option<PresenceEvent> {
        loop {
            let ward = self.desk.listed.head;
            if ward == NONE {
                return None;
            }
            let presentity = self.presentity_of(ward);
            let standing = &mut self.desk.presences[ward].standing;
            let kinds = [
                (ONLINE, ONLINE_TOLD, PresenceEventKind::Online, PresenceEventKind::Offline),
                (WATCHED, WATCHED_TOLD, PresenceEventKind::FirstWatcher, PresenceEventKind::LastWatcher),
            ];
            for (flag, told, begun, ended) in kinds {
                let is_true = standing.has(flag);
                if is_true != standing.has(told) {
                    standing.set(told, is_true);
                    return Some(PresenceEvent { presentity, kind: if is_true { begun } else { ended } });
                }
            }
            standing.set(LISTED, false);
            self.desk.listed.remove(&mut self.desk.presences, ward, Presence::links);
            self.forget_if_empty(ward);
        }
    }

    /// The next decision made at this home, oldest first.
    pub fn next_audit(&mut self) -> Option<Audit> {
        let streams = &mut self.desk.streams;
        let first = streams.audit.front()?;
        if streams.lost != 0 {
            let lost = Audited::Lost { entries: core::mem::take(&mut streams.lost) };
            return Some(Audit { what: lost, ..*first });
        }
        streams.audit.pop_front()
    }

    pub(crate) fn audit(&mut self, ward: u32, what: Audited) {
        let entry = Audit {
            at: self.fan.now(),
            presentity: self.presentity_of(ward),
            epoch: self.fan.homes.wards[ward].epoch,
            what,
        };
        let streams = &mut self.desk.streams;
        // More than one, if the limit was lowered.
        while streams.audit.len() >= self.fan.limits().audit_entries as usize {
            streams.audit.pop_front();
            streams.lost += 1;
        }
        streams.audit.push_back(entry);
    }

    pub(crate) fn note_online(&mut self, ward: u32, online: bool) {
        self.desk.presences[ward].standing.set(ONLINE, online);
        self.list_for_event(ward);
    }

    /// Somebody may have come to watch, or gone.
    pub(crate) fn note_watched(&mut self, ward: u32) {
        if !self.desk.scheme.has_events() {
            return;
        }
        let homes = &self.fan.homes;
        let watched = homes.views_of(homes.wards[ward].home).any(|view| {
            let is_settled = |reader| homes.readers[reader].guard_marks & UNSETTLED == 0;
            !homes.views[view].view.is_closed() && homes.readers_of(view).any(is_settled)
        });
        self.desk.presences[ward].standing.set(WATCHED, watched);
        self.list_for_event(ward);
    }

    fn list_for_event(&mut self, ward: u32) {
        let standing = &mut self.desk.presences[ward].standing;
        if self.desk.scheme.has_events() && standing.has_news() && !standing.has(LISTED) {
            standing.set(LISTED, true);
            self.desk.listed.push_back(&mut self.desk.presences, ward, Presence::links);
        }
    }

    pub(crate) fn presentity_of(&self, ward: u32) -> PresentityId {
        let home = self.fan.homes.wards[ward].home;
        PresentityId::new(self.fan.homes.homes[home].presentity)
    }
}
