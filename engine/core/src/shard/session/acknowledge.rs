//! What a watcher has been told and has not said that it took in.

use alloc::collections::VecDeque;

use super::super::slot::{Outboxes, TRACKED};
use super::super::{FanOut, ShardMemory};
use super::{Sessions, Tracked, bytes_of};
use crate::error::{Bound, Error};
use crate::id::WatcherId;
use crate::store::NONE;

/// The notes after the acknowledged one.
pub(super) enum Unacknowledged {
    /// More than were remembered.
    All,
    /// The slots that they were about.
    Slots(VecDeque<u32>),
}

impl<B: ShardMemory> FanOut<B> {
    /// Counts the notes that a watcher is told from here on, from 1 and modulo 2^32 (XEP-0198), and remembers of so many
    /// unacknowledged ones what they were about. One whose connection is lost with more of them is told everything once more
    /// when it comes back. To be said again is to begin again.
    ///
    /// Costs a cache miss for 16 subscriptions, and the watcher's notes some ten instructions and four bytes more each.
    ///
    /// # Errors
    /// [`Error::NoSuchWatcher`]; [`Error::Limit`] at [`crate::Limits::unacknowledged_per_watcher`]; [`Error::OutOfMemory`].
    pub fn track(&mut self, watcher: WatcherId, ring_slots: u32) -> Result<(), Error> {
        let index = self.watcher(watcher).ok_or(Error::NoSuchWatcher(watcher))?;
        self.track_from(index, ring_slots, 0)
    }

    pub(super) fn track_from(&mut self, watcher: u32, ring_slots: u32, counted: u32) -> Result<(), Error> {
        let limit = self.limits.unacknowledged_per_watcher;
        if ring_slots > limit {
            return Err(Error::Limit { bound: Bound::Unacknowledged, limit: limit.into() });
        }
        self.outboxes.track(watcher, ring_slots, counted)
    }

    /// A watcher says that it took in the notes up to this count: they are forgotten, and not told again on a resume.
    ///
    /// # Errors
    /// [`Error::NoSuchWatcher`], [`Error::NotTracked`]; [`Error::Acknowledged`] for notes that it was not told, and for a count
    /// that goes back.
    pub fn acknowledge(&mut self, watcher: WatcherId, count: u32) -> Result<(), Error> {
        let index = self.watcher(watcher).ok_or(Error::NoSuchWatcher(watcher))?;
        let sessions = &mut self.outboxes.sessions;
        let tracked = sessions.of(index).ok_or(Error::NotTracked(watcher))?;
        sessions.tracked[tracked].acknowledge(count)
    }

    /// How many notes a watcher was told since it is tracked, modulo 2^32; none if it is not.
    #[must_use]
    pub fn told_count(&self, watcher: WatcherId) -> Option<u32> {
        let sessions = &self.outboxes.sessions;
        let tracked = sessions.of(self.watcher(watcher)?)?;
        Some(sessions.tracked[tracked].told as u32)
    }
}

impl<B: ShardMemory> Outboxes<B> {
    fn track(&mut self, watcher: u32, ring_slots: u32, counted: u32) -> Result<(), Error> {
        self.sessions.begin(watcher, ring_slots, counted)?;
        let mut group = self.watchers[watcher].groups.head;
        while group != NONE {
            self.flag_runs(group, |flags| flags | TRACKED);
            group = self.groups[group].links.next;
        }
        Ok(())
    }
}

impl Sessions {
    /// A watcher is told something of a slot.
    pub(crate) fn told(&mut self, watcher: u32, slot: u32) {
        let Some(tracked) = self.of(watcher) else { return };
        let record = &mut self.tracked[tracked];
        record.told += 1;
        if record.ring_slots == 0 {
            return;
        }
        let (ring, most) = (&mut record.ring, record.ring_slots as usize);
        if ring.len() >= most {
            ring.pop_front();
        } else if ring.len() == ring.capacity() {
            let before = bytes_of(ring);
            ring.reserve_exact(ring.len().max(8).min(most - ring.len()));
            self.ring_bytes += bytes_of(ring) - before;
        }
        ring.push_back(slot);
    }

    /// What a watcher has not acknowledged that says now how much it has. Notes are counted on from there, as they will be
    /// told again.
    pub(super) fn resume(&mut self, tracked: u32, count: u32) -> Result<Unacknowledged, Error> {
        let record = &mut self.tracked[tracked];
        record.acknowledge(count)?;
        let is_known = record.told - record.acknowledged == record.ring.len() as u64;
        record.told = record.acknowledged;
        let ring = core::mem::take(&mut record.ring);
        self.ring_bytes -= bytes_of(&ring);
        Ok(if is_known { Unacknowledged::Slots(ring) } else { Unacknowledged::All })
    }
}

impl Tracked {
    fn acknowledge(&mut self, count: u32) -> Result<(), Error> {
        let before = self.acknowledged as u32;
        // Should more than 2^32 be unacknowledged, the count is taken for the least that it can mean.
        let more = u64::from(count.wrapping_sub(before));
        if more > self.told - self.acknowledged {
            return Err(Error::Acknowledged { acknowledged: count, before, told: self.told as u32 });
        }
        self.acknowledged += more;
        let left = self.told - self.acknowledged;
        let known = self.ring.len() as u64;
        self.ring.drain(..known.saturating_sub(left) as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xep_0198_counts_wrap_at_2_to_the_32() {
        let mut sessions = Sessions::new(1);
        sessions.begin(0, 3, u32::MAX - 1).unwrap();
        for slot in 0..4 {
            sessions.told(0, slot);
        }
        let record = &mut sessions.tracked[0];
        // Told were 2^32 - 1, 0, 1 and 2, and the ring has room for three.
        assert_eq!(
            (record.told as u32, record.ring.iter().copied().collect::<alloc::vec::Vec<_>>()),
            (2, [1, 2, 3].into())
        );
        let future = Error::Acknowledged { acknowledged: 3, before: u32::MAX - 1, told: 2 };
        assert_eq!(record.acknowledge(3), Err(future));
        record.acknowledge(0).unwrap();
        assert_eq!(record.ring, [2, 3]);
        assert!(matches!(record.acknowledge(u32::MAX), Err(Error::Acknowledged { before: 0, .. })), "it goes back");
        record.acknowledge(0).unwrap();
        assert!(matches!(sessions.resume(0, 1), Ok(Unacknowledged::Slots(slots)) if slots == [3]));
        assert_eq!((sessions.tracked[0].told as u32, sessions.ring_bytes), (1, 0), "the same numbers again");
    }

    #[test]
    fn what_is_acknowledged_after_an_overflow_makes_the_ring_long_enough_again() {
        let mut sessions = Sessions::new(1);
        for (acknowledged, is_all) in [(0, true), (1, true), (2, false), (4, false)] {
            sessions.begin(0, 2, 0).unwrap();
            (0..4).for_each(|slot| sessions.told(0, slot));
            let left = sessions.resume(0, acknowledged).unwrap();
            assert_eq!(matches!(left, Unacknowledged::All), is_all, "{acknowledged}");
        }
        sessions.begin(0, 0, 0).unwrap();
        sessions.told(0, 7);
        assert!(matches!(sessions.resume(0, 0), Ok(Unacknowledged::All)), "nothing is remembered");
        sessions.end(0);
        assert_eq!((sessions.ring_bytes, sessions.of(0)), (0, None));
    }
}
