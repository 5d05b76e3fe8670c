//! Polls: what many presentities show somebody, fetched once, from all their homes, under one ticket.
//!
//! Each home is asked once, for those who are at home there, and answers for all of them together: one credit a link,
//! whatever the number of presentities, and none is taken unless all are there. What comes back waits here, on the asker's
//! shard, until the last home has answered; the answers stand in the order that was asked for. Invariant: who is awaited was
//! asked and holds a credit, and the credits are held until the whole outcome is taken; so polls are bounded by credits, and
//! each by [`crate::Limits::fetch_presentities_max`]. Each home tells the newest at its own moment: a poll is no picture of one
//! instant.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::message::{Message, Outcome, Request, State};
use super::tenant::ticket_of;
use super::{FanOut, ShardMemory};
use crate::error::{Bound, Corrupt, Error};
use crate::id::{PresentityId, ShardIndex, ShardSet, Ticket};
use crate::identity::Identity;

/// The polls of a shard that not all homes have answered.
#[derive(Default)]
pub(crate) struct Polls {
    under_way: BTreeMap<Ticket, Poll>,
}

/// One of them.
struct Poll {
    presentities: Box<[PresentityId]>,
    /// By place; nothing where the home has not answered yet.
    states: Box<[Option<State>]>,
    asked: ShardSet,
    awaited: ShardSet,
}

impl Polls {
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many of them hold a credit of that link.
    pub(crate) fn on_link(&self, home: ShardIndex) -> usize {
        self.under_way.values().filter(|poll| poll.asked.contains(home)).count()
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Asks all homes of these, each once, or none of them.
    pub(crate) fn poll(&mut self, presentities: &[PresentityId], who: &Arc<Identity>) -> Result<Ticket, Error> {
        let limit = self.limits.fetch_presentities_max;
        if presentities.is_empty() {
            return Err(Error::NobodyToFetch);
        }
        if presentities.len() > limit as usize {
            return Err(Error::Limit { bound: Bound::FetchPresentities, limit: limit.into() });
        }
        let mut asked = ShardSet::NONE;
        presentities.iter().for_each(|presentity| asked.insert(self.home_of(*presentity)));
        // Whoever asks has it of his own tenant, whose presentities ever they are.
        let tenant = self.tenants.as_ref().map(|tenants| tenants.of(who.user));
        let has_credits = asked.iter().all(|home| self.has_credit(tenant, home));
        if !has_credits {
            return Err(self.is_busy(tenant));
        }
        self.tickets += 1;
        let ticket = Ticket(tenant.map_or(self.tickets, |tenant| ticket_of(self.tickets, tenant)));
        for home in asked.iter() {
            let at_home = presentities.iter().copied().filter(|&presentity| self.home_of(presentity) == home).collect();
            let request = Request::FetchMany { presentities: at_home, who: who.clone() };
            self.take_credit(tenant, home);
            self.links[home.index()].requests.push_back(Message::Request { ticket, request });
        }
        let states = presentities.iter().map(|_| None).collect();
        self.polls.under_way.insert(ticket, Poll { presentities: presentities.into(), states, asked, awaited: asked });
        Ok(ticket)
    }

    /// A home has answered for those who are at home there.
    pub(crate) fn take_fetched(&mut self, from: ShardIndex, ticket: Ticket, answers: Box<[State]>) {
        let home_shards = self.home_shards;
        let Some(poll) = self.polls.under_way.get_mut(&ticket) else {
            debug_assert!(false, "a home answers what it was asked");
            return;
        };
        let is_from = |presentity: &PresentityId| presentity.partition().home(home_shards) == from;
        let places = poll.presentities.iter().zip(&mut poll.states).filter(|(presentity, _)| is_from(presentity));
        for ((_, place), state) in places.zip(answers) {
            *place = Some(state);
        }
        poll.awaited.remove(from);
        if poll.awaited.is_empty()
            && let Some(poll) = self.polls.under_way.remove(&ticket)
        {
            let states: Vec<State> = poll.states.into_iter().flatten().collect();
            self.outcomes.push_back((poll.asked, ticket, Outcome::FetchedMany(states.into())));
        }
    }

    /// Everybody who is awaited was asked, and what has come back is of the others.
    pub(crate) fn verify_polls(&self) -> Result<(), Corrupt> {
        for (ticket, poll) in &self.polls.under_way {
            let is_right = |(presentity, state): (&PresentityId, &Option<State>)| {
                let home = self.home_of(*presentity);
                poll.asked.contains(home) && state.is_none() == poll.awaited.contains(home)
            };
            if poll.awaited.is_empty() || !poll.presentities.iter().zip(&poll.states).all(is_right) {
                return Err(Corrupt { rule: "a poll waits for the homes that have not answered", index: ticket.get() });
            }
        }
        Ok(())
    }
}
