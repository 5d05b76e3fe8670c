//! The follower's side: groups of an owner's that follow who watches him, and one copy of his home's list for all of them.
//!
//! A follower that takes what there is, is told the whole list first and what has changed from there on; one that does not is told
//! the newest when it does, once. Invariant: a presentity is here while a group follows it, or while its home was not told yet
//! that none does any more; a follower that is owed something is among the ready, unless it was asked to look or looks away.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::list::WatcherList;
use super::{Follower, Marks, Owed, WatcherInformation, WatcherMessage, WatcherPiece};
use crate::error::{Bound, Corrupt, Error};
use crate::id::{GroupId, PresentityId, WatcherId};
use crate::shard::watcher::{INACTIVE, PARKED};
use crate::shard::{FanOut, ShardMemory};
use crate::store::NONE;

/// A presentity whose watchers somebody here follows.
#[derive(Debug)]
struct Following {
    round: u32,
    /// Whether the home was asked.
    is_asked: bool,
    list: WatcherList,
    is_whole: bool,
    left_out: u64,
    /// The groups that follow.
    groups: Vec<u32>,
}

/// What one group was told.
#[derive(Clone, Copy, Debug)]
struct Told {
    presentity: PresentityId,
    /// The newest change, once it was told anything.
    seen: Option<u64>,
    left_out: u64,
    version: u32,
}

/// All followers of a shard.
#[derive(Debug, Default)]
pub(crate) struct Followings {
    followings: BTreeMap<PresentityId, Following>,
    /// By group.
    told: BTreeMap<u32, Told>,
    /// Groups to be offered what there is.
    ready: Marks<u32>,
    rounds: u32,
}

impl Followings {
    /// Whether no group follows, which is what the end of a group asks first.
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub(crate) fn nobody_is_ready(&self) -> bool {
        self.ready.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        let each = 2 * size_of::<(PresentityId, Following)>() as u64;
        let lists = self.followings.values().map(|it| it.list.bytes() + each + it.groups.capacity() as u64 * 4);
        lists.sum::<u64>() + (self.told.len() * 2 * size_of::<(u32, Told)>()) as u64 + self.ready.bytes()
    }

    /// Offers the group what there is, if it was not told all of it.
    fn offer(&mut self, group: u32) {
        let Some(told) = self.told.get(&group) else { return };
        let Some(following) = self.followings.get(&told.presentity) else { return };
        if following.owes(told) {
            self.ready.push(group);
        }
    }
}

impl Following {
    fn owes(&self, told: &Told) -> bool {
        let is_new = told.seen.is_none_or(|seen| seen < self.list.changes()) || told.left_out != self.left_out;
        self.is_whole && is_new
    }

    fn let_go_of_ends(&mut self, told: &BTreeMap<u32, Told>) {
        let seen = self.groups.iter().filter_map(|group| told.get(group)?.seen).min();
        self.list.forget_ends(seen.unwrap_or(u64::MAX));
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Lets a group of the presentity's own follow who watches it (RFC 3857): subscriptions that are active, wait for its
    /// decision, or end. What there is comes by [`Self::next_follower`] and [`Self::watcher_information`]: the whole list
    /// first, once every shard with watchers has told its own, then what has changed. It ends with the group. A group that follows already goes
    /// on.
    ///
    /// Nothing is queued: a follower that does not ask is told the newest when it does. Costs a message to and from each shard with
    /// watchers, and then one for sixteen changes or fewer.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; [`Error::NoIdentity`] and [`Error::NotOwner`], for a group of somebody else's (C6);
    /// [`Error::Limit`] at `followers_per_presentity` or `followed_presentities`.
    pub fn follow_watchers(&mut self, group: GroupId, presentity: PresentityId) -> Result<(), Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        let who = self.gates.identity(index).ok_or(Error::NoIdentity(group))?;
        if who.user != presentity {
            return Err(Error::NotOwner(presentity));
        }
        if self.followings.told.contains_key(&index) {
            return Ok(());
        }
        let limit = self.limits.followed_presentities;
        let is_full = self.followings.followings.len() >= limit as usize;
        match self.followings.followings.get(&presentity) {
            Some(following) if following.groups.len() >= self.limits.followers_per_presentity as usize => {
                let limit = self.limits.followers_per_presentity.into();
                return Err(Error::Limit { bound: Bound::Followers, limit });
            }
            None if is_full => return Err(Error::Limit { bound: Bound::Followed, limit: limit.into() }),
            Some(following) if !following.groups.is_empty() => {}
            // The home is asked anew, also where it was not told yet that nobody had followed any more.
            _ => self.begin_to_follow(presentity),
        }
        if let Some(following) = self.followings.followings.get_mut(&presentity) {
            following.groups.push(index);
        }
        self.followings.told.insert(index, Told { presentity, seen: None, left_out: 0, version: 0 });
        self.followings.offer(index);
        Ok(())
    }

    fn begin_to_follow(&mut self, presentity: PresentityId) {
        self.followings.rounds = self.followings.rounds.wrapping_add(1);
        let following = Following {
            round: self.followings.rounds,
            is_asked: false,
            list: WatcherList::new(&self.limits),
            is_whole: false,
            left_out: 0,
            groups: Vec::new(),
        };
        self.followings.followings.insert(presentity, following);
        self.owe_follow(presentity);
    }

    /// Ends that a group follows its watchers, and tells whether it did.
    pub fn unfollow_watchers(&mut self, group: GroupId) -> bool {
        let Some(index) = self.group(group) else { return false };
        self.unfollow(index)
    }

    #[cold]
    pub(crate) fn unfollow(&mut self, group: u32) -> bool {
        let Some(told) = self.followings.told.remove(&group) else { return false };
        let Some(following) = self.followings.followings.get_mut(&told.presentity) else { return false };
        following.groups.retain(|&other| other != group);
        if following.groups.is_empty() {
            following.list = WatcherList::new(&self.limits);
            self.owe_follow(told.presentity);
        } else {
            following.let_go_of_ends(&self.followings.told);
        }
        true
    }

    /// The next follower that there may be something new for, to be asked by [`Self::watcher_information`]; who does not ask is named
    /// again when there is more. One whose watcher is inactive or parked is passed over until it is there again.
    pub fn next_follower(&mut self) -> Option<Follower> {
        loop {
            let group = self.followings.ready.pop()?;
            let Some(told) = self.followings.told.get(&group) else { continue };
            let is_owed = self.followings.followings.get(&told.presentity).is_some_and(|it| it.owes(told));
            let record = &self.outboxes.groups[group];
            let watcher = &self.outboxes.watchers[record.watcher];
            if !is_owed || watcher.holds & (INACTIVE | PARKED) != 0 {
                continue;
            }
            return Some(Follower {
                watcher: WatcherId { index: record.watcher, generation: watcher.generation },
                watcher_token: watcher.token,
                group: GroupId { index: group, generation: record.generation },
                group_token: record.token,
                presentity: told.presentity,
            });
        }
    }

    /// What a follower was not told yet, and counts it as told: the whole list at first, and when it has fallen so far behind that
    /// ends were let go of; what has changed else. Nothing while there is nothing new, or the first list is still on its way.
    pub fn watcher_information(&mut self, group: GroupId) -> Option<WatcherInformation> {
        let index = self.group(group)?;
        let told = self.followings.told.get_mut(&index)?;
        let presentity = told.presentity;
        let following = self.followings.followings.get_mut(&presentity).filter(|following| following.owes(told))?;
        let (full, watchers): (bool, Box<[_]>) = following.list.since(told.seen);
        let is_news = full || !watchers.is_empty() || told.left_out != following.left_out;
        told.seen = Some(following.list.changes());
        told.left_out = following.left_out;
        let (version, left_out) = (told.version, told.left_out);
        told.version = version.wrapping_add(u32::from(is_news));
        following.let_go_of_ends(&self.followings.told);
        is_news.then_some(WatcherInformation { presentity, version, full, watchers, left_out })
    }

    /// A watcher is active again: what its groups follow is offered to it.
    #[cold]
    pub(crate) fn offer_again(&mut self, watcher: u32) {
        let mut group = self.outboxes.watchers[watcher].groups.head;
        while group != NONE {
            self.followings.offer(group);
            group = self.outboxes.groups[group].links.next;
        }
    }

    pub(super) fn make_follow(&mut self, presentity: PresentityId) -> Option<WatcherMessage> {
        let following = self.followings.followings.get_mut(&presentity)?;
        if following.groups.is_empty() {
            let was_asked = following.is_asked;
            self.followings.followings.remove(&presentity);
            return was_asked.then_some(WatcherMessage::Unfollow { presentity });
        }
        if core::mem::replace(&mut following.is_asked, true) {
            return None;
        }
        Some(WatcherMessage::Follow { presentity, round: following.round })
    }

    pub(super) fn take_listed(&mut self, piece: &WatcherPiece) {
        let Self { followings, .. } = self;
        let Some(following) =
            followings.followings.get_mut(&piece.presentity).filter(|following| following.round == piece.round)
        else {
            return;
        };
        let told = following.groups.iter().filter_map(|group| followings.told.get(group)?.seen).max();
        following.list.take(piece, None, told.unwrap_or(0));
        following.left_out = piece.left_out;
        following.is_whole |= piece.covers.is_some_and(|stretch| stretch.upto.is_none());
        let groups = following.groups.clone();
        groups.into_iter().for_each(|group| followings.offer(group));
    }

    fn owe_follow(&mut self, presentity: PresentityId) {
        let home = self.home_of(presentity);
        self.owe_information(home, Owed::Follow(presentity));
    }

    pub(super) fn verify_followings(&self) -> Result<(), Corrupt> {
        let mut groups = 0;
        for (presentity, following) in &self.followings.followings {
            let wrong = |rule| Err(Corrupt { rule, index: presentity.get() });
            groups += following.groups.len();
            if !following.list.is_sound() {
                return wrong("a follower's list of watchers is in order");
            }
            let home = self.home_of(*presentity);
            let is_marked = self.links[home.index()].information.contains(Owed::Follow(*presentity));
            if (following.groups.is_empty() || !following.is_asked) && !is_marked {
                return wrong("the home is told whether anybody follows");
            }
            for group in &following.groups {
                let is_so = self.followings.told.get(group).is_some_and(|told| told.presentity == *presentity);
                let who = self.gates.identity(*group).map(|who| who.user);
                if !is_so || who != Some(*presentity) || self.outboxes.groups[*group].generation & 1 == 0 {
                    return wrong("who follows is the owner (C6)");
                }
            }
        }
        if groups != self.followings.told.len() {
            return Err(Corrupt { rule: "every follower follows somebody", index: groups as u64 });
        }
        Ok(())
    }
}
