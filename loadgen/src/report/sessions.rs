//! What sessions did beside publishing, on the screen: planned, done, and what the model says.

use std::fmt::Write as _;

use super::Report;
use super::screen::{count, grouped};

/// A line for each kind; nothing where sessions do nothing.
pub(super) fn lines(page: &mut String, report: &Report) -> std::fmt::Result {
    if report.sessions.is_empty() {
        return Ok(());
    }
    writeln!(
        page,
        "  sessions       planned and done, beside what the model says for this time, and how far that is off"
    )?;
    for (name, kind) in &report.sessions {
        let says = format!("{}/s", count(kind.expected_per_s));
        writeln!(
            page,
            "    {:<28}{says:>12}  {:>11} planned, {} done, {:.1} expected ({:+.1} sigma)",
            name.replace('_', " "),
            grouped(kind.planned),
            grouped(kind.done),
            kind.expected,
            kind.sigmas,
        )?;
    }
    Ok(())
}
