//! What a process uses: of the CPUs, and of the memory.

use procfs::process::Process;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A process, at one moment or between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the fields are the documented JSON schema, word for word")]
pub struct ProcessUse {
    pub pid: i32,
    /// Seconds of CPU, since its start or since an earlier reading.
    pub cpu_s: f64,
    pub resident_bytes: u64,
}

impl ProcessUse {
    /// What a process uses now; nothing if there is no such process, or nobody may look.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Process::new(pid).ok()?.stat().ok()?;
        let ticks = (stat.utime + stat.stime) as f64;
        Some(Self {
            pid,
            cpu_s: ticks / procfs::ticks_per_second() as f64,
            resident_bytes: stat.rss * procfs::page_size(),
        })
    }

    /// This process.
    #[must_use]
    pub fn of_this() -> Option<Self> {
        Self::of(i32::try_from(std::process::id()).ok()?)
    }

    /// What it has used since an earlier reading, and what memory it has now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self { cpu_s: (self.cpu_s - earlier.cpu_s).max(0.0), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_one_that_is_not_there_has_none() {
        let now = ProcessUse::of_this().unwrap();
        assert!(now.resident_bytes > 100_000 && now.cpu_s >= 0.0, "{now:?}");
        assert_eq!(ProcessUse::of(i32::MAX), None);
        let later = ProcessUse { cpu_s: now.cpu_s + 1.5, ..now };
        assert!((later.since(&now).cpu_s - 1.5).abs() < 1e-9);
    }
}
