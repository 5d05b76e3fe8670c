//! A double of a server: the null target with faults and limits that are known beforehand.
//!
//! What measures others has to be measured itself: a stall of which one knows that it is there has to show, and a
//! limit of which one knows where it is has to be found. Lives on the null target's threads, in front of the loop that
//! tells the watchers, and holds that thread up as a busy server would: by spinning. Its invariant: when a publication
//! is done depends on when it came and on what came before, and on nothing else, unless the run is cut: then all are done.

use std::str::FromStr;
use std::time::Duration;

use fanfare::Clock;
use thiserror::Error;

use crate::quantities;

/// Publications that a bucket lets through at once, where nobody says how many.
const BURST: u32 = 64;

/// What a double does to each publication.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// How long it takes for one.
    pub service: Duration,
    /// When it stands still.
    pub stall: Option<Stall>,
    /// How many it lets through, all threads together.
    pub bucket: Option<Bucket>,
}

/// It stands still for some time, at equal intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// For how long.
    pub lasts: Duration,
    /// From one to the next.
    pub every: Duration,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Tokens that come in a second.
    pub per_s: f64,
    /// Tokens that it holds.
    pub burst: u32,
}

/// What is wrong with the description of a double.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{part}`: {expected}; a double is double:PART,… with parts such as service=20us, stall=500ms/5s, bucket=20000/s \
     and burst=64"
)]
pub struct DoubleError {
    /// Which part.
    pub part: String,
    /// What would have been right.
    pub expected: String,
}

impl FromStr for Behaviour {
    type Err = DoubleError;

    fn from_str(text: &str) -> Result<Self, DoubleError> {
        let mut behaviour = Self::default();
        let (mut per_s, mut burst) = (None, None);
        let mut seen = Vec::new();
        for part in text.split(',') {
            let wrong = |expected: String| DoubleError { part: part.to_owned(), expected };
            let (name, value) = part.split_once('=').ok_or_else(|| wrong("expected NAME=VALUE".to_owned()))?;
            if seen.contains(&name) {
                return Err(wrong(format!("{name} was said before")));
            }
            seen.push(name);
            match name {
                "service" => behaviour.service = quantities::time(value).map_err(wrong)?,
                "stall" => behaviour.stall = Some(stall(value).map_err(wrong)?),
                "bucket" => per_s = Some(tokens(value).map_err(wrong)?),
                "burst" => {
                    let number = value.parse().ok().filter(|number| (1..=1_000_000).contains(number));
                    burst = Some(number.ok_or_else(|| wrong("expected a number from 1 to 1000000".to_owned()))?);
                }
                _ => return Err(wrong("expected service, stall, bucket or burst".to_owned())),
            }
        }
        behaviour.bucket = per_s.map(|per_s| Bucket { per_s, burst: burst.unwrap_or(BURST) });
        if burst.is_some() && per_s.is_none() {
            let expected = "a burst needs a bucket".to_owned();
            return Err(DoubleError { part: "burst".to_owned(), expected });
        }
        Ok(behaviour)
    }
}

fn stall(text: &str) -> Result<Stall, String> {
    let (lasts, every) = text.split_once('/').ok_or("expected TIME/TIME, such as 500ms/5s")?;
    let stall = Stall { lasts: quantities::time(lasts)?, every: quantities::time(every)? };
    if stall.lasts < stall.every { Ok(stall) } else { Err("it has to be shorter than its interval".to_owned()) }
}

fn tokens(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse::<f64>().ok();
    number.filter(|number| (1.0..=1e8).contains(number)).ok_or_else(|| "expected a rate such as 20000/s".to_owned())
}

/// A double's part on one thread.
#[derive(Clone, Debug)]
pub(super) struct Server {
    behaviour: Behaviour,
    /// From one token to the next, and how far the bucket may run ahead.
    token_ns: f64,
    ahead_ns: f64,
    /// When the bucket is full again.
    full_ns: f64,
    free_ns: u64,
}

impl Server {
    /// One of so many threads, which share the tokens.
    pub(super) fn new(behaviour: Behaviour, threads: usize) -> Self {
        let share = threads as f64;
        let token_ns = behaviour.bucket.map_or(0.0, |bucket| 1e9 * share / bucket.per_s);
        let burst = behaviour.bucket.map_or(0.0, |bucket| (f64::from(bucket.burst) / share).max(1.0));
        Self { behaviour, token_ns, ahead_ns: token_ns * burst, full_ns: 0.0, free_ns: 0 }
    }

    /// Holds the thread up as long as the server takes for one publication. One may take a day, so it looks whether the run
    /// is cut.
    pub(super) fn serve(&mut self, clock: Clock, is_cut: impl Fn() -> bool) {
        let done_ns = self.done_ns(clock.nanos());
        while clock.nanos() < done_ns && !is_cut() {
            std::hint::spin_loop();
        }
    }

    /// When a publication is done that comes now.
    fn done_ns(&mut self, now_ns: u64) -> u64 {
        let mut begin_ns = now_ns.max(self.free_ns) as f64;
        if self.token_ns > 0.0 {
            begin_ns = begin_ns.max(self.full_ns + self.token_ns - self.ahead_ns);
            self.full_ns = self.full_ns.max(begin_ns) + self.token_ns;
        }
        self.free_ns = self.stalled_ns(begin_ns as u64);
        self.free_ns
    }

    /// When the service ends that begins then: a stall holds up what it meets.
    fn stalled_ns(&self, begin_ns: u64) -> u64 {
        let service_ns = self.behaviour.service.as_nanos() as u64;
        let Some(Stall { lasts, every }) = self.behaviour.stall else { return begin_ns + service_ns };
        let (lasts_ns, every_ns) = (lasts.as_nanos() as u64, every.as_nanos() as u64);
        let into_ns = begin_ns % every_ns;
        // The first interval has none, so that a run can begin.
        let begin_ns =
            if begin_ns >= every_ns && into_ns < lasts_ns { begin_ns - into_ns + lasts_ns } else { begin_ns };
        // Each stall that begins in the meantime makes it longer, which may bring the next one.
        let mut end_ns = begin_ns + service_ns;
        let mut next_ns = begin_ns - begin_ns % every_ns + every_ns;
        while next_ns < end_ns {
            end_ns += lasts_ns;
            next_ns += every_ns;
        }
        end_ns
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const MS: u64 = 1_000_000;

    fn server(text: &str) -> Server {
        Server::new(text.parse().unwrap(), 1)
    }

    #[test]
    fn descriptions_are_read_and_wrong_ones_are_told() {
        let whole: Behaviour = "service=20us,stall=500ms/5s,bucket=20000/s,burst=8".parse().unwrap();
        assert_eq!(whole.service, Duration::from_micros(20));
        assert_eq!(whole.stall, Some(Stall { lasts: Duration::from_millis(500), every: Duration::from_secs(5) }));
        assert_eq!(whole.bucket, Some(Bucket { per_s: 20_000.0, burst: 8 }));
        let wrong = [
            ("", "NAME=VALUE"),
            ("service", "NAME=VALUE"),
            ("service=soon", "not a time"),
            ("stall=1s", "TIME/TIME"),
            ("stall=5s/1s", "shorter"),
            ("bucket=0", "a rate"),
            ("bucket=nan", "a rate"),
            ("burst=5", "needs a bucket"),
            ("bucket=5,burst=0", "1 to 1000000"),
            ("service=1us,service=2us", "said before"),
            ("teapot=1", "service, stall, bucket or burst"),
        ];
        for (text, part) in wrong {
            let said = text.parse::<Behaviour>().unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn services_follow_one_another() {
        let mut server = server("service=1ms");
        assert_eq!(server.done_ns(10 * MS), 11 * MS);
        assert_eq!(server.done_ns(10 * MS), 12 * MS);
        assert_eq!(server.done_ns(50 * MS), 51 * MS);
    }

    #[test]
    fn a_service_of_a_day_ends_when_the_run_is_cut() {
        let looks = Cell::new(0);
        let is_cut = || looks.replace(looks.get() + 1) == 2;
        server("service=1440m").serve(Clock::start(), is_cut);
        assert_eq!(looks.get(), 3);
    }

    #[test]
    fn a_stall_holds_up_what_comes_in_it_and_what_is_under_way() {
        let mut server = server("service=2ms,stall=100ms/1s");
        assert_eq!(server.done_ns(MS), 3 * MS, "the first interval has none");
        assert_eq!(server.done_ns(999 * MS), 1_101 * MS);
        assert_eq!(server.done_ns(2_050 * MS), 2_102 * MS);
        assert_eq!(server.done_ns(2_500 * MS), 2_502 * MS);
    }

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let mut server = server("bucket=1000/s,burst=4");
        let done: Vec<u64> = (0..8).map(|_| server.done_ns(1_000 * MS) / MS).collect();
        assert_eq!(done, [1_000, 1_000, 1_000, 1_000, 1_001, 1_002, 1_003, 1_004]);
        let at_rest = 2_000 * MS;
        let done: Vec<u64> = (0..5).map(|_| server.done_ns(at_rest) / MS).collect();
        assert_eq!(done, [2_000, 2_000, 2_000, 2_000, 2_001], "it has filled up, and no further");
    }
}
