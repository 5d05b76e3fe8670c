//! The program as tests run it. Each test file uses a part of it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const PASS: Option<i32> = Some(0);
pub(crate) const FAIL: Option<i32> = Some(1);
pub(crate) const USAGE: Option<i32> = Some(2);

pub(crate) fn loadgen(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    // A search leaves its page where it runs.
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.args(arguments.split_whitespace());
    command
}

/// Exit code, what it says, and what it complains of.
pub(crate) fn output(arguments: &str) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = loadgen(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A path for this test alone.
pub(crate) fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// The report that a run has written, which is removed.
pub(crate) fn take_report(path: &Path) -> serde_json::Value {
    let report = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    report
}

/// Refused with exit code 2, and every one of these in what is said.
pub(crate) fn refused(arguments: &str, says: &[&str]) {
    let (code, _, complaint) = output(arguments);
    assert_eq!(code, USAGE, "{arguments}: {complaint}");
    for part in says {
        assert!(complaint.contains(part), "{arguments}: `{part}` is not in: {complaint}");
    }
}
