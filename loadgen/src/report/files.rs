//! Files of saved reports: one, those of a folder, or those that fit a pattern.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// So many reports are read at once; more are a mistake in the pattern.
pub const FILES_MAX: usize = 10_000;

/// Why there are no files.
#[derive(Debug, Error)]
#[error("{pattern}: {why}")]
pub struct NoFiles {
    /// What was asked for.
    pub pattern: String,
    /// Why there are none.
    pub why: String,
}

/// Finds the file itself, those in a folder that end with `.json`, or those that fit a pattern such as `monday/*.json`;
/// in the order of their names.
///
/// # Errors
/// None is there, or too many are, or a folder cannot be read.
pub fn find(pattern: &str) -> Result<Vec<PathBuf>, NoFiles> {
    let none = |why: String| NoFiles { pattern: pattern.to_owned(), why };
    let path = Path::new(pattern);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let escaped = glob::Pattern::escape(pattern.trim_end_matches('/'));
    let pattern = if path.is_dir() { format!("{escaped}/*.json") } else { pattern.to_owned() };
    let found = glob::glob(&pattern).map_err(|error| none(format!("not a pattern: {error}")))?;
    let mut files = Vec::new();
    for file in found {
        files.push(file.map_err(|error| none(error.to_string()))?);
        if files.len() > FILES_MAX {
            return Err(none(format!("there are more than {FILES_MAX}")));
        }
    }
    if files.is_empty() { Err(none("no such file, and no folder with .json files".to_owned())) } else { Ok(files) }
}
