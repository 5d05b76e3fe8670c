//! The engine's bounds for a run of some size: its defaults, raised where the plan needs more.
//!
//! The defaults carry a pool of a million users. Every number that the plan can raise is here, with what of it one shard
//! may be asked for; the invariant is that limits made here are ones that the engine accepts, or the run was refused
//! before ([`SUBSCRIPTIONS_MAX`], [`PRESENTITIES_MAX`]).

use fanfare::{Limits, SHARDS_MAX};

use crate::targets::Sizes;

/// Subscriptions that one shard can number: a slot's number and a list entry's leave 31 bits for them.
pub const SUBSCRIPTIONS_MAX: u64 = (1 << 31) - 1;

/// Presentities that one shard can be the home of.
pub const PRESENTITIES_MAX: u64 = SUBSCRIPTIONS_MAX / SHARDS_MAX as u64;

/// Subscriptions come in runs of so many, so a group may leave all of a run but one free.
const LANES: u64 = 16;

/// What a document takes beside its content, at the most.
const BESIDE_DOCUMENT: u64 = 64;

/// The limits of each shard of a run.
#[must_use]
pub fn of(sizes: &Sizes, shards: usize) -> Limits {
    let least = Limits::default();
    let at_least = |limit: u32, wanted: u64, most: u64| u32::try_from(wanted.min(most)).unwrap_or(limit).max(limit);
    let users = u64::from(sizes.users);
    // Presentities are dealt to homes by a hash of their ids: an eighth more than an equal share never comes by chance.
    let at_home = if shards == 1 { users } else { users.div_ceil(shards as u64) * 9 / 8 };
    // Sessions bring guests: in the mean one short subscription and one expanded group a user, each as large as a contact list.
    let (guests, with_guests) = if sizes.composed { (2 * users, 2) } else { (0, 1) };
    let watchers = sizes.watchers + guests;
    let subscriptions = with_guests * sizes.subscriptions + watchers * LANES;
    let copies = if sizes.composed { 8 } else { 2 };
    let of_document = u64::from(sizes.document_bytes_max) + BESIDE_DOCUMENT;
    Limits {
        watchers: at_least(least.watchers, watchers, SUBSCRIPTIONS_MAX),
        groups: at_least(least.groups, watchers, SUBSCRIPTIONS_MAX),
        subscriptions: at_least(least.subscriptions, subscriptions, SUBSCRIPTIONS_MAX),
        // Colleagues, workgroup and those outside: three views of each user, if presence is composed.
        topics: at_least(least.topics, users * if sizes.composed { 3 } else { 1 }, SUBSCRIPTIONS_MAX),
        presentities: at_least(least.presentities, at_home, PRESENTITIES_MAX),
        document_bytes: sizes.document_bytes_max.max(least.document_bytes),
        // Memory was reckoned with before the run, by what documents weigh in the mean.
        documents_bytes: least.documents_bytes.max(users * of_document * copies),
        ..least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::RuntimeName;

    fn plain(users: u32, contacts: u64) -> Sizes {
        Sizes {
            subscriptions: u64::from(users) * contacts,
            watchers: users.into(),
            document_bytes_max: 32,
            document_bytes: 32,
            users,
            seed: 1,
            composed: false,
            outside_share: 0.0,
            runtime: RuntimeName::Auto,
            spin: None,
        }
    }

    #[test]
    fn a_billion_subscriptions_fit_one_shard() {
        let sizes = plain(12_500_000, 80);
        assert_eq!(sizes.subscriptions, 1_000_000_000);
        let limits = of(&sizes, 1);
        assert_eq!(limits.validate(), Ok(()));
        let runs = u64::from(limits.subscriptions.div_ceil(LANES as u32));
        assert!(runs >= 12_500_000 * 80_u64.div_ceil(LANES), "62.5 million slot runs");
        assert!(limits.watchers >= 12_500_000 && limits.groups >= 12_500_000);
        assert!(limits.topics >= 12_500_000 && limits.presentities >= 12_500_000);
        // A topic's list is in runs of fifteen entries, all but one of them full, under 28 bits of numbers.
        let entry_runs = 12_500_000 * 80_u64.div_ceil(15);
        assert!(entry_runs < (1 << 28) - 1 && entry_runs < u64::from(limits.subscriptions) + u64::from(limits.topics));
    }

    #[test]
    fn whatever_a_run_can_be_the_engine_accepts_the_limits() {
        for (users, contacts, shards) in
            [(2, 1, 1), (12_500_000, 80, 2), (26_000_000, 80, 1), (33_000_000, 60, 1), (100_000_000, 80, 4)]
        {
            for composed in [false, true] {
                let limits = of(&Sizes { composed, ..plain(users, contacts) }, shards);
                assert_eq!(limits.validate(), Ok(()), "{users} users with {contacts} contacts on {shards} shards");
            }
        }
    }

    #[test]
    fn small_runs_have_the_defaults() {
        assert_eq!(of(&plain(80_000, 80), 2), Limits::default());
    }
}
