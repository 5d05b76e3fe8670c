//! Watchers that are told in batches, and what passes over a watcher whose turn has come.

use super::super::slot::Outboxes;
use super::super::watcher::{IN_BATCHES, INACTIVE, OF_TENANT, PARKED, Standing};
use super::super::{FanOut, ShardMemory};
use super::Rate;
use crate::error::Error;
use crate::id::{Tick, WatcherId};
use crate::store::NONE;

impl<B: ShardMemory> FanOut<B> {
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
}

impl<B: ShardMemory> Outboxes<B> {
    /// Whether a watcher whose turn has come is passed over: it is its tenant's turn that counts, or it is held.
    #[cold]
    pub(crate) fn passes_over(&mut self, watcher: u32, now: Tick) -> bool {
        let is_of_tenant = self.watchers[watcher].holds & OF_TENANT != 0;
        is_of_tenant && self.waits_for_its_tenant(watcher) || self.is_held(watcher, now)
    }

    /// Whether a watcher is not told now: it is inactive or parked, or was told a moment ago.
    fn is_held(&mut self, watcher: u32, now: Tick) -> bool {
        if self.watchers[watcher].holds & (INACTIVE | PARKED | IN_BATCHES) == 0 {
            return false;
        }
        if self.watchers[watcher].holds & (INACTIVE | PARKED) == 0 {
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
    pub(crate) fn batch_goes_on(&mut self, watcher: u32, now: Tick) {
        if let Some(&pace) = self.paces.of_watchers.get(&watcher) {
            self.paces.paces[pace].goes_on(now);
        }
        let run = self.watchers[watcher].dirty.head;
        if run != NONE
            && let Some(pace) = self.groups[self.runs[run].group].pace()
        {
            self.paces.paces[pace].goes_on(now);
        }
    }

    pub(super) fn batch_is_due(&mut self, watcher: u32, pace: u32) {
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
}
