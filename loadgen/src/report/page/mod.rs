//! The report as one page: HTML that needs nothing else, no script, no network, and works from a file.
//!
//! Made on the main thread from one [`Report`], or from several laid one over the other. Every text that comes from a report
//! is escaped by the template; only pictures, which are drawn here, are put in as they are. Each plot has its numbers beside
//! it, so nothing is told by a picture alone, and each series its shape and dashes, so nothing is told by colour alone.

mod axis;
mod chart;
mod cost;
mod curve;
mod facts;
mod fan_out;
mod heat;
mod over_time;
mod plot;
mod throughput;
mod traffic;

use askama::Template;
use thiserror::Error;

pub use chart::ChartError;
use facts::{Figure, Verdict};
use plot::{Plot, Table};

use super::Report;

/// Results that can be told apart in one plot.
pub const SUBJECTS_MAX: usize = chart::SERIES;

/// Characters of a file's name in a legend.
const NAME_MAX: usize = 40;

/// Why there is no page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PageError {
    /// None or too many.
    #[error("{0} results: a page shows from 1 to {SUBJECTS_MAX}, for more cannot be told apart")]
    Subjects(usize),
    /// A picture.
    #[error("the page could not be drawn: {0}")]
    Chart(#[from] ChartError),
    /// The page itself.
    #[error("the page could not be made: {0}")]
    Template(#[from] askama::Error),
}

/// A result to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What it is called: its file.
    pub name: &'a str,
    /// What it says.
    pub report: &'a Report,
}

impl Subject<'_> {
    fn label(&self) -> String {
        // The end tells more than the folders in front of it.
        let skipped = self.name.chars().count().saturating_sub(NAME_MAX);
        let begin = if skipped == 0 { "" } else { "…" };
        let name: String = begin.chars().chain(self.name.chars().skip(skipped)).collect();
        let commit: String = self.report.commit.chars().take(12).collect();
        format!("{name} ({commit})")
    }

    /// What follows the title of a plot that shows this one alone, of so many on the page.
    fn suffix(&self, of: usize) -> String {
        if of == 1 { String::new() } else { format!(": {}", self.label()) }
    }

    /// Why nothing is drawn over time.
    fn without_series(&self) -> &'static str {
        match self.report {
            report if report.latency_us.last.count == 0 => "nothing was measured",
            // Curves have been saved for as long as series have.
            report if report.series.is_none() && report.curves.is_some() => {
                "the end of this run was not known beforehand, and so neither were its intervals"
            }
            _ => "the result was saved without a series",
        }
    }

    /// A number that stands for it beside a row, where there is room for no more and there are several.
    fn number(&self, of: usize, at: usize) -> String {
        if of == 1 { String::new() } else { format!(" {}", at + 1) }
    }

    fn numbered(&self, of: usize, at: usize) -> String {
        if of == 1 { self.label() } else { format!("{}: {}", at + 1, self.label()) }
    }
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    verdicts: Vec<Verdict>,
    names: Vec<String>,
    summary: Vec<Figure>,
    plots: Vec<Plot>,
    missing: Vec<String>,
    environment: Table,
    phases: Vec<(String, Table)>,
}

/// The page.
///
/// # Errors
/// Too many results. Pictures and templates do not fail for what a report says.
pub fn render(subjects: &[Subject<'_>]) -> Result<String, PageError> {
    if subjects.is_empty() || subjects.len() > SUBJECTS_MAX {
        return Err(PageError::Subjects(subjects.len()));
    }
    let mut plots = Vec::new();
    let mut missing = Vec::new();
    let mut add = |plot: Option<Plot>, without: &str| match plot {
        Some(plot) => plots.push(plot),
        None => missing.push(without.to_owned()),
    };
    let undrawn = |title: &str, subject: &Subject<'_>| {
        format!("{title}{}: not drawn: {}.", subject.suffix(subjects.len()), subject.without_series())
    };
    // Only where none has it, nothing is drawn of what all share.
    let undrawn_of_all = |title: &str| {
        let [one] = subjects else { return format!("{title}: not drawn: no result has a series.") };
        undrawn(title, one)
    };
    add(curve::plot(subjects)?, "There is no percentile curve: nothing was measured.");
    for (number, subject) in subjects.iter().enumerate() {
        add(heat::plot(subject, subjects.len(), number)?, &undrawn(heat::TITLE, subject));
    }
    add(
        throughput::plot(subjects)?,
        "Throughput against latency is shown for `loadgen capacity`, which tries several rates.",
    );
    add(fan_out::plot(subjects)?, "There is no fan-out completion: nothing was measured.");
    add(over_time::skipped(subjects)?, &undrawn_of_all(over_time::SKIPPED_TITLE));
    add(over_time::sent(subjects)?, &undrawn_of_all(over_time::SENT_TITLE));
    add(traffic::plot(subjects)?, "There was no traffic.");
    add(cost::plot(subjects)?, "What a notification costs is not known: nothing was measured.");
    let page = Page {
        title: match subjects {
            [one] => format!("Fanfare {}: {}", one.report.config.purpose, one.report.verdict),
            many => format!("Fanfare: {} results", many.len()),
        },
        verdicts: subjects.iter().map(Verdict::of).collect(),
        names: subjects.iter().map(Subject::label).collect(),
        summary: facts::summary(subjects),
        plots,
        missing,
        environment: facts::environment(subjects),
        phases: subjects.iter().map(|subject| (subject.label(), facts::phases(subject.report))).collect(),
    };
    Ok(page.render()?)
}
