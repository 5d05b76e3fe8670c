//! A topic's subscriber list: runs of fifteen slot numbers, one cache line each, the newest run first.
//!
//! Only the newest run may be partly filled, so a topic wastes half a line on average and no growth copies anything.
//! An entry's number is `run * 16 + position`; it does not change until the entry is filled with another, so a
//! subscription can leave without a search. 4.3 bytes a subscription and about 30 a topic.

use bytemuck::{Pod, Zeroable};

use super::ShardMemory;
use super::topic::{Topics, WALKS};
use crate::store::{NONE, Record, SlabFull};

/// Entries in a run.
pub(crate) const ENTRIES: u32 = 15;
/// Entry numbers a run takes up, so that a number is split without a division.
pub(crate) const ENTRY_STRIDE: u32 = 16;

/// Fifteen subscribers of one topic.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct EntryRun {
    /// The next older run.
    pub(crate) next: u32,
    pub(crate) slots: [u32; ENTRIES as usize],
}

impl Record for EntryRun {
    fn chain(&mut self) -> &mut u32 {
        &mut self.next
    }
}

/// What has to be put right after an entry was removed.
pub(crate) struct Moved {
    /// The slot that fills the hole,
    pub(crate) slot: u32,
    /// and its entry now.
    pub(crate) entry: u32,
}

impl<B: ShardMemory> Topics<B> {
    /// Entries in the topic's newest run.
    pub(crate) fn fill(len: u32) -> u32 {
        if len == 0 { 0 } else { (len - 1) % ENTRIES + 1 }
    }

    /// The slots that are subscribed to the topic.
    pub(crate) fn subscribers(&self, topic: u32) -> impl Iterator<Item = u32> + '_ {
        let (mut run, mut left) = (self.topics[topic].head, self.topics[topic].len);
        let mut position = 0;
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            left -= 1;
            let slot = self.entries[run].slots[position as usize];
            position += 1;
            // All runs but the newest are full, and what is left of it is a multiple of a full one.
            if left % ENTRIES == 0 {
                run = self.entries[run].next;
                position = 0;
            }
            Some(slot)
        })
    }

    /// Adds a subscriber and gives its entry.
    pub(crate) fn add_entry(&mut self, topic: u32, slot: u32) -> Result<u32, SlabFull> {
        let record = &mut self.topics[topic];
        let position = record.len % ENTRIES;
        if position == 0 {
            let run = self.entries.insert()?;
            self.entries[run].next = record.head;
            record.head = run;
            self.entries.approach_next();
        }
        self.entries[record.head].slots[position as usize] = slot;
        record.len += 1;
        if record.has(WALKS) {
            // The new entry may lie inside the part still to be walked and take the place of one there.
            record.remaining = (record.remaining + 1).min(record.len);
        }
        Ok(record.head * ENTRY_STRIDE + position)
    }

    /// Removes a subscriber; the newest one takes its place.
    pub(crate) fn remove_entry(&mut self, topic: u32, entry: u32) -> Option<Moved> {
        let record = &mut self.topics[topic];
        let run = record.head;
        let position = Self::fill(record.len) - 1;
        let last = run * ENTRY_STRIDE + position;
        let slot = self.entries[run].slots[position as usize];
        record.len -= 1;
        if record.has(WALKS) {
            record.remaining = record.remaining.min(record.len);
        }
        if position == 0 {
            record.head = self.entries[run].next;
            self.entries.remove(run);
            if record.cursor / ENTRY_STRIDE == run {
                record.cursor = if record.head == NONE { 0 } else { record.head * ENTRY_STRIDE };
            }
        }
        if entry == last {
            return None;
        }
        self.entries[entry / ENTRY_STRIDE].slots[(entry % ENTRY_STRIDE) as usize] = slot;
        Some(Moved { slot, entry })
    }
}
