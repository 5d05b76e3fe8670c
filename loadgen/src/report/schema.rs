//! The schema of the report, number 1: every field is a key of the JSON form.
//!
//! Fields may be added to a schema; what a field means never changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Phase;
use super::steady::{Known, Steady};
use crate::host::{Host, ProcessUse};
use crate::recorder::{Faults, Quantiles};
use crate::sessions::SessionKind;
use crate::traffic::Kind;

/// The report.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the fields are the documented JSON schema, word for word")]
pub struct Report {
    pub schema: u32,
    /// When it began: RFC 3339, UTC. Reports from before this field have none.
    #[serde(default)]
    pub began: String,
    pub verdict: String,
    pub reasons: Vec<String>,
    pub warnings: Vec<String>,
    pub cut_short: bool,
    pub limited_by: Option<String>,
    pub limited_by_evidence: Option<String>,
    pub command: String,
    pub commit: String,
    pub host: Host,
    pub config: Config,
    pub publications: Publications,
    pub notifications: Notifications,
    pub traffic: BTreeMap<String, Kind>,
    /// What sessions were to do beside publishing, and did; nothing where they do nothing, or a trace says when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sessions: BTreeMap<String, SessionKind>,
    pub latency_us: LatencyUs,
    /// What of it was measured while every shard had its core; nothing where that was all of it, or too little to say anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undisturbed: Option<Undisturbed>,
    /// Watchers that behave badly, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub troubled: Option<Troubled>,
    #[serde(default)]
    pub latency_from_send_us: LatencyUs,
    pub rig: RigUs,
    pub noise: Noise,
    /// The process in question, over the whole point.
    #[serde(default)]
    pub process: Option<ProcessUse>,
    pub generator: Generator,
    pub cost: Cost,
    pub books: Books,
    pub faults: Faults,
    pub phases: Vec<Phase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// When the measured time began, in UTC (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<String>,
    /// How long was measured: less than asked for where it was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_s: Option<f64>,
    /// Whether it was steady; nothing where the load was to change on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steadiness: Option<Steady>,
    /// How the warm-up ended, where it was to last until it was steady.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Steady>,
    /// How well the mean is known, where it was measured until it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_known: Option<Known>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curves: Option<Curves>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
}

/// Whole distributions, in microseconds: the latencies from plan and from send, and the rig's own times.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Curves {
    pub from_plan: WatcherCurves,
    pub from_send: WatcherCurves,
    pub generator_lag: Curve,
    pub generator_gap: Curve,
    pub shard_gap: Curve,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct WatcherCurves {
    pub first: Curve,
    pub median: Curve,
    pub last: Curve,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Curve {
    /// HdrHistogram, format V2, deflated, in base64.
    pub histogram_us: String,
    /// The same to be read by people: quantile, and the microseconds that it does not exceed.
    pub points_us: Vec<(f64, u64)>,
}

/// The measured time in equal intervals, of which the last may end after it; there are none where nobody knew beforehand how
/// long it would be. Every list has one entry for each. Publications planned and latencies stand in the
/// interval in which the publication was due; what was sent, delivered and skipped in that in which it was.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Series {
    pub interval_s: f64,
    pub publications_planned: Vec<u64>,
    pub publications_sent: Vec<u64>,
    pub notifications_delivered: Vec<u64>,
    pub notifications_skipped: Vec<u64>,
    pub first_us: SeriesUs,
    pub median_us: SeriesUs,
    pub last_us: SeriesUs,
    pub last_cells: Cells,
}

/// Quantiles and histograms of each interval; zeros where nothing was due.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct SeriesUs {
    pub p50: Vec<u64>,
    pub p90: Vec<u64>,
    pub p99: Vec<u64>,
    pub max: Vec<u64>,
    pub count: Vec<u64>,
    /// As in `Curve`, to two digits instead of three.
    pub histograms_us: Vec<String>,
}

/// How many latencies of each interval lie between two edges: one list an interval, with one number less than there are
/// edges.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Cells {
    pub edges_us: Vec<u64>,
    pub counts: Vec<Vec<u64>>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Config {
    pub purpose: String,
    pub target: String,
    pub runtime: String,
    pub runtime_why: String,
    pub model: String,
    pub users: u32,
    pub watchers: u64,
    pub subscriptions: u64,
    pub shards: usize,
    pub seed: u64,
    pub duration_s: f64,
    pub rate_per_s: f64,
    #[serde(default)]
    pub slo: Option<String>,
    pub slo_us: Option<u64>,
    pub skip_max: f64,
    /// What time decided whether the target was kept: `all`, or `undisturbed`.
    #[serde(default = "all")]
    pub judged_by: String,
    pub document_bytes: u64,
    pub contacts_mean: f64,
    pub internal_share: f64,
    pub endpoints_per_user: f64,
    pub categories: usize,
    pub presence: String,
    pub watchers_internal_share: f64,
    pub watchers_federated_share: f64,
    pub second_endpoint_share: f64,
    pub policy_edits_per_publication: f64,
    /// Each flag that was said, without its dashes, and its value as it was said.
    #[serde(default)]
    pub asked: BTreeMap<String, String>,
}

impl Config {
    /// What was driven, in a word.
    #[must_use]
    pub fn who(&self) -> &'static str {
        match self.target.as_str() {
            "null" => "loop",
            "double" => "double",
            _ => "engine",
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Publications {
    pub planned: u64,
    pub sent: u64,
    pub refused: u64,
    pub absorbed: u64,
    pub held: u64,
    pub unwatched: u64,
    pub unfinished: u64,
    pub rate_per_s: f64,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Notifications {
    pub delivered: u64,
    pub skipped: u64,
    pub skipped_share: f64,
    pub repeated: u64,
    pub cancelled: u64,
    pub pending: u64,
    pub lost: u64,
    pub rate_per_s: f64,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct LatencyUs {
    pub first: Quantiles,
    pub median: Quantiles,
    pub last: Quantiles,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct RigUs {
    pub shard_gap_us: Quantiles,
    pub generator_gap_us: Quantiles,
    pub generator_lag_us: Quantiles,
}

/// How results of before were judged.
fn all() -> String {
    "all".to_owned()
}

/// What was measured while every shard had its core, without what was on its way or being caught up with when one had not.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Undisturbed {
    /// The share of the measured time that this is.
    pub share: f64,
    /// Times were left out in which a core was away for so long.
    pub away_us: u64,
    pub latency_us: LatencyUs,
    pub skipped_share: f64,
}

/// Watchers that nobody waits for.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Troubled {
    pub watchers: u64,
    pub slow: u64,
    pub stopped: u64,
    pub left: u64,
    pub returned: u64,
    /// From coming back until every first state was told.
    pub return_us: Quantiles,
}

/// Shares of the shards' time in which others had their CPUs: in this system, and in others on the same machine.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Noise {
    pub preempted_share: f64,
    pub steal_share: f64,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Generator {
    pub busy: f64,
    pub cpu_s: f64,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Cost {
    pub engine_cpu_s: f64,
    pub recorder_cpu_s: f64,
    pub generator_cpu_s: f64,
    pub spin_cpu_s: f64,
    pub elapsed_cpu_s: f64,
    pub cpu_ns_per_notification: f64,
    pub recorder_ns_per_notification: f64,
    #[serde(default)]
    pub generator_ns_per_notification: f64,
    pub engine_bytes: u64,
    pub engine_gib: f64,
    pub subscribed_per_s: f64,
    pub document_bytes: u64,
    pub bytes_per_subscription: f64,
    pub bytes_per_subscription_without_documents: f64,
    pub bytes_per_topic: f64,
    pub topics: u64,
    pub shards_per_topic: f64,
}

/// The whole run's books, since the engine's start (C3).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Books {
    pub owed_gross: u64,
    pub owed: u64,
    pub delivered: u64,
    pub skipped: u64,
    pub cancelled: u64,
    pub filtered: u64,
    pub pending: u64,
    pub balanced: bool,
    pub compared: u64,
    pub checked_presentities: u64,
    pub checked_presentities_share: f64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct Capacity {
    /// What was confirmed: sent in the long point nearest to where as many pass as fail, at a rate of which no more failed than
    /// passed. It depends on the latency target.
    pub publications_per_s: f64,
    pub notifications_per_s: f64,
    pub users_by_rate: u64,
    pub users_by_memory: Option<u64>,
    pub lync_pools: f64,
    pub rate_limited_by: Option<String>,
    pub rate_limited_by_evidence: Option<String>,
    pub own_rate_per_s: f64,
    /// What the search varied: `rate` or `users`.
    #[serde(default)]
    pub vary: String,
    /// Why the search ended.
    #[serde(default)]
    pub ended: String,
    /// The lowest rate that failed: the limit lies between what was found and this.
    #[serde(default)]
    pub failed_per_s: Option<f64>,
    /// Where latency begins to rise faster than the rate, whatever the target: of all points of which something was measured,
    /// the rate of the one furthest below the straight line from the first to the last, times by their logarithm. It may lie on
    /// either side of what was confirmed.
    #[serde(default)]
    pub knee_per_s: Option<f64>,
    /// Points that failed at or below what was found: the more, the less the machine was the same all the while.
    #[serde(default)]
    pub failed_at_or_below: usize,
    /// What each search has found that took turns; the rest is that of the median one, of two the one that found less.
    #[serde(default)]
    pub searches: Vec<CapacitySearch>,
    /// Of all searches, one after the other.
    pub points: Vec<CapacityPoint>,
}

impl Capacity {
    /// What the search that found least has found, as a share of what the one that found most has; nothing of one search.
    #[must_use]
    pub fn agreement_share(&self) -> Option<f64> {
        let found = || self.searches.iter().map(|search| search.found_per_s);
        let most = found().fold(0.0, f64::max);
        (self.searches.len() > 1 && most > 0.0).then(|| found().fold(most, f64::min) / most)
    }
}

/// One search of several.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct CapacitySearch {
    /// What was confirmed; 0 if nothing was.
    pub found_per_s: f64,
    /// The lowest rate above it that failed.
    pub failed_per_s: Option<f64>,
    /// Why it ended.
    pub ended: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "see `Report`")]
pub struct CapacityPoint {
    /// Which search it was of, from 0.
    #[serde(default)]
    pub search: usize,
    pub rate_per_s: f64,
    #[serde(default)]
    pub users: u32,
    pub sent_per_s: f64,
    pub last_p99_us: u64,
    pub skipped_share: f64,
    /// The share of its time in which every shard had its core; nothing where that was all, or too little to say anything.
    #[serde(default)]
    pub undisturbed_share: Option<f64>,
    /// The 99th percentile of the last watcher in that time.
    #[serde(default)]
    pub undisturbed_last_p99_us: Option<u64>,
    pub passed: bool,
    pub reasons: Vec<String>,
}
