//! Why an engine does not start.

use std::io;

use fanfare_core::{LimitsError, SHARDS_MAX, ShardError};
use thiserror::Error;

use super::cpus::CpusError;
use super::fate::EngineError;
use super::probe::UringRefused;

/// Why an engine did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// None, or more than one word of interest can name.
    #[error("{0} shards were asked for; there may be 1 to {SHARDS_MAX}")]
    Shards(usize),
    /// More shards than CPUs: two shards on one CPU would only wait for each other.
    #[error("{shards} shards were asked for, but there are only {cpus} CPUs for them: ask for {cpus} shards or fewer")]
    MoreShardsThanCpus {
        /// Shards asked for.
        shards: usize,
        /// CPUs that were chosen from the affinity mask.
        cpus: usize,
    },
    /// No shard for presentities to be at home on.
    #[error(
        "the engine would have no shard of its own, and its hosts are to own no homes: allow them to, or ask for a shard"
    )]
    NoHomes,
    /// The glommio runtime was asked for and is not to be had.
    #[error("the glommio runtime was asked for: {0}; `Runtime::Auto` would take plain threads")]
    Glommio(UringRefused),
    /// The CPUs cannot be had as chosen.
    #[error(transparent)]
    Cpus(#[from] CpusError),
    /// A limit is out of its range.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The ingress or the list of a foreign watcher would have no room at all.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// A thread could not be put on its CPU.
    #[error("shard {shard} cannot be pinned to CPU {cpu}: {source}")]
    Pin {
        /// The shard.
        shard: usize,
        /// The CPU.
        cpu: usize,
        /// What the system says.
        source: io::Error,
    },
    /// A shard could not be made.
    #[error("shard {shard} cannot be made: {source}")]
    Shard {
        /// Its number.
        shard: usize,
        /// Why.
        source: ShardError,
    },
    /// The system gave no thread, epoll instance or eventfd.
    #[error("no {what} for shard {shard}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// For which shard.
        shard: usize,
        /// What the system says.
        source: io::Error,
    },
    /// A frontend panicked while it was made.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
