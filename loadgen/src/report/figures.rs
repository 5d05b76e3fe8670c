//! The figures that results are compared by, in one table.

use serde_json::Value;

use super::Report;

/// What is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Less of it.
    Less,
    /// More of it.
    More,
}

/// How a difference is called: if it is for the better, and if it is for the worse.
pub type Words = (&'static str, &'static str);

const SPEED: Words = ("faster", "slower");
const SIZE: Words = ("smaller", "larger");
const SHARE: Words = ("better", "worse");
const RIG: Words = ("quieter", "noisier");

/// One figure of a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// As `--figure` takes it.
    pub name: &'static str,
    /// What it is, with its unit.
    pub title: &'static str,
    /// Where it is in the JSON form.
    pub pointer: &'static str,
    /// What is better.
    pub better: Better,
    /// What a report rounds it to.
    pub step: f64,
    /// What it is rounded to as a share of itself: histograms keep three digits.
    pub step_share: f64,
    /// How a difference is called.
    pub words: Words,
}

const fn figure(
    name: &'static str,
    title: &'static str,
    pointer: &'static str,
    better: Better,
    step: f64,
    words: Words,
) -> Figure {
    Figure { name, title, pointer, better, step, step_share: 0.0, words }
}

const fn time(name: &'static str, title: &'static str, pointer: &'static str, words: Words) -> Figure {
    Figure { name, title, pointer, better: Better::Less, step: 1.0, step_share: 0.001, words }
}

/// All figures, in the order in which they are shown.
pub const FIGURES: [Figure; 12] = {
    use Better::{Less, More};
    [
        figure("cpu-ns", "CPU ns a notification", "/cost/cpu_ns_per_notification", Less, 0.1, SPEED),
        figure("capacity", "publications/s in the target", "/capacity/publications_per_s", More, 0.1, SPEED),
        figure("publications", "publications/s sent", "/publications/rate_per_s", More, 0.1, SPEED),
        figure("notifications", "notifications/s", "/notifications/rate_per_s", More, 0.1, SPEED),
        time("last-p50", "last watcher p50, us", "/latency_us/last/p50", SPEED),
        time("last-p99", "last watcher p99, us", "/latency_us/last/p99", SPEED),
        time("last-p999", "last watcher p99.9, us", "/latency_us/last/p999", SPEED),
        time("median-p99", "median watcher p99, us", "/latency_us/median/p99", SPEED),
        figure("bytes", "bytes a subscription", "/cost/bytes_per_subscription", Less, 0.01, SIZE),
        figure("sign-in", "subscriptions/s at sign-in", "/cost/subscribed_per_s", More, 1.0, SPEED),
        figure("skipped", "skipped share", "/notifications/skipped_share", Less, 1e-6, SHARE),
        time("generator-lag-p99", "rig: generator lag p99, us", "/rig/generator_lag_us/p99", RIG),
    ]
};

impl Figure {
    /// The figure of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FIGURES.iter().find(|figure| figure.name == name)
    }

    /// What decides where nobody says: capacity for searches, the engine's own work for runs at one rate.
    #[must_use]
    pub fn deciding(is_search: bool) -> &'static Self {
        &FIGURES[usize::from(is_search)]
    }

    /// Its value among those of a report.
    #[must_use]
    pub fn of(&self, values: &Values) -> Option<f64> {
        FIGURES.iter().zip(values).find_map(|(figure, value)| value.filter(|_| figure.name == self.name))
    }

    /// Whether a change by such a ratio is for the better.
    #[must_use]
    pub fn is_better(&self, ratio: f64) -> bool {
        (ratio > 1.0) == (self.better == Better::More)
    }

    /// How a change by such a ratio is called.
    #[must_use]
    pub fn word_for(&self, ratio: f64) -> &'static str {
        if self.is_better(ratio) { self.words.0 } else { self.words.1 }
    }

    /// All names, for messages.
    #[must_use]
    pub fn names() -> String {
        FIGURES.map(|figure| figure.name).join(", ")
    }

    /// What values of about this size are rounded to.
    #[must_use]
    pub fn step_of(&self, value: f64) -> f64 {
        self.step.max(self.step_share * value)
    }
}

/// The values of a report's figures, in the order of [`FIGURES`]; nothing where it has none.
pub type Values = [Option<f64>; FIGURES.len()];

/// Reads the figures of a report.
#[must_use]
pub fn values(report: &Report) -> Values {
    let json = serde_json::to_value(report).unwrap_or(Value::Null);
    FIGURES.map(|figure| json.pointer(figure.pointer).and_then(Value::as_f64))
}

/// Reads a figure's name.
///
/// # Errors
/// The names that there are.
pub fn parse(name: &str) -> Result<&'static Figure, String> {
    Figure::find(name).ok_or_else(|| format!("there is no figure `{name}`; there are {}", Figure::names()))
}

/// A number with about four digits that mean something.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 0.01 => format!("{value:.6}"),
        small if small < 100.0 => format!("{value:.2}"),
        _ => super::screen::grouped(value.round() as u64),
    }
}
