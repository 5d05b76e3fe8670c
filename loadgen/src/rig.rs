//! The rig's own noise: what stood still although nothing was to be done, and when a shard's core was not the shard's.
//!
//! Two distributions from one reading of the clock at each poll, while a point is measured. A gap with nothing done in
//! between is nobody's work. Every report carries both, so that a latency can be told from a hiccup.
//!
//! Of what took long, worked or not, the kernel is asked for how much of it the thread was on a CPU. The rest, after any
//! sleep that the loop asked for, went to other threads or to other machines on the same hardware, or the thread waited in
//! the kernel without having said so, which a shard has no reason to. That is no guess from latencies: a loop that only takes
//! long is on a CPU all the while, and excuses nobody.
//!
//! Lives on each shard's core. Costs a few comparisons a poll, and a question to the kernel (700 ns) every 200 us at the most
//! and after whatever took long. Time that a kernel counts as run although the hypervisor had the CPU is not seen.

use rustix::time::{ClockId, clock_gettime};

use crate::recorder::Times;

/// What is shorter is not asked about: a core is away for so long all the time, and no target is near it.
pub const LONG_US: u64 = 250;

/// So old an answer may be when a poll ends. What the thread ran since then is taken for part of a gap that follows.
const ANSWER_US_MAX: u64 = 200;

/// What was seen since the last look.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    /// Elapsed between two polls with nothing done.
    pub shard: Times,
    /// Elapsed between two polls in any case.
    pub generator: Times,
    /// When the core was somebody else's, from the point's begin on; the first hundred thousand times.
    pub away: Vec<Away>,
    /// Whether it was so more often than is kept.
    pub away_is_more: bool,
}

/// More than so many stretches of a quarter of a millisecond are no longer a disturbance but how the machine is.
const AWAY_MAX: usize = 100_000;

/// A stretch in which a shard's core was somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    /// When it was over, on the run's clock.
    pub until_us: u64,
    /// How long the gap took that it was seen in.
    pub took_us: u64,
    /// How long it was, at the least.
    pub us: u64,
}

/// Watches the time between two polls of one shard.
#[derive(Debug)]
pub struct Rig {
    entered_us: u64,
    left_us: u64,
    /// When the loop was asked to come back, if it was told that there is nothing to do.
    due_us: Option<u64>,
    work: u64,
    /// Asks the kernel for how long this thread has been on a CPU.
    ask_ran_us: fn() -> u64,
    /// When that was asked last, and the answer.
    asked_us: u64,
    ran_us: u64,
    /// Whether polls wait on purpose.
    polls_wait: bool,
    gaps: Gaps,
}

impl Default for Rig {
    fn default() -> Self {
        Self::new(ran_us)
    }
}

impl Rig {
    fn new(ask_ran_us: fn() -> u64) -> Self {
        let (gaps, polls_wait) = (Gaps::default(), false);
        Self { entered_us: 0, left_us: 0, due_us: None, work: 0, ask_ran_us, asked_us: 0, ran_us: 0, polls_wait, gaps }
    }

    /// For a target that waits in its polls, as it was told to: what they take is nobody else's doing.
    #[must_use]
    pub fn with_polls_that_wait() -> Self {
        Self { polls_wait: true, ..Self::default() }
    }

    /// A poll begins, in a point or not, in its measured time or not. `work` is any number that rises with whatever the
    /// shard does.
    pub fn enter(&mut self, now_us: u64, work: u64, in_point: bool, measuring: bool) {
        if in_point && self.left_us != 0 {
            // A sleep that was asked for is no gap; only what came after its end is.
            let from = self.due_us.filter(|&due| due <= now_us).unwrap_or(self.left_us).max(self.left_us);
            let gap_us = now_us.saturating_sub(from);
            if measuring {
                self.gaps.generator.record(gap_us);
            }
            if measuring && self.due_us.is_some() && work == self.work {
                self.gaps.shard.record(gap_us);
            }
            // Of whoever was woken before his time nobody knows how long he has slept.
            if self.due_us.is_none_or(|due| due <= now_us) {
                self.look_away(now_us, gap_us);
            }
        }
        self.work = work;
        self.entered_us = now_us;
    }

    /// A poll ends: with work done, or with nothing to do until some time.
    pub fn leave(&mut self, now_us: u64, due_us: Option<u64>, in_point: bool) {
        if in_point && !self.polls_wait {
            self.look_away(now_us, now_us.saturating_sub(self.entered_us));
        }
        if in_point && now_us >= self.asked_us + ANSWER_US_MAX {
            (self.asked_us, self.ran_us) = (now_us, (self.ask_ran_us)());
        }
        (self.left_us, self.due_us) = (now_us, due_us);
    }

    /// Finds out how much of a long time until now this thread cannot have been on a CPU.
    fn look_away(&mut self, now_us: u64, took_us: u64) {
        if took_us < LONG_US || self.asked_us == 0 {
            return;
        }
        let before_us = std::mem::replace(&mut self.ran_us, (self.ask_ran_us)());
        self.asked_us = now_us;
        let us = took_us.saturating_sub(self.ran_us - before_us);
        // What a long turn loses in small slices is no stretch: the longer a turn, the more it would excuse.
        if us < LONG_US || us < took_us / 3 {
            return;
        }
        let away = &mut self.gaps.away;
        if away.len() < AWAY_MAX {
            away.push(Away { until_us: now_us, took_us, us });
        } else {
            self.gaps.away_is_more = true;
        }
    }

    /// The gaps since the last call.
    pub fn take(&mut self) -> Gaps {
        (self.left_us, self.asked_us) = (0, 0);
        std::mem::take(&mut self.gaps)
    }
}

/// For how long the calling thread has been on a CPU.
fn ran_us() -> u64 {
    let ran = clock_gettime(ClockId::ThreadCPUTime);
    ran.tv_sec.unsigned_abs() * 1_000_000 + ran.tv_nsec.unsigned_abs() / 1_000
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static RAN_US: Cell<u64> = const { Cell::new(0) };
    }

    fn rig() -> Rig {
        RAN_US.set(0);
        Rig::new(|| RAN_US.get())
    }

    #[test]
    fn only_what_nobody_asked_for_is_a_gap() {
        let mut rig = Rig::default();
        rig.leave(100, Some(1_000), true);
        rig.enter(1_030, 5, true, true);
        rig.leave(1_031, None, true);
        rig.enter(1_231, 9, true, true);
        let gaps = rig.take();
        let (shard, generator) = (gaps.shard.quantiles(), gaps.generator.quantiles());
        assert_eq!((shard.count, shard.max), (0, 0));
        assert_eq!((generator.count, generator.max), (2, 200));

        rig.leave(2_000, Some(3_000), true);
        rig.enter(2_001, 9, true, false);
        rig.leave(2_002, Some(3_000), true);
        rig.enter(3_040, 9, true, true);
        assert_eq!(rig.take().shard.quantiles().max, 40);
    }

    #[test]
    fn a_core_is_away_for_what_the_thread_neither_ran_nor_slept() {
        let mut rig = rig();
        rig.leave(10_000, None, true);
        RAN_US.set(2_000);
        rig.enter(15_000, 7, true, true);
        RAN_US.set(6_000);
        // This poll ran all the while.
        rig.leave(19_000, Some(25_000), true);
        // Slept as asked and came late.
        rig.enter(25_900, 7, true, false);
        // Away in a poll.
        rig.leave(27_000, Some(40_000), true);
        // Woken early: it may have slept until then.
        rig.enter(30_000, 8, true, true);
        let away = [(15_000, 5_000, 3_000), (25_900, 900, 900), (27_000, 1_100, 1_100)];
        assert_eq!(rig.take().away, away.map(|(until_us, took_us, us)| Away { until_us, took_us, us }));
    }

    #[test]
    fn what_a_long_turn_loses_in_small_slices_is_no_excuse() {
        let mut rig = rig();
        rig.leave(10_000, None, true);
        RAN_US.set(9_000);
        rig.enter(20_000, 1, true, true);
        assert_eq!(rig.take().away, [], "a tenth of ten milliseconds");
    }

    #[test]
    fn a_list_that_is_full_says_so() {
        let mut rig = rig();
        rig.leave(1_000, None, true);
        for at in 1..AWAY_MAX as u64 + 2 {
            rig.enter(1_000 + at * 1_000, 0, true, true);
            rig.leave(1_000 + at * 1_000, None, true);
        }
        let gaps = rig.take();
        assert_eq!((gaps.away.len(), gaps.away_is_more), (AWAY_MAX, true));
    }

    #[test]
    fn short_times_and_those_that_nobody_measures_are_no_evidence() {
        let mut rig = rig();
        rig.enter(10_000, 0, false, false);
        rig.leave(10_000, None, false);
        // Nothing was asked before it.
        rig.enter(90_000, 0, true, true);
        rig.leave(90_000, None, true);
        rig.enter(90_000 + LONG_US - 1, 0, true, true);
        assert_eq!(rig.take().away, []);
        let mut rig = Rig { polls_wait: true, ..rig };
        rig.leave(100_000, None, true);
        rig.enter(100_100, 0, true, true);
        rig.leave(600_000, None, true);
        assert_eq!(rig.take().away, [], "it waited on purpose");
    }

    #[test]
    fn the_kernel_tells_a_thread_that_works_from_one_that_waits() {
        let begin = ran_us();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let slept = ran_us() - begin;
        while ran_us() < begin + slept + 5_000 {}
        assert!(slept < 20_000, "{slept} us on a CPU within a sleep of 20 ms");
    }
}
