//! What one side of a comparison is, as it is written on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// One side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// A commit, branch or tag of this repository, built for the comparison.
    Commit(String),
    /// This program with these flags.
    Flags(Vec<String>),
    /// Another program that takes `run … --json FILE`.
    Program(PathBuf),
    /// This program with this target.
    Target(String),
    /// Saved results: a file, a folder, or a pattern.
    Saved(String),
}

/// Why a text is no side.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SideError {
    /// Nothing after the colon.
    #[error("`{0}` says nothing after the colon")]
    Empty(String),
    /// A quote that does not end.
    #[error("the flags `{0}` have a quote that does not end")]
    Quote(String),
    /// What `compare` itself sets.
    #[error("the flag {0} is set by `compare` itself, differently for each run")]
    Own(String),
    /// A commit that git would take for a flag.
    #[error("`{0}` is no commit: it begins with a dash")]
    Dash(String),
}

impl FromStr for Side {
    type Err = SideError;

    fn from_str(text: &str) -> Result<Self, SideError> {
        // A path may have a colon, too.
        let kinds = ["commit", "flags", "program", "target"];
        let Some((kind, rest)) = text.split_once(':').filter(|(kind, _)| kinds.contains(kind)) else {
            return if text.is_empty() {
                Err(SideError::Empty(String::new()))
            } else {
                Ok(Self::Saved(text.to_owned()))
            };
        };
        match kind {
            // Without any flag is a side, too: the common ones alone.
            "flags" => {
                let flags = shlex::split(rest).ok_or_else(|| SideError::Quote(rest.to_owned()))?;
                refuse_own(&flags)?;
                Ok(Self::Flags(flags))
            }
            _ if rest.trim().is_empty() => Err(SideError::Empty(text.to_owned())),
            "commit" if rest.starts_with('-') => Err(SideError::Dash(rest.to_owned())),
            "commit" => Ok(Self::Commit(rest.to_owned())),
            "program" => Ok(Self::Program(rest.into())),
            _ => Ok(Self::Target(rest.to_owned())),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => write!(to, "commit {commit}"),
            Self::Flags(flags) if flags.is_empty() => write!(to, "no further flags"),
            Self::Flags(flags) => write!(to, "{}", flags.join(" ")),
            Self::Program(path) => write!(to, "{}", path.display()),
            Self::Target(target) => write!(to, "target {target}"),
            Self::Saved(pattern) => write!(to, "{pattern}"),
        }
    }
}

impl Side {
    /// Flags that this side alone has.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        match self {
            Self::Flags(flags) => flags.clone(),
            Self::Target(target) => vec!["--target".to_owned(), target.clone()],
            _ => Vec::new(),
        }
    }

    /// Whether it is run by this very program, which so knows its flags.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Flags(_) | Self::Target(_))
    }
}

/// Refuses flags that each run gets for itself.
///
/// # Errors
/// The first such flag.
pub fn refuse_own(flags: &[String]) -> Result<(), SideError> {
    let own = flags.iter().find(|flag| *flag == "--json" || flag.starts_with("--json="));
    own.map_or(Ok(()), |flag| Err(SideError::Own(flag.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_and_shown() {
        let read = |text: &str| text.parse::<Side>().unwrap();
        assert_eq!(read("commit:HEAD~1"), Side::Commit("HEAD~1".into()));
        assert_eq!(
            read("flags:--model 'my model.toml' --shards 2").flags(),
            ["--model", "my model.toml", "--shards", "2"]
        );
        assert_eq!(read("flags:").flags(), [""; 0]);
        assert_eq!(read("target:null").flags(), ["--target", "null"]);
        assert_eq!(read("program:./fake"), Side::Program("./fake".into()));
        assert_eq!(read("results/*.json").to_string(), "results/*.json");
    }

    #[test]
    fn what_is_no_side_is_refused() {
        let refused = |text: &str| text.parse::<Side>().unwrap_err();
        assert_eq!(refused("commit:"), SideError::Empty("commit:".into()));
        assert_eq!(refused("commit:--force"), SideError::Dash("--force".into()));
        assert_eq!(refused("flags:--model 'a"), SideError::Quote("--model 'a".into()));
        assert_eq!(refused("flags:--json=x"), SideError::Own("--json=x".into()));
        assert_eq!(refused(""), SideError::Empty(String::new()));
    }
}
