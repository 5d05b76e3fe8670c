//! Who is still to be answered by a shard: requests under way, and the watchers of handles.
//!
//! Requests of handles enter the mesh at their home, so the shard asks itself, and its answers come in the order of the
//! requests: the waits stand in a queue, and a bulk call's parts in another, of which always the oldest gets the
//! answers. Policies alone are answered late, when every shard has applied them, and stand in a map. Invariant: a ticket stays in the queue until its outcome has come, also when nobody waits for it any
//! more, so that no outcome of a handle's is shown to the embedder. Cost: a push and a pop for each request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fanfare_core::{
    Accepted, Outcome, PolicyEpoch, PresentityId, Publication, Published, State, Ticket, Verdict, WatcherId,
};

use super::CallError;
use super::answer::Answering;
use super::door::Command;
use super::feed::Feed;
use super::gather::Gather;
use super::polled::PolledPart;

/// One shard's book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    requests: VecDeque<(Ticket, Reply)>,
    /// Requests that later ones may overtake.
    late: BTreeMap<Ticket, Reply>,
    parts: VecDeque<Part>,
    /// The command for which there was no credit. Here, so that it can be refused for a shard that does not come back.
    held: Option<Command>,
    /// By the watcher's index; empty entries belong to the embedder's watchers.
    watchers: Vec<Option<Foreign>>,
}

/// Where an outcome goes.
#[derive(Debug)]
pub(crate) enum Reply {
    Published(Answering<Published>),
    Fetched(Answering<State>),
    FetchedMany(PolledPart),
    Accepted(Answering<Accepted>),
    Applied(Answering<PolicyEpoch>),
    Decided(Answering<Verdict>),
    Pending(Answering<Box<[PresentityId]>>),
    Named(Answering<()>),
    /// To the oldest part, at this place.
    Part(u32),
    /// Nobody waits for it any more.
    Nobody,
}

/// Results with their places in the call.
type Placed = Vec<(u32, Result<Published, CallError>)>;

/// What came of asking.
pub(super) enum Asking {
    Asked(Ticket),
    Refused(CallError),
    NoCredit(Publication),
}

/// What one home does of a bulk call.
#[derive(Debug)]
struct Part {
    /// The one for which there was no credit.
    held: Option<(u32, Publication)>,
    to_ask: std::vec::IntoIter<(u32, Publication)>,
    results: Placed,
    /// Publications without a result.
    left: usize,
    /// Nothing when nobody waits any more.
    gather: Option<Arc<Gather>>,
}

#[derive(Debug)]
struct Foreign {
    watcher: WatcherId,
    feed: Arc<Feed>,
}

/// Waits that were taken from the book to be ended without its lock.
#[derive(Debug)]
pub(super) struct Waits {
    held: Option<Command>,
    replies: Vec<Reply>,
    parts: Vec<Arc<Gather>>,
    feeds: Vec<Arc<Feed>>,
}

impl Book {
    /// Whether no outcome is waited for and nothing is left to ask.
    pub(super) fn is_settled(&self) -> bool {
        self.requests.is_empty() && self.late.is_empty() && self.parts.is_empty()
    }

    pub(super) fn expect(&mut self, ticket: Ticket, reply: Reply) {
        match reply {
            Reply::Applied(_) => {
                self.late.insert(ticket, reply);
            }
            reply => self.requests.push_back((ticket, reply)),
        }
    }

    pub(super) fn hold(&mut self, command: Command) {
        self.held = Some(command);
    }

    /// The command that is held, unless it has been refused meanwhile.
    pub(super) fn take_held(&mut self) -> Option<Command> {
        self.held.take()
    }

    /// Takes on a part of a bulk call.
    pub(super) fn begin(&mut self, publications: Vec<(u32, Publication)>, gather: Arc<Gather>) {
        let left = publications.len();
        let to_ask = publications.into_iter();
        self.parts.push_back(Part {
            held: None,
            to_ask,
            results: Vec::with_capacity(left),
            left,
            gather: Some(gather),
        });
    }

    /// Asks for what is left of the newest part, as long as there is a credit. Tells whether all has been asked.
    pub(super) fn ask_on(&mut self, mut ask: impl FnMut(Publication) -> Asking) -> bool {
        let Some(part) = self.parts.back_mut() else { return true };
        while let Some((place, publication)) = part.held.take().or_else(|| part.to_ask.next()) {
            match ask(publication) {
                Asking::Asked(ticket) => self.requests.push_back((ticket, Reply::Part(place))),
                Asking::Refused(error) => part.end(place, Err(error)),
                Asking::NoCredit(publication) => {
                    part.held = Some((place, publication));
                    return false;
                }
            }
        }
        true
    }

    /// Parts that are through, to be told of without the lock.
    pub(super) fn finish_parts(&mut self) -> Vec<(Arc<Gather>, Placed)> {
        let mut done = Vec::new();
        while self.parts.front().is_some_and(|part| part.left == 0) {
            if let Some(Part { gather: Some(gather), results, .. }) = self.parts.pop_front() {
                done.push((gather, results));
            }
        }
        done
    }

    /// An outcome has come. Gives it back if it is not to a handle's request; else, to whom it goes if not to a part.
    pub(super) fn done(&mut self, ticket: Ticket, outcome: Outcome) -> Result<Option<(Reply, Outcome)>, Outcome> {
        if self.requests.front().is_none_or(|(expected, _)| *expected != ticket) {
            return match self.late.remove(&ticket) {
                Some(reply) => Ok(Some((reply, outcome))),
                None => Err(outcome),
            };
        }
        let Some((_, reply)) = self.requests.pop_front() else { return Err(outcome) };
        let Reply::Part(place) = reply else { return Ok(Some((reply, outcome))) };
        if let Some(part) = self.parts.iter_mut().find(|part| part.left != 0) {
            part.end(place, published(outcome));
        }
        Ok(None)
    }

    pub(super) fn open(&mut self, watcher: WatcherId, feed: Arc<Feed>) {
        if self.watchers.len() <= watcher.index() {
            self.watchers.resize_with(watcher.index() + 1, || None);
        }
        self.watchers[watcher.index()] = Some(Foreign { watcher, feed });
    }

    pub(super) fn close(&mut self, watcher: WatcherId) {
        self.watchers[watcher.index()] = None;
    }

    pub(super) fn feed(&self, watcher: WatcherId) -> Option<&Arc<Feed>> {
        let foreign = self.watchers.get(watcher.index())?.as_ref()?;
        (foreign.watcher == watcher).then_some(&foreign.feed)
    }

    pub(super) fn feeds(&self) -> Vec<Arc<Feed>> {
        self.watchers.iter().flatten().map(|foreign| foreign.feed.clone()).collect()
    }

    /// Nobody waits any more; the tickets stay.
    pub(super) fn take_waits(&mut self) -> Waits {
        let replies = self.requests.iter_mut().map(|(_, reply)| reply).filter(|reply| !matches!(reply, Reply::Part(_)));
        let replies = replies.chain(self.late.values_mut());
        let replies = replies.map(|reply| std::mem::replace(reply, Reply::Nobody)).collect();
        for part in &mut self.parts {
            // What has not been asked will not be.
            part.left -= part.to_ask.len() + usize::from(part.held.take().is_some());
            part.to_ask = Vec::new().into_iter();
        }
        let parts = self.parts.iter_mut().filter_map(|part| part.gather.take()).collect();
        Waits { held: self.held.take(), replies, parts, feeds: self.feeds() }
    }
}

impl Part {
    fn end(&mut self, place: u32, result: Result<Published, CallError>) {
        self.results.push((place, result));
        self.left -= 1;
    }
}

impl Waits {
    pub(super) fn refuse(self, error: &CallError) {
        if let Some(command) = self.held {
            command.refuse(error);
        }
        for reply in self.replies {
            reply.refuse(error);
        }
        for gather in self.parts {
            gather.refuse_rest(error);
        }
        for feed in self.feeds {
            feed.nudge();
        }
    }
}

impl Reply {
    /// Tells the caller what came of the request.
    pub(super) fn tell(self, outcome: Outcome) {
        match (self, outcome) {
            (reply, Outcome::Refused(refusal)) => reply.refuse(&refusal.into()),
            (Self::Published(answer), Outcome::Published(published)) => answer.give(Ok(published)),
            (Self::Fetched(answer), Outcome::Fetched(state)) => answer.give(Ok(state)),
            (Self::FetchedMany(part), Outcome::FetchedMany(states)) => part.give(Ok(states)),
            (Self::Accepted(answer), Outcome::Accepted(accepted)) => answer.give(Ok(accepted)),
            (Self::Applied(answer), Outcome::PolicyApplied { epoch }) => answer.give(Ok(epoch)),
            (Self::Applied(answer), Outcome::Incomplete { epoch, shards }) => {
                answer.give(Err(CallError::Incomplete { epoch, shards }));
            }
            (Self::Decided(answer), Outcome::Decided(verdict)) => answer.give(Ok(verdict)),
            (Self::Pending(answer), Outcome::Pending(watchers)) => answer.give(Ok(watchers)),
            (Self::Named(answer), Outcome::Named) => answer.give(Ok(())),
            (Self::Part(_) | Self::Nobody, _) => {}
            (reply, other) => unreachable!("{reply:?} was answered with {other:?}"),
        }
    }

    /// Tells the caller why nothing comes of it.
    pub(super) fn refuse(self, error: &CallError) {
        let error = error.clone();
        match self {
            Self::Published(answer) => answer.give(Err(error)),
            Self::Fetched(answer) => answer.give(Err(error)),
            Self::FetchedMany(part) => part.give(Err(error)),
            Self::Accepted(answer) => answer.give(Err(error)),
            Self::Applied(answer) => answer.give(Err(error)),
            Self::Decided(answer) => answer.give(Err(error)),
            Self::Pending(answer) => answer.give(Err(error)),
            Self::Named(answer) => answer.give(Err(error)),
            Self::Part(_) | Self::Nobody => {}
        }
    }
}

fn published(outcome: Outcome) -> Result<Published, CallError> {
    match outcome {
        Outcome::Published(published) => Ok(published),
        Outcome::Refused(refusal) => Err(refusal.into()),
        other => unreachable!("a publication was answered with {other:?}"),
    }
}
