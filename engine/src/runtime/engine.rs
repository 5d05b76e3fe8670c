//! A running engine: asking how it does, and ending it.
//!
//! An [`Engine`] lives on the thread that started it and owns the shards' threads. Invariant: once `shutdown` or drop
//! has returned, no thread runs any more, but for one that hangs in its frontend, which is named and left behind.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fanfare_core::{ShardIndex, Tick};

use super::builder::EngineBuilder;
use super::clock::Clock;
use super::embedded::Seat;
use super::fate::{EngineError, Phase};
use super::frontend::{Core, Frontend};
use super::report::{Report, RuntimeKind};
use super::seat::Place;
use super::start::StartError;
use super::stats::LoopStats;
use super::watchdog::Watchdog;
use crate::handle::{CallError, Handle, Shared};

/// How long `shutdown` lets shards finish what they have.
const DRAIN: Duration = Duration::from_secs(5);
/// How long dropping an engine does.
const DRAIN_ON_DROP: Duration = Duration::from_millis(100);
/// How long a thread may take to leave its loop once it has been told.
const JOIN: Duration = Duration::from_secs(5);
/// How often the ending thread looks how far the shards are.
const LOOK: Duration = Duration::from_micros(200);

/// A running engine: shards on threads, and the frontends beside them. Dropping it ends it.
pub struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    seats: Vec<Seat>,
    watchdog: Option<Watchdog>,
    report: Report,
    has_ended: bool,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("shards", &self.shards()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with defaults, to be changed and started.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    pub(super) fn new(shared: Arc<Shared>, report: Report, seats: Vec<Seat>) -> Self {
        Self { shared, threads: Vec::with_capacity(report.shards), seats, watchdog: None, report, has_ended: false }
    }

    /// Starts the threads and waits until each has word of how it began.
    pub(super) fn spawn<F, M>(&mut self, places: Vec<Place>, frontend: M) -> Result<(), StartError>
    where
        F: Frontend + 'static,
        M: Fn(Core) -> F + Send + Sync + 'static,
    {
        let frontend = Arc::new(frontend);
        let mut waiting = Vec::with_capacity(places.len());
        for place in places {
            let shard = place.index().index();
            let (ready, made) = sync_channel(1);
            let frontend = frontend.clone();
            let handle = std::thread::Builder::new()
                .name(format!("fanfare-{shard}"))
                .spawn(move || match place.runtime {
                    #[cfg(feature = "glommio")]
                    RuntimeKind::Glommio => super::glommio::run(place, &*frontend, ready),
                    _ => super::thread::run(place, &*frontend, ready),
                })
                .map_err(|source| StartError::System { what: "thread", shard, source })?;
            self.threads.push(handle);
            waiting.push(made);
        }
        for made in waiting {
            // Without word the thread has ended by a panic, which is on record. An engine dropped here ends the rest.
            made.recv().unwrap_or_else(|_| Err(self.shared.fate.ending().into()))?;
        }
        Ok(())
    }

    /// Has somebody look after the shards that the engine does not turn itself.
    pub(super) fn watch(&mut self, patience: Duration) -> Result<(), StartError> {
        let Report { runtime, shards, hosts, .. } = self.report;
        let executors = shards != 0 && runtime == RuntimeKind::Glommio;
        if executors || hosts != 0 {
            let watchdog = Watchdog::start(self.shared.clone(), executors, shards, patience);
            let no_thread = |source| StartError::System { what: "watchdog thread", shard: shards, source };
            self.watchdog = Some(watchdog.map_err(no_thread)?);
        }
        Ok(())
    }

    /// How many shards it has, hosts' included.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.lines.len()
    }

    /// What was chosen at the start, and why.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The places of the hosts, by shard: at the first call all of them, later none. Each goes to the thread that is
    /// to turn it. The engine waits for its hosts: while seats lie about, calls that need their shards end as
    /// [`CallError::Stalled`].
    #[must_use = "the engine waits for its hosts: seats that are dropped stop it"]
    pub fn seats(&mut self) -> Vec<Seat> {
        std::mem::take(&mut self.seats)
    }

    /// A door to it for any thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// What each shard's loop says of itself.
    #[must_use]
    pub fn stats(&self) -> Vec<LoopStats> {
        let lines = self.shared.lines.iter().zip(&self.shared.kickers);
        lines.map(|(line, kicker)| LoopStats { kicks: kicker.kicks(), ..line.read() }).collect()
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

    /// Begins to end the engine, as [`Engine::shutdown`] does, and does not wait. For a host that turns a shard on
    /// the thread that owns the engine: it goes on stepping until [`Engine::is_drained`], then drops the engine or
    /// shuts it down, and steps no more once that has told it to end.
    pub fn drain(&self) {
        self.shared.fate.advance(Phase::Draining);
        self.shared.ring_all();
    }

    /// Whether an engine that drains has nothing left to do.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.quiescent()
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
        self.has_ended = true;
        let threads = std::mem::take(&mut self.threads);
        self.drain();
        let fate = &self.shared.fate;
        let begun = Instant::now();
        let mut drained = self.quiescent();
        while !drained && fate.phase() == Phase::Draining && begun.elapsed() < drain {
            std::thread::sleep(LOOK);
            drained = self.quiescent();
        }
        let busy: Vec<usize> = (0..self.shards()).filter(|&shard| !self.shared.lines[shard].is_drained()).collect();

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
            self.shared.fail(EngineError::Stuck { shards: stuck });
        }
        // Only now: until here an executor may have needed it.
        self.watchdog = None;
        // Whoever waits for a host that does not come back is told as well.
        let ended = CallError::from(fate.ending());
        for door in &self.shared.doors {
            door.abandon(&ended);
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
        if !self.has_ended {
            // Whoever wants to know how it ended calls `shutdown`.
            let _ = self.finish(DRAIN_ON_DROP);
        }
    }
}
