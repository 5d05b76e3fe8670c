//! When to look while runs still come in.
//!
//! Whoever looks after every pair, and stops at the first look that says "different", is wrong far more often than the
//! confidence says. So looks are planned: at most three early ones, each of which may spend a tenth of the risk, and the
//! last has what is left (Haybittle and Peto's rule). Whatever the figures do, the sum of the risks is the risk asked for.

/// The share of the risk that each early look may spend.
const EARLY_SHARE: f64 = 0.1;
/// Fewer pairs than these tell nothing at the confidence that an early look needs.
const EARLY_MIN: usize = 4;

/// The looks at a comparison of some length.
#[derive(Clone, Debug, PartialEq)]
pub struct Looks {
    /// Pairs at each early look, rising.
    early: Vec<usize>,
    rounds: usize,
    risk: f64,
}

impl Looks {
    /// Looks at up to `rounds` pairs that are wrong together with a chance of 1 − `confidence`.
    #[must_use]
    pub fn new(rounds: usize, confidence: f64) -> Self {
        // After whole blocks of two pairs, so that both orders of a pair are equally often in.
        let quarters = (1..4).map(|quarter| (rounds * quarter / 4).next_multiple_of(2));
        let mut early: Vec<usize> = quarters.filter(|&pairs| pairs >= EARLY_MIN && pairs < rounds).collect();
        early.dedup();
        Self { early, rounds, risk: 1.0 - confidence }
    }

    /// The confidence that is needed after so many pairs; nothing if this is no time to look.
    #[must_use]
    pub fn confidence_at(&self, pairs: usize) -> Option<f64> {
        if pairs >= self.rounds {
            return Some(self.last());
        }
        self.early.contains(&pairs).then_some(1.0 - EARLY_SHARE * self.risk)
    }

    /// The confidence of the last look, whenever it comes.
    #[must_use]
    pub fn last(&self) -> f64 {
        1.0 - self.risk * (1.0 - EARLY_SHARE * self.early.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_risks_of_all_looks_add_up_to_what_was_asked_for() {
        for rounds in 1..60 {
            for confidence in [0.9, 0.95, 0.99] {
                let looks = Looks::new(rounds, confidence);
                let spent: f64 =
                    (1..=rounds).filter_map(|pairs| looks.confidence_at(pairs)).map(|each| 1.0 - each).sum();
                assert!((spent - (1.0 - confidence)).abs() < 1e-12, "{rounds}: {spent}");
            }
        }
    }

    #[test]
    fn early_looks_come_after_whole_blocks() {
        let looks = Looks::new(8, 0.99);
        let at: Vec<usize> = (1..=8).filter(|&pairs| looks.confidence_at(pairs).is_some()).collect();
        assert_eq!(at, [4, 6, 8]);
        assert!((looks.confidence_at(4).unwrap() - 0.999).abs() < 1e-12);
        assert!(Looks::new(3, 0.95).early.is_empty());
    }
}
