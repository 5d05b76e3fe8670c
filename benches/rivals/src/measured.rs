//! One contender against the clock and the model: publish, drain, and see that the sum is right.
//!
//! Timed are publishing and draining alone: drawing a batch happens before, and the model's sum is made after the sample
//! from a second copy of the same sequence, so that it does not warm or cool anybody's cache in between.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::audience::Audience;
use crate::error::RivalError;
use crate::publishing::{Publishing, due};
use crate::rival::{Class, Rival, Told};

/// How much a contender is to do.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// Batches until so much time went by in them, at least one.
    Time(Duration),
    /// So many batches.
    Batches(u64),
}

/// What a contender did within a budget. Its sum was right.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Deliveries made.
    pub notifications: u64,
    /// The time that publishing and draining took.
    pub elapsed: Duration,
}

/// What a contender does, over all rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Who.
    pub name: &'static str,
    /// What kind of algorithm.
    pub class: Class,
    /// Users, each with one watcher.
    pub users: u64,
    /// Contacts of each.
    pub contacts: u64,
    /// Notifications a second on one core: the median of the rounds.
    pub notifications_per_s_median: f64,
    /// The rounds, in order.
    pub samples: Vec<f64>,
    /// The median of the rounds' ratios to the engine's sample of the same round; none if they did not take turns.
    pub times_engine_median: Option<f64>,
    /// Contenders with the same number were there together and took turns, round by round.
    pub turn_group: usize,
    /// Deliveries in all rounds, every one of them checked.
    pub deliveries: u64,
    /// How it differs from the engine, for the page.
    pub differs: &'static str,
}

impl Sample {
    /// Notifications a second.
    #[must_use]
    pub fn per_s(&self) -> f64 {
        self.notifications as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Lets a contender work, and checks what its watchers were told.
///
/// # Errors
/// If that is not what the graph says.
pub fn run(
    rival: &mut dyn Rival,
    audience: &Audience,
    publishing: &mut Publishing,
    budget: Budget,
) -> Result<Sample, RivalError> {
    let mut model = publishing.clone();
    let mut batch = Vec::new();
    let (mut told, mut elapsed, mut batches) = (Told::default(), Duration::ZERO, 0u64);
    loop {
        publishing.next_into(&mut batch);
        let start = Instant::now();
        rival.publish(&batch);
        let drained = rival.drain();
        elapsed += start.elapsed();
        told = told.and(drained);
        batches += 1;
        let is_over = match budget {
            Budget::Time(time) => elapsed >= time,
            Budget::Batches(most) => batches >= most,
        };
        if is_over {
            break;
        }
    }
    let mut expected = Told::default();
    for _ in 0..batches {
        model.next_into(&mut batch);
        expected = expected.and(due(audience, &batch));
    }
    if told != expected {
        return Err(RivalError::Wrong { name: rival.name(), told, due: expected });
    }
    Ok(Sample { notifications: told.deliveries, elapsed })
}

/// The middle one, or the mean of the two in the middle; 0 of none.
#[must_use]
pub fn median(samples: impl IntoIterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.into_iter().collect();
    samples.sort_unstable_by(f64::total_cmp);
    match (samples.len(), samples.len() / 2) {
        (0, _) => 0.0,
        (len, middle) if len % 2 == 1 => samples[middle],
        (_, middle) => f64::midpoint(samples[middle - 1], samples[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
        assert!(median([]).abs() < 1e-12);
    }
}
