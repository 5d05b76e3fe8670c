//! The floor under a fan-out: only the memory work that no engine with these arrays can do without.
//!
//! For measuring, not for use: behind the feature `floor`, which nothing but the benchmarks asks for. The kernel makes
//! the deliveries of a batch of changes, each line that has to be touched touched once for each: walk the topic's list,
//! touch the watcher, leave a mark, find it again, read the topic and the header of its document. It checks nothing,
//! counts nothing, orders nothing and keeps no promise. Invariant: it leaves the shard as it was.

use alloc::vec::Vec;

use super::slot::{LANES, Outboxes, place};
use super::subscriber::ENTRIES;
use super::topic::Topics;
use super::{FanOut, ShardMemory};
use crate::document::Document;
use crate::id::{PresentityId, View};
use crate::store::NONE;

/// In which order the kernel goes about it: the fastest is the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloorOrder {
    /// Entry by entry.
    Plain,
    /// Entry by entry, lines asked for a list's line ahead.
    Prefetched,
    /// All entries of the batch, sorted by their slots.
    Sorted,
    /// All entries of the batch, thrown into ranges of slots that fit the cache, range by range.
    Blocked,
}

impl FloorOrder {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Prefetched, Self::Sorted, Self::Blocked];
}

/// What the kernel found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloorDone {
    /// Subscriptions reached.
    pub deliveries: u64,
    /// A sum over what was read for them, whatever the order.
    pub checksum: u64,
}

/// What the kernel needs besides the shard's arrays, kept from one batch to the next.
#[derive(Debug, Default)]
pub struct FloorRoom {
    topics: Vec<u32>,
    slots: Vec<u32>,
    blocks: Vec<Vec<u32>>,
    dirty_runs: Vec<u32>,
}

/// Slot runs of a block: 4,096 of 192 bytes, and as many watchers, fit a megabyte.
const BLOCK_RUNS: u32 = 4_096;

impl<B: ShardMemory> FanOut<B> {
    /// Makes the deliveries of one change of each presentity in `view`, at the floor.
    ///
    /// Nothing may be under way in the shard: then there is nothing that could be disturbed. Costs what there is to be
    /// measured.
    ///
    /// # Panics
    /// If something is under way.
    pub fn floor(&mut self, batch: &[PresentityId], view: View, order: FloorOrder, room: &mut FloorRoom) -> FloorDone {
        assert!(self.is_at_rest(), "the floor is measured under a shard at rest");
        room.topics.clear();
        room.topics.extend(batch.iter().filter_map(|&presentity| self.topics.find(presentity, view)));
        room.dirty_runs.clear();
        let Self { topics, outboxes, .. } = self;
        match order {
            FloorOrder::Plain => {
                for &topic in &room.topics {
                    each_line(topics, topic, |slots| {
                        slots.iter().for_each(|&slot| mark(outboxes, slot, &mut room.dirty_runs));
                    });
                }
            }
            FloorOrder::Prefetched => mark_prefetched(topics, outboxes, room),
            FloorOrder::Sorted => {
                room.slots.clear();
                for &topic in &room.topics {
                    each_line(topics, topic, |slots| room.slots.extend_from_slice(slots));
                }
                room.slots.sort_unstable();
                mark_ahead(outboxes, &room.slots, &mut room.dirty_runs);
            }
            FloorOrder::Blocked => {
                room.blocks.resize_with((outboxes.runs.ever() / BLOCK_RUNS) as usize + 1, Vec::new);
                for &topic in &room.topics {
                    each_line(topics, topic, |slots| {
                        for &slot in slots {
                            room.blocks[(slot / LANES / BLOCK_RUNS) as usize].push(slot);
                        }
                    });
                }
                for block in &mut room.blocks {
                    mark_ahead(outboxes, block, &mut room.dirty_runs);
                    block.clear();
                }
            }
        }
        find_again(topics, outboxes, &room.dirty_runs)
    }
}

/// The lines of a topic's list, as far as they are filled, each asked for one ahead.
#[inline]
fn each_line<B: ShardMemory>(topics: &Topics<B>, topic: u32, mut take: impl FnMut(&[u32])) {
    let record = &topics.topics[topic];
    let (mut run, mut fill) = (record.head, Topics::<B>::fill(record.len));
    while run != NONE {
        let line = &topics.entries[run];
        topics.entries.approach(line.next);
        take(&line.slots[..fill as usize]);
        (run, fill) = (line.next, ENTRIES);
    }
}

#[inline]
fn mark<B: ShardMemory>(outboxes: &mut Outboxes<B>, slot: u32, dirty_runs: &mut Vec<u32>) {
    let (index, lane) = place(slot);
    let run = &mut outboxes.runs[index];
    let was_clean = run.dirty == 0;
    run.dirty |= 1 << lane;
    if was_clean {
        // Written as it was: what is measured is that the line is.
        let record = &mut outboxes.watchers[run.watcher];
        record.holds = core::hint::black_box(record.holds);
        dirty_runs.push(index);
    }
}

fn mark_prefetched<B: ShardMemory>(topics: &Topics<B>, outboxes: &mut Outboxes<B>, room: &mut FloorRoom) {
    for (nth, &topic) in room.topics.iter().enumerate() {
        if let Some(&next) = room.topics.get(nth + 1) {
            topics.entries.approach(topics.topics[next].head);
        }
        let record = &topics.topics[topic];
        let (mut run, mut fill) = (record.head, Topics::<B>::fill(record.len));
        if run != NONE {
            outboxes.approach(&topics.entries[run].slots);
        }
        while run != NONE {
            let line = &topics.entries[run];
            let slots = &line.slots[..fill as usize];
            outboxes.approach_watchers(slots);
            if line.next != NONE {
                let following = &topics.entries[line.next];
                topics.entries.approach(following.next);
                outboxes.approach(&following.slots);
            }
            slots.iter().for_each(|&slot| mark(outboxes, slot, &mut room.dirty_runs));
            (run, fill) = (line.next, ENTRIES);
        }
    }
}

/// Marks slots in their order, lines asked for ahead.
fn mark_ahead<B: ShardMemory>(outboxes: &mut Outboxes<B>, slots: &[u32], dirty_runs: &mut Vec<u32>) {
    const FAR: usize = 24;
    const NEAR: usize = 12;
    for (nth, &slot) in slots.iter().enumerate() {
        if let Some(&far) = slots.get(nth + FAR) {
            outboxes.runs.approach(far / LANES);
        }
        if let Some(&near) = slots.get(nth + NEAR) {
            outboxes.watchers.approach(outboxes.runs[near / LANES].watcher);
        }
        mark(outboxes, slot, dirty_runs);
    }
}

fn find_again<B: ShardMemory>(topics: &Topics<B>, outboxes: &mut Outboxes<B>, dirty_runs: &[u32]) -> FloorDone {
    const AHEAD: usize = 8;
    let mut done = FloorDone::default();
    for (nth, &index) in dirty_runs.iter().enumerate() {
        if let Some(&ahead) = dirty_runs.get(nth + AHEAD) {
            outboxes.runs.approach(ahead);
        }
        let run = &mut outboxes.runs[index];
        let mut dirty = core::mem::replace(&mut run.dirty, 0);
        while dirty != 0 {
            let topic = run.topics[dirty.trailing_zeros() as usize % LANES as usize];
            dirty &= dirty - 1;
            let length = topics.documents[topic].as_ref().map_or(0, Document::len);
            done.deliveries += 1;
            done.checksum = done.checksum.wrapping_add(u64::from(topics.topics[topic].turn) ^ length as u64);
        }
    }
    done
}
