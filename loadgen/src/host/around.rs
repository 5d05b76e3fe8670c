//! What happens on the machine while something is measured: who else has it, whether it sleeps, what a process uses.

use std::time::Duration;

use procfs::{CurrentSI, KernelStats};
use rustix::time::{ClockId, clock_gettime};

use super::ProcessUse;

/// The machine at one moment, to be compared with a later one.
#[derive(Clone, Copy, Debug)]
pub struct Around {
    pid: Option<i32>,
    process: Option<ProcessUse>,
    suspended: Duration,
    steal: Steal,
}

/// What happened on the machine between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// What the process in question used, and the memory that it has.
    pub process: Option<ProcessUse>,
    /// How long the machine was suspended. No timer of this process has seen that time, and every watcher outside has.
    pub suspended: Duration,
    /// The share of the machine that the hypervisor gave to others.
    pub steal_share: f64,
}

/// Time that the hypervisor gave to other machines, in ticks, and all time of all CPUs.
#[derive(Clone, Copy, Debug, Default)]
struct Steal {
    stolen: u64,
    all: u64,
}

impl Around {
    /// Looks at the machine, and at a process if there is one to look at.
    #[must_use]
    pub fn look(pid: Option<i32>) -> Self {
        Self { pid, process: pid.and_then(ProcessUse::of), suspended: suspended(), steal: steal() }
    }

    /// What has happened since. A process that has ended by now is not told of.
    #[must_use]
    pub fn until_now(&self) -> Surroundings {
        let now = Self::look(self.pid);
        let all = now.steal.all.saturating_sub(self.steal.all).max(1);
        Surroundings {
            process: now.process.map(|process| self.process.map_or(process, |before| process.since(&before))),
            suspended: now.suspended.saturating_sub(self.suspended),
            steal_share: now.steal.stolen.saturating_sub(self.steal.stolen) as f64 / all as f64,
        }
    }
}

/// How long the machine has been suspended since it started.
fn suspended() -> Duration {
    let [since_start, awake] = [ClockId::Boottime, ClockId::Monotonic].map(|clock| {
        let now = clock_gettime(clock);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
    });
    since_start.saturating_sub(awake)
}

fn steal() -> Steal {
    let Ok(stat) = KernelStats::current() else { return Steal::default() };
    let total = &stat.total;
    let stolen = total.steal.unwrap_or(0);
    let rest = total.user + total.nice + total.system + total.idle;
    let waiting = total.iowait.unwrap_or(0) + total.irq.unwrap_or(0) + total.softirq.unwrap_or(0);
    Steal { stolen, all: stolen + rest + waiting }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_awake_is_not_suspended_and_this_process_is_seen() {
        let around = Around::look(i32::try_from(std::process::id()).ok());
        std::thread::sleep(Duration::from_millis(20));
        let since = around.until_now();
        assert!(since.suspended < Duration::from_millis(10), "{since:?}");
        assert!(since.process.is_some_and(|process| process.resident_bytes > 0), "{since:?}");
        assert!((0.0..=1.0).contains(&since.steal_share), "{since:?}");
        assert_eq!(Around::look(None).until_now().process, None);
    }
}
