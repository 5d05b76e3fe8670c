//! What the machine, and the rules that the process runs under, allow: read once, when an engine starts.
//!
//! Owns [`Host`], the whole of it, and the line that tells a person. It only reports; whoever asked decides.
//!
//! | Module | What it reads |
//! |---|---|
//! | `topology` | physical cores and NUMA nodes, from sysfs |
//! | `quota` | the CPU quota, from the control groups |
//! | `uring` | whether io_uring may be used, by trying, and if not why |
//!
//! Invariant: [`Host::probe`] never fails and leaves nothing behind; what cannot be read is said to be unknown. All of
//! it is seen from the calling thread, as affinity, control group and seccomp filter may differ from thread to thread
//! and are inherited by threads that are started later. Cost: about ten small files of procfs and sysfs, two more for
//! every CPU, and a ring that is set up and dropped: a quarter of a millisecond with two CPUs, never in a turn.

use std::fmt;
use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};
use rustix::system::uname;

use super::Cpus;

mod quota;
pub(crate) mod topology;
mod uring;

pub use uring::UringRefused;

/// What the machine, and the rules that this process runs under, allow. Read once, when an engine starts.
#[derive(Clone, Debug)]
pub struct Host {
    /// The kernel's release, such as `6.18.0`.
    pub kernel: String,
    /// The CPUs of the affinity mask, rising. Empty when the mask cannot be read.
    pub cpus: Vec<usize>,
    /// Physical cores that the mask touches. A CPU whose core is not known counts as one.
    pub physical_cores: usize,
    /// Whether two CPUs of the mask share a physical core.
    pub smt: bool,
    /// NUMA nodes that the mask's CPUs lie on, rising. Empty when the kernel names none.
    pub numa_nodes: Vec<usize>,
    /// CPUs that the control groups grant, the tightest quota on the way up. `None`: no quota.
    pub quota_cpus: Option<f64>,
    /// The soft limit on locked memory, in bytes. `None`: unlimited.
    pub memlock_bytes: Option<u64>,
    /// Whether system calls are filtered.
    pub seccomp: Seccomp,
    /// The sysctl `kernel.io_uring_disabled`. `None`: the kernel has none, or it cannot be read.
    pub io_uring_disabled: Option<u8>,
    /// Whether a ring could be set up, knows every operation that glommio submits, and glommio would take the limits.
    pub io_uring: Result<(), UringRefused>,
}

/// What seccomp does to the system calls of this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// Nothing.
    None,
    /// Allows only reading, writing and leaving.
    Strict,
    /// Puts each through a filter, as container runtimes and systemd set up.
    Filter,
    /// It cannot be read.
    Unknown,
}

impl Host {
    /// Asks the system. It never fails: what cannot be read is `None`, empty or unknown.
    ///
    /// With the feature `glommio` it sets up a ring. A seccomp filter that kills, rather than answers with an error,
    /// kills the process here, as it would when the first executor is built; whoever has chosen another reactor
    /// anyway need not probe.
    #[must_use]
    pub fn probe() -> Self {
        Self::ask(uring::attempt)
    }

    /// As [`Host::probe`], but leaves io_uring alone and says so.
    #[must_use]
    pub fn probe_without_ring() -> Self {
        Self::ask(|_| Err(UringRefused::NotTried))
    }

    fn ask(attempt: impl FnOnce(&uring::Rules<'_>) -> Result<(), UringRefused>) -> Self {
        let root = Path::new("/");
        let sysctl = |name| read(&root.join("proc/sys/kernel").join(name));
        // Of the thread, not the process: filters are installed for a thread, and `self` would show the first one's.
        let status = read(&root.join("proc/thread-self/status"));
        let kernel = uname().release().to_string_lossy().into_owned();
        let mut cpus = Cpus::all().resolve().unwrap_or_default();
        cpus.sort_unstable();
        let memlock_bytes = getrlimit(Resource::Memlock).current;
        let seccomp = Seccomp::of(&status);
        let io_uring_disabled = sysctl("io_uring_disabled").trim().parse().ok();
        let rules = uring::Rules {
            release: &kernel,
            memlock_bytes,
            seccomp,
            disabled: io_uring_disabled,
            exempt: uring::is_exempt(&status, &sysctl("io_uring_group")),
        };
        let io_uring = attempt(&rules);
        let physical_cores = topology::physical_cores(root, &cpus);
        Self {
            physical_cores,
            smt: physical_cores < cpus.len(),
            numa_nodes: topology::nodes(root, &cpus),
            quota_cpus: quota::quota_under(root),
            memlock_bytes,
            seccomp,
            io_uring_disabled,
            io_uring,
            kernel,
            cpus,
        }
    }
}

/// One line for a person.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linux {}, ", self.kernel)?;
        match self.cpus.as_slice() {
            [] => f.write_str("CPUs unknown")?,
            cpus => {
                let smt = if self.smt { " (SMT)" } else { "" };
                let (cpus, cores) = (Count(cpus.len(), "CPU"), Count(self.physical_cores, "core"));
                write!(f, "{cpus} [{}] on {cores}{smt}", Runs(&self.cpus))?;
            }
        }
        match self.numa_nodes.len() {
            0 => f.write_str(", NUMA nodes unknown")?,
            nodes => write!(f, ", {}", Count(nodes, "NUMA node"))?,
        }
        match self.quota_cpus {
            None => f.write_str(", no CPU quota")?,
            // The kernel's finest quota is a thousandth of a CPU.
            Some(cpus) => write!(f, ", quota of {} CPUs", (cpus * 1000.0).round() / 1000.0)?,
        }
        match self.memlock_bytes {
            None => f.write_str(", memlock unlimited")?,
            Some(bytes) => write!(f, ", memlock {}", Bytes(bytes))?,
        }
        f.write_str(match self.seccomp {
            Seccomp::None => ", no seccomp filter",
            Seccomp::Strict => ", strict seccomp",
            Seccomp::Filter => ", a seccomp filter",
            Seccomp::Unknown => ", seccomp unknown",
        })?;
        match &self.io_uring {
            Ok(()) => f.write_str(", io_uring usable"),
            Err(UringRefused::NotBuilt) => f.write_str(", io_uring not built in"),
            Err(UringRefused::NotTried) => f.write_str(", io_uring not tried"),
            Err(refused) => write!(f, ", io_uring not usable: {refused}"),
        }
    }
}

impl Seccomp {
    /// From the text of procfs's `status`.
    fn of(status: &str) -> Self {
        match field(status, "Seccomp").map(str::trim) {
            Some("0") => Self::None,
            Some("1") => Self::Strict,
            Some("2") => Self::Filter,
            _ => Self::Unknown,
        }
    }
}

/// What stands after `name:` in the text of procfs's `status`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// A file as text, empty when it cannot be read. Paths in it need not be UTF-8, and those that are not are of no use.
fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// So many of them, in the right number.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// Rising numbers, runs of three and more shortened: a machine of 128 CPUs must fit in a line.
struct Runs<'a>(&'a [usize]);

impl fmt::Display for Runs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for run in self.0.chunk_by(|a, b| a + 1 == *b) {
            match run {
                [first, _, .., last] => write!(f, "{comma}{first}-{last}")?,
                _ => {
                    for cpu in run {
                        write!(f, "{comma}{cpu}")?;
                        comma = ", ";
                    }
                }
            }
            comma = ", ";
        }
        Ok(())
    }
}

/// Bytes in the largest unit that leaves no fraction: limits are round numbers.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 30) == 0 => write!(f, "{} GiB", bytes >> 30),
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// A file tree of a test's own, in place of the system's root.
#[cfg(test)]
struct Tree(std::path::PathBuf);

#[cfg(test)]
impl Tree {
    /// A new folder with these files, each with its text.
    fn new(files: &[(&str, &str)]) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static TREES: AtomicUsize = AtomicUsize::new(0);
        let number = TREES.fetch_add(1, Ordering::Relaxed);
        let tree = Self(std::env::temp_dir().join(format!("fanfare-probe-{}-{number}", std::process::id())));
        fs::create_dir_all(&tree.0).unwrap();
        for (path, text) in files {
            let path = tree.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }
}

#[cfg(test)]
impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            kernel: "6.18.0".into(),
            cpus: vec![0, 1],
            physical_cores: 1,
            smt: true,
            numa_nodes: vec![0],
            quota_cpus: Some(0.5),
            memlock_bytes: Some(8 << 20),
            seccomp: Seccomp::None,
            io_uring_disabled: Some(0),
            io_uring: Ok(()),
        }
    }

    #[test]
    fn a_host_is_told_in_one_line() {
        assert_eq!(
            host().to_string(),
            "Linux 6.18.0, 2 CPUs [0, 1] on 1 core (SMT), 1 NUMA node, quota of 0.5 CPUs, memlock 8 MiB, \
             no seccomp filter, io_uring usable"
        );
        let large = Host {
            cpus: (0..64).chain([70, 71]).collect(),
            physical_cores: 66,
            smt: false,
            numa_nodes: vec![0, 1],
            quota_cpus: Some(1.0 / 3.0),
            memlock_bytes: None,
            seccomp: Seccomp::Filter,
            io_uring: Err(UringRefused::NotBuilt),
            ..host()
        };
        assert_eq!(
            large.to_string(),
            "Linux 6.18.0, 66 CPUs [0-63, 70, 71] on 66 cores, 2 NUMA nodes, quota of 0.333 CPUs, memlock unlimited, \
             a seccomp filter, io_uring not built in"
        );
        let dark = Host {
            cpus: Vec::new(),
            physical_cores: 0,
            smt: false,
            numa_nodes: Vec::new(),
            quota_cpus: None,
            memlock_bytes: Some(0),
            seccomp: Seccomp::Unknown,
            io_uring: Err(UringRefused::Kernel),
            ..host()
        };
        let start = "Linux 6.18.0, CPUs unknown, NUMA nodes unknown, no CPU quota, memlock 0 bytes, seccomp unknown, \
                     io_uring not usable: ";
        assert!(dark.to_string().starts_with(start), "{dark}");
    }

    #[test]
    fn seccomp_is_read_from_the_status() {
        assert_eq!(Seccomp::of("Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t2\n"), Seccomp::None);
        assert_eq!(Seccomp::of("Seccomp:\t1\n"), Seccomp::Strict);
        assert_eq!(Seccomp::of("Seccomp_filters:\t1\nSeccomp:\t2\n"), Seccomp::Filter);
        assert_eq!(Seccomp::of("Seccomp_filters:\t1\n"), Seccomp::Unknown);
        assert_eq!(Seccomp::of(""), Seccomp::Unknown);
    }

    #[test]
    fn this_machine_is_probed() {
        let host = Host::probe();
        println!("{host}");
        assert!(!host.kernel.is_empty());
        assert!(!host.cpus.is_empty() && host.cpus.is_sorted());
        assert!((1..=host.cpus.len()).contains(&host.physical_cores));
        assert!(!host.to_string().contains('\n'));
        assert_eq!(host.io_uring == Err(UringRefused::NotBuilt), cfg!(not(feature = "glommio")));
    }
}
