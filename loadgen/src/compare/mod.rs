//! Which of two is faster: `loadgen compare`.
//!
//! | Module | What it owns |
//! |---|---|
//! | [`args`], [`side`] | what was asked |
//! | [`order`] | which side runs when |
//! | [`rounds`] | the runs, until it is decided |
//! | [`answer`] | what they say |
//! | `child`, `commit` | runs and builds as children of this process |
//! | [`saved`] | results that were measured before |
//! | `screen` | what a person reads |
//!
//! Lives on the main thread, which waits for children and measures nothing itself. Invariant: a run that failed or was no
//! PASS is told and never counted. Cost between runs: some milliseconds for the statistics.

pub mod answer;
pub mod args;
mod child;
mod commit;
pub mod order;
pub mod rounds;
pub mod saved;
mod screen;
pub mod side;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use tempfile::TempDir;
use thiserror::Error;

use self::answer::{Answer, Question};
use self::args::CompareArgs;
use self::child::Ended;
use self::rounds::{Measured, Outcome, Runs, Turn};
use self::side::{Side, SideError};
use crate::args::Cli;
use crate::outputs::{Output, OutputError};
use crate::report::files::NoFiles;
use crate::report::saved::{Saved, SavedError};

/// Why there is no comparison.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// One side is to be run, the other was saved.
    #[error(
        "{saved} is a saved result, {run} is to be run: what was measured at another time cannot take turns. Run both, or \
         save results of both and compare those"
    )]
    Mixed {
        /// The saved one.
        saved: String,
        /// The other.
        run: String,
    },
    /// Flags for runs where nothing is run.
    #[error("flags after -- are for runs, but both sides are saved results")]
    NothingToRun,
    /// A flag that is set here.
    #[error(transparent)]
    Side(#[from] SideError),
    /// Flags that `run` does not take.
    #[error("side {side}: loadgen run {flags}: {complaint}")]
    Flags {
        /// A or B.
        side: &'static str,
        /// All flags.
        flags: String,
        /// What is wrong.
        complaint: String,
    },
    /// No results.
    #[error(transparent)]
    NoFiles(#[from] NoFiles),
    /// Not a report.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// Results that cannot be put together.
    #[error("{pattern}: {} was not measured as the others were: {name} is {other}, not {one}", file.display())]
    Unlike {
        /// The side.
        pattern: String,
        /// The first that differs.
        file: PathBuf,
        /// In what.
        name: String,
        /// What the first has.
        one: String,
        /// What this one has.
        other: String,
    },
    /// A commit that cannot be had.
    #[error("commit {revision} cannot be built: {complaint}")]
    Commit {
        /// What was asked for.
        revision: String,
        /// What git or cargo said.
        complaint: String,
    },
    /// A program that does not start.
    #[error("{} cannot be run: {cause}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted: the run under way was ended, and nothing is compared")]
    Interrupted,
    /// An answer that could not be written when there is one.
    #[error(transparent)]
    Output(OutputError),
    /// An answer that is made and cannot be kept.
    #[error(transparent)]
    Lost(OutputError),
    /// A file or folder that cannot be written.
    #[error("{}: cannot be written: {cause}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
}

impl CompareError {
    /// Whether the command line is at fault, and not what was run.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Mixed { .. }
                | Self::NothingToRun
                | Self::Side(_)
                | Self::Flags { .. }
                | Self::NoFiles(_)
                | Self::Saved(_)
                | Self::Unlike { .. }
                | Self::Output(_)
        )
    }
}

/// Compares, shows the answer, and says whether all is as it should be.
///
/// # Errors
/// Whatever keeps it from an answer.
pub fn execute(args: &CompareArgs, interrupted: &AtomicBool) -> Result<bool, CompareError> {
    let question = Question { figure: args.figure, confidence: args.confidence };
    let mut answer_to = open(args)?;
    let runs = match (&args.a, &args.b) {
        (Side::Saved(a), Side::Saved(b)) if args.common.is_empty() => saved::read([a, b], args.confidence)?,
        (Side::Saved(_), Side::Saved(_)) => return Err(CompareError::NothingToRun),
        (Side::Saved(saved), run) | (run, Side::Saved(saved)) => {
            return Err(CompareError::Mixed { saved: saved.clone(), run: run.to_string() });
        }
        _ => take_turns(args, &question, interrupted)?,
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(args.seed);
    let comparison = answer::answer(&question, [args.a.to_string(), args.b.to_string()], runs, &mut rng);
    print!("{}", screen::render(&comparison));
    if let Some(output) = &mut answer_to {
        // Only strings, numbers and lists of them, and no number that is not finite is written as anything but null.
        let text = serde_json::to_string_pretty(&comparison).unwrap_or_default();
        output.write((text + "\n").as_bytes()).map_err(CompareError::Lost)?;
    }
    Ok(comparison.answered && !(args.fail_if_slower && comparison.answer == Answer::Worse))
}

/// Opens what the answer goes to before anything is run, so that nobody waits an hour for what cannot be written. The folder
/// for the results comes first: the answer may go there, too.
fn open(args: &CompareArgs) -> Result<Option<Output>, CompareError> {
    if let Some(keep) = &args.keep {
        fs::create_dir_all(keep).map_err(|cause| CompareError::Write { path: keep.clone(), cause })?;
    }
    args.json.as_deref().map(|path| Output::open("--json", path)).transpose().map_err(CompareError::Output)
}

/// What runs one side.
#[derive(Debug)]
struct Runner {
    program: PathBuf,
    flags: Vec<String>,
}

fn take_turns(args: &CompareArgs, question: &Question, interrupted: &AtomicBool) -> Result<Runs, CompareError> {
    check_flags(args)?;
    let folder = TempDir::with_prefix("loadgen-compare-")
        .map_err(|cause| CompareError::Write { path: std::env::temp_dir(), cause })?;
    let results = args.keep.as_deref().unwrap_or(folder.path());
    let sides =
        [prepare(&args.a, args, folder.path(), interrupted)?, prepare(&args.b, args, folder.path(), interrupted)?];
    let rounds = usize::from(args.rounds);
    let mut ran = 0;
    rounds::run(question, rounds, args.seed, |turn| {
        ran += 1;
        eprintln!("loadgen: run {ran} of at most {}: {:?}", 2 * rounds, turn.side);
        one_run(&sides[turn.side as usize], turn, args, results, folder.path(), interrupted)
    })
}

/// What can be said of flags before anything is built or run. Other programs may have other flags.
fn check_flags(args: &CompareArgs) -> Result<(), CompareError> {
    side::refuse_own(&args.common)?;
    for (side, name) in [(&args.a, "A"), (&args.b, "B")] {
        if !side.is_own() {
            continue;
        }
        let flags = [side.flags(), args.common.clone()].concat();
        let line = ["loadgen", "run"].into_iter().map(str::to_owned).chain(flags.iter().cloned());
        if let Err(error) = Cli::try_parse_from(line) {
            let complaint = error.to_string();
            let first = complaint.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(CompareError::Flags { side: name, flags: flags.join(" "), complaint: first });
        }
    }
    Ok(())
}

fn prepare(side: &Side, args: &CompareArgs, folder: &Path, interrupted: &AtomicBool) -> Result<Runner, CompareError> {
    let program = match side {
        Side::Commit(revision) => commit::build(revision, folder, interrupted)?,
        Side::Program(path) => path.clone(),
        _ => std::env::current_exe().map_err(|cause| CompareError::Start { program: "loadgen".into(), cause })?,
    };
    Ok(Runner { program, flags: [side.flags(), args.common.clone()].concat() })
}

fn one_run(
    side: &Runner,
    turn: Turn,
    args: &CompareArgs,
    results: &Path,
    folder: &Path,
    interrupted: &AtomicBool,
) -> Result<Outcome, CompareError> {
    let file = results.join(format!("{:02}-{}.json", turn.pair + 1, turn.side.as_str()));
    // A result of an earlier comparison in the same folder must not be taken for this run's.
    if file.exists() {
        fs::remove_file(&file).map_err(|cause| CompareError::Write { path: file.clone(), cause })?;
    }
    let mut command = Command::new(&side.program);
    command.arg("run").args(&side.flags);
    let has_seed = side.flags.iter().any(|flag| flag == "--seed" || flag.starts_with("--seed="));
    if !has_seed {
        command.arg("--seed").arg(turn.seed.to_string());
    }
    command.arg("--json").arg(&file);
    let (status, complaint) = match child::run(&mut command, &folder.join("run.log"), args.timeout, interrupted)? {
        Ended::Itself { status, complaint } => (status, complaint),
        Ended::Late => {
            let limit = args.timeout.as_secs_f64();
            let reason = format!("it did not end within {limit} s and was ended; --timeout allows more");
            return Ok(Outcome::Failed(vec![reason]));
        }
    };
    let failed = |mut reasons: Vec<String>| {
        if !complaint.is_empty() {
            reasons.push(complaint.clone());
        }
        Ok(Outcome::Failed(reasons))
    };
    match Saved::read(&file) {
        Ok(Saved { report, .. }) if !report.passed() => failed(report.reasons),
        Ok(Saved { report, .. }) if status.success() => Ok(Outcome::Passed(Box::new(Measured::of(&report)))),
        Ok(_) => failed(vec![format!("it ended with {}", status)]),
        Err(_) if !status.success() => failed(vec![format!("it ended with {} and left no result", status)]),
        Err(error) => failed(vec![error.to_string()]),
    }
}
