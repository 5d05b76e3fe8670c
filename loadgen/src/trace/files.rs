//! Opening the files of traces, under locks: nobody writes what is being read, not even the same command.
//!
//! The locks are advisory and are held as long as the file is open. Where a file system knows none, there are none.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

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

/// A file to write, locked against everybody else. What it holds stays until the first byte of something new is there.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    /// Opens it, so that nobody waits for something that cannot be written.
    ///
    /// # Errors
    /// What the operating system says, and somebody's lock.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        // Opening a pipe would wait for somebody to read it, and there is no going back to the header in it.
        if fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            return Err(TraceError::new(path, Fault::NoFile));
        }
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let opened = opened.map_err(|cause| TraceError::new(path, Fault::Io { doing: "written", cause }))?;
        Ok(Self { path: path.to_owned(), file: locked(path, opened, File::try_lock)? })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Empties it, for whatever comes now.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn empty(&self) -> Result<&File, TraceError> {
        // Devices cannot be cut to a length, and need not be.
        let is_file = self.file.metadata().map_err(|cause| self.written(cause))?.is_file();
        if is_file {
            self.file.set_len(0).map_err(|cause| self.written(cause))?;
        }
        Ok(&self.file)
    }

    /// Empties it and begins a trace in it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn trace(&self, header: Header) -> Result<Writer<&File>, TraceError> {
        Writer::begin(self.empty()?, header).map_err(|fault| self.fault(fault))
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
