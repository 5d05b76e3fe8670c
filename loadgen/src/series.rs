//! The measured time in equal intervals, and what is counted in each.
//!
//! What a publication comes to (planned, and its latencies) stands in the interval in which it was *due*: an interval then
//! answers for what was asked of the system in that time, each publication is in exactly one, a stall shows where it
//! began, and the intervals together are the whole distribution, to fewer digits. By the time of receipt a stall would be an empty
//! stretch and then a crowd, which hides how many it hit. What has no plan stands where it happened: publications sent,
//! notifications delivered, turns skipped. What happened after the last interval is in none.
//!
//! Lives on each shard's core, merged on the main thread. Costs three divisions a publication (planned, sent,
//! told) and two comparisons a poll.

/// The shortest interval: shorter ones hold too few publications to have a 99th percentile.
const INTERVAL_US_MIN: u64 = 100_000;

/// The most intervals: about as many columns as a page shows apart, and what a shard keeps for each is 30 KB.
const INTERVALS_MAX: u64 = 100;

/// The shortest interval where only turns are counted: a core is away for about as long, with what has to be caught up with.
const FINE_US_MIN: u64 = 10_000;

/// The most of those: half a megabyte of counts.
const FINE_MAX: u64 = 1 << 14;

/// Equal parts of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// When the first one begins, on the run's clock.
    pub from_us: u64,
    /// How long each is; the last may be longer than what is left of the measured time.
    pub interval_us: u64,
    /// How many there are.
    pub count: usize,
}

impl Intervals {
    /// Divides a time: at most a hundred intervals, none shorter than 100 ms.
    #[must_use]
    pub fn over(from_us: u64, end_us: u64) -> Self {
        Self::divided(from_us, end_us, INTERVAL_US_MIN, INTERVALS_MAX)
    }

    /// Divides it for turns alone: by 10 ms, or into some thousands of intervals.
    #[must_use]
    pub fn fine(from_us: u64, end_us: u64) -> Self {
        Self::divided(from_us, end_us, FINE_US_MIN, FINE_MAX)
    }

    fn divided(from_us: u64, end_us: u64, interval_us_min: u64, count_max: u64) -> Self {
        let whole_us = end_us.saturating_sub(from_us);
        let interval_us = whole_us.div_ceil(count_max).max(interval_us_min);
        Self { from_us, interval_us, count: whole_us.div_ceil(interval_us) as usize }
    }

    /// The interval that this moment is in, if it is in any.
    #[must_use]
    pub fn at(&self, now_us: u64) -> Option<usize> {
        if now_us < self.from_us || self.count == 0 {
            return None;
        }
        let at = ((now_us - self.from_us) / self.interval_us) as usize;
        (at < self.count).then_some(at)
    }

    /// Those of them that begin before a moment at which everything was cut short.
    #[must_use]
    pub fn until(&self, end_us: u64) -> Self {
        let begun = end_us.saturating_sub(self.from_us).div_ceil(self.interval_us.max(1));
        Self { count: self.count.min(usize::try_from(begun).unwrap_or(usize::MAX)), ..*self }
    }

    /// When one of them begins.
    #[must_use]
    pub fn begin_us(&self, at: usize) -> u64 {
        self.from_us + at as u64 * self.interval_us
    }
}

/// What is counted in each interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of what.
    pub intervals: Intervals,
    /// Publications that were due.
    pub planned: Vec<u64>,
    /// Publications that were sent.
    pub sent: Vec<u64>,
    /// Notifications delivered.
    pub delivered: Vec<u64>,
    /// Turns skipped.
    pub skipped: Vec<u64>,
}

impl Counts {
    /// Zeros.
    #[must_use]
    pub fn over(intervals: Intervals) -> Self {
        let zeros = || vec![0; intervals.count];
        Self { intervals, planned: zeros(), sent: zeros(), delivered: zeros(), skipped: zeros() }
    }

    /// A publication was due, and has not been sent yet.
    pub fn note_planned(&mut self, plan_us: u64) {
        if let Some(at) = self.intervals.at(plan_us) {
            self.planned[at] += 1;
        }
    }

    /// A publication was sent.
    pub fn note_sent(&mut self, sent_us: u64) {
        if let Some(at) = self.intervals.at(sent_us) {
            self.sent[at] += 1;
        }
    }

    /// Forgets the intervals that were never reached.
    pub fn cut(&mut self, end_us: u64) {
        self.intervals = self.intervals.until(end_us);
        for column in [&mut self.planned, &mut self.sent, &mut self.delivered, &mut self.skipped] {
            column.truncate(self.intervals.count);
        }
    }

    /// Adds another core's, or another part of the same core's.
    pub fn add(&mut self, other: &Self) {
        if self.intervals.count == 0 {
            *self = other.clone();
            return;
        }
        let columns = [
            (&mut self.planned, &other.planned),
            (&mut self.sent, &other.sent),
            (&mut self.delivered, &other.delivered),
            (&mut self.skipped, &other.skipped),
        ];
        for (mine, theirs) in columns {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
    }
}

/// What the target counts, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Notes delivered.
    pub delivered: u64,
    /// Turns skipped.
    pub skipped: u64,
}

/// Divides what the target counts among the intervals, from looks at its counters.
#[derive(Clone, Debug)]
pub struct Turns {
    counts: Counts,
    at: usize,
    next_us: u64,
    before: Option<Marks>,
}

impl Turns {
    /// Nothing counted yet.
    #[must_use]
    pub fn over(intervals: Intervals) -> Self {
        Self { counts: Counts::over(intervals), at: 0, next_us: intervals.from_us, before: None }
    }

    /// A look at the counters. What was counted since the last look that ended an interval belongs to the interval that
    /// was under way then: nobody looked in between.
    #[inline]
    pub fn look(&mut self, now_us: u64, marks: Marks) {
        if now_us >= self.next_us {
            self.turn(now_us, marks);
        }
    }

    /// The last look, when the measured time is over: that is seldom where an interval ends.
    pub fn end(&mut self, marks: Marks) {
        self.count(marks);
        (self.at, self.next_us) = (self.counts.intervals.count, u64::MAX);
    }

    fn turn(&mut self, now_us: u64, marks: Marks) {
        self.count(marks);
        let intervals = self.counts.intervals;
        self.at = intervals.at(now_us).unwrap_or(intervals.count);
        self.next_us = if self.at < intervals.count { intervals.begin_us(self.at + 1) } else { u64::MAX };
    }

    fn count(&mut self, marks: Marks) {
        if let Some(before) = self.before.replace(marks)
            && self.at < self.counts.intervals.count
        {
            self.counts.delivered[self.at] += marks.delivered - before.delivered;
            self.counts.skipped[self.at] += marks.skipped - before.skipped;
        }
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_divided_into_a_hundred_intervals_that_are_not_too_short() {
        for (seconds, interval_us, count) in [(1, 100_000, 10), (10, 100_000, 100), (30, 300_000, 100), (0, 100_000, 0)]
        {
            let intervals = Intervals::over(5, 5 + seconds * 1_000_000);
            assert_eq!((intervals.interval_us, intervals.count), (interval_us, count), "{seconds} s");
        }
        let intervals = Intervals::over(1_000, 1_000 + 1_050_000);
        assert_eq!(intervals.count, 11, "what is left over is an interval, too");
        assert_eq!((intervals.at(999), intervals.at(1_000), intervals.at(101_000)), (None, Some(0), Some(1)));
        assert_eq!((intervals.at(1_050_999), intervals.at(1_101_000)), (Some(10), None));
        let until = |end_us| intervals.until(end_us).count;
        assert_eq!([until(0), until(1_000), until(1_001), until(101_000), until(u64::MAX)], [0, 0, 1, 1, 11]);
    }

    #[test]
    fn what_the_target_counts_goes_to_the_interval_that_was_under_way() {
        let mut turns = Turns::over(Intervals::over(0, 500_000));
        let marks = |delivered, skipped| Marks { delivered, skipped };
        turns.look(10, marks(100, 7));
        turns.look(50_000, marks(150, 7));
        turns.look(100_020, marks(200, 8));
        // Nothing looked for two intervals.
        turns.look(310_000, marks(260, 8));
        turns.look(510_000, marks(300, 10));
        turns.look(900_000, marks(999, 99));
        assert_eq!(turns.counts().delivered, [100, 60, 0, 40, 0]);
        assert_eq!(turns.counts().skipped, [1, 0, 0, 2, 0]);
    }

    #[test]
    fn cores_are_added_up() {
        let intervals = Intervals::over(0, 300_000);
        let mut one = Counts::over(intervals);
        one.note_planned(120_000);
        one.note_sent(299_999);
        one.note_sent(300_000);
        let mut both = Counts::default();
        both.add(&one);
        both.add(&one);
        assert_eq!((&both.planned, &both.sent), (&vec![0, 2, 0], &vec![0, 0, 2]));
        both.cut(150_000);
        assert_eq!((both.intervals.count, both.planned, both.skipped), (2, vec![0, 2], vec![0, 0]));
    }
}
