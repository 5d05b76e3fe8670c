//! Watchers that behave badly: which ones, and when they leave and come back.
//!
//! Networks have them, so a measurement that has none flatters. Good watchers have to be told as fast beside them as
//! without them; so a publication's latency is that of the good ones, and the bad ones are counted apart. Whether a
//! watcher is bad depends on the seed, its shard and its number alone. The invariant: everybody who leaves during a
//! point comes back before its end, so that the check at the end is of everybody.
//!
//! Where presence is composed, bad watchers are drawn from those inside the organisation: who is shown a number that
//! comes again after some changes could not say which of them it was.

use std::str::FromStr;
use std::time::Duration;

use crate::population::unit;
use crate::quantities;
use crate::recorder::Times;
use crate::sample::mix;

/// How long somebody stays away whose connection was dropped.
pub const AWAY: Duration = Duration::from_secs(1);

/// How often a slow watcher takes a note: one.
pub const SLOW_PAUSE: Duration = Duration::from_secs(1);

/// Where in the measured time a storm begins.
pub const STORM_AT: f64 = 0.25;

/// What goes wrong in a run. Shares are of all watchers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Troubles {
    /// Those who take one note a second.
    pub slow_share: f64,
    /// Those who take none until the point is over.
    pub stop_share: f64,
    /// Those who lose their connection, each minute.
    pub drop_share_per_min: f64,
    /// Those who all come at once.
    pub storm: Option<Storm>,
}

/// Many who come at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Storm {
    /// Whether they were there before.
    pub kind: StormKind,
    /// How many, as a share of all watchers.
    pub share: f64,
    /// How long it takes until all have come.
    pub within: Duration,
}

/// Where those of a storm come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StormKind {
    /// They have not been there since the point's begin.
    SignIn,
    /// They lost their connections, all at the same moment.
    Reconnect,
}

/// What is wrong with a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// He takes one note a second.
    Slow,
    /// He takes none.
    Stop,
    /// He loses his connection some time.
    Drop,
    /// He is one of a storm.
    Storm,
}

impl Troubles {
    /// The share of watchers that is bad, over a measurement of this length.
    #[must_use]
    pub fn share(&self, measured: Duration) -> f64 {
        self.slow_share + self.stop_share + self.storm.map_or(0.0, |storm| storm.share) + self.drop_share(measured)
    }

    fn drop_share(&self, measured: Duration) -> f64 {
        self.drop_share_per_min * measured.as_secs_f64() / 60.0
    }

    /// Whether nothing goes wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with the watcher of this number on a shard, over a measurement of this length.
    #[must_use]
    pub fn of(&self, seed: u64, shard: usize, number: u32, measured: Duration) -> Option<Trouble> {
        let at = drawn(seed, shard, number, 0);
        let shares = [
            (self.slow_share, Trouble::Slow),
            (self.stop_share, Trouble::Stop),
            (self.storm.map_or(0.0, |storm| storm.share), Trouble::Storm),
            (self.drop_share(measured), Trouble::Drop),
        ];
        let mut end = 0.0;
        shares.into_iter().find_map(|(share, trouble)| {
            end += share;
            (at < end).then_some(trouble)
        })
    }

    /// When the watcher leaves and comes back; nothing if he stays. `span` is the measured time, `from_us` the begin of
    /// the warm-up, `longest` how long the longest point of the run is measured.
    #[must_use]
    pub fn absence(
        &self,
        trouble: Trouble,
        chance: &Chance,
        from_us: u64,
        span: (u64, u64),
        longest: Duration,
    ) -> Option<(u64, u64)> {
        let (begin_us, end_us) = span;
        let storm_us = begin_us + ((end_us - begin_us) as f64 * STORM_AT) as u64;
        let (leave_us, return_us) = match (trouble, self.storm) {
            (Trouble::Drop, _) => {
                let leave_us = begin_us + (chance.when * longest.as_micros() as f64) as u64;
                (leave_us, leave_us + AWAY.as_micros() as u64)
            }
            (Trouble::Storm, Some(storm)) => {
                let leave_us = if storm.kind == StormKind::SignIn { from_us } else { storm_us };
                (leave_us, storm_us + (chance.when * storm.within.as_micros() as f64) as u64)
            }
            _ => return None,
        };
        (leave_us < end_us).then_some((leave_us, return_us.min(end_us)))
    }
}

/// The troubles of a run, and what they are drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TroublePlan {
    /// What goes wrong.
    pub troubles: Troubles,
    /// How long the longest point is measured.
    pub measured: Duration,
    /// From which the bad watchers are drawn.
    pub seed: u64,
}

impl TroublePlan {
    /// What is wrong with the watcher of this number on a shard.
    #[must_use]
    pub fn of(&self, shard: usize, number: u32) -> Option<Trouble> {
        self.troubles.of(self.seed, shard, number, self.measured)
    }
}

/// What became of the bad watchers in a point.
#[derive(Clone, Debug, Default)]
pub struct TroubleCounts {
    /// Bad watchers.
    pub bad: u64,
    /// Of these, slow ones.
    pub slow: u64,
    /// Of these, those who read nothing.
    pub stopped: u64,
    /// How often somebody left.
    pub left: u64,
    /// How often somebody came back.
    pub returned: u64,
    /// How long it took from coming back until all first states were told.
    pub return_us: Times,
}

impl TroubleCounts {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        self.bad += other.bad;
        self.slow += other.slow;
        self.stopped += other.stopped;
        self.left += other.left;
        self.returned += other.returned;
        self.return_us.merge(&other.return_us);
    }
}

/// What is drawn for one watcher and one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    when: f64,
}

impl Chance {
    /// Drawn from the point's seed.
    #[must_use]
    pub fn draw(seed: u64, shard: usize, number: u32) -> Self {
        Self { when: drawn(seed, shard, number, 1) }
    }
}

fn drawn(seed: u64, shard: usize, number: u32, what: u64) -> f64 {
    unit(mix(mix(seed ^ what << 60) ^ (shard as u64) << 32 ^ u64::from(number)))
}

impl FromStr for Storm {
    type Err = &'static str;

    /// Reads `sign-in-storm` or `reconnect-storm`, with `:SHARE/TIME` or without.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
        let kind = match name {
            "sign-in-storm" => StormKind::SignIn,
            "reconnect-storm" => StormKind::Reconnect,
            _ => return Err("expected sign-in-storm or reconnect-storm"),
        };
        let storm = Self { kind, share: 0.5, within: Duration::from_secs(2) };
        let Some(value) = value else { return Ok(storm) };
        let wrong = "expected SHARE/TIME, such as reconnect-storm:50%/2s";
        let (share, within) = value.split_once('/').ok_or(wrong)?;
        let (share, within) = (quantities::share(share).ok(), quantities::time(within).ok());
        Ok(Self { share: share.ok_or(wrong)?, within: within.ok_or(wrong)?, ..storm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn each_trouble_has_its_share() {
        let storm = Some("reconnect-storm:20%/1s".parse().unwrap());
        let troubles = Troubles { slow_share: 0.05, stop_share: 0.1, drop_share_per_min: 0.6, storm };
        assert!((troubles.share(TEN) - 0.45).abs() < 1e-9);
        let of = |seed, number| troubles.of(seed, 1, number, TEN);
        let count = |trouble| (0..100_000).filter(|&number| of(7, number) == Some(trouble)).count();
        let counts = [Trouble::Slow, Trouble::Stop, Trouble::Storm, Trouble::Drop].map(count);
        for (count, expected) in counts.into_iter().zip([5_000, 10_000, 20_000, 10_000]) {
            assert!(count.abs_diff(expected) < 500, "{counts:?}");
        }
        assert!((0..1_000).any(|number| of(7, number) != of(8, number)), "other seeds, other watchers");
        assert!(Troubles::default().is_none() && Troubles::default().of(7, 1, 3, TEN).is_none());
    }

    #[test]
    fn whoever_leaves_comes_back_before_the_end() {
        let within = Duration::from_millis(500);
        for kind in [StormKind::SignIn, StormKind::Reconnect] {
            let storm = Some(Storm { kind, share: 0.5, within });
            let troubles = Troubles { drop_share_per_min: 0.5, storm, ..Troubles::default() };
            for number in 0..2_000 {
                let chance = Chance::draw(3, 0, number);
                let absence = |trouble| troubles.absence(trouble, &chance, 500, (1_000_000, 5_000_000), TEN);
                let (leave_us, return_us) = absence(Trouble::Storm).unwrap();
                assert_eq!(leave_us, if kind == StormKind::SignIn { 500 } else { 2_000_000 });
                assert!((2_000_000..=2_500_000).contains(&return_us));
                // The longest point is 10 s: not everybody's turn comes in one of 4 s.
                if let Some((leave_us, return_us)) = absence(Trouble::Drop) {
                    assert!(
                        (1_000_000..5_000_000).contains(&leave_us) && return_us <= 5_000_000 && return_us > leave_us
                    );
                }
                assert_eq!(absence(Trouble::Slow), None);
            }
        }
    }

    #[test]
    fn words_are_read_and_wrong_ones_are_told() {
        let storm: Storm = "sign-in-storm:0.2/10s".parse().unwrap();
        assert_eq!(storm, Storm { kind: StormKind::SignIn, share: 0.2, within: TEN });
        for wrong in ["storm", "reconnect-storm:1", "reconnect-storm:2/1s", "sign-in-storm:1/soon"] {
            assert!(wrong.parse::<Storm>().is_err(), "{wrong}");
        }
    }
}
