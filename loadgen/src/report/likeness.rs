//! What makes two results comparable: the same kind of machine, and the same configuration.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Report;

/// Keys of the configuration that are drawn from the seed, or say the same in other words.
const DRAWN: [&str; 7] =
    ["seed", "runtime_why", "watchers", "subscriptions", "contacts_mean", "endpoints_per_user", "document_bytes"];
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
        Self {
            host: parts.map(|(name, part)| (name.to_owned(), part)).into(),
            config: config
                .into_iter()
                .filter(|(key, _)| !DRAWN.contains(&key.as_str()))
                .map(|(key, value)| (key, said(&value)))
                .collect(),
        }
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

fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}
