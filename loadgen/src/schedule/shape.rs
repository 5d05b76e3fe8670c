//! How the rate of a schedule changes over the measured time, how arrivals scatter about it, and who gets more of them.
//!
//! A person writes words with commas between them, such as `constant,ramp:0.2..1`; each settles one question, and two
//! that settle the same one contradict each other. The invariant: `--rate` is the highest rate that a shape comes to,
//! so that no shape loads a target more than its name says.

use std::f64::consts::TAU;
use std::str::FromStr;

use thiserror::Error;

use crate::quantities;
use crate::trouble::Storm;

/// Straight pieces that a day's curve is drawn with; the error is below a thousandth of the rate.
const DAY_PIECES: u32 = 96;

/// More steps than this could not be told apart in any plot.
const STEPS_MAX: u32 = 100;

/// How a schedule is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    /// How arrivals scatter.
    pub spacing: Spacing,
    /// How the rate changes.
    pub course: Course,
    /// The share of the publications that is the most watched presentity's.
    pub hot_share: Option<f64>,
}

/// How arrivals scatter about their rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// As those of many users do who do not know of each other.
    #[default]
    Poisson,
    /// Not at all.
    Constant,
}

/// How the rate changes over the measured time, in shares of the rate asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Course {
    /// Not at all.
    #[default]
    Steady,
    /// Evenly from one share to another.
    Ramp {
        /// At the begin.
        from: f64,
        /// At the end.
        to: f64,
    },
    /// In so many equal steps, the last of which is the whole rate.
    Steps(u32),
    /// A day in the time of the measurement: night at the begin and the end, noon in the middle.
    Diurnal {
        /// The rate at night.
        night: f64,
    },
}

/// A schedule as it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScheduleWords {
    /// What is published when.
    pub shape: Shape,
    /// Who comes all at once.
    pub storm: Option<Storm>,
}

/// A word that is no part of a schedule.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{word}`: {expected}")]
pub struct ShapeError {
    /// Which word.
    pub word: String,
    /// What would have been right.
    pub expected: &'static str,
}

impl FromStr for ScheduleWords {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let (mut spacing, mut course, mut hot_share, mut storm) = (None, None, None, None);
        for word in text.split(',') {
            let wrong = |expected| ShapeError { word: word.to_owned(), expected };
            let (name, value) = word.split_once(':').map_or((word, None), |(name, value)| (name, Some(value)));
            let twice = match name {
                "poisson" | "constant" if value.is_some() => return Err(wrong("takes no value")),
                "poisson" => spacing.replace(Spacing::Poisson).is_some(),
                "constant" => spacing.replace(Spacing::Constant).is_some(),
                "ramp" => course.replace(ramp(value).ok_or_else(|| wrong(RAMP))?).is_some(),
                "step" => course.replace(steps(value).ok_or_else(|| wrong(STEP))?).is_some(),
                "diurnal" => course.replace(day(value).ok_or_else(|| wrong(DIURNAL))?).is_some(),
                "hot" => hot_share.replace(share(value.unwrap_or("0.1")).ok_or_else(|| wrong(HOT))?).is_some(),
                "sign-in-storm" | "reconnect-storm" => storm.replace(word.parse().map_err(wrong)?).is_some(),
                _ => return Err(wrong(WORDS)),
            };
            if twice {
                return Err(wrong(
                    "contradicts a word before it: one of poisson and constant, one of ramp, step and diurnal, one storm",
                ));
            }
        }
        let shape = Shape { spacing: spacing.unwrap_or_default(), course: course.unwrap_or_default(), hot_share };
        Ok(Self { shape, storm })
    }
}

const WORDS: &str = "expected poisson, constant, ramp, step, diurnal, hot, sign-in-storm or reconnect-storm";
const RAMP: &str = "expected ramp or ramp:FROM..TO with shares of the rate, such as ramp:0.2..1";
const STEP: &str = "expected step or step:COUNT with a number from 2 to 100";
const DIURNAL: &str = "expected diurnal or diurnal:NIGHT with a share of the rate, such as diurnal:0.1";
const HOT: &str = "expected hot or hot:SHARE with a share of the publications, such as hot:10%";

fn ramp(value: Option<&str>) -> Option<Course> {
    let Some(value) = value else { return Some(Course::Ramp { from: 0.0, to: 1.0 }) };
    let (from, to) = value.split_once("..")?;
    let (from, to) = (share(from)?, share(to)?);
    (from + to > 0.0).then_some(Course::Ramp { from, to })
}

fn steps(value: Option<&str>) -> Option<Course> {
    let count = value.map_or(Ok(4), str::parse).ok()?;
    (2..=STEPS_MAX).contains(&count).then_some(Course::Steps(count))
}

fn day(value: Option<&str>) -> Option<Course> {
    share(value.unwrap_or("0.1")).map(|night| Course::Diurnal { night })
}

fn share(text: &str) -> Option<f64> {
    quantities::share(text).ok()
}

/// The rate over time, as straight pieces; before the first and after the last it stays as it is there.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// When, in microseconds, and at which share of the rate. Two at the same time are a jump.
    corners: Vec<(f64, f64)>,
    /// The piece that time has come to: it ends at this corner.
    next: usize,
    at_us: f64,
}

impl Curve {
    /// A course over the measured time, from a moment before it on.
    pub(super) fn new(course: Course, from_us: u64, measure_from_us: u64, end_us: u64) -> Self {
        let (begin, span) = (measure_from_us as f64, end_us.saturating_sub(measure_from_us) as f64);
        let at = |share: f64| begin + share * span;
        let corners = match course {
            Course::Steady => vec![(begin, 1.0)],
            Course::Ramp { from, to } => vec![(at(0.0), from), (at(1.0), to)],
            Course::Steps(count) => {
                let step = |number: u32| f64::from(number) / f64::from(count);
                (0..count).flat_map(|n| [(at(step(n)), step(n + 1)), (at(step(n + 1)), step(n + 1))]).collect()
            }
            Course::Diurnal { night } => {
                let share = |piece: u32| f64::from(piece) / f64::from(DAY_PIECES);
                let height = |hour: f64| night + (1.0 - night) * (1.0 - (TAU * hour).cos()) / 2.0;
                (0..=DAY_PIECES).map(|piece| (at(share(piece)), height(share(piece)))).collect()
            }
        };
        Self { corners, next: 0, at_us: from_us as f64 }
    }

    /// Goes on until so much has come together as the whole rate brings in `whole_us` microseconds, and tells when that
    /// is; infinity if it never does.
    pub(super) fn after(&mut self, mut whole_us: f64) -> f64 {
        while let Some(&(end_us, end)) = self.corners.get(self.next) {
            let (begin_us, begin) = if self.next == 0 { (self.at_us, end) } else { self.corners[self.next - 1] };
            let span = end_us - begin_us;
            let slope = if span > 0.0 { (end - begin) / span } else { 0.0 };
            let left_us = end_us - self.at_us;
            let here = begin + slope * (self.at_us - begin_us);
            let left = left_us * (here + end) / 2.0;
            if left_us > 0.0 && whole_us <= left {
                // The root of here x + slope x^2 / 2 = whole, in the form that does not cancel.
                let root = (here * here + 2.0 * slope * whole_us).max(0.0).sqrt();
                // Where nothing has come and nothing is wanted, no time passes.
                self.at_us += 2.0 * whole_us / (here + root).max(f64::MIN_POSITIVE);
                return self.at_us;
            }
            whole_us -= left.max(0.0);
            self.at_us = self.at_us.max(end_us);
            self.next += 1;
        }
        let last = self.corners.last().map_or(1.0, |(_, share)| *share);
        self.at_us += if last > 0.0 { whole_us / last } else { f64::INFINITY };
        self.at_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrivals of a curve from 0.5 s before a measured second on, one for each `gap_us` of the whole rate.
    fn arrivals(course: Course, gap_us: f64) -> Vec<f64> {
        let mut curve = Curve::new(course, 500_000, 1_000_000, 2_000_000);
        std::iter::repeat_with(|| curve.after(gap_us)).take_while(|at| *at < 2_000_000.0).collect()
    }

    fn between(arrivals: &[f64], from: f64, to: f64) -> usize {
        arrivals.iter().filter(|at| (from..to).contains(*at)).count()
    }

    #[test]
    fn words_are_read_and_wrong_ones_are_told() {
        assert_eq!("poisson".parse(), Ok(ScheduleWords::default()));
        let ScheduleWords { shape, storm } = "constant,ramp:0.5..1,hot:0.2,reconnect-storm".parse().unwrap();
        assert!(storm.is_some());
        assert_eq!(
            shape,
            Shape { spacing: Spacing::Constant, course: Course::Ramp { from: 0.5, to: 1.0 }, hot_share: Some(0.2) }
        );
        let hot_share = |text: &str| text.parse::<ScheduleWords>().unwrap().shape.hot_share;
        assert_eq!((hot_share("hot:10%"), hot_share("hot:0.1"), hot_share("hot")), (Some(0.1), Some(0.1), Some(0.1)));
        assert_eq!("step:5".parse::<ScheduleWords>().unwrap().shape.course, Course::Steps(5));
        assert_eq!("diurnal".parse::<ScheduleWords>().unwrap().shape.course, Course::Diurnal { night: 0.1 });
        let wrong = [
            ("", "expected poisson"),
            ("soon", "expected poisson"),
            ("poisson:1", "no value"),
            ("poisson,constant", "contradicts"),
            ("ramp,step", "contradicts"),
            ("ramp:0..0", "ramp:FROM..TO"),
            ("ramp:1", "ramp:FROM..TO"),
            ("step:1", "2 to 100"),
            ("diurnal:2", "diurnal:NIGHT"),
            ("hot:nan", "hot:SHARE"),
        ];
        for (text, part) in wrong {
            let said = text.parse::<ScheduleWords>().unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn a_steady_course_brings_one_after_each_gap() {
        let steady = arrivals(Course::Steady, 1_000.0);
        assert_eq!(steady.len(), 1_499);
        assert!(steady.iter().zip(1..).all(|(at, n)| (at - 500_000.0 - 1_000.0 * f64::from(n)).abs() < 1e-3));
    }

    #[test]
    fn a_ramp_brings_a_quarter_in_its_first_half() {
        let ramp = arrivals(Course::Ramp { from: 0.0, to: 1.0 }, 10.0);
        let halves = [between(&ramp, 1e6, 1.5e6), between(&ramp, 1.5e6, 2e6)];
        assert!(halves[0].abs_diff(12_500) <= 1 && halves[1].abs_diff(37_500) <= 1, "{halves:?}");
        assert_eq!(between(&ramp, 0.0, 1e6), 0, "before the measurement it is as at its begin");
        let down = arrivals(Course::Ramp { from: 1.0, to: 0.0 }, 10.0);
        let halves = [between(&down, 1e6, 1.5e6), between(&down, 1.5e6, 2e6)];
        assert!(halves[0].abs_diff(37_500) <= 1 && halves[1].abs_diff(12_500) <= 1, "{halves:?}");
    }

    #[test]
    fn steps_rise_to_the_whole_rate() {
        let steps = arrivals(Course::Steps(4), 10.0);
        for (n, from) in (1..=4).zip([1e6, 1.25e6, 1.5e6, 1.75e6]) {
            let count = between(&steps, from, from + 0.25e6);
            assert!(count.abs_diff(n * 6_250) <= 1, "step {n}: {count}");
        }
        assert!(between(&steps, 0.5e6, 1e6).abs_diff(12_500) <= 1, "warm-up at the first step");
    }

    #[test]
    fn a_day_has_its_noon_in_the_middle() {
        let day = arrivals(Course::Diurnal { night: 0.2 }, 1.0);
        let noon = between(&day, 1.49e6, 1.51e6) as f64 / 20_000.0;
        let night = between(&day, 1e6, 1.02e6) as f64 / 20_000.0;
        assert!((noon - 1.0).abs() < 0.01 && (night - 0.2).abs() < 0.01, "{noon} {night}");
        // The mean of a cosine between night and noon is the middle of the two.
        let mean = between(&day, 1e6, 2e6) as f64 / 1e6;
        assert!((mean - 0.6).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn a_rate_that_has_come_to_nothing_brings_nothing_more() {
        let mut curve = Curve::new(Course::Ramp { from: 1.0, to: 0.0 }, 0, 0, 1_000);
        assert!(curve.after(499.0) < 1_000.0);
        assert!(curve.after(10.0).is_infinite());
    }
}
