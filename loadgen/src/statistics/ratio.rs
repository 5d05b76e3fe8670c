//! How much more B is than A, and between what limits that lies.
//!
//! What is estimated is the ratio of geometric means, so that B over A is one over A over B, and a figure counts by its
//! share whatever its size. Runs come in pairs that ran one after the other: what the machine did to both cancels. And where
//! both draw from the same noise, the difference of their logarithms is symmetric however skewed the noise is.
//!
//! The limits come from a bootstrap of Student's t, in which every resample has its own spread; the percentiles of resampled
//! means would hold the truth nine times of ten where they say 95 of 100. Pairs are resampled by the signs of what they are
//! off (a wild bootstrap), which that symmetry allows: drawing eight pairs with replacement makes limits half as wide again,
//! and they hold no more. Results that are no pairs may be skewed, and are drawn with replacement. Either way the limits are
//! never narrower than Student's own, for a bootstrap of few values knows nothing of what it has not seen. Beyond what can be
//! counted the limits widen as Student's do, from where the resamples end. The tests below
//! run experiments on noise of five shapes and count how often the limits hold the truth.

use rand_xoshiro::rand_core::Rng;
use thiserror::Error;

use super::draw::below;
use super::quantiles::{student_beyond, student_within};
use super::{mean_of, variance_of};

/// Resamples. One more makes it five thousand steps of p.
const RESAMPLES: usize = 4_999;
/// The furthest so many resamples say how far off the tail is, and Student's t how it falls from there on: to count what is
/// as rare as one of a hundred thousand, which Holm's correction asks for after an early look, takes too many.
const TAIL: usize = 10;
/// Of fewer nobody knows the spread.
pub const SAMPLES_MIN: usize = 3;
/// More than these add nothing but time.
pub const SAMPLES_MAX: usize = 10_000;
/// A difference that is to be found nine times of ten is so many standard errors beyond the limit of chance.
const NINE_OF_TEN: f64 = 1.2816;

/// Why there is no ratio.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum NoRatio {
    /// Too few.
    #[error("{0} of each cannot tell how much they scatter: at least {SAMPLES_MIN} are needed")]
    TooFew(usize),
    /// Too many.
    #[error("{0} are more than the {SAMPLES_MAX} that can be compared")]
    TooMany(usize),
    /// A ratio to zero, or to what is not a number.
    #[error("no ratio, as one of the values is {0}")]
    NotPositive(f64),
}

/// A ratio B/A with what is known of its error.
#[derive(Clone, Debug)]
pub struct Estimate {
    log_ratio: f64,
    /// The standard error of it.
    error: f64,
    freedom: f64,
    /// How far the resamples were off, in their own standard errors; ascending.
    off: Vec<f64>,
    /// How far the rounding of the figures alone may have moved it.
    rounding: f64,
}

impl Estimate {
    /// Of pairs (A, B) that ran one after the other. `step` is what the figures are rounded to.
    ///
    /// # Errors
    /// Too few, too many, or a value of which there is no ratio.
    pub fn of_pairs(pairs: &[(f64, f64)], step: f64, rng: &mut impl Rng) -> Result<Self, NoRatio> {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let (logs_a, logs_b) = (logarithms(&a)?, logarithms(&b)?);
        let differences: Vec<f64> = logs_a.iter().zip(&logs_b).map(|(a, b)| b - a).collect();
        let (log_ratio, error) = (mean_of(&differences), error_of(&differences));
        let mut drawn = vec![0.0; differences.len()];
        let off = resamples(|| {
            for (place, difference) in drawn.iter_mut().zip(&differences) {
                let sign = if rng.next_u64() >> 63 == 0 { 1.0 } else { -1.0 };
                *place = sign * (difference - log_ratio);
            }
            (mean_of(&drawn), error_of(&drawn))
        });
        let freedom = differences.len() as f64 - 1.0;
        Ok(Self { log_ratio, error, freedom, off, rounding: rounding(&logs_a, &logs_b, step) })
    }

    /// Of results that have nothing to do with each other, such as saved ones.
    ///
    /// # Errors
    /// Too few, too many, or a value of which there is no ratio.
    pub fn of_samples(a: &[f64], b: &[f64], step: f64, rng: &mut impl Rng) -> Result<Self, NoRatio> {
        let (logs_a, logs_b) = (logarithms(a)?, logarithms(b)?);
        let log_ratio = mean_of(&logs_b) - mean_of(&logs_a);
        let squares = [error_of(&logs_a).powi(2), error_of(&logs_b).powi(2)];
        let error = (squares[0] + squares[1]).sqrt();
        let (mut drawn_a, mut drawn_b) = (vec![0.0; a.len()], vec![0.0; b.len()]);
        let off = resamples(|| {
            fill(&mut drawn_a, &logs_a, rng);
            fill(&mut drawn_b, &logs_b, rng);
            let moved = mean_of(&drawn_b) - mean_of(&drawn_a) - log_ratio;
            (moved, error_of(&drawn_a).hypot(error_of(&drawn_b)))
        });
        // Welch and Satterthwaite's: the two need not scatter alike.
        let parts = squares[0].powi(2) / (a.len() as f64 - 1.0) + squares[1].powi(2) / (b.len() as f64 - 1.0);
        // Downwards, which is the careful side.
        let freedom = if parts > 0.0 { (error.powi(4) / parts).floor().max(1.0) } else { 1.0 };
        Ok(Self { log_ratio, error, freedom, off, rounding: rounding(&logs_a, &logs_b, step) })
    }

    /// B/A.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.log_ratio.exp()
    }

    /// Whether both were the same each time, as far as they are rounded: what is counted is, what is timed is not.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.error == 0.0 && self.log_ratio.abs() <= self.rounding
    }

    /// The limits of B/A at a confidence.
    #[must_use]
    pub fn limits(&self, confidence: f64) -> (f64, f64) {
        let reach = self.reach(confidence);
        ((self.log_ratio - reach).exp(), (self.log_ratio + reach).exp())
    }

    /// How likely a difference like this one is where there is none.
    #[must_use]
    pub fn p(&self) -> f64 {
        let apart = self.log_ratio.abs() - self.rounding;
        if apart <= 0.0 {
            return 1.0;
        }
        if self.error == 0.0 {
            // The same difference each time: such figures are counted, not timed.
            return 0.0;
        }
        let errors = apart / self.error;
        let further = self.off.len() - self.off.partition_point(|&off| off < errors);
        let bootstrap = if further < TAIL {
            student_beyond(errors / self.tail_stretch(), self.freedom)
        } else {
            (further + 1) as f64 / (self.off.len() + 1) as f64
        };
        bootstrap.max(student_beyond(errors, self.freedom))
    }

    /// The share by which B would have had to differ to be told so nine times of ten.
    #[must_use]
    pub fn tellable(&self, confidence: f64) -> f64 {
        (self.reach(confidence) + NINE_OF_TEN * self.error).exp() - 1.0
    }

    /// Half the width of the limits, as a difference of logarithms.
    fn reach(&self, confidence: f64) -> f64 {
        if self.error == 0.0 {
            return self.rounding;
        }
        let beyond = ((1.0 - confidence) * (self.off.len() + 1) as f64 + 1e-9) as usize;
        let student = student_within(confidence, self.freedom);
        let bootstrap = if beyond < TAIL {
            student * self.tail_stretch()
        } else {
            self.off.get(self.off.len() - beyond).copied().unwrap_or(f64::INFINITY)
        };
        bootstrap.max(student) * self.error + self.rounding
    }

    /// How much further off the tail begins than Student's t has it.
    fn tail_stretch(&self) -> f64 {
        let begins = self.off.get(self.off.len() - TAIL).copied().unwrap_or(f64::INFINITY);
        begins / student_within(1.0 - TAIL as f64 / (self.off.len() + 1) as f64, self.freedom)
    }
}

fn logarithms(values: &[f64]) -> Result<Vec<f64>, NoRatio> {
    if values.len() < SAMPLES_MIN {
        return Err(NoRatio::TooFew(values.len()));
    }
    if values.len() > SAMPLES_MAX {
        return Err(NoRatio::TooMany(values.len()));
    }
    let log = |&value: &f64| {
        let usable = value > 0.0 && value.is_finite();
        if usable { Ok(value.ln()) } else { Err(NoRatio::NotPositive(value)) }
    };
    values.iter().map(log).collect()
}

/// The standard error of a mean. What is left of a spread after rounding in binary is none.
fn error_of(values: &[f64]) -> f64 {
    let error = (variance_of(values) / values.len() as f64).sqrt();
    if error < 1e-12 { 0.0 } else { error }
}

fn fill(drawn: &mut [f64], from: &[f64], rng: &mut impl Rng) {
    for place in drawn {
        *place = from[below(from.len(), rng)];
    }
}

/// How far resamples are off, in their own errors, ascending. One that is the same value each time knows no error of its own:
/// it is further off than any.
fn resamples(mut draw: impl FnMut() -> (f64, f64)) -> Vec<f64> {
    let mut off: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let (moved, error) = draw();
            if error > 0.0 { moved.abs() / error } else { f64::INFINITY }
        })
        .collect();
    off.sort_by(f64::total_cmp);
    off
}

/// Each figure is off by half a step at most.
fn rounding(logs_a: &[f64], logs_b: &[f64], step: f64) -> f64 {
    0.5 * step * ((-mean_of(logs_a)).exp() + (-mean_of(logs_b)).exp())
}

#[cfg(test)]
mod tests;
