//! What the recorder itself costs, measured on the same shape of data, to be taken off the shard's CPU.
//!
//! Runs on each shard's core when everything else is over. It tells made-up notes of a few hundred publications under
//! way to slots chosen at random over an array as large as the real one, so that its misses are like those of a run.

use std::sync::Arc;

use super::{NO_INDEX, Opening, PublicationLog, Receipt, Recorder};
use crate::payload::{Header, Press};
use fanfare::Clock;

/// Publications under way at a time.
const UNDER_WAY: u32 = 256;
const NOTES: u64 = 400_000;
const READINGS: u64 = 5_000;
const READING_ROUNDS: u64 = 15;

/// Costs of the recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecorderCost {
    /// For each note, the share of joining a publication's results included.
    pub note_ns: f64,
    /// For each reading of the clock.
    pub reading_ns: f64,
}

/// Measures a recorder with so many slots, whose users have so many watchers here.
#[must_use]
pub fn measure(slots: usize, watchers: u32, document_bytes: usize) -> RecorderCost {
    let clock = Clock::start();
    let watchers = watchers.clamp(1, 4_096);
    let notes_per_round = u64::from(UNDER_WAY * watchers);
    let slots = slots.max(notes_per_round as usize);
    let log = Arc::new(PublicationLog::new(1, UNDER_WAY as usize));
    let mut recorder = Recorder::new(0, Arc::clone(&log), UNDER_WAY, slots);
    recorder.seen = vec![1; slots];
    recorder.watchers.fill(watchers);
    let press = Press::new();
    let mut walk = SlotWalk::over(slots);
    let rounds = (NOTES / notes_per_round).max(1);
    let mut spent_ns = Vec::new();
    for round in 0..rounds {
        // A version above any seen, so that no slot has to be prepared, which would warm it.
        let version = u32::MAX - (rounds - round) as u32;
        let documents: Vec<_> = (0..UNDER_WAY)
            .map(|user| {
                let index = PublicationLog::index(0, round * u64::from(UNDER_WAY) + u64::from(user));
                log.open(index, &Opening { plan_us: 0, user, previous: NO_INDEX, watchers, measured: true });
                press.document(&Header { user, version, plan_us: 0, index }, document_bytes)
            })
            .collect();
        let begin = clock.nanos();
        for _ in 0..watchers {
            for (user, document) in documents.iter().enumerate() {
                let receipt = Receipt {
                    now_us: 1_000,
                    slot: walk.step(),
                    user: user as u32,
                    first: false,
                    stamped: version,
                    skipped: None,
                };
                recorder.note(&receipt, std::iter::once(&document[..]));
            }
        }
        recorder.settle();
        spent_ns.push((clock.nanos() - begin) as f64 / notes_per_round as f64);
    }
    debug_assert_eq!(recorder.tally().faults.sum(), 0, "made-up notes are told in order and once");
    RecorderCost { note_ns: median(spent_ns), reading_ns: reading_ns(&clock) }
}

/// Goes to every slot once before it comes back, in jumps that no prefetcher follows.
struct SlotWalk {
    slots: usize,
    stride: usize,
    at: usize,
}

impl SlotWalk {
    fn over(slots: usize) -> Self {
        let mut stride = (slots as f64 * 0.618_034) as usize | 1;
        while common_divisor(stride, slots) != 1 {
            stride += 2;
        }
        Self { slots, stride, at: 0 }
    }

    fn step(&mut self) -> usize {
        self.at += self.stride;
        while self.at >= self.slots {
            self.at -= self.slots;
        }
        self.at
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn reading_ns(clock: &Clock) -> f64 {
    let round = |_| {
        let begin = clock.nanos();
        for _ in 0..READINGS {
            std::hint::black_box(clock.now().as_micros());
        }
        (clock.nanos() - begin) as f64 / READINGS as f64
    };
    median((0..READING_ROUNDS).map(round).collect())
}

/// The middle one: a round in which somebody else had the CPU does not count.
fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_of_a_likely_size() {
        let cost = measure(10_000, 50, 64);
        assert!(cost.note_ns > 0.5 && cost.note_ns < 10_000.0, "{cost:?}");
        assert!(cost.reading_ns > 0.5 && cost.reading_ns < 10_000.0, "{cost:?}");
    }
}
