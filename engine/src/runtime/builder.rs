//! How an engine is to be, and how it comes to be so.
//!
//! Everything that was not said is decided here, once, from what the machine allows; the [`Report`] keeps what came of
//! it. Invariant: when `start` fails, nothing is left running.

use std::sync::Arc;
use std::time::Duration;

use fanfare_core::{Limits, SHARDS_MAX, Scheme, ShardConfig, ShardError};

use super::cpus::Cpus;
use super::embedded::Seat;
use super::engine::Engine;
use super::frontend::{Core, Frontend};
use super::probe::Host;
use super::reactor::Bell;
use super::report::{Report, Runtime, RuntimeKind, choose};
use super::seat::Place;
use super::start::StartError;
use crate::handle::{Shared, SharedParts};
use crate::mesh::doorbell::Doorbell;
use crate::mesh::link::Port;

/// How long a shard looks for work before it sleeps, if it is not said.
const SPIN: Duration = Duration::from_micros(50);

/// How an engine is to be. See [`Engine::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct EngineBuilder {
    shards: Option<usize>,
    hosts: usize,
    hosts_own_homes: Option<bool>,
    patience: Duration,
    runtime: Runtime,
    cpus: Option<Cpus>,
    pin: bool,
    limits: Limits,
    scheme: Arc<Scheme>,
    epoch: u16,
    seed: Option<u64>,
    spin: Option<Duration>,
    ingress_slots: usize,
    watcher_notes: usize,
}

impl EngineBuilder {
    /// How many shards on threads of the engine's own; as many as CPUs if it is not said. None is allowed where
    /// there are hosts.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How many shards beside those are turned by hosts, each of which takes its [`Seat`] from
    /// [`Engine::seats`]: none if it is not said. They have the highest numbers.
    pub fn hosts(mut self, hosts: usize) -> Self {
        self.hosts = hosts;
        self
    }

    /// Whether presentities are at home on hosts' shards too. If it is not said: only if there are no other shards.
    /// A host that has homes holds up their publications whenever it does not step.
    pub fn hosts_own_homes(mut self, own: bool) -> Self {
        self.hosts_own_homes = Some(own);
        self
    }

    /// How long a host that was told to step may leave it: a second if it is not said. After that, calls of handles
    /// that wait for its shard end with an error.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What turns the shards: [`Runtime::Auto`] if it is not said.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
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

    /// What presence means: categories, views, composition, and who sees what. The plain scheme if it is not said.
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = Arc::new(scheme);
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

    /// How long a shard that finds nothing to do keeps looking before it sleeps. If it is not said: 50 us, and
    /// nothing where a control group grants fewer CPUs than there are shards. More of it burns CPU, less of it costs
    /// wake-ups of some 5 to 50 us each. Hosts never spin.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = Some(spin);
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
    /// by the threads, but what it makes stays on one. Hosts bring frontends of their own.
    ///
    /// # Errors
    /// When it cannot be as asked; then nothing is left running.
    pub fn start<F, M>(self, frontend: M) -> Result<Engine, StartError>
    where
        F: Frontend + 'static,
        M: Fn(Core) -> F + Send + Sync + 'static,
    {
        self.limits.validate()?;
        let (views, limit) = (self.scheme.views().len(), self.limits.views_per_presentity);
        if views > usize::from(limit) {
            return Err(StartError::Shard { shard: 0, source: ShardError::Views { views, limit } });
        }
        for (name, value) in [("ingress_slots", self.ingress_slots), ("watcher_notes", self.watcher_notes)] {
            if value == 0 {
                return Err(StartError::Zero(name));
            }
        }
        let report = self.decide()?;
        let (shards, all) = (report.shards, report.shards + report.hosts);
        let bells = (0..all)
            .map(|shard| Bell::new().map_err(|source| StartError::System { what: "eventfd", shard, source }))
            .collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::new(Shared::new(SharedParts {
            doorbells: bells.iter().map(|bell| Arc::new(Doorbell::new(bell.clone()))).collect(),
            homes: report.homes,
            watched_on: if shards == 0 { all } else { shards },
            ingress_slots: self.ingress_slots,
            feed_notes: self.watcher_notes,
            retry_after_us: self.limits.retry_after_us,
            fetch_presentities_max: self.limits.fetch_presentities_max,
        }));
        let seed = self.seed.unwrap_or_else(unguessable);
        let places = bells.into_iter().zip(Port::mesh(all, self.limits.link_slots as usize)).enumerate();
        let mut places = places.map(|(shard, (bell, port))| {
            let mut config = ShardConfig::new(shard, all);
            config.homes = report.homes;
            config.epoch = self.epoch;
            config.seed = seed.wrapping_add(shard as u64);
            config.limits = self.limits;
            config.scheme = self.scheme.clone();
            let is_host = shard >= shards;
            Place {
                config,
                runtime: if is_host { RuntimeKind::Host } else { report.runtime },
                cpu: if report.pinned { report.cpus.get(shard).copied() } else { None },
                // A host's thread has better to do.
                spin: if is_host { Duration::ZERO } else { report.spin },
                bell,
                port,
                shared: shared.clone(),
            }
        });
        let threads = places.by_ref().take(shards).collect::<Vec<_>>();
        let seats = places.map(Seat::new).collect();
        let mut engine = Engine::new(shared, report, seats);
        engine.spawn(threads, frontend)?;
        engine.watch(self.patience)?;
        tracing::info!(report = %engine.report(), "engine started");
        Ok(engine)
    }

    /// What the machine is like, and what follows for what was not said.
    fn decide(&self) -> Result<Report, StartError> {
        let host = if self.runtime == Runtime::Thread { Host::probe_without_ring() } else { Host::probe() };
        let mut cpus = match &self.cpus {
            Some(cpus) => cpus.resolve()?,
            None if self.shards.is_some() => Cpus::all().resolve()?,
            None => Cpus::one_per_physical_core().resolve()?,
        };
        // A quota of a CPU and a half keeps two shards busier than one.
        let granted = host.quota_cpus.map_or(SHARDS_MAX, |quota| (quota.ceil() as usize).max(1));
        let shards = self.shards.unwrap_or_else(|| match &self.cpus {
            Some(_) => cpus.len().min(SHARDS_MAX),
            None => cpus.len().min(granted).min(SHARDS_MAX - self.hosts.min(SHARDS_MAX - 1)),
        });
        let all = shards.saturating_add(self.hosts);
        if !(1..=SHARDS_MAX).contains(&all) {
            return Err(StartError::Shards(all));
        }
        if self.pin && shards > cpus.len() {
            return Err(StartError::MoreShardsThanCpus { shards, cpus: cpus.len() });
        }
        let homes = if self.hosts_own_homes.unwrap_or(shards == 0) { all } else { shards };
        if homes == 0 {
            return Err(StartError::NoHomes);
        }
        cpus.truncate(shards);
        let (runtime, why) = choose(self.runtime, &host).map_err(StartError::Glommio)?;
        let is_throttled = host.quota_cpus.is_some_and(|quota| quota < shards as f64);
        let spin = self.spin.unwrap_or(if is_throttled { Duration::ZERO } else { SPIN });
        Ok(Report { runtime, why, shards, hosts: self.hosts, homes, cpus, pinned: self.pin, spin, host })
    }
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self {
            shards: None,
            hosts: 0,
            hosts_own_homes: None,
            patience: Duration::from_secs(1),
            runtime: Runtime::Auto,
            cpus: None,
            pin: true,
            limits: Limits::default(),
            scheme: Arc::new(Scheme::plain()),
            epoch: 0,
            seed: None,
            spin: None,
            ingress_slots: 1024,
            watcher_notes: 1024,
        }
    }
}

/// A number from the process's own source of hash keys.
fn unguessable() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
