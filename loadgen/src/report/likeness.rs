//! What makes two results comparable: the same kind of machine, and the same configuration.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Report;

/// Keys of the configuration that are drawn from the seed, or say the same in other words.
const DRAWN: [&str; 7] =
    ["seed", "runtime_why", "watchers", "subscriptions", "contacts_mean", "endpoints_per_user", "document_bytes"];
/// Flags whose meaning is not in the other keys of the configuration, and what they are if they are not said. A report of
/// before they were written down has none of them, and is taken for one that was run as usual.
const ASKED: [(&str, &str); 14] = [
    ("contacts", "the model's"),
    ("endpoints", "the model's"),
    ("document", "the model's"),
    ("schedule", "poisson"),
    ("speed", "1"),
    ("spin", "the engine's own"),
    ("slow", "0"),
    ("stop", "0"),
    ("drop", "0%/min"),
    ("target", "embedded"),
    ("vary", "rate"),
    ("searches", "1"),
    ("warm-up", "usual"),
    ("until", "all of --duration"),
];
/// Memory is told apart in GiB: virtual machines lose and win some pages at each start.
const GIB: f64 = (1u64 << 30) as f64;

/// What a result was measured on, and with what. Equal ones can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness {
    /// The machine: its parts by name.
    pub host: BTreeMap<String, String>,
    /// The configuration by key.
    pub config: BTreeMap<String, String>,
}

impl Likeness {
    /// Of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let host = &report.host;
        let parts = [
            ("cpu", host.cpu.clone()),
            ("cores", host.cores.to_string()),
            ("memory_gib", (host.memory_bytes as f64 / GIB).round().to_string()),
        ];
        let config = match serde_json::to_value(&report.config) {
            Ok(Value::Object(config)) => config,
            _ => serde_json::Map::new(),
        };
        let found = found(report);
        let known = |key: &str| !DRAWN.contains(&key) && !found.contains(&key) && key != "asked";
        let mut config: BTreeMap<String, String> =
            config.into_iter().filter(|(key, _)| known(key)).map(|(key, value)| (key, said(&value))).collect();
        for (flag, usual) in ASKED {
            match report.config.asked.get(flag) {
                Some(value) => _ = config.insert(flag.to_owned(), value.clone()),
                // The target has a key, too, which says all but what a double is like.
                None => _ = config.entry(flag.to_owned()).or_insert_with(|| usual.to_owned()),
            }
        }
        Self { host: parts.map(|(name, part)| (name.to_owned(), part)).into(), config }
    }

    /// What is not alike: the name, and what each has.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let mut differences = Vec::new();
        for (one, another) in [(&self.host, &other.host), (&self.config, &other.config)] {
            let keys: std::collections::BTreeSet<_> = one.keys().chain(another.keys()).collect();
            for key in keys {
                let get =
                    |map: &BTreeMap<String, String>| map.get(key).cloned().unwrap_or_else(|| "unknown".to_owned());
                if one.get(key) != another.get(key) {
                    differences.push((key.clone(), get(one), get(another)));
                }
            }
        }
        differences
    }
}

/// Keys of what the run has found out, which are figures and no configuration.
fn found(report: &Report) -> &'static [&'static str] {
    match &report.capacity {
        Some(capacity) if capacity.vary == "users" => &["users", "rate_per_s"],
        // Where the search begins.
        Some(_) => &["rate_per_s"],
        None if report.config.asked.get("speed").is_some_and(|speed| speed == "max") => &["duration_s", "rate_per_s"],
        None => &[],
    }
}

fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}
