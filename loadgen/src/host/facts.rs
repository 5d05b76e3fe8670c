//! What else decides how fast a machine is: clock, frequency, threads of a core, memory nodes, and who else is there.
//!
//! Read once, at the start, from `/proc` and `/sys`. What cannot be read is left out; no run fails for it.

use std::fs;
use std::time::Instant;

use procfs::process::Process;
use procfs::{CpuInfo, Current, LoadAverage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Readings by which the clock is known.
const READINGS: u32 = 20_000;

/// Facts about the machine; nothing where the system does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the fields are the documented JSON schema, word for word")]
pub struct Facts {
    pub cpu_mhz: Option<u64>,
    pub governor: Option<String>,
    /// Whether two threads share a core.
    pub smt: Option<bool>,
    pub numa_nodes: Option<usize>,
    pub hypervisor: bool,
    pub clock_source: Option<String>,
    /// The smallest step between two readings that differ.
    pub clock_step_ns: u64,
    /// What one reading takes.
    pub clock_reading_ns: f64,
    pub load_1m: Option<f64>,
    /// Processes that were running or ready, this one among them.
    pub processes_ready: Option<u32>,
    /// `yes`, `privileged only` or `no`.
    pub io_uring: Option<String>,
    pub open_files_max: Option<u64>,
    pub locked_memory_max_bytes: Option<u64>,
    pub huge_pages: Option<String>,
}

impl Facts {
    /// Looks. About a millisecond.
    #[must_use]
    pub fn look() -> Self {
        let (clock_step_ns, clock_reading_ns) = clock();
        let load = LoadAverage::current().ok();
        let limits = Process::myself().and_then(|process| process.limits()).ok();
        let soft = |limit: procfs::process::Limit| match limit.soft_limit {
            procfs::process::LimitValue::Unlimited => u64::MAX,
            procfs::process::LimitValue::Value(value) => value,
        };
        let cpu = CpuInfo::current().ok();
        let of_cpu = |name| cpu.as_ref().and_then(|cpu| cpu.get_field(0, name));
        Self {
            cpu_mhz: of_cpu("cpu MHz").and_then(|mhz| mhz.parse::<f64>().ok()).map(|mhz| mhz as u64),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            smt: read("/sys/devices/system/cpu/smt/active").map(|active| active == "1"),
            numa_nodes: nodes(),
            hypervisor: of_cpu("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            clock_step_ns,
            clock_reading_ns,
            load_1m: load.as_ref().map(|load| (f64::from(load.one) * 100.0).round() / 100.0),
            processes_ready: load.as_ref().map(|load| load.cur),
            io_uring: read("/proc/sys/kernel/io_uring_disabled").map(|level| {
                match level.as_str() {
                    "0" => "yes",
                    "1" => "privileged only",
                    _ => "no",
                }
                .to_owned()
            }),
            open_files_max: limits.as_ref().map(|limits| soft(limits.max_open_files)),
            locked_memory_max_bytes: limits.as_ref().map(|limits| soft(limits.max_locked_memory)),
            huge_pages: read("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|modes| chosen(&modes)),
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The word in brackets, which is how the kernel marks the one of several that holds.
fn chosen(modes: &str) -> Option<String> {
    Some(modes.split_once('[')?.1.split_once(']')?.0.to_owned())
}

fn nodes() -> Option<usize> {
    let entries = fs::read_dir("/sys/devices/system/node").ok()?.flatten();
    let is_node = |name: &str| name.strip_prefix("node").is_some_and(|digits| digits.parse::<u32>().is_ok());
    Some(entries.filter(|entry| entry.file_name().to_str().is_some_and(is_node)).count())
}

/// The clock's smallest step, and what a reading takes, in nanoseconds.
fn clock() -> (u64, f64) {
    let begin = Instant::now();
    let (mut last, mut step) = (begin, u64::MAX);
    for _ in 0..READINGS {
        let now = Instant::now();
        let gap = (now - last).as_nanos() as u64;
        if gap != 0 {
            step = step.min(gap);
        }
        last = now;
    }
    let each = (last - begin).as_nanos() as f64 / f64::from(READINGS);
    (if step == u64::MAX { 0 } else { step }, (each * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_clock_and_limits() {
        let facts = Facts::look();
        assert!(facts.clock_step_ns > 0 && facts.clock_reading_ns > 0.0, "{facts:?}");
        assert!(facts.open_files_max.is_some_and(|files| files > 0), "{facts:?}");
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(chosen("never"), None);
    }
}
