//! A shard inside somebody else's loop: the host turns it, and is told when.
//!
//! A [`Seat`] comes from [`Engine::seats`](super::Engine::seats), may cross to the host's thread, and becomes an
//! [`Embedded`] there, which stays on it. Its shard is one of the mesh like any other, with watchers, a frontend and,
//! if the builder was asked for them, homes. Invariant: after [`Embedded::step`] has said `Rest`, the descriptor is
//! readable and the waker called as soon as there is something to do, be it work from another shard, a deadline or a
//! descriptor of the frontend's (which the waker cannot see). Cost: a turn, two reads of the clock, and for every rest
//! a system call to look and, with a deadline, one for the timer.
//!
//! The engine waits for its hosts: one that leaves while the engine runs stops it ([`EngineError::HostLeft`]), and one
//! that does not step although it was told is taken for stalled: calls that wait for it end as
//! [`CallError::Stalled`](crate::CallError::Stalled), and what it is owed waits in bounded room until it steps again.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::Waker;

use super::fate::{EngineError, Phase};
use super::frontend::{Core, Frontend};
use super::on_shard::OnShard;
use super::reactor::Bell;
use super::seat::{Place, guard, turn_to_the_end};
use super::start::StartError;
use super::turn::{Next, Turns};
use crate::handle::Shared;
use crate::{Shard, ShardIndex};

/// A host's place in the mesh, not taken yet. Calls that need its shard wait until it is.
#[must_use = "the engine waits for its hosts: a seat that is dropped stops it"]
pub struct Seat {
    place: Option<Place>,
    shared: Arc<Shared>,
    index: ShardIndex,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("shard", &self.index).finish_non_exhaustive()
    }
}

impl Seat {
    pub(super) fn new(place: Place) -> Self {
        Self { shared: place.shared.clone(), index: place.index(), place: Some(place) }
    }

    /// Which shard it is.
    #[must_use]
    pub fn index(&self) -> ShardIndex {
        self.index
    }

    /// Takes the seat on the calling thread, with this frontend.
    ///
    /// # Errors
    /// When the shard or its epoll instance cannot be made, or `make` panics; the engine has stopped then.
    pub fn take<F: Frontend>(mut self, make: impl FnOnce(Core) -> F) -> Result<Embedded<F>, StartError> {
        // It is there until the seat is taken, which uses the seat up.
        let place = self.place.take().ok_or_else(|| StartError::Engine(self.shared.fate.ending()))?;
        let (shared, bell, index) = (self.shared.clone(), place.bell.clone(), self.index);
        let turns = place.take(make).inspect_err(|_| leave(&shared, index))?;
        // A descriptor of its own, so that the host may hold on to it while the loop is being turned.
        let descriptor = turns.io().clone_descriptor().map_err(|source| {
            leave(&shared, index);
            StartError::System { what: "epoll descriptor", shard: index.index(), source }
        })?;
        Ok(Embedded { turns, shared, bell, index, descriptor, has_rested: false, on_shard: OnShard::enter() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.place.is_some() {
            leave(&self.shared, self.index);
        }
    }
}

/// The shard will not be turned any more. In an engine that has stopped nobody minds.
fn leave(shared: &Shared, shard: ShardIndex) {
    if shared.fate.phase() != Phase::Stopping {
        shared.fail(EngineError::HostLeft { shard });
    }
}

/// A shard that its host turns. Dropping it while the engine runs stops the engine.
pub struct Embedded<F> {
    turns: Turns<F>,
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    index: ShardIndex,
    descriptor: OwnedFd,
    has_rested: bool,
    #[expect(dead_code, reason = "it counts by being there")]
    on_shard: OnShard,
}

/// What a host does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do at once: step again, whenever it suits.
    Again,
    /// There is nothing to do: step when the descriptor is readable, or when the waker is called.
    Rest,
    /// The engine has stopped: drop it. Only now, or its going would be what stops the engine.
    End,
}

impl<F> fmt::Debug for Embedded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("shard", &self.index).finish_non_exhaustive()
    }
}

impl<F: Frontend> Embedded<F> {
    /// Makes one turn, bounded like every turn, and never blocks. A step too many does no harm.
    ///
    /// # Errors
    /// [`EngineError::Panicked`] when the frontend panics in it; the engine has stopped then. What stopped the engine
    /// elsewhere is told as [`Step::End`], and by [`Engine::error`](super::Engine::error).
    pub fn step(&mut self) -> Result<Step, EngineError> {
        let (turns, has_rested) = (&mut self.turns, self.has_rested);
        let next = guard(&self.shared, self.index, || {
            if has_rested {
                turns.io().look();
            }
            turns.skip_lap();
            let next = turns.advance();
            turns.end_lap();
            if let Next::Rest(timeout) = next {
                turns.io().arm(timeout);
            }
            next
        })?;
        self.has_rested = matches!(next, Next::Rest(_));
        Ok(match next {
            Next::Again => Step::Again,
            Next::Rest(_) => Step::Rest,
            Next::End => Step::End,
        })
    }

    /// Steps and waits by turns, on this thread, until the engine stops: for a host that has no other business.
    ///
    /// # Errors
    /// As [`Embedded::step`].
    pub fn run(&mut self) -> Result<(), EngineError> {
        self.has_rested = false;
        turn_to_the_end(&mut self.turns, &self.shared, self.index)
    }

    /// Has this waker called whenever another thread, or a waker of the frontend's, gives the shard something to do
    /// while it rests. It does not see deadlines and the frontend's descriptors: only the descriptor does.
    pub fn wake_by(&mut self, waker: Option<Waker>) {
        self.bell.set_waker(waker);
    }

    /// Its shard, between two steps: the host's own code may subscribe and publish as a frontend does. Step until
    /// `Rest` afterwards: nothing moves by itself.
    pub fn shard(&mut self) -> &mut Shard {
        self.turns.parts().0
    }

    /// Its frontend, between two steps.
    pub fn frontend(&mut self) -> &mut F {
        self.turns.parts().1
    }

    /// Shard and frontend together.
    pub fn parts(&mut self) -> (&mut Shard, &mut F) {
        self.turns.parts()
    }

    /// Which shard it is.
    #[must_use]
    pub fn index(&self) -> ShardIndex {
        self.index
    }
}

impl<F> AsFd for Embedded<F> {
    /// Readable when a step is wanted, after a step that said `Rest`. A step makes it unreadable again, but for events
    /// that the frontend has left untaken: under a waiter that tells only of changes, take them all.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl<F> AsRawFd for Embedded<F> {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl<F> Drop for Embedded<F> {
    fn drop(&mut self) {
        leave(&self.shared, self.index);
        self.bell.set_waker(None);
    }
}
