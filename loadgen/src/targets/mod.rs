//! What can be measured. A target brings up the generators, one for each shard, and says what their loops cost.
//!
//! | Target | What it shows |
//! |---|---|
//! | [`embedded`] | the engine, in this process: the generator is the frontend on each shard's own core |
//! | [`double`] | the null target with faults and limits that are known beforehand: by it the rig is measured |
//! | [`null`] | the rig alone: the same population, schedule and recorder, and a plain loop instead of an engine |

pub mod double;
pub mod embedded;
pub mod null;

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use thiserror::Error;

use crate::crew::Seat;
use double::{Behaviour, DoubleError};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TargetName {
    /// The engine, inside this process.
    Embedded,
    /// No engine: a plain loop, which shows what the rig itself costs.
    Null,
    /// The null target, with faults and limits that are known beforehand.
    Double(Behaviour),
}

impl FromStr for TargetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "embedded" => Ok(Self::Embedded),
            None if text == "null" => Ok(Self::Null),
            Some(("double", behaviour)) => {
                behaviour.parse().map(Self::Double).map_err(|error: DoubleError| error.to_string())
            }
            _ => Err("must be embedded, null or double:PART,…, such as double:service=20us".to_owned()),
        }
    }
}

impl TargetName {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Null => "null",
            Self::Double(_) => "double",
        }
    }
}

/// What can turn the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeName {
    /// What the engine takes by itself; the report says which, and why
    Auto,
    /// Plain pinned threads, waiting by epoll
    Thread,
    /// Pinned glommio executors, waiting by io_uring
    Glommio,
    /// The loop of a host that embeds the shard: here a pinned thread that has nothing else to do
    Host,
}

/// What the loops of all shards have spent, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopTimes {
    /// Turns that did something.
    pub work_ns: u64,
    /// Turns that found nothing to do.
    pub spin_ns: u64,
    /// Asleep.
    pub park_ns: u64,
}

impl LoopTimes {
    /// All but sleep.
    #[must_use]
    pub fn awake_ns(&self) -> u64 {
        self.work_ns + self.spin_ns
    }

    /// What was spent since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            work_ns: self.work_ns.saturating_sub(earlier.work_ns),
            spin_ns: self.spin_ns.saturating_sub(earlier.spin_ns),
            park_ns: self.park_ns.saturating_sub(earlier.park_ns),
        }
    }
}

/// Why a target did not start or did not stop well.
#[derive(Debug, Error)]
#[error("the target {what}: {reason}")]
pub struct TargetError {
    what: &'static str,
    reason: String,
}

/// A target that runs.
pub trait Target {
    /// What its loops have spent so far.
    fn loop_times(&self) -> LoopTimes;

    /// What turns its shards, and why that was taken.
    fn runtime(&self) -> (String, String);

    /// Ends it and waits for its threads.
    ///
    /// # Errors
    /// Threads that panicked or did not come to rest.
    fn stop(self: Box<Self>) -> Result<(), TargetError>;
}

/// What a target needs to know of the run.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Subscriptions of all shards.
    pub subscriptions: u64,
    /// Watchers of all shards.
    pub watchers: u64,
    /// The largest document.
    pub document_bytes_max: u32,
    /// Bytes of a document in the mean.
    pub document_bytes: u32,
    /// Users of all shards.
    pub users: u32,
    /// From which the engine's own choices are drawn.
    pub seed: u64,
    /// Whether presence is composed.
    pub composed: bool,
    /// The share of watchers that is outside the organisation.
    pub outside_share: f64,
    /// What is to turn the shards of an engine.
    pub runtime: RuntimeName,
    /// How long they look for something to do before they sleep, if not as the engine would.
    pub spin: Option<Duration>,
}

/// Starts the engine in this process.
///
/// # Errors
/// What the engine says.
pub fn start_embedded(seats: Vec<Seat>, sizes: &Sizes) -> Result<Box<dyn Target>, TargetError> {
    Ok(Box::new(embedded::Embedded::start(seats, sizes)?))
}

/// Starts the null target, or a double of a server.
///
/// # Errors
/// A thread that the system does not give.
pub fn start_null(
    seats: Vec<Seat>,
    sizes: &Sizes,
    behaviour: Option<double::Behaviour>,
) -> Result<Box<dyn Target>, TargetError> {
    Ok(Box::new(null::Null::start(seats, sizes, behaviour)?))
}
