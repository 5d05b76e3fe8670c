//! Between what limits the mean of a series lies whose neighbours are alike.
//!
//! Latencies of one moment resemble those of the next, so the textbook's limits, made for independent values, are far too
//! narrow. Values are put together in batches long enough that their means no longer resemble each other; the limits come
//! from how those scatter, and what resemblance is left widens them.

use super::quantiles::student_within;
use super::{mean_of, variance_of};

/// Numbers of batches, tried in this order: more tell the spread better, fewer are longer and resemble each other less.
const BATCHES: [usize; 3] = [32, 16, 8];
/// Batches that resemble their neighbours less than this may be as many.
const CORRELATION_MAX: f64 = 0.1;

/// The mean of a series and its limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanLimits {
    /// The mean.
    pub mean: f64,
    /// The limits are so far from it, on either side.
    pub half_width: f64,
    /// Batches.
    pub batches: usize,
    /// How much a batch resembles the next, from −1 to 1.
    pub correlation: f64,
}

impl MeanLimits {
    /// Of a series, at a confidence; nothing if it has fewer than eight values.
    #[must_use]
    pub fn of(values: &[f64], confidence: f64) -> Option<Self> {
        let means = batches(values)?;
        let correlation = correlation(&means);
        let count = means.len() as f64;
        let widened = if correlation > 0.0 { (1.0 + correlation) / (1.0 - correlation) } else { 1.0 };
        let error = (variance_of(&means) / count * widened).sqrt();
        let student = student_within(confidence, count - 1.0);
        Some(Self { mean: mean_of(&means), half_width: student * error, batches: means.len(), correlation })
    }

    /// Half the width as a share of the mean; infinite where the mean is 0.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.half_width == 0.0 { 0.0 } else { self.half_width / self.mean.abs() }
    }
}

/// The means of batches that resemble each other as little as can be had; the oldest values that fill none are left out.
#[must_use]
pub fn batches(values: &[f64]) -> Option<Vec<f64>> {
    let of = |count: usize| -> Option<Vec<f64>> {
        let length = values.len() / count;
        (length > 0).then(|| values[values.len() - length * count..].chunks_exact(length).map(mean_of).collect())
    };
    let tried: Vec<Vec<f64>> = BATCHES.into_iter().filter_map(of).collect();
    let unlike = tried.iter().position(|means| correlation(means) < CORRELATION_MAX);
    unlike.or(tried.len().checked_sub(1)).map(|place| tried[place].clone())
}

/// How much a value resembles the next. The plain estimate is too low for short series, by about (1 + 3ρ)/n; that is added.
fn correlation(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if squares <= 0.0 {
        return 0.0;
    }
    let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let plain = products / squares;
    (plain + (1.0 + 3.0 * plain) / values.len() as f64).clamp(-0.99, 0.9)
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    /// A series about 100 in which each value keeps a share of the one before.
    fn series(length: usize, kept: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
        let mut off = 0.0;
        let mut next = || {
            let shock: f64 = Distribution::<f64>::sample(&Exp1, rng) - 1.0;
            off = kept * off + shock;
            100.0 + 10.0 * off
        };
        (0..100).for_each(|_| _ = next());
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn limits_hold_the_mean_of_skewed_series_whose_neighbours_are_alike() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        for kept in [0.0, 0.5, 0.8] {
            for length in [100, 400] {
                let holds = |_: &usize| {
                    let limits = MeanLimits::of(&series(length, kept, &mut rng), 0.95).unwrap();
                    (limits.mean - 100.0).abs() <= limits.half_width
                };
                let share = (0..1_000).filter(holds).count() as f64 / 1_000.0;
                assert!((0.90..=0.985).contains(&share), "{kept} kept, {length} values: {share}");
            }
        }
    }

    #[test]
    fn a_longer_series_has_narrower_limits_and_few_values_have_none() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let values = series(3_200, 0.5, &mut rng);
        let of = |count: usize| MeanLimits::of(&values[..count], 0.95);
        assert!(of(3_200).unwrap().half_width < 0.6 * of(320).unwrap().half_width);
        assert_eq!(of(7), None);
        assert!(of(8).is_some());
        assert_eq!(MeanLimits::of(&[5.0; 40], 0.95).unwrap().share(), 0.0);
    }
}
