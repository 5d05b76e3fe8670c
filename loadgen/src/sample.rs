//! Which presentities a run follows watcher by watcher: all of them, or a seeded part where there are too many.
//!
//! To follow a subscription costs the recorder four to fifteen bytes. At a billion of them that would be memory that the
//! engine needs, so above [`FOLLOWED_MAX`] the run follows the watchers of one presentity in [`ONE_IN`], drawn from the
//! seed. What costs nothing a subscription is kept for all of them: whether each document told is a true one, and the
//! engine's own books (C3). The invariant: whether a presentity is followed depends on the seed and the presentity alone,
//! so every core, and the check at the end, draws the same ones.

/// Up to so many subscriptions every one is followed.
pub const FOLLOWED_MAX: u64 = 100_000_000;

/// Above that, the presentities of whom one is followed.
pub const ONE_IN: u32 = 64;

/// The presentities that are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    one_in: u32,
    key: u64,
}

impl Sample {
    /// Everybody.
    pub const ALL: Self = Self { one_in: 1, key: 0 };

    /// One presentity in so many, drawn from the seed.
    #[must_use]
    pub fn one_in(one_in: u32, seed: u64) -> Self {
        // Spread, so that neighbouring seeds draw unlike samples.
        Self { one_in: one_in.max(1), key: mix(seed) }
    }

    /// What a run with so many subscriptions follows, if it can follow `followed_max` of them.
    #[must_use]
    pub fn of_run(subscriptions: u64, followed_max: u64, seed: u64) -> Self {
        if subscriptions <= followed_max { Self::ALL } else { Self::one_in(ONE_IN, seed) }
    }

    /// Whether everybody is followed.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.one_in == 1
    }

    /// Whether the watchers of this presentity are followed.
    #[must_use]
    #[inline]
    pub fn holds(&self, user: u32) -> bool {
        self.is_all() || (mix(self.key ^ u64::from(user)) >> 32) * u64::from(self.one_in) < 1 << 32
    }

    /// How many of so many presentities are followed. Looks at each of them.
    #[must_use]
    pub fn count(&self, users: u32) -> u64 {
        if self.is_all() { users.into() } else { (0..users).filter(|&user| self.holds(user)).count() as u64 }
    }

    /// How many of so many subscriptions are followed, about.
    #[must_use]
    pub fn share_of(&self, subscriptions: u64) -> u64 {
        subscriptions.div_ceil(self.one_in.into())
    }
}

/// A good hash of a number (the finisher of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_about_its_share_and_its_own_for_each_seed() {
        let users = 640_000;
        let (one, two) = (Sample::one_in(ONE_IN, 1), Sample::one_in(ONE_IN, 2));
        for sample in [one, two] {
            // 10,000 expected; five deviations of a hundred.
            assert!(sample.count(users).abs_diff(10_000) < 500, "{}", sample.count(users));
        }
        assert_eq!(one, Sample::one_in(ONE_IN, 1));
        let both = (0..users).filter(|&user| one.holds(user) && two.holds(user)).count();
        assert!(both.abs_diff(156) < 63, "two seeds share no more than chance makes them: {both}");
    }

    #[test]
    fn everybody_is_followed_up_to_the_bound_and_a_part_above_it() {
        let of = |subscriptions| Sample::of_run(subscriptions, FOLLOWED_MAX, 7);
        assert!(of(FOLLOWED_MAX).is_all());
        assert_eq!(of(FOLLOWED_MAX).count(1_000), 1_000);
        assert_eq!(of(FOLLOWED_MAX + 1), Sample::one_in(ONE_IN, 7));
        assert_eq!(of(1_000_000_000).share_of(1_000_000_000), 15_625_000);
    }
}
