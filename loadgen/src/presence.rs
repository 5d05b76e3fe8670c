//! What presence means in a run of a composed model, and how a status tells which publication it is of.
//!
//! Those outside the organisation are shown a number and no document. Every class of availability is a range of 1,500
//! numbers that mean the same, so the number within the range says which version it belongs to: what such a watcher is
//! told can be checked and timed like everything else. The invariant: [`version_of`] finds the version that
//! [`status_of`] was made from, if the watcher is no more than [`BEHIND_MAX`] versions behind; [`log_ring`] sees to that.

use fanfare::status::Availability;
use fanfare::{Category, EndpointId, Identity, Network, PresentityId, Scheme, Status, View};

/// The organisation that the presentities belong to.
pub const ORGANISATION: u64 = 1;

/// The endpoint that is shown: never less available than busy with a call.
pub const SHOWN: EndpointId = EndpointId(1);

/// The second endpoint of those who have one: always away, so that composition absorbs what it says.
pub const IDLE: EndpointId = EndpointId(2);

/// For how long publications of endpoints hold: longer than any run, so that nothing expires in one.
pub const LIFETIME_US: u64 = 86_400_000_000;

/// Numbers of one class that are used: an odd number of them, so that classes, which go by even and odd, tell two rounds
/// apart.
const CLASS: u32 = 1_499;

/// How many versions a watcher may be behind the one that a number tells him.
pub const BEHIND_MAX: u32 = 2 * CLASS - 1;

/// Publications under way on a shard with so many residents, given how many there could be. A user has as many of them
/// as there are at the most, so where few users publish, few may be under way; where many do, chance keeps the share of
/// each far below.
#[must_use]
pub fn log_ring(most: usize, residents: usize) -> usize {
    if residents < 1_000 { most.min(2_048) } else { most }
}

/// What a watcher of some view is shown, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Documents as they were published, by an engine that composes nothing.
    Plain,
    /// The composed state with its document, and all other categories.
    Whole,
    /// The same, but that do-not-disturb is shown as urgent interruptions only.
    Urgent,
    /// The availability number and the contact card.
    Number,
}

impl Sight {
    /// What Lync's view of this number shows; nothing for those that nobody should be in here.
    #[must_use]
    pub fn of(view: View) -> Option<Self> {
        // By their places in the table of `Scheme::lync`, which a test compares.
        match view.0 {
            1 => Some(Self::Number),
            2 => Some(Self::Whole),
            3 => Some(Self::Urgent),
            _ => None,
        }
    }

    /// Whether it is shown a category.
    #[must_use]
    pub fn shows(self, category: Category) -> bool {
        self != Self::Number || is_wide(category)
    }
}

/// Whether a change of this category is told to everybody, those outside the organisation too.
#[must_use]
pub fn is_wide(category: Category) -> bool {
    category == Category::FIRST || category == Scheme::LYNC_CARD
}

/// The engine's scheme.
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::lync(ORGANISATION)
}

/// A watcher as policies see him.
#[must_use]
pub fn identity(user: u32, network: Network) -> Identity {
    // Of the others' organisations nobody asks more than that they are others.
    let organisation = if network == Network::Enterprise { ORGANISATION } else { ORGANISATION + 1 };
    Identity { organisation, network, ..Identity::of(PresentityId::new(user.into())) }
}

/// The status that a version is published with: available and busy by turns, and now and then do-not-disturb.
#[must_use]
pub fn status_of(version: u32) -> Status {
    let class = match version % 8 {
        7 => 9_000,
        odd if odd % 2 == 1 => 6_000,
        _ => 3_000,
    };
    numbered(class + version % CLASS)
}

/// A status of the endpoint that is not shown: away, a little different each time.
#[must_use]
pub fn idle_status(variety: u64) -> Status {
    numbered(15_000 + (variety % u64::from(CLASS)) as u32)
}

fn numbered(number: u32) -> Status {
    Status::new(u16::try_from(number).ok().and_then(|it| Availability::new(it).ok()).unwrap_or(Availability::OFFLINE))
}

/// The version, no older than `seen`, that a number was published with; nothing if none was.
#[must_use]
pub fn version_of(number: Availability, seen: u32) -> Option<u32> {
    let number_in_class = u32::from(number.get()) % 1_500;
    let ahead = (number_in_class + CLASS - seen % CLASS) % CLASS;
    let mut rounds = [ahead, ahead + CLASS].into_iter().filter_map(|ahead| seen.checked_add(ahead));
    rounds.find(|&version| status_of(version).availability == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_its_version() {
        for version in 1..20_000 {
            let number = status_of(version).availability;
            for behind in [0, 1, 7, CLASS - 1, CLASS, CLASS + 1, BEHIND_MAX] {
                assert_eq!(version_of(number, version.saturating_sub(behind)), Some(version));
            }
        }
        assert_eq!(version_of(Availability::AWAY, 5), None);
    }

    #[test]
    fn nobody_can_be_further_behind_than_a_number_tells() {
        assert!(log_ring(1 << 16, 999) <= BEHIND_MAX as usize);
        assert_eq!(log_ring(1 << 16, 1_000), 1 << 16);
    }

    #[test]
    fn the_shown_endpoint_is_always_more_available_than_the_idle_one() {
        let least = (0..3_000).map(|version| status_of(version).availability).max();
        assert!(least < (0..3_000).map(|variety| idle_status(variety).availability).min());
    }

    #[test]
    fn views_are_seen_as_the_scheme_shows_them() {
        let scheme = scheme();
        for (container, sight) in
            [(0, None), (100, Some(Sight::Number)), (200, Some(Sight::Whole)), (300, Some(Sight::Urgent))]
        {
            assert_eq!(Sight::of(scheme.view_of(container).unwrap()), sight);
        }
        let outside = &scheme.views()[1];
        for category in Category::all().take(scheme.categories().len()) {
            assert_eq!(outside.categories.contains(category), Sight::Number.shows(category));
        }
    }
}
