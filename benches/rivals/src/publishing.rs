//! Who publishes what, in which order: drawn from a seed, the same for every contender; and the model of what is due.
//!
//! The order is a shuffle of all presentities that is gone through again and again in batches. So the presentities of a
//! batch are all different: nothing can be conflated within one, and as the watchers take everything between two
//! batches, every contender has to make the same deliveries.

use std::rc::Rc;

use crate::audience::Audience;
use crate::rival::{PAYLOAD_BYTES, Payload, Told};

/// Serials begin far above those that contenders may use while everybody signs in: who publishes the state that it has
/// already has changed nothing, and the engine then tells nobody.
const SERIAL_BASE: u64 = 1 << 32;

/// An endless sequence of batches.
#[derive(Clone, Debug)]
pub struct Publishing {
    order: Rc<[u32]>,
    next: usize,
    serial: u64,
    batch: usize,
}

impl Publishing {
    /// Batches of so many publications, or of as many as there are users, if they are fewer.
    #[must_use]
    pub fn drawn(users: u32, batch: usize, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..users).collect();
        let mut state = seed;
        for place in (1..order.len()).rev() {
            // SplitMix64, and the high half of a product instead of a remainder: no division, next to no bias.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let drawn = ((u128::from(mixed ^ (mixed >> 31)) * (place as u128 + 1)) >> 64) as usize;
            order.swap(place, drawn);
        }
        let batch = batch.min(order.len());
        Self { order: order.into(), next: 0, serial: SERIAL_BASE, batch }
    }

    /// Writes the next batch in place of the last.
    pub fn next_into(&mut self, batch: &mut Vec<(u32, Payload)>) {
        batch.clear();
        for _ in 0..self.batch {
            self.serial += 1;
            let mut payload = [0; PAYLOAD_BYTES];
            payload[..8].copy_from_slice(&self.serial.to_le_bytes());
            batch.push((self.order[self.next], payload));
            self.next += 1;
            if self.next == self.order.len() {
                self.next = 0;
            }
        }
    }
}

/// What is due for a batch, by the graph alone.
#[must_use]
pub fn due(audience: &Audience, batch: &[(u32, Payload)]) -> Told {
    let mut told = Told::default();
    for (presentity, payload) in batch {
        for &watcher in audience.of(*presentity) {
            told.take(watcher, *presentity, payload);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn presentities_of_a_batch_are_different_and_all_have_their_turn() {
        let mut publishing = Publishing::drawn(100, 64, 3);
        let (mut batch, mut seen, mut serials) = (Vec::new(), HashSet::new(), HashSet::new());
        for _ in 0..5 {
            publishing.next_into(&mut batch);
            let different: HashSet<_> = batch.iter().map(|(presentity, _)| *presentity).collect();
            assert_eq!(different.len(), 64);
            seen.extend(different);
            serials.extend(batch.iter().map(|(_, payload)| *payload));
        }
        assert_eq!((seen.len(), serials.len()), (100, 5 * 64));
    }

    #[test]
    fn a_seed_has_one_order_and_another_has_another() {
        let order = |seed| Publishing::drawn(1_000, 64, seed).order;
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
