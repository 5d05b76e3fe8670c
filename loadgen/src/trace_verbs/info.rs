//! What is in a trace, for a person: validated to its end first.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::report::screen;
use crate::sessions::SessionEvent;
use crate::trace::summary::Count;
use crate::trace::{BLOCK_RECORDS, Header, Summary, TraceError, file_bytes, files};

/// A page about a trace.
///
/// # Errors
/// Whatever is wrong with it.
pub(super) fn info(file: &Path) -> Result<String, TraceError> {
    let begin = Instant::now();
    let reader = files::read(file)?;
    let header = *reader.header();
    let summary = Summary::of(reader).map_err(|fault| TraceError::new(file, fault))?;
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = describe(&mut page, file, &header, &summary, begin.elapsed().as_secs_f64());
    Ok(page)
}

fn describe(
    page: &mut String,
    file: &Path,
    header: &Header,
    summary: &Summary,
    took_s: f64,
) -> Result<(), std::fmt::Error> {
    let name = file.display();
    writeln!(
        page,
        "File       {name}: format 2, {}, {} blocks, every checksum right (validated in {took_s:.2} s)",
        screen::bytes(file_bytes(header.records) as f64),
        screen::grouped(header.records.div_ceil(BLOCK_RECORDS as u64)),
    )?;
    writeln!(
        page,
        "Of         {} presence, users below {}, {}{}",
        if header.composed { "composed" } else { "plain" },
        screen::grouped(header.users.into()),
        header.seed.map_or_else(|| "no seed".to_owned(), |seed| format!("population drawn with --seed {seed}")),
        if header.anonymised { ", anonymised" } else { "" },
    )?;
    let span_s = summary.last_us as f64 / 1e6;
    writeln!(
        page,
        "Events     {} in {span_s:.6} s, {:.1} publications a second in the mean",
        screen::grouped(header.records),
        summary.rate_per_s(),
    )?;
    let categories = summary.publications.iter().enumerate();
    let kinds = categories.map(|(category, count)| (format!("publish, category {category}"), *count));
    let beside = [("publish-idle".to_owned(), summary.idle), ("edit-policy".to_owned(), summary.policies)];
    let sessions = SessionEvent::ALL.map(|event| (event.word().to_owned(), summary.sessions[event.number()]));
    for (name, Count { events, bytes }) in kinds.chain(beside).chain(sessions).filter(|(_, count)| count.events != 0) {
        let share = 100.0 * events as f64 / header.records as f64;
        let mean = if bytes == 0 {
            String::new()
        } else {
            format!(", documents of {} in the mean", screen::bytes(bytes as f64 / events as f64))
        };
        writeln!(page, "  {name:<22} {:>14}  {share:6.2} %{mean}", screen::grouped(events))?;
    }
    let seed = header.seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
    writeln!(page, "Replay     loadgen run --schedule trace:{name} --users {}{seed}", header.users.max(2))
}
