//! Sides that were measured before: results in files.

use super::CompareError;
use super::order::Letter;
use super::rounds::{Failure, Measured, Runs};
use crate::report::likeness::Likeness;
use crate::report::saved::Saved;
use crate::report::{Report, figures, files};

impl Measured {
    /// What a comparison looks at of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self {
            values: figures::values(report),
            likeness: Likeness::of(report),
            commit: report.commit.clone(),
            is_search: report.capacity.is_some(),
        }
    }
}

/// Reads both sides.
///
/// # Errors
/// A file that is no report, or results of one side that were not measured alike.
pub fn read(patterns: [&str; 2], confidence: f64) -> Result<Runs, CompareError> {
    let mut runs = Runs { confidence, ..Runs::default() };
    for (letter, pattern) in [Letter::A, Letter::B].into_iter().zip(patterns) {
        let mut side: Vec<Measured> = Vec::new();
        for (place, file) in files::find(pattern)?.into_iter().enumerate() {
            let report = Saved::read(&file)?.report;
            if !report.passed() {
                let reasons = std::iter::once(file.display().to_string()).chain(report.reasons).collect();
                runs.failures.push(Failure { side: letter, pair: place + 1, reasons });
                continue;
            }
            let measured = Measured::of(&report);
            if let Some((name, one, other)) =
                side.first().and_then(|first| first.likeness.differences(&measured.likeness).into_iter().next())
            {
                return Err(CompareError::Unlike { pattern: pattern.to_owned(), file, name, one, other });
            }
            side.push(measured);
        }
        match letter {
            Letter::A => runs.a = side,
            Letter::B => runs.b = side,
        }
    }
    Ok(runs)
}
