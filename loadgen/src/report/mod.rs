//! What a run comes to: one structure, shown to people by [`screen`] and to machines by [`json`].
//!
//! Made once, at the end, on the main thread. The names of its fields are the schema of the JSON form; fields may be
//! added to a schema, but none may change its meaning.

mod distributions;
pub mod export;
pub mod figures;
pub mod files;
pub mod histogram;
pub mod json;
pub mod likeness;
pub mod page;
pub mod saved;
mod schema;
pub mod screen;
mod sessions;
pub mod steady;

use std::collections::BTreeMap;

use fanfare_tuning::users::Presence;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use schema::{
    Books, Capacity, CapacityPoint, CapacitySearch, Cells, Config, Cost, Curve, Curves, Generator, LatencyUs, Noise,
    Notifications, Publications, Report, RigUs, Series, SeriesUs, Troubled, Undisturbed, WatcherCurves,
};

use crate::capacity::Vary;
use crate::capacity::hunt::Ended;
use crate::capacity::{self, Search};
use crate::crew::{Checked, SignIn};
use crate::point::PointResult;
use crate::population::Totals;
use crate::recorder::calibrate::RecorderCost;
use crate::sample::Sample;
use crate::schedule::Mix;
use crate::settings::{Purpose, Settings};
use crate::sign_in::Division;
use crate::slo::Slo;
use crate::trace::TraceError;
use crate::trace::recording::Recorded;
use crate::traffic::Traffic;
use crate::verdict::{self, LimitedBy, Shares};

/// Users of the pool that capacity is counted in.
const POOL_USERS: f64 = 80_000.0;

/// How a verdict is written.
const PASS: &str = "PASS";
const FAIL: &str = "FAIL";

/// Everything a run found out.
#[derive(Debug)]
pub struct Findings {
    /// Sums over the population.
    pub totals: Totals,
    /// The sign-in storm.
    pub sign_in: SignIn,
    /// The point that the report is about: the rate of `run`, the best one of `capacity`.
    pub point: Option<PointResult>,
    /// The search of `capacity`.
    pub searches: Vec<Search>,
    /// The final check.
    pub checked: Checked,
    /// Whose watchers were followed.
    pub sample: Sample,
    /// How many presentities those are.
    pub checked_presentities: u64,
    /// Where the time of the sign-in storm went.
    pub storm: Division,
    /// What the recorder costs.
    pub recorder: RecorderCost,
    /// The phases.
    pub phases: Vec<Phase>,
    /// What turned the shards.
    pub runtime: String,
    /// Why.
    pub runtime_why: String,
    /// What was recorded as a trace, if anything was to be.
    pub recorded: Option<Result<Recorded, TraceError>>,
    /// Presentities with at least one watcher.
    pub presentities_watched: u64,
    /// Whether it was cut short.
    pub cut: bool,
}

/// One phase of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// What else there is to say.
    #[serde(flatten)]
    pub figures: BTreeMap<String, f64>,
}

impl Phase {
    /// A phase without further figures.
    #[must_use]
    pub fn new(name: &str, seconds: f64) -> Self {
        Self { name: name.to_owned(), seconds, figures: BTreeMap::new() }
    }
}

impl Report {
    /// Puts the report together.
    #[must_use]
    pub fn new(settings: &Settings, findings: Findings) -> Self {
        let reasons = verdict::of_run(&findings, settings);
        let point = findings.point.as_ref();
        let capacity = match settings.purpose {
            Purpose::Run => None,
            Purpose::Capacity => Some(capacity_of(settings, &findings)),
        };
        let limit = limit(settings, &findings, capacity.as_ref());
        let steadiness = point.and_then(|point| steady::Steady::of(&point.distributions, settings));
        let mut warnings = verdict::warnings(&findings, settings);
        warnings.extend(steadiness.and_then(|steady| steady.warning()));
        // What was cut short was not given up.
        let paced = point.filter(|point| !point.cut).and_then(|point| point.paced.as_ref());
        let warm_up = paced.and_then(steady::warm_up_of);
        warnings.extend(warm_up.as_ref().and_then(steady::warm_up_warning));
        let mean_known = paced.and_then(steady::Known::of);
        warnings.extend(mean_known.as_ref().and_then(steady::Known::warning));
        let checked = &findings.checked;
        Self {
            schema: saved::SCHEMA,
            began: settings.began.clone(),
            verdict: if reasons.is_empty() { PASS } else { FAIL }.to_owned(),
            reasons,
            warnings,
            cut_short: findings.cut,
            limited_by: limit.as_ref().map(|limit| limit.what.clone()),
            limited_by_evidence: limit.map(|limit| limit.evidence),
            command: settings.command.clone(),
            commit: env!("FANFARE_COMMIT").to_owned(),
            host: settings.host.clone(),
            config: config(settings, &findings),
            publications: point.map_or_else(Publications::default, |point| Publications {
                planned: point.issued.planned,
                sent: point.issued.sent,
                refused: point.issued.refused,
                absorbed: checked.absorbed,
                held: point.issued.held,
                unwatched: point.issued.unwatched,
                unfinished: point.unfinished,
                rate_per_s: round(point.sent_per_s, 1),
            }),
            notifications: Notifications {
                delivered: point.map_or(0, |point| point.delivered),
                skipped: point.map_or(0, |point| point.skipped),
                skipped_share: point.map_or(0.0, |point| round(point.skipped_share(), 6)),
                repeated: checked.faults.repeated,
                cancelled: checked.cancelled,
                pending: checked.pending,
                lost: checked.lost,
                rate_per_s: point.map_or(0.0, |point| round(point.notified_per_s, 1)),
            },
            traffic: {
                let names = &settings.blend.first().categories.value;
                // The keys are there when nothing was measured, too.
                point.map_or_else(
                    || Traffic::default().by_kind(names, 0.0, 0.0),
                    |point| {
                        let sending_s = point.issued.sent as f64 / point.sent_per_s.max(1e-6);
                        point.traffic.by_kind(names, sending_s, point.told_s)
                    },
                )
            },
            sessions: point.map_or_else(BTreeMap::new, |point| crate::sessions::by_kind(point, settings)),
            latency_us: point.map_or_else(LatencyUs::default, |point| {
                let [first, median, last] = point.latency;
                LatencyUs { first, median, last }
            }),
            undisturbed: point.and_then(|point| point.undisturbed).map(|calm| {
                let [first, median, last] = calm.latency;
                Undisturbed {
                    share: round(calm.share, 4),
                    away_us: calm.away_us,
                    latency_us: LatencyUs { first, median, last },
                    skipped_share: round(calm.skipped_share, 6),
                }
            }),
            troubled: point.filter(|point| point.troubled.bad != 0).map(|point| Troubled {
                watchers: point.troubled.bad,
                slow: point.troubled.slow,
                stopped: point.troubled.stopped,
                left: point.troubled.left,
                returned: point.troubled.returned,
                return_us: point.troubled.return_us.quantiles(),
            }),
            latency_from_send_us: point
                .map_or_else(LatencyUs::default, |point| LatencyUs::of(&point.distributions.latencies.from_send)),
            rig: point.map_or_else(RigUs::default, |point| RigUs {
                shard_gap_us: point.shard_gap,
                generator_gap_us: point.generator_gap,
                generator_lag_us: point.lag,
            }),
            process: point.and_then(|point| point.around.process),
            noise: point.map_or_else(Noise::default, |point| Noise {
                preempted_share: round(point.preempted_share(), 4),
                steal_share: round(point.around.steal_share, 4),
            }),
            generator: point.map_or_else(Generator::default, |point| {
                let shares = Shares::of(point, &findings.recorder);
                Generator { busy: round(shares.rig_share(), 4), cpu_s: round(shares.generator_ns / 1e9, 4) }
            }),
            cost: cost(&findings),
            books: Books {
                owed_gross: checked.owed,
                owed: checked.owed - checked.filtered,
                delivered: checked.delivered,
                skipped: checked.skipped,
                cancelled: checked.cancelled,
                filtered: checked.filtered,
                pending: checked.pending,
                balanced: checked.identity_holds(),
                compared: checked.compared,
                checked_presentities: findings.checked_presentities,
                checked_presentities_share: round(
                    findings.checked_presentities as f64 / f64::from(settings.traits.users),
                    6,
                ),
            },
            faults: checked.faults,
            measured_at: point.map(|point| crate::quantities::moment(point.distributions.began)),
            measured_s: point.map(|point| round(point.measured_s, 6)),
            steadiness,
            warm_up,
            mean_known,
            curves: point.map(|point| Curves::of(&point.distributions)),
            series: point.and_then(|point| Series::of(&point.distributions)),
            phases: findings.phases,
            capacity,
        }
    }

    /// Whether it is a PASS.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.reasons.is_empty()
    }
}

fn config(settings: &Settings, findings: &Findings) -> Config {
    let traits = &settings.traits;
    let users = traits.users;
    let totals = &findings.totals;
    // In the mean over all publications, whosever they are.
    let publications = |of: &dyn Fn(&Mix) -> f64| -> f64 {
        settings.mixes.iter().zip(&traits.kinds).map(|(mix, kind)| kind.share * mix.frequency * of(mix)).sum()
    };
    let beside = |of: fn(&Mix) -> f64| publications(&of) / publications(&|_| 1.0);
    Config {
        purpose: match settings.purpose {
            Purpose::Run => "run",
            Purpose::Capacity => "capacity",
        }
        .to_owned(),
        target: settings.target.as_str().to_owned(),
        runtime: findings.runtime.clone(),
        runtime_why: findings.runtime_why.clone(),
        model: settings.blend.name(),
        users,
        watchers: findings.sign_in.watchers,
        subscriptions: findings.sign_in.subscriptions,
        shards: settings.shards,
        seed: settings.traits.seed,
        duration_s: if settings.traces.is_at_once() {
            findings.point.as_ref().map_or(0.0, |point| point.measured_s)
        } else {
            settings.duration.as_secs_f64()
        },
        rate_per_s: round(settings.rate_per_s, 3),
        slo: settings.slo.as_ref().map(ToString::to_string),
        slo_us: settings.slo.as_ref().and_then(Slo::last_p99).map(|below| below.as_micros() as u64),
        skip_max: settings.skip_max,
        judged_by: if settings.count_disturbed { "all" } else { "undisturbed" }.to_owned(),
        document_bytes: totals.document_bytes / u64::from(users),
        contacts_mean: round(totals.subscriptions as f64 / totals.watchers.max(1) as f64, 2),
        internal_share: round(traits.mean(|kind| kind.internal_share), 6),
        endpoints_per_user: round(totals.watchers as f64 / f64::from(users), 3),
        categories: settings.blend.first().categories.value.len(),
        presence: match settings.presence {
            Presence::Plain => "plain",
            Presence::Lync => "lync",
        }
        .to_owned(),
        watchers_internal_share: round(traits.mean(|kind| kind.watchers[0]), 6),
        watchers_federated_share: round(traits.mean(|kind| kind.watchers[1]), 6),
        second_endpoint_share: round(beside(|mix| mix.idle), 6),
        policy_edits_per_publication: round(beside(|mix| mix.policies), 6),
        asked: settings.asked.0.clone(),
    }
}

fn cost(findings: &Findings) -> Cost {
    let checked = &findings.checked;
    let subscriptions = findings.sign_in.subscriptions.max(1) as f64;
    let memory = Cost {
        engine_bytes: checked.engine_bytes,
        engine_gib: round(checked.engine_bytes as f64 / (1u64 << 30) as f64, 3),
        subscribed_per_s: round(findings.storm.subscribed_per_s(), 0),
        document_bytes: checked.document_bytes,
        bytes_per_subscription: round(checked.engine_bytes as f64 / subscriptions, 2),
        bytes_per_subscription_without_documents: round(
            (checked.engine_bytes - checked.document_bytes.min(checked.engine_bytes)) as f64 / subscriptions,
            2,
        ),
        bytes_per_topic: round(checked.topic_bytes as f64 / checked.topics.max(1) as f64, 1),
        topics: checked.topics,
        shards_per_topic: round(checked.presentities as f64 / findings.presentities_watched.max(1) as f64, 3),
        ..Cost::default()
    };
    let Some(point) = &findings.point else { return memory };
    let shares = Shares::of(point, &findings.recorder);
    let notes = point.notes.max(1) as f64;
    Cost {
        engine_cpu_s: round(shares.engine_ns / 1e9, 4),
        recorder_cpu_s: round(shares.recorder_ns / 1e9, 4),
        generator_cpu_s: round(shares.generator_ns / 1e9, 4),
        spin_cpu_s: round(shares.spin_ns / 1e9, 4),
        elapsed_cpu_s: round(shares.elapsed_ns / 1e9, 4),
        cpu_ns_per_notification: round(shares.engine_ns / notes, 1),
        recorder_ns_per_notification: round(shares.recorder_ns / notes, 1),
        generator_ns_per_notification: round(shares.generator_ns / notes, 1),
        ..memory
    }
}

fn capacity_of(settings: &Settings, findings: &Findings) -> Capacity {
    let nothing = Search::default();
    let search = capacity::reported(&findings.searches).unwrap_or(&nothing);
    let rate = findings.point.as_ref().map_or(0.0, |point| point.sent_per_s);
    let users_by_rate = rate * 3600.0 / settings.publications_per_hour;
    let engine_bytes = findings.checked.engine_bytes as f64;
    let users_by_memory = (engine_bytes > 0.0)
        .then(|| settings.host.memory_bytes as f64 / (engine_bytes / f64::from(settings.traits.users)));
    let users = users_by_memory.map_or(users_by_rate, |by_memory| by_memory.min(users_by_rate));
    let limit = search.limit.as_ref().map(|point| verdict::limit_of_point(point, &findings.recorder, settings));
    Capacity {
        publications_per_s: round(rate, 1),
        notifications_per_s: findings.point.as_ref().map_or(0.0, |point| round(point.notified_per_s, 1)),
        users_by_rate: users_by_rate as u64,
        users_by_memory: users_by_memory.map(|users| users as u64),
        // Downwards: nobody runs nine tenths of what a report rounded up.
        lync_pools: (users / POOL_USERS * 10.0).floor() / 10.0,
        rate_limited_by: limit.as_ref().map(|limit| limit.what.clone()),
        rate_limited_by_evidence: limit.map(|limit| limit.evidence),
        own_rate_per_s: round(settings.rate_per_s, 1),
        vary: match settings.vary {
            Vary::Rate => "rate",
            Vary::Users => "users",
        }
        .to_owned(),
        ended: why_it_ended(search, settings.vary).to_owned(),
        failed_per_s: search.limit.as_ref().map(|point| round(point.rate_per_s, 1)),
        knee_per_s: search.knee_per_s().map(|rate| round(rate, 1)),
        failed_at_or_below: search.failed_at_or_below(),
        searches: findings
            .searches
            .iter()
            .map(|search| CapacitySearch {
                found_per_s: round(search.found_per_s(), 1),
                failed_per_s: search.limit.as_ref().map(|point| round(point.rate_per_s, 1)),
                ended: why_it_ended(search, settings.vary).to_owned(),
            })
            .collect(),
        points: findings
            .searches
            .iter()
            .enumerate()
            .flat_map(|(number, search)| search.points.iter().map(move |tried| (number, tried)))
            .map(|(number, tried)| CapacityPoint {
                search: number,
                rate_per_s: round(tried.rate_per_s, 1),
                users: tried.users,
                sent_per_s: round(tried.sent_per_s, 1),
                last_p99_us: tried.last_p99_us,
                skipped_share: round(tried.skipped_share, 6),
                undisturbed_share: tried.undisturbed.map(|(share, _)| round(share, 4)),
                undisturbed_last_p99_us: tried.undisturbed.map(|(_, p99_us)| p99_us),
                passed: tried.reasons.is_empty(),
                reasons: tried.reasons.clone(),
            })
            .collect(),
    }
}

/// In words.
fn why_it_ended(search: &Search, vary: Vary) -> &'static str {
    let Some(ended) = search.ended else { return "" };
    match (ended, vary) {
        (Ended::Settled, _) => "settled: what passes and what fails are a step or two apart",
        (Ended::TimeUp, _) if search.is_confirmed => "not settled: where its long points gathered",
        (Ended::TimeUp, _) => "not settled: no long point passed",
        (Ended::NoLimit, Vary::Rate) => "no limit: the highest rate that is tried passed",
        (Ended::NoLimit, Vary::Users) => "no limit: the most users that fit the machine passed",
        (Ended::NothingPassed, Vary::Rate) => "no rate passed a long point, down to a fifth of what short ones passed",
        (Ended::NothingPassed, Vary::Users) => {
            "no number of users passed a long point, down to a fifth of what short ones passed"
        }
        (Ended::Cut, _) => "cut short",
    }
}

/// What kept the run from more: nothing if nothing was asked that it could not do.
fn limit(settings: &Settings, findings: &Findings, capacity: Option<&Capacity>) -> Option<LimitedBy> {
    let Some(capacity) = capacity else {
        let point = findings.point.as_ref()?;
        let failed = !verdict::of_point(point, settings).is_empty();
        return failed.then(|| verdict::limit_of_point(point, &findings.recorder, settings));
    };
    if let Some(by_memory) = capacity.users_by_memory
        && by_memory < capacity.users_by_rate
    {
        let evidence = format!(
            "{} of memory at {} a user carry {} users; the rate alone would carry {}",
            screen::bytes(settings.host.memory_bytes as f64),
            screen::bytes(findings.checked.engine_bytes as f64 / f64::from(settings.traits.users)),
            screen::grouped(by_memory),
            screen::grouped(capacity.users_by_rate)
        );
        return Some(LimitedBy { what: "memory".to_owned(), evidence });
    }
    let (what, evidence) = (capacity.rate_limited_by.clone()?, capacity.rate_limited_by_evidence.clone()?);
    Some(LimitedBy { what, evidence })
}

/// The JSON Schema of the report's machine form, made from the structures that write it.
#[must_use]
pub fn schema_text() -> String {
    let mut schema = schemars::schema_for!(Report);
    schema.insert("title".to_owned(), "A report of Fanfare's loadgen, schema 1".into());
    // A schema is a JSON value and nothing else.
    serde_json::to_string_pretty(&schema).map_or_else(|error| error.to_string(), |text| text + "\n")
}

/// Digits that mean nothing are left out.
fn round(number: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (number * scale).round() / scale
}
