//! What one of each costs: read from the record, so that no figure stands in two places.

use serde::{Deserialize, Serialize};

use super::ModelError;

/// The record that the defaults are read from.
const RECORD: &str = include_str!("../../record/2026-11-22/model.json");

/// How a constant was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// By a run.
    Measured,
    /// From what was measured, by arithmetic.
    Derived,
}

/// A figure, and where it is from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Constant {
    /// The figure, in the unit that its name ends with.
    pub value: f64,
    /// Whether it was measured.
    pub origin: Origin,
    /// By which command, or from which figures.
    pub from: String,
}

/// What one of each costs. [`Constants::default`] is the record's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Constants {
    /// A subscription on one shard, with its part of the users' records and of 32-byte documents, 80 contacts each:
    /// `loadgen run --model plain --users 1000000 --contacts 80 --endpoints 1 --shards 1 --document 32`.
    pub subscription_bytes: Constant,
    /// A topic on one more shard: its record, its entry in the table, half a run of subscribers, its reader at home. The
    /// difference between `costs 80 2 10 20000` and `costs 80 1 10 20000`, divided by the topics that it is made of.
    pub topic_bytes: Constant,
    /// One mark and one note, on the watcher's core: what `costs 80 1` takes more than `costs 10 1`, by 70.
    pub notification_ns: Constant,
    /// One update: made at the home, sent, taken in by one topic, its walk begun, its old document handed back. The slope
    /// of `costs 80 SHARDS` over updates. One core's caches serve all shards there, and the machine was noisy: take it for its
    /// order of magnitude.
    pub update_ns: Constant,
    /// What is done once for each publication at its home and at its publisher's: request, new state, answer. What is
    /// left of `costs 10 1` when notifications and the update are taken off; no less than 0.
    pub publication_ns: Constant,
    /// What a message costs sender and receiver together because it goes to another core: its line and its document's
    /// travel. `cargo bench -p fanfare-benches -- retire`: a document there and its way home are two.
    pub message_ns: Constant,
    /// Instructions of one mark and one note, as `notification_ns`, counted by callgrind.
    pub notification_instructions: Constant,
    /// Instructions of one update, as `update_ns`. No cache is in them, so they are the least that it can cost.
    pub update_instructions: Constant,
    /// Instructions of a publication, as `publication_ns`.
    pub publication_instructions: Constant,
}

/// The record's file: the constants and, beside them, what they were drawn from.
#[derive(Deserialize)]
struct Record {
    constants: Constants,
}

impl Constants {
    /// Reads the `constants` of a file like the record's.
    ///
    /// # Errors
    /// [`ModelError::Unreadable`] for text of another form, [`ModelError::Constant`] for a figure that cannot be.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let Record { constants } = serde_json::from_str(text)?;
        constants.validate()?;
        Ok(constants)
    }

    /// Name and figure of each.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Constant); 9] {
        [
            ("subscription_bytes", &self.subscription_bytes),
            ("topic_bytes", &self.topic_bytes),
            ("notification_ns", &self.notification_ns),
            ("update_ns", &self.update_ns),
            ("publication_ns", &self.publication_ns),
            ("message_ns", &self.message_ns),
            ("notification_instructions", &self.notification_instructions),
            ("update_instructions", &self.update_instructions),
            ("publication_instructions", &self.publication_instructions),
        ]
    }

    /// Checks that each can be: a subscription and a notification cost something, and nothing costs less than nothing.
    ///
    /// # Errors
    /// [`ModelError::Constant`], the first that cannot.
    pub fn validate(&self) -> Result<(), ModelError> {
        for (name, &Constant { value, .. }) in self.named() {
            let is_divisor = matches!(name, "subscription_bytes" | "notification_ns" | "notification_instructions");
            let least = if is_divisor { "more than 0" } else { "0" };
            let is_enough = if is_divisor { value > 0.0 } else { value >= 0.0 };
            if !(value.is_finite() && is_enough) {
                return Err(ModelError::Constant { name, value, least });
            }
        }
        Ok(())
    }
}

impl Default for Constants {
    /// Those of the record.
    fn default() -> Self {
        Self::from_json(RECORD).expect("a test reads the record")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_can_be_read() {
        assert!(Constants::default().named().iter().all(|(_, constant)| !constant.from.is_empty()));
    }

    #[test]
    fn other_figures_take_the_records_place_and_nonsense_does_not() {
        let mut constants = Constants::default();
        constants.update_ns.value = 7.0;
        let text = |constants: &Constants| serde_json::json!({ "constants": constants }).to_string();
        assert_eq!(Constants::from_json(&text(&constants)).unwrap().update_ns.value, 7.0);
        constants.update_ns.value = -1.0;
        let refused = Constants::from_json(&text(&constants)).unwrap_err().to_string();
        assert!(refused.contains("`update_ns` is -1"), "{refused}");
        constants.update_ns.value = f64::NAN;
        assert!(constants.validate().is_err());
        constants.update_ns.value = 0.0;
        constants.notification_ns.value = 0.0;
        assert!(constants.validate().is_err());
        for text in ["", "{}", "[1]", r#"{"constants": {"update_ns": 3}}"#] {
            assert!(matches!(Constants::from_json(text), Err(ModelError::Unreadable(_))), "{text}");
        }
    }
}
