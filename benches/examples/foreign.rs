//! What foreign threads get through the engine's door: publications and notifications a second, all of them together.
//!
//! `cargo run --release -p fanfare-benches --example foreign -- [thread|glommio] [--threads 4] [--batch 512]
//! [--people 10000] [--watched 100] [--seconds 5]`
//!
//! Every thread publishes in bulk calls, two of them under way at a time, and has a watcher that watches so many per cent
//! of all people, and whose notes it takes in between. `--watched 0` leaves the watchers out. A notification is one note taken by its thread;
//! states that a newer one overtook are not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::{CallError, Engine, Handle, NoFrontend, PresentityId, Publication, Runtime};

struct Counts {
    published: AtomicU64,
    busy: AtomicU64,
    told: AtomicU64,
    stop: AtomicBool,
}

fn work(door: &Handle, counts: &Counts, thread: u64, people: u64, batch: u64, watched: u64) -> Result<(), CallError> {
    let ids: Vec<_> = (0..people).map(PresentityId::new).collect();
    let mut watcher = door.watcher(thread).wait()?;
    // Each another part, so that all are watched alike.
    let begin = (thread * people / 4) as usize;
    let part: Vec<_> = ids.iter().cycle().skip(begin).take((people * watched / 100) as usize).copied().collect();
    watcher.subscribe(&part).wait()?;
    let mut next = thread * 7919;
    let mut ahead = None;
    while !counts.stop.load(Ordering::Relaxed) {
        // Each state is another than the last, or nobody would have to be told of it. One buffer for the batch.
        let bytes: Vec<u8> =
            (next..next + batch).flat_map(|number| [number ^ thread << 56; 8]).flat_map(u64::to_le_bytes).collect();
        let documents = Bytes::from(bytes);
        let states = (0..batch).map(|offset| {
            let document = documents.slice(offset as usize * 64..(offset as usize + 1) * 64);
            Publication::plain(ids[((next + offset) % people) as usize], document)
        });
        let call = door.publish_all(states);
        next += batch;
        if let Some(call) = ahead.replace(call) {
            let results = fanfare::Call::wait(call)?;
            let done = results.iter().filter(|result| result.is_ok()).count() as u64;
            counts.published.fetch_add(done, Ordering::Relaxed);
            counts.busy.fetch_add(results.len() as u64 - done, Ordering::Relaxed);
        }
        if watched != 0 {
            let notes = watcher.next_batch().wait_for(Duration::ZERO)?;
            counts.told.fetch_add(notes.len() as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let runtime = match arguments.first().map(String::as_str) {
        Some("glommio") => Runtime::Glommio,
        Some("thread") => Runtime::Thread,
        _ => Runtime::Auto,
    };
    let (threads, batch, people) = (value("--threads", 4), value("--batch", 512), value("--people", 10_000));
    let seconds = value("--seconds", 5);
    let watched = value("--watched", 100).min(100);
    let engine = Engine::builder().runtime(runtime).watcher_notes(8192).start(|_| NoFrontend).expect("it starts");
    println!("{}", engine.report());
    let counts = Arc::new(Counts {
        published: AtomicU64::new(0),
        busy: AtomicU64::new(0),
        told: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let (door, counts) = (engine.handle(), counts.clone());
            std::thread::spawn(move || work(&door, &counts, thread, people, batch, watched))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let read = || (counts.published.load(Ordering::Relaxed), counts.told.load(Ordering::Relaxed), Instant::now());
    let (published, told, begun) = read();
    let before = engine.stats();
    std::thread::sleep(Duration::from_secs(seconds));
    let (published_by, told_by, ended) = read();
    let after = engine.stats();
    let elapsed = (ended - begun).as_secs_f64();
    counts.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.join().expect("no thread panics").expect("the engine answers");
    }
    let (published, told) = (published_by - published, told_by - told);
    println!("{:.2} million publications/s", published as f64 / elapsed / 1e6);
    println!("{:.2} million notifications/s", told as f64 / elapsed / 1e6);
    println!("{} not taken", counts.busy.load(Ordering::Relaxed));
    for (shard, (before, after)) in before.iter().zip(&after).enumerate() {
        let share = |ns: u64| 100.0 * ns as f64 / 1e9 / elapsed;
        println!(
            "shard {shard}: {:.0} % of the time in turns that worked, {:.0} % spinning, {:.0} % asleep, {} wakes",
            share(after.work_ns - before.work_ns),
            share(after.spin_ns - before.spin_ns),
            share(after.park_ns - before.park_ns),
            after.parks - before.parks
        );
    }
    engine.shutdown().expect("it ends well");
}
