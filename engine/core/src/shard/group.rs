//! Groups: subscriptions of one watcher that share expiry, rate, filter and identity, such as those of a SIP dialog.
//!
//! Lives on the shard of the watcher's connection. A group owns runs of its watcher's slots, so that to be in one costs a
//! subscription nothing. Invariant: among those that expire stand the groups that have an expiry, each once. It weighs 48
//! bytes, four more while it has an expiry, and eight if it has an identity.

use alloc::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::changes::Wish;
use super::expiry::{Expiring, Moment, Second};
use super::slot::{LANES, Outboxes, PACED, SlotRun, TRACKED};
use super::watcher_information::WatcherEvent;
use super::{FanOut, ShardMemory, full};
use crate::error::{Bound, Error};
use crate::id::{Categories, GroupId, Tick, WatcherId};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::store::{Links, List, NONE, Record};

/// Subscriptions of one watcher that share filter, expiry, rate and identity.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Group {
    pub(crate) token: u64,
    pub(crate) generation: u32,
    pub(crate) watcher: u32,
    /// Runs of slots, those with a free lane first.
    pub(crate) runs: List,
    pub(crate) links: Links,
    pub(crate) len: u32,
    /// When it ends, if it does,
    pub(crate) expires: Second,
    /// and where it stands among those that end.
    place: u32,
    /// The categories that it wants, as a set's bits; and the number of its pace in the 24 bits above.
    wants_and_pace: u32,
}

const _: () = assert!(size_of::<Group>() == 48);

/// Paces that 24 bits tell apart, and a value for none.
pub(crate) const PACES_MAX: u32 = (1 << 24) - 1;

impl Default for Group {
    fn default() -> Self {
        Self { expires: Second::NEVER, place: NONE, wants_and_pace: PACES_MAX << 8, ..Self::zeroed() }
    }
}

impl Group {
    pub(crate) fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    /// Its place among those that are told at a pace.
    pub(crate) fn pace(&self) -> Option<u32> {
        let pace = self.wants_and_pace >> 8;
        (pace != PACES_MAX).then_some(pace)
    }

    pub(crate) fn set_pace(&mut self, pace: Option<u32>) {
        self.wants_and_pace = self.wants_and_pace & 0xff | pace.unwrap_or(PACES_MAX) << 8;
    }

    pub(crate) fn wants(&self) -> Categories {
        Categories::from_bits(self.wants_bits())
    }

    pub(crate) fn wants_bits(&self) -> u8 {
        self.wants_and_pace as u8
    }
}

impl Record for Group {
    fn chain(&mut self) -> &mut u32 {
        &mut self.links.next
    }
}

impl Expiring for Group {
    type At = Second;

    fn expires(&self) -> Second {
        self.expires
    }

    fn place(&self) -> u32 {
        self.place
    }

    fn set_place(&mut self, place: u32) {
        self.place = place;
    }
}

/// A group that has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupEnded {
    /// Whose it was.
    pub watcher: WatcherId,
    /// What the embedder gave when it opened the watcher.
    pub watcher_token: u64,
    /// Which it was; it does nothing any more.
    pub group: GroupId,
    /// What the embedder gave when it opened the group.
    pub group_token: u64,
    /// Why.
    pub why: EndReason,
}

/// Why a group has ended by itself (RFC 6665, section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// It was not renewed in time: `timeout`.
    Timeout,
    /// The list that it followed is no more: `noresource`.
    NoResource,
    /// There was no room for somebody who came to the list that it followed: `probation`. To be tried again after
    /// [`crate::Limits::group_retry_after_us`].
    Probation,
}

impl<B: ShardMemory> FanOut<B> {
    /// Opens a group of subscriptions that want to hear of these categories. The token comes back with every note.
    ///
    /// # Errors
    /// [`Error::NoSuchWatcher`], [`Error::Limit`] at [`crate::Limits::groups`] or [`crate::Limits::groups_per_watcher`],
    /// [`Error::OutOfMemory`].
    pub fn open_group(&mut self, watcher: WatcherId, token: u64, wants: Categories) -> Result<GroupId, Error> {
        self.open_group_of(watcher, token, wants, None)
    }

    /// Opens a group for somebody, so that policy says what he may see: see [`Self::watch`]. Groups of one session may
    /// share the identity.
    ///
    /// # Errors
    /// As [`Self::open_group`].
    pub fn open_group_for(
        &mut self,
        watcher: WatcherId,
        token: u64,
        wants: Categories,
        who: Arc<Identity>,
    ) -> Result<GroupId, Error> {
        self.open_group_of(watcher, token, wants, Some(who))
    }

    pub(crate) fn open_group_of(
        &mut self,
        watcher: WatcherId,
        token: u64,
        wants: Categories,
        who: Option<Arc<Identity>>,
    ) -> Result<GroupId, Error> {
        let owner = self.watcher(watcher).ok_or(Error::NoSuchWatcher(watcher))?;
        self.check_groups(owner)?;
        let groups = &mut self.outboxes.groups;
        let index = groups.insert().map_err(|why| full(why, Bound::Groups, groups.limit(), "groups"))?;
        if let Err(why) = self.gates.set_identity(index, who) {
            groups.remove(index);
            return Err(full(why, Bound::Groups, groups.limit(), "groups"));
        }
        let record = &mut groups[index];
        *record = Group {
            token,
            generation: record.generation.wrapping_add(1),
            watcher: owner,
            runs: List::EMPTY,
            links: record.links,
            wants_and_pace: PACES_MAX << 8 | u32::from(wants.bits()),
            ..Group::default()
        };
        let generation = record.generation;
        self.outboxes.watchers[owner].groups.push_back(groups, index, Group::links);
        Ok(GroupId { index, generation })
    }

    /// Who a group is, if it was opened for somebody.
    #[must_use]
    pub fn identity(&self, group: GroupId) -> Option<&Arc<Identity>> {
        self.gates.identity(self.group(group)?)
    }

    /// Ends all subscriptions of a group and the group itself (C5).
    ///
    /// Returns false, and does nothing, if the group was closed before. Costs two to three cache misses a subscription.
    pub fn close_group(&mut self, group: GroupId) -> bool {
        let Some(index) = self.group(group) else { return false };
        self.close_group_at(index, WatcherEvent::Timeout);
        true
    }

    /// Lets a group end after so long, unless it is renewed before, and tells when that will be. Longer than
    /// [`crate::Limits::group_lifetime_us_max`] is granted as that. A group that was never renewed lives as long as its
    /// watcher.
    ///
    /// What is granted is a moment of whole seconds (of 2^20 us), up to one later than asked for: a protocol that must not
    /// grant more than that answers with the smaller. They are counted for 142 years from the embedder's zero; after that every
    /// group ends at once. The end comes with the step after it, by [`Self::next_ended`].
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; [`Error::TooBrief`] below [`crate::Limits::group_lifetime_us_min`]: to end a group at once,
    /// close it.
    pub fn renew_group(&mut self, group: GroupId, lifetime_us: u64) -> Result<Tick, Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        let Limits { group_lifetime_us_min: least_us, group_lifetime_us_max: most_us, .. } = self.limits;
        if lifetime_us < least_us {
            return Err(Error::TooBrief { least_us });
        }
        let expires = Second::not_before(self.now.after_micros(lifetime_us.min(most_us)));
        self.outboxes.set_group_expiry(index, expires);
        Ok(expires.tick())
    }

    /// As [`Self::renew_group`], for a watcher that names no lifetime: it is granted
    /// [`crate::Limits::group_lifetime_us_default`] (RFC 6665, section 4.2.1.1).
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn renew_group_by_default(&mut self, group: GroupId) -> Result<Tick, Error> {
        let Limits { group_lifetime_us_default: lifetime_us, group_lifetime_us_min: least_us, .. } = self.limits;
        self.renew_group(group, lifetime_us.max(least_us))
    }

    /// Tells a group everything once more: the newest state of each of its subscriptions, as if it were new (RFC 6665:
    /// what a refresh is answered with). What changes before it is told, is told with it.
    ///
    /// Costs a cache miss for 16 subscriptions now, and what first states cost when they are told.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn refresh_group(&mut self, group: GroupId) -> Result<(), Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        self.outboxes.mark_group_again(index);
        Ok(())
    }

    /// The next group that has ended by itself. Ask before the watchers' outboxes: nothing is told to it any more.
    pub fn next_ended(&mut self) -> Option<GroupEnded> {
        self.ended.pop_front()
    }

    /// When the first group or parked watcher ends, or the first pace has something to do.
    pub(crate) fn first_group_due(&self) -> Option<Tick> {
        let Outboxes { groups, group_expiries, paces, sessions, .. } = &self.outboxes;
        let expires = group_expiries.first(groups).map(|(expires, _)| expires.tick());
        [expires, paces.first(), sessions.first().map(|(until, _)| until)].into_iter().flatten().min()
    }

    /// Ends groups that are past their expiry until that has cost so much, each of them and of their subscriptions one;
    /// tells how much it was.
    pub(crate) fn expire_groups(&mut self, most: usize) -> usize {
        let mut done = 0;
        while done < most && self.takes_ends(most) {
            let Some((expires, index)) = self.outboxes.group_expiries.first(&self.outboxes.groups) else { break };
            if expires.tick() > self.now {
                break;
            }
            self.counters.groups_expired += 1;
            done += self.end_group_at(index, EndReason::Timeout);
        }
        done
    }

    /// Whether more groups may end by themselves: ends that nobody asks for are not piled up.
    pub(crate) fn takes_ends(&self, most: usize) -> bool {
        self.ended.len() < most
    }

    /// Ends a group for a reason that its watcher is told; tells what that cost.
    pub(crate) fn end_group(&mut self, group: GroupId, why: EndReason) -> usize {
        self.group(group).map_or(0, |index| self.end_group_at(index, why))
    }

    fn end_group_at(&mut self, index: u32, why: EndReason) -> usize {
        let Group { token, generation, watcher, len, .. } = self.outboxes.groups[index];
        let record = &self.outboxes.watchers[watcher];
        self.ended.push_back(GroupEnded {
            watcher: WatcherId { index: watcher, generation: record.generation },
            watcher_token: record.token,
            group: GroupId { index, generation },
            group_token: token,
            why,
        });
        self.close_group_at(index, why.into());
        1 + len as usize
    }

    /// Closes a group; whoever follows the watchers of those it watched is told why.
    pub(crate) fn close_group_at(&mut self, group: u32, why: WatcherEvent) {
        if !self.followings.is_empty() {
            self.unfollow(group);
        }
        while self.outboxes.groups[group].runs.head != NONE {
            let run = self.outboxes.groups[group].runs.head;
            for lane in 0..LANES {
                if self.outboxes.runs[run].used & 1 << lane != 0 {
                    self.end_subscription(run * LANES + lane, why);
                }
            }
        }
        self.drop_pace(group);
        self.outboxes.wishes.remove(&group);
        self.outboxes.set_group_expiry(group, Second::NEVER);
        let record = &mut self.outboxes.groups[group];
        record.generation = record.generation.wrapping_add(1);
        let owner = record.watcher;
        self.outboxes.watchers[owner].groups.remove(&mut self.outboxes.groups, group, Group::links);
        self.outboxes.groups.remove(group);
        // To forget takes no memory.
        let _ = self.gates.set_identity(group, None);
    }

    pub(crate) fn group(&self, id: GroupId) -> Option<u32> {
        let record = self.outboxes.groups.get(id.index)?;
        (record.generation == id.generation && record.generation & 1 == 1).then_some(id.index)
    }

    /// Takes a free slot of the group's, making a new run if there is none.
    pub(crate) fn take_slot(&mut self, group: u32) -> Result<u32, Error> {
        let Outboxes { groups, runs, wishes, sessions, .. } = &mut self.outboxes;
        let record = &mut groups[group];
        let mut run = record.runs.head;
        if run == NONE || runs[run].is_full() {
            let limit = runs.limit() * LANES;
            run = runs.insert().map_err(|why| full(why, Bound::Subscriptions, limit, "subscriptions"))?;
            let (watcher, wants_bits) = (record.watcher, record.wants_bits());
            let wish = wishes.get(&group).map_or(0, Wish::flags);
            let paced = if record.pace().is_some() { PACED } else { 0 };
            let tracked = if sessions.of(watcher).is_some() { TRACKED } else { 0 };
            let flags = wish | paced | tracked;
            runs[run] = SlotRun { watcher, group, wants_bits, flags, ..SlotRun::zeroed() };
            record.runs.push_front(runs, run, SlotRun::links);
            runs.approach_next();
        }
        let slots = &mut runs[run];
        let lane = (!slots.used).trailing_zeros();
        slots.used |= 1 << lane;
        record.len += 1;
        if slots.is_full() {
            record.runs.remove(runs, run, SlotRun::links);
            record.runs.push_back(runs, run, SlotRun::links);
        }
        Ok(run * LANES + lane)
    }

    /// Gives a slot back; its mark must be gone.
    pub(crate) fn free_slot(&mut self, run: u32, lane: usize) {
        let outboxes = &mut self.outboxes;
        let was_full = outboxes.runs[run].is_full();
        let record = &mut outboxes.runs[run];
        record.used &= !(1 << lane);
        let (group, is_empty) = (record.group, record.used == 0);
        let group = &mut outboxes.groups[group];
        group.len -= 1;
        if let Some(pace) = group.pace() {
            // It may have been the last that a list waited for.
            outboxes.paces.look_again(pace);
        }
        if is_empty {
            group.runs.remove(&mut outboxes.runs, run, SlotRun::links);
            outboxes.runs.remove(run);
        } else if was_full {
            group.runs.remove(&mut outboxes.runs, run, SlotRun::links);
            group.runs.push_front(&mut outboxes.runs, run, SlotRun::links);
        }
    }
}

impl<B: ShardMemory> Outboxes<B> {
    pub(crate) fn set_group_expiry(&mut self, group: u32, expires: Second) {
        self.groups[group].expires = expires;
        self.group_expiries.set(&mut self.groups, group);
    }
}
