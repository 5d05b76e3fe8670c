//! Results in order of time, those of each machine and configuration apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand_xoshiro::rand_core::Rng;
use serde::Serialize;

use crate::report::figures::{self, Figure};
use crate::report::likeness::Likeness;
use crate::report::saved::Saved;
use crate::statistics::change::{self, SERIES_MAX, SERIES_MIN};

/// All series.
#[derive(Debug, Serialize)]
pub struct History {
    /// How sure a change has to be.
    pub confidence: f64,
    /// One for each machine and configuration.
    pub series: Vec<Series>,
    /// Files that are in none, and why.
    pub left_out: Vec<String>,
}

/// Results that were measured alike.
#[derive(Debug, Serialize)]
pub struct Series {
    /// The machine's parts.
    pub host: BTreeMap<String, String>,
    /// The configuration.
    pub config: BTreeMap<String, String>,
    /// What sets it apart from the first series: name, there, here.
    pub apart: Vec<(String, String, String)>,
    /// The figure, as `--figure` takes it.
    pub figure: &'static str,
    /// With its unit.
    pub title: &'static str,
    /// The results, oldest first.
    pub points: Vec<Point>,
    /// Where it changed.
    pub changes: Vec<Change>,
    /// What should be known.
    pub warnings: Vec<String>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When it began; empty if it does not say.
    pub began: String,
    /// What was measured.
    pub commit: String,
    /// On which kernel.
    pub kernel: String,
    /// Where it was read.
    pub file: PathBuf,
    /// The figure.
    pub value: f64,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The first result of the new level, from 0.
    pub at: usize,
    /// With 90 % the first result of the new level is one from this…
    pub earliest: usize,
    /// …to this.
    pub latest: usize,
    /// The commit of the last result of the old level.
    pub commit_before: String,
    /// The commit of the first result of the new level.
    pub commit_after: String,
    /// The median of the old level.
    pub before: f64,
    /// The median of the new level.
    pub after: f64,
    /// In a word, such as "slower".
    pub word: &'static str,
    /// How likely so much of a change is where there is none.
    pub p: f64,
    /// Whether the kernel changed there, too.
    pub kernel_changed: bool,
}

impl History {
    /// Reads files and finds the changes.
    #[must_use]
    pub fn read(files: &[PathBuf], figure: Option<&'static Figure>, confidence: f64, rng: &mut impl Rng) -> Self {
        let mut history = Self { confidence, series: Vec::new(), left_out: Vec::new() };
        let mut groups: BTreeMap<Likeness, (&'static Figure, Vec<Point>)> = BTreeMap::new();
        for file in files {
            match point(file, figure) {
                Ok((likeness, figure, point)) => {
                    groups.entry(likeness).or_insert((figure, Vec::new())).1.push(point);
                }
                Err(why) => history.left_out.push(why),
            }
        }
        // The one with most results first: the others are told by what sets them apart from it.
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, (_, points))| std::cmp::Reverse(points.len()));
        let first = groups.first().map(|(likeness, _)| likeness.clone()).unwrap_or_default();
        for (likeness, (figure, points)) in groups {
            let apart = first.differences(&likeness);
            history.series.push(Series::of(likeness, apart, figure, points, confidence, rng));
        }
        history
    }
}

/// Reads one file.
fn point(file: &Path, figure: Option<&'static Figure>) -> Result<(Likeness, &'static Figure, Point), String> {
    let Saved { report, .. } = Saved::read(file).map_err(|error| error.to_string())?;
    if !report.passed() {
        return Err(format!("{}: {}: {}", file.display(), report.verdict, report.reasons.join("; ")));
    }
    let figure = figure.unwrap_or_else(|| Figure::deciding(report.capacity.is_some()));
    let Some(value) = figure.of(&figures::values(&report)) else {
        return Err(format!("{}: has no {}", file.display(), figure.name));
    };
    let likeness = Likeness::of(&report);
    let point =
        Point { began: report.began, commit: report.commit, kernel: report.host.kernel, file: file.to_owned(), value };
    Ok((likeness, figure, point))
}

impl Series {
    fn of(
        likeness: Likeness,
        apart: Vec<(String, String, String)>,
        figure: &'static Figure,
        mut points: Vec<Point>,
        confidence: f64,
        rng: &mut impl Rng,
    ) -> Self {
        let mut warnings = Vec::new();
        // They came by name. Where one does not say when it began, nobody knows its place among the others by time.
        if points.iter().all(|point| !point.began.is_empty()) {
            points.sort_by(|one, other| one.began.cmp(&other.began));
        } else {
            warnings.push("not every result says when it began: they are in the order of their file names".to_owned());
        }
        let count = points.len();
        if count < SERIES_MIN {
            warnings.push(format!("{count} results are too few to tell a change from noise: {SERIES_MIN} at least"));
        }
        if count > SERIES_MAX {
            warnings.push(format!("changes are sought in the newest {SERIES_MAX} of {count} results only"));
        }
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let changes = change::changes(&values, confidence, rng).into_iter().map(|found| Change {
            at: found.at,
            earliest: found.earliest,
            latest: found.latest,
            commit_before: points[found.at - 1].commit.clone(),
            commit_after: points[found.at].commit.clone(),
            before: found.before,
            after: found.after,
            word: figure.word_for(found.after / found.before),
            p: found.p,
            kernel_changed: points[found.at - 1].kernel != points[found.at].kernel,
        });
        let changes = changes.collect();
        let Likeness { host, config } = likeness;
        Self { host, config, apart, figure: figure.name, title: figure.title, points, changes, warnings }
    }
}
