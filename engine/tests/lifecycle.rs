//! How an engine starts, ends and fails.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::*;
use fanfare::*;

#[test]
fn more_shards_than_cpus_are_refused_with_both_numbers() {
    let cpus = Cpus::all().resolve().expect("the mask can be read").len();
    let shards = cpus + 1;
    if shards <= SHARDS_MAX {
        let error = Engine::builder().shards(shards).start(|_| Nothing).expect_err("there are too many");
        assert!(matches!(error, StartError::MoreShardsThanCpus { shards: s, cpus: c } if (s, c) == (shards, cpus)));
        let text = error.to_string();
        assert!(text.contains(&format!("{shards} shards")) && text.contains(&format!("{cpus} CPUs")), "{text}");
    }
    let error = Engine::builder().shards(2).cpus(Cpus::count(1)).start(|_| Nothing).expect_err("one CPU was chosen");
    assert!(matches!(error, StartError::MoreShardsThanCpus { shards: 2, cpus: 1 }), "{error}");
    assert!(matches!(Engine::builder().shards(0).start(|_| Nothing), Err(StartError::Shards(0))));
    assert!(matches!(On::Thread.builder(65).start(|_| Nothing), Err(StartError::Shards(65))));
    assert!(matches!(Engine::builder().cpus(Cpus::list([4095])).start(|_| Nothing), Err(StartError::Cpus(_))));
    let limits = Limits { credits: 0, ..Limits::default() };
    assert!(matches!(Engine::builder().limits(limits).start(|_| Nothing), Err(StartError::Limits(_))));
    assert!(matches!(Engine::builder().ingress_slots(0).start(|_| Nothing), Err(StartError::Zero("ingress_slots"))));
}

#[test]
fn a_pinned_engine_runs_on_the_cpus_it_was_given() {
    let cpu = Cpus::all().resolve().expect("the mask can be read")[0];
    let (told, tell) = mpsc::channel();
    let engine = Engine::builder()
        .cpus(Cpus::list([cpu]))
        .limits(small())
        .start(move |core: Core| {
            told.send((core.cpu, core.shards, Cpus::all().resolve().expect("the mask can be read"))).expect("it waits");
            Nothing
        })
        .expect("an engine starts");
    assert_eq!(tell.recv().expect("the shard runs"), (Some(cpu), 1, vec![cpu]));
    engine.shutdown().expect("it ends well");
}

fn shutdown_lets_no_publication_lie(on: On) {
    for _ in 0..20 {
        let engine = on.engine(2);
        let door = engine.handle();
        let people = one_on_each(2);
        let mut watcher = door.watcher(1).wait().expect("it opens");
        watcher.subscribe(&people).wait().expect("it subscribes");
        let stamps: Vec<_> =
            people.iter().map(|&who| door.publish(says(who, "last")).wait().expect("taken").stamp).collect();
        // The answers are here; the updates may still be between the shards.
        engine.shutdown().expect("it ends well");
        let notes: Vec<_> = std::iter::from_fn(|| watcher.next_batch().wait_for(LONG).ok()).flatten().collect();
        for (who, stamp) in people.iter().zip(stamps) {
            assert!(notes.iter().any(|note| note.presentity == *who && note.stamp >= stamp), "{notes:?}");
        }
        assert_eq!(door.publish(says(people[0], "late")).wait(), Err(CallError::Engine(EngineError::Stopped)));
        assert!(matches!(door.watcher(2).wait(), Err(CallError::Engine(EngineError::Stopped))));
        assert_eq!(watcher.subscribe(&people).wait(), Err(CallError::Engine(EngineError::Stopped)));
    }
}

/// Panics at the first sign of its kind.
struct Panics {
    on: &'static str,
    shard: usize,
}

impl Frontend for Panics {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if self.on == "poll" && self.shard == 1 && shard.counters().published != 0 {
            panic!("poll on shard {}", self.shard);
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}

    fn stop(&mut self, _: &mut Shard) {
        if self.on == "stop" && self.shard == 0 {
            panic!("stop on shard {}", self.shard);
        }
    }
}

fn a_panic_on_a_shard_ends_every_call_with_its_message(on: On) {
    let engine = on.builder(2).start(|core: Core| Panics { on: "poll", shard: core.index.index() }).expect("it starts");
    let door = engine.handle();
    let people = one_on_each(2);
    // Watchers on both shards wait, with nothing to come, when shard 1 panics.
    let waiting: Vec<_> = (0..2)
        .map(|token| {
            let mut watcher = door.watcher(token).wait().expect("it opens");
            std::thread::spawn(move || (watcher.next_batch().wait(), watcher.subscribe(&[PresentityId::new(1)]).wait()))
        })
        .collect();
    let _ = door.publish(says(people[1], "x")).wait();
    let panicked = EngineError::Panicked { shard: ShardIndex::new(1), message: "poll on shard 1".to_owned() };
    for thread in waiting {
        let (batch, subscribe) = thread.join().expect("no caller fails");
        assert_eq!(batch.map(|notes| notes.len()), Err(CallError::Engine(panicked.clone())));
        assert_eq!(subscribe, Err(CallError::Engine(panicked.clone())));
    }
    for &who in &people {
        assert_eq!(door.publish(says(who, "x")).wait(), Err(CallError::Engine(panicked.clone())));
        assert_eq!(door.fetch(who, View::PLAIN).wait().map(|_| ()), Err(CallError::Engine(panicked.clone())));
    }
    assert_eq!(engine.error(), Some(panicked.clone()));
    assert_eq!(engine.shutdown(), Err(panicked));
}

fn calls_under_way_on_other_shards_hear_of_a_panic_too(on: On) {
    let engine = on.builder(2).start(|core: Core| Panics { on: "poll", shard: core.index.index() }).expect("it starts");
    let people = one_on_each(2);
    let callers: Vec<_> = (0..4)
        .map(|number| {
            let (door, who) = (engine.handle(), people[number % 2]);
            std::thread::spawn(move || {
                loop {
                    match door.publish(says(who, "x")).wait() {
                        Ok(_) | Err(CallError::Busy { .. }) => {}
                        Err(error) => return error,
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        let error = caller.join().expect("no caller fails");
        assert!(matches!(error, CallError::Engine(EngineError::Panicked { .. })), "{error}");
    }
    drop(engine);
}

fn a_panic_at_the_start_or_the_end_is_told_as_well(on: On) {
    let error = on
        .builder(2)
        .start(|core: Core| {
            assert_ne!(core.index.index(), 1, "no frontend for shard 1");
            Nothing
        })
        .expect_err("shard 1 has none");
    let StartError::Engine(EngineError::Panicked { shard, message }) = error else { panic!("{error}") };
    assert_eq!(shard, ShardIndex::new(1));
    assert!(message.contains("no frontend for shard 1"), "{message}");

    let engine = on.builder(2).start(|core: Core| Panics { on: "stop", shard: core.index.index() }).expect("it starts");
    let error = engine.shutdown().expect_err("shard 0 panics");
    assert_eq!(error, EngineError::Panicked { shard: ShardIndex::new(0), message: "stop on shard 0".to_owned() });
}

/// Never has enough, and counts how often it is told to stop.
struct Restless(Arc<AtomicUsize>);

impl Frontend for Restless {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll::WORKED
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}

    fn stop(&mut self, _: &mut Shard) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn a_shard_that_is_never_idle_is_stopped_and_named(on: On) {
    let stops = Arc::new(AtomicUsize::new(0));
    let counted = stops.clone();
    let engine = on.builder(2).start(move |_| Restless(counted.clone())).expect("it starts");
    let after = Duration::from_millis(20);
    assert_eq!(engine.shutdown_within(after), Err(EngineError::NotDrained { shards: vec![0, 1], after }));
    assert_eq!(stops.load(Ordering::Relaxed), 2, "each frontend is told once");

    let counted = stops.clone();
    drop(on.builder(2).start(move |_| Restless(counted.clone())).expect("it starts"));
    assert_eq!(stops.load(Ordering::Relaxed), 4, "dropping tells them too");
}

/// Calls a handle from its own shard.
struct Caller {
    door: mpsc::Receiver<Handle>,
    result: mpsc::Sender<CallError>,
}

impl Frontend for Caller {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        if let Ok(door) = self.door.try_recv() {
            let error = door.publish(says(PresentityId::new(1), "x")).wait().expect_err("it would wait for itself");
            self.result.send(error).expect("the test waits");
        }
        Poll::WORKED
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_frontend_that_would_wait_for_itself_is_told_so(on: On) {
    let (give, door) = mpsc::channel();
    let (result, told) = mpsc::channel();
    let ends = std::sync::Mutex::new(Some(Caller { door, result }));
    let engine = on.builder(1).start(move |_| ends.lock().unwrap().take().expect("one shard")).expect("it starts");
    give.send(engine.handle()).expect("the shard runs");
    assert_eq!(told.recv(), Ok(CallError::OnShard));
    drop(engine);
}

fn an_idle_engine_sleeps_and_a_busy_one_counts(on: On) {
    let engine = on.engine(1);
    let door = engine.handle();
    let begun = std::time::Instant::now();
    while engine.stats()[0].parks == 0 {
        assert!(begun.elapsed() < LONG, "it never sleeps");
        std::thread::yield_now();
    }
    door.publish(says(PresentityId::new(1), "x")).wait().expect("it wakes");
    let stats = engine.stats();
    assert_eq!(stats.len(), 1);
    assert!(stats[0].turns > 0 && stats[0].work_ns > 0 && stats[0].spin_ns > 0, "{stats:?}");
    engine.shutdown().expect("it ends well");
}

/// A frontend that does not come back from its first poll until it is let go.
struct Blocked(mpsc::Receiver<()>, mpsc::Sender<()>);

impl Frontend for Blocked {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        let _ = self.1.send(());
        let _ = self.0.recv();
        Poll::IDLE
    }
    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_shard_that_does_not_come_back_leaves_nobody_waiting(on: On) {
    let (let_go, held) = mpsc::channel();
    let (entered, is_in) = mpsc::channel();
    let held = std::sync::Mutex::new(Some((held, entered)));
    let engine = on
        .builder(1)
        .start(move |_: Core| {
            let (held, entered) = held.lock().expect("nobody panicked").take().expect("one shard");
            Blocked(held, entered)
        })
        .expect("the shard itself starts");
    is_in.recv().expect("the frontend is polled");
    let door = engine.handle();
    let waiting = std::thread::spawn(move || door.fetch(PresentityId::new(1), View::PLAIN).wait().map(|_| ()));
    // Time for the call to come to its wait; too little would only make the test prove less.
    std::thread::sleep(Duration::from_millis(200));
    let ended = engine.abandon_within(Duration::ZERO);
    match on {
        // The engine does not own a host's thread, and need not leave it behind.
        On::Hosts => assert!(matches!(ended, Err(EngineError::NotDrained { .. })), "{ended:?}"),
        _ => assert!(matches!(ended, Err(EngineError::Stuck { .. })), "{ended:?}"),
    }
    let told = waiting.join().expect("the caller is let go of");
    assert!(matches!(told, Err(CallError::Engine(_))), "{told:?}");
    let _ = let_go.send(());
}

on_every_runtime!(
    shutdown_lets_no_publication_lie,
    a_panic_on_a_shard_ends_every_call_with_its_message,
    calls_under_way_on_other_shards_hear_of_a_panic_too,
    a_panic_at_the_start_or_the_end_is_told_as_well,
    a_shard_that_is_never_idle_is_stopped_and_named,
    a_frontend_that_would_wait_for_itself_is_told_so,
    an_idle_engine_sleeps_and_a_busy_one_counts,
    a_shard_that_does_not_come_back_leaves_nobody_waiting,
);
