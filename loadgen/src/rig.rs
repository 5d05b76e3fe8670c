//! The rig's own noise: what stood still although nothing was to be done.
//!
//! Two distributions from one reading of the clock at each poll, while a point is measured. A gap with nothing done in
//! between is nobody's work: the machine took the core away. Every report carries both, so that a latency can be told
//! from a hiccup.

use crate::recorder::Times;

/// Watches the time between two polls of one shard.
#[derive(Debug, Default)]
pub struct Rig {
    left_us: u64,
    /// When the loop was asked to come back, if it was told that there is nothing to do.
    due_us: Option<u64>,
    work: u64,
    shard_gap: Times,
    generator_gap: Times,
}

impl Rig {
    /// A poll begins. `work` is any number that rises with whatever the shard does.
    pub fn enter(&mut self, now_us: u64, work: u64, measuring: bool) {
        if measuring && self.left_us != 0 {
            // A sleep that was asked for is no gap; only what came after its end is.
            let from = self.due_us.filter(|&due| due <= now_us).unwrap_or(self.left_us).max(self.left_us);
            let gap_us = now_us.saturating_sub(from);
            self.generator_gap.record(gap_us);
            if self.due_us.is_some() && work == self.work {
                self.shard_gap.record(gap_us);
            }
        }
        self.work = work;
    }

    /// A poll ends: with work done, or with nothing to do until some time.
    pub fn leave(&mut self, now_us: u64, due_us: Option<u64>) {
        self.left_us = now_us;
        self.due_us = due_us;
    }

    /// The gaps since the last call: nothing done in between, and in any case.
    pub fn take(&mut self) -> (Times, Times) {
        let taken = (self.shard_gap.clone(), self.generator_gap.clone());
        self.shard_gap.clear();
        self.generator_gap.clear();
        self.left_us = 0;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_asked_for_is_a_gap() {
        let mut rig = Rig::default();
        rig.leave(100, Some(1_000));
        rig.enter(1_030, 5, true);
        rig.leave(1_031, None);
        rig.enter(1_231, 9, true);
        let (shard, generator) = rig.take();
        // Slept until 1,000 as asked and came back 30 late; then 200 in which the shard worked.
        let (shard, generator) = (shard.quantiles(), generator.quantiles());
        assert_eq!((shard.count, shard.max), (0, 0));
        assert_eq!((generator.count, generator.max), (2, 200));

        rig.leave(2_000, Some(3_000));
        rig.enter(2_001, 9, false);
        rig.leave(2_002, Some(3_000));
        rig.enter(3_040, 9, true);
        assert_eq!(rig.take().0.quantiles().max, 40);
    }
}
