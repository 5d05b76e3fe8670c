//! The history for people: for each series a line of blocks, a table, and its changes.

use std::fmt::Write;

use super::series::{Change, History, Point, Series};
use crate::report::figures::number;

/// As wide as a narrow terminal.
const COLUMNS: usize = 72;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// As long as the bars of the table get.
const BAR: usize = 24;

/// The history as text.
#[must_use]
pub(super) fn render(history: &History, rows: usize) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut page, history, rows);
    page
}

fn write_all(page: &mut String, history: &History, rows: usize) -> std::fmt::Result {
    for (place, series) in history.series.iter().enumerate() {
        head(page, series, place, history.series.len())?;
        let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
        writeln!(page, "  {}\n", sparkline(&values))?;
        table(page, series, rows)?;
        writeln!(page)?;
        if series.changes.is_empty() {
            writeln!(page, "  no change that is {:.1} % sure", 100.0 * history.confidence)?;
        }
        for change in &series.changes {
            tell(page, change, series)?;
        }
        for warning in &series.warnings {
            writeln!(page, "  WARNING  {warning}")?;
        }
    }
    if !history.left_out.is_empty() {
        writeln!(page, "\nLeft out     {} files", history.left_out.len())?;
        for why in &history.left_out {
            writeln!(page, "             {why}")?;
        }
    }
    Ok(())
}

fn head(page: &mut String, series: &Series, place: usize, of: usize) -> std::fmt::Result {
    let get = |key: &str| series.config.get(key).map_or("?", String::as_str);
    let host = |key: &str| series.host.get(key).map_or("?", String::as_str);
    writeln!(page, "\nSeries {} of {of}  {}: {} results", place + 1, series.title, series.points.len())?;
    writeln!(
        page,
        "  {} of {}: {} users, {} shards, on {}, {} CPUs, {} GiB",
        get("purpose"),
        get("target"),
        get("users"),
        get("shards"),
        host("cpu"),
        host("cores"),
        host("memory_gib")
    )?;
    for (name, there, here) in &series.apart {
        writeln!(page, "  apart from series 1 by {name}: {here}, not {there}")?;
    }
    Ok(())
}

/// Values as blocks between the lowest and the highest; neighbours share a column where there are too many.
fn sparkline(values: &[f64]) -> String {
    let share = values.len().div_ceil(COLUMNS).max(1);
    let columns: Vec<f64> = values.chunks(share).map(crate::statistics::median_of).collect();
    let low = columns.iter().copied().fold(f64::INFINITY, f64::min);
    let high = columns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let block = |&value: &f64| {
        let height = if high > low { (value - low) / (high - low) } else { 0.5 };
        BLOCKS[((height * 7.0).round() as usize).min(7)]
    };
    columns.iter().map(block).collect()
}

fn table(page: &mut String, series: &Series, rows: usize) -> std::fmt::Result {
    let skipped = series.points.len().saturating_sub(rows);
    if skipped > 0 {
        writeln!(page, "  … {skipped} older ones, which --rows would show")?;
    }
    let highest = series.points.iter().map(|point| point.value).fold(0.0, f64::max);
    for (place, point) in series.points.iter().enumerate().skip(skipped) {
        if series.changes.iter().any(|change| change.at == place) {
            writeln!(page, "  {}", "-".repeat(COLUMNS))?;
        }
        let length = if highest > 0.0 { (BAR as f64 * point.value / highest).round() as usize } else { 0 };
        writeln!(
            page,
            "  {:<20}  {:<12}  {:>14}  {}",
            when(point),
            point.commit,
            number(point.value),
            "#".repeat(length.min(BAR))
        )?;
    }
    Ok(())
}

/// When it began; its file's name where it does not say.
fn when(point: &Point) -> String {
    if point.began.is_empty() {
        point.file.file_stem().unwrap_or_default().to_string_lossy().chars().take(20).collect()
    } else {
        point.began.clone()
    }
}

fn tell(page: &mut String, change: &Change, series: &Series) -> std::fmt::Result {
    let Change { before, after, .. } = change;
    writeln!(
        page,
        "  CHANGE   {} from result {} on: {} to {}{}, between commits {} and {}; p = {:.4}",
        change.word,
        change.at + 1,
        number(*before),
        number(*after),
        by(*before, *after),
        change.commit_before,
        change.commit_after,
        change.p
    )?;
    if change.earliest < change.latest {
        let commit = |place: usize| series.points[place.min(series.points.len() - 1)].commit.as_str();
        writeln!(
            page,
            "           with 90 % the first of the new level is one of results {} to {} (commits {} to {})",
            change.earliest + 1,
            change.latest + 1,
            commit(change.earliest),
            commit(change.latest)
        )?;
    }
    if change.kernel_changed {
        writeln!(page, "           the kernel changed there, too")?;
    }
    Ok(())
}

/// The change as a share of what was; of nothing there is none.
fn by(before: f64, after: f64) -> String {
    if before == 0.0 { String::new() } else { format!(" ({:+.1} %)", 100.0 * (after / before - 1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_its_share_where_there_is_one() {
        assert_eq!((by(200.0, 230.0).as_str(), by(0.0, 3.0).as_str()), (" (+15.0 %)", ""));
    }

    #[test]
    fn a_line_of_blocks_follows_the_values() {
        assert_eq!(sparkline(&[1.0, 2.0, 8.0, 8.0]), "▁▂██");
        assert_eq!(sparkline(&[5.0, 5.0]), "▅▅");
        assert_eq!(sparkline(&vec![1.0; 500]).chars().count(), 500usize.div_ceil(7));
        assert_eq!(sparkline(&[]), "");
    }
}
