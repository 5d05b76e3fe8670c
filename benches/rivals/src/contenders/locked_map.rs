//! A map under a lock with a queue for each watcher: what most programs begin with.
//!
//! Presentity → the sending ends of its watchers' queues, in a `HashMap` under an `RwLock` that a publication reads. Who
//! has something in his queue is put on a list, which stands in for the wake-up that a task or thread would need, and
//! costs less than one.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::audience::Audience;
use crate::rival::{Change, Class, Payload, Rival, Told};

/// A queue without a bound, of whatever crate.
pub(super) trait Queue {
    /// As the contender is asked for.
    const NAME: &'static str;
    /// How it differs from the engine.
    const DIFFERS: &'static str;
    /// The end that publishers have, one for each subscription.
    type Sender: Clone;
    /// The end that the watcher has.
    type Receiver;

    /// An empty queue.
    fn unbounded() -> (Self::Sender, Self::Receiver);

    /// Puts a change in.
    fn send(sender: &Self::Sender, change: Change);

    /// Takes all changes out that are there.
    fn take_all(receiver: &Self::Receiver, take: impl FnMut(Change));
}

/// `flume`: a `VecDeque` behind a lock.
pub(super) enum Flume {}

impl Queue for Flume {
    const NAME: &'static str = "map-flume";
    const DIFFERS: &'static str = "A locked map of flume queues: copies every change into every watcher's queue, so a \
                                   slow watcher's queue grows without bound.";
    type Sender = flume::Sender<Change>;
    type Receiver = flume::Receiver<Change>;

    fn unbounded() -> (Self::Sender, Self::Receiver) {
        flume::unbounded()
    }

    #[inline]
    fn send(sender: &Self::Sender, change: Change) {
        // It fails when the receiver is gone; then the delivery is missed, and the check says so.
        let _ = sender.send(change);
    }

    #[inline]
    fn take_all(receiver: &Self::Receiver, take: impl FnMut(Change)) {
        // Takes the lock once for all of them.
        receiver.drain().for_each(take);
    }
}

/// `crossbeam-channel`: blocks of 31 changes, without a lock.
pub(super) enum Crossbeam {}

impl Queue for Crossbeam {
    const NAME: &'static str = "map-crossbeam";
    const DIFFERS: &'static str = "A locked map of crossbeam queues: copies every change into every watcher's queue, so \
                                   a slow watcher's queue grows without bound.";
    type Sender = crossbeam_channel::Sender<Change>;
    type Receiver = crossbeam_channel::Receiver<Change>;

    fn unbounded() -> (Self::Sender, Self::Receiver) {
        crossbeam_channel::unbounded()
    }

    #[inline]
    fn send(sender: &Self::Sender, change: Change) {
        let _ = sender.send(change);
    }

    #[inline]
    fn take_all(receiver: &Self::Receiver, take: impl FnMut(Change)) {
        receiver.try_iter().for_each(take);
    }
}

/// Who watches a presentity, and the ends to put changes in.
type Ends<Q> = Vec<(u32, <Q as Queue>::Sender)>;

/// A locked map of queues.
pub(super) struct LockedMap<Q: Queue> {
    topics: RwLock<HashMap<u32, Ends<Q>>>,
    receivers: Vec<Q::Receiver>,
    is_ready: Vec<bool>,
    ready: Vec<u32>,
}

impl<Q: Queue> LockedMap<Q> {
    /// One queue for each user, and a sender of it for each subscription.
    #[must_use]
    pub(super) fn over(audience: &Audience) -> Self {
        let users = audience.graph().users() as u32;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..users).map(|_| Q::unbounded()).unzip();
        let topics = (0..users).map(|presentity| {
            let watchers = audience.of(presentity).iter();
            (presentity, watchers.map(|&watcher| (watcher, senders[watcher as usize].clone())).collect())
        });
        Self {
            topics: RwLock::new(topics.collect()),
            receivers,
            is_ready: vec![false; users as usize],
            ready: Vec::with_capacity(users as usize),
        }
    }
}

impl<Q: Queue> Rival for LockedMap<Q> {
    fn name(&self) -> &'static str {
        Q::NAME
    }

    fn class(&self) -> Class {
        Class::Queueing
    }

    fn differs(&self) -> &'static str {
        Q::DIFFERS
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        for &(presentity, payload) in batch {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            for (watcher, sender) in topics.get(&presentity).map_or(&[][..], Vec::as_slice) {
                Q::send(sender, Change { presentity, payload });
                if !std::mem::replace(&mut self.is_ready[*watcher as usize], true) {
                    self.ready.push(*watcher);
                }
            }
        }
    }

    fn drain(&mut self) -> Told {
        let mut told = Told::default();
        for watcher in self.ready.drain(..) {
            self.is_ready[watcher as usize] = false;
            Q::take_all(&self.receivers[watcher as usize], |change| {
                told.take(watcher, change.presentity, &change.payload);
            });
        }
        told
    }
}
