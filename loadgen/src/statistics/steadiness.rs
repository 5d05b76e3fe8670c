//! When a warm-up is over, and when enough was measured.
//!
//! Fed with one value for each interval, such as the mean latency of 100 ms. A fixed warm-up is too short for one machine and
//! too long for another; instead the older half of what was seen is left out as what may be warm-up, and the newer half must
//! have no trend left and a mean whose limits are narrow. So a warm-up of any length is left out once as much again has been
//! steady. To look ever again until it suits is a way to deceive oneself: it is looked at only when an eighth more has come,
//! and must hold three times in succession.
//!
//! Lives with whoever runs a point. Invariant: at most [`VALUES_MAX`] values are kept; beyond that, neighbours are merged.
//! Cost: some ten microseconds at a look, nothing otherwise.

use super::mean::{MeanLimits, batches};
use super::mean_of;
use super::trend::Trend;

/// Values kept: seven minutes of tenths of a second, then of fifths, and so on.
pub const VALUES_MAX: usize = 4_096;
/// A trend this unlikely to be chance is one.
const TREND_P: f64 = 0.05;
/// Looks that must agree.
const AGREEING: u32 = 3;
/// Values that have to count before anything is said: how wide the limits of fewer skewed ones are is anybody's guess.
pub const WINDOW_MIN: usize = 32;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How wide the limits of the mean may be: half of it as a share of the mean.
    pub share_max: f64,
    /// How sure they are to be.
    pub confidence: f64,
    /// Which values count.
    pub window: Window,
}

/// Which values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The newer half: for a warm-up, which is left out so.
    NewerHalf,
    /// All of them: for a measurement that begins when the warm-up is over.
    All,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// Too few values to say anything.
    Gathering,
    /// It still rises or falls.
    Trend {
        /// The change over the values that count, as a share of their mean; below 0 if it falls.
        change_share: f64,
        /// How likely that is by chance.
        p: f64,
    },
    /// No trend, but the limits of the mean are wider than asked for.
    Wide(MeanLimits),
    /// No trend, and limits as narrow as asked for: at three looks in succession, or at the end.
    Steady(MeanLimits),
}

/// Judges a series while it comes in.
#[derive(Clone, Debug)]
pub struct Steadiness {
    settings: Settings,
    values: Vec<f64>,
    /// Values that make one of those kept.
    merged: usize,
    /// Those that do not make one yet.
    part: Vec<f64>,
    /// Values pushed in all, and how many there must be for the next look.
    pushed: usize,
    next_look: usize,
    agreeing: u32,
    state: State,
}

impl Steadiness {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let next_look = match settings.window {
            Window::NewerHalf => 2 * WINDOW_MIN,
            Window::All => WINDOW_MIN,
        };
        Self {
            settings,
            values: Vec::new(),
            merged: 1,
            part: Vec::new(),
            pushed: 0,
            next_look,
            agreeing: 0,
            state: State::Gathering,
        }
    }

    /// The next interval's value. What is not a number is left out: an interval without publications has no latency.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.pushed += 1;
        self.part.push(value);
        if self.part.len() == self.merged {
            self.values.push(mean_of(&self.part));
            self.part.clear();
        }
        if self.values.len() == VALUES_MAX {
            self.values = self.values.chunks(2).map(mean_of).collect();
            self.merged *= 2;
        }
        if self.pushed >= self.next_look {
            self.next_look = self.pushed + (self.pushed / 8).max(1);
            self.look();
        }
    }

    /// How all of it stands, when there is nothing more to come. Looks that have to agree are for whoever may stop when it
    /// suits; here nobody could, and one is enough.
    #[must_use]
    pub fn end(self) -> State {
        if self.values.len() < WINDOW_MIN { State::Gathering } else { judge(&self.values, &self.settings) }
    }

    /// How it stood at the last look.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it is steady.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        matches!(self.state, State::Steady(_))
    }

    /// Values seen.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.pushed
    }

    fn look(&mut self) {
        let from = match self.settings.window {
            Window::NewerHalf => self.values.len() / 2,
            Window::All => 0,
        };
        let found = judge(&self.values[from..], &self.settings);
        self.agreeing = if matches!(found, State::Steady(_)) { self.agreeing + 1 } else { 0 };
        self.state = match found {
            State::Steady(limits) if self.agreeing < AGREEING => State::Wide(limits),
            found => found,
        };
    }
}

/// How so many values stand by themselves.
fn judge(window: &[f64], settings: &Settings) -> State {
    let (Some(means), Some(limits)) = (batches(window), MeanLimits::of(window, settings.confidence)) else {
        return State::Gathering;
    };
    if let Some(trend) = Trend::of(&means).filter(|trend| trend.p < TREND_P) {
        let change_share = trend.slope * (means.len() - 1) as f64 / limits.mean.abs().max(f64::MIN_POSITIVE);
        // With enough values any drift shows; one that stays within the limits asked for moves no figure.
        if change_share.abs() > settings.share_max {
            return State::Trend { change_share, p: trend.p };
        }
    }
    if limits.share() <= settings.share_max { State::Steady(limits) } else { State::Wide(limits) }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    const SETTINGS: Settings = Settings { share_max: 0.05, confidence: 0.95, window: Window::NewerHalf };

    /// Pushes values of a level with skewed noise until it is steady; how many that took, and the mean it found.
    fn until_steady(seed: u64, most: usize, level: impl Fn(usize) -> f64) -> Option<(usize, MeanLimits)> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut steadiness = Steadiness::new(SETTINGS);
        (0..most).find_map(|place| {
            let noise: f64 = Exp1.sample(&mut rng);
            steadiness.push(level(place) * (0.8 + 0.2 * noise));
            match steadiness.state() {
                State::Steady(limits) => Some((place + 1, limits)),
                _ => None,
            }
        })
    }

    #[test]
    fn what_is_steady_from_the_start_is_soon_called_so() {
        let mut soon = 0;
        for seed in 0..50 {
            let (took, limits) = until_steady(seed, 2_000, |_| 100.0).unwrap();
            soon += u32::from(took < 400);
            assert!((limits.mean - 100.0).abs() < 10.0, "{seed}: {limits:?}");
        }
        assert!(soon >= 40, "{soon} of 50");
    }

    #[test]
    fn a_warm_up_is_left_out_whatever_its_length() {
        let mut wrong = 0;
        for seed in 0..50 {
            for length in [20.0, 60.0, 200.0] {
                // Three times slower at first, as with cold caches.
                let (_, limits) =
                    until_steady(seed, 5_000, |place| 100.0 * (1.0 + 2.0 * (-(place as f64) / length).exp())).unwrap();
                wrong += u32::from(limits.mean > 110.0);
            }
        }
        assert!(wrong <= 3, "{wrong} of 150 warm-ups were taken for steady");
    }

    #[test]
    fn what_never_settles_is_never_steady() {
        for seed in 0..20 {
            assert_eq!(until_steady(seed, 3_000, |place| 100.0 + place as f64), None, "{seed}: a queue that grows");
        }
        let mut steadiness = Steadiness::new(Settings { share_max: 0.001, ..SETTINGS });
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        (0..500).for_each(|_| steadiness.push(Exp1.sample(&mut rng)));
        let State::Wide(limits) = steadiness.state() else { panic!("{:?}", steadiness.state()) };
        assert!(limits.share() > 0.001, "how wide they are is said");
    }

    #[test]
    fn hours_take_no_more_memory_than_minutes() {
        let mut steadiness = Steadiness::new(SETTINGS);
        for place in 0..100_000 {
            steadiness.push(if place % 2 == 0 { 99.0 } else { 101.0 });
            steadiness.push(f64::NAN);
        }
        assert!(steadiness.values.len() <= VALUES_MAX && steadiness.part.len() < steadiness.merged);
        assert_eq!(steadiness.seen(), 100_000);
        let State::Steady(limits) = steadiness.state() else { panic!("{:?}", steadiness.state()) };
        assert!((limits.mean - 100.0).abs() < 0.01);
    }

    #[test]
    fn a_measurement_ends_when_its_limits_are_as_asked() {
        let mut measured = Steadiness::new(Settings { share_max: 0.02, window: Window::All, ..SETTINGS });
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        while !measured.is_steady() && measured.seen() < 10_000 {
            let noise: f64 = Exp1.sample(&mut rng);
            measured.push(5.0 + noise);
        }
        let State::Steady(limits) = measured.state() else { panic!("{:?}", measured.state()) };
        assert!(limits.share() <= 0.02 && (limits.mean - 6.0).abs() < 0.3, "{limits:?}");
    }
}
