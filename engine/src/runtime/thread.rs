//! One pinned thread for each shard: what it does from its first instruction to its last.
//!
//! Invariant: the loop runs on the CPU it was given or not at all, and the thread ends when its loop does. Cost: one
//! system call a rest, and one a turn while descriptors are registered.

use std::num::NonZeroU64;
use std::sync::mpsc::SyncSender;

use super::cpus::bind_this_thread;
use super::frontend::{Core, Frontend};
use super::on_shard::OnShard;
use super::seat::{Place, turn_to_the_end};
use super::start::StartError;

/// The thread's main function. `ready` hears once whether the loop begins.
pub(super) fn run<F: Frontend>(place: Place, make: &dyn Fn(Core) -> F, ready: SyncSender<Result<(), StartError>>) {
    let _on_shard = OnShard::enter();
    let (shared, index) = (place.shared.clone(), place.index());
    if let Err(error) = settle(place.cpu, index.index()) {
        let _ = ready.send(Err(error));
        return;
    }
    let mut turns = match place.take(make) {
        Ok(turns) => turns,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    // What failed is on record; the turns are dropped afterwards and close the door.
    let _ = turn_to_the_end(&mut turns, &shared, index);
}

/// Binds the thread to its CPU and makes its timers exact.
pub(super) fn settle(cpu: Option<usize>, shard: usize) -> Result<(), StartError> {
    if let Some(cpu) = cpu {
        bind_this_thread(cpu).map_err(|source| StartError::Pin { shard, cpu, source })?;
    }
    // Timers of a sleeping shard are to be exact, not gathered with others'. Where that cannot be had, deadlines are
    // met 50 us late.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000));
    Ok(())
}
