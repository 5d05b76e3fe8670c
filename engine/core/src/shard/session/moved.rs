//! A parked watcher comes back to another shard: the old one closes it and gives what it was, the new one opens it again.
//!
//! What a subscription was shown goes with it as a stamp and as the home's number of the newest change that it has seen. On
//! the new shard it is silent until its topic is known to be no older than that stamp: at once if it is, or else when the
//! home has answered a join sent after the move (C1). Then the numbers tell whether anything has changed.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error as ThisError;

use super::super::changes::Wish;
use super::super::expiry::Second;
use super::super::pace::{CarriedList, Rate};
use super::super::slot::{LANES, place};
use super::super::topic::{LIVE, OWES_JOIN};
use super::super::{FanOut, ShardMemory, full};
use super::ResumeToken;
use super::arrivals::Arrival;
use crate::error::{Bound, Error};
use crate::id::{Categories, GroupId, ListId, PresentityId, Stamp, Tick, View, WatcherId};
use crate::identity::Identity;
use crate::store::NONE;
use crate::tenant::TenantId;

/// A parked watcher between two shards: plain data, to be sent to the other's thread. There is one of it, so nobody is
/// resumed twice; let go of, the watcher is gone.
pub struct Session {
    watcher_token: u64,
    tenant: TenantId,
    until: Tick,
    told: u32,
    ring_slots: u32,
    gap_us_min: u64,
    groups: Vec<Carried>,
}

/// A group between two shards.
struct Carried {
    token: u64,
    wants: Categories,
    who: Option<Arc<Identity>>,
    rate: Rate,
    wish: Option<Wish>,
    list: Option<CarriedList>,
    /// For the layer above: the list that it follows, and in which view.
    follows: Option<(ListId, Option<View>)>,
    expires: Second,
    members: Vec<Member>,
}

/// A subscription between two shards: 32 bytes.
#[derive(Clone, Copy)]
struct Member {
    presentity: PresentityId,
    /// No older state is shown to it any more,
    shown: Stamp,
    /// and this is the home's number of the newest change of its view that it was told of.
    turn: u32,
    view: View,
    owes: Owes,
    /// Whether its topic was silent, so that even the stamp tells nothing for sure.
    was_silent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owes {
    /// Only what has changed.
    Changes,
    /// All once more: what it was told was not acknowledged.
    Again,
    /// A first state.
    First,
}

impl Session {
    /// What the embedder gave when it opened the watcher, or resumed it last.
    #[must_use]
    pub fn watcher_token(&self) -> u64 {
        self.watcher_token
    }

    /// Until when it can be opened.
    #[must_use]
    pub fn until(&self) -> Tick {
        self.until
    }

    /// How many subscriptions it has.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.groups.iter().map(|group| group.members.len()).sum()
    }

    /// The list that each group follows, and in which view.
    pub(crate) fn follows(&self) -> impl Iterator<Item = Option<(ListId, Option<View>)>> + '_ {
        self.groups.iter().map(|group| group.follows)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Session");
        debug.field("watcher_token", &self.watcher_token).field("until", &self.until);
        debug.field("groups", &self.groups.len()).field("subscriptions", &self.subscriptions()).finish()
    }
}

/// A shard has no room for a session, or it comes too late. It is given back, to be opened on a shard that has room, the old
/// one too, or when there is.
#[derive(Debug, ThisError)]
#[error("the session cannot be resumed here: {why}")]
pub struct SessionRefused {
    /// The session, as it was.
    pub session: Session,
    /// Why it was refused.
    #[source]
    pub why: Error,
}

impl<B: ShardMemory> FanOut<B> {
    /// Closes a parked watcher that has taken in the notes up to this count, and gives what it was; `followed` tells which list
    /// a group follows.
    pub(crate) fn close_parked(
        &mut self,
        token: ResumeToken,
        acknowledged: u32,
        followed: impl Fn(GroupId) -> Option<(ListId, Option<View>)>,
    ) -> Result<Session, Error> {
        let (watcher, tracked) = self.parked_at(token).ok_or(Error::NoSuchSession)?;
        let unacknowledged = self.outboxes.sessions.resume(tracked, acknowledged)?;
        self.outboxes.mark_unacknowledged(watcher, &unacknowledged);
        let record = &self.outboxes.sessions.tracked[tracked];
        let mut session = Session {
            watcher_token: self.outboxes.watchers[watcher].token,
            tenant: self.tenant_of_watcher(watcher),
            until: record.until,
            told: record.told as u32,
            ring_slots: record.ring_slots,
            gap_us_min: self.outboxes.paces.gap_of_watcher(watcher),
            groups: Vec::new(),
        };
        let mut group = self.outboxes.watchers[watcher].groups.head;
        while group != NONE {
            session.groups.push(self.carry(group, &followed));
            group = self.outboxes.groups[group].links.next;
        }
        self.close_watcher_at(watcher);
        Ok(session)
    }

    fn carry(&self, group: u32, followed: impl Fn(GroupId) -> Option<(ListId, Option<View>)>) -> Carried {
        let record = &self.outboxes.groups[group];
        let mut members = Vec::with_capacity(record.len as usize);
        let mut run = record.runs.head;
        while run != NONE {
            let lanes = (0..LANES).filter(|lane| self.outboxes.runs[run].used >> lane & 1 == 1);
            members.extend(lanes.map(|lane| self.carry_member(run * LANES + lane)));
            run = self.outboxes.runs[run].links.next;
        }
        Carried {
            token: record.token,
            wants: Categories::from_bits(record.wants_bits()),
            who: self.gates.identity(group).cloned(),
            rate: record.pace().map_or_else(Rate::default, |pace| self.outboxes.paces.rate(pace)),
            wish: self.outboxes.wishes.get(&group).cloned(),
            list: self.carry_list(group),
            follows: followed(GroupId { index: group, generation: record.generation }),
            expires: record.expires,
            members,
        }
    }

    fn carry_member(&self, slot: u32) -> Member {
        let (run, lane) = place(slot);
        let record = &self.outboxes.runs[run];
        let topic = &self.topics.topics[record.topics[lane]];
        let behind = u32::from(self.outboxes.seen.behind(topic.turn, record.seen[lane]));
        let is_fresh = record.fresh >> lane & 1 == 1;
        // It may have come here itself a moment ago, and not be settled.
        let arrival = self.arrivals.get(record.topics[lane], slot);
        let owes = match (is_fresh, behind) {
            (true, 1..) => Owes::First,
            (true, 0) => Owes::Again,
            (false, _) if arrival.is_some_and(|arrival| arrival.again) => Owes::Again,
            (false, _) => Owes::Changes,
        };
        Member {
            presentity: topic.presentity,
            shown: topic.stamp,
            turn: arrival.map_or(topic.home_turn.wrapping_sub(behind), |arrival| arrival.turn),
            view: topic.view,
            owes,
            was_silent: !topic.has(LIVE),
        }
    }

    /// Opens a watcher that another shard has closed: all of it, or nothing.
    pub(crate) fn open_carried(&mut self, session: &Session, watcher_token: u64) -> Result<WatcherId, Error> {
        if session.until <= self.now {
            return Err(Error::NoSuchSession);
        }
        let watcher = self.open_watcher_of(session.tenant, watcher_token)?;
        let opened = self.fill(watcher, session);
        if opened.is_err() {
            self.close_watcher_at(watcher.index);
        } else {
            self.counters.sessions_resumed += 1;
        }
        opened.map(|()| watcher)
    }

    fn fill(&mut self, watcher: WatcherId, session: &Session) -> Result<(), Error> {
        self.track_from(watcher.index, session.ring_slots, session.told)?;
        self.pace_watcher(watcher, session.gap_us_min)?;
        for carried in &session.groups {
            let group = self.open_group_of(watcher, carried.token, carried.wants, carried.who.clone())?;
            if carried.rate != Rate::default() {
                self.set_rate(group, carried.rate)?;
            }
            if let Some(wish) = &carried.wish {
                self.put_wish(group.index, wish.clone());
            }
            if let Some(list) = carried.list {
                self.put_list(group.index, list)?;
            }
            self.outboxes.set_group_expiry(group.index, carried.expires);
            let room = self.room_in(group.index);
            if carried.members.len() > room.left {
                return Err(room.refusal());
            }
            for &member in &carried.members {
                self.arrive(group.index, carried.who.as_deref(), member)?;
                if !self.reports.is_empty() {
                    self.note_subscribed(group.index, &[member.presentity]);
                }
            }
        }
        Ok(())
    }

    /// Makes a subscription of one that another shard had.
    fn arrive(&mut self, group: u32, who: Option<&Identity>, member: Member) -> Result<(), Error> {
        let view = match who {
            Some(who) => self.gates.decide(member.presentity, who).0.view,
            None => member.view,
        };
        if who.is_none() {
            self.check_view(view)?;
        }
        if self.topics.find(member.presentity, view).is_none() {
            self.check_topics(1)?;
        }
        let entries = &mut self.topics.entries;
        entries.reserve(1).map_err(|why| full(why, Bound::Subscriptions, entries.limit(), "subscriptions"))?;
        // First the slot, so that no topic is left without a subscription should there be none.
        let slot = self.take_slot(group)?;
        let topic = match self.topic_for(member.presentity, view) {
            Ok(topic) => topic,
            Err(why) => {
                let (run, lane) = place(slot);
                self.free_slot(run, lane);
                return Err(why);
            }
        };
        self.count_subscriptions(group, 1, 0);
        let is_new_view = view != member.view || member.owes == Owes::First;
        if is_new_view {
            self.attach(slot, topic)?;
        } else {
            self.bind(slot, topic)?;
        }
        let record = &self.topics.topics[topic];
        // A view that hides the newest stamp may have the same one before a change and after it.
        let is_as_new = record.stamp >= member.shown && record.home_turn.wrapping_sub(member.turn) as i32 >= 0;
        let is_known = record.has(LIVE) && !member.was_silent && is_as_new;
        if !is_known && !record.has(OWES_JOIN) {
            // What is known here, or is on its way here, may be true as of an older stamp than the watcher was shown. Ask the
            // home again, and be silent until it has answered.
            self.rejoin(topic);
        }
        let record = &mut self.topics.topics[topic];
        record.stamp = record.stamp.max(member.shown);
        if !is_new_view {
            let arrival = Arrival { turn: member.turn, again: member.owes == Owes::Again };
            if is_known {
                self.settle_arrival(slot, topic, arrival, (0, 0));
            } else {
                self.arrivals.insert(topic, slot, arrival);
            }
        }
        Ok(())
    }
}
