//! What a watcher was told and has not acknowledged, as the model counts it.

use std::collections::VecDeque;

use fanfare_core::WatcherId;
use rand::RngExt;

use super::world::World;

/// What a watcher was told since it is counted, as the model has it.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Notes of which it is remembered what they were about.
    pub(super) ring_slots: usize,
    /// The count that was acknowledged.
    pub(super) acknowledged: u32,
    /// Group and presentity of every note after it.
    pub(super) told: VecDeque<(u64, u64)>,
}

impl Tally {
    /// Forgets what is acknowledged.
    pub(super) fn take(&mut self, count: u32) {
        self.told.drain(..count.wrapping_sub(self.acknowledged) as usize);
        self.acknowledged = count;
    }
}

impl World {
    /// The watcher was told these, in this order.
    pub(super) fn count_told(
        &mut self,
        shard: usize,
        watcher: WatcherId,
        told: impl Iterator<Item = (u64, u64)>,
    ) -> Result<(), String> {
        let key = self.shards[shard].watcher_token(watcher).ok_or("C5: a closed watcher is told something")?;
        let session = self.sessions.get_mut(&key).ok_or("C5: a parked watcher is told something")?;
        let count = session.tally.as_mut().map(|tally| {
            tally.told.extend(told);
            tally.acknowledged.wrapping_add(tally.told.len() as u32)
        });
        let counted = self.shards[shard].told_count(watcher);
        if counted == count { Ok(()) } else { Err(format!("{counted:?} notes were counted, and told {count:?}")) }
    }

    /// A count that may be acknowledged, or one that may not.
    pub(super) fn any_count(&mut self, tally: &Tally, is_sound: bool) -> u32 {
        let beyond = self.rng.random_range(1..1_000u32);
        let more = if is_sound { self.rng.random_range(0..=tally.told.len() as u32) } else { 0 };
        match (is_sound, self.rng.random_bool(0.5)) {
            (true, _) => tally.acknowledged.wrapping_add(more),
            (false, true) => tally.acknowledged.wrapping_add(tally.told.len() as u32 + beyond),
            (false, false) => tally.acknowledged.wrapping_sub(beyond),
        }
    }
}
