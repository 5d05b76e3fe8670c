//! The rig's own noise: what stood still although nothing was to be done.
//!
//! Two distributions from one reading of the clock at each poll, while a point is measured. A gap with nothing done in
//! between is nobody's work: the machine took the core away. Every report carries both, so that a latency can be told
//! from a hiccup. Of a gap in which something was done, what is longer than the work can have taken is the machine's, too.

use crate::recorder::Times;

/// Nobody is told, and no entry marked, in more than a microsecond, however cold it is; a tenth is usual.
const WORK_US_MAX: u64 = 1;

/// What was seen since the last look.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    /// Elapsed between two polls with nothing done.
    pub shard: Times,
    /// Elapsed between two polls in any case.
    pub generator: Times,
    /// The longest time for which the core cannot have been the shard's. What is taken away inside a poll is not seen.
    pub stood_us_max: u64,
}

/// Watches the time between two polls of one shard.
#[derive(Debug, Default)]
pub struct Rig {
    left_us: u64,
    /// When the loop was asked to come back, if it was told that there is nothing to do.
    due_us: Option<u64>,
    work: u64,
    gaps: Gaps,
}

impl Rig {
    /// A poll begins. `work` is any number that rises with whatever the shard does.
    pub fn enter(&mut self, now_us: u64, work: u64, measuring: bool) {
        if measuring && self.left_us != 0 {
            // A sleep that was asked for is no gap; only what came after its end is.
            let from = self.due_us.filter(|&due| due <= now_us).unwrap_or(self.left_us).max(self.left_us);
            let gap_us = now_us.saturating_sub(from);
            self.gaps.generator.record(gap_us);
            if self.due_us.is_some() && work == self.work {
                self.gaps.shard.record(gap_us);
            }
            let stood_us = gap_us.saturating_sub((work - self.work) * WORK_US_MAX);
            self.gaps.stood_us_max = self.gaps.stood_us_max.max(stood_us);
        }
        self.work = work;
    }

    /// A poll ends: with work done, or with nothing to do until some time.
    pub fn leave(&mut self, now_us: u64, due_us: Option<u64>) {
        self.left_us = now_us;
        self.due_us = due_us;
    }

    /// The gaps since the last call.
    pub fn take(&mut self) -> Gaps {
        self.left_us = 0;
        std::mem::take(&mut self.gaps)
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
        let gaps = rig.take();
        // Slept until 1,000 as asked and came back 30 late; then 200 in which the shard worked, though it did four things only.
        assert_eq!(gaps.stood_us_max, 196);
        let (shard, generator) = (gaps.shard.quantiles(), gaps.generator.quantiles());
        assert_eq!((shard.count, shard.max), (0, 0));
        assert_eq!((generator.count, generator.max), (2, 200));

        rig.leave(2_000, Some(3_000));
        rig.enter(2_001, 9, false);
        rig.leave(2_002, Some(3_000));
        rig.enter(3_040, 9, true);
        let gaps = rig.take();
        assert_eq!((gaps.shard.quantiles().max, gaps.stood_us_max), (40, 40));
    }
}
