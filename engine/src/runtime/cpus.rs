//! Which CPUs the shards run on.
//!
//! Only CPUs of the affinity mask that the starting thread inherited are ever chosen: what sysfs calls online may
//! belong to others. The topology in sysfs is asked for one thing, which CPUs share a physical core, and where it
//! cannot be read every CPU counts as a core. Resolved once, when the engine starts.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use thiserror::Error;

/// A choice of CPUs, in the order in which shards are put on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(Choice);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    All,
    OnePerCore,
    Count(usize),
    List(Vec<usize>),
}

/// Why CPUs cannot be had as chosen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CpusError {
    /// The affinity mask cannot be read.
    #[error("the CPU affinity mask cannot be read: {0}")]
    Mask(#[source] io::Error),
    /// More CPUs than the mask has.
    #[error("{asked} CPUs were asked for, but the affinity mask has only {allowed}")]
    TooFew {
        /// CPUs asked for.
        asked: usize,
        /// CPUs in the mask.
        allowed: usize,
    },
    /// A CPU that is not in the mask.
    #[error("CPU {cpu} is not in the affinity mask, which has {allowed:?}")]
    NotAllowed {
        /// The CPU asked for.
        cpu: usize,
        /// The CPUs of the mask.
        allowed: Vec<usize>,
    },
    /// No CPU at all, or one of them twice.
    #[error("a list of CPUs must name at least one, and each only once: {0:?}")]
    List(Vec<usize>),
}

impl Cpus {
    /// Every CPU of the mask: first one of every physical core, then their siblings.
    #[must_use]
    pub fn all() -> Self {
        Self(Choice::All)
    }

    /// One CPU of every physical core that the mask touches.
    #[must_use]
    pub fn one_per_physical_core() -> Self {
        Self(Choice::OnePerCore)
    }

    /// So many CPUs, in the order of [`Cpus::all`].
    #[must_use]
    pub fn count(cpus: usize) -> Self {
        Self(Choice::Count(cpus))
    }

    /// Exactly these, in this order.
    #[must_use]
    pub fn list(cpus: impl IntoIterator<Item = usize>) -> Self {
        Self(Choice::List(cpus.into_iter().collect()))
    }

    /// The CPUs by number.
    ///
    /// # Errors
    /// When the mask cannot be read or does not have them.
    pub fn resolve(&self) -> Result<Vec<usize>, CpusError> {
        self.choose(&allowed().map_err(CpusError::Mask)?, first_sibling)
    }

    /// The choice itself, apart from where the facts come from. `core_of` names a CPU's physical core.
    fn choose(&self, allowed: &[usize], core_of: impl Fn(usize) -> usize) -> Result<Vec<usize>, CpusError> {
        let mut firsts = Vec::new();
        let mut siblings = Vec::new();
        let mut cores = std::collections::HashSet::new();
        for &cpu in allowed {
            if cores.insert(core_of(cpu)) { &mut firsts } else { &mut siblings }.push(cpu);
        }
        match &self.0 {
            Choice::OnePerCore => Ok(firsts),
            Choice::All => Ok([firsts, siblings].concat()),
            &Choice::Count(0) => Err(CpusError::List(Vec::new())),
            &Choice::Count(asked) if asked > allowed.len() => Err(CpusError::TooFew { asked, allowed: allowed.len() }),
            &Choice::Count(asked) => Ok(firsts.into_iter().chain(siblings).take(asked).collect()),
            Choice::List(list) => {
                let mut seen = std::collections::HashSet::new();
                if list.is_empty() || !list.iter().all(|cpu| seen.insert(cpu)) {
                    return Err(CpusError::List(list.clone()));
                }
                match list.iter().find(|cpu| !allowed.contains(cpu)) {
                    Some(&cpu) => Err(CpusError::NotAllowed { cpu, allowed: allowed.to_vec() }),
                    None => Ok(list.clone()),
                }
            }
        }
    }
}

/// The CPUs that the calling thread may run on.
fn allowed() -> io::Result<Vec<usize>> {
    let mask = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| mask.is_set(cpu)).collect())
}

/// Binds the calling thread to one CPU, as the engine does with its own threads: for a host that wants its shard to
/// stay where its memory is.
///
/// # Errors
/// What the system says, when the CPU is not in the mask.
pub fn bind_this_thread(cpu: usize) -> io::Result<()> {
    let mut mask = CpuSet::new();
    mask.set(cpu);
    Ok(sched_setaffinity(None, &mask)?)
}

/// The lowest CPU of the physical core, which names the core.
fn first_sibling(cpu: usize) -> usize {
    std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))
        .ok()
        .and_then(|list| lowest(&list))
        .unwrap_or(cpu)
}

/// The first number of a list such as `0,32` or `0-1`: the kernel writes them in rising order.
fn lowest(list: &str) -> Option<usize> {
    let digits = list.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four cores of two threads: 0 and 4, 1 and 5, and so on.
    fn core_of(cpu: usize) -> usize {
        cpu % 4
    }

    #[test]
    fn physical_cores_come_before_their_siblings() {
        let allowed = [1, 2, 4, 5, 6];
        assert_eq!(Cpus::all().choose(&allowed, core_of).unwrap(), [1, 2, 4, 5, 6]);
        assert_eq!(Cpus::one_per_physical_core().choose(&allowed, core_of).unwrap(), [1, 2, 4]);
        assert_eq!(Cpus::count(4).choose(&[0, 4, 1, 5], core_of).unwrap(), [0, 1, 4, 5]);
    }

    #[test]
    fn only_cpus_of_the_mask_are_had() {
        let error = Cpus::count(3).choose(&[0, 1], core_of).unwrap_err();
        assert_eq!(error.to_string(), "3 CPUs were asked for, but the affinity mask has only 2");
        let error = Cpus::list([0, 7]).choose(&[0, 1], core_of).unwrap_err();
        assert_eq!(error.to_string(), "CPU 7 is not in the affinity mask, which has [0, 1]");
        assert!(Cpus::list([1, 1]).choose(&[0, 1], core_of).is_err());
        assert!(Cpus::list([]).choose(&[0, 1], core_of).is_err());
        assert!(Cpus::count(0).choose(&[0, 1], core_of).is_err());
        assert_eq!(Cpus::list([1, 0]).choose(&[0, 1], core_of).unwrap(), [1, 0]);
    }

    #[test]
    fn sibling_lists_are_read_in_both_forms() {
        assert_eq!(lowest("0,32\n"), Some(0));
        assert_eq!(lowest("12-13\n"), Some(12));
        assert_eq!(lowest(""), None);
    }

    #[test]
    fn this_machine_has_a_cpu() {
        let cpus = Cpus::one_per_physical_core().resolve().expect("the mask can be read");
        assert!(!cpus.is_empty());
        assert!(cpus.len() <= Cpus::all().resolve().expect("the mask can be read").len());
    }
}
