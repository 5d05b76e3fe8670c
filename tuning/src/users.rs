//! User models: how many users there are, whom they watch, and how often they publish.
//!
//! A model is read once, at the start, on the main thread. Its invariant: a [`UserModel`] that exists is complete and
//! within its ranges, so that nobody who uses one has to check it again.

pub mod blend;
mod error;
mod parse;
pub mod sessions;

use std::fs;
use std::path::Path;

pub use blend::{Blend, BlendError};
pub use error::ModelError;
use serde::Deserialize;
pub use sessions::Sessions;

/// The models that are part of the program: name and text.
const EMBEDDED: [(&str, &str); 3] = [
    ("lync-2013", include_str!("../users/lync-2013.toml")),
    ("mobile", include_str!("../users/mobile.toml")),
    ("plain", include_str!("../users/plain.toml")),
];

/// One figure of a model, with what it is counted in and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure<T> {
    /// The figure.
    pub value: T,
    /// What it is counted in.
    pub unit: String,
    /// The document it was read in, or `assumed: <why>`, or `calculated: <formula>`.
    pub source: String,
}

/// How a number of the model varies from user to user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// The same for everybody.
    Constant {
        /// That number.
        value: f64,
    },
    /// The logarithm is normal; what exceeds the maximum is cut to it.
    LogNormal {
        /// The mean before the cut.
        mean: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
        /// The cut.
        max: f64,
    },
}

impl Spread {
    /// The mean before any cut.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Constant { value } => value,
            Self::LogNormal { mean, .. } => mean,
        }
    }

    /// The largest value that is drawn.
    #[must_use]
    pub fn max(&self) -> f64 {
        match *self {
            Self::Constant { value } => value,
            Self::LogNormal { max, .. } => max,
        }
    }

    /// The spread with another mean. The cut moves with it, so that the shape stays.
    #[must_use]
    pub fn with_mean(&self, to: f64) -> Self {
        match *self {
            Self::Constant { .. } => Self::Constant { value: to },
            Self::LogNormal { mean, sigma, max } => Self::LogNormal { mean: to, sigma, max: max * to / mean },
        }
    }
}

/// What presence means in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// One document for each category, which everybody sees as it was published.
    Plain,
    /// Lync's: composed of what the endpoints say, and shown to each watcher in the container that policy grants.
    Lync,
}

/// Who the watchers of a user are, in shares that add up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct WatcherShares {
    /// Users of the same organisation.
    pub internal: Figure<f64>,
    /// Users of organisations that this one is federated with.
    pub federated: Figure<f64>,
    /// Users of public services.
    pub public_cloud: Figure<f64>,
}

/// A complete user model.
#[derive(Clone, Debug, PartialEq)]
pub struct UserModel {
    /// The embedded model's name, or the file's name without its ending.
    pub name: String,
    /// Users signed in at once.
    pub users: Figure<u32>,
    /// Endpoints (devices) of a user, in the mean.
    pub endpoints_per_user: Figure<f64>,
    /// Contacts of a user.
    pub contacts: Spread,
    /// The share of contacts on the same pool, as documented.
    pub internal_share: Figure<f64>,
    /// The share that a run uses when it is not told otherwise.
    pub internal_share_baseline: Figure<f64>,
    /// Publications of a user in an hour, in the mean.
    pub publications_per_hour: Figure<f64>,
    /// The most that a user publishes in an hour.
    pub publications_per_hour_max: Figure<f64>,
    /// Bytes of a user's document.
    pub document_bytes: Spread,
    /// The time in which all users sign in, in minutes.
    pub sign_in_window: Figure<f64>,
    /// Contacts in one subscribe call.
    pub sign_in_batch: Figure<u32>,
    /// Names of the categories, the most frequent first.
    pub categories: Figure<Vec<String>>,
    /// The share of publications for each category; they add up to 1.
    pub category_shares: Figure<Vec<f64>>,
    /// What presence means.
    pub presence: Figure<Presence>,
    /// Who watches.
    pub watchers: WatcherShares,
    /// Publications of endpoints that composition does not show, beside the others and as a share of them.
    pub second_endpoint_share: Figure<f64>,
    /// Changes of a user's policy in an hour, in the mean.
    pub policy_edits_per_hour: Figure<f64>,
    /// What sessions do beside.
    pub sessions: Sessions,
}

impl UserModel {
    /// The embedded model of that name, or else the file at that path.
    ///
    /// # Errors
    /// Nothing of that name, a file that cannot be read, or a text that is not a model: with file, line and what was
    /// expected.
    pub fn find(name_or_file: &str) -> Result<Self, ModelError> {
        if let Some((name, text)) = EMBEDDED.iter().find(|(name, _)| *name == name_or_file) {
            return Self::parse(name, name, text);
        }
        let path = Path::new(name_or_file);
        // A bare word that is no file is a model's name spelt wrong; anything with a separator or an ending is a path.
        let looks_like_path = name_or_file.contains(['/', '\\']) || name_or_file.ends_with(".toml");
        if !looks_like_path && !path.exists() {
            return Err(ModelError::Unknown { name: name_or_file.to_owned(), known: Self::known() });
        }
        let text = fs::read_to_string(path)
            .map_err(|cause| ModelError::Unreadable { file: name_or_file.to_owned(), cause })?;
        let stem = path.file_stem().map_or(name_or_file.into(), |stem| stem.to_string_lossy());
        Self::parse(&stem, name_or_file, &text)
    }

    /// Reads a model from a text. `file` is what errors call it.
    ///
    /// # Errors
    /// A text that is not TOML, keys that are missing, unknown, of a wrong type or out of range.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, ModelError> {
        parse::model(name, file, text)
    }

    /// Names of the embedded models.
    #[must_use]
    pub fn known() -> Vec<&'static str> {
        EMBEDDED.iter().map(|(name, _)| *name).collect()
    }

    /// Publications a second of so many users.
    #[must_use]
    pub fn publications_per_s(&self, users: u32) -> f64 {
        f64::from(users) * self.publications_per_hour.value / 3600.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_model_is_complete() {
        for name in UserModel::known() {
            let model = UserModel::find(name).unwrap();
            assert_eq!(model.name, name);
            assert_eq!(model.categories.value.len(), model.category_shares.value.len());
        }
    }

    #[test]
    fn lync_2013_is_the_pool_of_the_documents() {
        let model = UserModel::find("lync-2013").unwrap();
        assert_eq!(model.users.value, 80_000);
        assert_eq!((f64::from(model.users.value) * model.endpoints_per_user.value).round(), 152_000.0);
        assert!((model.publications_per_s(80_000) - 88.9).abs() < 0.1);
        assert!(model.users.source.contains("L13/"));
        assert_eq!(model.presence.value, Presence::Lync);
        assert_eq!(model.categories.value, ["state", "note", "calendarData", "contactCard", "services"]);
        assert_eq!((model.watchers.internal.value, model.watchers.public_cloud.value), (0.5, 0.4));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let text = UserModel::find("lync2013").unwrap_err().to_string();
        assert!(text.contains("`lync2013`") && text.contains("lync-2013, mobile, plain"), "{text}");
    }

    #[test]
    fn a_missing_file_is_said_with_its_path() {
        let text = UserModel::find("no/such.toml").unwrap_err().to_string();
        assert!(text.contains("no/such.toml"), "{text}");
    }
}
