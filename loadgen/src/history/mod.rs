//! How results went over time: `loadgen history`.
//!
//! | Module | What it owns |
//! |---|---|
//! | [`args`] | what was asked |
//! | [`series`] | results in order of time, those of each machine and configuration apart |
//! | `screen` | what a person reads |
//!
//! Lives on the main thread and reads files only. Invariant: two results are in one series only if they were measured alike
//! ([`crate::report::likeness`]). Cost: reading the files, and up to a second for each series of hundreds of results.

pub mod args;
mod screen;
pub mod series;

use std::path::PathBuf;
use std::{fs, io};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use thiserror::Error;

use self::args::HistoryArgs;
use self::series::History;
use crate::report::files::{self, NoFiles};

/// Why there is no history.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// No results.
    #[error(transparent)]
    NoFiles(#[from] NoFiles),
    /// Files, but none of them a result with a PASS.
    #[error("{dir}: none of {files} files is a result that can be shown; the first: {first}")]
    Nothing {
        /// The folder.
        dir: String,
        /// Files looked at.
        files: usize,
        /// What is wrong with the first.
        first: String,
    },
    /// A file that cannot be written.
    #[error("{}: cannot be written: {cause}", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
}

/// Reads the results and shows how they went.
///
/// # Errors
/// No result at all, or a file that cannot be written.
pub fn execute(args: &HistoryArgs) -> Result<(), HistoryError> {
    let files = files::find(&args.dir)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(args.seed);
    let history = History::read(&files, args.figure, args.confidence, &mut rng);
    if history.series.is_empty() {
        let first = history.left_out.first().cloned().unwrap_or_default();
        return Err(HistoryError::Nothing { dir: args.dir.clone(), files: files.len(), first });
    }
    print!("{}", screen::render(&history, usize::from(args.rows)));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&history).unwrap_or_default();
        fs::write(path, text + "\n").map_err(|cause| HistoryError::Write { path: path.clone(), cause })?;
    }
    Ok(())
}
