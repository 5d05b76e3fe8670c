//! Runs as children of this process: one at a time, bounded in time, ended when this process is to end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

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
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The end of what it wrote to its standard error stream.
    pub(super) complaint: String,
}

/// Runs a command to its end.
///
/// # Errors
/// It does not start, takes longer than `limit`, or the whole comparison was interrupted.
pub(super) fn run(
    command: &mut Command,
    log: &Path,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<Ended, CompareError> {
    let program = PathBuf::from(command.get_program());
    let start = |cause| CompareError::Start { program: program.clone(), cause };
    let errors = File::create(log).map_err(start)?;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().map_err(start)?;
    let begin = Instant::now();
    let mut ask = ASK_FIRST;
    loop {
        if let Some(status) = child.try_wait().map_err(start)? {
            if interrupted.load(Ordering::Relaxed) {
                return Err(CompareError::Interrupted);
            }
            return Ok(Ended { status, complaint: complaint(log).unwrap_or_default() });
        }
        let late = begin.elapsed() > limit;
        if late || interrupted.load(Ordering::Relaxed) {
            end(&mut child);
            return Err(if late { CompareError::Late { program, limit } } else { CompareError::Interrupted });
        }
        std::thread::sleep(ask);
        ask = (ask * 2).min(ASK_LAST);
    }
}

/// Tells a child to end, and ends it if it does not.
fn end(child: &mut Child) {
    let asked = kill_process(Pid::from_child(child), Signal::TERM).is_ok();
    let begin = Instant::now();
    while asked && begin.elapsed() < END_WITHIN {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(ASK_LAST);
    }
    // An error here is that of a child that is over already.
    let _ = child.kill();
    let _ = child.wait();
}

fn complaint(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(COMPLAINT_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
