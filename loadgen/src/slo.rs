//! The latency target, as a person writes it: `last.p99<10ms`, or several such terms with commas between them.
//!
//! A term names which watcher (`first`, `median`, `last`), which quantile, and what it has to stay below. A time alone
//! means the 99th percentile of the last watcher. Whoever writes something else is told at which character, and what
//! was expected there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::quantities;
use crate::recorder::Quantiles;

/// More terms than there are different ones say nothing.
const TERMS_MAX: usize = 16;

/// A latency target: all of its terms hold, or it is missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slo {
    terms: Vec<Term>,
}

/// One term of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Which watcher.
    pub watcher: Watcher,
    /// Which quantile of its times.
    pub quantile: Quantile,
    /// What that has to be below.
    pub below: Duration,
}

/// Whose time is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watcher {
    /// The first one who was told.
    First,
    /// The one in the middle.
    Median,
    /// The last one.
    Last,
}

/// Which of many times is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// The median.
    P50,
    /// Nine of ten are not above.
    P90,
    /// 99 of a hundred are not above.
    P99,
    /// 999 of a thousand are not above.
    P999,
    /// The highest.
    Max,
}

const WATCHERS: [(&str, Watcher); 3] =
    [("first", Watcher::First), ("median", Watcher::Median), ("last", Watcher::Last)];

/// The longer name comes before the one that it begins with.
const QUANTILES: [(&str, Quantile); 6] = [
    ("p99.9", Quantile::P999),
    ("p999", Quantile::P999),
    ("p99", Quantile::P99),
    ("p90", Quantile::P90),
    ("p50", Quantile::P50),
    ("max", Quantile::Max),
];

/// What is wrong with a target, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("at character {}: expected {expected}, found {found}", .position + 1)]
pub struct SloError {
    /// Characters before the place.
    pub position: usize,
    /// What would have been right.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}

impl Slo {
    /// The target that the 99th percentile of the last watcher stays below a time.
    #[must_use]
    pub fn last_p99_below(below: Duration) -> Self {
        Self { terms: vec![Term { watcher: Watcher::Last, quantile: Quantile::P99, below }] }
    }

    /// Its terms; at least one.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// What the 99th percentile of the last watcher has to be below, if the target says.
    #[must_use]
    pub fn last_p99(&self) -> Option<Duration> {
        let is_it = |term: &&Term| (term.watcher, term.quantile) == (Watcher::Last, Quantile::P99);
        self.terms.iter().filter(is_it).map(|term| term.below).min()
    }

    /// The longest time that any term allows.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.terms.iter().map(|term| term.below).max().unwrap_or_default()
    }

    /// What `[first, median, last]` miss of it, in words; nothing if they keep it.
    #[must_use]
    pub fn missed(&self, latency: &[Quantiles; 3]) -> Vec<String> {
        let say = |term: &Term| {
            let (name, below_us) = (term.name(), term.below.as_micros());
            format!("{name} is {} us, and the target is below {below_us} us", term.measured_us(latency))
        };
        self.over(latency).map(say).collect()
    }

    /// The shortest time that any term allows.
    #[must_use]
    pub fn strictest(&self) -> Option<Duration> {
        self.terms.iter().map(|term| term.below).min()
    }

    fn over(&self, latency: &[Quantiles; 3]) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(|term| u128::from(term.measured_us(latency)) >= term.below.as_micros())
    }
}

impl Term {
    /// As in the target: `last.p99`.
    #[must_use]
    pub fn name(&self) -> String {
        let watcher = WATCHERS.iter().find(|(_, watcher)| *watcher == self.watcher).map_or("", |(name, _)| name);
        let quantile = QUANTILES.iter().find(|(_, quantile)| *quantile == self.quantile).map_or("", |(name, _)| name);
        format!("{watcher}.{quantile}")
    }

    fn measured_us(&self, [first, median, last]: &[Quantiles; 3]) -> u64 {
        let times = match self.watcher {
            Watcher::First => first,
            Watcher::Median => median,
            Watcher::Last => last,
        };
        match self.quantile {
            Quantile::P50 => times.p50,
            Quantile::P90 => times.p90,
            Quantile::P99 => times.p99,
            Quantile::P999 => times.p999,
            Quantile::Max => times.max,
        }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, term) in self.terms.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(out, "{comma}{}<{}us", term.name(), term.below.as_micros())?;
        }
        Ok(())
    }
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        if let Ok(below) = quantities::time(text) {
            return Ok(Self::last_p99_below(below));
        }
        let mut rest = Rest { text, at: 0 };
        let mut terms = Vec::new();
        loop {
            if terms.len() == TERMS_MAX {
                return Err(rest.wrong("no more than 16 terms"));
            }
            let watcher = rest.word(&WATCHERS, "`first`, `median` or `last`, or a time such as 10ms")?;
            rest.word(&[(".", ())], "`.`")?;
            let quantile = rest.word(&QUANTILES, "p50, p90, p99, p99.9 or max")?;
            rest.word(&[("<", ())], "`<`")?;
            let below = rest.time()?;
            terms.push(Term { watcher, quantile, below });
            if rest.is_empty() {
                return Ok(Self { terms });
            }
            rest.word(&[(",", ())], "`,` and another term, or the end")?;
        }
    }
}

/// What is left of the text.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl Rest<'_> {
    fn is_empty(&mut self) -> bool {
        self.skip_spaces();
        self.at == self.text.len()
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// One of these words.
    fn word<T: Copy>(&mut self, words: &[(&str, T)], expected: &'static str) -> Result<T, SloError> {
        self.skip_spaces();
        let rest = &self.text[self.at..];
        let Some((word, value)) = words.iter().find(|(word, _)| rest.starts_with(word)) else {
            return Err(self.wrong(expected));
        };
        self.at += word.len();
        Ok(*value)
    }

    /// A time, up to the next comma.
    fn time(&mut self) -> Result<Duration, SloError> {
        self.skip_spaces();
        let rest = &self.text[self.at..];
        let end = rest.find(',').unwrap_or(rest.len());
        let time =
            quantities::time(rest[..end].trim_end()).map_err(|_| self.wrong("a time such as 500us, 10ms or 2s"))?;
        self.at += end;
        Ok(time)
    }

    fn wrong(&self, expected: &'static str) -> SloError {
        let rest = &self.text[self.at..];
        let found = if rest.is_empty() { "the end".to_owned() } else { format!("`{rest}`") };
        SloError { position: self.text[..self.at].chars().count(), expected, found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (usize, &'static str) {
        let error = text.parse::<Slo>().unwrap_err();
        (error.position, error.expected)
    }

    #[test]
    fn a_time_alone_is_the_99th_percentile_of_the_last_watcher() {
        let slo: Slo = "10ms".parse().unwrap();
        assert_eq!(slo, Slo::last_p99_below(Duration::from_millis(10)));
        assert_eq!(slo.to_string(), "last.p99<10000us");
        assert_eq!(slo.to_string().parse::<Slo>().unwrap(), slo);
    }

    #[test]
    fn every_term_has_to_hold() {
        let slo: Slo = " first.p50 < 1ms, last.p99.9<20ms ,median.max<2s".parse().unwrap();
        assert_eq!(slo.to_string(), "first.p50<1000us,last.p99.9<20000us,median.max<2000000us");
        assert_eq!((slo.last_p99(), slo.longest()), (None, Duration::from_secs(2)));
        let quick = Quantiles { p50: 999, p90: 5_000, p99: 10_000, p999: 19_999, max: 50_000, count: 1 };
        assert!(slo.missed(&[quick, quick, quick]).is_empty());
        let slow = Quantiles { p50: 1_000, p999: 20_000, ..quick };
        let missed = slo.missed(&[slow, quick, slow]);
        assert_eq!(
            missed,
            [
                "first.p50 is 1000 us, and the target is below 1000 us",
                "last.p99.9 is 20000 us, and the target is below 20000 us"
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!(wrong(""), (0, "`first`, `median` or `last`, or a time such as 10ms"));
        assert_eq!(wrong("lost.p99<10ms").0, 0);
        assert_eq!(wrong("last p99<10ms"), (5, "`.`"));
        assert_eq!(wrong("last.p98<10ms"), (5, "p50, p90, p99, p99.9 or max"));
        assert_eq!(wrong("last.p99>10ms"), (8, "`<`"));
        assert_eq!(wrong("last.p99<soon"), (9, "a time such as 500us, 10ms or 2s"));
        assert_eq!(wrong("last.p99<10ms,").0, 14);
        assert_eq!(wrong(&["last.p99<1s"; 17].join(",")).1, "no more than 16 terms");
        assert_eq!("last.p9é".parse::<Slo>().unwrap_err().found, "`p9é`");
    }
}
