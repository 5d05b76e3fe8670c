//! Named lists of presentities, and groups that watch whoever is on one (RFC 4662; Lync's distribution groups).
//!
//! Each shard has its own copy of the lists that its watchers look at; the embedder sets them, on every shard, as they
//! change. A group that follows a list has its members as they are, those of nested lists included: when they change, the
//! groups are brought to them one after the other, a bounded number of members a step. Invariant: a group is in the list of
//! followers of one list at most, and every follower that is not as its list is now lies ahead of the list's round.
//! Somebody who follows nothing pays nothing.

mod registry;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hasher;
use core::ops::Bound;

use registry::Registry;
use siphasher::sip::SipHasher24;

use super::shard::Shard;
use crate::error::Error;
use crate::id::{GroupId, ListId, PresentityId, View};
use crate::shard::{EndReason, MembersChanged, ShardMemory, StateTag};

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListEntry {
    /// A member.
    Presentity(PresentityId),
    /// All that are on another list.
    List(ListId),
}

/// A group that follows a list.
#[derive(Clone, Copy, Debug)]
struct Follower {
    generation: u32,
    /// The view that it subscribes to; none where it has an identity.
    view: Option<View>,
}

/// A round over a list's followers that is under way, by the numbers of their groups.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Who is next, and who is not any more:
    next: u32,
    end: u32,
    /// after them those before this one, who were past when the list changed again.
    rest: u32,
}

/// The lists of a shard, and who follows them.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    registry: Registry,
    followers: BTreeMap<ListId, BTreeMap<u32, Follower>>,
    followed_by: BTreeMap<u32, ListId>,
    rounds: BTreeMap<ListId, Round>,
    /// Whose round went on last: they take turns, so that a list that changes all the time holds no other up.
    turn: Option<ListId>,
}

impl Lists {
    pub(crate) fn is_settled(&self) -> bool {
        self.rounds.is_empty()
    }

    pub(crate) fn bytes(&self) -> u64 {
        let places = self.followed_by.len() * (size_of::<(u32, Follower)>() + size_of::<(u32, ListId)>());
        // Entries of trees with half of their places free.
        self.registry.bytes() + (places * 2) as u64
    }

    /// The list that a group follows, and the view that it subscribes to, if it has no identity.
    pub(super) fn followed_by(&self, group: GroupId) -> Option<(ListId, Option<View>)> {
        let list = *self.followed_by.get(&group.index)?;
        let follower = self.followers.get(&list)?.get(&group.index)?;
        (follower.generation == group.generation).then_some((list, follower.view))
    }

    /// Whether such a list was set here.
    pub(super) fn knows(&self, list: ListId) -> bool {
        self.registry.contains(list)
    }

    /// Has a group follow this list that may not be as the list is here.
    pub(super) fn follow_from_now(&mut self, list: ListId, group: GroupId, view: Option<View>) {
        self.follow(list, group, view);
        self.begin_round(list);
    }

    /// Has a group follow this list and no other.
    fn follow(&mut self, list: ListId, group: GroupId, view: Option<View>) {
        self.leave(group.index);
        self.followed_by.insert(group.index, list);
        let follower = Follower { generation: group.generation, view };
        self.followers.entry(list).or_default().insert(group.index, follower);
    }

    fn leave(&mut self, group: u32) {
        let Some(list) = self.followed_by.remove(&group) else { return };
        let Some(followers) = self.followers.get_mut(&list) else { return };
        followers.remove(&group);
        if followers.is_empty() {
            self.followers.remove(&list);
            self.rounds.remove(&list);
        }
    }

    /// Somebody has to look at all followers of a list.
    fn begin_round(&mut self, list: ListId) {
        if !self.followers.contains_key(&list) {
            return;
        }
        let round = self.rounds.entry(list).or_insert(Round { next: 0, end: u32::MAX, rest: 0 });
        (round.end, round.rest) = (u32::MAX, round.next);
    }

    /// The next follower that is to be looked at, of the next list that has one.
    fn next_follower(&mut self) -> Option<(ListId, u32, Follower)> {
        loop {
            let after = self.turn.map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.rounds.range((after, Bound::Unbounded)).next().or_else(|| self.rounds.first_key_value());
            let list = *next?.0;
            self.turn = Some(list);
            let (round, followers) = (self.rounds.get_mut(&list)?, self.followers.get(&list)?);
            if let Some((&group, &follower)) = followers.range(round.next..round.end).next() {
                round.next = group + 1;
                return Some((list, group, follower));
            }
            match round.rest {
                0 => drop(self.rounds.remove(&list)),
                rest => *round = Round { next: 0, end: rest, rest: 0 },
            }
        }
    }
}

impl<B: ShardMemory> Shard<B> {
    /// Sets what a list holds, or changes it: groups that follow it, or a list that it is on, come to watch its members and no
    /// others, a bounded number of them a step. The embedder says it on every shard.
    ///
    /// Costs a look at all members of the list and of those that hold it.
    ///
    /// # Errors
    /// Nothing has changed then: [`Error::NoSuchList`] for an entry that is no list, [`Error::ListCycle`] for one that holds
    /// this list, [`Error::Limit`] at [`crate::Limits::lists`], `list_members` and `list_depth`.
    pub fn set_list(&mut self, list: ListId, entries: Arc<[ListEntry]>) -> Result<(), Error> {
        let limits = self.fan.limits();
        self.desk.lists.registry.set(list, entries, limits)?;
        for changed in self.desk.lists.registry.with_holders(list) {
            self.desk.lists.begin_round(changed);
        }
        Ok(())
    }

    /// Forgets a list. Groups that follow it end, with [`EndReason::NoResource`].
    ///
    /// # Errors
    /// [`Error::NoSuchList`]; [`Error::ListHeld`] while another list names it.
    pub fn remove_list(&mut self, list: ListId) -> Result<(), Error> {
        self.desk.lists.registry.remove(list)?;
        self.desk.lists.begin_round(list);
        Ok(())
    }

    /// Who is on a list, those of the lists in it included, each once and in the order of their ids: to expand a group
    /// without watching it.
    ///
    /// # Errors
    /// [`Error::NoSuchList`].
    pub fn list_members(&self, list: ListId) -> Result<Vec<PresentityId>, Error> {
        let registry = &self.desk.lists.registry;
        if registry.contains(list) { Ok(registry.members(list)) } else { Err(Error::NoSuchList(list)) }
    }

    /// The tag of who is on a list: whoever knows it knows its members, on any shard and after any restart (roster versions:
    /// XEP-0237, RFC 6121, 2.6).
    ///
    /// # Errors
    /// [`Error::NoSuchList`].
    pub fn list_tag(&self, list: ListId) -> Result<StateTag, Error> {
        let mut hasher = SipHasher24::new_with_key(&self.desk.scheme.tag_secret());
        self.list_members(list)?.iter().for_each(|member| hasher.write_u64(member.get()));
        Ok(StateTag(hasher.finish()))
    }

    /// Lets a group that has an identity watch all members of a list and nobody else, whoever they are from now on. Until it
    /// follows another, or is closed. To be told of them together, let it [`crate::FanOut::gather`] right after.
    ///
    /// Should members who come later not fit, the group ends with [`EndReason::Probation`].
    ///
    /// # Errors
    /// [`Error::NoSuchList`], and those of [`crate::FanOut::watch`].
    pub fn watch_list(&mut self, group: GroupId, list: ListId) -> Result<MembersChanged, Error> {
        let changed = self.fan.watch_exactly(group, &self.list_members(list)?)?;
        self.desk.lists.follow(list, group, None);
        Ok(changed)
    }

    /// Subscribes a group without identity to a list's members in this view: see [`Self::watch_list`].
    ///
    /// # Errors
    /// [`Error::NoSuchList`], and those of [`crate::FanOut::subscribe`].
    pub fn subscribe_list(&mut self, group: GroupId, view: View, list: ListId) -> Result<MembersChanged, Error> {
        let changed = self.fan.subscribe_exactly(group, view, &self.list_members(list)?)?;
        self.desk.lists.follow(list, group, Some(view));
        Ok(changed)
    }

    /// Brings followers to their lists until that has cost so much, of which a member is one; tells how much it was.
    pub(crate) fn follow_lists(&mut self, most: usize) -> usize {
        let mut done = 0;
        while done < most && self.fan.takes_ends(most) {
            let Some((list, index, follower)) = self.desk.lists.next_follower() else { break };
            done += 1;
            let group = GroupId { index, generation: follower.generation };
            if self.fan.group(group).is_none() {
                self.desk.lists.leave(index);
                continue;
            }
            let Ok(members) = self.list_members(list) else {
                self.desk.lists.leave(index);
                done += self.fan.end_group(group, EndReason::NoResource);
                continue;
            };
            // Whoever is on it no more first, so that a full list may change.
            done += members.len() + self.fan.end_others(group, &members);
            let brought = match follower.view {
                None => self.fan.watch_exactly(group, &members),
                Some(view) => self.fan.subscribe_exactly(group, view, &members),
            };
            match brought {
                Ok(_) => {}
                Err(_) => {
                    self.desk.lists.leave(index);
                    done += self.fan.end_group(group, EndReason::Probation);
                }
            }
        }
        done
    }
}
