//! Saved reports, read back: files that somebody kept, edited, cut off, or made with another version of this program.
//!
//! The number of the schema is looked at before the rest, so that a newer report is not taken for a broken one. The
//! invariant: in a [`Report`] that was read all lists of a series are equally long, and every histogram is one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::histogram::{HistogramError, decode};
use super::{Curve, Report, Series, SeriesUs};

/// The schema that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// Bytes of the largest file that is read: a report is half a megabyte.
const BYTES_MAX: u64 = 64 << 20;

/// Intervals of the longest series, and edges of its cells: ten times what is written, so that a page stays a page.
const INTERVALS_MAX: usize = 1_000;

/// Rows of the longest table of something else: no searches try so many points.
const ROWS_MAX: usize = 10_000;

/// Why a saved report cannot be shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SavedError {
    /// It cannot be read.
    #[error("{}: cannot be read: {cause}", file.display())]
    Read {
        /// Its path.
        file: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// It is far too long to be one.
    #[error("{}: longer than {} MiB, which no report is", file.display(), BYTES_MAX >> 20)]
    Long {
        /// Its path.
        file: PathBuf,
    },
    /// It ends in the middle of what it says.
    #[error("{}:{line}:{column}: it ends here, in the middle: it was cut off", file.display())]
    Cut {
        /// Its path.
        file: PathBuf,
        /// Its last line.
        line: usize,
        /// The last column of that.
        column: usize,
    },
    /// It is no JSON, or a value is not what it should be.
    #[error("{}:{}:{}: {}", file.display(), cause.line(), cause.column(), without_place(cause))]
    Json {
        /// Its path.
        file: PathBuf,
        /// What and where.
        cause: serde_json::Error,
    },
    /// It is JSON and no object.
    #[error("{}:1:1: expected a report, which is an object with the key `schema`", file.display())]
    Shape {
        /// Its path.
        file: PathBuf,
    },
    /// It is of another schema.
    #[error("{}: key `schema` is {found}, but this loadgen reads schema {SCHEMA}: {}", file.display(), way_out(found))]
    Schema {
        /// Its path.
        file: PathBuf,
        /// What it says.
        found: serde_json::Value,
    },
    /// Lists that belong together are not equally long, or too long.
    #[error("{}: `{place}` has {found} entries, expected {expected}", file.display())]
    Entries {
        /// Its path.
        file: PathBuf,
        /// Which list.
        place: String,
        /// Its length.
        found: usize,
        /// What it should be.
        expected: String,
    },
    /// A number that cannot be.
    #[error("{}: `{place}` is {found}, expected {expected}", file.display())]
    Number {
        /// Its path.
        file: PathBuf,
        /// Which one.
        place: String,
        /// What it is.
        found: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// A text that should be a histogram.
    #[error("{}: `{place}`: {cause}", file.display())]
    Histogram {
        /// Its path.
        file: PathBuf,
        /// Which one.
        place: String,
        /// What is wrong with it.
        cause: HistogramError,
    },
}

/// `serde_json` ends its messages with the place, which stands in front here.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The last line of a text, and the last column of that, both counted from 1 as `serde_json` counts them.
fn end_of(text: &[u8]) -> (usize, usize) {
    let lines = text.split(|&byte| byte == b'\n');
    let last = lines.clone().next_back().map_or(0, <[u8]>::len);
    (lines.count(), last)
}

fn way_out(found: &serde_json::Value) -> &'static str {
    match found.as_u64() {
        Some(number) if number > u64::from(SCHEMA) => "a newer loadgen wrote it: read it with that one",
        Some(_) => "an older loadgen wrote it: read it with that one, or measure again",
        None => "it is not a report of loadgen, or the number was lost",
    }
}

/// A report and where it came from.
#[derive(Debug)]
pub struct Saved {
    /// The file's path, as it was given.
    pub name: String,
    /// What it says.
    pub report: Report,
}

/// What is looked at first.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: serde_json::Value,
}

impl Saved {
    /// Reads a file.
    ///
    /// # Errors
    /// Whatever is wrong with it, with its name and the place.
    pub fn read(file: &Path) -> Result<Self, SavedError> {
        let unreadable = |cause| SavedError::Read { file: file.to_owned(), cause };
        let mut text = Vec::new();
        File::open(file).map_err(unreadable)?.take(BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
        if text.len() as u64 > BYTES_MAX {
            return Err(SavedError::Long { file: file.to_owned() });
        }
        let name = file.to_string_lossy().into_owned();
        let report = Self::parse(&text, file)?;
        Ok(Self { name, report })
    }

    fn parse(text: &[u8], file: &Path) -> Result<Report, SavedError> {
        // Where a number is cut off, it is the number that is complained of: what counts is that nothing comes after it.
        let in_number = text.last().is_some_and(|last| b"0123456789+-.eE".contains(last));
        let (line, column) = end_of(text);
        let broken = |cause: serde_json::Error| match cause.is_eof()
            || in_number && (cause.line(), cause.column()) == (line, column)
        {
            true => SavedError::Cut { file: file.to_owned(), line, column },
            false => SavedError::Json { file: file.to_owned(), cause },
        };
        if text.trim_ascii_start().first().is_some_and(|&first| first != b'{') {
            return Err(SavedError::Shape { file: file.to_owned() });
        }
        let head: Head = serde_json::from_slice(text).map_err(broken)?;
        if head.schema.as_u64() != Some(SCHEMA.into()) {
            return Err(SavedError::Schema { file: file.to_owned(), found: head.schema });
        }
        let report: Report = serde_json::from_slice(text).map_err(broken)?;
        let check = Check { file };
        if let Some(curves) = &report.curves {
            let watchers = [("from_plan", &curves.from_plan), ("from_send", &curves.from_send)];
            for (from, of) in watchers {
                check.curve(&format!("curves.{from}.first"), &of.first)?;
                check.curve(&format!("curves.{from}.median"), &of.median)?;
                check.curve(&format!("curves.{from}.last"), &of.last)?;
            }
            check.curve("curves.generator_lag", &curves.generator_lag)?;
            check.curve("curves.generator_gap", &curves.generator_gap)?;
            check.curve("curves.shard_gap", &curves.shard_gap)?;
        }
        if let Some(series) = &report.series {
            check.series(series)?;
        }
        if let Some(capacity) = &report.capacity {
            check.at_most("capacity.points", capacity.points.len(), ROWS_MAX)?;
        }
        check.at_most("phases", report.phases.len(), ROWS_MAX)?;
        check.at_most("traffic", report.traffic.len(), ROWS_MAX)?;
        check.at_most("sessions", report.sessions.len(), ROWS_MAX)?;
        Ok(report)
    }
}

/// What the types do not say.
struct Check<'a> {
    file: &'a Path,
}

impl Check<'_> {
    fn curve(&self, place: &str, curve: &Curve) -> Result<(), SavedError> {
        self.at_most(&format!("{place}.points_us"), curve.points_us.len(), INTERVALS_MAX)?;
        for &(quantile, _) in &curve.points_us {
            if !(0.0..=1.0).contains(&quantile) {
                return Err(self.number(&format!("{place}.points_us"), quantile, "quantiles from 0 to 1"));
            }
        }
        self.histogram(&format!("{place}.histogram_us"), &curve.histogram_us)
    }

    fn series(&self, series: &Series) -> Result<(), SavedError> {
        if !(1e-3..=1e6).contains(&series.interval_s) {
            return Err(self.number("series.interval_s", series.interval_s, "seconds from 0.001 to a million"));
        }
        let count = series.publications_planned.len();
        self.at_most("series.publications_planned", count, INTERVALS_MAX)?;
        let lengths = [
            ("publications_sent", series.publications_sent.len()),
            ("notifications_delivered", series.notifications_delivered.len()),
            ("notifications_skipped", series.notifications_skipped.len()),
        ];
        for (name, length) in lengths {
            self.exactly(&format!("series.{name}"), length, count)?;
        }
        for (name, of) in
            [("first_us", &series.first_us), ("median_us", &series.median_us), ("last_us", &series.last_us)]
        {
            self.columns(name, of, count)?;
        }
        let cells = &series.last_cells;
        self.at_most("series.last_cells.edges_us", cells.edges_us.len(), INTERVALS_MAX)?;
        if !cells.counts.is_empty() {
            self.exactly("series.last_cells.counts", cells.counts.len(), count)?;
        }
        for (at, row) in cells.counts.iter().enumerate() {
            let edges = cells.edges_us.len();
            self.exactly(&format!("series.last_cells.counts[{at}]"), row.len(), edges.saturating_sub(1))?;
        }
        Ok(())
    }

    fn columns(&self, name: &str, of: &SeriesUs, count: usize) -> Result<(), SavedError> {
        let lengths = [
            ("p50", of.p50.len()),
            ("p90", of.p90.len()),
            ("p99", of.p99.len()),
            ("max", of.max.len()),
            ("count", of.count.len()),
            ("histograms_us", of.histograms_us.len()),
        ];
        for (column, length) in lengths {
            self.exactly(&format!("series.{name}.{column}"), length, count)?;
        }
        for (at, text) in of.histograms_us.iter().enumerate() {
            self.histogram(&format!("series.{name}.histograms_us[{at}]"), text)?;
        }
        Ok(())
    }

    fn histogram(&self, place: &str, text: &str) -> Result<(), SavedError> {
        let wrong = |cause| SavedError::Histogram { file: self.file.to_owned(), place: place.to_owned(), cause };
        decode(text).map(|_| ()).map_err(wrong)
    }

    fn exactly(&self, place: &str, found: usize, expected: usize) -> Result<(), SavedError> {
        if found == expected { Ok(()) } else { Err(self.entries(place, found, expected.to_string())) }
    }

    fn at_most(&self, place: &str, found: usize, most: usize) -> Result<(), SavedError> {
        if found <= most { Ok(()) } else { Err(self.entries(place, found, format!("at most {most}"))) }
    }

    fn entries(&self, place: &str, found: usize, expected: String) -> SavedError {
        SavedError::Entries { file: self.file.to_owned(), place: place.to_owned(), found, expected }
    }

    fn number(&self, place: &str, found: f64, expected: &'static str) -> SavedError {
        SavedError::Number { file: self.file.to_owned(), place: place.to_owned(), found, expected }
    }
}
