//! The report as somebody else's programs see it: a browser opens the pages, another implementation of HdrHistogram reads the
//! log, a validator holds the JSON against its schema.
//!
//! `tests/setup.sh` gets what this needs. Where it cannot, the test says so and has shown nothing; with `CI` set, that is a
//! failure. Screenshots are left in `target/tmp/browser/screenshots`, to be looked at.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What `tests/setup.sh` ends with where something cannot be had.
const CANNOT: i32 = 77;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn loadgen(arguments: &str) -> Output {
    let arguments = arguments.split_whitespace();
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(arguments).current_dir(folder()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(0) || output.status.code() == Some(1), "{complaint}");
    output
}

#[test]
fn others_can_read_what_is_written() {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/setup.sh");
    let set_up = Command::new(setup).arg(folder()).output().unwrap();
    let complaint = String::from_utf8_lossy(&set_up.stderr);
    if set_up.status.code() == Some(CANNOT) {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing may be skipped: {complaint}");
        eprintln!("skipped, nothing was shown: {complaint}");
        return;
    }
    assert!(set_up.status.success(), "{complaint}");
    let found = String::from_utf8(set_up.stdout).unwrap();
    let [python, browser] = found.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {found}") };

    let small = "--users 400 --contacts 20 --skip-max 100%";
    loadgen(&format!(
        "run {small} --rate 1500 --duration 3s --html run.html --json run.json --hlog run.hlog --record run.trace"
    ));
    loadgen(&format!("run {small} --schedule trace:run.trace --speed 2 --html replay.html"));
    loadgen(&format!("run {small} --target double:stall=200ms/1s --rate 1000 --duration 2s --html double.html"));
    loadgen(&format!("capacity {small} --slo 200ms --duration 200ms --html capacity.html --json capacity.json"));
    loadgen("report run.json capacity.json --out overlay.html");
    std::fs::write(folder().join("schema.json"), loadgen("schema").stdout).unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser.py");
    let looked = Command::new(python).arg(script).arg(folder()).arg(browser).output().unwrap();
    let said = String::from_utf8_lossy(&looked.stdout) + String::from_utf8_lossy(&looked.stderr);
    assert!(looked.status.success(), "{said}");
}
