//! What sessions do beside publishing: which events there are, how often they come, and what a run came to.
//!
//! Drawn beside the publications ([`crate::schedule`]), at the models' own rates: `--speedup` makes all of it quicker, `--rate`
//! is of publications alone. Its invariant: how often an event comes depends on users, models and speed-up, and on nothing that
//! is measured.

use std::collections::BTreeMap;

use fanfare_tuning::users::UserModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::point::PointResult;
use crate::schedule::Mix;
use crate::settings::Settings;
use crate::targets::TargetName;

/// Kinds of events.
pub const EVENTS: usize = 5;

/// How long a group lives from its registration or refresh, in microseconds: Lync's 8 hours, whatever the speed-up.
pub const GROUP_LIFETIME_US: u64 = 8 * 3_600_000_000;

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// Asks once what several presentities show.
    Poll,
    /// Opens a watcher of its own, subscribes to all contacts at once, and closes it after a while.
    ShortSubscription,
    /// Subscribes to the members of a distribution group, for good.
    GroupExpansion,
    /// Refreshes an endpoint's subscriptions, and is told the whole state again.
    Refresh,
    /// Registers an endpoint, which renews its subscriptions and tells nothing.
    Registration,
}

impl SessionEvent {
    /// All of them, by their numbers.
    pub const ALL: [Self; EVENTS] =
        [Self::Poll, Self::ShortSubscription, Self::GroupExpansion, Self::Refresh, Self::Registration];

    /// Its place among all.
    #[must_use]
    pub const fn number(self) -> usize {
        self as usize
    }

    /// As reports call them.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        ["polls", "short_subscriptions", "group_expansions", "subscription_refreshes", "registrations"][self.number()]
    }

    /// As traces call one.
    #[must_use]
    pub const fn word(self) -> &'static str {
        ["poll", "short-subscription", "group-expansion", "refresh", "registration"][self.number()]
    }
}

/// What the sessions of users of one kind do, at the run's speed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sessions {
    /// Events of a user in an hour.
    pub per_hour: [f64; EVENTS],
    /// Presentities in a poll.
    pub poll_presentities: u32,
    /// How long a short subscription lasts.
    pub short_subscription_us: u64,
    /// Classes of distribution groups: share, smallest and largest size.
    pub group_classes: Vec<(f64, u32, u32)>,
}

impl Sessions {
    /// Those of a model, with so many endpoints a user, so many times as fast.
    #[must_use]
    pub fn of(model: &UserModel, endpoints: f64, speedup: f64) -> Self {
        let sessions = &model.sessions;
        let per_hour = [
            sessions.polls_per_hour.value,
            sessions.short_subscriptions_per_hour.value,
            sessions.group_expansions_per_hour.value,
            endpoints * sessions.refreshes_per_hour(),
            endpoints * sessions.registrations_per_hour(),
        ];
        Self {
            per_hour: per_hour.map(|events| events * speedup),
            poll_presentities: sessions.poll_presentities.value,
            short_subscription_us: (sessions.short_subscription_length.value * 60e6 / speedup) as u64,
            group_classes: sessions.group_classes().collect(),
        }
    }
}

/// Events of each kind a second, of all these users.
#[must_use]
pub fn per_s(users: impl Iterator<Item = u32>, mixes: &[Mix]) -> [f64; EVENTS] {
    let mut rates = [0.0; EVENTS];
    for (users, mix) in users.zip(mixes) {
        for (rate, per_hour) in rates.iter_mut().zip(mix.sessions.per_hour) {
            *rate += f64::from(users) * per_hour / 3_600.0;
        }
    }
    rates
}

/// One kind of event, as a report shows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the fields are the documented JSON schema, word for word")]
pub struct SessionKind {
    pub expected_per_s: f64,
    pub expected: f64,
    pub planned: u64,
    pub done: u64,
    /// How far `planned` is from `expected`, in standard deviations of a Poisson process.
    pub sigmas: f64,
}

/// What a point came to, by kind; nothing where no session does anything, or a trace says when.
#[must_use]
pub fn by_kind(point: &PointResult, settings: &Settings) -> BTreeMap<String, SessionKind> {
    if settings.target != TargetName::Embedded || settings.traces.replay.is_some() {
        return BTreeMap::new();
    }
    let users = settings.traits.ranges().into_iter().map(|users| users.end - users.start);
    let rates = per_s(users, &settings.mixes);
    let kinds = SessionEvent::ALL.into_iter().filter(|event| rates[event.number()] > 0.0).map(|event| {
        let number = event.number();
        let expected = rates[number] * point.measured_s;
        let planned = point.traffic.published.sessions_planned[number];
        let kind = SessionKind {
            expected_per_s: rounded(rates[number]),
            expected: rounded(expected),
            planned,
            done: point.traffic.answers.sessions[number],
            sigmas: rounded((planned as f64 - expected) / expected.max(1e-9).sqrt()),
        };
        (event.plural().to_owned(), kind)
    });
    kinds.collect()
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Which events were due and not done, if any.
#[must_use]
pub fn not_done(point: &PointResult, settings: &Settings) -> Vec<String> {
    if settings.target != TargetName::Embedded || point.cut {
        return Vec::new();
    }
    let (planned, done) = (&point.traffic.published.sessions_planned, &point.traffic.answers.sessions);
    let missed = SessionEvent::ALL.into_iter().filter(|event| done[event.number()] < planned[event.number()]);
    missed
        .map(|event| {
            let (number, name) = (event.number(), event.plural().replace('_', " "));
            format!("{} of {} {name} planned were done", done[number], planned[number])
        })
        .collect()
}

/// What the model has sessions do and the target cannot, if anything.
#[must_use]
pub fn left_out(settings: &Settings) -> Option<String> {
    let parts = settings.blend.parts();
    let is_asked = parts.iter().any(|part| Sessions::of(&part.model, 1.0, 1.0).per_hour.iter().any(|&rate| rate > 0.0));
    (settings.target != TargetName::Embedded && is_asked).then(|| {
        format!(
            "the {} target does publications alone: polls, short subscriptions, expanded groups, refreshes and registrations \
             of the model were left out",
            settings.target.as_str()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_lync_2013_does_what_the_documents_say() {
        let model = UserModel::find("lync-2013").unwrap();
        let mix = |speedup| Mix { sessions: Sessions::of(&model, 1.9, speedup), ..Mix::default() };
        let documents = [80_000.0 * 60.0 / 3_600.0, 80_000.0 * 6.0 / 3_600.0, 80_000.0 / 7_200.0];
        let endpoints = [152_000.0 / 28_800.0, 152_000.0 / 600.0];
        for speedup in [1.0, 50.0] {
            let found = per_s([80_000].into_iter(), &[mix(speedup)]);
            for (found, document) in found.into_iter().zip(documents.into_iter().chain(endpoints)) {
                assert!((found / speedup / document - 1.0).abs() < 0.001, "{found} at {speedup} is not {document}");
            }
        }
        assert_eq!(mix(100.0).sessions.short_subscription_us, 6_000_000);
        let plain = UserModel::find("plain").unwrap();
        assert_eq!(Sessions::of(&plain, 1.0, 1.0).per_hour, [0.0; EVENTS]);
    }
}
