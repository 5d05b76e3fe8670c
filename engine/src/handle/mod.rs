//! The engine as foreign threads and tasks see it: handles that publish, fetch and watch.
//!
//! A [`Handle`] lives on any thread; what it asks goes through the ingress of a shard as a command, and the answer
//! comes back through a slot of its own, which a [`Call`] polls or sleeps for. On each shard a doorkeeper serves the
//! commands, in front of the embedder's frontend and unseen by it. Invariant: every call ends: with an answer, with
//! `Busy` at once when the door is full, or with the reason for which the engine, or a host, does not go on. Cost: one
//! allocation, one command and one wake-up a call, however much it carries.

mod answer;
mod block_on;
mod book;
mod call;
mod census;
mod door;
pub(crate) mod doorkeeper;
mod feed;
mod gather;
mod note;
mod polled;
mod room;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use fanfare_core::{
    Accepted, EndpointPublication, Error, Identity, NameClaim, PolicyEdit, PolicyEpoch, PresentityId, Publication,
    Published, Refusal, Request, ShardSet, State, Tick, Verdict, View,
};
use thiserror::Error as ThisError;

use crate::mesh::doorbell::Doorbell;
use crate::mesh::ingress::NotTaken;
use crate::runtime::fate::Fate;
use crate::runtime::stats::LoopLine;
use crate::runtime::watchdog::Kicker;
use crate::runtime::{Clock, EngineError};
use answer::{Answering, answer};
use book::Reply;
use census::Census;
use door::{Command, Door};
use gather::{Gather, Results};

pub use call::Call;
pub use census::Watching;
pub use note::OwnedNote;
pub use room::Room;
pub use watcher::{NextBatch, Watcher};

/// Publications of one call at most: more would hold a shard's door for tens of milliseconds, and gain nothing.
pub const PUBLICATIONS_PER_CALL: usize = 65_536;

/// Why a call of a handle came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum CallError {
    /// The shard's door, its credits or the home are full now; the same call may succeed later.
    #[error("busy: try again after {retry_after_us} us")]
    Busy {
        /// A proposal for the time to wait, in microseconds.
        retry_after_us: u32,
    },
    /// The home refused the request.
    #[error(transparent)]
    Refused(Refusal),
    /// The shard refused the call.
    #[error(transparent)]
    Shard(Error),
    /// The engine has stopped or stops.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The call was to block a thread that turns a shard, and would have waited for itself.
    #[error("a thread that turns a shard must not block: await the call, or use the shard that a frontend is given")]
    OnShard,
    /// The host that turns the shard has not done so for too long. The call may have been obeyed, or may still be.
    #[error("the host of shard {shard} does not step it")]
    Stalled {
        /// The shard.
        shard: usize,
    },
    /// The policy stands, and these shards have not said in time that they have applied it. They will, as soon as they
    /// step; until they do, their watchers may still be shown what was composed before.
    #[error("the policy stands, but {} of the shards have not applied it yet", shards.iter().count())]
    Incomplete {
        /// The policy's number.
        epoch: PolicyEpoch,
        /// Who has not said so.
        shards: ShardSet,
    },
    /// More publications than one call carries.
    #[error("more than {limit} publications in one call: split them")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy { retry_after_us } => Self::Busy { retry_after_us },
            error => Self::Shard(error),
        }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy { retry_after_us } => Self::Busy { retry_after_us },
            refusal => Self::Refused(refusal),
        }
    }
}

/// What all threads of an engine share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) fate: Fate,
    pub(crate) clock: Clock,
    pub(crate) doorbells: Box<[Arc<Doorbell>]>,
    pub(crate) lines: Box<[CachePadded<LoopLine>]>,
    pub(crate) doors: Box<[Door]>,
    pub(crate) kickers: Box<[Kicker]>,
    /// Shards, from 0 on, that presentities are at home on.
    pub(crate) homes: usize,
    /// Shards, from 0 on, that watchers of handles are put on.
    pub(crate) watched_on: usize,
    /// What `Busy` proposes when a door is full.
    retry_after_us: u32,
    /// Presentities that one call may fetch.
    fetch_presentities_max: u32,
    /// Notes that wait for one foreign watcher at most.
    feed_notes: usize,
    /// Where the next watcher of a handle is put.
    next_shard: AtomicUsize,
}

/// What an engine's shared part is made from.
pub(crate) struct SharedParts {
    pub(crate) doorbells: Box<[Arc<Doorbell>]>,
    pub(crate) homes: usize,
    pub(crate) watched_on: usize,
    pub(crate) ingress_slots: usize,
    pub(crate) feed_notes: usize,
    pub(crate) retry_after_us: u32,
    pub(crate) fetch_presentities_max: u32,
}

impl Shared {
    pub(crate) fn new(parts: SharedParts) -> Self {
        let SharedParts { doorbells, homes, watched_on, ingress_slots, feed_notes, .. } = parts;
        let SharedParts { retry_after_us, fetch_presentities_max, .. } = parts;
        Self {
            fate: Fate::default(),
            clock: Clock::start(),
            lines: doorbells.iter().map(|_| CachePadded::default()).collect(),
            doors: doorbells.iter().map(|bell| Door::new(ingress_slots, bell.clone())).collect(),
            kickers: doorbells.iter().map(|_| Kicker::default()).collect(),
            doorbells,
            homes,
            watched_on,
            retry_after_us,
            fetch_presentities_max,
            feed_notes,
            next_shard: AtomicUsize::new(0),
        }
    }

    pub(crate) fn ring_all(&self) {
        for bell in &self.doorbells {
            bell.ring();
        }
    }

    /// Stops the engine for this reason, unless there is an earlier one, and ends all waits: also those for a shard
    /// that does not come back to hear of it.
    pub(crate) fn fail(&self, error: EngineError) {
        self.fate.fail(error);
        let error = CallError::from(self.fate.ending());
        for door in &self.doors {
            door.abandon(&error);
        }
        self.ring_all();
    }

    /// Why nothing can be asked of this shard, if that is so.
    fn refusal(&self, shard: usize) -> Option<CallError> {
        match self.fate.refusal() {
            Some(ending) => Some(ending.into()),
            None => self.doors[shard].is_stalled().then_some(CallError::Stalled { shard }),
        }
    }

    /// Puts a command in at a shard's door.
    fn push(&self, shard: usize, command: Command) -> Result<(), CallError> {
        self.doors[shard].ingress.push(command).map_err(|why| match why {
            NotTaken::Full => CallError::Busy { retry_after_us: self.retry_after_us },
            NotTaken::Closed => self.fate.ending().into(),
        })
    }

    /// Puts a command in, with a slot for its answer.
    fn call<T>(shared: &Arc<Self>, shard: usize, command: impl FnOnce(Answering<T>) -> Command) -> Call<T> {
        if let Some(refusal) = shared.refusal(shard) {
            return Call::done(Err(refusal));
        }
        let (asked, answering) = answer();
        match shared.push(shard, command(answering)) {
            Ok(()) => Call::asked(asked, shared.clone()),
            Err(error) => Call::done(Err(error)),
        }
    }
}

/// The engine's door for any thread or task, of any runtime or none. Cheap to clone; an engine that has ended answers
/// with the reason. No call blocks: each gives a [`Call`], to be awaited or waited for.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Publishes a state. The call ends when its home has taken it.
    ///
    /// # Errors
    /// The call's: [`CallError::Busy`] when the home's door is full or it takes nothing now; see the other kinds there.
    pub fn publish(&self, publication: Publication) -> Call<Published> {
        let home = self.home(publication.presentity);
        self.ask(home, Request::Publish(publication), Reply::Published)
    }

    /// Publishes many states and tells what came of each, in their order: one command for each home, which makes a
    /// publication several times cheaper than alone. Those of one presentity are taken in their order.
    ///
    /// Where one that fails is to fail all: `publish_all(states).await?.into_iter().collect::<Result<Vec<_>, _>>()?`.
    ///
    /// # Errors
    /// The call's: [`CallError::TooMany`]. All other errors stand in the places of the publications that they befell.
    pub fn publish_all(
        &self,
        publications: impl IntoIterator<Item = Publication>,
    ) -> Call<Vec<Result<Published, CallError>>> {
        let publications = publications.into_iter();
        let a_share = publications.size_hint().0.min(PUBLICATIONS_PER_CALL) / self.shared.homes + 1;
        let mut parts: Vec<Vec<(u32, Publication)>> =
            (0..self.shared.homes).map(|_| Vec::with_capacity(a_share)).collect();
        let mut count = 0;
        for publication in publications {
            if count == PUBLICATIONS_PER_CALL {
                return Call::done(Err(CallError::TooMany { limit: PUBLICATIONS_PER_CALL }));
            }
            parts[self.home(publication.presentity)].push((count as u32, publication));
            count += 1;
        }
        let (asked, answering) = answer::<Results>();
        let gather = Gather::new(count, answering, self.shared.clone());
        for (home, publications) in parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let places: Vec<u32> = publications.iter().map(|(place, _)| *place).collect();
            let refused = match self.shared.refusal(home) {
                Some(refusal) => Err(refusal),
                None => self.shared.push(home, Command::PublishAll { publications, gather: gather.clone() }),
            };
            if let Err(error) = refused {
                gather.put(places.into_iter().map(|place| (place, Err(error.clone()))));
            }
        }
        Call::asked(asked, self.shared.clone())
    }

    /// Asks what a state is, once.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn fetch(&self, presentity: PresentityId, view: View) -> Call<State> {
        self.ask(self.home(presentity), Request::Fetch { presentity, view }, Reply::Fetched)
    }

    /// Has one endpoint of a presentity say how it is. The call ends when its home has composed the state.
    ///
    /// # Errors
    /// As [`Handle::publish`]; [`CallError::Refused`] tells of a stale entity-tag or version with the current one.
    pub fn publish_endpoint(&self, publication: EndpointPublication) -> Call<Accepted> {
        let home = self.home(publication.presentity);
        self.ask(home, Request::Endpoint(publication.into()), Reply::Accepted)
    }

    /// Lets this be a presentity's policy. The call ends when every shard with a watcher of it has applied it: from then
    /// on nobody is shown what it denies (C6).
    ///
    /// # Errors
    /// As [`Handle::publish`]; [`CallError::Incomplete`] when some shard does not step in time.
    pub fn set_policy(&self, edit: PolicyEdit) -> Call<PolicyEpoch> {
        self.ask(self.home(edit.presentity), Request::SetPolicy(edit.into()), Reply::Applied)
    }

    /// Asks what this watcher may see of a presentity, once.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn fetch_for(&self, presentity: PresentityId, who: Arc<Identity>) -> Call<State> {
        self.ask(self.home(presentity), Request::FetchFor { presentity, who }, Reply::Fetched)
    }

    /// Asks a presentity's owner to decide on this watcher, if his policy leaves it to him; tells what the policy says.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn ask_owner(&self, presentity: PresentityId, who: Arc<Identity>) -> Call<Verdict> {
        self.ask(self.home(presentity), Request::Ask { presentity, who }, Reply::Decided)
    }

    /// Asks who waits for the owner's decision, oldest first.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn pending_watchers(&self, presentity: PresentityId) -> Call<Box<[PresentityId]>> {
        self.ask(self.home(presentity), Request::Pending { presentity }, Reply::Pending)
    }

    /// Claims an id for the name that it was made from, so that two names with the same hash never share a presence.
    ///
    /// # Errors
    /// As [`Handle::publish`]; [`Refusal::NameTaken`] when the id stands for another.
    pub fn claim_name(&self, presentity: PresentityId, name: &str) -> Call<()> {
        let claim = NameClaim { presentity, name: name.into() };
        self.ask(self.home(presentity), Request::Claim(claim.into()), Reply::Named)
    }

    /// Tells who watches a presentity, on all shards, each as of its own moment. Costs a command and an answer a shard.
    ///
    /// # Errors
    /// As [`Handle::publish`]: if any shard cannot say.
    pub fn watchers_of(&self, presentity: PresentityId) -> Call<Vec<Watching>> {
        let (asked, answering) = answer();
        let census = Census::new(self.shards(), answering, self.shared.clone());
        for shard in 0..self.shards() {
            let pushed = match self.shared.refusal(shard) {
                Some(refusal) => Err(refusal),
                None => self.shared.push(shard, Command::Census { presentity, census: census.clone() }),
            };
            if let Err(error) = pushed {
                census.refuse(&error);
            }
        }
        Call::asked(asked, self.shared.clone())
    }

    /// Opens a watcher on one of the engine's own shards, each in turn (on a host's, if there are no others). `token`
    /// comes back with every note.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn watcher(&self, token: u64) -> Call<Watcher> {
        Watcher::open(&self.shared, self.next_shard(), token, None)
    }

    /// As [`Handle::watcher`], for somebody: what it sees of whom it is to [`Watcher::watch`] is for policy to say.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn watcher_for(&self, token: u64, who: Arc<Identity>) -> Call<Watcher> {
        Watcher::open(&self.shared, self.next_shard(), token, Some(who))
    }

    fn next_shard(&self) -> usize {
        self.shared.next_shard.fetch_add(1, Ordering::Relaxed) % self.shared.watched_on
    }

    fn ask<T>(&self, home: usize, request: Request, reply: impl FnOnce(Answering<T>) -> Reply) -> Call<T> {
        Shared::call(&self.shared, home, |answer| Command::Ask { request, reply: reply(answer) })
    }

    /// Waits until the home of a presentity may have room again, after a call was `Busy`.
    pub fn room(&self, presentity: PresentityId) -> Room {
        Room::at(&self.shared, self.home(presentity))
    }

    /// How many shards the engine has, hosts' included.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.doors.len()
    }

    /// The engine's now, to reckon an expiry from.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.shared.clock.now()
    }

    /// Requests enter the mesh at the presentity's home, so that they cross no link.
    fn home(&self, presentity: PresentityId) -> usize {
        presentity.partition().home(self.shared.homes).index()
    }
}
