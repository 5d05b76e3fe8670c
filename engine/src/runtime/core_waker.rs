//! How code beside a shard makes its loop turn: a task of the frontend's own, or any other thread.
//!
//! One for each shard, shared by whoever was given the [`Waker`](std::task::Waker). Invariant: a wake that comes before
//! the loop has polled its frontend leads to another poll after it, also if the loop was about to rest. Cost: for a
//! loop that is awake, two stores and a fence for the caller, one load a turn for the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use crate::mesh::doorbell::Doorbell;

/// The flag, and the bell that is rung after it was set.
#[derive(Debug)]
pub(crate) struct CoreWaker {
    called: AtomicBool,
    doorbell: Arc<Doorbell>,
}

impl CoreWaker {
    pub(crate) fn new(doorbell: Arc<Doorbell>) -> Arc<Self> {
        Arc::new(Self { called: AtomicBool::new(false), doorbell })
    }

    /// By the loop, armed: whether it has been called since it last polled. The bell's fences order this load as they
    /// order those of the rings.
    pub(crate) fn is_called(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }

    /// By the loop, right before it polls the frontend.
    pub(crate) fn heard(&self) {
        if self.called.load(Ordering::Relaxed) {
            // A swap, so that what the caller stored before is seen by the poll that follows.
            self.called.swap(false, Ordering::AcqRel);
        }
    }
}

impl Wake for CoreWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.store(true, Ordering::Release);
        self.doorbell.ring();
    }
}
