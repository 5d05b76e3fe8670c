//! Engines that start, serve and stop in one process, again and again: descriptors, threads and memory come back.
//!
//! By default a hundred starts on each runtime. With `FANFARE_SOAK_SECONDS` each runtime is tried for so long, and says
//! once a minute how far it is; what must hold is the same.

mod common;

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::*;
use fanfare::*;

/// Starts before the count begins: allocator and kernel have what they keep by then.
const WARM_UP: usize = 20;
const STARTS: usize = 100;

/// What resident memory may have grown by after the warm-up, whatever the number of starts. Measured: 0.1 MiB over 23,000
/// starts on plain threads and with hosts, 1.7 MiB over 18,000 on glommio, of which all but 0.06 MiB in the first
/// 4,000: the allocator's arenas, which fill up as threads happen to share them. Not even an executor leaves anything
/// behind. A shard whose memory did not come back would be over this by the third start.
const SLACK_KIB: i64 = 4 << 10;

/// What the process has of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Had {
    descriptors: usize,
    /// The engine's, and those that were started by them and have no name of their own.
    threads: usize,
    /// Memory maps, resident or not.
    maps: usize,
    resident_kib: i64,
    /// Whether freed memory is kept on purpose, as a sanitizer does, which maps terabytes for its own books.
    keeps_freed: bool,
}

impl Had {
    fn now() -> Self {
        let of_engine = |task: &std::io::Result<fs::DirEntry>| {
            let name = task.as_ref().ok().and_then(|task| fs::read_to_string(task.path().join("comm")).ok());
            // One that has just ended has no name any more.
            name.is_some_and(|name| name.starts_with("fanfare-"))
        };
        let status = fs::read_to_string("/proc/self/status").expect("procfs is there");
        let kib = |name| {
            let text = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
            text.trim().trim_end_matches(" kB").parse::<i64>().expect("it is a number")
        };
        Self {
            descriptors: fs::read_dir("/proc/self/fd").expect("procfs is there").count(),
            threads: fs::read_dir("/proc/self/task").expect("procfs is there").filter(of_engine).count(),
            maps: fs::read_to_string("/proc/self/maps").expect("procfs is there").lines().count(),
            resident_kib: kib("VmRSS:"),
            keeps_freed: kib("VmSize:") > 1 << 30,
        }
    }

    /// As it is once the threads of the last engine have gone, not all of which are waited for: glommio's own are not.
    fn settled() -> Self {
        let begun = Instant::now();
        loop {
            let now = Self::now();
            if now.threads == 0 || begun.elapsed() > LONG {
                return now;
            }
            std::thread::yield_now();
        }
    }
}

/// One engine's life: calls of every kind, notes, an expiry, a watcher that is left open.
fn live(on: On, number: usize) {
    let engine = on.engine(2);
    let door = engine.handle();
    let people: Vec<_> = (0..64).map(PresentityId::new).collect();
    let mut watchers: Vec<_> = (0..2).map(|token| door.watcher(token).wait().expect("it opens")).collect();
    for watcher in &mut watchers {
        watcher.subscribe(&people).wait().expect("it subscribes");
    }
    for round in 0..4 {
        let text = "a state of some length, as clients publish them ".repeat(round + 1);
        let results = door.publish_all(people.iter().map(|&who| says(who, &text))).wait().expect("all are tried");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        door.fetch(people[round], View::PLAIN).wait().expect("it is fetched");
    }
    let mut soon = says(people[0], "soon gone");
    soon.expires = engine.now().after_micros(500);
    let stamp = match door.publish(soon).wait() {
        Ok(published) => published.stamp,
        // It was taken off its CPU for that long.
        Err(CallError::Refused(Refusal::Expired { .. })) => {
            door.publish(says(people[0], "last")).wait().expect("it is published").stamp
        }
        Err(error) => panic!("{error}"),
    };
    for watcher in &mut watchers {
        until(watcher, |note| note.presentity == people[0] && note.stamp >= stamp);
    }
    drop(watchers.pop());
    // Each way of ending in turn.
    if number.is_multiple_of(2) {
        engine.shutdown().expect("it ends well");
    } else {
        drop(engine);
    }
}

fn whatever_an_engine_takes_it_gives_back(on: On) {
    // One runtime at a time, so that each is measured alone.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = std::env::var("FANFARE_SOAK_SECONDS").ok();
    let time = seconds.map(|seconds| Duration::from_secs(seconds.parse().expect("FANFARE_SOAK_SECONDS is a number")));

    let before = Had::now();
    let mut number = 0;
    while number < WARM_UP {
        live(on, number);
        number += 1;
    }
    let warm = Had::settled();
    let (begun, mut minutes) = (Instant::now(), 0);
    while time.map_or(number < WARM_UP + STARTS, |time| begun.elapsed() < time) {
        live(on, number);
        number += 1;
        if begun.elapsed().as_secs() / 60 > minutes {
            minutes = begun.elapsed().as_secs() / 60;
            println!("{on:?}: {minutes} min, {number} starts, {:?}", Had::now());
        }
    }
    let after = Had::settled();
    println!("{on:?}: {number} starts: {before:?}, warm {warm:?}, {after:?}");
    // The test of another runtime may just have had a ring, to see whether it can, when this one began.
    assert!(after.descriptors <= before.descriptors && after.descriptors <= warm.descriptors, "a descriptor is left");
    assert_eq!(after.threads, 0, "a thread is left");
    // One map left behind by each start would be twice as many.
    assert!(after.maps <= warm.maps + STARTS / 2, "{} maps, {} after {number} starts", warm.maps, after.maps);
    let grown_kib = after.resident_kib - warm.resident_kib;
    assert!(after.keeps_freed || grown_kib <= SLACK_KIB, "{grown_kib} KiB more after {number} starts");
}

on_every_runtime!(whatever_an_engine_takes_it_gives_back);
