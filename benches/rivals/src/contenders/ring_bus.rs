//! The `bus` crate: a ring for each presentity that all its readers read, counting themselves off in each seat.
//!
//! It can only run at small sizes: every bus starts a thread of its own (which wakes readers that sleep, so here it has
//! nothing to do but to exist), and a ten-thousandth presentity is a ten-thousandth thread. As with tokio's channel,
//! whom to ask is read off a list of what was published, and a ring has room for one change.

use bus::{Bus, BusReader};

use crate::audience::{Audience, Places};
use crate::rival::{Class, Payload, Rival, Told};

/// The most presentities, and so threads, that it is asked for: a small share of what systems allow a user.
pub(super) const USERS_MAX: u64 = 1_000;

/// Changes that a ring holds.
const CAPACITY: usize = 1;

/// One ring for each presentity, and a reader for each subscription.
pub(super) struct RingBus {
    places: Places,
    buses: Vec<Bus<(u32, Payload)>>,
    /// A watcher's readers lie side by side.
    readers: Vec<BusReader<(u32, Payload)>>,
    published: Vec<u32>,
}

impl RingBus {
    /// Every subscription has its reader.
    #[must_use]
    pub(super) fn over(audience: &Audience) -> Self {
        let graph = audience.graph();
        let mut buses: Vec<_> = (0..graph.users()).map(|_| Bus::new(CAPACITY)).collect();
        let contacts = (0..graph.users()).flat_map(|user| graph.contacts_of(user));
        let readers = contacts.map(|contact| buses[contact as usize].add_rx()).collect();
        Self { places: audience.places(), buses, readers, published: Vec::new() }
    }
}

impl Rival for RingBus {
    fn name(&self) -> &'static str {
        "bus"
    }

    fn class(&self) -> Class {
        Class::Queueing
    }

    fn differs(&self) -> &'static str {
        "A bus for each presentity: one ring for all its watchers, whose slowest holds up the publisher; a thread for \
         each presentity."
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        for &(presentity, payload) in batch {
            // Never waits: were the ring still full, somebody would not have been told, and the check would say so.
            if self.buses[presentity as usize].try_broadcast((presentity, payload)).is_ok() {
                self.published.push(presentity);
            }
        }
    }

    fn drain(&mut self) -> Told {
        let mut told = Told::default();
        for published in self.published.drain(..) {
            for &place in self.places.of(published) {
                while let Ok((presentity, payload)) = self.readers[place as usize].try_recv() {
                    told.take(self.places.watcher(place), presentity, &payload);
                }
            }
        }
        told
    }
}
