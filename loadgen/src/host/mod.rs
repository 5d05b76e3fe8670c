//! The machine: what it is, and what it has left. Read once, at the start.
//!
//! Everything comes from `/proc` and `/sys`; what cannot be read is said to be unknown, and no run fails for it.

mod around;
mod facts;
mod process;

use std::fs;

use procfs::process::Process;
use procfs::{CpuInfo, Current, Meminfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use around::{Around, Surroundings};
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
        Self::read(&fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default())
    }

    fn read(text: &str) -> Self {
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
        Self { ran_ns: numbers.next().unwrap_or(0), waited_ns: numbers.next().unwrap_or(0) }
    }

    /// The share of the time that loops were awake, by their own clock, in which they had a CPU. They cannot see when they
    /// are pushed from it, by another thread or by another machine on the same hardware; the scheduler counts neither.
    /// All of it where the kernel does not say.
    #[must_use]
    pub fn on_cpu_share(&self, awake_ns: u64) -> f64 {
        if self.ran_ns == 0 || awake_ns == 0 { 1.0 } else { (self.ran_ns as f64 / awake_ns as f64).min(1.0) }
    }

    /// Adds another thread's.
    pub fn add(&mut self, other: &Self) {
        self.ran_ns += other.ran_ns;
        self.waited_ns += other.waited_ns;
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
    fn what_the_scheduler_says_of_a_thread_is_read() {
        let (before, after) = (ThreadTimes::read("1000 200 3\n"), ThreadTimes::read("4000 900 7\n"));
        let times = after.since(&before);
        assert_eq!(times, ThreadTimes { ran_ns: 3_000, waited_ns: 700 });
        assert_eq!((times.on_cpu_share(4_000), times.on_cpu_share(2_000)), (0.75, 1.0));
        assert_eq!(ThreadTimes::read(""), ThreadTimes::default());
        assert_eq!(ThreadTimes::default().on_cpu_share(4_000), 1.0, "a kernel that does not say accuses nobody");
    }

    #[test]
    fn this_machine_has_cores_and_memory() {
        let host = Host::look();
        assert!(host.cores >= 1);
        assert!(host.memory_bytes >= host.memory_available_bytes && host.memory_available_bytes > 0);
        assert_ne!(host.kernel, "unknown");
    }
}
