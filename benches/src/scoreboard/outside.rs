//! What other programs measure for the scoreboard: the load generator, and valgrind, which counts instructions.
//!
//! Each runs as a process of its own, so that its memory is gone when the next figure is measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::Figures;

/// Why a figure from another program is missing.
#[derive(Debug, Error)]
pub enum OutsideError {
    /// The program did not start.
    #[error("{program} does not start: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The program ended badly.
    #[error("{program} ended with {status}: {why}")]
    Ended {
        /// The program and its arguments.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its last words.
        why: String,
    },
    /// What it wrote lacks a figure.
    #[error("{program} tells no {what}")]
    Lacks {
        /// The program.
        program: String,
        /// What is missing.
        what: &'static str,
    },
}

/// What the instructions are compared with: the figure before the change under way, kept in the record.
#[derive(Debug, Deserialize)]
pub struct Baseline {
    /// Instructions a notification.
    pub instructions: f64,
    /// The commit that it was counted at.
    pub commit: String,
}

impl Baseline {
    /// The one on record.
    ///
    /// # Panics
    /// If the record is damaged, which a test would show.
    #[must_use]
    pub fn kept() -> Self {
        serde_json::from_str(include_str!("../../record/baseline.json")).expect("the record can be read")
    }
}

/// Runs cargo, which is there because it started this program or because the project was built with it.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn finish(mut command: Command) -> Result<String, OutsideError> {
    let program = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| OutsideError::Start { program: program.clone(), source })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(said);
    }
    let lines: Vec<&str> = said.lines().rev().take(6).collect();
    let why = lines.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(OutsideError::Ended { program, status: output.status, why })
}

/// A report of the load generator's.
fn report(arguments: &[&str]) -> Result<Value, OutsideError> {
    let json = std::env::temp_dir().join(format!("fanfare-scoreboard-{}.json", std::process::id()));
    let mut command = cargo();
    command
        .args(["run", "--release", "--quiet", "-p", "fanfare-loadgen", "--"])
        .args(arguments)
        .arg("--json")
        .arg(&json);
    let ended = finish(command);
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    let _ = std::fs::remove_file(&json);
    ended?;
    serde_json::from_str(&text).map_err(|_| lacks("a report"))
}

fn lacks(what: &'static str) -> OutsideError {
    OutsideError::Lacks { program: "loadgen".to_owned(), what }
}

fn figure(report: &Value, path: &'static str) -> Result<f64, OutsideError> {
    report.pointer(path).and_then(Value::as_f64).ok_or(lacks(path))
}

/// A billion subscriptions on one shard: what they weigh, and how fast they came. The run must pass, and lose nothing.
///
/// # Errors
/// If the load generator does not pass: the machine may lack the memory.
pub fn billion(figures: &mut Figures) -> Result<(), OutsideError> {
    let report = report(&[
        "run",
        "--model",
        "plain",
        "--users",
        "12500000",
        "--contacts",
        "80",
        "--endpoints",
        "1",
        "--shards",
        "1",
        "--document",
        "32",
    ])?;
    figures.insert("billion_gib", figure(&report, "/cost/engine_gib")?);
    figures.insert("billion_subscribe_per_s", figure(&report, "/cost/subscribed_per_s")?);
    Ok(())
}

/// The 99th percentile of the last watcher at half of the capacity found, less that of the null target at the same rate.
///
/// # Errors
/// If the load generator does not run.
pub fn half_load(figures: &mut Figures) -> Result<(), OutsideError> {
    let found = report(&["capacity", "--duration", "4s"])?;
    let half = figure(&found, "/capacity/publications_per_s")? / 2.0;
    let rate = format!("{half:.3}");
    let p99 = |target| {
        let report = report(&["run", "--duration", "8s", "--rate", &rate, "--target", target])?;
        figure(&report, "/latency_us/last/p99")
    };
    figures.insert("half_load_last_p99_us", p99("embedded")? - p99("null")?);
    Ok(())
}

/// Instructions of a notification, as valgrind counts them on a fixed piece of fan-out.
///
/// # Errors
/// If there is no valgrind.
pub fn instructions(figures: &mut Figures) -> Result<(), OutsideError> {
    figures.insert("instructions_before", Baseline::kept().instructions);
    let mut build = cargo();
    build.args(["build", "--release", "--quiet", "-p", "fanfare-benches", "--example", "instructions"]);
    finish(build)?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*instructions::measured*")
        .arg(release_folder().join("examples/instructions"));
    let said = finish(command)?;
    let number = |from: &str, to: &str| -> Option<f64> {
        let line = said.lines().find(|line| line.contains(from) && line.contains(to))?;
        let digits: String = line.split(from).last()?.chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let counted = number("refs:", "I").ok_or(OutsideError::Lacks { program: "valgrind".to_owned(), what: "count" })?;
    let told = said.lines().find_map(|line| line.split_once(" notifications").and_then(|(told, _)| told.parse().ok()));
    let told: f64 = told.ok_or(OutsideError::Lacks { program: "the example".to_owned(), what: "notifications" })?;
    figures.insert("instructions", counted / told);
    Ok(())
}

/// Where this program was built to, and the others of its profile.
fn release_folder() -> PathBuf {
    let mine = std::env::current_exe().ok();
    mine.as_deref().and_then(Path::parent).map_or_else(|| PathBuf::from("target/release"), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_on_record_can_be_read() {
        let kept = Baseline::kept();
        assert!(kept.instructions > 0.0 && kept.commit.len() >= 7);
    }
}
