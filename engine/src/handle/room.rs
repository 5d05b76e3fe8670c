//! Waiting for room at a shard's door after it said `Busy`.
//!
//! The shard decides: a wait leaves a mark and rings, and the shard tells all that wait as soon as a turn finds room.
//! Invariant: every wait ends when there is room, and also when the shard will take nothing more, so that the next
//! call says why. Cost: an allocation for the wait; for the shard, one load a turn.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use event_listener::EventListener;

use super::block_on::block_on;
use super::{CallError, Shared};
use crate::runtime::OnShard;

/// A wait for room: `await` it, or [`Room::wait`]. Dropping it is giving up, and leaves nothing behind.
///
/// That there is room does not keep it: with others waiting for the same, the next call may be `Busy` again.
#[derive(Debug)]
#[must_use = "it waits when it is awaited or by `wait`"]
pub struct Room {
    listener: Option<EventListener>,
}

impl Room {
    pub(super) fn at(shared: &Arc<Shared>, shard: usize) -> Self {
        let door = &shared.doors[shard];
        let listener = door.room.listen();
        // After it listens: the shard, or whoever closes the door, tells those who listen by then.
        if !door.want_room() {
            return Self { listener: None };
        }
        Self { listener: Some(listener) }
    }

    /// Sleeps until there is room.
    ///
    /// # Errors
    /// [`CallError::OnShard`] on a thread that turns a shard, where it would wait for itself.
    pub fn wait(self) -> Result<(), CallError> {
        if OnShard::is_here() && self.listener.is_some() {
            return Err(CallError::OnShard);
        }
        let _ = block_on(self, None);
        Ok(())
    }
}

impl Future for Room {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(listener) = &mut self.listener else { return Poll::Ready(()) };
        let told = Pin::new(listener).poll(context);
        if told.is_ready() {
            self.listener = None;
        }
        told
    }
}
