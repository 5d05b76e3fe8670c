//! Questions that have no answer.

use fanfare::SHARDS_MAX;

/// Why the model does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No shard, or more than a mesh can have.
    #[error("{0} shards: there can be 1 to {SHARDS_MAX}")]
    Shards(u32),
    /// Shard groups of no shard, or of more than there are.
    #[error("groups of {group_shards} shards among {shards}: a group has 1 to all of them")]
    GroupShards {
        /// Shards of a group.
        group_shards: u32,
        /// Shards there are.
        shards: u32,
    },
    /// A share that is none.
    #[error("a share of {0}: it must be between 0 and 1")]
    Share(f64),
    /// Contacts, or watchers, that cannot be.
    #[error("{0} watchers: there must be one at least, and not without end")]
    Watchers(f64),
    /// Nobody.
    #[error("no users: there must be some")]
    Users,
    /// A constant that cannot be.
    #[error("constant `{name}` is {value}: it must be a number, and {least} or more")]
    Constant {
        /// Its name in the file.
        name: &'static str,
        /// What it says.
        value: f64,
        /// The least that makes sense.
        least: &'static str,
    },
    /// Constants that are not in the form of the record's.
    #[error("the constants cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}
