//! Rates: how often a group is told at most and at least, as an embedder says it (RFC 6446), and which make no sense.

use crate::error::Error;

/// The longest time over which batches are counted, in gaps: below a sixty-fourth of the gap a repeat tells nothing.
const PERIOD_GAPS_MAX: u64 = 64;

/// The shortest longest gap, in microseconds: whoever is told everything more often than a thousand times a second is told
/// nothing else.
pub(super) const REPEAT_US_MIN: u64 = 1_000;

/// How often a group is told, by the times between its batches (RFC 6446). What is told in one turn is one batch, and one that
/// was cut goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// The least time between two batches, in microseconds: what changes meanwhile is told with the next one, newest state
    /// only. 0 for as changes come. One over it is `max-rate`. First states do not wait for it, and nobody waits for them.
    pub gap_us_min: u64,
    /// The longest time without a batch, in microseconds, at least 1,000: after it everything is told again. 0 for any. One over it is
    /// `min-rate`.
    pub gap_us_max: u64,
    /// Over how long batches are counted, in microseconds, to make `gap_us_max` the mean time between them and not the
    /// longest (`adaptive-min-rate`): from one to 64 of those. 0 for not.
    pub adaptive_us: u64,
}

impl Rate {
    /// The gaps for rates in batches a second, as they stand in a subscription; none for any.
    ///
    /// # Errors
    /// [`Error::Rate`] for a rate that is not above 0, or of more than a million a second.
    pub fn per_second(max: Option<f64>, min: Option<f64>) -> Result<Self, Error> {
        let gap = |rate: Option<f64>| match rate {
            None => Ok(0),
            // A rate so low that its gap is beyond the clock is refused with the rest of them, when it is set.
            Some(rate) if rate > 0.0 && rate <= 1e6 => Ok((1e6 / rate) as u64),
            Some(_) => Err(Error::Rate("a rate is above 0 and at most a million a second")),
        };
        Ok(Self { gap_us_min: gap(max)?, gap_us_max: gap(min)?, adaptive_us: 0 })
    }

    pub(super) fn check(self, gap_us_limit: u64) -> Result<(), Error> {
        let Self { gap_us_min, gap_us_max, adaptive_us } = self;
        let periods = gap_us_max..=gap_us_max.saturating_mul(PERIOD_GAPS_MAX);
        match () {
            () if gap_us_min.max(gap_us_max) > gap_us_limit => {
                Err(Error::Rate("a gap is at most `gap_us_max` of the limits"))
            }
            () if gap_us_max != 0 && gap_us_max < REPEAT_US_MIN => Err(Error::Rate("the longest gap is at least 1 ms")),
            () if gap_us_max != 0 && gap_us_max < gap_us_min => {
                Err(Error::Rate("the longest gap is at least as long as the shortest"))
            }
            () if adaptive_us != 0 && (gap_us_max == 0 || !periods.contains(&adaptive_us)) => {
                Err(Error::Rate("batches are counted over 1 to 64 of the longest gaps"))
            }
            () => Ok(()),
        }
    }
}
