//! The links of the simulated mesh: rings of a few slots, emptied when chance will have it.

use std::collections::{BTreeMap, VecDeque};

use fanfare_core::{Document, Message, PresentityId, Request, ShardIndex, Tick, Ticket, View};
use rand::RngExt;

use super::presence::Due;
use super::world::{Awaited, World};

/// Rings between every two shards.
pub(super) struct Network {
    slots: usize,
    /// By sender, then receiver.
    messages: Vec<Vec<VecDeque<Message>>>,
    returns: Vec<Vec<VecDeque<Document>>>,
    pub(super) home_of_ticket: BTreeMap<(usize, Ticket), usize>,
}

impl Network {
    pub(super) fn new(shards: usize, slots: usize) -> Self {
        let rings = || (0..shards).map(|_| VecDeque::new()).collect::<Vec<_>>();
        Self {
            slots,
            messages: (0..shards).map(|_| rings()).collect(),
            returns: (0..shards).map(|_| (0..shards).map(|_| VecDeque::new()).collect()).collect(),
            home_of_ticket: BTreeMap::new(),
        }
    }

    /// Requests of a shard to a home that have no outcome yet, of those whose ticket is meant.
    pub(super) fn out_of(&self, shard: usize, home: usize, is_meant: impl Fn(Ticket) -> bool) -> usize {
        let all = self.home_of_ticket.iter().filter(|((of, _), at)| *of == shard && **at == home);
        all.filter(|((_, ticket), _)| is_meant(*ticket)).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.iter().flatten().all(VecDeque::is_empty) && self.returns.iter().flatten().all(VecDeque::is_empty)
    }
}

impl World {
    /// Fills one ring and empties one, each by a random count.
    pub(super) fn carry_some(&mut self) -> Result<(), String> {
        let (from, to) = (self.any_shard(), self.any_shard());
        if from == to {
            return Ok(());
        }
        let count = self.rng.random_range(1..=8);
        self.send(from, to, count);
        let count = self.rng.random_range(1..=8);
        if self.stalled[to] == 0 { self.deliver(from, to, count) } else { Ok(()) }
    }

    /// Moves what one shard has for another into the ring, while there is room.
    pub(super) fn send(&mut self, from: usize, to: usize, count: usize) {
        for _ in 0..count {
            let ring = &mut self.network.returns[from][to];
            if ring.len() >= self.network.slots {
                self.faults.returns_full += 1;
                break;
            }
            let Some(document) = self.shards[from].next_return(ShardIndex::new(to)) else { break };
            ring.push_back(document);
        }
        for _ in 0..count {
            let ring = &mut self.network.messages[from][to];
            if ring.len() >= self.network.slots {
                self.faults.link_full += 1;
                break;
            }
            let Some(message) = self.shards[from].next_message(ShardIndex::new(to)) else { break };
            ring.push_back(message);
        }
    }

    /// Takes messages out of a ring, while the receiver can take them in.
    pub(super) fn deliver(&mut self, from: usize, to: usize, count: usize) -> Result<(), String> {
        let returns = &mut self.network.returns[from][to];
        let mut documents: Vec<_> = returns.drain(..count.min(returns.len())).collect();
        self.shards[to].receive_returns(&mut documents);
        for _ in 0..count {
            if !self.shards[to].can_receive(ShardIndex::new(from)) {
                break;
            }
            let Some(message) = self.network.messages[from][to].pop_front() else { break };
            self.hand_in(from, to, message)?;
        }
        Ok(())
    }

    /// What a shard has for itself, all of it: what is left the step would take in unseen.
    pub(super) fn carry_own(&mut self, shard: usize) -> Result<(), String> {
        while let Some(message) = self.shards[shard].next_message(ShardIndex::new(shard)) {
            self.hand_in(shard, shard, message)?;
        }
        Ok(())
    }

    fn hand_in(&mut self, from: usize, to: usize, message: Message) -> Result<(), String> {
        self.witness(from, to, &message)?;
        let accepts = match &message {
            Message::Request { ticket, request: Request::SetPolicy(edit) } => {
                Some((*ticket, edit.presentity, Self::guard_of(edit)))
            }
            _ => None,
        };
        let about = match &message {
            Message::Join(interest) | Message::Leave(interest) => Some(interest.presentity.get()),
            Message::Request { request: Request::Publish(publication), .. } => Some(publication.presentity.get()),
            _ => None,
        };
        let evicted = self.shards[to].counters().evicted;
        self.shards[to].receive(ShardIndex::new(from), message);
        if let Some((ticket, presentity, guard)) = accepts {
            let stamp = self.shards[to].stamp_at_home(presentity);
            let number = self.policies.accepted(presentity, guard, stamp);
            self.awaited.insert((from, ticket), Awaited::Policy(presentity, number));
            self.answer_waiting(presentity);
        }
        if let Some(presentity) = about {
            if self.shards[to].counters().evicted != evicted {
                self.forgotten.insert(presentity);
            } else if self.forgotten.remove(&presentity) {
                self.faults.eviction_and_return += 1;
            }
        }
        Ok(())
    }

    pub(super) fn shown(&self, presentity: PresentityId, view: View, now: Tick) -> Vec<(usize, u64)> {
        let shown = self.truth_of(presentity, view, now);
        shown.iter().enumerate().filter_map(|(category, held)| Some((category, (*held)?))).collect()
    }

    /// The model sees a request at the moment when its home does.
    fn witness(&mut self, from: usize, home: usize, message: &Message) -> Result<(), String> {
        let Message::Request { ticket, request } = message else { return Ok(()) };
        let now = self.shards[home].now();
        let awaited = match request {
            Request::Publish(publication) => Awaited::Publication(self.truth.served(publication, now)),
            Request::Fetch { presentity, view } => Awaited::State(*view, self.shown(*presentity, *view, now)),
            Request::FetchFor { presentity, who } => {
                let view = self.policies.view_of(presentity.get(), who);
                Awaited::State(view, self.shown(*presentity, view, now))
            }
            Request::FetchMany { who, .. } => return self.witness_poll(from, home, *ticket, &who.clone()),
            Request::Endpoint(publication) => {
                let presences = self.presences.as_mut().ok_or("an endpoint in a world without")?;
                let due = presences.serve(publication, now, &self.limits);
                if let Due::Accepted(_) = due {
                    let person = &presences.persons[&publication.presentity.get()];
                    for device in person.devices.values() {
                        let documents = device.parts.values().filter_map(|part| part.0.as_deref());
                        self.truth.may_be_told_until(documents, device.expires);
                    }
                }
                Awaited::Endpoint(publication.presentity, publication.endpoint, due)
            }
            Request::SetPolicy(edit) => {
                // The stamp that it is accepted as of is known when it is; see `hand_in`.
                Awaited::Policy(edit.presentity, 0)
            }
            Request::Ask { presentity, who } => Awaited::Decision(self.serve_ask(*presentity, who)),
            _ => return Ok(()),
        };
        match self.awaited.insert((from, *ticket), awaited) {
            Some(Awaited::Unserved) => Ok(()),
            _ => Err(format!("{ticket:?} was served twice, or never asked for")),
        }
    }
}
