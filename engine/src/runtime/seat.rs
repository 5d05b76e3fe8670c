//! A shard's place in the mesh, before somebody has taken it: a thread of the engine's, or a host.
//!
//! A seat is made where the engine is started and taken on the thread that will turn the shard. The shard and its
//! frontend are made there, so that their memory is first touched, and so placed, by the core that uses it. Invariant:
//! however a seat or what was made from it ends, it leaves word: the reason in [`Fate`](super::fate::Fate), then a
//! closed door, so that every caller who waits for this shard hears of it. Costs nothing while the loop runs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::{ShardConfig, ShardIndex};

use super::core_waker::CoreWaker;
use super::fate::EngineError;
use super::frontend::{Core, Frontend};
use super::reactor::{Bell, Epoll, Io};
use super::report::RuntimeKind;
use super::start::StartError;
use super::turn::{Next, TurnParts, Turns};
use crate::Shard;
use crate::handle::Shared;
use crate::handle::doorkeeper::Doorkeeper;
use crate::map::PrivateMap;
use crate::mesh::link::Port;

/// What a shard's loop is started with.
pub(crate) struct Place {
    pub(crate) config: ShardConfig,
    pub(crate) runtime: RuntimeKind,
    pub(crate) cpu: Option<usize>,
    pub(crate) spin: Duration,
    pub(crate) bell: Arc<Bell>,
    pub(crate) port: Port,
    pub(crate) shared: Arc<Shared>,
}

impl Place {
    pub(crate) fn index(&self) -> ShardIndex {
        ShardIndex::new(self.config.index)
    }

    /// Makes the shard and its frontend on the calling thread.
    pub(crate) fn take<F: Frontend>(self, make: impl FnOnce(Core) -> F) -> Result<Turns<F>, StartError> {
        let Self { config, runtime, cpu, spin, bell, port, shared } = self;
        let index = ShardIndex::new(config.index);
        let shard = index.index();
        // Made first, so that it is dropped last, when the reason is on record, if something below fails.
        let doorkeeper = Doorkeeper::new(shared.clone(), index);
        let (shards, homes) = (config.shards, config.homes);
        let made = Shard::new(config, PrivateMap).map_err(|source| StartError::Shard { shard, source })?;
        // A plain thread waits with a time-out of its own; the others wait for the descriptor alone.
        let epoll = if runtime == RuntimeKind::Thread { Epoll::new(bell) } else { Epoll::with_timer(bell) };
        let io = epoll.map(Io::new).map_err(|source| StartError::System { what: "epoll instance", shard, source })?;
        let waker = CoreWaker::new(shared.doorbells[shard].clone());
        let core = Core {
            index,
            shards,
            homes,
            cpu,
            runtime,
            clock: shared.clock,
            io: io.clone(),
            waker: waker.clone().into(),
        };
        let frontend = guard(&shared, index, || make(core))?;
        Ok(Turns::new(TurnParts { shard: made, frontend, doorkeeper, port, io, waker, shared, spin }))
    }
}

/// Turns and waits on the calling thread until the engine stops.
pub(crate) fn turn_to_the_end<F: Frontend>(
    turns: &mut Turns<F>,
    shared: &Shared,
    shard: ShardIndex,
) -> Result<(), EngineError> {
    guard(shared, shard, || {
        loop {
            match turns.advance() {
                Next::Again => {}
                Next::Rest(timeout) => turns.io().wait(timeout),
                Next::End => return,
            }
        }
    })
}

/// Runs code of a shard's. A panic in it is put on record, stops the engine and is told to everybody.
pub(crate) fn guard<R>(shared: &Shared, shard: ShardIndex, code: impl FnOnce() -> R) -> Result<R, EngineError> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        shared.fail(EngineError::Panicked { shard, message: message(payload.as_ref()) });
        shared.fate.ending()
    })
}

/// The text of a panic, if it has one.
pub(super) fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
