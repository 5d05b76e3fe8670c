//! Many figures, one risk: Holm's correction.
//!
//! Whoever looks at twenty figures finds one that differs at 95 %, even where nothing does. Holm's rule keeps the chance of
//! even one false alarm among all of them at what one figure alone would have, however the figures hang together.

/// For each p-value whether it may be told, with a chance of at most `risk` that any of those told is chance alone.
#[must_use]
pub fn told(p_values: &[f64], risk: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&one, &other| p_values[one].total_cmp(&p_values[other]));
    let mut told = vec![false; p_values.len()];
    for (rank, &place) in order.iter().enumerate() {
        // The first that fails ends it: the rest are less sure still.
        if p_values[place].is_nan() || p_values[place] > risk / (p_values.len() - rank) as f64 {
            break;
        }
        told[place] = true;
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_has_to_be_surest_and_the_first_failure_ends_it() {
        assert_eq!(told(&[0.01, 0.04, 0.03, 0.005], 0.05), [true, false, false, true]);
        assert_eq!(told(&[0.04], 0.05), [true]);
        assert_eq!(told(&[0.04, 0.04], 0.05), [false, false]);
        assert_eq!(told(&[f64::NAN, 0.001], 0.05), [false, true]);
        assert!(told(&[], 0.05).is_empty());
    }
}
