//! Opening the files of traces, under locks: nobody writes what is being read, not even the same command.
//!
//! The invariant: under an output's name there is what was there before, or something whole. The locks are advisory and
//! are held as long as the file is open. Where a file system knows none, there are none; what is read stays whole even then,
//! for it is not written into.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Fault, Header, Reader, TraceError, Writer};

/// A file to read, locked against writers.
///
/// # Errors
/// What the operating system says, and a writer's lock.
pub fn open(path: &Path) -> Result<File, TraceError> {
    let failed = |cause| TraceError::new(path, Fault::Io { doing: "read", cause });
    // A pipe would be waited for, and a folder be opened.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(TraceError::new(path, Fault::NoFile));
    }
    locked(path, File::open(path).map_err(failed)?, File::try_lock_shared)
}

/// A trace to read, header first.
///
/// # Errors
/// See [`open`], and whatever is wrong with the header.
pub fn read(path: &Path) -> Result<Reader<File>, TraceError> {
    Reader::begin(open(path)?).map_err(|fault| TraceError::new(path, fault))
}

/// A file to write, locked against everybody else. What it holds stays until there is something whole to take its place:
/// that is written beside it and renamed. Devices have no place to be taken, and are written themselves.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
    /// What was there before, held for its lock.
    _before: Option<File>,
    beside: Option<Beside>,
}

/// A file that is to take another's place.
#[derive(Debug)]
struct Beside {
    part: PathBuf,
    into: PathBuf,
    is_kept: AtomicBool,
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_kept.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.part);
        }
    }
}

impl Output {
    /// Opens it, so that nobody waits for something that cannot be written.
    ///
    /// # Errors
    /// What the operating system says, and somebody's lock.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let failed = |cause| TraceError::new(path, Fault::Io { doing: "written", cause });
        let opened = |path: &Path| OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let found = fs::metadata(path).ok();
        // Opening a pipe would wait for somebody to read it, and there is no going back to the header in it.
        if found.as_ref().is_some_and(|found| found.file_type().is_fifo()) {
            return Err(TraceError::new(path, Fault::NoFile));
        }
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            let file = locked(path, opened(path).map_err(failed)?, File::try_lock)?;
            return Ok(Self { path: path.to_owned(), file, _before: None, beside: None });
        }
        let before = match found {
            None => None,
            Some(_) => Some(locked(path, opened(path).map_err(failed)?, File::try_lock)?),
        };
        // A link leads where it led before.
        let into = if before.is_some() { fs::canonicalize(path).map_err(failed)? } else { path.to_owned() };
        let Some(name) = into.file_name() else { return Err(TraceError::new(path, Fault::NoFile)) };
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".part");
        let part = into.with_file_name(hidden);
        let file = locked(path, opened(&part).map_err(failed)?, File::try_lock)?;
        // Whoever held the lock until now may have renamed it, and then this is no longer beside anything.
        let inode = |found: fs::Metadata| (found.dev(), found.ino());
        if fs::metadata(&part).map(inode).ok() != file.metadata().map(inode).ok() {
            return Err(TraceError::new(path, Fault::InUse));
        }
        let beside = Beside { part, into, is_kept: AtomicBool::new(false) };
        if let Some(before) = &before {
            // Who may not read the old one may not read the new one.
            let allowed = before.metadata().and_then(|found| file.set_permissions(found.permissions()));
            allowed.map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), file, _before: before, beside: Some(beside) })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let path = self.beside.as_ref().map_or(self.path.as_path(), |beside| &beside.into);
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// An empty file, for whatever comes now. Nobody finds it under the output's name before [`Output::keep`].
    ///
    /// # Errors
    /// What the operating system says.
    pub fn empty(&self) -> Result<&File, TraceError> {
        // Devices cannot be cut to a length, and need not be. Somebody who was killed may have left something beside.
        if self.beside.is_some() {
            self.file.set_len(0).map_err(|cause| self.written(cause))?;
        }
        Ok(&self.file)
    }

    /// Begins a trace in an empty file.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn trace(&self, header: Header) -> Result<Writer<&File>, TraceError> {
        Writer::begin(self.empty()?, header).map_err(|fault| self.fault(fault))
    }

    /// Has what was written take the output's place, now that it is whole. It is on the disk before it has the name: a
    /// machine that stops leaves the one or the other.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn keep(&self) -> Result<(), TraceError> {
        let Some(Beside { part, into, is_kept }) = &self.beside else { return Ok(()) };
        self.file.sync_all().and_then(|()| fs::rename(part, into)).map_err(|cause| self.written(cause))?;
        is_kept.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// This fault, in this file.
    #[must_use]
    pub fn fault(&self, fault: Fault) -> TraceError {
        TraceError::new(&self.path, fault)
    }

    /// What the operating system says of writing it.
    #[must_use]
    pub fn written(&self, cause: io::Error) -> TraceError {
        self.fault(Fault::Io { doing: "written", cause })
    }
}

fn locked(path: &Path, file: File, lock: fn(&File) -> Result<(), TryLockError>) -> Result<File, TraceError> {
    match lock(&file) {
        Err(TryLockError::WouldBlock) => Err(TraceError::new(path, Fault::InUse)),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}
