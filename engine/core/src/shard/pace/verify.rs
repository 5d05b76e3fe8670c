//! What must hold of paces and of whom they hold.

use super::super::ShardMemory;
use super::super::slot::{HELD, Outboxes, PACED};
use super::super::verify::wrong;
use super::super::watcher::{IN_BATCHES, INACTIVE, PARKED, Standing};
use crate::error::Corrupt;
use crate::id::Tick;
use crate::store::NONE;

impl<B: ShardMemory> Outboxes<B> {
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
                if record.group != group || record.dirty == 0 || record.flags & (PACED | HELD) != PACED | HELD {
                    return wrong("a pace holds dirty runs of its group", run);
                }
                if record.dirty & record.fresh != 0 && self.paces.paces[pace].gathering.is_none() {
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
            let comes_again =
                record.holds & (INACTIVE | PARKED) != 0 || pace.is_some_and(|pace| pace.due != Tick::NEVER);
            if is_held && !comes_again {
                return wrong("who is held is inactive or parked, or due some time", watcher);
            }
        }
        self.paces.due.verify(&self.paces.paces)?;
        Ok(held)
    }
}
