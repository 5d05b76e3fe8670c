//! Starting an engine, asking how it does, and ending it.
//!
//! An [`Engine`] lives on the thread that started it and owns the shards' threads. Invariant: once `shutdown` or drop
//! has returned, no thread runs any more, but for one that hangs in its frontend, which is named and left behind.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fanfare_core::{Limits, LimitsError, SHARDS_MAX, ShardConfig, ShardError, ShardIndex, Tick};
use thiserror::Error;

use super::clock::Clock;
use super::cpus::{Cpus, CpusError};
use super::fate::{EngineError, Phase};
use super::frontend::{Core, Frontend};
use super::reactor::Bell;
use super::stats::LoopStats;
use super::thread::ShardThread;
use crate::handle::{Handle, Shared};
use crate::mesh::doorbell::Doorbell;
use crate::mesh::link::Port;

/// How long `shutdown` lets shards finish what they have.
const DRAIN: Duration = Duration::from_secs(5);
/// How long dropping an engine does.
const DRAIN_ON_DROP: Duration = Duration::from_millis(100);
/// How long a thread may take to leave its loop once it has been told.
const JOIN: Duration = Duration::from_secs(5);
/// How often the ending thread looks how far the shards are.
const LOOK: Duration = Duration::from_micros(200);

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

/// How an engine is to be. See [`Engine::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct EngineBuilder {
    shards: Option<usize>,
    cpus: Option<Cpus>,
    pin: bool,
    limits: Limits,
    epoch: u16,
    seed: Option<u64>,
    spin: Duration,
    ingress_slots: usize,
    watcher_notes: usize,
}

impl EngineBuilder {
    /// How many shards; as many as CPUs if it is not said.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// The CPUs to run on, one shard on each. If it is not said: one of every physical core or, when a number of
    /// shards is given, any of the affinity mask, physical cores first.
    pub fn cpus(mut self, cpus: Cpus) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// Whether each shard's thread is bound to its CPU. It is, unless this says no; unbound shards may be more than
    /// the CPUs, which is for tests and never fast.
    pub fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// The bounds of each shard.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The restart epoch: higher at every start of the same deployment, or stamps run backwards for watchers that
    /// resume.
    pub fn epoch(mut self, epoch: u16) -> Self {
        self.epoch = epoch;
        self
    }

    /// What the shards' random choices begin with; if it is not said, something that cannot be guessed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long a shard that finds nothing to do keeps looking before it sleeps: 50 us if it is not said. More of it
    /// burns CPU, less of it costs wake-ups of some 5 to 50 us each.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// Calls of handles that may wait at one shard's door: 1,024 if it is not said. One more is `Busy`.
    pub fn ingress_slots(mut self, slots: usize) -> Self {
        self.ingress_slots = slots;
        self
    }

    /// Notes that may wait for one watcher of a handle: 1,024 if it is not said.
    pub fn watcher_notes(mut self, notes: usize) -> Self {
        self.watcher_notes = notes;
        self
    }

    /// Starts the engine. `frontend` is called once on every shard's thread and makes what runs there; it is shared
    /// by the threads, but what it makes stays on one.
    ///
    /// # Errors
    /// When it cannot be as asked; then nothing is left running.
    pub fn start<F, M>(self, frontend: M) -> Result<Engine, StartError>
    where
        F: Frontend + 'static,
        M: Fn(Core) -> F + Send + Sync + 'static,
    {
        self.limits.validate()?;
        for (name, value) in [("ingress_slots", self.ingress_slots), ("watcher_notes", self.watcher_notes)] {
            if value == 0 {
                return Err(StartError::Zero(name));
            }
        }
        let (shards, cpus) = self.place()?;
        let bells = (0..shards)
            .map(|shard| Bell::new().map_err(|source| StartError::System { what: "eventfd", shard, source }))
            .collect::<Result<Vec<_>, _>>()?;
        let doorbells = bells.iter().map(|bell| Arc::new(Doorbell::new(bell.clone()))).collect();
        let shared = Arc::new(Shared::new(
            Clock::start(),
            doorbells,
            self.ingress_slots,
            self.watcher_notes,
            self.limits.retry_after_us,
        ));
        let mut engine = Engine { shared: shared.clone(), threads: Vec::with_capacity(shards) };
        let frontend = Arc::new(frontend);
        let ports = Port::mesh(shards, self.limits.link_slots as usize);
        let seed = self.seed.unwrap_or_else(unguessable);
        let mut waiting = Vec::with_capacity(shards);
        for (shard, (bell, port)) in bells.into_iter().zip(ports).enumerate() {
            let mut config = ShardConfig::new(shard, shards);
            config.epoch = self.epoch;
            config.seed = seed.wrapping_add(shard as u64);
            config.limits = self.limits;
            let cpu = self.pin.then(|| cpus[shard]);
            let thread = ShardThread { config, cpu, spin: self.spin, bell, port, shared: shared.clone() };
            let (ready, made) = sync_channel(1);
            let frontend = frontend.clone();
            let handle = std::thread::Builder::new()
                .name(format!("fanfare-{shard}"))
                .spawn(move || thread.run(&*frontend, ready))
                .map_err(|source| StartError::System { what: "thread", shard, source })?;
            engine.threads.push(handle);
            waiting.push(made);
        }
        for made in waiting {
            // Without word the thread has ended by a panic, which is on record. An engine dropped here ends the rest.
            made.recv().unwrap_or_else(|_| Err(shared.fate.ending().into()))?;
        }
        tracing::info!(runtime = "thread", shards, cpus = ?cpus, pinned = self.pin, "engine started");
        Ok(engine)
    }

    /// How many shards, and the CPU of each.
    fn place(&self) -> Result<(usize, Vec<usize>), StartError> {
        let by_default = || if self.shards.is_some() { Cpus::all() } else { Cpus::one_per_physical_core() };
        let mut cpus = self.cpus.clone().unwrap_or_else(by_default).resolve()?;
        let shards = self.shards.unwrap_or_else(|| cpus.len().min(SHARDS_MAX));
        if !(1..=SHARDS_MAX).contains(&shards) {
            return Err(StartError::Shards(shards));
        }
        if self.pin && shards > cpus.len() {
            return Err(StartError::MoreShardsThanCpus { shards, cpus: cpus.len() });
        }
        cpus.truncate(shards);
        Ok((shards, cpus))
    }
}

/// A number from the process's own source of hash keys.
fn unguessable() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// A running engine: shards on threads, and the frontends beside them. Dropping it ends it.
pub struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("shards", &self.shards()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with defaults, to be changed and started.
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            shards: None,
            cpus: None,
            pin: true,
            limits: Limits::default(),
            epoch: 0,
            seed: None,
            spin: Duration::from_micros(50),
            ingress_slots: 1024,
            watcher_notes: 1024,
        }
    }

    /// How many shards it has.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.lines.len()
    }

    /// A door to it for any thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// What each shard's loop says of itself.
    #[must_use]
    pub fn stats(&self) -> Vec<LoopStats> {
        self.shared.lines.iter().map(|line| line.read()).collect()
    }

    /// The engine's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// The engine's now.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.shared.clock.now()
    }

    /// Why the engine has stopped by itself, if it has.
    #[must_use]
    pub fn error(&self) -> Option<EngineError> {
        self.shared.fate.error().cloned()
    }

    /// Ends the engine: calls of handles are refused, frontends are told to [`Frontend::stop`], shards go on until
    /// all are idle, for 5 seconds at most, and their threads are joined.
    ///
    /// # Errors
    /// When a shard has panicked, was not idle in time, or does not come back from its frontend.
    pub fn shutdown(self) -> Result<(), EngineError> {
        self.shutdown_within(DRAIN)
    }

    /// As [`Engine::shutdown`], with another time for draining.
    ///
    /// # Errors
    /// As [`Engine::shutdown`].
    pub fn shutdown_within(mut self, drain: Duration) -> Result<(), EngineError> {
        self.finish(drain)
    }

    fn finish(&mut self, drain: Duration) -> Result<(), EngineError> {
        let threads = std::mem::take(&mut self.threads);
        let fate = &self.shared.fate;
        fate.advance(Phase::Draining);
        self.shared.ring_all();
        let begun = Instant::now();
        let mut drained = self.quiescent();
        while !drained && fate.phase() == Phase::Draining && begun.elapsed() < drain {
            std::thread::sleep(LOOK);
            drained = self.quiescent();
        }
        let busy: Vec<usize> = (0..threads.len()).filter(|&shard| !self.shared.lines[shard].is_drained()).collect();

        fate.advance(Phase::Stopping);
        self.shared.ring_all();
        let told = Instant::now();
        while threads.iter().any(|thread| !thread.is_finished()) && told.elapsed() < JOIN {
            std::thread::sleep(LOOK);
        }
        let mut stuck = Vec::new();
        for (shard, thread) in threads.into_iter().enumerate() {
            if !thread.is_finished() {
                stuck.push(shard);
            } else if thread.join().is_err() {
                // The thread catches panics itself, so this one came while it cleared up after another.
                let message = "a panic while the thread ended".to_owned();
                fate.fail(EngineError::Panicked { shard: ShardIndex::new(shard), message });
            }
        }
        if !stuck.is_empty() && fate.error().is_none() {
            // Whoever waits for an answer of that shard is told that none will come.
            fate.fail(EngineError::Stuck { shards: stuck });
        }
        match fate.error() {
            Some(error) => Err(error.clone()),
            None if !drained => Err(EngineError::NotDrained { shards: busy, after: drain }),
            None => Ok(()),
        }
    }

    /// Whether all shards have nothing left to do and nothing is under way between them.
    ///
    /// Shards are asked one after the other, and one that was idle when asked may since have been given work by one
    /// asked later. So the links' counts are taken too: what all had received in a first round must be what all have
    /// sent in a second, with everybody idle in both. A message under way, or one that had gone round meanwhile, has
    /// been sent by the second round and was not received by the first.
    fn quiescent(&self) -> bool {
        let lines = &self.shared.lines;
        let all_drained = || lines.iter().all(|line| line.is_drained());
        if !all_drained() {
            return false;
        }
        let received: u64 = lines.iter().map(|line| line.read().received).sum();
        if !all_drained() {
            return false;
        }
        let sent: u64 = lines.iter().map(|line| line.read().sent).sum();
        all_drained() && received == sent
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            // Whoever wants to know how it ended calls `shutdown`.
            let _ = self.finish(DRAIN_ON_DROP);
        }
    }
}
