//! Shards of an engine, and sets of them: a word.

/// Shards at most: the set of a presentity's interested shards fits one machine word.
pub const SHARDS_MAX: usize = 64;

/// Which shard of the engine, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ShardIndex(pub(crate) u8);

impl ShardIndex {
    /// The shard with this number.
    ///
    /// # Panics
    /// If the number is not below [`SHARDS_MAX`].
    #[must_use]
    pub const fn new(number: usize) -> Self {
        assert!(number < SHARDS_MAX, "a mesh has at most SHARDS_MAX shards");
        Self(number as u8)
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of shards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ShardSet(u64);

impl ShardSet {
    /// No shard.
    pub const NONE: Self = Self(0);

    /// Whether there is none in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The shards in it.
    pub fn iter(self) -> impl Iterator<Item = ShardIndex> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let shard = ShardIndex(u8::try_from((left != 0).then(|| left.trailing_zeros())?).ok()?);
            left &= !(1 << shard.0);
            Some(shard)
        })
    }

    /// Whether that shard is in it.
    #[must_use]
    pub const fn contains(self, shard: ShardIndex) -> bool {
        self.0 >> shard.0 & 1 == 1
    }

    /// That shard alone.
    pub(crate) const fn only(shard: ShardIndex) -> Self {
        Self(1 << shard.0)
    }

    pub(crate) fn insert(&mut self, shard: ShardIndex) {
        self.0 |= 1 << shard.0;
    }

    pub(crate) fn remove(&mut self, shard: ShardIndex) {
        self.0 &= !(1 << shard.0);
    }
}
