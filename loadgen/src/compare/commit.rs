//! A side that is a commit: checked out beside this working tree, built, and taken away again.
//!
//! The checkout is a `git worktree` under the target folder; nothing of the working tree changes. What cargo built stays in
//! `target/compare/build`, so that other people's crates are built once for all commits.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{CompareError, child};

/// A release build with link-time optimisation takes minutes on a small machine; one that takes longer than this hangs.
const BUILD_MAX: Duration = Duration::from_secs(3_600);
const GIT_MAX: Duration = Duration::from_secs(300);

/// A worktree, removed when it is dropped.
struct Worktree {
    root: PathBuf,
    path: PathBuf,
}

impl Drop for Worktree {
    fn drop(&mut self) {
        let removed = Command::new("git")
            .arg("-C")
            .arg(&self.root)
            .args(["worktree", "remove", "--force"])
            .arg(&self.path)
            .output();
        if !removed.is_ok_and(|output| output.status.success()) {
            eprintln!("loadgen: {} is left behind; `git worktree remove --force` takes it away", self.path.display());
        }
    }
}

/// Builds a commit's `loadgen` and puts it into `folder`.
///
/// # Errors
/// No repository, no such commit, or one that does not build.
pub(super) fn build(revision: &str, folder: &Path, interrupted: &AtomicBool) -> Result<PathBuf, CompareError> {
    let root = PathBuf::from(ask(None, &["rev-parse", "--show-toplevel"], revision)?);
    let commit = ask(
        Some(&root),
        &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")],
        revision,
    )?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("compare");
    let path = target.join(&commit[..commit.len().min(12)]);
    let log = folder.join("build.log");
    let mut add = Command::new("git");
    add.arg("-C").arg(&root).args(["worktree", "add", "--detach", "--force"]).arg(&path).arg(&commit);
    step(&mut add, &log, GIT_MAX, revision, interrupted)?;
    let worktree = Worktree { root, path };
    eprintln!("loadgen: building {revision} ({})", &commit[..commit.len().min(12)]);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--locked", "--package", "fanfare-loadgen", "--bin", "loadgen"])
        .current_dir(&worktree.path)
        .env("CARGO_TARGET_DIR", target.join("build"));
    step(&mut build, &log, BUILD_MAX, revision, interrupted)?;
    let built = target.join("build/release/loadgen");
    let program = folder.join(format!("loadgen-{commit}"));
    std::fs::copy(&built, &program).map_err(|cause| CompareError::Start { program: built, cause })?;
    Ok(program)
}

fn step(
    command: &mut Command,
    log: &Path,
    limit: Duration,
    revision: &str,
    interrupted: &AtomicBool,
) -> Result<(), CompareError> {
    let ended = child::run(command, log, limit, interrupted)?;
    if ended.status.success() {
        return Ok(());
    }
    Err(CompareError::Commit { revision: revision.to_owned(), complaint: ended.complaint })
}

/// What git answers, on one line.
fn ask(root: Option<&Path>, arguments: &[&str], revision: &str) -> Result<String, CompareError> {
    let mut git = Command::new("git");
    if let Some(root) = root {
        git.arg("-C").arg(root);
    }
    let failed = |complaint: String| CompareError::Commit { revision: revision.to_owned(), complaint };
    let output = git.args(arguments).output().map_err(|cause| failed(format!("git: {cause}")))?;
    if !output.status.success() {
        let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(if says.is_empty() { "git does not know it".to_owned() } else { says }));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
