//! What the runs say: each figure's ratio, and one sentence.
//!
//! One figure decides the sentence, named before anything is run. Whoever lets any of twelve figures decide is told
//! "different" of what is the same in every second comparison. The others are shown, each with its limits, and called
//! different only where Holm's correction for all of them allows it.

use std::collections::BTreeSet;

use rand_xoshiro::rand_core::Rng;
use serde::Serialize;

use super::rounds::{Failure, Measured, Runs};
use crate::report::figures::{FIGURES, Figure};
use crate::statistics::holm;
use crate::statistics::ratio::Estimate;

/// To be told that only ten times as much would be told tells nothing.
const TELLABLE_MAX: f64 = 9.0;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The figure that decides; the one for the purpose of the results if nothing is said.
    pub figure: Option<&'static Figure>,
    /// How sure the answer has to be.
    pub confidence: f64,
}

impl Question {
    /// The figure that decides.
    fn deciding(&self, runs: &Runs) -> &'static Figure {
        let is_search = runs.a.first().is_some_and(|measured| measured.is_search);
        self.figure.unwrap_or_else(|| Figure::deciding(is_search))
    }
}

/// The answer to which of two is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// B is better.
    Better,
    /// B is worse.
    Worse,
    /// What there is does not tell.
    CannotTell,
}

/// One figure of both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// As `--figure` takes it.
    pub name: &'static str,
    /// With its unit.
    pub title: &'static str,
    /// Whether the sentence is about it.
    pub decides: bool,
    /// A's geometric mean, or the plain one if there is a zero.
    pub a: f64,
    /// B's.
    pub b: f64,
    /// The ratio, where there is one.
    pub ratio: Option<Ratio>,
    /// Why there is none.
    pub why_none: Option<String>,
    /// What may be said, corrected for the number of figures.
    pub answer: Answer,
    /// In a word.
    pub word: &'static str,
}

/// B/A of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// B/A.
    pub ratio: f64,
    /// The lower limit.
    pub low: f64,
    /// The upper one.
    pub high: f64,
    /// How likely such a difference is where there is none.
    pub p: f64,
    /// The share by which B would have had to differ to be told so nine times of ten.
    pub tellable_share: f64,
}

/// The whole comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The form of this answer.
    pub schema: u32,
    /// What A is.
    pub a: String,
    /// What B is.
    pub b: String,
    /// The answer.
    pub answer: Answer,
    /// In one sentence.
    pub sentence: String,
    /// Whether there was anything to compare.
    pub answered: bool,
    /// How sure it had to be.
    pub confidence: f64,
    /// How sure the look that decided had to be, so that all looks together are as sure as that.
    pub confidence_of_look: f64,
    /// Whether the runs came in pairs.
    pub paired: bool,
    /// Results of A and of B that count.
    pub counted: [usize; 2],
    /// Each figure.
    pub figures: Vec<Compared>,
    /// What else is not the same: name, A's, B's.
    pub differs: Vec<(String, String, String)>,
    /// Runs that do not count.
    pub failures: Vec<Failure>,
    /// What should be known.
    pub warnings: Vec<String>,
}

/// Whether a look decides the question.
pub(super) fn decided(question: &Question, runs: &Runs, confidence: f64, rng: &mut impl Rng) -> bool {
    estimate(runs, question.deciding(runs), rng).is_ok_and(|estimate| estimate.p() <= 1.0 - confidence)
}

/// Answers.
#[must_use]
pub fn answer(question: &Question, sides: [String; 2], runs: Runs, rng: &mut impl Rng) -> Comparison {
    let deciding = question.deciding(&runs);
    let estimates: Vec<(&'static Figure, Result<Estimate, String>)> = FIGURES
        .iter()
        .filter(|figure| *figure == deciding || has(&runs, figure))
        .map(|figure| (figure, estimate(&runs, figure, rng)))
        .collect();
    let others: Vec<f64> =
        estimates.iter().filter(|(figure, _)| *figure != deciding).map(|(_, each)| p_of(each)).collect();
    let mut told = holm::told(&others, 1.0 - runs.confidence).into_iter();
    let figures: Vec<Compared> = estimates
        .iter()
        .map(|(figure, estimate)| {
            let decides = *figure == deciding;
            let is_told = if decides { p_of(estimate) <= 1.0 - runs.confidence } else { told.next() == Some(true) };
            compared(figure, estimate, is_told, decides, &runs)
        })
        .collect();
    let decisive = figures.iter().find(|figure| figure.decides);
    let answer = decisive.map_or(Answer::CannotTell, |figure| figure.answer);
    let sentence = decisive.map_or_else(String::new, |compared| sentence(compared, &runs, question));
    Comparison {
        schema: 1,
        answered: decisive.is_some_and(|figure| figure.ratio.is_some()) && runs.broken_off.is_none(),
        answer,
        sentence,
        confidence: question.confidence,
        confidence_of_look: runs.confidence,
        paired: runs.paired,
        counted: [runs.a.len(), runs.b.len()],
        figures,
        differs: differs(&runs),
        warnings: warnings(&runs),
        failures: runs.failures,
        a: sides[0].clone(),
        b: sides[1].clone(),
    }
}

/// Whether every result has the figure, and some of it.
fn has(runs: &Runs, figure: &Figure) -> bool {
    let all = || runs.a.iter().chain(&runs.b).map(|measured| value(measured, figure));
    all().all(|value| value.is_some()) && all().flatten().any(|value| value != 0.0)
}

fn value(measured: &Measured, figure: &Figure) -> Option<f64> {
    figure.of(&measured.values)
}

fn values(side: &[Measured], figure: &Figure) -> Vec<f64> {
    side.iter().filter_map(|measured| value(measured, figure)).collect()
}

fn estimate(runs: &Runs, figure: &Figure, rng: &mut impl Rng) -> Result<Estimate, String> {
    let (a, b) = (values(&runs.a, figure), values(&runs.b, figure));
    if a.len() < runs.a.len() || b.len() < runs.b.len() {
        return Err(format!("not every result has `{}`", figure.name));
    }
    let step = figure.step_of(center(&a).max(center(&b)));
    let estimate = if runs.paired {
        let pairs: Vec<(f64, f64)> = a.into_iter().zip(b).collect();
        Estimate::of_pairs(&pairs, step, rng)
    } else {
        Estimate::of_samples(&a, &b, step, rng)
    };
    estimate.map_err(|error| error.to_string())
}

fn p_of(estimate: &Result<Estimate, String>) -> f64 {
    estimate.as_ref().map_or(1.0, Estimate::p)
}

/// The geometric mean; the plain one if there is a zero.
fn center(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    if values.iter().all(|&value| value > 0.0) {
        (values.iter().map(|value| value.ln()).sum::<f64>() / count).exp()
    } else {
        values.iter().sum::<f64>() / count
    }
}

fn compared(
    figure: &'static Figure,
    estimate: &Result<Estimate, String>,
    told: bool,
    decides: bool,
    runs: &Runs,
) -> Compared {
    let ratio = estimate.as_ref().ok().map(|estimate| {
        let (low, high) = estimate.limits(runs.confidence);
        let tellable_share = estimate.tellable(runs.confidence);
        Ratio { ratio: estimate.ratio(), low, high, p: estimate.p(), tellable_share }
    });
    let answer = match ratio {
        Some(ratio) if told && runs.broken_off.is_none() => {
            if figure.is_better(ratio.ratio) {
                Answer::Better
            } else {
                Answer::Worse
            }
        }
        _ => Answer::CannotTell,
    };
    let word = match answer {
        Answer::Better => figure.words.0,
        Answer::Worse => figure.words.1,
        Answer::CannotTell if estimate.as_ref().is_ok_and(Estimate::is_same) => "the same",
        Answer::CannotTell => "cannot tell",
    };
    Compared {
        name: figure.name,
        title: figure.title,
        decides,
        a: center(&values(&runs.a, figure)),
        b: center(&values(&runs.b, figure)),
        ratio,
        why_none: estimate.as_ref().err().cloned(),
        answer,
        word,
    }
}

fn sentence(compared: &Compared, runs: &Runs, question: &Question) -> String {
    let of = if runs.paired {
        format!("{} pairs of runs", runs.a.len())
    } else {
        format!("{} results of A and {} of B", runs.a.len(), runs.b.len())
    };
    let sure = percent(question.confidence);
    let title = compared.title;
    let Some(ratio) = compared.ratio else {
        let why = runs.broken_off.as_deref().or(compared.why_none.as_deref()).unwrap_or("nothing was measured");
        return format!("cannot tell: {why}");
    };
    if let Some(why) = &runs.broken_off {
        return format!("cannot tell: {why}");
    }
    let by = format!(
        "{title} of B is {} times that of A (limits {} and {}), {sure} sure by {of}",
        times(ratio.ratio),
        times(ratio.low),
        times(ratio.high)
    );
    match compared.answer {
        Answer::Better | Answer::Worse => format!("B is {}: {by}", compared.word),
        Answer::CannotTell if ratio.tellable_share < TELLABLE_MAX => {
            let tellable = percent(ratio.tellable_share);
            format!("cannot tell: {by}; with this noise a difference of {tellable} would be told nine times of ten")
        }
        Answer::CannotTell => {
            format!("cannot tell: {of} that scatter so much are too few to be {sure} sure of anything")
        }
    }
}

/// A ratio with the digits that matter. Limits so wide say only that nothing is known.
pub(super) fn times(ratio: f64) -> String {
    if (0.01..100.0).contains(&ratio) { format!("{ratio:.3}") } else { "any".to_owned() }
}

/// A share in percent, with as many digits as it needs.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What differs between the sides beside what is measured.
fn differs(runs: &Runs) -> Vec<(String, String, String)> {
    let (Some(a), Some(b)) = (runs.a.first(), runs.b.first()) else { return Vec::new() };
    let mut differs = a.likeness.differences(&b.likeness);
    if a.commit != b.commit {
        differs.push(("commit".to_owned(), a.commit.clone(), b.commit.clone()));
    }
    differs
}

fn warnings(runs: &Runs) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (Some(a), Some(b)) = (runs.a.first(), runs.b.first())
        && a.likeness.host != b.likeness.host
    {
        warnings.push("A and B were measured on different machines: the ratio is of both together".to_owned());
    }
    for (name, side) in [("A", &runs.a), ("B", &runs.b)] {
        let commits: BTreeSet<&str> = side.iter().map(|measured| measured.commit.as_str()).collect();
        if commits.len() > 1 {
            let commits: Vec<&str> = commits.into_iter().collect();
            warnings.push(format!("{name} is of {} commits: {}", commits.len(), commits.join(", ")));
        }
    }
    if !runs.failures.is_empty() {
        let lost = if runs.paired { "; nor do the others of their pairs" } else { "" };
        warnings.push(format!(
            "failed, or no PASS, and not counted: {}{lost}. What remains is of what went well",
            runs.failures.len()
        ));
    }
    warnings.extend(runs.broken_off.clone());
    warnings
}
