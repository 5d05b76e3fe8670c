//! A trace from CSV, as any system that has a log can make it.
//!
//! Read as a stream. What grows with the input is the table of its users, some 40 bytes each and nothing of their names;
//! a row is held in memory as a whole, so it has a bound. The invariant: a row that is not exactly one event is told with
//! line and column, and nothing is guessed.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use siphasher::sip128::SipHasher13;
use thiserror::Error;

use super::anonymise::{self, Key};
use super::bounded::{Bounded, ROW_BYTES_MAX};
use super::export::{COLUMNS, EDIT_POLICY, PUBLISH, PUBLISH_IDLE};
use super::files::Output;
use super::record::{Event, Kind};
use super::{Fault, Header, Reader, TIME_MAX_US, TraceError, USERS_MAX, Writer, files};
use crate::sessions::SessionEvent;

/// Bytes read at once. What of it is the next rows' is counted as this one's, so that a row may seem longer by so many.
const BUFFER_BYTES: usize = 64 * 1024;

/// How much of a field is shown that is wrong.
const SHOWN_BYTES: usize = 40;

/// How CSV is to be understood.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// Users are numbers already, and keep them.
    pub numbers: bool,
    /// Times count from the first row's.
    pub from_first: bool,
    /// Users are renumbered under this key.
    pub key: Option<Key>,
}

/// Why CSV is no trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A field.
    #[error("{}:{line}: {column} is `{found}`, but {expected} was expected", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What stands there.
        found: String,
        /// What could.
        expected: String,
    },
    /// A row of more or fewer fields.
    #[error("{}:{line}: it has {found} fields, but {} were expected: {}", file.display(), COLUMNS.len(), COLUMNS.join(","))]
    Fields {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// How many there are.
        found: usize,
    },
    /// What cannot be read.
    #[error("{}:{line}: {cause}", file.display())]
    Csv {
        /// The file.
        file: PathBuf,
        /// The line that was to be read, counted from 1.
        line: u64,
        /// Why not.
        cause: csv::Error,
    },
    /// The first line.
    #[error("{}:1: the columns are `{found}`, but `{}` were expected", file.display(), COLUMNS.join(","))]
    Columns {
        /// The file.
        file: PathBuf,
        /// What stands there.
        found: String,
    },
    /// Reading or writing a trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

/// Makes a trace of a CSV file.
///
/// # Errors
/// The first row that is no event, and what cannot be read or written.
pub fn import(input: &Path, output: &Path, how: How) -> Result<Header, ImportError> {
    let source = files::open(input)?;
    let output = Output::open(output)?;
    let Some(key) = how.key else {
        let writer = Writer::begin_unknown(output.empty()?).map_err(|fault| output.fault(fault))?;
        let header = write(source, input, writer, how, output.path())?;
        output.keep()?;
        return Ok(header);
    };
    // How many users there are is known at the end, and so is under which numbers they go. The file between has no name,
    // and is gone with the process.
    let failed = |cause| output.written(cause);
    let mut between = tempfile::tempfile_in(output.folder()).map_err(failed)?;
    let writer = Writer::begin_unknown(&between).map_err(|fault| output.fault(fault))?;
    write(source, input, writer, how, output.path())?;
    between.seek(SeekFrom::Start(0)).map_err(failed)?;
    let reader = Reader::begin(between).map_err(|fault| output.fault(fault))?;
    let header = anonymise::write(reader, output.path(), &output, key)?;
    output.keep()?;
    Ok(header)
}

fn write<W: io::Write + Seek>(
    source: impl Read,
    input: &Path,
    mut writer: Writer<W>,
    how: How,
    output: &Path,
) -> Result<Header, ImportError> {
    let written = |fault: Fault| TraceError::new(output, fault);
    let mut rows = Rows::begin(source, input, how)?;
    rows.try_for_each(|event| Ok::<_, ImportError>(writer.push(&event?).map_err(written)?))?;
    Ok(writer.finish().map_err(written)?)
}

/// The events of a CSV file: an iterator, of which nothing is worth anything after its first error.
#[derive(Debug)]
pub struct Rows<'a, R> {
    file: &'a Path,
    how: How,
    reader: csv::Reader<Bounded<R>>,
    room: Rc<Cell<usize>>,
    row: csv::ByteRecord,
    /// Where it began, counted from 1.
    line: u64,
    users: HashMap<u128, u32>,
    names: SipHasher13,
    first_us: Option<u64>,
    before_us: u64,
}

impl<'a, R: Read> Rows<'a, R> {
    /// Begins with the names of the columns. `file` is what it is called if something is wrong with it.
    ///
    /// # Errors
    /// Other columns, and what cannot be read.
    pub fn begin(source: R, file: &'a Path, how: How) -> Result<Self, ImportError> {
        let room = Rc::new(Cell::new(ROW_BYTES_MAX + BUFFER_BYTES));
        let source = Bounded::new(source, Rc::clone(&room));
        let mut reader = csv::ReaderBuilder::new()
            .buffer_capacity(BUFFER_BYTES)
            .has_headers(false)
            // Fields are counted here, where the line is known; and the \r before a \n is space at the end of a row, so
            // that lines are counted alike whatever they end with.
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(source);
        let mut row = csv::ByteRecord::new();
        reader.read_byte_record(&mut row).map_err(|cause| ImportError::Csv {
            file: file.to_owned(),
            line: 1,
            cause,
        })?;
        if !row.iter().map(<[u8]>::trim_ascii).eq(COLUMNS.iter().map(|column| column.as_bytes())) {
            let found = row.iter().map(|field| shown(field.trim_ascii())).collect::<Vec<_>>().join(",");
            return Err(ImportError::Columns { file: file.to_owned(), found });
        }
        let drawn = RandomState::new();
        Ok(Self {
            file,
            how,
            reader,
            room,
            row,
            line: 1,
            users: HashMap::new(),
            names: SipHasher13::new_with_keys(drawn.hash_one(0), drawn.hash_one(1)),
            first_us: None,
            before_us: 0,
        })
    }

    fn next_event(&mut self) -> Result<Option<Event>, ImportError> {
        if !self.read_row()? {
            return Ok(None);
        }
        let at_us = self.time()?;
        let user = self.user()?;
        let kind = self.kind()?;
        Ok(Some(Event { at_us, user, kind }))
    }

    /// Goes on to the next row that is not empty; false after the last one.
    fn read_row(&mut self) -> Result<bool, ImportError> {
        loop {
            self.room.set(ROW_BYTES_MAX + BUFFER_BYTES);
            let begin = self.reader.position().line();
            let read = self.reader.read_byte_record(&mut self.row);
            if !read.map_err(|cause| ImportError::Csv { file: self.file.to_owned(), line: begin, cause })? {
                return Ok(false);
            }
            // Empty lines before the row are read with it, so it is where it ends that tells where it began; every row
            // ends with a line's end, for the last one is given it.
            let inside = self.row.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.line = (self.reader.position().line() - 1).saturating_sub(inside);
            match self.row.len() {
                1 if self.row[0].trim_ascii().is_empty() => {}
                found if found != COLUMNS.len() => {
                    return Err(ImportError::Fields { file: self.file.to_owned(), line: self.line, found });
                }
                _ => return Ok(true),
            }
        }
    }

    fn field(&self, column: usize) -> &[u8] {
        self.row[column].trim_ascii()
    }

    fn time(&mut self) -> Result<u64, ImportError> {
        const COLUMN: usize = 0;
        let seconds: Option<f64> = self.parsed(COLUMN);
        // What is larger is not exact to the microsecond any more.
        let micros = seconds.map(|seconds| (seconds * 1e6).round()).filter(|micros| (0.0..9e15).contains(micros));
        let Some(at_us) = micros.map(|micros| micros as u64) else {
            return Err(self.wrong(COLUMN, "seconds, such as 12.345678,".to_owned()));
        };
        let first_us = *self.first_us.get_or_insert(if self.how.from_first { at_us } else { 0 });
        let Some(at_us) = at_us.checked_sub(first_us).filter(|&at_us| at_us >= self.before_us) else {
            let before_us = first_us + self.before_us;
            let before = format!("{}.{:06}", before_us / 1_000_000, before_us % 1_000_000);
            return Err(
                self.wrong(COLUMN, format!("{before} or more, as in the row before (`sort -n` puts rows in order),"))
            );
        };
        if at_us > TIME_MAX_US {
            let most = format!(
                "{} seconds after the begin at the most (--from-first counts from the first row, whatever its time)",
                TIME_MAX_US / 1_000_000
            );
            return Err(self.wrong(COLUMN, most));
        }
        self.before_us = at_us;
        Ok(at_us)
    }

    fn user(&mut self) -> Result<u32, ImportError> {
        const COLUMN: usize = 1;
        if self.how.numbers {
            let number = self.parsed(COLUMN).filter(|&user| user < USERS_MAX);
            return number.ok_or_else(|| self.wrong(COLUMN, format!("a number below {USERS_MAX}")));
        }
        let name = self.row[COLUMN].trim_ascii();
        if name.is_empty() {
            return Err(self.wrong(COLUMN, "a name or a number".to_owned()));
        }
        let next = self.users.len() as u32;
        // 128 bits under a key that is drawn for each import: no two names have the same.
        let user = *self.users.entry(self.names.hash(name).as_u128()).or_insert(next);
        if user >= USERS_MAX {
            return Err(self.wrong(COLUMN, format!("one of the {USERS_MAX} users before")));
        }
        Ok(user)
    }

    fn kind(&self) -> Result<Kind, ImportError> {
        const KIND: usize = 2;
        const CATEGORY: usize = 3;
        const BYTES: usize = 4;
        let kind = match self.field(KIND) {
            kind if kind == PUBLISH.as_bytes() => {
                let category =
                    self.parsed(CATEGORY).filter(|&category: &u8| usize::from(category) < fanfare::CATEGORIES);
                let expected = || format!("a number below {}", fanfare::CATEGORIES);
                let category = category.ok_or_else(|| self.wrong(CATEGORY, expected()))?;
                let bytes = self.parsed(BYTES).filter(|&bytes| bytes <= super::DOCUMENT_BYTES_MAX);
                let expected = || format!("a number up to {}", super::DOCUMENT_BYTES_MAX);
                return Ok(Kind::Publish { category, bytes: bytes.ok_or_else(|| self.wrong(BYTES, expected()))? });
            }
            kind if kind == PUBLISH_IDLE.as_bytes() => Kind::PublishIdle,
            kind if kind == EDIT_POLICY.as_bytes() => Kind::EditPolicy,
            kind => {
                let event = SessionEvent::ALL.into_iter().find(|event| event.word().as_bytes() == kind);
                Kind::Session(event.ok_or_else(|| {
                    let words = SessionEvent::ALL.map(SessionEvent::word).join(", ");
                    self.wrong(KIND, format!("{PUBLISH}, {PUBLISH_IDLE}, {EDIT_POLICY}, or one of {words},"))
                })?)
            }
        };
        for column in [CATEGORY, BYTES] {
            if !matches!(self.field(column), b"" | b"0") {
                return Err(self.wrong(column, "nothing, or 0, for what is no publication that is shown,".to_owned()));
            }
        }
        Ok(kind)
    }

    fn parsed<T: std::str::FromStr>(&self, column: usize) -> Option<T> {
        std::str::from_utf8(self.field(column)).ok()?.parse().ok()
    }

    fn wrong(&self, column: usize, expected: String) -> ImportError {
        ImportError::Field {
            file: self.file.to_owned(),
            line: self.line,
            column: COLUMNS[column],
            found: shown(self.field(column)),
            expected,
        }
    }
}

impl<R: Read> Iterator for Rows<'_, R> {
    type Item = Result<Event, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

/// A field as it is shown to people.
fn shown(field: &[u8]) -> String {
    let begin = &field[..field.len().min(SHOWN_BYTES)];
    format!("{}{}", begin.escape_ascii(), if begin.len() < field.len() { "…" } else { "" })
}
