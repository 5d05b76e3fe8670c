//! Whether a series still rises or falls: Mann and Kendall's test, and Theil and Sen's slope.
//!
//! Both use only which of two values is the larger, or the median of all slopes: a single outlier moves neither. Cost: a
//! comparison for each pair of values; meant for some tens of them.

use super::median_of;
use super::quantiles::normal_beyond;

/// What a series does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The median of the slopes between any two values, in units of the value for each step.
    pub slope: f64,
    /// How likely at least so much of a trend is where there is none.
    pub p: f64,
}

impl Trend {
    /// Looks for a trend; nothing if there are fewer than four values. The values must not hang together (see
    /// [`super::mean`], which makes batches of them).
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count < 4 {
            return None;
        }
        let (mut rises, mut slopes) = (0i64, Vec::with_capacity(count * (count - 1) / 2));
        for (earlier, &before) in values.iter().enumerate() {
            for (later, &after) in values.iter().enumerate().skip(earlier + 1) {
                rises += i64::from(after > before) - i64::from(after < before);
                slopes.push((after - before) / (later - earlier) as f64);
            }
        }
        // The variance of the number of rises less falls where all orders are equally likely; ties make it smaller.
        let spread = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
        let variance = (spread(count as f64) - ties(values).map(spread).sum::<f64>()) / 18.0;
        let p = if variance > 0.0 {
            let score = (rises.abs() - 1).max(0) as f64 / variance.sqrt();
            normal_beyond(score)
        } else {
            1.0
        };
        Some(Self { slope: median_of(&slopes), p: p.min(1.0) })
    }
}

/// The sizes of the groups of equal values.
fn ties(values: &[f64]) -> impl Iterator<Item = f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let groups: Vec<f64> = sorted.chunk_by(|one, other| one == other).map(|group| group.len() as f64).collect();
    groups.into_iter()
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn the_textbooks_numbers() {
        // 8 values, 26 of 28 pairs rise: S = 24, variance 8·7·21/18 = 65.33, z = 2.846.
        let trend = Trend::of(&[1.0, 2.0, 4.0, 3.0, 5.0, 6.0, 8.0, 7.0]).unwrap();
        assert!((trend.p - 0.00443).abs() < 1e-4, "{trend:?}");
        assert!((trend.slope - 1.0).abs() < 1e-9, "{trend:?}");
        assert_eq!(Trend::of(&[3.0; 20]).unwrap(), Trend { slope: 0.0, p: 1.0 });
        assert_eq!(Trend::of(&[1.0, 2.0, 3.0]), None);
    }

    #[test]
    fn noise_has_no_trend_more_often_than_it_says() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut alarms = 0;
        for _ in 0..2_000 {
            let noise: Vec<f64> = (0..16).map(|_| StandardNormal.sample(&mut rng)).collect();
            alarms += u32::from(Trend::of(&noise).unwrap().p < 0.05);
        }
        assert!((50..140).contains(&alarms), "{alarms} of 2000");
    }

    #[test]
    fn an_outlier_makes_no_trend_and_hides_none() {
        let mut values: Vec<f64> = (0..16).map(f64::from).collect();
        values[3] = 1e9;
        assert!(Trend::of(&values).unwrap().p < 0.01);
        let mut flat: Vec<f64> = (0..16).map(|place| f64::from(place % 3)).collect();
        flat[15] = 1e9;
        assert!(Trend::of(&flat).unwrap().p > 0.05);
    }
}
