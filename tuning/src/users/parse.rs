//! From a text to a checked model. Every complaint carries the line it is about.

use std::fmt::Display;

use serde::Deserialize;
use toml::Spanned;

use super::error::ModelError;
use super::{Figure, Presence, Spread, UserModel, WatcherShares, sessions};

/// Categories of one presence at most, as in the engine.
const CATEGORIES_MAX: usize = 8;

/// One key as written: three fields, each required, none besides.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry<T> {
    pub(super) value: Spanned<T>,
    unit: Spanned<String>,
    source: Spanned<String>,
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    users: Entry<u32>,
    endpoints_per_user: Entry<f64>,
    contacts_distribution: Entry<Distribution>,
    contacts_mean: Entry<f64>,
    contacts_max: Entry<f64>,
    contacts_sigma: Option<Entry<f64>>,
    internal_share: Entry<f64>,
    internal_share_baseline: Entry<f64>,
    publications_per_hour: Entry<f64>,
    publications_per_hour_max: Entry<f64>,
    document_distribution: Entry<Distribution>,
    document_mean: Entry<f64>,
    document_max: Entry<f64>,
    document_sigma: Option<Entry<f64>>,
    sign_in_window: Entry<f64>,
    sign_in_batch: Entry<u32>,
    categories: Entry<Vec<String>>,
    category_shares: Entry<Vec<f64>>,
    presence: Entry<Presence>,
    watchers_internal_share: Entry<f64>,
    watchers_federated_share: Entry<f64>,
    watchers_public_cloud_share: Entry<f64>,
    second_endpoint_share: Entry<f64>,
    policy_edits_per_hour: Entry<f64>,
    polls_per_hour: Entry<f64>,
    poll_presentities: Entry<u32>,
    short_subscriptions_per_hour: Entry<f64>,
    short_subscription_length: Entry<f64>,
    group_expansions_per_hour: Entry<f64>,
    group_size_shares: Entry<Vec<f64>>,
    group_size_least: Entry<Vec<u32>>,
    group_size_most: Entry<Vec<u32>>,
    subscription_expiry: Entry<f64>,
    registration_expiry: Entry<f64>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Distribution {
    Constant,
    LogNormal,
}

/// Distribution, mean, maximum and sigma, as written.
type SpreadEntries<'a> = (&'a Entry<Distribution>, Entry<f64>, Entry<f64>, Option<Entry<f64>>);

/// Reads and checks a model.
pub(super) fn model(name: &str, file: &str, text: &str) -> Result<UserModel, ModelError> {
    let place = Place { file, text };
    let raw: File = toml::from_str(text).map_err(|error| place.malformed(&error))?;
    let contacts = place.spread(
        ["contacts_mean", "contacts_max", "contacts_sigma"],
        ["contacts", "ln contacts"],
        (1.0, 65_536.0),
        (&raw.contacts_distribution, raw.contacts_mean, raw.contacts_max, raw.contacts_sigma),
    )?;
    let document_bytes = place.spread(
        ["document_mean", "document_max", "document_sigma"],
        ["bytes", "ln bytes"],
        (24.0, 1_048_576.0),
        (&raw.document_distribution, raw.document_mean, raw.document_max, raw.document_sigma),
    )?;
    let per_hour = "publications per user and hour";
    let presence = place.figure("presence", "name", raw.presence)?;
    // What only composed presence has must not be asked for in vain.
    let most = |most: f64| if presence.value == Presence::Plain { 0.0 } else { most };
    let sessions = sessions::Entries {
        polls_per_hour: raw.polls_per_hour,
        poll_presentities: raw.poll_presentities,
        short_subscriptions_per_hour: raw.short_subscriptions_per_hour,
        short_subscription_length: raw.short_subscription_length,
        group_expansions_per_hour: raw.group_expansions_per_hour,
        group_size_shares: raw.group_size_shares,
        group_size_least: raw.group_size_least,
        group_size_most: raw.group_size_most,
        subscription_expiry: raw.subscription_expiry,
        registration_expiry: raw.registration_expiry,
    };
    let model = UserModel {
        name: name.to_owned(),
        users: place.checked("users", "users", raw.users, 2, 100_000_000)?,
        endpoints_per_user: place.checked("endpoints_per_user", "endpoints", raw.endpoints_per_user, 1.0, 64.0)?,
        contacts,
        internal_share: place.checked("internal_share", "share of contacts", raw.internal_share, 0.0, 1.0)?,
        internal_share_baseline: place.checked(
            "internal_share_baseline",
            "share of contacts",
            raw.internal_share_baseline,
            0.0,
            1.0,
        )?,
        publications_per_hour: place.checked(
            "publications_per_hour",
            per_hour,
            raw.publications_per_hour,
            0.001,
            1e6,
        )?,
        publications_per_hour_max: place.checked(
            "publications_per_hour_max",
            per_hour,
            raw.publications_per_hour_max,
            0.001,
            1e6,
        )?,
        document_bytes,
        sign_in_window: place.checked("sign_in_window", "minutes", raw.sign_in_window, 0.01, 10_080.0)?,
        sign_in_batch: place.checked("sign_in_batch", "contacts", raw.sign_in_batch, 1, 65_536)?,
        category_shares: place.shares(raw.category_shares, raw.categories.value.get_ref().len())?,
        categories: place.categories(raw.categories)?,
        watchers: place.watchers(
            presence.value,
            raw.watchers_internal_share,
            raw.watchers_federated_share,
            raw.watchers_public_cloud_share,
        )?,
        second_endpoint_share: place.checked(
            "second_endpoint_share",
            "share of publications",
            raw.second_endpoint_share,
            0.0,
            most(1.0),
        )?,
        policy_edits_per_hour: place.checked(
            "policy_edits_per_hour",
            "edits per user and hour",
            raw.policy_edits_per_hour,
            0.0,
            most(1_000.0),
        )?,
        sessions: sessions::read(&place, sessions, most)?,
        presence,
    };
    Ok(model)
}

/// Where complaints point.
pub(super) struct Place<'a> {
    file: &'a str,
    text: &'a str,
}

impl Place<'_> {
    fn malformed(&self, error: &toml::de::Error) -> ModelError {
        let offset = error.span().map_or(0, |span| span.start);
        let (line, column) = self.position(offset);
        ModelError::Malformed {
            file: self.file.to_owned(),
            line,
            column,
            message: error.message().to_owned(),
            excerpt: self.text.lines().nth(line - 1).unwrap_or_default().trim_end().to_owned(),
        }
    }

    pub(super) fn out_of_range<T>(
        &self,
        key: &'static str,
        at: &Spanned<T>,
        value: impl Display,
        expected: String,
    ) -> ModelError {
        let (line, _) = self.position(at.span().start);
        ModelError::OutOfRange { file: self.file.to_owned(), line, key, value: value.to_string(), expected }
    }

    /// Line and column, from 1, of a byte of the text.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    pub(super) fn checked<T>(
        &self,
        key: &'static str,
        unit: &'static str,
        entry: Entry<T>,
        min: T,
        max: T,
    ) -> Result<Figure<T>, ModelError>
    where
        T: PartialOrd + Copy + Display,
    {
        let value = *entry.value.get_ref();
        // Written so that "not a number" is refused too.
        if !(value >= min && value <= max) {
            return Err(self.out_of_range(key, &entry.value, value, format!("from {min} to {max} {unit}")));
        }
        self.figure(key, unit, entry)
    }

    /// Unit and source are read by people; a wrong unit is the classic way to be off by a thousand.
    pub(super) fn figure<T>(
        &self,
        key: &'static str,
        unit: &'static str,
        entry: Entry<T>,
    ) -> Result<Figure<T>, ModelError> {
        if entry.unit.get_ref() != unit {
            let found = format!("in `{}`", entry.unit.get_ref());
            return Err(self.out_of_range(key, &entry.unit, found, format!("in `{unit}`")));
        }
        if entry.source.get_ref().trim().is_empty() {
            let expected = "the document, or `assumed: <why>`".to_owned();
            return Err(self.out_of_range(key, &entry.source, "without a source", expected));
        }
        Ok(Figure { value: entry.value.into_inner(), unit: entry.unit.into_inner(), source: entry.source.into_inner() })
    }

    fn spread(
        &self,
        [mean_key, max_key, sigma_key]: [&'static str; 3],
        [unit, sigma_unit]: [&'static str; 2],
        (least, most): (f64, f64),
        (distribution, mean, max, sigma): SpreadEntries<'_>,
    ) -> Result<Spread, ModelError> {
        let mean = self.checked(mean_key, unit, mean, least, most)?;
        let max = self.checked(max_key, unit, max, mean.value, most)?;
        match (*distribution.value.get_ref(), sigma) {
            (Distribution::Constant, _) => Ok(Spread::Constant { value: mean.value }),
            (Distribution::LogNormal, Some(sigma)) => {
                let sigma = self.checked(sigma_key, sigma_unit, sigma, 0.01, 3.0)?;
                Ok(Spread::LogNormal { mean: mean.value, sigma: sigma.value, max: max.value })
            }
            (Distribution::LogNormal, None) => {
                let expected = "there for a log-normal distribution".to_owned();
                Err(self.out_of_range(sigma_key, &distribution.value, "missing", expected))
            }
        }
    }

    fn watchers(
        &self,
        presence: Presence,
        internal: Entry<f64>,
        federated: Entry<f64>,
        public_cloud: Entry<f64>,
    ) -> Result<WatcherShares, ModelError> {
        let [internal_key, federated_key, public_cloud_key] =
            ["watchers_internal_share", "watchers_federated_share", "watchers_public_cloud_share"];
        let sum = internal.value.get_ref() + federated.value.get_ref() + public_cloud.value.get_ref();
        if (sum - 1.0).abs() > 1e-6 {
            let found = format!("{}, and with the other two shares {sum}", internal.value.get_ref());
            let expected = format!("1 together with `{federated_key}` and `{public_cloud_key}`");
            return Err(self.out_of_range(internal_key, &internal.value, found, expected));
        }
        let least = if presence == Presence::Plain { 1.0 } else { 0.0 };
        let unit = "share of watchers";
        Ok(WatcherShares {
            internal: self.checked(internal_key, unit, internal, least, 1.0)?,
            federated: self.checked(federated_key, unit, federated, 0.0, 1.0)?,
            public_cloud: self.checked(public_cloud_key, unit, public_cloud, 0.0, 1.0)?,
        })
    }

    fn categories(&self, entry: Entry<Vec<String>>) -> Result<Figure<Vec<String>>, ModelError> {
        let names = entry.value.get_ref();
        let distinct = names.iter().enumerate().all(|(i, name)| !name.is_empty() && !names[..i].contains(name));
        if !(1..=CATEGORIES_MAX).contains(&names.len()) || !distinct {
            let found = format!("a list of {} names", names.len());
            let expected = format!("1 to {CATEGORIES_MAX} names, each different and none empty");
            return Err(self.out_of_range("categories", &entry.value, found, expected));
        }
        self.figure("categories", "names", entry)
    }

    fn shares(&self, entry: Entry<Vec<f64>>, categories: usize) -> Result<Figure<Vec<f64>>, ModelError> {
        let shares = entry.value.get_ref();
        let sum: f64 = shares.iter().sum();
        let in_range = shares.iter().all(|share| (0.0..=1.0).contains(share));
        if shares.len() != categories || !in_range || (sum - 1.0).abs() > 1e-6 {
            let found = format!("{} shares with a sum of {sum}", shares.len());
            let expected = format!("{categories} shares, one for each category, with a sum of 1");
            return Err(self.out_of_range("category_shares", &entry.value, found, expected));
        }
        self.figure("category_shares", "share of publications", entry)
    }
}

#[cfg(test)]
mod tests;
