//! When sessions do what they do beside publishing: a Poisson process of its own, from a stream of its own.
//!
//! So publications are drawn as they are without sessions, and sessions whatever the rate of publications. An event costs about 20 ns.

use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::{Arrival, Drawing, Habit, Residents, What};
use crate::population::{below, unit};
use crate::sessions::SessionEvent;

/// Sets this stream apart from the publications'.
const STREAM: u64 = 0x5e55_1045;

/// An endless sequence of session events.
#[derive(Debug)]
pub(super) struct SessionSchedule {
    stream: Xoshiro256PlusPlus,
    residents: Residents,
    from_us: u64,
    /// Microseconds since then, with their fraction.
    at_us: f64,
    gap_us: f64,
    /// Which event, of whom, and where each ends on a line from 0.
    deeds: Vec<(f64, SessionEvent, u32, u32)>,
    next: Arrival,
}

impl SessionSchedule {
    /// The sessions of these users; nothing if they do nothing.
    pub(super) fn new(residents: Residents, drawing: &Drawing, habits: &[Habit]) -> Option<Self> {
        let mut end = 0.0;
        let mut deeds = Vec::new();
        for habit in habits {
            let numbers = residents.numbers(&habit.users);
            let count = numbers.end - numbers.start;
            for (event, per_hour) in SessionEvent::ALL.into_iter().zip(habit.mix.sessions.per_hour) {
                if count != 0 && per_hour > 0.0 {
                    end += f64::from(count) * per_hour / 3_600.0;
                    deeds.push((end, event, numbers.start, count));
                }
            }
        }
        let first = Arrival { plan_us: 0, user: 0, what: What::Session(SessionEvent::Poll) };
        let mut schedule = Self {
            stream: Xoshiro256PlusPlus::seed_from_u64(drawing.seed ^ STREAM ^ (residents.shard as u64 + 1) << 48),
            residents,
            from_us: drawing.from_us,
            at_us: 0.0,
            gap_us: 1e6 / end,
            deeds,
            next: first,
        };
        if schedule.deeds.is_empty() {
            return None;
        }
        schedule.next = schedule.draw();
        Some(schedule)
    }

    /// The next event, if it is due before that moment.
    pub(super) fn next_before(&mut self, plan_us: u64) -> Option<Arrival> {
        if self.next.plan_us >= plan_us {
            return None;
        }
        let following = self.draw();
        Some(std::mem::replace(&mut self.next, following))
    }

    fn draw(&mut self) -> Arrival {
        let gap: f64 = Exp1.sample(&mut self.stream);
        self.at_us += gap * self.gap_us;
        let at = unit(self.stream.next_u64()) * self.deeds[self.deeds.len() - 1].0;
        let &(_, event, first, count) =
            self.deeds.iter().find(|deed| at < deed.0).unwrap_or(&self.deeds[self.deeds.len() - 1]);
        let user = self.residents.user(first + below(count, self.stream.next_u64()));
        Arrival { plan_us: self.from_us.saturating_add(self.at_us as u64), user, what: What::Session(event) }
    }
}
