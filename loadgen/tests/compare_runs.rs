//! What `compare` does with runs that do not end, and with what they have started.

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use program::{FAIL, USAGE, loadgen, output, scratch};

/// Longer than this nobody waits for a process to begin or to be gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that starts a process of its own, writes its number down, and waits for it for as good as ever.
struct Hanging {
    script: PathBuf,
    /// The process that the last run started.
    pid: PathBuf,
}

impl Hanging {
    fn new(name: &str) -> Self {
        let (script, pid) = (scratch(name), scratch(&format!("{name}.pid")));
        let to = pid.display();
        let text = format!("#!/bin/sh\nsleep 300 &\necho $! > '{to}.part'; mv '{to}.part' '{to}'\nwait\n");
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { script, pid }
    }

    fn side(&self) -> String {
        format!("program:{}", self.script.display())
    }

    fn wait_until_it_runs(&self) {
        until("the run did not begin", || self.pid.exists());
    }

    /// What the run started has to end with it, or it is measured beside the next one.
    fn assert_gone(&self) {
        let pid = fs::read_to_string(&self.pid).unwrap();
        let process = Path::new("/proc").join(pid.trim()).join("stat");
        // Nobody may have asked yet how a process ended that lost its parent: a zombie runs no more.
        until("what the run started is still there", || {
            fs::read_to_string(&process).map_or(true, |stat| stat.contains(") Z "))
        });
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.script);
        let _ = fs::remove_file(&self.pid);
    }
}

fn until(or: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{or}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interruption_ends_the_run_under_way_and_what_it_started() {
    let slow = Hanging::new("interrupted");
    let line = format!("compare {0} {0}", slow.side());
    let child = loadgen(&line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    slow.wait_until_it_runs();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let complaint = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), FAIL, "{complaint}");
    assert!(complaint.contains("interrupted"), "{complaint}");
    slow.assert_gone();
}

#[test]
fn a_run_that_hangs_is_ended_and_counts_as_one_that_failed() {
    let hangs = Hanging::new("hangs");
    let (code, page, complaint) = output(&format!("compare {0} {0} --timeout 300ms", hangs.side()));
    assert_eq!(code, FAIL, "{page}{complaint}");
    for part in
        ["Failed       A, 1: ", "Failed       B, 1: ", "did not end within 0.3 s", "--timeout", "given up after 4"]
    {
        assert!(page.contains(part), "`{part}` is not in: {page}{complaint}");
    }
    hangs.assert_gone();
}

#[test]
fn an_answer_that_cannot_be_written_is_said_before_anything_is_run() {
    let hangs = Hanging::new("unwritten");
    let line = format!("compare {0} {0} --timeout 300ms --json /no/such/folder/answer.json", hangs.side());
    let (code, _, complaint) = output(&line);
    assert_eq!(code, USAGE, "{complaint}");
    assert!(complaint.contains("--json /no/such/folder/answer.json"), "{complaint}");
    assert!(!hangs.pid.exists(), "something was run");
}
