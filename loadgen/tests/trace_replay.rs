//! What publishers are given of a trace: all of it, each shard its own users' events, when they are due.

mod traces;

use std::fs;
use std::io::Write;

use fanfare_loadgen::schedule::{Arrival, Residents};
use fanfare_loadgen::trace::map::Mapped;
use fanfare_loadgen::trace::replay::{NEVER_US, Reel, Replay, Speed};
use fanfare_loadgen::trace::{BLOCK_RECORDS, Event};
use proptest::prelude::*;
use traces::{HEADER, drawn, scratch, write};

/// These events, ready to be replayed at some speed.
fn replay(name: &str, events: &[Event], speed: Speed) -> Replay {
    let path = scratch(name);
    fs::write(&path, write(HEADER, events)).unwrap();
    let replay = Replay::new(Mapped::open(&path).unwrap(), speed);
    // The map holds what the name is gone of.
    fs::remove_file(path).unwrap();
    replay
}

fn reel(replay: &Replay, shard: usize, shards: usize, from_us: u64) -> Reel {
    replay.reel(Residents { shard, shards, users: HEADER.users }, from_us)
}

/// All that is left, each with its number in the trace and the bytes of its document.
fn rest(mut reel: Reel, now_us: u64) -> Vec<(u64, Arrival, u32)> {
    std::iter::from_fn(|| {
        let arrival = reel.next_arrival(now_us);
        (arrival.plan_us != NEVER_US).then(|| (reel.number(), arrival, reel.document_bytes()))
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_event_is_replayed_once_by_its_users_shard_at_its_time(
        count in 0..2 * BLOCK_RECORDS,
        seed in any::<u64>(),
        shards in 1..9usize,
        from_us in 0..1u64 << 40,
    ) {
        let events = drawn(count, seed);
        let replay = replay("all.trace", &events, Speed::RECORDED);
        let mut found = Vec::new();
        for shard in 0..shards {
            let of_shard = rest(reel(&replay, shard, shards, from_us), 0);
            prop_assert!(of_shard.is_sorted_by_key(|(number, ..)| *number), "in the trace's order");
            prop_assert!(of_shard.iter().all(|(_, arrival, _)| arrival.user as usize % shards == shard));
            found.extend(of_shard);
        }
        found.sort_by_key(|(number, ..)| *number);
        let expected = (0..).zip(&events).map(|(number, event)| {
            let arrival = Arrival { plan_us: from_us + event.at_us, user: event.user, what: event.kind.what() };
            (number, arrival, event.kind.document_bytes())
        });
        prop_assert!(found.into_iter().eq(expected));
        prop_assert!(replay.verify().is_ok());
    }
}

#[test]
fn a_factor_moves_every_event_and_max_has_each_due_when_it_is_asked_for() {
    let events = drawn(500, 1);
    let last_us = events.last().unwrap().at_us;
    for factor in [0.25, 3.0, 1e6] {
        let replay = replay("factor.trace", &events, Speed::Factor(factor));
        for ((_, arrival, _), event) in rest(reel(&replay, 0, 1, 1_000), 0).iter().zip(&events) {
            assert_eq!(arrival.plan_us, 1_000 + (event.at_us as f64 / factor) as u64);
        }
        assert_eq!(replay.span_us(), Some((last_us as f64 / factor) as u64 + 2), "the last event is before the end");
        assert!(!replay.is_at_once());
    }
    let replay = replay("max.trace", &events, Speed::Max);
    let mut reel = reel(&replay, 0, 1, 1_000);
    assert_eq!((reel.next_arrival(7_000).plan_us, reel.next_arrival(7_003).plan_us), (7_000, 7_003));
    assert_eq!((replay.span_us(), reel.is_at_once()), (None, true));
    assert_eq!(rest(reel, 8_000).len(), 498);
}

#[test]
fn a_file_that_is_changed_on_the_way_ends_the_replay_and_is_told() {
    let path = scratch("changed.trace");
    fs::write(&path, write(HEADER, &drawn(BLOCK_RECORDS, 2))).unwrap();
    let replay = Replay::new(Mapped::open(&path).unwrap(), Speed::RECORDED);
    let mut reel = reel(&replay, 0, 1, 0);
    for _ in 0..10 {
        assert_ne!(reel.next_arrival(0).plan_us, NEVER_US);
    }
    let length = fs::metadata(&path).unwrap().len() as usize;
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all(&vec![0xff; length]).unwrap();
    assert_eq!(reel.next_arrival(0).plan_us, NEVER_US);
    assert_eq!(reel.next_arrival(0).plan_us, NEVER_US);
    let error = replay.verify().unwrap_err().to_string();
    assert!(error.contains("changed.trace: it was changed while it was replayed: record 10: kind 255"), "{error}");
    fs::remove_file(path).unwrap();
}
