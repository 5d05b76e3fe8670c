//! What a contender is: something that takes changes and lets every watcher take what waits for it.
//!
//! Owns the trait, the classes, and the sum that a drain is checked by. The sum is made of what the *watcher received*:
//! a contender that loses a delivery, makes one twice or shows an old payload has another sum than the model.

use serde::Serialize;

/// Bytes of every payload. The first eight are its serial, little-endian.
pub const PAYLOAD_BYTES: usize = 32;

/// What is published: the newest state of a presentity.
pub type Payload = [u8; PAYLOAD_BYTES];

/// A change as it lies in a queue: of whom, and what.
///
/// By value, because a payload of 32 bytes is moved faster than a count of it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Whose state it is.
    pub presentity: u32,
    /// The state.
    pub payload: Payload,
}

/// What kind of algorithm a contender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// This project's.
    Engine,
    /// Each watcher gets its own copy or handle of every change, in its queue.
    Queueing,
    /// Each watcher gets the place of what changed, and reads what is newest there. Little more than the floor.
    IndexOutbox,
}

impl Class {
    /// As it is written in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Queueing => "queueing",
            Self::IndexOutbox => "index outbox",
        }
    }
}

/// What the watchers were told: how much, and a sum that depends on every delivery and on nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How many deliveries.
    pub deliveries: u64,
    /// A wrapping sum over all of them, in whatever order they came.
    pub checksum: u64,
}

impl Told {
    /// A watcher received this of a presentity.
    #[inline]
    pub fn take(&mut self, watcher: u32, presentity: u32, payload: &[u8]) {
        // Without eight bytes there is no serial, and none is ever numbered 0.
        let serial = payload.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        self.deliveries += 1;
        self.checksum = self.checksum.wrapping_add(mix(watcher, presentity, serial));
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { deliveries: self.deliveries + other.deliveries, checksum: self.checksum.wrapping_add(other.checksum) }
    }
}

/// Three multiplications that wait for nothing but each other: the check is in every contender's time, so it must cost
/// next to nothing; and the shift between them sees to it that two wrong deliveries do not make up for one another.
#[inline]
fn mix(watcher: u32, presentity: u32, serial: u64) -> u64 {
    let pair = (u64::from(watcher) << 32) | u64::from(presentity);
    let mixed = pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ serial.wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// A fan-out: presentities and watchers are numbered from 0, and who watches whom was settled when it was built.
pub trait Rival {
    /// As it is asked for.
    fn name(&self) -> &'static str;

    /// What kind of algorithm it is.
    fn class(&self) -> Class;

    /// What it does more or less than the engine, in one plain sentence.
    fn differs(&self) -> &'static str;

    /// Makes each payload the newest state of its presentity. The presentities of a batch are all different.
    fn publish(&mut self, batch: &[(u32, Payload)]);

    /// Every watcher takes all that waits for it.
    fn drain(&mut self) -> Told;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_depends_on_watcher_presentity_and_serial() {
        let told = |watcher, presentity, serial: u64| {
            let mut told = Told::default();
            told.take(watcher, presentity, &serial.to_le_bytes());
            told
        };
        let all = [told(1, 2, 3), told(2, 1, 3), told(1, 3, 2), told(3, 2, 1), told(1, 2, 4)];
        for (nth, one) in all.iter().enumerate() {
            assert!(all.iter().skip(nth + 1).all(|other| other != one));
        }
    }

    #[test]
    fn two_watchers_that_got_each_others_changes_do_not_make_up_for_it() {
        let (mut right, mut wrong) = (Told::default(), Told::default());
        right.take(1, 7, &5u64.to_le_bytes());
        right.take(2, 8, &6u64.to_le_bytes());
        wrong.take(1, 8, &6u64.to_le_bytes());
        wrong.take(2, 7, &5u64.to_le_bytes());
        assert_ne!(right, wrong);
    }
}
