//! What a piece of work costs the thread that does it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the calling thread that the work took, and what it gave.
pub(crate) fn cpu_time_of<R>(work: impl FnOnce() -> R) -> (Duration, R) {
    let begun = now();
    let done = work();
    (now().saturating_sub(begun), done)
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
