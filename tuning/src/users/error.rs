//! What can be wrong with a user model. Every error tells the file, the line, and what was expected there.

use std::io;

use thiserror::Error;

/// Why a user model could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Neither an embedded model nor a file.
    #[error("there is no user model `{name}`: known are {}, or give the path of a TOML file", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The file could not be read.
    #[error("the user model {file} cannot be read: {cause}")]
    Unreadable {
        /// Its path.
        file: String,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The text is not TOML, or a key is missing, unknown, or of a wrong type.
    #[error("{file}:{line}:{column}: {message}\n  {line} | {excerpt}")]
    Malformed {
        /// Its path or name.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What was found and what was expected.
        message: String,
        /// The line itself.
        excerpt: String,
    },
    /// A value that no run could use.
    #[error("{file}:{line}: `{key}` is {value}, but must be {expected}")]
    OutOfRange {
        /// Its path or name.
        file: String,
        /// From 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: String,
    },
}
