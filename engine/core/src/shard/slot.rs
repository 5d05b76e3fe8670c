//! Subscriptions as the watcher sees them: runs of sixteen slots, three cache lines each, and what of them is dirty.
//!
//! A subscription is a slot: its number is `run * 16 + lane`. Marking it touches the first line of its run and, only
//! if nothing in the run was dirty, the watcher; draining it touches the first two lines. A run belongs to one group,
//! so that membership costs a subscription nothing. Twelve bytes a subscription.
//!
//! Invariant: a run is in its watcher's list exactly while it has a dirty lane and its group's pace does not hold it, and a watcher
//! whose list has a run is ready, unless its frontend has left some of it untold, or its turn has found it held.

use alloc::collections::BTreeMap;

use bytemuck::{Pod, Zeroable};

use super::ShardMemory;
use super::changes::Wish;
use super::conditional::KnownTags;
use super::counters::Counters;
use super::expiry::Expiries;
use super::group::Group;
use super::pace::Paces;
use super::ready::{Place, Ready};
use super::session::Sessions;
use super::watcher::{Standing, Watcher};
use crate::id::{Categories, Tick};
use crate::store::{Links, NONE, Record, Slab};

/// Slots in a run.
pub(crate) const LANES: u32 = 16;

/// Sixteen subscriptions of one group.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct SlotRun {
    pub(crate) watcher: u32,
    pub(crate) group: u32,
    /// In the group's list: runs with a free lane first.
    pub(crate) links: Links,
    /// In the watcher's list of dirty runs.
    pub(crate) dirty_links: Links,
    pub(crate) used: u16,
    pub(crate) dirty: u16,
    /// Lanes that were never told anything.
    pub(crate) fresh: u16,
    /// The categories that the group wants, as a set's bits: here, so that a drain does without the group's line.
    pub(crate) wants_bits: u8,
    /// [`PACED`], [`HELD`] and what follows them: what makes telling it more than the usual. No bit of it is set in most.
    pub(crate) flags: u8,
    /// The low bits of the turn that the lane was told last.
    pub(crate) seen: [u16; LANES as usize],
    pub(crate) topics: [u32; LANES as usize],
    /// Where the topic's list names the lane, so that leaving it costs no search.
    pub(crate) entries: [u32; LANES as usize],
}

/// The run's group is told at a pace: here, so that a drain does without the group's line.
pub(crate) const PACED: u8 = 1;
/// The pace holds the run, which is dirty and in no watcher's list.
pub(crate) const HELD: u8 = 2;
/// What the run's watcher is told is counted, for it may come back and say how much has arrived.
pub(crate) const TRACKED: u8 = 4;

/// The run's group has a trigger.
pub(crate) const CHOOSY: u8 = 8;
/// The run's group wants differences.
pub(crate) const PARTIAL: u8 = 16;
/// A watcher has said which state of one of the run's subscriptions he knows.
pub(crate) const KNOWN: u8 = 32;

const _: () = assert!(size_of::<SlotRun>() == 192, "a run is three lines, the first of which is all that a mark needs");

impl SlotRun {
    pub(crate) fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    pub(crate) fn dirty_links(&mut self) -> &mut Links {
        &mut self.dirty_links
    }

    pub(crate) fn wants(&self) -> Categories {
        Categories::from_bits(self.wants_bits)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used == u16::MAX
    }
}

impl Record for SlotRun {
    fn chain(&mut self) -> &mut u32 {
        &mut self.links.next
    }
}

/// The run and the lane of a slot.
pub(crate) fn place(slot: u32) -> (u32, usize) {
    (slot / LANES, (slot % LANES) as usize)
}

/// How wide `seen` is, and how it is kept from wrapping.
///
/// A subscription `b` turns behind its topic is told apart from one that is up to date only while `b` is no multiple
/// of 2^bits. Therefore each visit of a walk that finds one more than a *lap* (an eighth of that) behind settles it:
/// counts the changes that can only be skipped by now, and brings it to one lap behind. And a walk goes round at least
/// once a lap (see `walk.rs`). So nobody is ever more than three laps and a visit behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    mask: u16,
    pub(crate) lap: u16,
}

impl Seen {
    pub(crate) fn of_bits(bits: u8) -> Self {
        let mask = u16::MAX >> (16 - bits);
        Self { mask, lap: (mask >> 3) + 1 }
    }

    pub(crate) fn of_turn(self, turn: u32) -> u16 {
        turn as u16 & self.mask
    }

    /// How many turns `seen` is behind.
    pub(crate) fn behind(self, turn: u32, seen: u16) -> u16 {
        (turn as u16).wrapping_sub(seen) & self.mask
    }
}

/// The watchers of a shard and what each has still to be told.
pub(crate) struct Outboxes<B: ShardMemory> {
    pub(crate) watchers: Slab<Watcher, B>,
    pub(crate) groups: Slab<Group, B>,
    pub(crate) runs: Slab<SlotRun, B>,
    pub(crate) ready: Ready,
    pub(crate) seen: Seen,
    pub(crate) group_expiries: Expiries,
    pub(crate) paces: Paces,
    /// How groups are told of changes, if not of each and in full.
    pub(crate) wishes: BTreeMap<u32, Wish>,
    pub(crate) known_tags: KnownTags,
    pub(crate) sessions: Sessions,
}

impl<B: ShardMemory> Outboxes<B> {
    /// Leaves marks at slots of a topic that is at `turn`: they may not have been told.
    #[inline]
    pub(crate) fn mark(&mut self, slots: &[u32], (topic, turn): (u32, u32), counters: &mut Counters) {
        let farthest = self.mark_and_measure(slots, topic, turn);
        if farthest > self.seen.lap {
            self.look_closer(slots, turn, counters);
        }
    }

    /// Marks slots, and tells how far behind the farthest is, or something that is farther than any if one of them is more
    /// than a mark: what is rare is only found out about here, so that this is a loop without calls.
    #[inline]
    fn mark_and_measure(&mut self, slots: &[u32], topic: u32, turn: u32) -> u16 {
        let Self { runs, watchers, ready, seen, .. } = self;
        let (mut runs, mut watchers, seen) = (runs.hold(), watchers.hold(), *seen);
        let mut farthest = 0;
        for &slot in slots {
            let (index, lane) = place(slot);
            let run = &mut runs[index];
            farthest = seen.behind(turn, run.seen[lane]).max(farthest);
            let was_clean = run.dirty == 0;
            run.dirty |= 1 << lane;
            if !was_clean {
                if run.flags & HELD != 0 && run.fresh & 1 << lane != 0 {
                    farthest = u16::MAX;
                }
                continue;
            }
            // The run enters its watcher's list.
            let watcher = run.watcher;
            let record = &mut watchers[watcher];
            let tail = core::mem::replace(&mut record.dirty.tail, index);
            run.dirty_links = Links { prev: tail, next: NONE };
            if tail == NONE {
                // It was idle.
                record.dirty.head = index;
                ready.enter(Place { watcher, run: index, topic }, record);
            } else {
                runs[tail].dirty_links.next = index;
            }
        }
        farthest
    }

    /// Asks for the lines that marking these slots will need first, and telling them next: each comes from far away;
    /// asked for together, they come together.
    #[inline]
    pub(crate) fn approach(&self, slots: &[u32]) {
        for &slot in slots {
            self.runs.approach(slot / LANES);
        }
    }

    /// Asks for the watchers of slots whose lines have come.
    #[inline]
    pub(crate) fn approach_watchers(&self, slots: &[u32]) {
        for &slot in slots {
            self.watchers.approach(self.runs[slot / LANES].watcher);
        }
    }

    /// Puts a watcher at the end of those that are ready, or where it has a place left from before.
    pub(crate) fn make_ready(&mut self, watcher: u32) {
        let record = &mut self.watchers[watcher];
        self.ready.enter(Place { watcher, run: record.dirty.head, topic: NONE }, record);
    }

    /// The watcher that has been ready longest and is not held; it is not ready any more.
    #[inline]
    pub(crate) fn pop_ready(&mut self, now: Tick) -> Option<u32> {
        loop {
            let watcher = self.ready.pop()?;
            let record = &mut self.watchers[watcher];
            record.has_place = 0;
            let holds = record.holds;
            if self.unready(watcher) && !(holds != 0 && self.passes_over(watcher, now)) {
                return Some(watcher);
            }
        }
    }

    /// Has a ready watcher wait like one whose frontend is full: until its outbox is let go of. Should that never be
    /// asked for, it waits on. Tells whether the watcher was ready.
    #[inline]
    pub(crate) fn unready(&mut self, watcher: u32) -> bool {
        let record = &mut self.watchers[watcher];
        let is_ready = record.standing == Standing::Ready as u8;
        if is_ready {
            record.standing = Standing::Blocked as u8;
            self.ready.waiting -= 1;
        }
        is_ready
    }

    /// Brings those of the slots that are far behind to one lap behind, so that `seen` cannot wrap unnoticed; and lets runs go
    /// that their group's pace holds where one of the slots has never been told: a first state does not wait.
    #[cold]
    fn look_closer(&mut self, slots: &[u32], turn: u32, counters: &mut Counters) {
        for &slot in slots {
            let (index, lane) = place(slot);
            let run = &mut self.runs[index];
            let behind = self.seen.behind(turn, run.seen[lane]);
            if behind > self.seen.lap {
                run.seen[lane] = self.seen.of_turn(turn.wrapping_sub(u32::from(self.seen.lap)));
                self.count_passed(slot, (behind - self.seen.lap).into(), counters);
            }
            let SlotRun { flags, fresh, .. } = self.runs[index];
            if flags & HELD != 0 && fresh & 1 << lane != 0 {
                self.first_state_came(index);
            }
        }
    }

    /// Counts turns that a slot will never be told, early.
    pub(crate) fn count_passed(&self, slot: u32, turns: u64, counters: &mut Counters) {
        counters.settled += turns;
        if self.runs[place(slot).0].wants() == Categories::ALL {
            counters.skipped += turns;
        } else {
            counters.filtered += turns;
        }
    }

    /// Takes a lane's mark away.
    pub(crate) fn clear(&mut self, index: u32, lane: usize) {
        let SlotRun { dirty, watcher, .. } = self.runs[index];
        if dirty & 1 << lane == 0 {
            return;
        }
        let run = &mut self.runs[index];
        run.dirty &= !(1 << lane);
        if run.dirty == 0 {
            self.leave(index, watcher);
        }
    }

    /// Has everything in a group told once more; tells how many runs that was.
    pub(crate) fn mark_group_again(&mut self, group: u32) -> usize {
        let (mut run, mut runs) = (self.groups[group].runs.head, 0);
        while run != NONE {
            self.mark_lanes_again(run, u16::MAX);
            run = self.runs[run].links.next;
            runs += 1;
        }
        runs
    }

    /// Has some of a run's lanes told once more, if they are in use.
    pub(crate) fn mark_lanes_again(&mut self, run: u32, lanes: u16) {
        let record = &mut self.runs[run];
        let lanes = lanes & record.used;
        if lanes == 0 {
            return;
        }
        let was_clean = record.dirty == 0;
        record.dirty |= lanes;
        record.fresh |= lanes;
        if record.flags & HELD != 0 {
            self.leave_pace(run);
            self.enter(run);
        } else if was_clean {
            self.enter(run);
        }
    }

    /// Puts a dirty run into its watcher's list.
    pub(crate) fn enter(&mut self, run: u32) {
        let watcher = self.runs[run].watcher;
        let record = &mut self.watchers[watcher];
        let was_idle = record.dirty.is_empty();
        record.dirty.push_back(&mut self.runs, run, SlotRun::dirty_links);
        if was_idle {
            self.ready.enter(Place { watcher, run, topic: NONE }, record);
        }
    }

    /// Takes a run that has no dirty lane any more out of its watcher's list, or from the pace that holds it.
    pub(crate) fn leave(&mut self, run: u32, watcher: u32) {
        if self.runs[run].flags & HELD != 0 {
            return self.leave_pace(run);
        }
        let record = &mut self.watchers[watcher];
        if record.dirty.head == run {
            record.cursor = 0;
        }
        record.dirty.remove(&mut self.runs, run, SlotRun::dirty_links);
        if record.dirty.is_empty() {
            self.unready(watcher);
            self.watchers[watcher].standing = Standing::Idle as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_counts_across_the_wrap() {
        let seen = Seen::of_bits(16);
        assert_eq!(seen.behind(65_536 + 3, 65_533), 6);
        assert_eq!(Seen::of_bits(6).behind(64 + 1, 62), 3);
        assert_eq!(Seen::of_bits(6).lap, 8);
    }
}
