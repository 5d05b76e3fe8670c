//! Paces: how often a group is told at most and at least (RFC 6446), and how often a watcher is told at most.
//!
//! Lives beside the outboxes, and only for those that asked for it: a run knows that its group has a pace, and a watcher
//! that it has one. What comes too early is not queued. A run of a group that was told a moment ago leaves its watcher's
//! list with its marks and comes back when the group is due; a watcher's turn passes until it is due. What is told then is
//! the newest, once. Invariant: a run is held by its group's pace exactly while it is dirty and in no watcher's list, and a
//! pace that holds something, or has something to repeat, stands among those that are due. A pace weighs 112 bytes.

use alloc::collections::BTreeMap;

use super::expiry::{Expiries, Expiring};
use super::group::PACES_MAX;
use super::ready::Place;
use super::slot::{HELD, Outboxes, PACED, SlotRun};
use super::verify::wrong;
use super::watcher::{IN_BATCHES, INACTIVE, Standing};
use super::{FanOut, ShardMemory, full};
use crate::error::{Bound, Corrupt, Error};
use crate::id::{GroupId, Tick, WatcherId};
use crate::store::{Heap, List, NONE, Record, Slab};

/// The longest time over which batches are counted, in gaps: below a sixty-fourth of the gap a repeat tells nothing.
const PERIOD_GAPS_MAX: u64 = 64;

/// The shortest longest gap, in microseconds: whoever is told everything more often than a thousand times a second is told
/// nothing else.
const REPEAT_US_MIN: u64 = 1_000;

/// How often a group is told, by the times between its batches (RFC 6446). What is told in one turn is one batch, and one that
/// was cut goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// The least time between two batches, in microseconds: what changes meanwhile is told with the next one, newest state
    /// only. 0 for as changes come. One over it is `max-rate`. First states do not wait for it, and nobody waits for them.
    pub gap_us_min: u64,
    /// The longest time without a batch, in microseconds, at least 1,000: after it everything is told again. 0 for any. One over it is
    /// `min-rate`.
    pub gap_us_max: u64,
    /// Over how long batches are counted, in microseconds, to make `gap_us_max` the mean time between them and not the
    /// longest (`adaptive-min-rate`): from one to 64 of those. 0 for not.
    pub adaptive_us: u64,
}

impl Rate {
    /// The gaps for rates in batches a second, as they stand in a subscription; none for any.
    ///
    /// # Errors
    /// [`Error::Rate`] for a rate that is not above 0, or of more than a million a second.
    pub fn per_second(max: Option<f64>, min: Option<f64>) -> Result<Self, Error> {
        let gap = |rate: Option<f64>| match rate {
            None => Ok(0),
            // A rate so low that its gap is beyond the clock is refused with the rest of them, when it is set.
            Some(rate) if rate > 0.0 && rate <= 1e6 => Ok((1e6 / rate) as u64),
            Some(_) => Err(Error::Rate("a rate is above 0 and at most a million a second")),
        };
        Ok(Self { gap_us_min: gap(max)?, gap_us_max: gap(min)?, adaptive_us: 0 })
    }

    fn check(self, gap_us_limit: u64) -> Result<(), Error> {
        let Self { gap_us_min, gap_us_max, adaptive_us } = self;
        let periods = gap_us_max..=gap_us_max.saturating_mul(PERIOD_GAPS_MAX);
        match () {
            () if gap_us_min.max(gap_us_max) > gap_us_limit => {
                Err(Error::Rate("a gap is at most `gap_us_max` of the limits"))
            }
            () if gap_us_max != 0 && gap_us_max < REPEAT_US_MIN => Err(Error::Rate("the longest gap is at least 1 ms")),
            () if gap_us_max != 0 && gap_us_max < gap_us_min => {
                Err(Error::Rate("the longest gap is at least as long as the shortest"))
            }
            () if adaptive_us != 0 && (gap_us_max == 0 || !periods.contains(&adaptive_us)) => {
                Err(Error::Rate("batches are counted over 1 to 64 of the longest gaps"))
            }
            () => Ok(()),
        }
    }
}

/// How one group or watcher is told.
#[derive(Debug)]
pub(crate) struct Pace {
    owner: u32,
    is_of_watcher: bool,
    rate: Rate,
    /// When its newest batch began; none before the first, and while one that was cut goes on.
    began: Option<Tick>,
    /// When all is told again, if nothing is told before; never, while that has been marked and not told.
    repeat: Tick,
    /// When something was told last,
    told: Option<Tick>,
    /// and how often in the period that began here, and in the one before.
    counted_from: Tick,
    counts: [u32; 2],
    /// Runs that wait, by the links with which they stand in a watcher's list else.
    held: List,
    due: Tick,
    place: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            owner: NONE,
            is_of_watcher: false,
            rate: Rate::default(),
            began: None,
            repeat: Tick::NEVER,
            told: None,
            counted_from: Tick::ZERO,
            counts: [0; 2],
            held: List::EMPTY,
            due: Tick::NEVER,
            place: NONE,
        }
    }
}

impl Record for Pace {
    fn chain(&mut self) -> &mut u32 {
        &mut self.owner
    }
}

impl Expiring for Pace {
    type At = Tick;

    fn expires(&self) -> Tick {
        self.due
    }

    fn place(&self) -> u32 {
        self.place
    }

    fn set_place(&mut self, place: u32) {
        self.place = place;
    }
}

impl Pace {
    /// The first moment at which another batch may begin.
    fn next(&self) -> Tick {
        self.began.map_or(Tick::ZERO, |began| began.after_micros(self.rate.gap_us_min))
    }

    /// Whether something may be told now: a batch goes on while the time stands still.
    fn is_open(&self, now: Tick) -> bool {
        self.began == Some(now) || now >= self.next()
    }

    /// Something is told. What is told before the gap is over, a first state, is no batch that others would wait for, but
    /// counts as one.
    fn is_told(&mut self, now: Tick) {
        if self.is_open(now) {
            self.began = Some(now);
        }
        if self.told.replace(now) == Some(now) {
            return;
        }
        let Rate { gap_us_max, adaptive_us, .. } = self.rate;
        let counted_us = now.as_micros().saturating_sub(self.counted_from.as_micros());
        if let Some(periods) = counted_us.checked_div(adaptive_us) {
            if periods != 0 {
                self.counts = [0, if periods == 1 { self.counts[0] } else { 0 }];
                self.counted_from = now;
            }
            self.counts[0] = self.counts[0].saturating_add(1);
        }
        self.repeat = if gap_us_max == 0 { Tick::NEVER } else { now.after_micros(self.repeat_us()) };
    }

    /// How long after a batch all is told again. RFC 6446, for the adaptive rate: the batches of a period, times the square
    /// of the mean gap, over the period; and no longer than a period, after which there are none to count.
    fn repeat_us(&self) -> u64 {
        let Rate { gap_us_max, adaptive_us, .. } = self.rate;
        if adaptive_us == 0 {
            return gap_us_max;
        }
        let count = u128::from(self.counts[0].max(self.counts[1]).max(1));
        let gap = u128::from(gap_us_max);
        let mean = count.saturating_mul(gap).saturating_mul(gap) / u128::from(adaptive_us);
        u64::try_from(mean).unwrap_or(u64::MAX).clamp(REPEAT_US_MIN, adaptive_us)
    }
}

/// All paces of a shard.
pub(crate) struct Paces {
    paces: Slab<Pace, Heap>,
    due: Expiries,
    of_watchers: BTreeMap<u32, u32>,
}

impl Paces {
    pub(crate) fn new(limit: u32) -> Self {
        Self { paces: Slab::on_heap(limit.min(PACES_MAX)), due: Expiries::default(), of_watchers: BTreeMap::new() }
    }

    /// When the first of them is due.
    pub(crate) fn first(&self) -> Option<Tick> {
        self.due.first().map(|(due, _)| due)
    }

    pub(crate) fn bytes(&self) -> u64 {
        // An entry of a tree with half of its places free.
        self.paces.bytes() + self.due.bytes() + (self.of_watchers.len() * 2 * size_of::<[u32; 2]>()) as u64
    }

    fn insert(&mut self, owner: u32, is_of_watcher: bool, now: Tick) -> Result<u32, Error> {
        let limit = self.paces.limit();
        let pace = self.paces.insert().map_err(|why| full(why, Bound::Paces, limit, "paces"))?;
        self.paces[pace] = Pace { owner, is_of_watcher, counted_from: now, ..Pace::default() };
        Ok(pace)
    }

    fn remove(&mut self, pace: u32) {
        self.set_due(pace, Tick::NEVER);
        self.paces.remove(pace);
    }

    fn set_due(&mut self, pace: u32, due: Tick) {
        self.paces[pace].due = due;
        self.due.set(&mut self.paces, pace);
    }

    /// Puts a group's pace where it belongs among those that are due.
    fn reschedule(&mut self, pace: u32) {
        let record = &self.paces[pace];
        let release = if record.held.is_empty() { Tick::NEVER } else { record.next() };
        self.set_due(pace, release.min(record.repeat));
    }
}

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
        if rate == Rate::default() {
            self.drop_pace(index);
            return Ok(());
        }
        let now = self.now;
        let pace = match self.outboxes.groups[index].pace() {
            Some(pace) => pace,
            None => {
                let pace = self.outboxes.paces.insert(index, false, now)?;
                self.outboxes.groups[index].set_pace(Some(pace));
                self.outboxes.flag_runs(index, |flags| flags | PACED);
                pace
            }
        };
        let paces = &mut self.outboxes.paces;
        let record = &mut paces.paces[pace];
        record.rate = rate;
        record.repeat = if rate.gap_us_max == 0 { Tick::NEVER } else { now.after_micros(rate.gap_us_max) };
        paces.reschedule(pace);
        Ok(())
    }

    /// Tells a watcher in batches that begin so many microseconds apart at the least; 0 for as changes come. A batch that was
    /// cut, by [`crate::Limits::notes_per_ready`] or because the frontend took no more, goes on before the time is counted.
    ///
    /// # Errors
    /// [`Error::NoSuchWatcher`]; [`Error::Rate`] for a gap longer than [`crate::Limits::gap_us_max`]; [`Error::Limit`] at
    /// [`crate::Limits::paces`]; [`Error::OutOfMemory`].
    pub fn pace_watcher(&mut self, watcher: WatcherId, gap_us_min: u64) -> Result<(), Error> {
        let index = self.watcher(watcher).ok_or(Error::NoSuchWatcher(watcher))?;
        let rate = Rate { gap_us_min, ..Rate::default() };
        rate.check(self.limits.gap_us_max)?;
        if gap_us_min == 0 {
            self.outboxes.end_batches(index);
            return Ok(());
        }
        self.outboxes.set_batches(index, rate, self.now)
    }

    /// Does what is due of paces, up to so much, and tells how much it was.
    pub(crate) fn pace_due(&mut self, most: usize) -> usize {
        let mut done = 0;
        while done < most {
            let Some((_, pace)) = self.outboxes.paces.due.first().filter(|&(due, _)| due <= self.now) else { break };
            done += 1;
            let Pace { owner, is_of_watcher, repeat, .. } = self.outboxes.paces.paces[pace];
            if is_of_watcher {
                self.outboxes.batch_is_due(owner, pace);
                continue;
            }
            if self.outboxes.paces.paces[pace].next() <= self.now {
                done += self.outboxes.release(pace);
            }
            if repeat <= self.now {
                done += self.refresh_group_at(owner);
                // What is told next sets it again: a watcher that cannot be told now costs nothing meanwhile.
                self.outboxes.paces.paces[pace].repeat = Tick::NEVER;
            }
            self.outboxes.paces.reschedule(pace);
        }
        done
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
    fn flag_runs(&mut self, group: u32, change: impl Fn(u8) -> u8) {
        let mut run = self.groups[group].runs.head;
        while run != NONE {
            let record = &mut self.runs[run];
            record.flags = change(record.flags);
            run = record.links.next;
        }
    }

    /// The lanes of a run that may be told now, whose group has a pace: all of them, or only what has never been told if the
    /// group was told a moment ago. If there is none of that, the run waits.
    #[cold]
    pub(crate) fn open_lanes(&mut self, run: u32, now: Tick) -> u16 {
        let SlotRun { group, watcher, dirty, fresh, .. } = self.runs[run];
        let Some(pace) = self.groups[group].pace() else { return u16::MAX };
        let record = &mut self.paces.paces[pace];
        if record.is_open(now) {
            return u16::MAX;
        }
        if dirty & fresh != 0 {
            return fresh;
        }
        let list = &mut self.watchers[watcher].dirty;
        list.remove(&mut self.runs, run, SlotRun::dirty_links);
        if list.is_empty() {
            self.watchers[watcher].standing = Standing::Idle as u8;
        }
        self.runs[run].flags |= HELD;
        record.held.push_back(&mut self.runs, run, SlotRun::dirty_links);
        self.paces.reschedule(pace);
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

    /// Takes a held run, which has nothing dirty any more, from its group's pace.
    #[cold]
    pub(crate) fn leave_pace(&mut self, run: u32) {
        let Some(pace) = self.groups[self.runs[run].group].pace() else { return };
        self.runs[run].flags &= !HELD;
        self.paces.paces[pace].held.remove(&mut self.runs, run, SlotRun::dirty_links);
        self.paces.reschedule(pace);
    }

    /// Gives all runs that a pace holds back to their watcher, and tells how many it were.
    fn release(&mut self, pace: u32) -> usize {
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

    /// Has everything in a run told once more.
    pub(crate) fn mark_run_again(&mut self, run: u32) {
        let record = &mut self.runs[run];
        let was_clean = record.dirty == 0;
        (record.dirty, record.fresh) = (record.used, record.used);
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

    /// Whether a watcher whose turn has come is passed over: it is inactive, or was told a moment ago.
    #[cold]
    pub(crate) fn passes_over(&mut self, watcher: u32, now: Tick) -> bool {
        if self.watchers[watcher].holds & INACTIVE == 0 {
            let Some(&pace) = self.paces.of_watchers.get(&watcher) else { return false };
            let record = &mut self.paces.paces[pace];
            if now >= record.next() {
                record.began = Some(now);
                return false;
            }
            let due = record.next();
            self.paces.set_due(pace, due);
        }
        self.watchers[watcher].standing = Standing::Held as u8;
        true
    }

    /// A watcher's turn is over with something left to tell, or with nothing told: its batch goes on, and so does that of
    /// the group, if it has a pace, that is to be told next.
    #[cold]
    pub(crate) fn batch_goes_on(&mut self, watcher: u32) {
        if let Some(&pace) = self.paces.of_watchers.get(&watcher) {
            self.paces.paces[pace].began = None;
        }
        let run = self.watchers[watcher].dirty.head;
        if run != NONE
            && let Some(pace) = self.groups[self.runs[run].group].pace()
        {
            self.paces.paces[pace].began = None;
        }
    }

    fn batch_is_due(&mut self, watcher: u32, pace: u32) {
        self.paces.set_due(pace, Tick::NEVER);
        self.unhold(watcher);
    }

    /// Lets a watcher that was passed over have a turn; if there is another reason, it is passed over once more.
    pub(crate) fn unhold(&mut self, watcher: u32) {
        if self.watchers[watcher].standing == Standing::Held as u8 {
            self.make_ready(watcher);
        }
    }

    fn set_batches(&mut self, watcher: u32, rate: Rate, now: Tick) -> Result<(), Error> {
        let pace = match self.paces.of_watchers.get(&watcher) {
            Some(&pace) => pace,
            None => {
                let pace = self.paces.insert(watcher, true, now)?;
                self.paces.of_watchers.insert(watcher, pace);
                pace
            }
        };
        self.paces.paces[pace].rate = rate;
        self.watchers[watcher].holds |= IN_BATCHES;
        // What is held is held by the old gap.
        self.batch_is_due(watcher, pace);
        Ok(())
    }

    /// Lets a watcher be told as changes come.
    pub(crate) fn end_batches(&mut self, watcher: u32) {
        let Some(pace) = self.paces.of_watchers.remove(&watcher) else { return };
        self.paces.remove(pace);
        self.watchers[watcher].holds &= !IN_BATCHES;
        self.unhold(watcher);
    }

    /// Checks what paces hold, and returns how many runs it is.
    pub(crate) fn verify_paces(&self) -> Result<u64, Corrupt> {
        let (mut held, mut paces) = (0, self.paces.of_watchers.len() as u32);
        for group in 0..self.groups.ever() {
            let record = &self.groups[group];
            let Some(pace) = record.pace().filter(|_| record.generation & 1 == 1) else { continue };
            paces += 1;
            let mut run = self.paces.paces[pace].held.head;
            if run != NONE && self.paces.paces[pace].due == Tick::NEVER {
                return wrong("a pace that holds something is due some time", pace);
            }
            if self.paces.paces[pace].owner != group || self.paces.paces[pace].is_of_watcher {
                return wrong("a pace knows its group", pace);
            }
            while run != NONE {
                let record = &self.runs[run];
                if record.group != group || record.dirty == 0 || record.flags != PACED | HELD {
                    return wrong("a pace holds dirty runs of its group", run);
                }
                if record.dirty & record.fresh != 0 {
                    return wrong("what has never been told is not held", run);
                }
                held += 1;
                run = record.dirty_links.next;
            }
        }
        if paces != self.paces.paces.live() {
            return wrong("paces are counted", paces);
        }
        for watcher in 0..self.watchers.ever() {
            let record = &self.watchers[watcher];
            let pace = self.paces.of_watchers.get(&watcher).map(|&pace| &self.paces.paces[pace]);
            if record.generation & 1 == 0 && pace.is_none() {
                continue;
            }
            if pace.is_some() != (record.holds & IN_BATCHES != 0) || pace.is_some_and(|pace| pace.owner != watcher) {
                return wrong("who is told in batches has a pace", watcher);
            }
            let is_held = record.standing == Standing::Held as u8;
            let comes_again = record.holds & INACTIVE != 0 || pace.is_some_and(|pace| pace.due != Tick::NEVER);
            if is_held && !comes_again {
                return wrong("who is held is inactive, or due some time", watcher);
            }
        }
        self.paces.due.verify(&self.paces.paces)?;
        Ok(held)
    }
}
