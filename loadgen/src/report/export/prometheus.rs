//! The report as metrics, in the text format that Prometheus and its text file collectors read.
//!
//! A dump of figures that will not change any more, so everything is a gauge with labels; times are in seconds, as is the
//! custom there. Text values are escaped by the encoder, which also closes the text as OpenMetrics demands.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

use crate::recorder::Quantiles;
use crate::report::{LatencyUs, Report};

type Labels = Vec<(&'static str, String)>;
type Figures = Family<Labels, Gauge<f64, AtomicU64>>;

/// The metrics.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut registry = Registry::with_prefix("fanfare");
    let run: Vec<(&str, String)> = vec![
        ("commit", report.commit.clone()),
        ("target", report.config.target.clone()),
        ("model", report.config.model.clone()),
        ("runtime", report.config.runtime.clone()),
        ("verdict", report.verdict.clone()),
    ];
    registry.register("run", "What was measured", Info::new(run));
    let figure = |registry: &mut Registry, name: &str, help: &str, value: f64| {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let registry = &mut registry;
    figure(registry, "passed", "1 if the verdict is PASS", f64::from(u8::from(report.passed())));
    figure(registry, "users", "Users signed in", f64::from(report.config.users));
    figure(registry, "subscriptions", "Subscriptions", report.config.subscriptions as f64);
    figure(registry, "publications_planned", "Publications that were due", report.publications.planned as f64);
    figure(registry, "publications_sent", "Publications sent", report.publications.sent as f64);
    figure(registry, "publications_per_second", "Publications sent a second", report.publications.rate_per_s);
    figure(registry, "notifications_delivered", "Notifications delivered", report.notifications.delivered as f64);
    figure(registry, "notifications_skipped", "Skipped for a newer state", report.notifications.skipped as f64);
    figure(registry, "notifications_lost", "Watchers that missed the newest state", report.notifications.lost as f64);
    figure(registry, "notifications_per_second", "Notifications a second", report.notifications.rate_per_s);
    let cost = |nanos: f64| nanos / 1e9;
    let spent = Figures::default();
    for (by, nanos) in [
        ("engine", report.cost.cpu_ns_per_notification),
        ("recorder", report.cost.recorder_ns_per_notification),
        ("generator", report.cost.generator_ns_per_notification),
    ] {
        spent.get_or_create(&vec![("by", by.to_owned())]).set(cost(nanos));
    }
    registry.register("notification_cpu_seconds", "CPU time a notification, by whom", spent);
    let latency = Figures::default();
    for (from, of) in [("plan", &report.latency_us), ("send", &report.latency_from_send_us)] {
        let LatencyUs { first, median, last } = of;
        for (watcher, quantiles) in [("first", first), ("median", median), ("last", last)] {
            set(&latency, &[("from", from), ("watcher", watcher)], quantiles);
        }
    }
    registry.register("latency_seconds", "Latency until a watcher was told", latency);
    let rig = Figures::default();
    set(&rig, &[("of", "generator_lag")], &report.rig.generator_lag_us);
    set(&rig, &[("of", "generator_gap")], &report.rig.generator_gap_us);
    set(&rig, &[("of", "shard_gap")], &report.rig.shard_gap_us);
    registry.register("rig_seconds", "The rig's own noise", rig);
    if let Some(capacity) = &report.capacity {
        figure(registry, "capacity_per_second", "Highest rate that kept the target", capacity.publications_per_s);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, registry);
    text
}

fn set(figures: &Figures, labels: &[(&'static str, &str)], of: &Quantiles) {
    // Where nothing was timed, a zero would be the best time of all.
    if of.count == 0 {
        return;
    }
    for (quantile, micros) in [("0.5", of.p50), ("0.9", of.p90), ("0.99", of.p99), ("0.999", of.p999), ("1", of.max)] {
        let labels = labels.iter().copied().chain([("quantile", quantile)]);
        let labels = labels.map(|(name, value)| (name, value.to_owned())).collect::<Labels>();
        figures.get_or_create(&labels).set(micros as f64 / 1e6);
    }
}
