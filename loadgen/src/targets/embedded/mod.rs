//! The engine in this process. The generator of each shard is the shard's own frontend, so that two cores are enough:
//! a third thread would take its time from one of them.

mod check;
mod generator;
mod sign_in;

use std::sync::{Mutex, PoisonError};

use fanfare::{Engine, Limits};

use super::{LoopTimes, Sizes, Target, TargetError};
use crate::crew::Seat;
use generator::Generator;

/// A running engine with a generator on each shard.
pub struct Embedded {
    engine: Engine,
}

impl Embedded {
    /// Starts as many shards as there are seats, each pinned to a CPU of the affinity mask.
    ///
    /// # Errors
    /// What the engine says.
    pub fn start(seats: Vec<Seat>, sizes: &Sizes) -> Result<Self, TargetError> {
        let shards = seats.len();
        let seats: Mutex<Vec<Option<Seat>>> = Mutex::new(seats.into_iter().map(Some).collect());
        let sizes = *sizes;
        let engine = Engine::builder()
            .shards(shards)
            .limits(limits(&sizes))
            .epoch(1)
            .seed(sizes.seed)
            .pin(true)
            .start(move |core| {
                let seat = seats.lock().unwrap_or_else(PoisonError::into_inner)[core.index.index()].take();
                Generator::new(seat.expect("the engine makes one frontend for each shard"), &sizes)
            })
            .map_err(|error| TargetError { what: "did not start", reason: error.to_string() })?;
        Ok(Self { engine })
    }
}

impl Target for Embedded {
    fn loop_times(&self) -> LoopTimes {
        self.engine.stats().iter().fold(LoopTimes::default(), |sum, stats| LoopTimes {
            work_ns: sum.work_ns + stats.work_ns,
            spin_ns: sum.spin_ns + stats.spin_ns,
            park_ns: sum.park_ns + stats.park_ns,
        })
    }

    fn stop(self: Box<Self>) -> Result<(), TargetError> {
        self.engine.shutdown().map_err(|error| TargetError { what: "did not stop well", reason: error.to_string() })
    }
}

/// The defaults carry a pool of a million users; larger populations and documents raise what they need.
fn limits(sizes: &Sizes) -> Limits {
    let least = Limits::default();
    let at_least = |limit: u32, wanted: u64| u32::try_from(wanted).unwrap_or(u32::MAX >> 1).max(limit);
    Limits {
        watchers: at_least(least.watchers, sizes.watchers),
        groups: at_least(least.groups, sizes.watchers),
        subscriptions: at_least(least.subscriptions, sizes.subscriptions + sizes.watchers * 16),
        topics: at_least(least.topics, sizes.users.into()),
        document_bytes: sizes.document_bytes_max.max(least.document_bytes),
        ..least
    }
}
