//! When publications are due, and whose: arrivals in the shape asked for, drawn from the seed, one schedule for each
//! shard.
//!
//! Open loop: the plan never waits for anything. Whoever is late works the plan off late, and latency counts from the
//! plan (no coordinated omission). Nothing is stored; an arrival costs about 20 ns.

mod sessions;
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
use crate::sessions::{SessionEvent, Sessions};
use sessions::SessionSchedule;
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
    /// Has a session of his do something beside publishing.
    Session(SessionEvent),
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
    /// What sessions do, whatever the rate of publications.
    pub sessions: Sessions,
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
    /// What sessions do beside, and the next publication, which waits for its turn among that.
    sessions: Option<Box<(SessionSchedule, Arrival)>>,
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
        let mut schedule = Self {
            deeds,
            stream: Xoshiro256PlusPlus::seed_from_u64(drawing.seed ^ (residents.shard as u64 + 1) << 48),
            residents,
            from_us,
            curve: Curve::new(shape.course, 0, measure_from_us - from_us, end_us - from_us),
            // Where everything is the hot user's, the others' shards have nothing to do.
            gap_us: 1e6 / (drawing.rate_per_s * all * beside),
            spacing: shape.spacing,
            hot: (mine > 0.0).then_some((drawing.hot_user, mine / all)),
            sessions: None,
        };
        if let Some(sessions) = SessionSchedule::new(residents, drawing, habits) {
            schedule.sessions = Some(Box::new((sessions, schedule.next_publication())));
        }
        schedule
    }

    /// The next arrival.
    pub fn next_arrival(&mut self) -> Arrival {
        let Some(beside) = &mut self.sessions else { return self.next_publication() };
        let (sessions, publication) = &mut **beside;
        if let Some(event) = sessions.next_before(publication.plan_us) {
            return event;
        }
        let publication = *publication;
        let following = self.next_publication();
        if let Some(beside) = &mut self.sessions {
            beside.1 = following;
        }
        publication
    }

    fn next_publication(&mut self) -> Arrival {
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
mod tests;
