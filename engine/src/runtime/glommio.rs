//! One glommio executor for each shard: the loop as its one long-lived task, beside the frontend's own.
//!
//! The executor hosts; the engine keeps its own rings, bells and placement. What could go wrong with glommio, and what
//! is done about it here:
//!
//! * *It fails where io_uring is not to be had*: it is probed first, and this module is not entered without.
//! * *Its cross-core wake-ups cost a channel entry each, and are lost at times*: nothing wakes this task across cores.
//!   The bell writes an eventfd, which lies in the shard's own epoll instance, which the task awaits through the ring:
//!   one poll request a rest, for doorbell, deadlines and all descriptors together.
//! * *Its timers have a grain of a millisecond*: deadlines of the loop are the epoll instance's timer.
//! * *An executor may park with a task to run*: pre-empted before anything ran, it takes itself for idle. With a
//!   pre-emption timer of half a millisecond that happened several times a minute on a machine that was busy
//!   otherwise. So the timer is long, and the loop goes to the ring by its own clock instead; and the
//!   [watchdog](super::watchdog) calls the one waker stored here for a shard that was rung and does not turn.
//! * *Tasks leak their headers*: one task a shard, spawned once.
//! * *The first sleep takes tens of milliseconds*: it is slept before the engine says that it has started.
//! * *Work that never yields starves the ring*: after half a millisecond of turns the loop waits for something that is
//!   always ready, which leads through the ring and past all other tasks.
//!
//! Cost beside a plain thread: two to three calls into the ring for every rest, and as many for every half millisecond
//! of work (measured in ARCHITECTURE.md).

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll};
use std::time::Duration;

use glommio::io::{PollState, PollableFd};
use glommio::timer::Timer;
use glommio::{Latency, LocalExecutorBuilder, Placement, Shares};
use rustix::event::{EventfdFlags, eventfd};

use super::frontend::{Core, Frontend};
use super::on_shard::OnShard;
use super::seat::{Place, guard, message};
use super::start::StartError;
use super::thread::settle;
use super::turn::{Next, Turns};
use crate::ShardIndex;
use crate::handle::Shared;

/// How long the loop turns before the frontend's own tasks, and the ring, have theirs.
const BREATH: Duration = Duration::from_micros(500);

/// glommio's own pre-emption: so long that a thread is not kept from its CPU for it in the wrong moment.
const PREEMPT: Duration = Duration::from_millis(100);

/// Registered memory of an executor: the least that glommio takes. Sockets need none, and the limit on locked memory
/// may be tight.
const IO_MEMORY_BYTES: usize = 64 << 10;

/// The first sleep, in which glommio registers for membarrier.
const WARM_UP: Duration = Duration::from_millis(1);

/// The thread's main function. `ready` hears once whether the loop begins.
pub(super) fn run<F: Frontend + 'static>(
    place: Place,
    make: &dyn Fn(Core) -> F,
    ready: SyncSender<Result<(), StartError>>,
) {
    let _on_shard = OnShard::enter();
    let shard = place.index().index();
    if let Err(error) = settle(place.cpu, shard) {
        let _ = ready.send(Err(error));
        return;
    }
    let placement = place.cpu.map_or(Placement::Unbound, Placement::Fixed);
    let builder = LocalExecutorBuilder::new(placement).io_memory(IO_MEMORY_BYTES).preempt_timer(PREEMPT);
    // It panics, rather than fails, where it gets no thread for its blocking calls.
    let executor = catch_unwind(AssertUnwindSafe(|| builder.make()))
        .map_err(|payload| message(payload.as_ref()))
        .and_then(|made| made.map_err(|error| error.to_string()));
    let executor = match executor {
        Ok(executor) => executor,
        Err(reason) => {
            let source = io::Error::other(reason);
            let _ = ready.send(Err(StartError::System { what: "glommio executor", shard, source }));
            return;
        }
    };
    let (shared, index) = (place.shared.clone(), place.index());
    // A task of the frontend's own that panics ends the executor, which forgets the tasks that wait at that time. So the
    // executor only borrows the future that holds the loop's task: dropped here, after the executor has ended, it takes
    // the loop with it, and the loop's end leaves word. Tasks of the frontend's own that waited are lost all the same.
    let mut served = Box::pin(serve(place, make, ready));
    let ended = guard(&shared, index, || executor.run(served.as_mut()));
    if ended.is_err() {
        shared.kickers[shard].set(None);
    }
    drop(served);
}

/// The loop's state as its task holds it. A frontend may panic in its drop; in a task that is dropped and not run,
/// glommio would end the process for it.
struct Held<F: Frontend> {
    turns: Option<Turns<F>>,
    shared: Arc<Shared>,
    index: ShardIndex,
}

impl<F: Frontend> Held<F> {
    fn turns(&mut self) -> &mut Turns<F> {
        self.turns.as_mut().expect("it is taken in drop only")
    }
}

impl<F: Frontend> Drop for Held<F> {
    fn drop(&mut self) {
        let _ = guard(&self.shared, self.index, || drop(self.turns.take()));
    }
}

async fn serve<F: Frontend + 'static>(
    place: Place,
    make: &dyn Fn(Core) -> F,
    ready: SyncSender<Result<(), StartError>>,
) {
    let (shared, index) = (place.shared.clone(), place.index());
    let no_executor = |reason: String| StartError::System {
        what: "place with the glommio executor",
        shard: index.index(),
        source: io::Error::other(reason),
    };
    Timer::new(WARM_UP).await;
    let queue = glommio::executor().create_task_queue(Shares::default(), Latency::Matters(PREEMPT), "fanfare");
    let made = place.take(make).and_then(|turns| {
        let descriptor = turns.io().clone_descriptor().map_err(|error| no_executor(error.to_string()))?;
        let descriptor = PollableFd::new(descriptor).map_err(|error| no_executor(error.to_string()))?;
        let ready = eventfd(1, EventfdFlags::CLOEXEC).map_err(|error| no_executor(error.to_string()))?;
        let always_ready = PollableFd::new(ready).map_err(|error| no_executor(error.to_string()))?;
        let held = Held { turns: Some(turns), shared: shared.clone(), index };
        let loop_ended = turn_to_the_end(held, descriptor, always_ready, shared, index);
        glommio::spawn_local_into(loop_ended, queue).map_err(|error| no_executor(error.to_string()))
    });
    match made {
        Ok(task) => {
            let _ = ready.send(Ok(()));
            task.await;
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

/// The loop as a task. It ends when the engine has stopped; what failed is on record then.
async fn turn_to_the_end<F: Frontend>(
    mut held: Held<F>,
    descriptor: PollableFd<OwnedFd>,
    always_ready: PollableFd<OwnedFd>,
    shared: Arc<Shared>,
    index: ShardIndex,
) {
    // The one waker that others may call, and only the watchdog does. It is taken back before the executor ends.
    poll_fn(|context| {
        shared.kickers[index.index()].set(Some(context.waker().clone()));
        Poll::Ready(())
    })
    .await;
    let mut request = PollState::new();
    let breath_ns = BREATH.as_nanos() as u64;
    let mut breathed_ns = held.turns().lap_ns();
    loop {
        match guard(&shared, index, || held.turns().advance()) {
            Ok(Next::Again) if held.turns().lap_ns() - breathed_ns < breath_ns => {}
            Ok(Next::Again) => {
                // It cannot fail but by the ring, which the next rest would find out too.
                let _ = always_ready.readable().await;
                breathed_ns = held.turns().lap_ns();
            }
            Ok(Next::Rest(timeout)) => {
                // Guarded as the turn is: the reason must be on record before the turns are dropped.
                if guard(&shared, index, || held.turns().io().arm(timeout)).is_err() {
                    break;
                }
                let mut has_rested = false;
                let rested = poll_fn(|context| rest(context, &descriptor, &mut request, &mut has_rested)).await;
                let wake_up = || match rested {
                    Ok(()) => held.turns().io().look(),
                    Err(error) => panic!("the ring cannot wait: {error}"),
                };
                if guard(&shared, index, wake_up).is_err() {
                    break;
                }
                breathed_ns = held.turns().lap_ns();
            }
            Ok(Next::End) | Err(_) => break,
        }
    }
    shared.kickers[index.index()].set(None);
}

/// Ready when the descriptor is, and at the second look in any case: somebody has called the waker, and a turn too
/// many does no harm. The request stays with the ring from one rest to the next until it is answered.
fn rest(
    context: &mut Context<'_>,
    descriptor: &PollableFd<OwnedFd>,
    request: &mut PollState,
    has_rested: &mut bool,
) -> Poll<io::Result<()>> {
    match descriptor.poll_readable(context, request) {
        Poll::Pending if !std::mem::replace(has_rested, true) => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(())),
        Poll::Ready(answer) => Poll::Ready(answer.map_err(io::Error::other)),
    }
}
