//! One pinned thread for each shard: what it does from its first instruction to its last.
//!
//! The shard and its frontend are made here, after pinning, so that their memory is first touched, and so placed, by
//! the core that uses it. Invariant: however the thread ends, it leaves word: an error in [`Fate`](super::fate::Fate) for a panic, and a
//! closed door, so that every caller who waits for this shard hears of it. Costs nothing while the loop runs.

use std::any::Any;
use std::cell::Cell;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use fanfare_core::{ShardConfig, ShardIndex};

use super::cpus::pin;
use super::engine::StartError;
use super::fate::EngineError;
use super::frontend::{Core, Frontend};
use super::reactor::{Bell, Epoll, Io};
use super::turn::{TurnParts, Turns};
use crate::Shard;
use crate::handle::Shared;
use crate::handle::doorkeeper::Doorkeeper;
use crate::map::PrivateMap;
use crate::mesh::link::Port;

thread_local! {
    static ON_A_SHARD: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is a shard's: a call that waits for a shard would wait for itself there.
pub(crate) fn on_a_shard() -> bool {
    ON_A_SHARD.get()
}

/// What a shard's thread is started with.
pub(super) struct ShardThread {
    pub(super) config: ShardConfig,
    pub(super) cpu: Option<usize>,
    pub(super) spin: Duration,
    pub(super) bell: Arc<Bell>,
    pub(super) port: Port,
    pub(super) shared: Arc<Shared>,
}

impl ShardThread {
    /// The thread's main function. `ready` hears once whether the loop begins.
    pub(super) fn run<F: Frontend>(self, make: &dyn Fn(Core) -> F, ready: SyncSender<Result<(), StartError>>) {
        ON_A_SHARD.set(true);
        let shared = self.shared.clone();
        let index = ShardIndex::new(self.config.index);
        // Outside of what may unwind: whoever waits for this shard is told only after the reason is on record.
        let mut doorkeeper = Doorkeeper::new(shared.clone(), index);
        let result = catch_unwind(AssertUnwindSafe(|| self.serve(make, &ready, &mut doorkeeper)));
        if let Err(payload) = result {
            shared.fate.fail(EngineError::Panicked { shard: index, message: message(payload.as_ref()) });
            shared.ring_all();
        }
        // After the reason is on record, too: `start` looks there when the sender is gone.
        drop(ready);
        doorkeeper.close();
    }

    fn serve<F: Frontend>(
        self,
        make: &dyn Fn(Core) -> F,
        ready: &SyncSender<Result<(), StartError>>,
        doorkeeper: &mut Doorkeeper,
    ) {
        let Self { config, cpu, spin, bell, port, shared } = self;
        let index = ShardIndex::new(config.index);
        let walk_entries = config.limits.walk_entries_per_step as usize;
        if let Some(cpu) = cpu
            && let Err(source) = pin(cpu)
        {
            let _ = ready.send(Err(StartError::Pin { shard: index.index(), cpu, source }));
            return;
        }
        // Timers of a sleeping shard are to be exact, not gathered with others'. Where that cannot be had, deadlines
        // are met 50 us late.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000));
        let shards = config.shards;
        let shard = match Shard::new(config, PrivateMap) {
            Ok(shard) => shard,
            Err(source) => {
                let _ = ready.send(Err(StartError::Shard { shard: index.index(), source }));
                return;
            }
        };
        let io = match Epoll::new(bell) {
            Ok(reactor) => Io::new(reactor),
            Err(source) => {
                let shard = index.index();
                let _ = ready.send(Err(StartError::System { what: "epoll instance", shard, source }));
                return;
            }
        };
        let frontend = make(Core { index, shards, cpu, clock: shared.clock, io: io.clone() });
        let mut turns = Turns::new(TurnParts {
            shard,
            frontend,
            doorkeeper,
            port,
            io,
            doorbells: &shared.doorbells,
            line: &shared.lines[index.index()],
            walk_entries,
        });
        let _ = ready.send(Ok(()));
        turns.run(shared.clock, &shared.fate, spin);
    }
}

/// The text of a panic, if it has one.
fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
