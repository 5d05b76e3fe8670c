//! A tokio `broadcast` channel for each presentity, and a receiver for each subscription.
//!
//! Without a runtime: a receiver is asked by `try_recv`. Whom to ask is read off a list of what was published, which
//! stands in for the wake-up of each waiting receiver's task, and costs far less. A channel has room for one change:
//! presentities of a batch are all different and drained after it, and more room would only be more memory.

use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::audience::{Audience, Places};
use crate::rival::{Class, Payload, Rival, Told};

/// Changes that a channel holds.
const CAPACITY: usize = 1;

/// One ring for each presentity, a lock in each of its slots.
pub(super) struct Broadcast {
    places: Places,
    senders: Vec<Sender<(u32, Payload)>>,
    /// A watcher's receivers lie side by side.
    receivers: Vec<Receiver<(u32, Payload)>>,
    published: Vec<u32>,
}

impl Broadcast {
    /// Every subscription has its receiver.
    #[must_use]
    pub(super) fn over(audience: &Audience) -> Self {
        let graph = audience.graph();
        let senders: Vec<_> = (0..graph.users()).map(|_| channel(CAPACITY).0).collect();
        let contacts = (0..graph.users()).flat_map(|user| graph.contacts_of(user));
        let receivers = contacts.map(|contact| senders[contact as usize].subscribe()).collect();
        Self { places: audience.places(), senders, receivers, published: Vec::new() }
    }
}

impl Rival for Broadcast {
    fn name(&self) -> &'static str {
        "tokio-broadcast"
    }

    fn class(&self) -> Class {
        Class::Queueing
    }

    fn differs(&self) -> &'static str {
        "A tokio broadcast channel for each presentity: one ring for all its watchers, and who is slower than the ring \
         is long has lost what was overwritten."
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        for &(presentity, payload) in batch {
            // It fails when nobody watches, and then there is nobody to tell.
            if self.senders[presentity as usize].send((presentity, payload)).is_ok() {
                self.published.push(presentity);
            }
        }
    }

    fn drain(&mut self) -> Told {
        let mut told = Told::default();
        for published in self.published.drain(..) {
            for &place in self.places.of(published) {
                while let Ok((presentity, payload)) = self.receivers[place as usize].try_recv() {
                    told.take(self.places.watcher(place), presentity, &payload);
                }
            }
        }
        told
    }
}
