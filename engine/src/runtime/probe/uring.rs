//! Whether io_uring may be used, found out by trying, and if not what stands in the way.
//!
//! Owns the attempt, the list of operations that glommio submits, and the reading of a refusal: the kernel answers with
//! a bare number, of which several rules may be the cause. Invariant: the attempt decides and the rules only explain
//! it, since a sysctl may bind others than this process and a seccomp filter may let io_uring pass; the limit on locked
//! memory is the one rule that refuses by itself, because glommio checks the number and not the outcome. Cost: a ring
//! of two entries, three system calls and two or three maps; nothing without the feature `glommio`.

use std::io;

use rustix::io::Errno;
use thiserror::Error;

use super::{Seccomp, field};

/// What an executor of glommio checks the soft limit on locked memory against.
const MEMLOCK_BYTES_MIN: u64 = 512 << 10;

/// The first kernel with all the operations, and with a way to ask for them.
const KERNEL_MIN: (u32, u32) = (5, 6);

/// The bit of the capability that `kernel.io_uring_disabled` at 1 makes an exception for.
const CAP_SYS_ADMIN: u32 = 21;

/// Why io_uring cannot be used, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UringRefused {
    /// The sysctl `kernel.io_uring_disabled` has this value and binds the process.
    #[error("the sysctl kernel.io_uring_disabled is {}, {}", .0, bound_by(*.0))]
    Sysctl(u8),
    /// A seccomp filter is in force and the system calls were refused.
    #[error(
        "refused under a seccomp filter, as container runtimes install by default: allow io_uring_setup, \
         io_uring_enter and io_uring_register in its profile"
    )]
    Seccomp,
    /// The soft limit on locked memory is less than an executor asks for.
    #[error(
        "the soft limit on locked memory is {bytes} bytes where each executor wants {needed}: raise it with \
         `ulimit -l`, LimitMEMLOCK= or the container's ulimits"
    )]
    Memlock {
        /// The soft limit.
        bytes: u64,
        /// What it has to be at least.
        needed: u64,
    },
    /// The kernel does not have io_uring, or not enough of it to be asked what it has.
    #[error("the kernel has no io_uring that can be asked: run Linux 5.6 or newer, built with CONFIG_IO_URING")]
    Kernel,
    /// A ring cannot be set up for another reason.
    #[error("a ring cannot be set up, {text}: {way_out}")]
    Setup {
        /// What the system says.
        text: String,
        /// What to do.
        way_out: &'static str,
    },
    /// The kernel's io_uring lacks these operations.
    #[error("the kernel's io_uring lacks {}: run Linux 5.6 or newer", .0.join(", "))]
    MissingOpcodes(Vec<&'static str>),
    /// The crate was built without the feature `glommio`.
    #[error("built without io_uring: build with the feature `glommio`")]
    NotBuilt,
    /// Plain threads were asked for, so nothing was tried: some filters kill who tries.
    #[error("not tried: plain threads were asked for")]
    NotTried,
}

/// Whom a value of `kernel.io_uring_disabled` refuses io_uring, and the way out.
fn bound_by(disabled: u8) -> &'static str {
    match disabled {
        1 => {
            "which refuses it to processes outside the group of kernel.io_uring_group: join that group or set the \
             sysctl to 0"
        }
        _ => "which refuses it to every process: set the sysctl to 0",
    }
}

/// The rules that can explain a refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// The kernel's release.
    pub(super) release: &'a str,
    /// The soft limit on locked memory; `None` for unlimited.
    pub(super) memlock_bytes: Option<u64>,
    /// Whether system calls are filtered.
    pub(super) seccomp: Seccomp,
    /// `kernel.io_uring_disabled`, where there is one.
    pub(super) disabled: Option<u8>,
    /// See [`is_exempt`].
    pub(super) exempt: bool,
}

/// Sets up a ring and asks for the operations, then compares the limits.
pub(super) fn attempt(rules: &Rules<'_>) -> Result<(), UringRefused> {
    rules.judge(missing_opcodes())
}

/// Whether `kernel.io_uring_disabled` at 1 lets the process through: it may administer the system, or is in the group.
/// Both may be told wrongly inside a user namespace, which has ids and capabilities of its own.
pub(super) fn is_exempt(status: &str, io_uring_group: &str) -> bool {
    let capabilities = field(status, "CapEff").and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    if capabilities.is_some_and(|bits| bits >> CAP_SYS_ADMIN & 1 == 1) {
        return true;
    }
    // No group is written as -1.
    let Ok(group) = io_uring_group.trim().parse::<u32>() else { return false };
    // Of the four ids in `Gid`, the last is the one that the kernel compares.
    let own = field(status, "Gid").and_then(|ids| ids.split_whitespace().nth(3));
    let further = field(status, "Groups").unwrap_or_default().split_whitespace();
    own.into_iter().chain(further).any(|id| id.parse() == Ok(group))
}

/// The operations that this kernel lacks, or why there is no ring; `None` when the crate cannot even try.
#[cfg(not(feature = "glommio"))]
fn missing_opcodes() -> Option<io::Result<Vec<&'static str>>> {
    None
}

/// The operations that this kernel lacks, or why there is no ring; `None` when the crate cannot even try.
#[cfg(feature = "glommio")]
fn missing_opcodes() -> Option<io::Result<Vec<&'static str>>> {
    Some(ring_lacks())
}

#[cfg(feature = "glommio")]
fn ring_lacks() -> io::Result<Vec<&'static str>> {
    let ring = io_uring::IoUring::new(2)?;
    let mut known = io_uring::Probe::new();
    ring.submitter().register_probe(&mut known)?;
    // Nothing is submitted. This is for the third system call, which a filter may refuse though it grants the others.
    ring.submit()?;
    Ok(OPCODES.iter().filter(|&&(_, code)| !known.is_supported(code)).map(|&(name, _)| name).collect())
}

/// What glommio submits, or refuses to start without: its own list, which it keeps to itself.
#[cfg(feature = "glommio")]
const OPCODES: [(&str, u8); 24] = {
    use io_uring::opcode::*;
    [
        ("NOP", Nop::CODE),
        ("READV", Readv::CODE),
        ("WRITEV", Writev::CODE),
        ("FSYNC", Fsync::CODE),
        ("READ_FIXED", ReadFixed::CODE),
        ("WRITE_FIXED", WriteFixed::CODE),
        ("POLL_ADD", PollAdd::CODE),
        ("POLL_REMOVE", PollRemove::CODE),
        ("SENDMSG", SendMsg::CODE),
        ("RECVMSG", RecvMsg::CODE),
        ("TIMEOUT", Timeout::CODE),
        ("TIMEOUT_REMOVE", TimeoutRemove::CODE),
        ("ACCEPT", Accept::CODE),
        ("LINK_TIMEOUT", LinkTimeout::CODE),
        ("CONNECT", Connect::CODE),
        ("FALLOCATE", Fallocate::CODE),
        ("OPENAT", OpenAt::CODE),
        ("CLOSE", Close::CODE),
        ("STATX", Statx::CODE),
        ("READ", Read::CODE),
        ("WRITE", Write::CODE),
        ("SEND", Send::CODE),
        ("RECV", Recv::CODE),
        ("ASYNC_CANCEL", AsyncCancel::CODE),
    ]
};

impl Rules<'_> {
    /// The verdict on an attempt.
    fn judge(&self, outcome: Option<io::Result<Vec<&'static str>>>) -> Result<(), UringRefused> {
        let missing = outcome.ok_or(UringRefused::NotBuilt)?.map_err(|error| self.explain(&error))?;
        if !missing.is_empty() {
            return Err(UringRefused::MissingOpcodes(missing));
        }
        self.memlock_too_low().map_or(Ok(()), Err)
    }

    /// What most likely stands behind an error.
    fn explain(&self, error: &io::Error) -> UringRefused {
        let filtered = self.seccomp == Seccomp::Filter;
        let way_out = match Errno::from_io_error(error) {
            Some(Errno::PERM) if self.disabled >= Some(2) => return UringRefused::Sysctl(self.disabled.unwrap_or(2)),
            // One who seems exempt may be deceived by a user namespace, but a filter is then the likelier cause.
            Some(Errno::PERM) if self.disabled == Some(1) && !(self.exempt && filtered) => {
                return UringRefused::Sysctl(1);
            }
            Some(Errno::PERM | Errno::ACCESS) if filtered => return UringRefused::Seccomp,
            // A filter may also say that there is no such call, so that programs fall back as on an old kernel.
            Some(Errno::NOSYS) if filtered && version(self.release) >= Some(KERNEL_MIN) => {
                return UringRefused::Seccomp;
            }
            // Kernels before 5.6 have rings but no question for operations, and call it an invalid argument.
            Some(Errno::NOSYS | Errno::INVAL) => return UringRefused::Kernel,
            // Kernels before 5.12 count rings as locked memory.
            Some(Errno::NOMEM) => match self.memlock_too_low() {
                Some(refused) => return refused,
                None => "grant the process more memory, or more locked memory",
            },
            Some(Errno::MFILE) => "raise the limit on open files with `ulimit -n` or LimitNOFILE=",
            Some(Errno::NFILE) => "raise the sysctl fs.file-max",
            Some(Errno::PERM | Errno::ACCESS) => "let the sandbox or security module (SELinux, AppArmor) grant it",
            _ => "see io_uring_setup(2), or use epoll",
        };
        UringRefused::Setup { text: error.to_string(), way_out }
    }

    fn memlock_too_low(&self) -> Option<UringRefused> {
        let bytes = self.memlock_bytes.filter(|&bytes| bytes < MEMLOCK_BYTES_MIN)?;
        Some(UringRefused::Memlock { bytes, needed: MEMLOCK_BYTES_MIN })
    }
}

/// The first two numbers of a release such as `6.18.0-rc1`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Rules<'static> = Rules {
        release: "6.18.0",
        memlock_bytes: Some(8 << 20),
        seccomp: Seccomp::None,
        disabled: Some(0),
        exempt: false,
    };
    const FILTERED: Rules<'static> = Rules { seccomp: Seccomp::Filter, ..FREE };

    fn refusal(rules: Rules<'_>, errno: Errno) -> UringRefused {
        rules.judge(Some(Err(errno.into()))).unwrap_err()
    }

    #[test]
    fn the_attempt_decides_and_not_the_rules() {
        assert_eq!(FREE.judge(Some(Ok(Vec::new()))), Ok(()));
        let rules = Rules { disabled: Some(1), ..FILTERED };
        assert_eq!(rules.judge(Some(Ok(Vec::new()))), Ok(()), "neither bound it");
        assert_eq!(FREE.judge(None), Err(UringRefused::NotBuilt));
    }

    #[test]
    fn refused_permission_is_put_down_to_the_rule_that_binds() {
        for disabled in [1, 2] {
            let sysctl = UringRefused::Sysctl(disabled);
            assert_eq!(refusal(Rules { disabled: Some(disabled), ..FREE }, Errno::PERM), sysctl);
            assert_eq!(refusal(Rules { disabled: Some(disabled), ..FILTERED }, Errno::PERM), sysctl);
        }
        let exempt = Rules { disabled: Some(1), exempt: true, ..FILTERED };
        assert_eq!(refusal(exempt, Errno::PERM), UringRefused::Seccomp);
        assert_eq!(refusal(FILTERED, Errno::PERM), UringRefused::Seccomp);
        assert_eq!(refusal(Rules { disabled: None, ..FILTERED }, Errno::ACCESS), UringRefused::Seccomp);
        assert!(matches!(refusal(FREE, Errno::PERM), UringRefused::Setup { .. }));
    }

    #[test]
    fn a_call_that_is_not_there_is_the_filters_doing_or_an_old_kernel() {
        assert_eq!(refusal(FREE, Errno::NOSYS), UringRefused::Kernel);
        assert_eq!(refusal(FILTERED, Errno::NOSYS), UringRefused::Seccomp);
        assert_eq!(refusal(Rules { release: "5.6.0", ..FILTERED }, Errno::NOSYS), UringRefused::Seccomp);
        assert_eq!(refusal(Rules { release: "5.5.19", ..FILTERED }, Errno::NOSYS), UringRefused::Kernel);
        assert_eq!(refusal(Rules { release: "4.4.0", ..FILTERED }, Errno::NOSYS), UringRefused::Kernel);
        assert_eq!(refusal(Rules { release: "5.4.0", ..FREE }, Errno::INVAL), UringRefused::Kernel);
        assert_eq!(version("6.18.0-rc1"), Some((6, 18)));
        assert_eq!(version("6.6-custom"), Some((6, 6)));
        assert_eq!(version("later"), None);
    }

    #[test]
    fn too_little_locked_memory_refuses_a_ring_that_works() {
        let limit = |bytes| Rules { memlock_bytes: bytes, ..FREE };
        let refused = UringRefused::Memlock { bytes: 65536, needed: 524_288 };
        assert_eq!(limit(Some(65536)).judge(Some(Ok(Vec::new()))), Err(refused.clone()));
        assert_eq!(refusal(limit(Some(65536)), Errno::NOMEM), refused);
        for enough in [Some(524_288), None] {
            assert_eq!(limit(enough).judge(Some(Ok(Vec::new()))), Ok(()));
            assert!(matches!(refusal(limit(enough), Errno::NOMEM), UringRefused::Setup { .. }));
        }
        let missing = limit(Some(0)).judge(Some(Ok(vec!["STATX"])));
        assert_eq!(missing, Err(UringRefused::MissingOpcodes(vec!["STATX"])), "operations come before limits");
    }

    #[test]
    fn exempt_are_administrators_and_the_group() {
        let status = "Gid:\t5\t6\t7\t8\nGroups:\t20 21 \nCapEff:\t0000000000000000\n";
        assert!(is_exempt(status, "8\n") && is_exempt(status, "21\n"));
        assert!(!is_exempt(status, "5\n") && !is_exempt(status, "2\n"));
        assert!(!is_exempt(status, "-1\n") && !is_exempt(status, ""));
        assert!(is_exempt("CapEff:\t0000000000200000\n", "-1"));
        assert!(!is_exempt("CapEff:\t00000000001fffff\n", "-1") && !is_exempt("", "0"));
    }

    #[test]
    fn a_refusal_tells_cause_and_way_out_in_one_line() {
        let memlock = UringRefused::Memlock { bytes: 65536, needed: 524_288 };
        let missing = UringRefused::MissingOpcodes(vec!["STATX", "CLOSE"]);
        let (open, other) = (refusal(FREE, Errno::MFILE), refusal(FREE, Errno::BUSY));
        let texts = [
            (UringRefused::Sysctl(1), "kernel.io_uring_group"),
            (UringRefused::Sysctl(2), "kernel.io_uring_disabled is 2, which refuses it to every process: set"),
            (UringRefused::Seccomp, "io_uring_setup, io_uring_enter and io_uring_register"),
            (memlock, "65536 bytes where each executor wants 524288"),
            (UringRefused::Kernel, "CONFIG_IO_URING"),
            (open, "(os error 24): raise the limit on open files"),
            (other, "epoll"),
            (missing, "lacks STATX, CLOSE:"),
            (UringRefused::NotBuilt, "feature `glommio`"),
        ];
        for (refused, part) in texts {
            let text = refused.to_string();
            assert!(text.contains(part) && text.contains(": ") && !text.contains('\n'), "{text}");
        }
    }
}
