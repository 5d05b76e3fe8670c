//! glommio's `local_channel`, one for each watcher, on one executor that the calling thread turns.
//!
//! Not its channel mesh: a mesh joins executors, not watchers. It would have to run on two threads, so that its figure
//! were not one core's; it sends one item at a time to a peer that is not asleep, and then each watcher still needs a
//! queue behind it. The local channel is what glommio offers for the same thing on one core: no lock, no atomic.
//!
//! The receivers are polled by whoever turns the executor, for those watchers that were put on a list: a task for each
//! watcher, woken through glommio's run queue, would cost more. Each publication and each drain is one run of the
//! executor, with its look at the rings of io_uring.

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_unbounded};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

use crate::audience::Audience;
use crate::error::RivalError;
use crate::rival::{Change, Class, Payload, Rival, Told};

const NAME: &str = "glommio-local";

/// Single-threaded queues, by watcher.
pub(super) struct LocalChannel {
    audience: Rc<Audience>,
    senders: Vec<LocalSender<Change>>,
    receivers: Vec<LocalReceiver<Change>>,
    is_ready: Vec<bool>,
    ready: Vec<u32>,
    executor: LocalExecutor,
}

/// Whether glommio can run here. To be asked before an executor is made, because glommio ends the process where an
/// operation is missing.
pub(super) fn available() -> Result<(), RivalError> {
    fanfare::Host::probe().io_uring.map_err(|why| missing(format!("glommio needs io_uring; {why}")))
}

fn missing(reason: String) -> RivalError {
    RivalError::Unavailable { name: NAME, reason }
}

impl LocalChannel {
    /// One executor, and a channel for each user.
    ///
    /// # Errors
    /// If glommio cannot start an executor.
    pub(super) fn over(audience: Rc<Audience>) -> Result<Self, RivalError> {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        let executor = executor.map_err(|error| missing(format!("glommio starts no executor: {error}")))?;
        let users = audience.graph().users() as usize;
        let (senders, receivers) = (0..users).map(|_| new_unbounded()).unzip();
        let (is_ready, ready) = (vec![false; users], Vec::with_capacity(users));
        Ok(Self { audience, senders, receivers, is_ready, ready, executor })
    }
}

impl Rival for LocalChannel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn class(&self) -> Class {
        Class::Queueing
    }

    fn differs(&self) -> &'static str {
        "glommio's local channel for each watcher: copies every change into every watcher's queue, without a lock, and \
         only on one core."
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        let Self { audience, senders, is_ready, ready, executor, .. } = self;
        executor.run(async {
            for &(presentity, payload) in batch {
                for &watcher in audience.of(presentity) {
                    // It fails when the receiver is gone; then the delivery is missed, and the check says so.
                    let _ = senders[watcher as usize].try_send(Change { presentity, payload });
                    if !std::mem::replace(&mut is_ready[watcher as usize], true) {
                        ready.push(watcher);
                    }
                }
            }
        });
    }

    fn drain(&mut self) -> Told {
        let Self { receivers, is_ready, ready, executor, .. } = self;
        executor.run(async {
            let mut told = Told::default();
            let mut nobody = Context::from_waker(Waker::noop());
            for watcher in ready.drain(..) {
                is_ready[watcher as usize] = false;
                while let Poll::Ready(Some(change)) = pin!(receivers[watcher as usize].recv()).poll(&mut nobody) {
                    told.take(watcher, change.presentity, &change.payload);
                }
            }
            told
        })
    }
}
