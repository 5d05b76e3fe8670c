//! A trace as CSV: the columns that [`super::import`] reads, with users as numbers.

use std::io::Write;

use super::record::{Event, Kind};
use super::{Fault, Reader};

/// The columns.
pub const COLUMNS: [&str; 5] = ["time_s", "user", "kind", "category", "bytes"];

/// How kinds are written.
pub(super) const PUBLISH: &str = "publish";
pub(super) const PUBLISH_IDLE: &str = "publish-idle";
pub(super) const EDIT_POLICY: &str = "edit-policy";

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The trace.
    #[error(transparent)]
    Trace(#[from] Fault),
    /// The CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
}

/// Writes all events. Those before a fault are written before it is told.
///
/// # Errors
/// What is wrong with the trace, and what cannot be written.
pub fn export(reader: Reader<impl std::io::Read>, sink: impl Write) -> Result<u64, ExportError> {
    let mut rows = csv::Writer::from_writer(sink);
    rows.write_record(COLUMNS)?;
    let mut events = 0;
    for event in reader {
        let event = match event {
            Ok(event) => event,
            Err(fault) => {
                rows.flush().map_err(csv::Error::from)?;
                return Err(fault.into());
            }
        };
        write_row(&mut rows, &event)?;
        events += 1;
    }
    rows.flush().map_err(csv::Error::from)?;
    Ok(events)
}

fn write_row(rows: &mut csv::Writer<impl Write>, event: &Event) -> csv::Result<()> {
    let Event { at_us, user, kind } = *event;
    let time_s = format!("{}.{:06}", at_us / 1_000_000, at_us % 1_000_000);
    let user = user.to_string();
    match kind {
        Kind::Publish { category, bytes } => {
            rows.write_record([&time_s, &user, PUBLISH, &category.to_string(), &bytes.to_string()])
        }
        Kind::PublishIdle => rows.write_record([&time_s, &user, PUBLISH_IDLE, "", ""]),
        Kind::EditPolicy => rows.write_record([&time_s, &user, EDIT_POLICY, "", ""]),
        Kind::Session(event) => rows.write_record([&time_s, &user, event.word(), "", ""]),
    }
}
