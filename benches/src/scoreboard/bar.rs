//! What is to be reached, and what a figure says about it.

use std::collections::BTreeMap;

use serde::Serialize;

/// Figures by their key.
pub type Figures = BTreeMap<&'static str, f64>;

/// Whether missing it stops a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It must hold.
    Gate,
    /// It is aimed at; where it is missed, the limit and its breakdown are on record.
    Target,
    /// It stands beside another figure.
    Beside,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug)]
pub enum Reach {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
    /// No more than this, or than so many times another figure.
    AtMostOrTimes(f64, f64, &'static str),
    /// Between these: what is below is as wrong as what is above.
    Within(f64, f64),
    /// Nothing.
    Open,
}

/// One figure's bar.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// The key in JSON.
    pub key: &'static str,
    /// What it is.
    pub what: &'static str,
    /// What it is held against.
    pub reach: Reach,
    /// Whether it must.
    pub kind: Kind,
}

const fn bar(key: &'static str, kind: Kind, reach: Reach, what: &'static str) -> Bar {
    Bar { key, what, reach, kind }
}

/// All figures, in the order in which they are shown.
pub const BARS: [Bar; 30] = [
    bar("rival_best_10k", Kind::Target, Reach::AtLeast(4.0), "times the best queueing rival, 10 k users"),
    bar("rival_best_100k", Kind::Target, Reach::AtLeast(4.0), "times the best queueing rival, 100 k users"),
    bar("rival_broadcast", Kind::Target, Reach::AtLeast(20.0), "times tokio broadcast, 10 k users"),
    bar("rival_index_100k", Kind::Target, Reach::AtLeast(0.8), "times the index outbox, 100 k users"),
    bar("notifications_per_s_10k", Kind::Beside, Reach::Open, "notifications a second and core, 10 k users"),
    bar("notifications_per_s_100k", Kind::Beside, Reach::Open, "notifications a second and core, 100 k users"),
    // Below one, the floor is slower than what stands on it, and no floor.
    bar("floor_100k", Kind::Target, Reach::Within(1.0, 2.0), "times the floor, 100 k users"),
    bar("floor_1m", Kind::Target, Reach::Within(1.0, 2.0), "times the floor, 1 M users"),
    bar("floor_10m", Kind::Target, Reach::Within(1.0, 2.5), "times the floor, 10 M users"),
    bar("growth_1m", Kind::Gate, Reach::AtMostOrTimes(2.0, 1.2, "floor_growth_1m"), "cost at 1 M over 100 k users"),
    bar("floor_growth_1m", Kind::Beside, Reach::Open, "the floor's own"),
    bar("growth_10m", Kind::Gate, Reach::AtMostOrTimes(2.0, 1.2, "floor_growth_10m"), "cost at 10 M over 1 M users"),
    bar("floor_growth_10m", Kind::Beside, Reach::Open, "the floor's own"),
    bar("ns_100k", Kind::Beside, Reach::Open, "ns a notification, 100 k users"),
    bar("ns_1m", Kind::Beside, Reach::Open, "ns a notification, 1 M users"),
    bar("ns_10m", Kind::Beside, Reach::Open, "ns a notification, 10 M users"),
    bar("bytes_bulk", Kind::Gate, Reach::AtMost(22.0), "bytes a subscription after bulk load, one shard"),
    bar("bytes_churned", Kind::Gate, Reach::AtMost(24.0), "bytes a subscription after random churn"),
    bar("bytes_two_shards", Kind::Gate, Reach::AtMost(25.0), "bytes a subscription on two shards"),
    bar("bytes_group", Kind::Gate, Reach::AtMost(64.0), "bytes of a group with an identity and an expiry"),
    bar("billion_gib", Kind::Gate, Reach::AtMost(21.0), "GiB for a billion subscriptions"),
    bar("billion_subscribe_per_s", Kind::Gate, Reach::AtLeast(5e6), "subscribed a second and core, on the way there"),
    bar("hot_floor", Kind::Target, Reach::Within(1.0, 1.5), "times the floor, one presentity with 1 M watchers"),
    bar("hot_steps", Kind::Gate, Reach::AtMost(2.0), "steps until 256 watchers beside it are marked"),
    bar("scaling_2", Kind::Gate, Reach::AtLeast(0.8), "two shards over two independent engines"),
    bar("scaling_2_target", Kind::Target, Reach::AtLeast(0.9), "the same, aimed at"),
    bar("two_shards_per_s", Kind::Beside, Reach::Open, "notifications a second on two shards"),
    bar(
        "half_load_last_p99_us",
        Kind::Target,
        Reach::AtMost(1_000.0),
        "us over the null target at half of capacity, p99",
    ),
    bar("instructions_before", Kind::Beside, Reach::Open, "instructions a notification before"),
    bar("instructions", Kind::Target, Reach::AtMostOrTimes(0.0, 0.8, "instructions_before"), "and now"),
];

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is where it should be.
    Reached,
    /// A target is missed.
    Missed,
    /// A gate does not hold.
    Fail,
    /// It was not measured in this run.
    NotMeasured,
    /// It has no bar.
    Shown,
}

/// One line of the scoreboard.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The figure's key.
    pub key: &'static str,
    /// What it is.
    pub what: &'static str,
    /// The figure.
    pub value: Option<f64>,
    /// What it is held against, in words.
    pub bar: String,
    /// Whether it must.
    pub kind: Kind,
    /// What became of it.
    pub verdict: Verdict,
}

/// Holds figures against their bars.
#[must_use]
pub fn lines(figures: &Figures) -> Vec<Line> {
    BARS.iter().map(|bar| bar.line(figures)).collect()
}

impl Bar {
    fn line(&self, figures: &Figures) -> Line {
        let value = figures.get(self.key).copied();
        let verdict = match (value, self.kind) {
            (None, _) => Verdict::NotMeasured,
            (Some(_), Kind::Beside) => Verdict::Shown,
            (Some(value), kind) => match (self.holds(value, figures), kind) {
                (true, _) => Verdict::Reached,
                (false, Kind::Gate) => Verdict::Fail,
                // A ratio to the floor below one says that the measurement is wrong.
                (false, _) if matches!(self.reach, Reach::Within(least, _) if value < least) => Verdict::Fail,
                (false, _) => Verdict::Missed,
            },
        };
        Line { key: self.key, what: self.what, value, bar: self.reach.in_words(), kind: self.kind, verdict }
    }

    fn holds(&self, value: f64, figures: &Figures) -> bool {
        match self.reach {
            Reach::AtLeast(least) => value >= least,
            Reach::AtMost(most) => value <= most,
            Reach::AtMostOrTimes(most, times, other) => {
                value <= most || figures.get(other).is_some_and(|other| value <= times * other)
            }
            Reach::Within(least, most) => (least..=most).contains(&value),
            Reach::Open => true,
        }
    }
}

impl Reach {
    fn in_words(self) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {}", short(least)),
            Self::AtMost(most) => format!("at most {}", short(most)),
            Self::AtMostOrTimes(most, times, other) if most <= 0.0 => format!("at most {times} x {other}"),
            Self::AtMostOrTimes(most, times, _) => format!("at most {}, or {times} x the floor's", short(most)),
            Self::Within(least, most) => format!("{} to {}", short(least), short(most)),
            Self::Open => String::new(),
        }
    }
}

/// A figure in as few digits as say something.
#[must_use]
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.1} M", value / 1e6),
        size if size >= 1e3 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(key: &'static str, figures: &[(&'static str, f64)]) -> Verdict {
        let figures = figures.iter().copied().collect();
        lines(&figures).into_iter().find(|line| line.key == key).expect("it has a bar").verdict
    }

    #[test]
    fn a_gate_fails_a_target_is_missed_and_what_is_not_there_is_said_to_be_missing() {
        assert_eq!(verdict("bytes_bulk", &[("bytes_bulk", 21.9)]), Verdict::Reached);
        assert_eq!(verdict("bytes_bulk", &[("bytes_bulk", 22.1)]), Verdict::Fail);
        assert_eq!(verdict("rival_best_10k", &[("rival_best_10k", 3.9)]), Verdict::Missed);
        assert_eq!(verdict("rival_best_10k", &[]), Verdict::NotMeasured);
        assert_eq!(verdict("ns_1m", &[("ns_1m", 3.9)]), Verdict::Shown);
    }

    #[test]
    fn growth_may_be_the_floors_own() {
        assert_eq!(verdict("growth_1m", &[("growth_1m", 2.5), ("floor_growth_1m", 2.0)]), Verdict::Fail);
        assert_eq!(verdict("growth_1m", &[("growth_1m", 2.5), ("floor_growth_1m", 2.1)]), Verdict::Reached);
        assert_eq!(verdict("growth_1m", &[("growth_1m", 1.9)]), Verdict::Reached);
    }

    #[test]
    fn a_floor_that_is_slower_than_the_engine_is_no_floor() {
        assert_eq!(verdict("floor_1m", &[("floor_1m", 0.9)]), Verdict::Fail);
        assert_eq!(verdict("floor_1m", &[("floor_1m", 2.1)]), Verdict::Missed);
        assert_eq!(verdict("floor_1m", &[("floor_1m", 1.5)]), Verdict::Reached);
    }

    #[test]
    fn every_key_is_there_once() {
        let keys: std::collections::HashSet<_> = BARS.iter().map(|bar| bar.key).collect();
        assert_eq!(keys.len(), BARS.len());
    }
}
