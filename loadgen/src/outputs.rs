//! The files that a run leaves: opened before it, so that nobody waits two minutes for a report that cannot be written, and
//! written when it is over, each whether or not the others could be.
//!
//! On the main thread. The invariant: under a file's name there is what was there before, or something whole. It is written
//! beside it and renamed, which takes a folder that can be written to.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

use crate::args::{Flags, NO_PAGE};
use crate::report::page::{self, PageError, Subject};
use crate::report::{Report, export, json};

/// The page of a search for capacity, where nothing else is said.
const PAGE: &str = "fanfare-report.html";

/// Why a file was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// It cannot be.
    #[error("{flag} {}: cannot be written: {cause}", file.display())]
    Write {
        /// Which flag asked for it.
        flag: &'static str,
        /// Its path.
        file: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The page could not be made.
    #[error(transparent)]
    Page(#[from] PageError),
}

/// A file to be written.
#[derive(Debug)]
pub struct Output {
    flag: &'static str,
    path: PathBuf,
    place: Place,
}

/// How something gets to where it was asked for.
#[derive(Debug)]
enum Place {
    /// Into a pipe or a device, which nothing can take the place of.
    Itself(File),
    /// By a rename to this path, where no link leads on.
    Renamed {
        into: PathBuf,
        /// Who may not read the old one may not read the new one.
        allowed: Permissions,
    },
}

impl Output {
    /// Opens it, and leaves no more than was there.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(flag: &'static str, path: &Path) -> Result<Self, OutputError> {
        let place = Place::find(path).map_err(|cause| OutputError::Write { flag, file: path.to_owned(), cause })?;
        Ok(Self { flag, path: path.to_owned(), place })
    }

    /// Replaces what it holds, all at once or not at all.
    ///
    /// # Errors
    /// What the operating system says: a disk that has filled in between, among others.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let Self { flag, path, place } = self;
        place.put(bytes).map_err(|cause| OutputError::Write { flag, file: path.clone(), cause })
    }
}

impl Place {
    fn find(path: &Path) -> io::Result<Self> {
        // Whether a name can be had is known when it has been; a run that is killed is to leave no empty file there.
        let (file, is_new) = match File::create_new(path) {
            Ok(file) => (file, true),
            Err(_) => (OpenOptions::new().write(true).create(true).truncate(false).open(path)?, false),
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Ok(Self::Itself(file));
        }
        let into = fs::canonicalize(path)?;
        if is_new {
            fs::remove_file(&into)?;
        }
        beside(&into)?;
        Ok(Self::Renamed { into, allowed: found.permissions() })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Itself(file) => file.write_all(bytes),
            Self::Renamed { into, allowed } => {
                let mut part = beside(into)?;
                part.write_all(bytes)?;
                part.as_file().set_permissions(allowed.clone())?;
                // On the disk before it has the name: a machine that stops leaves the one or the other.
                part.as_file().sync_all()?;
                part.persist(&*into).map(drop).map_err(|refused| refused.error)
            }
        }
    }
}

/// A file in the same folder, which is gone when it is dropped.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))
}

/// Where the page goes.
#[derive(Debug, Default)]
enum Page {
    #[default]
    Nowhere,
    Asked(Output),
    /// Nobody asked, so nothing is left there until there is a page, and nothing fails for it.
    Usual,
}

/// All files of a run.
#[derive(Debug, Default)]
pub struct Outputs {
    json: Option<Output>,
    html: Page,
    hlog: Option<Output>,
    hgrm: Option<Output>,
    csv: Option<Output>,
    prometheus: Option<Output>,
}

impl Outputs {
    /// Opens what the flags ask for; where they say nothing of the page, one is made if `is_paged`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(flags: &Flags, is_paged: bool) -> Result<Self, OutputError> {
        let open = |flag, path: &Option<PathBuf>| path.as_deref().map(|path| Output::open(flag, path)).transpose();
        let html = match &flags.html {
            Some(path) if path.as_os_str() == NO_PAGE => Page::Nowhere,
            Some(path) => Page::Asked(Output::open("--html", path)?),
            None if is_paged => Page::Usual,
            None => Page::Nowhere,
        };
        Ok(Self {
            json: open("--json", &flags.json)?,
            html,
            hlog: open("--hlog", &flags.hlog)?,
            hgrm: open("--hgrm", &flags.hgrm)?,
            csv: open("--csv", &flags.csv)?,
            prometheus: open("--prometheus", &flags.prometheus)?,
        })
    }

    /// Writes all of them. Tells where the page is, and what went wrong.
    pub fn write(&mut self, report: &Report) -> (Option<PathBuf>, Vec<OutputError>) {
        let mut failed = Vec::new();
        let mut put = |output: &mut Option<Output>, make: &dyn Fn() -> Vec<u8>| {
            if let Some(output) = output {
                failed.extend(output.write(&make()).err());
            }
        };
        put(&mut self.json, &|| (json::render(report) + "\n").into_bytes());
        put(&mut self.hlog, &|| export::hlog::render(report));
        put(&mut self.hgrm, &|| export::hgrm::render(report).into_bytes());
        put(&mut self.csv, &|| export::csv::render(report));
        put(&mut self.prometheus, &|| export::prometheus::render(report).into_bytes());
        let mut usual = None;
        let output = match &mut self.html {
            Page::Nowhere => return (None, failed),
            Page::Asked(output) => output,
            Page::Usual => match Output::open("--html", Path::new(PAGE)) {
                Ok(output) => usual.insert(output),
                Err(error) => {
                    eprintln!("loadgen: there is no page: {error}");
                    return (None, failed);
                }
            },
        };
        let page = page::render(&[Subject { name: "this run", report }]).map_err(OutputError::from);
        match page.and_then(|page| output.write(page.as_bytes())) {
            Ok(()) => (Some(std::path::absolute(&output.path).unwrap_or_else(|_| output.path.clone())), failed),
            Err(error) => {
                failed.push(error);
                (None, failed)
            }
        }
    }
}
