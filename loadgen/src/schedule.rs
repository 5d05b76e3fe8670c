//! When publications are due, and whose: Poisson arrivals, drawn from the seed, one schedule for each shard.
//!
//! Open loop: the plan never waits for anything. Whoever is late works the plan off late, and latency counts from the
//! plan (no coordinated omission). Nothing is stored; an arrival costs about 20 ns.

use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::population::{below, unit};

/// One publication to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is due.
    pub plan_us: u64,
    /// Who publishes.
    pub user: u32,
    /// Which category, counted from the model's first.
    pub category: u8,
}

/// The users of one shard: every `shards`-th, from `shard` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residents {
    /// Which shard.
    pub shard: usize,
    /// Of how many.
    pub shards: usize,
    /// Users of all shards.
    pub users: u32,
}

impl Residents {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        (self.users + self.shards as u32 - 1 - self.shard as u32) / self.shards as u32
    }

    /// The user with this number among them.
    #[must_use]
    pub fn user(&self, number: u32) -> u32 {
        number * self.shards as u32 + self.shard as u32
    }
}

/// An endless sequence of arrivals.
#[derive(Debug)]
pub struct Schedule {
    stream: Xoshiro256PlusPlus,
    residents: Residents,
    /// The last plan, with its fraction of a microsecond: rounding would bend high rates.
    at_us: f64,
    gap_us: f64,
    /// Where each category ends on the line from 0 to 1.
    category_ends: Vec<f64>,
}

impl Schedule {
    /// A schedule for these users from a moment on, at so many publications a second.
    #[must_use]
    pub fn new(residents: Residents, rate_per_s: f64, from_us: u64, category_shares: &[f64], seed: u64) -> Self {
        let mut end = 0.0;
        let category_ends = category_shares.iter().map(|share| {
            end += share;
            end
        });
        Self {
            category_ends: category_ends.collect(),
            stream: Xoshiro256PlusPlus::seed_from_u64(seed ^ (residents.shard as u64 + 1) << 48),
            residents,
            at_us: from_us as f64,
            gap_us: 1e6 / rate_per_s,
        }
    }

    /// The next arrival.
    pub fn next_arrival(&mut self) -> Arrival {
        let gap: f64 = Exp1.sample(&mut self.stream);
        self.at_us += gap * self.gap_us;
        let number = below(self.residents.count(), self.stream.next_u64());
        Arrival { plan_us: self.at_us as u64, user: self.residents.user(number), category: self.category() }
    }

    fn category(&mut self) -> u8 {
        if self.category_ends.len() <= 1 {
            return 0;
        }
        let at = unit(self.stream.next_u64());
        let last = self.category_ends.len() - 1;
        self.category_ends.iter().position(|&end| at < end).unwrap_or(last) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESIDENTS: Residents = Residents { shard: 1, shards: 3, users: 1_000 };

    #[test]
    fn residents_share_the_users_out() {
        let all: u32 = (0..3).map(|shard| Residents { shard, ..RESIDENTS }.count()).sum();
        assert_eq!(all, 1_000);
        assert_eq!(RESIDENTS.user(0), 1);
        assert_eq!(RESIDENTS.user(RESIDENTS.count() - 1), 997);
    }

    #[test]
    fn the_mean_rate_is_the_one_asked_for() {
        let mut schedule = Schedule::new(RESIDENTS, 50_000.0, 1_000_000, &[1.0], 7);
        let mut last = 1_000_000;
        for _ in 0..200_000 {
            let arrival = schedule.next_arrival();
            assert!(arrival.plan_us >= last);
            assert_eq!(arrival.user % 3, 1);
            last = arrival.plan_us;
        }
        let seconds = (last - 1_000_000) as f64 / 1e6;
        assert!((200_000.0 / seconds / 50_000.0 - 1.0).abs() < 0.01, "{seconds}");
    }

    #[test]
    fn gaps_scatter_like_those_of_a_poisson_process() {
        let mut schedule = Schedule::new(RESIDENTS, 100.0, 0, &[1.0], 8);
        let (mut last, mut sum, mut squares) = (0, 0.0, 0.0);
        for _ in 0..50_000 {
            let plan = schedule.next_arrival().plan_us;
            let gap = (plan - last) as f64;
            (last, sum, squares) = (plan, sum + gap, squares + gap * gap);
        }
        let mean = sum / 50_000.0;
        let deviation = (squares / 50_000.0 - mean * mean).sqrt();
        assert!((deviation / mean - 1.0).abs() < 0.03, "{mean} {deviation}");
    }

    #[test]
    fn categories_come_in_their_shares() {
        let mut schedule = Schedule::new(RESIDENTS, 1.0, 0, &[0.9, 0.0, 0.1], 9);
        let mut counts = [0; 3];
        for _ in 0..100_000 {
            counts[usize::from(schedule.next_arrival().category)] += 1;
        }
        assert!((89_000..91_000).contains(&counts[0]) && counts[1] == 0, "{counts:?}");
    }
}
