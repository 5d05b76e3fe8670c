//! What figures say, and how sure that is: pure functions without files, clocks or threads.
//!
//! | Module | Question |
//! |---|---|
//! | [`ratio`] | how much more is B than A, and between what limits |
//! | [`looks`] | how sure a look must be when there are several, so that all of them together stay honest |
//! | [`holm`] | which of many figures differ |
//! | [`mean`] | between what limits the mean of a series lies whose neighbours are alike |
//! | [`trend`] | whether a series still rises or falls |
//! | [`steadiness`] | whether a series is steady: a warm-up while it lasts, a measurement when it is over |
//! | [`change`] | where a series of results changed |
//!
//! Invariant: everything random comes from the generator that the caller passes in, so that the same figures and the same
//! seed give the same answer. Cost: at most some tens of milliseconds a call; nothing here is for the time of a measurement
//! but [`steadiness`], which takes microseconds ten times a second.

pub mod change;
pub mod draw;
pub mod holm;
pub mod looks;
pub mod mean;
pub mod quantiles;
pub mod ratio;
pub mod steadiness;
pub mod trend;

/// The mean; 0 of nothing.
#[must_use]
pub fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The variance of what the values are drawn from; 0 of fewer than two.
#[must_use]
pub fn variance_of(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    squares / values.len().saturating_sub(1).max(1) as f64
}

/// The median; 0 of nothing.
#[must_use]
pub fn median_of(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}
