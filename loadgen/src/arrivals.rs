//! Where a publisher's arrivals come from: drawn from the seed, or taken from a trace; and who does what is due where the
//! one whose turn it is cannot.
//!
//! On a shard's core. The invariant: an arrival that comes out can be done by its user. Only composed presence asks for
//! more than a user: an endpoint that is not shown, a colleague as the contact whose policy is edited. Without an engine nobody
//! composes anything, so everybody can do everything, and a trace that is replayed there is recorded again as it was.

use fanfare::Network;

use crate::population::Population;
use crate::schedule::{Arrival, Residents, Schedule, What};
use crate::trace::replay::Reel;

/// Residents that are looked at for one who can do what was drawn.
const LOOKED_AT: u32 = 64;

/// An endless sequence of arrivals; what never comes is due at [`crate::trace::replay::NEVER_US`].
#[derive(Debug)]
pub struct Arrivals {
    source: Source,
    residents: Residents,
    composed: bool,
    /// What not one of the residents can do, as it was found: publish at a second endpoint, edit a policy.
    nobody: [bool; 2],
}

#[derive(Debug)]
enum Source {
    Drawn(Schedule),
    Replayed(Reel),
}

impl Arrivals {
    /// Drawn for these users. What is drawn is what the run's presence has, composed or not.
    #[must_use]
    pub fn drawn(schedule: Schedule, residents: Residents) -> Self {
        Self { source: Source::Drawn(schedule), residents, composed: true, nobody: [false; 2] }
    }

    /// From a trace, by these users, in a run whose presence is composed or not.
    #[must_use]
    pub fn replayed(reel: Reel, residents: Residents, composed: bool) -> Self {
        Self { source: Source::Replayed(reel), residents, composed, nobody: [false; 2] }
    }

    /// The next arrival that somebody can do: its own user, or the next one who can. Only where each is due when the one
    /// before it was sent it matters what time it is.
    pub fn next_arrival(&mut self, population: &Population, now_us: u64) -> Arrival {
        loop {
            let arrival = match &mut self.source {
                Source::Drawn(schedule) => schedule.next_arrival(),
                Source::Replayed(reel) => reel.next_arrival(now_us),
            };
            if let Some(user) = self.fit(population, &arrival) {
                return Arrival { user, ..arrival };
            }
        }
    }

    fn fit(&mut self, population: &Population, arrival: &Arrival) -> Option<u32> {
        let demand = match arrival.what {
            What::PublishIdle if self.composed => 0,
            What::EditPolicy if self.composed => 1,
            _ => return Some(arrival.user),
        };
        if self.nobody[demand] {
            return None;
        }
        let can = |user: u32| match arrival.what {
            What::PublishIdle => population.person(user).endpoints > 1,
            _ => population.network(user) == Network::Enterprise,
        };
        let (residents, count) = (self.residents, self.residents.count());
        // One that is drawn can be drawn again; one of a trace is somebody's, however far one has to look.
        let most = if matches!(self.source, Source::Drawn(_)) { LOOKED_AT.min(count) } else { count };
        let number = arrival.user / residents.shards as u32;
        let found = (0..most).map(|step| residents.user((number + step) % count)).find(|&user| can(user));
        // All were asked, so the next one need not ask them again.
        self.nobody[demand] = found.is_none() && most == count;
        found
    }

    /// Bytes that the document of the arrival taken last has, if it is not the user's own size.
    #[must_use]
    pub fn document_bytes(&self) -> Option<u32> {
        match &self.source {
            Source::Drawn(_) => None,
            Source::Replayed(reel) => Some(reel.document_bytes()),
        }
    }

    /// The number of the arrival taken last among those of all shards, where it has one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match &self.source {
            Source::Drawn(_) => None,
            Source::Replayed(reel) => Some(reel.number()),
        }
    }

    /// Whether each is due when the one before it was sent.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        matches!(&self.source, Source::Replayed(reel) if reel.is_at_once())
    }
}
