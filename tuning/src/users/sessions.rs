//! What a user's sessions do beside publishing: polls, short subscriptions, groups expanded, refreshes and registrations.
//!
//! Its invariant: only a model whose presence is composed has any, for only there it is somebody who asks; and classes of group
//! sizes are ranges that do not end before they begin.

use super::Figure;
use super::error::ModelError;
use super::parse::{Entry, Place};

/// Classes of distribution groups, by their sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSizes {
    /// The share of each class; they add up to 1.
    pub shares: Figure<Vec<f64>>,
    /// Members of the smallest group of each.
    pub least: Figure<Vec<u32>>,
    /// Members of the largest group of each.
    pub most: Figure<Vec<u32>>,
}

/// A user's session traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Sessions {
    /// Polls of a user in an hour.
    pub polls_per_hour: Figure<f64>,
    /// Presentities in each.
    pub poll_presentities: Figure<u32>,
    /// Subscriptions to all contacts that a user opens for a short time, in an hour.
    pub short_subscriptions_per_hour: Figure<f64>,
    /// How long they last, in minutes.
    pub short_subscription_length: Figure<f64>,
    /// Distribution groups that a user expands in an hour.
    pub group_expansions_per_hour: Figure<f64>,
    /// How large they are.
    pub group_sizes: GroupSizes,
    /// How long an endpoint's subscriptions last without a refresh, in hours; 0 if they do not expire.
    pub subscription_expiry: Figure<f64>,
    /// How long its registration does, in seconds; 0 if it does not expire.
    pub registration_expiry: Figure<f64>,
}

impl Sessions {
    /// Refreshes of an endpoint's subscriptions in an hour.
    #[must_use]
    pub fn refreshes_per_hour(&self) -> f64 {
        per_hour(self.subscription_expiry.value)
    }

    /// Registrations of an endpoint in an hour.
    #[must_use]
    pub fn registrations_per_hour(&self) -> f64 {
        per_hour(self.registration_expiry.value / 3_600.0)
    }

    /// Classes of distribution groups: the share of each, its smallest and its largest size.
    pub fn group_classes(&self) -> impl Iterator<Item = (f64, u32, u32)> + '_ {
        let GroupSizes { shares, least, most } = &self.group_sizes;
        let sizes = least.value.iter().zip(&most.value);
        shares.value.iter().zip(sizes).map(|(&share, (&least, &most))| (share, least, most))
    }

    /// Members of a distribution group in the mean.
    #[must_use]
    pub fn group_members_mean(&self) -> f64 {
        self.group_classes().map(|(share, least, most)| share * f64::from(least + most) / 2.0).sum()
    }
}

fn per_hour(expiry_hours: f64) -> f64 {
    if expiry_hours > 0.0 { 1.0 / expiry_hours } else { 0.0 }
}

/// The keys as written.
pub(super) struct Entries {
    pub(super) polls_per_hour: Entry<f64>,
    pub(super) poll_presentities: Entry<u32>,
    pub(super) short_subscriptions_per_hour: Entry<f64>,
    pub(super) short_subscription_length: Entry<f64>,
    pub(super) group_expansions_per_hour: Entry<f64>,
    pub(super) group_size_shares: Entry<Vec<f64>>,
    pub(super) group_size_least: Entry<Vec<u32>>,
    pub(super) group_size_most: Entry<Vec<u32>>,
    pub(super) subscription_expiry: Entry<f64>,
    pub(super) registration_expiry: Entry<f64>,
}

/// Checks them. `most` is 0 where there are to be none, and what it is given elsewhere.
pub(super) fn read(place: &Place<'_>, raw: Entries, most: impl Fn(f64) -> f64) -> Result<Sessions, ModelError> {
    let group_sizes = sizes(place, raw.group_size_shares, raw.group_size_least, raw.group_size_most)?;
    let often = |key, unit, entry| place.checked(key, unit, entry, 0.0, most(10_000.0));
    Ok(Sessions {
        polls_per_hour: often("polls_per_hour", "polls per user and hour", raw.polls_per_hour)?,
        poll_presentities: place.checked("poll_presentities", "presentities", raw.poll_presentities, 1, 128)?,
        short_subscriptions_per_hour: often(
            "short_subscriptions_per_hour",
            "subscriptions per user and hour",
            raw.short_subscriptions_per_hour,
        )?,
        short_subscription_length: place.checked(
            "short_subscription_length",
            "minutes",
            raw.short_subscription_length,
            0.01,
            1_440.0,
        )?,
        group_expansions_per_hour: often(
            "group_expansions_per_hour",
            "expansions per user and hour",
            raw.group_expansions_per_hour,
        )?,
        group_sizes,
        subscription_expiry: place.checked("subscription_expiry", "hours", raw.subscription_expiry, 0.0, most(12.0))?,
        registration_expiry: place.checked(
            "registration_expiry",
            "seconds",
            raw.registration_expiry,
            0.0,
            most(86_400.0),
        )?,
    })
}

fn sizes(
    place: &Place<'_>,
    shares: Entry<Vec<f64>>,
    least: Entry<Vec<u32>>,
    most: Entry<Vec<u32>>,
) -> Result<GroupSizes, ModelError> {
    let classes = shares.value.get_ref().len();
    let sum: f64 = shares.value.get_ref().iter().sum();
    let in_range = shares.value.get_ref().iter().all(|share| (0.0..=1.0).contains(share));
    if classes == 0 || !in_range || (sum - 1.0).abs() > 1e-6 {
        let found = format!("{classes} shares with a sum of {sum}");
        let expected = "shares from 0 to 1 with a sum of 1".to_owned();
        return Err(place.out_of_range("group_size_shares", &shares.value, found, expected));
    }
    let ranges = || least.value.get_ref().iter().zip(most.value.get_ref());
    let fits = ranges().all(|(least, most)| (1..=65_536).contains(most) && (1..=*most).contains(least));
    if !fits || [&least, &most].iter().any(|sizes| sizes.value.get_ref().len() != classes) {
        let found = format!("{:?}, with `group_size_least` {:?}", most.value.get_ref(), least.value.get_ref());
        let expected = format!("{classes} sizes up to 65536, none below its `group_size_least`, which is 1 or more");
        return Err(place.out_of_range("group_size_most", &most.value, found, expected));
    }
    Ok(GroupSizes {
        shares: place.figure("group_size_shares", "share of groups", shares)?,
        least: place.figure("group_size_least", "members", least)?,
        most: place.figure("group_size_most", "members", most)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::UserModel;

    const LYNC: &str = include_str!("../../users/lync-2013.toml");

    /// Chapter 5.1, 5.2 and 5.6 of the documents' figures for a pool of 80,000 users on 152,000 endpoints.
    #[test]
    fn sessions_of_lync_2013_are_those_of_the_documents() {
        let model = UserModel::find("lync-2013").unwrap();
        let (sessions, users) = (&model.sessions, f64::from(model.users.value));
        let endpoints = users * model.endpoints_per_user.value;
        for (found, document) in [
            (users * sessions.polls_per_hour.value / 3_600.0, 80_000.0 * 60.0 / 3_600.0),
            (users * sessions.short_subscriptions_per_hour.value / 3_600.0, 80_000.0 * 6.0 / 3_600.0),
            (users * sessions.group_expansions_per_hour.value, 80_000.0 / 2.0),
            (endpoints * sessions.registrations_per_hour() / 3_600.0, 152_000.0 / 600.0),
            (endpoints * sessions.refreshes_per_hour(), 152_000.0 / 8.0),
            (sessions.short_subscriptions_per_hour.value * sessions.short_subscription_length.value / 60.0, 1.0),
        ] {
            assert!((found / document - 1.0).abs() < 0.001, "{found} is not {document}");
        }
        assert_eq!(sessions.group_members_mean().round(), 62.0);
    }

    #[test]
    fn classes_of_groups_are_ranges_and_shares_of_a_whole() {
        let complaint = |from: &str, to: &str| {
            assert!(LYNC.contains(from), "{from}");
            UserModel::parse("x", "x.toml", &LYNC.replacen(from, to, 1)).unwrap_err().to_string()
        };
        let text = complaint("[0.64, 0.13, 0.10, 0.13]", "[0.64, 0.13, 0.10]");
        assert!(text.contains("`group_size_shares` is 3 shares with a sum of 0.87"), "{text}");
        let text = complaint("[30, 50, 100, 500]", "[30, 50, 50, 500]");
        assert!(text.contains("`group_size_most` is [30, 50, 50, 500], with `group_size_least`"), "{text}");
        let text = complaint("value = 13\n", "value = 200\n");
        assert!(text.contains("`poll_presentities` is 200, but must be from 1 to 128"), "{text}");
    }
}
