//! What holds of the statistics whatever the figures are.

use fanfare_loadgen::statistics::change::{LEVEL_MIN, SERIES_MAX, changes};
use fanfare_loadgen::statistics::mean::MeanLimits;
use fanfare_loadgen::statistics::ratio::{Estimate, NoRatio, SAMPLES_MIN};
use fanfare_loadgen::statistics::steadiness::{Settings, State, Steadiness, Window};
use fanfare_loadgen::statistics::trend::Trend;
use fanfare_loadgen::statistics::{holm, looks::Looks};
use proptest::collection::vec;
use proptest::prelude::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Figures as reports have them: from shares to bytes, rounded often enough that some are the same.
fn figure() -> impl Strategy<Value = f64> {
    prop_oneof![(1u32..20).prop_map(f64::from), 1e-6..1e12f64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn limits_hold_the_ratio_and_widen_with_confidence(
        pairs in vec((figure(), figure()), SAMPLES_MIN..12),
        step in prop_oneof![Just(0.0), Just(1.0)],
        seed: u64,
    ) {
        let estimate = Estimate::of_pairs(&pairs, step, &mut rng(seed)).unwrap();
        let ratio = estimate.ratio();
        prop_assert!((0.0..=1.0).contains(&estimate.p()));
        let mut last = (ratio, ratio);
        for confidence in [0.5, 0.9, 0.95, 0.99, 0.999] {
            let (low, high) = estimate.limits(confidence);
            prop_assert!(low <= last.0 * (1.0 + 1e-9) && last.1 <= high * (1.0 + 1e-9), "{confidence}: {low} {high} {last:?}");
            last = (low, high);
            prop_assert!(estimate.tellable(confidence) >= 0.0);
            if (estimate.p() - (1.0 - confidence)).abs() > 1e-3 {
                prop_assert_eq!(estimate.p() <= 1.0 - confidence, !(low..=high).contains(&1.0), "{:?}", pairs);
            }
        }
        let again = Estimate::of_pairs(&pairs, step, &mut rng(seed)).unwrap();
        prop_assert_eq!(estimate.limits(0.99), again.limits(0.99), "the same seed, the same limits");
    }

    #[test]
    fn results_that_are_no_pairs_may_come_in_any_order(
        a in vec(figure(), SAMPLES_MIN..8),
        b in vec(figure(), SAMPLES_MIN..8),
    ) {
        let estimate = |a: &[f64], b: &[f64]| Estimate::of_samples(a, b, 0.0, &mut rng(1)).unwrap();
        let (mut back_a, mut back_b) = (a.clone(), b.clone());
        back_a.reverse();
        back_b.reverse();
        let (there, back) = (estimate(&a, &b), estimate(&back_a, &back_b));
        prop_assert!((there.ratio() / back.ratio() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_ratio_is_refused(values in vec(any::<f64>(), 0..8)) {
        let usable = values.len() >= SAMPLES_MIN && values.iter().all(|&value| value > 0.0 && value.is_finite());
        match Estimate::of_samples(&values, &values, 0.0, &mut rng(1)) {
            Ok(estimate) => prop_assert!(usable && estimate.p() > 0.05),
            Err(NoRatio::TooFew(count)) => prop_assert!(count == values.len() && count < SAMPLES_MIN),
            Err(_) => prop_assert!(!usable),
        }
    }

    #[test]
    fn changes_are_in_order_between_levels_that_are_long_enough(
        levels in vec((1usize..20, figure()), 0..6),
        noise in vec(0.0..0.1f64, 120),
        seed: u64,
    ) {
        let values: Vec<f64> = levels
            .iter()
            .flat_map(|&(count, level)| std::iter::repeat_n(level, count))
            .zip(&noise)
            .map(|(level, noise)| level * (1.0 + noise))
            .collect();
        let found = changes(&values, 0.95, &mut rng(seed));
        let mut last = 0;
        for change in &found {
            prop_assert!(change.at >= last + LEVEL_MIN && change.at + LEVEL_MIN <= values.len(), "{found:?}");
            prop_assert!(change.earliest <= change.at && change.at <= change.latest && change.latest < values.len());
            prop_assert!(change.p > 0.0 && change.p <= 0.05);
            last = change.at;
        }
    }

    #[test]
    fn series_of_anything_are_judged_without_a_panic(values in vec(any::<f64>(), 0..300), all: bool) {
        let window = if all { Window::All } else { Window::NewerHalf };
        let mut steadiness = Steadiness::new(Settings { share_max: 0.05, confidence: 0.95, window });
        values.iter().for_each(|&value| steadiness.push(value));
        for state in [steadiness.state(), steadiness.end()] {
            if let State::Steady(limits) = state {
                prop_assert!(limits.share() <= 0.05);
            }
        }
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let _ = (Trend::of(&finite), MeanLimits::of(&finite, 0.95), changes(&finite, 0.95, &mut rng(1)));
    }

    #[test]
    fn holm_tells_no_more_than_each_alone_and_the_surest_first(p_values in vec(0.0..1.0f64, 0..20)) {
        let told = holm::told(&p_values, 0.05);
        for (place, &is_told) in told.iter().enumerate() {
            prop_assert!(!is_told || p_values[place] <= 0.05);
            let surer = |other: usize| p_values[other] < p_values[place];
            prop_assert!(!is_told || (0..told.len()).all(|other| !surer(other) || told[other]));
        }
    }

    #[test]
    fn looks_never_spend_more_than_the_risk(rounds in 1usize..500, confidence in 0.5..0.999f64) {
        let looks = Looks::new(rounds, confidence);
        let spent: f64 = (1..=rounds).filter_map(|pairs| looks.confidence_at(pairs)).map(|each| 1.0 - each).sum();
        prop_assert!(spent <= 1.0 - confidence + 1e-9);
    }
}

#[test]
fn of_a_long_series_the_newest_results_are_searched() {
    let values: Vec<f64> =
        (0..SERIES_MAX + 200).map(|place| if place < SERIES_MAX + 100 { 10.0 } else { 20.0 }).collect();
    let found = changes(&values, 0.99, &mut rng(1));
    assert_eq!(found.iter().map(|change| change.at).collect::<Vec<_>>(), [SERIES_MAX + 100]);
}
