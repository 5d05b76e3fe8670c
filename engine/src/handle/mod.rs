//! The engine as foreign threads see it: handles that publish, fetch and watch.
//!
//! A [`Handle`] lives on any thread; what it asks goes through the ingress of a shard as a command, and the answer
//! comes back through a slot of its own. On each shard a doorkeeper serves the commands, in front of the
//! embedder's frontend and unseen by it. Invariant: every call ends: with an answer, with `Busy` at once when the door
//! or the credits are full, or with the reason for which the engine stopped. Cost: one allocation and one command a
//! call, and for the caller's thread a sleep until the answer is there.
//!
//! Calls block. Asynchronous forms come later, over the same commands: only the waiting in `answer` and `feed`
//! differs.

pub(crate) mod answer;
mod door;
pub(crate) mod doorkeeper;
pub(crate) mod feed;
mod note;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use fanfare_core::{Error, Outcome, PresentityId, Publication, Published, Refusal, State, Tick, View};
use thiserror::Error as ThisError;

use crate::mesh::doorbell::Doorbell;
use crate::mesh::ingress::NotTaken;
use crate::runtime::fate::Fate;
use crate::runtime::stats::LoopLine;
use crate::runtime::{Clock, EngineError, on_a_shard};
use answer::{Answering, answer};
use door::{Command, Door};

pub use note::OwnedNote;
pub use watcher::Watcher;

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
    /// The call was made on a shard's own thread, by a frontend, and would have waited for itself.
    #[error("a frontend must not make blocking calls: use the shard it is given")]
    OnShard,
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
    doors: Box<[Door]>,
    /// What `Busy` proposes when a door is full.
    retry_after_us: u32,
    /// Notes that wait for one foreign watcher at most.
    feed_notes: usize,
    /// Where the next watcher of a handle is put.
    next_shard: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(
        clock: Clock,
        doorbells: Box<[Arc<Doorbell>]>,
        ingress_slots: usize,
        feed_notes: usize,
        retry_after_us: u32,
    ) -> Self {
        Self {
            fate: Fate::default(),
            clock,
            lines: doorbells.iter().map(|_| CachePadded::default()).collect(),
            doors: doorbells.iter().map(|bell| Door::new(ingress_slots, bell.clone())).collect(),
            doorbells,
            retry_after_us,
            feed_notes,
            next_shard: AtomicUsize::new(0),
        }
    }

    pub(crate) fn ring_all(&self) {
        for bell in &self.doorbells {
            bell.ring();
        }
    }

    /// Puts a command in at a shard's door and waits for its answer.
    fn call<T>(
        &self,
        shard: usize,
        command: impl FnOnce(Answering<Result<T, Error>>) -> Command,
    ) -> Result<T, CallError> {
        if on_a_shard() {
            return Err(CallError::OnShard);
        }
        if let Some(refusal) = self.fate.refusal() {
            return Err(refusal.into());
        }
        let (asked, answering) = answer();
        match self.doors[shard].ingress.push(command(answering)) {
            Ok(()) => Ok(asked.wait(&self.fate)??),
            Err(NotTaken::Full) => Err(CallError::Busy { retry_after_us: self.retry_after_us }),
            Err(NotTaken::Closed) => Err(self.fate.ending().into()),
        }
    }
}

/// The engine's door for any thread. Cheap to clone; an engine that has ended answers with the reason.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Publishes a state and waits until its home has taken it.
    ///
    /// # Errors
    /// [`CallError::Busy`] at once when the home's door or credits are full; see the other kinds there.
    pub fn publish(&self, publication: Publication) -> Result<Published, CallError> {
        let home = self.home(publication.presentity);
        match self.shared.call(home, |answer| Command::Publish { publication, answer })? {
            Outcome::Published(published) => Ok(published),
            Outcome::Refused(refusal) => Err(refusal.into()),
            other => unreachable!("a publication was answered with {other:?}"),
        }
    }

    /// Asks what a state is, once.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn fetch(&self, presentity: PresentityId, view: View) -> Result<State, CallError> {
        let home = self.home(presentity);
        match self.shared.call(home, |answer| Command::Fetch { presentity, view, answer })? {
            Outcome::Fetched(state) => Ok(state),
            Outcome::Refused(refusal) => Err(refusal.into()),
            other => unreachable!("a fetch was answered with {other:?}"),
        }
    }

    /// Opens a watcher on one of the shards, each in turn. `token` comes back with every note.
    ///
    /// # Errors
    /// As [`Handle::publish`].
    pub fn watcher(&self, token: u64) -> Result<Watcher, CallError> {
        let shard = self.shared.next_shard.fetch_add(1, Ordering::Relaxed) % self.shards();
        Watcher::open(self.shared.clone(), shard, token)
    }

    /// How many shards the engine has.
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
        presentity.partition().home(self.shards()).index()
    }
}
