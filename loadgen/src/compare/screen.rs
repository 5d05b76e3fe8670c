//! The comparison for people: the sentence last, where a terminal ends.

use std::fmt::Write;

use super::answer::{Compared, Comparison, percent, times};
use crate::report::figures::number;

/// The comparison as text.
#[must_use]
pub(super) fn render(comparison: &Comparison) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut page, comparison);
    page
}

fn write_all(page: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(page, "\nA            {}", comparison.a)?;
    writeln!(page, "B            {}", comparison.b)?;
    let [a, b] = comparison.counted;
    if comparison.paired {
        writeln!(page, "Counted      {a} pairs of runs")?;
    } else {
        writeln!(page, "Counted      {a} results of A, {b} of B, not in pairs")?;
    }
    for (name, a, b) in &comparison.differs {
        writeln!(page, "Differs      {name}: {a} / {b}")?;
    }
    for failure in &comparison.failures {
        let reasons = failure.reasons.join("; ").replace('\n', "\n             ");
        writeln!(page, "Failed       {:?}, {}: {reasons}", failure.side, failure.pair)?;
    }
    writeln!(
        page,
        "\n  {:<30}{:>14}{:>14}{:>10}   limits at {}",
        "figure",
        "A",
        "B",
        "B/A",
        percent(comparison.confidence_of_look)
    )?;
    for figure in &comparison.figures {
        line(page, figure)?;
    }
    if comparison.figures.len() > 1 {
        writeln!(page, "  * decides; the others are told apart only where that holds for all of them together")?;
    }
    for warning in &comparison.warnings {
        writeln!(page, "\nWARNING      {warning}")?;
    }
    writeln!(page, "\n{}", comparison.sentence)
}

fn line(page: &mut String, figure: &Compared) -> std::fmt::Result {
    let mark = if figure.decides { "*" } else { " " };
    write!(page, "{mark} {:<30}{:>14}{:>14}", figure.title, number(figure.a), number(figure.b))?;
    match (&figure.ratio, &figure.why_none) {
        (Some(ratio), _) => {
            let limits = format!("{} to {}", times(ratio.low), times(ratio.high));
            writeln!(page, "{:>10}   {limits:<16}  {}", times(ratio.ratio), figure.word)
        }
        (None, why) => writeln!(page, "{:>10}   {}", "-", why.as_deref().unwrap_or_default()),
    }
}
