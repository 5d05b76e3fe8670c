//! Groups with a rate: their runs wait in the pace, and not in the watcher's list, while the group was told a moment ago.

use super::super::slot::{HELD, Outboxes, PACED, SlotRun};
use super::super::watcher::Standing;
use super::super::{FanOut, ShardMemory};
use super::Rate;
use crate::error::Error;
use crate::id::{GroupId, Tick};
use crate::store::NONE;

impl<B: ShardMemory> FanOut<B> {
    /// Says how often a group is told; [`Rate::default`] for as changes come. What waits already, waits for the new gap.
    ///
    /// Costs a cache miss for 16 subscriptions, and the group's notes some ten instructions more from then on.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; [`Error::Rate`] for gaps that contradict each other or are longer than
    /// [`crate::Limits::gap_us_max`]; [`Error::Limit`] at [`crate::Limits::paces`]; [`Error::OutOfMemory`].
    pub fn set_rate(&mut self, group: GroupId, rate: Rate) -> Result<(), Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        rate.check(self.limits.gap_us_max)?;
        let pace = self.outboxes.groups[index].pace();
        let is_list = pace.is_some_and(|pace| self.outboxes.paces.paces[pace].is_list);
        if rate == Rate::default() && !is_list {
            self.drop_pace(index);
            return Ok(());
        }
        let now = self.now;
        let pace = self.outboxes.pace_of_group(index, now)?;
        let paces = &mut self.outboxes.paces;
        let record = &mut paces.paces[pace];
        record.rate = rate;
        record.repeat = if rate.gap_us_max == 0 { Tick::NEVER } else { now.after_micros(rate.gap_us_max) };
        paces.reschedule(pace);
        Ok(())
    }

    /// Lets a group be told as changes come.
    pub(crate) fn drop_pace(&mut self, group: u32) {
        let Some(pace) = self.outboxes.groups[group].pace() else { return };
        self.outboxes.release(pace);
        self.outboxes.groups[group].set_pace(None);
        self.outboxes.flag_runs(group, |flags| flags & !PACED);
        self.outboxes.paces.remove(pace);
    }
}

impl<B: ShardMemory> Outboxes<B> {
    /// The pace of a group, made if it has none.
    pub(super) fn pace_of_group(&mut self, group: u32, now: Tick) -> Result<u32, Error> {
        if let Some(pace) = self.groups[group].pace() {
            return Ok(pace);
        }
        let pace = self.paces.insert(group, false, now)?;
        self.groups[group].set_pace(Some(pace));
        self.flag_runs(group, |flags| flags | PACED);
        Ok(pace)
    }

    pub(crate) fn flag_runs(&mut self, group: u32, change: impl Fn(u8) -> u8) {
        let mut run = self.groups[group].runs.head;
        while run != NONE {
            let record = &mut self.runs[run];
            record.flags = change(record.flags);
            run = record.links.next;
        }
    }

    /// The lanes of a run that may be told now, whose group has a pace: all of them, or only what has never been told if the
    /// group was told a moment ago. If there is none of that, or the group is a list that gathers, the run waits.
    #[cold]
    pub(crate) fn open_lanes(&mut self, run: u32, now: Tick) -> u16 {
        let SlotRun { group, watcher, dirty, fresh, .. } = self.runs[run];
        let Some(pace) = self.groups[group].pace() else { return u16::MAX };
        let record = &mut self.paces.paces[pace];
        if record.is_open(now) {
            return u16::MAX;
        }
        let gathers = record.gathering.is_some();
        if dirty & fresh != 0 && !gathers {
            return fresh;
        }
        let list = &mut self.watchers[watcher].dirty;
        list.remove(&mut self.runs, run, SlotRun::dirty_links);
        if list.is_empty() {
            self.watchers[watcher].standing = Standing::Idle as u8;
        }
        self.runs[run].flags |= HELD;
        record.held.push_back(&mut self.runs, run, SlotRun::dirty_links);
        if gathers {
            self.paces.look_again(pace);
        } else {
            self.paces.reschedule(pace);
        }
        0
    }

    /// A group with a pace is told something.
    #[cold]
    pub(crate) fn told(&mut self, group: u32, now: Tick) {
        let Some(pace) = self.groups[group].pace() else { return };
        let record = &mut self.paces.paces[pace];
        if record.told != Some(now) || record.began.is_none() {
            record.is_told(now);
            self.paces.reschedule(pace);
        }
    }

    /// All was to be told again, and this of it turned out to be known: the next time comes all the same.
    #[cold]
    pub(crate) fn told_nothing(&mut self, group: u32, now: Tick) {
        let Some(pace) = self.groups[group].pace() else { return };
        let record = &mut self.paces.paces[pace];
        if record.rate.gap_us_max != 0 && record.repeat == Tick::NEVER {
            record.repeat = now.after_micros(record.repeat_us());
            self.paces.reschedule(pace);
        }
    }

    /// Something that was never told is marked in a held run: a first state does not wait for a gap, and a list that gathers
    /// has waited for it.
    #[cold]
    pub(crate) fn first_state_came(&mut self, run: u32) {
        let Some(pace) = self.groups[self.runs[run].group].pace() else { return };
        if self.paces.paces[pace].gathering.is_some() {
            self.paces.look_again(pace);
        } else {
            self.leave_pace(run);
            self.enter(run);
        }
    }

    /// Takes a held run, which has nothing dirty any more, from its group's pace.
    #[cold]
    pub(crate) fn leave_pace(&mut self, run: u32) {
        let Some(pace) = self.groups[self.runs[run].group].pace() else { return };
        self.runs[run].flags &= !HELD;
        self.paces.paces[pace].held.remove(&mut self.runs, run, SlotRun::dirty_links);
        self.paces.reschedule(pace);
    }

    /// Gives all runs that a pace holds back to their watcher, and tells how many it were.
    pub(super) fn release(&mut self, pace: u32) -> usize {
        let mut released = 0;
        loop {
            let run = self.paces.paces[pace].held.head;
            if run == NONE {
                return released;
            }
            released += 1;
            self.paces.paces[pace].held.remove(&mut self.runs, run, SlotRun::dirty_links);
            self.runs[run].flags &= !HELD;
            self.enter(run);
        }
    }
}
