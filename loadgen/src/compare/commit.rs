//! A side that is a commit: checked out beside this working tree, built, and taken away again.
//!
//! The checkout is a `git worktree` under the target folder; nothing of the working tree changes. What cargo built stays in
//! `target/compare/build`, so that other people's crates are built once for all commits. One comparison at a time builds
//! there: whoever has the folder's lock may take away what another has left that was killed.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::CompareError;
use super::child::{self, Ended};

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
    let target = target(&root).map_err(|cause| CompareError::Write { path: root.join("target"), cause })?;
    let _lock = lock(&target, revision)?;
    let path = target.join(&commit[..commit.len().min(12)]);
    clear(&root, &path).map_err(|cause| CompareError::Write { path: path.clone(), cause })?;
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
    fs::copy(&built, &program).map_err(|cause| CompareError::Start { program: built, cause })?;
    Ok(program)
}

/// Where checkouts and builds go. A path that is not absolute is one from here, as cargo takes it; git and cargo are run
/// elsewhere.
fn target(root: &Path) -> io::Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = std::path::absolute(target)?.join("compare");
    fs::create_dir_all(&target)?;
    Ok(target)
}

/// Has the folder for this comparison alone, until the file is dropped.
fn lock(target: &Path, revision: &str) -> Result<File, CompareError> {
    let write = |cause| CompareError::Write { path: target.to_owned(), cause };
    let folder = File::open(target).map_err(write)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::Error(cause)) => Err(write(cause)),
        Err(TryLockError::WouldBlock) => Err(CompareError::Commit {
            revision: revision.to_owned(),
            complaint: format!("another comparison builds in {} just now: wait until it runs", target.display()),
        }),
    }
}

/// Takes away the checkout of a comparison that was killed.
fn clear(root: &Path, path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    // What git does not know as a checkout of its own is a folder and nothing more.
    let removed = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["worktree", "remove", "--force", "--force"])
        .arg(path)
        .output()?;
    if removed.status.success() { Ok(()) } else { fs::remove_dir_all(path) }
}

fn step(
    command: &mut Command,
    log: &Path,
    limit: Duration,
    revision: &str,
    interrupted: &AtomicBool,
) -> Result<(), CompareError> {
    let complaint = match child::run(command, log, limit, interrupted)? {
        Ended::Itself { status, .. } if status.success() => return Ok(()),
        Ended::Itself { complaint, .. } => complaint,
        Ended::Late => format!("{command:?} did not end within {} s", limit.as_secs()),
    };
    Err(CompareError::Commit { revision: revision.to_owned(), complaint })
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
