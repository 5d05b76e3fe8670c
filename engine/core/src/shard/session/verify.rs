//! What must hold of tracked and parked watchers.

use super::super::slot::TRACKED;
use super::super::verify::wrong;
use super::super::watcher::PARKED;
use super::super::{FanOut, ShardMemory};
use super::bytes_of;
use crate::error::Corrupt;
use crate::id::Tick;
use crate::store::NONE;

impl<B: ShardMemory> FanOut<B> {
    pub(crate) fn verify_sessions(&self) -> Result<(), Corrupt> {
        let outboxes = &self.outboxes;
        let sessions = &outboxes.sessions;
        let (mut count, mut ring_bytes) = (0, 0);
        for watcher in 0..outboxes.watchers.ever() {
            let record = &outboxes.watchers[watcher];
            let lives = record.generation & 1 == 1;
            let tracked = sessions.of(watcher).map(|index| &sessions.tracked[index]);
            if let Some(tracked) = tracked {
                count += 1;
                ring_bytes += bytes_of(&tracked.ring);
                let unacknowledged = tracked.told - tracked.acknowledged;
                if !lives || tracked.watcher != watcher {
                    return wrong("a record of what is told belongs to a watcher", watcher);
                }
                if tracked.ring.len() as u64 != unacknowledged.min(tracked.ring_slots.into()) {
                    return wrong("what is not acknowledged is remembered, as far as there is room", watcher);
                }
            }
            if !lives {
                continue;
            }
            let may_come_back = tracked.is_some_and(|tracked| tracked.until != Tick::NEVER);
            if may_come_back != (record.holds & PARKED != 0) {
                return wrong("who is parked may be resumed until some time", watcher);
            }
            let mut group = record.groups.head;
            while group != NONE {
                let mut run = outboxes.groups[group].runs.head;
                while run != NONE {
                    if (outboxes.runs[run].flags & TRACKED != 0) != tracked.is_some() {
                        return wrong("a run knows whether its watcher is tracked", run);
                    }
                    run = outboxes.runs[run].links.next;
                }
                group = outboxes.groups[group].links.next;
            }
        }
        if count != sessions.tracked.live() {
            return wrong("tracked watchers are counted", count);
        }
        if ring_bytes != sessions.ring_bytes {
            return wrong("what rings weigh is counted", ring_bytes);
        }
        sessions.ends.verify(&sessions.tracked)?;
        self.verify_arrivals()
    }
}
