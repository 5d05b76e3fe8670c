//! Which runtime turns the shards, and what else was decided at the start.
//!
//! `choose` is the one place where `auto` decides. Invariant: whatever it takes, the report says why.

use std::fmt;
use std::time::Duration;

use super::probe::{Host, UringRefused};

/// What is asked to turn the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// What suits the machine, by a kept measurement: plain threads, for now, wherever it was made. Whether glommio
    /// could be had is tried all the same, and reported.
    #[default]
    Auto,
    /// Plain pinned threads, which wait by epoll. To be had everywhere.
    Thread,
    /// Pinned glommio executors, which wait by io_uring: for frontends that want its sockets, files and timers on the
    /// shard's own core.
    Glommio,
}

/// What turns a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// A plain thread of the engine's.
    Thread,
    /// A glommio executor of the engine's.
    Glommio,
    /// A host, in its own loop.
    Host,
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thread => "thread",
            Self::Glommio => "glommio",
            Self::Host => "host",
        })
    }
}

/// What an engine was started with, and why. As text it is one line.
#[derive(Clone, Debug)]
pub struct Report {
    /// What turns the engine's own shards.
    pub runtime: RuntimeKind,
    /// Why it was taken.
    pub why: String,
    /// Shards on threads of the engine's own.
    pub shards: usize,
    /// Shards that hosts turn.
    pub hosts: usize,
    /// Shards, from 0 on, that presentities are at home on.
    pub homes: usize,
    /// The CPU of each shard on a thread of the engine's own.
    pub cpus: Vec<usize>,
    /// Whether they are bound to them.
    pub pinned: bool,
    /// How long a shard looks for work before it sleeps.
    pub spin: Duration,
    /// The machine, as this process may use it.
    pub host: Host,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runtime, why, shards, hosts, homes, cpus, pinned, spin, host } = self;
        write!(f, "{shards} shard{} on {runtime} ({why})", if *shards == 1 { "" } else { "s" })?;
        match (shards, pinned) {
            (0, _) => {}
            (_, true) => write!(f, ", pinned to CPUs {cpus:?}")?,
            (_, false) => f.write_str(", not pinned")?,
        }
        if *hosts != 0 {
            write!(f, ", {hosts} turned by hosts, {homes} with homes")?;
        }
        write!(f, ", spin {spin:?}; {host}")
    }
}

/// The runtime to take on this machine, and why.
pub(super) fn choose(asked: Runtime, host: &Host) -> Result<(RuntimeKind, String), UringRefused> {
    match (asked, &host.io_uring) {
        (Runtime::Thread, _) => Ok((RuntimeKind::Thread, "asked for".to_owned())),
        (Runtime::Glommio, Ok(())) => Ok((RuntimeKind::Glommio, "asked for".to_owned())),
        (Runtime::Glommio, Err(refused)) => Err(refused.clone()),
        // Measured side by side (ARCHITECTURE.md): threads wake in half the time, at no more CPU.
        (Runtime::Auto, Ok(())) => {
            let why = "auto: threads wake faster than glommio, which could be had, at no more CPU";
            Ok((RuntimeKind::Thread, why.to_owned()))
        }
        (Runtime::Auto, Err(refused)) => {
            Ok((RuntimeKind::Thread, format!("auto: glommio is not to be had: {refused}")))
        }
    }
}
