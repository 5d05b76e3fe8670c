//! What a point comes to: the parts of all shards added up, and what happened around them.
//!
//! Made once a point, on the main thread. What is summed here the shards have counted; nothing is measured again.

use super::PointAnswer;
use super::undisturbed::{self, Undisturbed};
use crate::host::{Surroundings, ThreadTimes};
use crate::pace::Paced;
use crate::publisher::Issued;
use crate::recorder::{Faults, Latencies, Quantiles, Times};
use crate::rig::Away;
use crate::schedule::Drawing;
use crate::series::Counts;
use crate::targets::LoopTimes;
use crate::traffic::Traffic;
use crate::trouble::TroubleCounts;

use std::time::Duration;

/// One point, all shards together.
#[derive(Clone, Debug)]
pub struct PointResult {
    /// What was asked for.
    pub rate_per_s: f64,
    /// What was measured: publications sent, over the time that took.
    pub sent_per_s: f64,
    /// Notes a second while it was measured.
    pub notified_per_s: f64,
    /// How long was measured.
    pub measured_s: f64,
    /// The publishers' counts.
    pub issued: Issued,
    /// First, median and last watcher, from the plan.
    pub latency: [Quantiles; 3],
    /// The whole distributions.
    pub distributions: Box<Distributions>,
    /// How late publications were sent.
    pub lag: Quantiles,
    /// Elapsed between two polls when nothing had happened.
    pub shard_gap: Quantiles,
    /// Elapsed between two polls in any case.
    pub generator_gap: Quantiles,
    /// Notes delivered, until everybody was told.
    pub delivered: u64,
    /// Turns skipped in that time.
    pub skipped: u64,
    /// Notes over the whole point, warm-up included.
    pub notes: u64,
    /// Readings of the clock for them.
    pub readings: u64,
    /// The generators' own time over the whole point.
    pub generator_ns: u64,
    /// The loops' time over the whole point.
    pub loops: LoopTimes,
    /// All shards' time over the whole point.
    pub elapsed_ns: u64,
    /// What the scheduler says of the shards' threads.
    pub threads: ThreadTimes,
    /// What else happened on the machine in that time.
    pub around: Surroundings,
    /// Publications that not everybody was told in time.
    pub unfinished: u64,
    /// What went in and out in the measured time, and how long that was for what was told.
    pub traffic: Traffic,
    /// See `traffic`.
    pub told_s: f64,
    /// Broken promises up to here.
    pub faults: Faults,
    /// What became of the watchers that behave badly.
    pub troubled: TroubleCounts,
    /// Whether the schedule was cut short.
    pub cut: bool,
    /// What of it was measured while every shard had its core, if some was not and enough was.
    pub undisturbed: Option<Undisturbed>,
    /// The share of the measured time that is not in there.
    pub disturbed_share: f64,
    /// How warm-up and mean stood, where it was measured by them.
    pub paced: Option<Paced>,
}

/// The distributions of a point, all shards together.
#[derive(Clone, Debug, Default)]
pub struct Distributions {
    /// First, median and last watcher.
    pub latencies: Latencies,
    /// How late publications were sent.
    pub lag: Times,
    /// Elapsed between two polls when nothing had happened.
    pub shard_gap: Times,
    /// Elapsed between two polls in any case.
    pub generator_gap: Times,
    /// What was planned, sent and told, interval by interval.
    pub counts: Counts,
    /// Turns told and skipped, in finer intervals.
    pub fine_counts: Counts,
    /// When shards' cores were somebody else's, in no order.
    pub away: Vec<Away>,
    /// Whether that was more often than was kept.
    pub away_is_more: bool,
    /// When the measured time began, since the Unix epoch.
    pub began: Duration,
}

impl PointResult {
    /// What the shards' parts come to, in these surroundings.
    #[must_use]
    pub fn of(drawing: &Drawing, parts: &[PointAnswer], loops: LoopTimes, around: Surroundings) -> Self {
        let (mut distributions, mut issued, mut faults) =
            (Distributions::default(), Issued::default(), Faults::default());
        let (mut traffic, mut troubled) = (Traffic::default(), TroubleCounts::default());
        for part in parts {
            distributions.add(part);
            faults.add(&part.tally.faults);
            troubled.add(&part.troubled);
            traffic.add(&part.traffic);
            issued.add(&part.issued);
        }
        // What ended sooner than was planned has fewer intervals.
        let cut_us = parts.iter().map(|part| part.cut_at_us).max().flatten();
        let cut_us = cut_us.filter(|_| parts.iter().all(|part| part.cut_at_us.is_some()));
        distributions.cut(cut_us.map_or(drawing.end_us, |cut_us| cut_us.min(drawing.end_us)));
        let over_us = parts.iter().filter_map(|part| part.over_at_us).max().unwrap_or(drawing.end_us);
        let end_us = parts.iter().filter_map(|part| part.cut_at_us).fold(over_us, u64::min);
        let sending_us = issued.last_sent_us.max(end_us).saturating_sub(drawing.measure_from_us).max(1);
        let sum = |of: fn(&PointAnswer) -> u64| parts.iter().map(of).sum::<u64>();
        let latency = &distributions.latencies.from_plan;
        let notified = |part: &PointAnswer| part.window_delivered as f64 * 1e6 / part.window_us.max(1) as f64;
        Self {
            rate_per_s: drawing.rate_per_s,
            sent_per_s: issued.sent as f64 * 1e6 / sending_us as f64,
            notified_per_s: parts.iter().map(notified).sum(),
            measured_s: end_us.saturating_sub(drawing.measure_from_us) as f64 / 1e6,
            issued,
            latency: [latency.first.quantiles(), latency.median.quantiles(), latency.last.quantiles()],
            lag: distributions.lag.quantiles(),
            shard_gap: distributions.shard_gap.quantiles(),
            generator_gap: distributions.generator_gap.quantiles(),
            distributions: Box::new(distributions),
            delivered: sum(|part| part.delivered),
            skipped: sum(|part| part.skipped),
            notes: sum(|part| part.tally.notes),
            readings: sum(|part| part.tally.readings),
            generator_ns: sum(|part| part.generator_ns),
            loops,
            elapsed_ns: sum(|part| part.elapsed_us) * 1_000,
            threads: ThreadTimes {
                ran_ns: sum(|part| part.thread.ran_ns),
                waited_ns: sum(|part| part.thread.waited_ns),
            },
            around,
            unfinished: sum(|part| part.unfinished),
            traffic,
            troubled,
            told_s: parts.iter().map(|part| part.window_us).max().unwrap_or(0) as f64 / 1e6,
            faults,
            cut: parts.iter().any(|part| part.cut_at_us.is_some()),
            undisturbed: None,
            disturbed_share: 0.0,
            paced: None,
        }
    }

    /// Finds out what was measured while no shard's core was away for so long, and lets go of what that takes: megabytes a
    /// point, of which a search has many.
    pub fn leave_out_disturbed(&mut self, away_us: u64) {
        self.disturbed_share = undisturbed::disturbed_share(self, away_us);
        self.undisturbed = Undisturbed::of(self, away_us);
        self.distributions.latencies.singles = Vec::new();
        self.distributions.away = Vec::new();
        self.distributions.fine_counts = Counts::default();
    }

    /// Skipped turns as a share of all that became due.
    #[must_use]
    pub fn skipped_share(&self) -> f64 {
        let all = self.delivered + self.skipped;
        if all == 0 { 0.0 } else { self.skipped as f64 / all as f64 }
    }

    /// The share of the shards' time in which they were ready to run and somebody else had their CPUs.
    #[must_use]
    pub fn preempted_share(&self) -> f64 {
        self.threads.waited_ns as f64 / self.elapsed_ns.max(1) as f64
    }

    /// The share of the loops' time awake that they spent on a CPU.
    #[must_use]
    pub fn on_cpu_share(&self) -> f64 {
        self.threads.on_cpu_share(self.loops.awake_ns())
    }

    /// The share of the shards' time in which they worked.
    #[must_use]
    pub fn busy_share(&self) -> f64 {
        self.loops.work_ns as f64 * self.on_cpu_share() / self.elapsed_ns.max(1) as f64
    }
}

impl Distributions {
    /// Adds a shard's.
    fn add(&mut self, part: &PointAnswer) {
        self.latencies.merge(&part.latencies);
        self.lag.merge(&part.lag);
        self.shard_gap.merge(&part.gaps.shard);
        self.generator_gap.merge(&part.gaps.generator);
        self.counts.add(&part.counts);
        self.fine_counts.add(&part.fine_counts);
        self.away.extend_from_slice(&part.gaps.away);
        self.away_is_more |= part.gaps.away_is_more;
    }

    /// The measured time ended before the one that was planned.
    fn cut(&mut self, end_us: u64) {
        self.counts.cut(end_us);
        self.fine_counts.cut(end_us);
        self.latencies.timeline.cut(end_us);
    }
}
