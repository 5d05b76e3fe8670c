//! Composition: from what a presentity's endpoints say, one state.
//!
//! A composition puts the endpoints in order, best first, says how many of them are shown, and what the whole is. The
//! engine does the rest: each category's document is that of the best endpoint that has one, hard state comes last, and
//! the views are rendered from that. Invariant: a composition looks at nothing but what it is given, and the order of
//! what it is given does not matter, so that two homes that know the same endpoints compose the same state.
//!
//! | Ready made | Who wins | For |
//! |---|---|---|
//! | [`MostAvailable`] | the lowest availability number, then the last active | Lync |
//! | [`HighestPriority`] | the highest priority, then the latest publication | XMPP, what a bare address shows |
//! | [`UnionOfEndpoints`] | all are shown, in order of priority and activity | SIP, one PIDF tuple each |
//! | [`LastWrite`] | the latest publication | one device, or none to prefer |

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt::Debug;

use crate::id::{EndpointId, EntityTag, Tick};
use crate::status::{AvailabilityClass, Status};

/// What one endpoint says, as a composition sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointState {
    /// Which device.
    pub endpoint: EndpointId,
    /// Its newest publication: the higher the later, refreshes included.
    pub tag: EntityTag,
    /// How available the presentity is there.
    pub status: Status,
    /// Its rank.
    pub priority: i8,
    /// When the user was last active there.
    pub active_at: Tick,
    /// How often in the last three minutes it said that the user is active while another endpoint was shown.
    pub claims: u8,
}

/// What a composition makes of the endpoints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Composed {
    /// Which of the endpoints given are worth looking at, best first, by their place.
    pub order: Vec<usize>,
    /// How many of the first of them are shown.
    pub shown: usize,
    /// What the presentity is as a whole.
    pub status: Status,
}

/// Makes one state of what endpoints say.
pub trait Composition: Debug + Send + Sync {
    /// Composes. There is at least one endpoint; `hard` is the status of the hard state, which is what the user chose by
    /// hand and not what a device saw.
    fn compose(&self, endpoints: &[EndpointState], hard: Option<Status>) -> Composed;
}

/// Claims within three minutes that silence an endpoint which is not shown.
///
/// It speaks again at the next publication of any of the presentity's devices after it went idle or the time has passed.
///
/// Lync's clients hold themselves to it: a device that is not the most active one and has said "active" three times in
/// three minutes stays silent until it goes idle or the time has passed. Here the home does it for all, so that two
/// devices that fight do not make a presence flash.
pub const CLAIMS_MAX: u8 = 3;

/// The most available endpoint wins: Lync's aggregation.
///
/// Active before idle before away before offline, by the number; of those that are equal, the one that was active last.
/// An endpoint that claims too often ([`CLAIMS_MAX`]) comes after the others of its class. What the user chose by hand
/// ([`EndpointId::HARD`]) holds while any device is online.
#[derive(Clone, Copy, Debug, Default)]
pub struct MostAvailable;

impl Composition for MostAvailable {
    fn compose(&self, endpoints: &[EndpointState], hard: Option<Status>) -> Composed {
        let order = sorted(endpoints, |it| {
            (it.status.availability.class().max(AvailabilityClass::Available), it.claims >= CLAIMS_MAX)
        });
        let winner = order.first().map_or(Status::OFFLINE, |&best| endpoints[best].status);
        let status = match hard {
            Some(chosen) if !winner.is_offline() => chosen,
            _ => winner,
        };
        Composed { order, shown: 1, status }
    }
}

/// The highest priority wins, then the latest publication: what XMPP shows for a bare address.
///
/// An endpoint that is offline comes after all that are not, whatever its priority.
#[derive(Clone, Copy, Debug, Default)]
pub struct HighestPriority;

impl Composition for HighestPriority {
    fn compose(&self, endpoints: &[EndpointState], hard: Option<Status>) -> Composed {
        let order = sorted(endpoints, |it| (it.status.is_offline(), Reverse(it.priority), Reverse(it.tag)));
        let status = order.first().map_or(Status::OFFLINE, |&best| endpoints[best].status);
        Composed { shown: 1, status: hard.filter(|_| !status.is_offline()).unwrap_or(status), order }
    }
}

/// Every endpoint is shown, the one of the highest priority first: SIP's tuples. The whole is what the most available
/// of them is.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnionOfEndpoints;

impl Composition for UnionOfEndpoints {
    fn compose(&self, endpoints: &[EndpointState], hard: Option<Status>) -> Composed {
        let order = sorted(endpoints, |it| (Reverse(it.priority), it.status.availability));
        let best = endpoints.iter().min_by_key(|it| (it.status.availability, it.endpoint));
        let status = best.map_or(Status::OFFLINE, |it| it.status);
        Composed { shown: order.len(), status: hard.filter(|_| !status.is_offline()).unwrap_or(status), order }
    }
}

/// The latest publication wins.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastWrite;

impl Composition for LastWrite {
    fn compose(&self, endpoints: &[EndpointState], hard: Option<Status>) -> Composed {
        let order = sorted(endpoints, |it| Reverse(it.tag));
        let status = order.first().map_or(Status::OFFLINE, |&best| endpoints[best].status);
        Composed { shown: 1, status: hard.filter(|_| !status.is_offline()).unwrap_or(status), order }
    }
}

/// Places in order of the key, then of the latest activity, then of the device: never of how they were given.
fn sorted<K: Ord>(endpoints: &[EndpointState], key: impl Fn(&EndpointState) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..endpoints.len()).collect();
    order.sort_by_cached_key(|&place| {
        let it = &endpoints[place];
        (key(it), Reverse(it.active_at), it.endpoint)
    });
    order
}
