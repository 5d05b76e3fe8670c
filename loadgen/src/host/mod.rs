//! The machine: what it is, and what it has left. Read once, at the start.
//!
//! Everything comes from `/proc` and `/sys`; what cannot be read is said to be unknown, and no run fails for it.

mod facts;
mod process;

use std::fs;
use std::time::Duration;

use procfs::process::Process;
use procfs::{CpuInfo, Current, CurrentSI, KernelStats, Meminfo};
use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use facts::Facts;
pub use process::ProcessUse;

/// What a report says of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// The processor's name.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cores: usize,
    /// The machine's memory.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Memory that could be had at the start.
    pub memory_available_bytes: u64,
    /// What else there is to know.
    #[serde(default)]
    pub facts: Facts,
}

impl Host {
    /// Looks at the machine.
    #[must_use]
    pub fn look() -> Self {
        let memory = Meminfo::current().ok();
        let total = memory.as_ref().map_or(0, |memory| memory.mem_total);
        let free = memory.as_ref().and_then(|memory| memory.mem_available.or(Some(memory.mem_free))).unwrap_or(0);
        let (limit, left) = cgroup_memory().unwrap_or((u64::MAX, u64::MAX));
        Self {
            cpu: cpu_name().unwrap_or_else(|| "unknown".to_owned()),
            cores: affinity(),
            memory_bytes: total.min(limit),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| "unknown".to_owned(), |release| release.trim().to_owned()),
            memory_available_bytes: free.min(left),
            facts: Facts::look(),
        }
    }
}

/// What the scheduler says of one thread. The difference of two readings tells how much of its time others had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTimes {
    /// Nanoseconds on a CPU.
    pub ran_ns: u64,
    /// Nanoseconds ready to run, while somebody else had the CPU.
    pub waited_ns: u64,
}

impl ThreadTimes {
    /// The calling thread's; zeros where the kernel does not say. A few microseconds.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
        Self { ran_ns: numbers.next().unwrap_or(0), waited_ns: numbers.next().unwrap_or(0) }
    }

    /// The share of the time in which the thread was ready to run that it did run; all of it where the kernel does not say.
    #[must_use]
    pub fn on_cpu_share(&self) -> f64 {
        if self.ran_ns == 0 { 1.0 } else { self.ran_ns as f64 / (self.ran_ns + self.waited_ns) as f64 }
    }

    /// What was spent since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            ran_ns: self.ran_ns.saturating_sub(earlier.ran_ns),
            waited_ns: self.waited_ns.saturating_sub(earlier.waited_ns),
        }
    }
}

/// How long the machine has been suspended since it started; the difference of two readings tells whether it was in
/// between. No timer of this process has seen that time, and every watcher outside has.
#[must_use]
pub fn suspended() -> Duration {
    let [since_start, awake] = [ClockId::Boottime, ClockId::Monotonic].map(|clock| {
        let now = clock_gettime(clock);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
    });
    since_start.saturating_sub(awake)
}

/// Time that the hypervisor gave to other machines, in ticks, and all time of all CPUs.
#[must_use]
pub fn steal() -> (u64, u64) {
    let Ok(stat) = KernelStats::current() else { return (0, 0) };
    let total = &stat.total;
    let steal = total.steal.unwrap_or(0);
    let rest = total.user + total.nice + total.system + total.idle;
    (steal, steal + rest + total.iowait.unwrap_or(0) + total.irq.unwrap_or(0) + total.softirq.unwrap_or(0))
}

fn cpu_name() -> Option<String> {
    let info = CpuInfo::current().ok()?;
    info.model_name(0).map(str::to_owned)
}

/// CPUs in this process's affinity mask.
fn affinity() -> usize {
    let listed = Process::myself().and_then(|process| process.status()).ok().and_then(|status| {
        let ranges = status.cpus_allowed_list?;
        Some(ranges.iter().map(|&(first, last)| (last - first + 1) as usize).sum())
    });
    listed.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1)
}

/// The container's limit and what is left of it, where there is one.
fn cgroup_memory() -> Option<(u64, u64)> {
    let read =
        |name: &str| -> Option<u64> { fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok() };
    let limit = read("memory.max")?;
    let used = read("memory.current")?;
    Some((limit, limit.saturating_sub(used)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_computes_has_run() {
        let before = ThreadTimes::of_this_thread();
        let begin = std::time::Instant::now();
        while begin.elapsed().as_millis() < 20 {
            std::hint::black_box(steal());
        }
        let times = ThreadTimes::of_this_thread().since(&before);
        assert!(times.ran_ns + times.waited_ns < 10_000_000_000, "{times:?}");
    }

    #[test]
    fn a_machine_that_is_awake_is_not_suspended() {
        let before = suspended();
        std::thread::sleep(Duration::from_millis(20));
        assert!(suspended().abs_diff(before) < Duration::from_millis(10));
    }

    #[test]
    fn this_machine_has_cores_and_memory() {
        let host = Host::look();
        assert!(host.cores >= 1);
        assert!(host.memory_bytes >= host.memory_available_bytes && host.memory_available_bytes > 0);
        assert_ne!(host.kernel, "unknown");
    }
}
