//! The engine in this process. The generator of each shard is the shard's own frontend, so that two cores are enough:
//! a third thread would take its time from one of them.

mod check;
mod editor;
mod first;
mod generator;
pub mod limits;
mod requests;
mod sessions;
mod sign_in;
mod troubled;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fanfare::{Core, Cpus, Engine, Runtime, RuntimeKind, StartError, bind_this_thread};

use super::{LoopTimes, Sizes, Target, TargetError};
use crate::crew::Seat;
use crate::presence;
use crate::targets::RuntimeName;
use generator::Generator;

/// A running engine with a generator on each shard.
pub struct Embedded {
    engine: Engine,
    hosts: Vec<JoinHandle<()>>,
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
        let make = Arc::new(move |core: &Core| {
            let seat = seats.lock().unwrap_or_else(PoisonError::into_inner)[core.index.index()].take();
            Generator::new(seat.expect("the engine makes one frontend for each shard"), &sizes)
        });
        let builder = Engine::builder().limits(limits::of(&sizes, shards)).epoch(1).seed(sizes.seed).pin(true);
        let builder = if sizes.composed { builder.scheme(presence::scheme()) } else { builder };
        let builder = if let Some(spin) = sizes.spin { builder.spin(spin) } else { builder };
        let builder = match sizes.runtime {
            RuntimeName::Auto => builder.shards(shards).runtime(Runtime::Auto),
            RuntimeName::Thread => builder.shards(shards).runtime(Runtime::Thread),
            RuntimeName::Glommio => builder.shards(shards).runtime(Runtime::Glommio),
            RuntimeName::Host => builder.shards(0).hosts(shards),
        };
        let of_threads = make.clone();
        let failed = |error: StartError| TargetError { what: "did not start", reason: error.to_string() };
        let mut engine = builder.start(move |core| of_threads(&core)).map_err(failed)?;
        let cpus = Cpus::all().resolve().unwrap_or_default();
        let hosts = engine.seats().into_iter().zip(cpus).map(|(seat, cpu)| {
            let make = make.clone();
            std::thread::Builder::new().name("host".to_owned()).spawn(move || {
                // Where it cannot be bound it runs all the same, and noisier.
                let _ = bind_this_thread(cpu);
                if let Ok(mut host) = seat.take(|core| make(&core)) {
                    // What it ends with, the engine knows and tells.
                    let _ = host.run();
                }
            })
        });
        let hosts = hosts.collect::<Result<_, _>>();
        let hosts = hosts.map_err(|error| TargetError { what: "did not start", reason: error.to_string() })?;
        Ok(Self { engine, hosts })
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

    fn runtime(&self) -> (String, String) {
        let report = self.engine.report();
        if report.shards == 0 {
            return (RuntimeKind::Host.to_string(), "asked for".to_owned());
        }
        let kicks: u64 = self.engine.stats().iter().map(|stats| stats.kicks).sum();
        let why = match kicks {
            0 => report.why.clone(),
            _ => format!("{}; its watchdog kicked it {kicks} times", report.why),
        };
        (report.runtime.to_string(), why)
    }

    fn stop(self: Box<Self>) -> Result<(), TargetError> {
        let ended = self.engine.shutdown();
        for host in self.hosts {
            // A frontend's panic is the engine's error, below.
            let _ = host.join();
        }
        ended.map_err(|error| TargetError { what: "did not stop well", reason: error.to_string() })
    }
}
