//! When publications are due, and whose: arrivals in the shape asked for, drawn from the seed, one schedule for each
//! shard.
//!
//! Open loop: the plan never waits for anything. Whoever is late works the plan off late, and latency counts from the
//! plan (no coordinated omission). Nothing is stored; an arrival costs about 20 ns.

mod shape;

use std::ops::Range;

use fanfare::Category;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

pub use shape::{Course, ScheduleWords, Shape, ShapeError, Spacing};

use crate::population::{Population, below, unit};
use crate::presence;
use crate::series::Intervals;
use shape::Curve;

/// The end of a schedule that is over when its trace is, which nobody knows beforehand.
pub const UNKNOWN_END_US: u64 = u64::MAX;

/// One publication to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is due.
    pub plan_us: u64,
    /// Who publishes.
    pub user: u32,
    /// What is to be done.
    pub what: What,
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Publishes this category, counted from the model's first, in a way that is shown.
    Publish(u8),
    /// Publishes, before anybody watches, what there is beside the state.
    PublishRest,
    /// Publishes at an endpoint that is not shown.
    PublishIdle,
    /// Lets one of his contacts see him in another view, or no longer.
    EditPolicy,
}

impl What {
    /// Whether those outside the organisation are told of it too. Only composed presence makes a difference.
    #[must_use]
    pub fn is_wide(self, composed: bool) -> bool {
        matches!(self, Self::Publish(category) if composed && presence::is_wide(Category::numbered(category)))
    }
}

/// What users of one kind do, in shares of the publications that are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mix {
    /// Publications of a user that are shown, beside those of a user of another kind: only the ratio counts.
    pub frequency: f64,
    /// Of each category; they add up to 1.
    pub categories: Vec<f64>,
    /// Publications of endpoints that are not shown, beside those.
    pub idle: f64,
    /// Changes of policies, beside those.
    pub policies: f64,
}

/// What the users of these numbers do.
#[derive(Clone, Debug, PartialEq)]
pub struct Habit {
    /// Who.
    pub users: Range<u32>,
    /// What they do.
    pub mix: Mix,
}

impl Habit {
    /// What each kind of a population does.
    #[must_use]
    pub fn of(population: &Population, mixes: &[Mix]) -> Vec<Self> {
        population.ranges().into_iter().zip(mixes).map(|(users, mix)| Self { users, mix: mix.clone() }).collect()
    }

    /// Publications of so many of them that are shown, beside those of other kinds.
    fn publications(&self, users: &Range<u32>) -> f64 {
        f64::from(users.end - users.start) * self.mix.frequency
    }
}

/// The users of one shard: every `shards`-th, from `shard` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residents {
    /// Which shard.
    pub shard: usize,
    /// Of how many.
    pub shards: usize,
    /// Users of all shards.
    pub users: u32,
}

impl Residents {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        (self.users + self.shards as u32 - 1 - self.shard as u32) / self.shards as u32
    }

    /// The numbers, among them, of those who are in a range of all users.
    #[must_use]
    pub fn numbers(&self, users: &Range<u32>) -> Range<u32> {
        let before = |user: u32| user.saturating_sub(self.shard as u32).div_ceil(self.shards as u32);
        before(users.start)..before(users.end)
    }

    /// The user with this number among them.
    #[must_use]
    pub fn user(&self, number: u32) -> u32 {
        number * self.shards as u32 + self.shard as u32
    }
}

/// What a schedule is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawing {
    /// Publications a second of all shards, where the shape is at its height.
    pub rate_per_s: f64,
    /// How the rate changes, and how arrivals scatter.
    pub shape: Shape,
    /// The user whom the shape's hot share belongs to.
    pub hot_user: u32,
    /// When the schedule begins, on the run's clock.
    pub from_us: u64,
    /// From when on it is measured.
    pub measure_from_us: u64,
    /// When it ends, or [`UNKNOWN_END_US`].
    pub end_us: u64,
    /// From which the arrivals are drawn.
    pub seed: u64,
}

impl Drawing {
    /// Whether it is known beforehand when it ends.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.end_us != UNKNOWN_END_US
    }

    /// What the measured time is divided into: nothing where nobody knows how long that is.
    #[must_use]
    pub fn intervals(&self) -> Intervals {
        if self.is_planned() { Intervals::over(self.measure_from_us, self.end_us) } else { Intervals::default() }
    }

    /// The same time in finer intervals.
    #[must_use]
    pub fn fine_intervals(&self) -> Intervals {
        if self.is_planned() { Intervals::fine(self.measure_from_us, self.end_us) } else { Intervals::default() }
    }
}

/// An endless sequence of arrivals.
#[derive(Debug)]
pub struct Schedule {
    stream: Xoshiro256PlusPlus,
    residents: Residents,
    /// Where it begins. All else counts from there, so that a schedule is the same to the microsecond wherever that is.
    from_us: u64,
    /// Where the rate and the time have come to, with its fraction of a microsecond: rounding would bend high rates.
    curve: Curve,
    gap_us: f64,
    spacing: Spacing,
    /// The user with more to say than others, and the share of this shard's publications that is his.
    hot: Option<(u32, f64)>,
    /// What there is to do, by whom, and where each ends on a line from 0.
    deeds: Vec<Deed>,
}

/// One thing that residents of one kind do, who have neighbouring numbers.
#[derive(Clone, Copy, Debug)]
struct Deed {
    end: f64,
    what: What,
    first: u32,
    count: u32,
}

impl Schedule {
    /// A schedule for these users, with these habits; what is not shown comes on top of the rate.
    #[must_use]
    pub fn new(residents: Residents, drawing: &Drawing, habits: &[Habit]) -> Self {
        let whole: f64 = habits.iter().map(|habit| habit.publications(&habit.users)).sum();
        // What is shown here, and everything that is done here, in the same measure.
        let (mut here, mut end) = (0.0, 0.0);
        let mut deeds = Vec::new();
        for habit in habits {
            let (mix, numbers) = (&habit.mix, residents.numbers(&habit.users));
            let publications = habit.publications(&numbers);
            here += publications;
            let published = mix.categories.iter().zip(0..).map(|(&share, category)| (share, What::Publish(category)));
            let beside = [(mix.idle, What::PublishIdle), (mix.policies, What::EditPolicy)];
            for (share, what) in published.chain(beside).filter(|(share, _)| share * publications > 0.0) {
                end += share * publications;
                deeds.push(Deed { end, what, first: numbers.start, count: numbers.end - numbers.start });
            }
        }
        if deeds.is_empty() {
            // It never becomes due.
            deeds.push(Deed { end: 1.0, what: What::Publish(0), first: 0, count: 1 });
        }
        let Drawing { shape, from_us, measure_from_us, end_us, .. } = *drawing;
        let hot_share = shape.hot_share.unwrap_or(0.0);
        let is_home = drawing.hot_user as usize % residents.shards == residents.shard;
        let mine = if is_home { hot_share } else { 0.0 };
        let all = if here > 0.0 { (1.0 - hot_share) * here / whole + mine } else { 0.0 };
        let beside = if here > 0.0 { end / here } else { 1.0 };
        Self {
            deeds,
            stream: Xoshiro256PlusPlus::seed_from_u64(drawing.seed ^ (residents.shard as u64 + 1) << 48),
            residents,
            from_us,
            curve: Curve::new(shape.course, 0, measure_from_us - from_us, end_us - from_us),
            // Where everything is the hot user's, the others' shards have nothing to do.
            gap_us: 1e6 / (drawing.rate_per_s * all * beside),
            spacing: shape.spacing,
            hot: (mine > 0.0).then_some((drawing.hot_user, mine / all)),
        }
    }

    /// The next arrival.
    pub fn next_arrival(&mut self) -> Arrival {
        let gap: f64 = match self.spacing {
            Spacing::Poisson => Exp1.sample(&mut self.stream),
            Spacing::Constant => 1.0,
        };
        let plan_us = self.from_us.saturating_add(self.curve.after(gap * self.gap_us) as u64);
        let Deed { what, first, count, .. } = self.deed();
        let user = self.residents.user(first + below(count, self.stream.next_u64()));
        match self.hot {
            Some((hot_user, share)) if matches!(what, What::Publish(_)) && unit(self.stream.next_u64()) < share => {
                Arrival { plan_us, user: hot_user, what }
            }
            _ => Arrival { plan_us, user, what },
        }
    }

    fn deed(&mut self) -> Deed {
        let last = self.deeds[self.deeds.len() - 1];
        if self.deeds.len() == 1 {
            return last;
        }
        let at = unit(self.stream.next_u64()) * last.end;
        *self.deeds.iter().find(|deed| at < deed.end).unwrap_or(&last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESIDENTS: Residents = Residents { shard: 1, shards: 3, users: 1_000 };

    /// A third of the rate is this shard's.
    fn drawing(rate_per_s: f64, from_us: u64, seed: u64) -> Drawing {
        Drawing {
            rate_per_s: 3.0 * rate_per_s,
            shape: Shape::default(),
            hot_user: 1,
            from_us,
            measure_from_us: from_us,
            end_us: u64::MAX,
            seed,
        }
    }

    /// Everybody's habit.
    fn all(mix: Mix) -> [Habit; 1] {
        [Habit { users: 0..RESIDENTS.users, mix: Mix { frequency: 1.0, ..mix } }]
    }

    fn only(categories: &[f64]) -> [Habit; 1] {
        all(Mix { categories: categories.to_vec(), ..Mix::default() })
    }

    #[test]
    fn each_kind_publishes_as_often_as_it_does_and_what_it_does() {
        let mix =
            |frequency, categories: &[f64], idle| Mix { frequency, categories: categories.into(), idle, policies: 0.0 };
        let habits = [
            Habit { users: 0..800, mix: mix(4.0, &[0.5, 0.5], 0.5) },
            Habit { users: 800..1_000, mix: mix(8.0, &[1.0, 0.0], 0.0) },
        ];
        let (mut counts, mut all) = ([[0u32; 2]; 3], 0);
        for shard in 0..3 {
            let mut schedule = Schedule::new(Residents { shard, ..RESIDENTS }, &drawing(10_000.0, 0, 3), &habits);
            let arrivals = std::iter::repeat_with(|| schedule.next_arrival()).take_while(|due| due.plan_us < 4_000_000);
            for Arrival { user, what, .. } in arrivals {
                assert_eq!(user as usize % 3, shard);
                let what = match what {
                    What::Publish(category) => usize::from(category),
                    _ => 2,
                };
                counts[what][usize::from(user >= 800)] += 1;
                all += u32::from(what < 2);
            }
        }
        assert!((f64::from(all) / 120_000.0 - 1.0).abs() < 0.01, "{all}");
        // 800 users four times an hour and 200 eight times: two thirds and one third.
        for ([desks, telephones], expected) in counts.into_iter().zip([[40_000, 40_000], [40_000, 0], [40_000, 0]]) {
            for (found, expected) in [desks, telephones].into_iter().zip(expected) {
                assert!(found.abs_diff(expected) <= expected / 50, "{counts:?}");
            }
        }
    }

    #[test]
    fn residents_of_a_range_are_numbered_among_all_residents() {
        for range in [0..1_000, 0..1, 799..803, 998..1_000, 500..500] {
            for shard in 0..3 {
                let residents = Residents { shard, ..RESIDENTS };
                let found: Vec<u32> = residents.numbers(&range).map(|number| residents.user(number)).collect();
                let expected: Vec<u32> = range.clone().filter(|user| *user as usize % 3 == shard).collect();
                assert_eq!(found, expected, "{range:?} {shard}");
            }
        }
    }

    #[test]
    fn residents_share_the_users_out() {
        let all: u32 = (0..3).map(|shard| Residents { shard, ..RESIDENTS }.count()).sum();
        assert_eq!(all, 1_000);
        assert_eq!(RESIDENTS.user(0), 1);
        assert_eq!(RESIDENTS.user(RESIDENTS.count() - 1), 997);
    }

    #[test]
    fn the_mean_rate_is_the_one_asked_for() {
        let mut schedule = Schedule::new(RESIDENTS, &drawing(50_000.0, 1_000_000, 7), &only(&[1.0]));
        let mut last = 1_000_000;
        for _ in 0..200_000 {
            let arrival = schedule.next_arrival();
            assert!(arrival.plan_us >= last);
            assert_eq!(arrival.user % 3, 1);
            last = arrival.plan_us;
        }
        let seconds = (last - 1_000_000) as f64 / 1e6;
        assert!((200_000.0 / seconds / 50_000.0 - 1.0).abs() < 0.01, "{seconds}");
    }

    #[test]
    fn a_schedule_is_the_same_to_the_microsecond_wherever_it_begins() {
        let shape = Shape { course: Course::Ramp { from: 0.1, to: 1.0 }, ..Shape::default() };
        let arrivals = |from_us: u64| {
            let drawing = Drawing { shape, end_us: from_us + 2_000_000, ..drawing(50_000.0, from_us, 7) };
            let mut schedule = Schedule::new(RESIDENTS, &drawing, &only(&[1.0]));
            std::iter::repeat_with(move || schedule.next_arrival())
                .take(50_000)
                .map(move |due| (due.plan_us - from_us, due.user))
        };
        assert!(arrivals(0).eq(arrivals(1 << 45)));
    }

    #[test]
    fn gaps_scatter_like_those_of_a_poisson_process() {
        let mut schedule = Schedule::new(RESIDENTS, &drawing(100.0, 0, 8), &only(&[1.0]));
        let (mut last, mut sum, mut squares) = (0, 0.0, 0.0);
        for _ in 0..50_000 {
            let plan = schedule.next_arrival().plan_us;
            let gap = (plan - last) as f64;
            (last, sum, squares) = (plan, sum + gap, squares + gap * gap);
        }
        let mean = sum / 50_000.0;
        let deviation = (squares / 50_000.0 - mean * mean).sqrt();
        assert!((deviation / mean - 1.0).abs() < 0.03, "{mean} {deviation}");
    }

    #[test]
    fn the_hot_user_has_his_share_and_the_rate_stays() {
        let shape = Shape { hot_share: Some(0.25), ..Shape::default() };
        let (mut all, mut hot) = (0, 0);
        for shard in 0..3 {
            let drawing = Drawing { shape, hot_user: 4, ..drawing(10_000.0, 0, 5) };
            let mut schedule = Schedule::new(Residents { shard, ..RESIDENTS }, &drawing, &only(&[1.0]));
            let arrivals = std::iter::repeat_with(|| schedule.next_arrival()).take_while(|due| due.plan_us < 4_000_000);
            for Arrival { user, .. } in arrivals {
                all += 1;
                hot += u32::from(user == 4);
            }
        }
        assert!((f64::from(all) / 120_000.0 - 1.0).abs() < 0.01, "{all}");
        assert!((f64::from(hot) / 30_000.0 - 1.0).abs() < 0.03, "{hot}");
    }

    #[test]
    fn a_constant_schedule_does_not_scatter() {
        let shape = Shape { spacing: Spacing::Constant, ..Shape::default() };
        let mut schedule = Schedule::new(RESIDENTS, &Drawing { shape, ..drawing(1_000.0, 0, 5) }, &only(&[1.0]));
        let plans: Vec<u64> = (0..5).map(|_| schedule.next_arrival().plan_us).collect();
        assert!(plans.windows(2).all(|pair| (999..=1_001).contains(&(pair[1] - pair[0]))), "{plans:?}");
    }

    #[test]
    fn kinds_come_in_their_shares_and_what_is_not_shown_comes_on_top() {
        let mix = Mix { categories: vec![0.9, 0.0, 0.1], idle: 0.25, policies: 0.05, ..Mix::default() };
        let mut schedule = Schedule::new(RESIDENTS, &drawing(1_000.0, 0, 9), &all(mix));
        let (mut counts, mut last_us) = ([0; 5], 0);
        for _ in 0..130_000 {
            let Arrival { plan_us, what, .. } = schedule.next_arrival();
            last_us = plan_us;
            counts[match what {
                What::Publish(category) => usize::from(category),
                What::PublishIdle => 3,
                What::EditPolicy | What::PublishRest => 4,
            }] += 1;
        }
        assert!((89_000..91_000).contains(&counts[0]) && counts[1] == 0, "{counts:?}");
        assert!((24_000..26_000).contains(&counts[3]) && (4_500..5_500).contains(&counts[4]), "{counts:?}");
        let published_per_s = f64::from(counts[0] + counts[2]) * 1e6 / last_us as f64;
        assert!((published_per_s / 1_000.0 - 1.0).abs() < 0.02, "{published_per_s}");
    }
}
