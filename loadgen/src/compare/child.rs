//! Runs as children of this process: one at a time, bounded in time, ended when this process is to end.
//!
//! Each leads a process group of its own, which ends with it: a script's `loadgen`, or cargo's compilers, would otherwise go
//! on beside the next run. A Ctrl-C of the terminal so reaches this process alone, which passes it on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::CompareError;

/// A child is asked soon whether it is over, and then less and less often: to be woken disturbs what is measured.
const ASK_FIRST: Duration = Duration::from_millis(1);
const ASK_LAST: Duration = Duration::from_millis(50);
/// How long a child may take to end after it was told to.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How much of what a child complained about is shown.
const COMPLAINT_MAX: u64 = 2_000;

/// What became of a child.
#[derive(Debug)]
pub(super) enum Ended {
    /// It has ended by itself.
    Itself {
        status: ExitStatus,
        /// The end of what it wrote to its standard error stream.
        complaint: String,
    },
    /// It took longer than it may, and was ended.
    Late,
}

/// Runs a command to its end, or for as long as `limit` says.
///
/// # Errors
/// It does not start, or the whole comparison was interrupted.
pub(super) fn run(
    command: &mut Command,
    log: &Path,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<Ended, CompareError> {
    let program = PathBuf::from(command.get_program());
    let start = |cause| CompareError::Start { program: program.clone(), cause };
    let errors = File::create(log).map_err(start)?;
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).process_group(0).spawn().map_err(start)?;
    let begin = Instant::now();
    let mut ask = ASK_FIRST;
    loop {
        if interrupted.load(Ordering::Relaxed) {
            end(&mut child);
            return Err(CompareError::Interrupted);
        }
        if let Some(status) = child.try_wait().map_err(start)? {
            return Ok(Ended::Itself { status, complaint: complaint(log).unwrap_or_default() });
        }
        if begin.elapsed() > limit {
            end(&mut child);
            return Ok(Ended::Late);
        }
        std::thread::sleep(ask);
        ask = (ask * 2).min(ASK_LAST);
    }
}

/// Tells a child and all of its group to end, and ends those who do not.
fn end(child: &mut Child) {
    let group = Pid::from_child(child);
    let asked = kill_process_group(group, Signal::TERM).is_ok();
    let begin = Instant::now();
    while asked && begin.elapsed() < END_WITHIN && !is_over(group) {
        std::thread::sleep(ASK_LAST);
    }
    // Nobody has taken note of the child's end yet, so its number is still that of its group and of no other. An error
    // is that of a group whose members are all over.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// Whether a child has ended; it stays to be waited for.
fn is_over(child: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(child), look), Ok(None))
}

fn complaint(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(COMPLAINT_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
