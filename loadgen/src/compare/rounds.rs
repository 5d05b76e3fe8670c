//! The rounds of a comparison: pairs of runs until it is decided, or there are as many as were asked for.
//!
//! Who runs them is passed in, so that tests compare thousands of simulated sides in a second.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde::Serialize;

use super::answer::{self, Question};
use super::order::{self, Letter};
use crate::report::figures::Values;
use crate::report::likeness::Likeness;
use crate::statistics::looks::Looks;

/// So many runs may fail before it is given up: what fails so often cannot be compared.
const FAILURES_MAX: usize = 4;

/// One run that is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub side: Letter,
    /// The pair, from 0.
    pub pair: usize,
    /// What everything random in it is drawn from; the same for both of a pair.
    pub seed: u64,
}

/// What a result says, as far as a comparison looks at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Its figures.
    pub values: Values,
    /// What it was measured on and with.
    pub likeness: Likeness,
    /// The commit that was measured.
    pub commit: String,
    /// Whether it is that of a search for capacity.
    pub is_search: bool,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A result with a PASS.
    Passed(Box<Measured>),
    /// A FAIL, or no result; and why.
    Failed(Vec<String>),
}

/// A run that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Whose.
    pub side: Letter,
    /// The pair, from 1 as people count.
    pub pair: usize,
    /// Why.
    pub reasons: Vec<String>,
}

/// All that was run, or read.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// A's results.
    pub a: Vec<Measured>,
    /// B's; where `paired`, in the same order.
    pub b: Vec<Measured>,
    /// Whether the results come in pairs.
    pub paired: bool,
    /// Runs that do not count.
    pub failures: Vec<Failure>,
    /// Whether it was given up, or interrupted.
    pub broken_off: Option<String>,
    /// How sure the last look has to be.
    pub confidence: f64,
}

/// Runs pairs until the question is answered.
///
/// # Errors
/// What makes it senseless to go on, such as an interruption or a program that does not start.
pub fn run<E>(
    question: &Question,
    rounds: usize,
    seed: u64,
    mut one: impl FnMut(Turn) -> Result<Outcome, E>,
) -> Result<Runs, E> {
    let looks = Looks::new(rounds, question.confidence);
    let mut runs = Runs { paired: true, confidence: looks.last(), ..Runs::default() };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for (pair, first) in order::of(rounds, seed).into_iter().enumerate() {
        let mut both: [Option<Measured>; 2] = [None, None];
        for side in [first, first.other()] {
            match one(Turn { side, pair, seed: seed.wrapping_add(pair as u64) })? {
                Outcome::Passed(measured) => both[side as usize] = Some(*measured),
                Outcome::Failed(reasons) => runs.failures.push(Failure { side, pair: pair + 1, reasons }),
            }
        }
        // One whose other failed has nobody to be compared with.
        if let [Some(a), Some(b)] = both {
            runs.a.push(a);
            runs.b.push(b);
        }
        if runs.failures.len() >= FAILURES_MAX {
            let failed = runs.failures.len();
            runs.broken_off = Some(format!("given up after {failed} runs that failed or were no PASS"));
            break;
        }
        // Early looks are for those who have lost no pair: they were planned for so many.
        let may_look = runs.failures.is_empty() && pair + 1 < rounds;
        let Some(confidence) = looks.confidence_at(pair + 1).filter(|_| may_look) else { continue };
        if answer::decided(question, &runs, confidence, &mut rng) {
            runs.confidence = confidence;
            break;
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests;
