//! A point without the time in which a shard's core was somebody else's.
//!
//! What others on the machine do to a latency is true of the machine and says nothing of what is measured on it. A time is
//! left out by the kernel's evidence alone ([`crate::rig`]), whatever was measured in it, with what was on its way when it
//! began and a while after in which what was held up is caught up with. What is still late then counts: who has no room to
//! catch up is at his limit.
//!
//! Made on the main thread, once a point is over. Costs a look at each publication that was kept, and a sort of the times.

use std::time::Duration;

use super::{Distributions, PointResult};
use crate::recorder::{Quantiles, Times};
use crate::rig::{Away, LONG_US};
use crate::series::Intervals;

/// What was due so shortly before a core was taken away may have been on its way to a watcher there.
const ON_ITS_WAY_US: u64 = 5_000;

/// A fifth of its time is the least that a shard below its limit has to catch up with, so it takes four times as long as its
/// core was away; and what waited in other shards' queues comes in between.
const CATCH_UP: u64 = 4;
const CATCH_UP_US_MIN: u64 = 5_000;

/// A smaller part of a point says nothing of it, nor does a shorter time.
const SHARE_MIN: f64 = 0.1;
const LEFT_US_MIN: f64 = 200_000.0;

/// Fewer publications have no 99th percentile, and fewer than that none of a thousand.
const COUNT_MIN: u64 = 500;
const COUNT_OF_RARE_MIN: u64 = 10_000;

/// So long may a core be away where there is no target.
const AWAY_US: u64 = 1_000;

/// What was measured while every shard had its core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Undisturbed {
    /// The share of the measured time that this is.
    pub share: f64,
    /// Times were left out in which a core was away for so long.
    pub away_us: u64,
    /// First, median and last watcher, from the plan.
    pub latency: [Quantiles; 3],
    /// Skipped turns as a share of all that became due.
    pub skipped_share: f64,
}

/// So long may a core be away and be no excuse where a target is so strict: a tenth of what that allows.
#[must_use]
pub fn away_us_allowed(strictest: Option<Duration>) -> u64 {
    strictest.map_or(AWAY_US, |below| (below.as_micros() as u64 / 10).max(LONG_US))
}

impl Undisturbed {
    /// What of a point was measured while no core was away for so long; nothing if that is all of it, or too little to say
    /// anything.
    pub(super) fn of(point: &PointResult, away_us: u64) -> Option<Self> {
        let Distributions { latencies, fine_counts, away, away_is_more, .. } = &*point.distributions;
        let whole = fine_counts.intervals;
        let left_out = LeftOut::of(away, away_us, whole);
        let share = left_out.rest_share(whole);
        let left_us = share * (whole.count as u64 * whole.interval_us) as f64;
        if left_out.0.is_empty() || *away_is_more || share < SHARE_MIN || left_us < LEFT_US_MIN {
            return None;
        }
        let mut times = [Times::new(), Times::new(), Times::new()];
        for singles in &latencies.singles {
            for single in singles.kept().iter().filter(|single| !left_out.has(single.plan_us)) {
                let each = times.iter_mut().zip(single.latency_us);
                each.for_each(|(times, micros)| times.record_many(micros.into(), singles.stride()));
            }
        }
        let is_thinned = latencies.singles.iter().any(|singles| singles.stride() > 1);
        let mut latency = times.map(|times| times.quantiles());
        for (rest, all) in latency.iter_mut().zip(&point.latency) {
            // Of the rarest there are too few in a part, and of some of that none.
            if is_thinned || rest.count < COUNT_OF_RARE_MIN {
                (rest.p999, rest.max) = (all.p999.max(rest.p999), all.max);
            }
        }
        let skipped_share = left_out.skipped_share(point);
        (latency[2].count >= COUNT_MIN).then_some(Self { share, away_us, latency, skipped_share })
    }
}

/// The share of a point's measured time that is left out where a core may be away for so long; 0 of a point without such a time.
pub(super) fn disturbed_share(point: &PointResult, away_us: u64) -> f64 {
    let whole = point.distributions.fine_counts.intervals;
    if whole.count == 0 { 0.0 } else { 1.0 - LeftOut::of(&point.distributions.away, away_us, whole).rest_share(whole) }
}

/// Times that are left out: from, to; in order, and none touches the next.
struct LeftOut(Vec<(u64, u64)>);

impl LeftOut {
    fn of(away: &[Away], away_us: u64, whole: Intervals) -> Self {
        let end_us = whole.begin_us(whole.count);
        let stretch = |away: &Away| {
            // Where in its gap it was, nobody knows.
            let begin_us = away.until_us.saturating_sub(away.took_us + ON_ITS_WAY_US);
            let caught_up_us = away.until_us + (CATCH_UP * away.us).max(CATCH_UP_US_MIN);
            (begin_us.max(whole.from_us), caught_up_us.min(end_us))
        };
        let mut sorted: Vec<_> =
            away.iter().filter(|away| away.us >= away_us).map(stretch).filter(|(from, to)| from < to).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (from, to) in sorted {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    /// The share of a time that is not left out.
    fn rest_share(&self, whole: Intervals) -> f64 {
        let out_us: u64 = self.0.iter().map(|(from, to)| to - from).sum();
        1.0 - out_us as f64 / (whole.count as u64 * whole.interval_us).max(1) as f64
    }

    fn has(&self, at_us: u64) -> bool {
        self.touches(at_us, at_us + 1)
    }

    /// Whether any of a time is left out.
    fn touches(&self, from_us: u64, to_us: u64) -> bool {
        let after = self.0.partition_point(|&(_, to)| to <= from_us);
        self.0.get(after).is_some_and(|&(from, _)| from < to_us)
    }

    /// Of the turns in intervals of which nothing is left out, and of those after the measured time. Where these are less than
    /// a tenth of all, of all.
    fn skipped_share(&self, point: &PointResult) -> f64 {
        let counts = &point.distributions.fine_counts;
        let Intervals { interval_us, count, .. } = counts.intervals;
        let begin_us = |at| counts.intervals.begin_us(at);
        let calm = (0..count).filter(|&at| !self.touches(begin_us(at), begin_us(at) + interval_us));
        let after = |all: u64, within: &[u64]| all.saturating_sub(within.iter().sum());
        let drained = (after(point.delivered, &counts.delivered), after(point.skipped, &counts.skipped));
        let (delivered, skipped) = calm
            .fold(drained, |(delivered, skipped), at| (delivered + counts.delivered[at], skipped + counts.skipped[at]));
        let (turns, all) = (delivered + skipped, point.delivered + point.skipped);
        if turns < all.div_ceil(10).max(1) { point.skipped_share() } else { skipped as f64 / turns as f64 }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::host::Surroundings;
    use crate::plan::Occasion;
    use crate::point::PointAnswer;
    use crate::recorder::{Latencies, Told};
    use crate::schedule::Shape;
    use crate::series::Counts;
    use crate::targets::LoopTimes;

    /// A second of a thousand publications, of which those from 300 to 400 ms are late by so much, and all of these skip one
    /// in ten; cores were away then.
    pub(crate) fn point(late_us: u64, away: &[(u64, u64)]) -> PointResult {
        let measure = Some(Duration::from_secs(1));
        let occasion =
            Occasion { number: 1, rate_per_s: 1_000.0, hot_user: 0, from_us: 0, warm_up: Duration::ZERO, measure };
        let drawing = occasion.drawing(1, Shape::default());
        let mut part = PointAnswer {
            latencies: Latencies::over(drawing.intervals()),
            counts: Counts::over(drawing.intervals()),
            fine_counts: Counts::over(drawing.fine_intervals()),
            ..PointAnswer::default()
        };
        for at in 0..1_000 {
            let plan_us = at * 1_000;
            let is_late = (300..400).contains(&at);
            let last_us = if is_late { late_us } else { 500 };
            let told = Told { plan_us, sent_us: plan_us, first_us: 100, median_us: 200, last_us, measured: true };
            part.latencies.record(&told);
            part.fine_counts.delivered[at as usize / 10] += 9;
            part.fine_counts.skipped[at as usize / 10] += u64::from(is_late && late_us > 500);
        }
        part.gaps.away = away.iter().map(|&(until_us, us)| Away { until_us, took_us: us, us }).collect();
        (part.delivered, part.skipped) =
            (part.fine_counts.delivered.iter().sum(), part.fine_counts.skipped.iter().sum());
        let issued = &mut part.issued;
        (issued.planned, issued.sent, issued.timed, issued.last_sent_us) = (1_000, 1_000, 1_000, 1_000_000);
        PointResult::of(&drawing, &[part], LoopTimes::default(), Surroundings::default())
    }

    fn calm_of(late_us: u64, away: &[(u64, u64)]) -> Option<Undisturbed> {
        Undisturbed::of(&point(late_us, away), 1_000)
    }

    #[test]
    fn what_was_due_while_a_core_was_away_on_its_way_or_being_caught_up_with_is_left_out() {
        // Away from 305 to 325 ms: left out from 300 to 405.
        let away = [(325_000, 20_000)];
        let disturbed = point(40_000, &away);
        assert_eq!(disturbed.latency[2].p99, 40_031);
        let calm = calm_of(40_000, &away).unwrap();
        assert_eq!((calm.share, calm.latency[2].count, calm.latency[2].p99), (0.895, 895, 500));
        assert_eq!((calm.latency[0].p99, calm.skipped_share), (100, 0.0));
        assert!(calm.latency[2].max >= 40_000, "895 have no rarest: that of all is told");
    }

    #[test]
    fn what_is_late_while_nobody_else_has_the_cores_counts() {
        assert_eq!(calm_of(40_000, &[]), None, "nothing was left out");
        assert_eq!(calm_of(40_000, &[(325_000, 999)]), None, "that happens all the time");
        let elsewhere = calm_of(40_000, &[(725_000, 2_000)]).unwrap();
        assert!(elsewhere.latency[2].p99 >= 40_000 && elsewhere.skipped_share > 0.01);
        let before = calm_of(40_000, &[(300_000, 2_000)]).unwrap();
        assert!(before.latency[2].p99 >= 40_000, "who is late for longer than it takes to catch up has another cause");
    }

    #[test]
    fn a_point_of_which_too_little_is_left_says_nothing() {
        let most = [(820_000, 815_000)];
        assert_eq!(calm_of(500, &most), None);
        assert_eq!(disturbed_share(&point(500, &most), 1_000), 1.0);
        let mut many = point(500, &[(325_000, 20_000)]);
        many.distributions.away_is_more = true;
        assert_eq!(Undisturbed::of(&many, 1_000), None, "what is not kept cannot be left out");
        // From 795 ms to the end, and from the begin to 121.
        let ends = [(900_000, 100_000), (1_000, 30_000), (850_000, 10_000)];
        let calm = calm_of(500, &ends).unwrap();
        assert_eq!(calm.latency[2].count, 795 - 121);
        assert!((calm.share - 0.674).abs() < 1e-9, "{}", calm.share);
    }

    #[test]
    fn what_is_skipped_after_the_measured_time_or_in_no_calm_interval_counts() {
        let mut drained = point(40_000, &[(325_000, 20_000)]);
        drained.skipped += 100;
        drained.delivered += 900;
        assert!(Undisturbed::of(&drained, 1_000).unwrap().skipped_share > 0.01);
        // Something every 20 ms until shortly before the end: hardly an interval is without.
        let often: Vec<_> = (1..46).map(|at| (at * 20_000 + 1_000, 1_000)).collect();
        let calm = calm_of(40_000, &often).unwrap();
        assert_eq!(calm.skipped_share, point(40_000, &often).skipped_share());
    }

    #[test]
    fn what_is_an_excuse_depends_on_the_target() {
        let allowed = |below| away_us_allowed(Some(Duration::from_millis(below)));
        assert_eq!((away_us_allowed(None), allowed(10), allowed(5), allowed(1_000)), (1_000, 1_000, 500, 100_000));
    }
}
