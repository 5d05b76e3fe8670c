//! What memory a run takes, reckoned from the plan before anything is built.
//!
//! Read on the main thread, once. An estimate, and meant to be within a few per cent for plain presence, where a run may
//! be planned to fill the machine: what the engine weighs is measured (ARCHITECTURE.md, "What it weighs"), what the
//! generator weighs is counted. The invariant: every array of the generator that grows with users or subscriptions is
//! here.

use fanfare_tuning::users::{Presence, Spread};

use crate::crew::LOG_RING;
use crate::payload::HEADER_BYTES;
use crate::population::Traits;
use crate::recorder::{PublicationLog, bytes_of_followed};
use crate::sample::{FOLLOWED_MAX, ONE_IN};

/// A slot: turn, topic and entry, and its part of the run's head.
const BYTES_PER_SLOT: f64 = 12.0;
/// A subscriber list's entry, the head of its run included.
const BYTES_PER_ENTRY: f64 = 64.0 / 15.0;
/// A topic with its places, its pointer, half an entry run, two table entries, a home with a view and a reader: what
/// every shard that has a watcher of the user may have.
const BYTES_PER_USER_AND_SHARD: f64 = 265.0;
/// A watcher and its group.
const BYTES_PER_WATCHER: f64 = 80.0;
/// What the engine weighs for each user whose presence is composed: endpoints, parts, identities.
const BYTES_PER_COMPOSED_USER: f64 = 2_000.0;
/// A document's header and the allocator's, and half of what is lost to rounding.
const BYTES_BESIDE_DOCUMENT: f64 = 40.0;
/// Slots of a run.
const LANES: f64 = 16.0;
/// The program, its histograms, its rings.
const BYTES_OF_PROGRAM: f64 = 48.0 * 1024.0 * 1024.0;
/// The calibration's table, where a sample is followed.
const BYTES_OF_CALIBRATION: f64 = 64.0 * 1024.0 * 1024.0;

/// The share of the memory available that a run may take; the rest is the system's, its page tables above all.
const USABLE_SHARE: f64 = 0.96;

/// An estimate, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Need {
    /// Subscriptions that were reckoned with.
    pub subscriptions: f64,
    /// The engine's records and tables.
    pub engine: f64,
    /// The documents.
    pub documents: f64,
    /// The load generator: everything else in the process.
    pub generator: f64,
}

impl Need {
    /// What a run of these takes.
    #[must_use]
    pub fn of(traits: &Traits, presence: Presence, shards: usize) -> Self {
        let users = f64::from(traits.users);
        let (mut watchers, mut subscriptions, mut slots) = (0.0, 0.0, 0.0);
        for kind in &traits.kinds {
            let contacts = (kind.contacts.mean() * kind.internal_share).clamp(1.0, users - 1.0);
            let of_kind = users * kind.share * kind.endpoints;
            watchers += of_kind;
            subscriptions += of_kind * contacts;
            slots += of_kind * slots_of_group(&kind.contacts, contacts);
        }
        let user_shards = users * shards as f64;
        // What endpoints published is kept beside what became of it, and every view is a topic of its own.
        let (records, copies, views) = match presence {
            Presence::Plain => (0.0, 1.0, 1.0),
            Presence::Lync => (users * BYTES_PER_COMPOSED_USER, 2.1, 2.0),
        };
        let topics = views * user_shards * BYTES_PER_USER_AND_SHARD;
        let document_bytes = traits.mean(|kind| kind.document.mean().max(HEADER_BYTES as f64));
        Self {
            subscriptions,
            engine: slots * BYTES_PER_SLOT
                + subscriptions * BYTES_PER_ENTRY
                + topics
                + watchers * BYTES_PER_WATCHER
                + records,
            documents: copies * users * (document_bytes + BYTES_BESIDE_DOCUMENT),
            generator: generator(users, watchers, subscriptions, slots, presence, shards),
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.engine + self.documents + self.generator
    }

    /// Whether so much memory is enough.
    #[must_use]
    pub fn fits(&self, available: f64) -> bool {
        self.total() <= available * USABLE_SHARE
    }
}

/// The most users, in steps of a thousand, with which the same run would fit; none if not even so many would.
#[must_use]
pub fn users_that_fit(traits: &Traits, presence: Presence, shards: usize, available: f64) -> Option<u32> {
    let fits = |thousands: u32| {
        let fewer = Traits { users: thousands * 1_000, ..traits.clone() };
        Need::of(&fewer, presence, shards).fits(available)
    };
    let (mut low, mut high) = (0, traits.users.div_ceil(1_000));
    while low + 1 < high {
        let middle = (low + high) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    (low != 0 && fits(low)).then_some(low * 1_000)
}

/// Slots that a group takes, in whole runs: where contacts scatter, its last run is half empty in the mean.
fn slots_of_group(spread: &Spread, contacts: f64) -> f64 {
    match spread {
        Spread::Constant { .. } => (contacts / LANES).ceil() * LANES,
        Spread::LogNormal { .. } => contacts + LANES / 2.0,
    }
}

fn generator(users: f64, watchers: f64, subscriptions: f64, slots: f64, presence: Presence, shards: usize) -> f64 {
    let is_all = subscriptions <= FOLLOWED_MAX as f64;
    // Everything by slot is there once more for the calibration.
    let followed = match is_all {
        true => 2.0 * bytes_of_followed(true, slots),
        false => bytes_of_followed(false, subscriptions / f64::from(ONE_IN)) + BYTES_OF_CALIBRATION,
    };
    // Versions, last entries of the log, and who watches, on all shards and on each; a group's id for each watcher.
    // Composed presence has the newest wide publication, and twice the counts.
    let (counts, marks) = if presence == Presence::Plain { (1.0, 0.0) } else { (2.0, 8.0) };
    let by_user = users * (4.0 + 4.0 + marks + 4.0 * counts * (1.0 + shards as f64));
    let log = PublicationLog::bytes(shards, LOG_RING) as f64;
    followed + by_user + watchers * 8.0 + log + BYTES_OF_PROGRAM
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Kind;

    const GIB: f64 = (1u64 << 30) as f64;

    fn plain(users: u32) -> Traits {
        Traits { users, kinds: vec![Kind::alike(80.0, 32.0)], seed: 1 }
    }

    #[test]
    fn what_was_measured_of_a_million_users_is_what_is_reckoned() {
        let need = Need::of(&plain(1_000_000), Presence::Plain, 1);
        // benches/record: 21.24 bytes a subscription, documents included, 20.44 without.
        let bytes = (need.engine + need.documents) / 80e6;
        assert!((bytes / 21.24 - 1.0).abs() < 0.05, "{bytes}");
        assert!((need.engine / 80e6 / 20.44 - 1.0).abs() < 0.05, "{}", need.engine / 80e6);
    }

    #[test]
    fn kinds_are_reckoned_each_by_itself() {
        let [mut half, mut other] = [plain(100_000), plain(100_000)].map(|mut traits| traits.kinds.remove(0));
        (half.share, other.share, other.endpoints) = (0.5, 0.5, 3.0);
        let both = Need::of(&Traits { kinds: vec![half, other], ..plain(100_000) }, Presence::Plain, 1);
        assert!((both.subscriptions - 16e6).abs() < 1.0, "{}", both.subscriptions);
        let mut twice = plain(100_000);
        twice.kinds[0].endpoints = 2.0;
        let twice = Need::of(&twice, Presence::Plain, 1);
        assert!((both.total() / twice.total() - 1.0).abs() < 1e-9, "as if all had two");
    }

    #[test]
    fn a_billion_subscriptions_leave_the_engine_nearly_all_of_the_machine() {
        let need = Need::of(&plain(12_500_000), Presence::Plain, 1);
        assert!((need.subscriptions - 1e9).abs() < 1.0);
        assert!(need.generator < 1.5 * GIB, "{}", need.generator / GIB);
        assert!(need.generator / 12.5e6 < 120.0, "bytes of the generator's a user");
        assert!(need.fits(22.0 * GIB) && !need.fits(20.0 * GIB), "{}", need.total() / GIB);
    }

    #[test]
    fn as_many_users_as_are_named_do_fit_and_a_thousand_more_do_not() {
        let traits = plain(12_500_000);
        for gib in [1.0, 6.0, 12.0] {
            let users = users_that_fit(&traits, Presence::Plain, 1, gib * GIB).unwrap();
            assert!(Need::of(&plain(users), Presence::Plain, 1).fits(gib * GIB));
            // At the bound of the sample a run takes less than one just below it: only the search's own bracket counts.
            assert!(users < traits.users);
        }
        assert_eq!(users_that_fit(&traits, Presence::Plain, 1, 1e6), None);
    }
}
