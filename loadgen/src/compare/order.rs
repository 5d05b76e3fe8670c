//! In which order the sides run.
//!
//! In blocks of two pairs, A B B A or B A A B, by a coin drawn from the seed. What grows or falls evenly over a block, such as
//! the machine's temperature, meets both sides alike; and nobody who runs something every minute meets always the same one.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Letter {
    /// The first.
    A,
    /// The second.
    B,
}

impl Letter {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As it is written in a file's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Which side begins each pair.
#[must_use]
pub fn of(rounds: usize, seed: u64) -> Vec<Letter> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut first = Letter::A;
    let begin = |pair: usize| {
        first = match pair % 2 {
            0 if rng.next_u64() >> 63 == 0 => Letter::A,
            0 => Letter::B,
            _ => first.other(),
        };
        first
    };
    (0..rounds).map(begin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_both_orders_and_seeds_differ() {
        let mut first_pairs = [0, 0];
        for seed in 0..100 {
            let order = of(9, seed);
            assert_eq!(order, of(9, seed), "the same seed, the same order");
            assert_eq!(order.len(), 9);
            for block in order.chunks_exact(2) {
                assert_eq!(block[1], block[0].other());
            }
            first_pairs[usize::from(order[0] == Letter::A)] += 1;
        }
        assert!(first_pairs.iter().all(|&count| count > 30), "{first_pairs:?}");
    }
}
