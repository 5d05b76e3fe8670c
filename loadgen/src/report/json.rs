//! The report for machines: schema 1.

use super::Report;

/// The report as one JSON object.
#[must_use]
pub fn render(report: &Report) -> String {
    // Only strings, numbers and lists of them: nothing in it can fail to be written.
    serde_json::to_string_pretty(report).unwrap_or_else(|error| format!("{{\"schema\":1,\"error\":\"{error}\"}}"))
}
