//! What handles promise to threads that are no shard's.

mod common;

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

use common::*;
use fanfare::*;

fn what_is_published_is_fetched_and_told_on_any_number_of_shards(on: On) {
    for shards in [1, 2, 3] {
        let engine = on.engine(shards);
        let door = engine.handle();
        let people = one_on_each(shards);
        // One watcher on each shard, so that every pair of shards is crossed.
        let mut watchers: Vec<Watcher> =
            (0..shards).map(|token| door.watcher(token as u64).wait().expect("it opens")).collect();
        let mut places: Vec<usize> = watchers.iter().map(Watcher::shard).collect();
        places.sort_unstable();
        assert_eq!(places, (0..shards).collect::<Vec<_>>());
        for watcher in &mut watchers {
            assert_eq!(watcher.subscribe(&people).wait(), Ok(shards));
            assert_eq!(watcher.subscribe(&people).wait(), Ok(0), "doubles are left as they are");
        }
        for &who in &people {
            let first = door.publish(says(who, "away")).wait().expect("it is published");
            let second = door.publish(says(who, "here")).wait().expect("it is published");
            assert!(first.stamp < second.stamp);
            let state = door.fetch(who, View::PLAIN).wait().expect("it is fetched");
            assert_eq!(state.stamp, second.stamp);
            assert_eq!(&*state.parts[0].1, b"here");
        }
        for (token, watcher) in watchers.iter_mut().enumerate() {
            let mut last: HashMap<PresentityId, Stamp> = HashMap::new();
            let mut newest: HashMap<PresentityId, String> = HashMap::new();
            while newest.len() < shards || newest.values().any(|text| text != "here") {
                for note in watcher.next_batch().wait_for(LONG).expect("the engine runs") {
                    assert_eq!(note.token, token as u64);
                    assert!(last.insert(note.presentity, note.stamp).is_none_or(|old| old < note.stamp), "C1");
                    if let Some(text) = text(&note) {
                        newest.insert(note.presentity, text);
                    }
                }
            }
        }
        engine.shutdown().expect("it ends well");
    }
}

fn nothing_is_told_after_unsubscribe_has_returned(on: On) {
    let engine = on.engine(2);
    let door = engine.handle();
    let people = one_on_each(2);
    for round in 0..100 {
        let mut watcher = door.watcher(round).wait().expect("it opens");
        watcher.subscribe(&people).wait().expect("it subscribes");
        // Notes of the first are in the list, or on their way, when it is given up.
        door.publish(says(people[0], "a")).wait().expect("it is published");
        door.publish(says(people[0], "b")).wait().expect("it is published");
        assert_eq!(watcher.unsubscribe(&people[..1]).wait(), Ok(1));
        let end = door.publish(says(people[0], "c")).wait().and_then(|_| door.publish(says(people[1], "end")).wait());
        let end = end.expect("it is published").stamp;
        let notes = until(&mut watcher, |note| note.presentity == people[1] && note.stamp >= end);
        assert!(notes.iter().all(|note| note.presentity == people[1]), "{notes:?}");
        assert_eq!(watcher.unsubscribe(&people[..1]).wait(), Ok(0));
        watcher.close();
    }
    engine.shutdown().expect("it ends well");
}

fn a_slow_watcher_goes_stale_and_its_list_stays_bounded(on: On) {
    const NOTES: usize = 4;
    let engine =
        on.builder(2).with(|builder| builder.watcher_notes(NOTES)).start(|_| Nothing).expect("an engine starts");
    let door = engine.handle();
    let people: Vec<PresentityId> = (0..50).map(PresentityId::new).collect();
    let mut slow = door.watcher(1).wait().expect("it opens");
    slow.subscribe(&people).wait().expect("it subscribes");
    let mut newest = HashMap::new();
    for round in 0..20 {
        for &who in &people {
            newest.insert(who, door.publish(says(who, &round.to_string())).wait().expect("it is published").stamp);
        }
    }
    // Nothing was taken so far. From here on all come, each in its newest state, in lists within the bound.
    let mut told = HashMap::new();
    while told != newest {
        let notes = slow.next_batch().wait_for(LONG).expect("the engine runs");
        assert!(!notes.is_empty(), "{} of {} were told", told.len(), newest.len());
        assert!(notes.len() <= NOTES);
        for note in notes {
            assert!(told.insert(note.presentity, note.stamp).is_none_or(|old| old < note.stamp), "C1");
        }
    }
    engine.shutdown().expect("it ends well");
}

fn a_watcher_that_waits_is_told_when_something_comes_and_when_time_has_passed(on: On) {
    let engine = on.engine(1);
    let door = engine.handle();
    let mut watcher = door.watcher(1).wait().expect("it opens");
    assert!(watcher.next_batch().wait_for(Duration::from_millis(1)).expect("time passes").is_empty());
    let ken = PresentityId::new(7);
    watcher.subscribe(&[ken]).wait().expect("it subscribes");
    let publisher = std::thread::spawn(move || door.publish(says(ken, "here")).wait());
    until(&mut watcher, |note| text(note).as_deref() == Some("here"));
    publisher.join().expect("no panic").expect("it is published");
    engine.shutdown().expect("it ends well");
}

fn a_closed_watcher_makes_room_for_another(on: On) {
    let limits = Limits { watchers: 1, ..small() };
    let engine = on.builder(1).with(|builder| builder.limits(limits)).start(|_| Nothing).expect("an engine starts");
    let door = engine.handle();
    let first = door.watcher(1).wait().expect("there is room for one");
    let error = door.watcher(2).wait().expect_err("there is room for one only");
    assert!(matches!(error, CallError::Shard(Error::Limit { bound: Bound::Watchers, limit: 1 })), "{error}");
    drop(first);
    door.watcher(3).wait().expect("its call for attention came before this command");
    engine.shutdown().expect("it ends well");
}

fn what_a_home_refuses_is_told_with_its_reason(on: On) {
    let engine = on.engine(2);
    let door = engine.handle();
    for who in one_on_each(2) {
        let mut late = says(who, "gone");
        late.expires = Tick::ZERO;
        let error = door.publish(late).wait().expect_err("it has expired");
        assert!(matches!(error, CallError::Refused(Refusal::Expired { .. })), "{error}");
    }
    engine.shutdown().expect("it ends well");
}

/// Holds its shard up from the first poll after it is told to, until it is let go.
struct Held {
    hold: mpsc::Receiver<()>,
    held: mpsc::Sender<()>,
}

impl Frontend for Held {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        if self.hold.try_recv().is_ok() {
            self.held.send(()).expect("the test waits");
            let _ = self.hold.recv();
        }
        Poll { worked: true, deadline: None }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_full_door_is_busy_at_once(on: On) {
    let (hold, to_hold) = mpsc::channel();
    let (held, is_held) = mpsc::channel();
    let ends = std::sync::Mutex::new(Some((to_hold, held)));
    let engine = on
        .builder(1)
        .with(|builder| builder.ingress_slots(1))
        .start(move |_| {
            let (hold, held) = ends.lock().unwrap().take().expect("one shard");
            Held { hold, held }
        })
        .expect("an engine starts");
    hold.send(()).expect("the shard runs");
    is_held.recv().expect("the shard runs");
    // One of the two takes the only slot and waits; the other hears at once.
    let (result, results) = mpsc::channel();
    for _ in 0..2 {
        let (door, result) = (engine.handle(), result.clone());
        std::thread::spawn(move || result.send(door.publish(says(PresentityId::new(1), "x")).wait()));
    }
    let busy = results.recv().expect("one hears").expect_err("the door is full");
    assert!(matches!(busy, CallError::Busy { retry_after_us } if retry_after_us == small().retry_after_us));
    hold.send(()).expect("the shard runs");
    results.recv().expect("the other hears").expect("its publication was taken");
    drop(engine);
}

fn many_threads_at_once_are_all_answered(on: On) {
    let engine = on.engine(2);
    let people = one_on_each(2);
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (door, people) = (engine.handle(), people.clone());
            std::thread::spawn(move || {
                for round in 0..200 {
                    let who = people[(number + round) % 2];
                    loop {
                        match door.publish(says(who, "x")).wait() {
                            Ok(_) => break,
                            Err(CallError::Busy { .. }) => std::thread::yield_now(),
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no caller fails");
    }
    engine.shutdown().expect("it ends well");
}

on_every_runtime!(
    what_is_published_is_fetched_and_told_on_any_number_of_shards,
    nothing_is_told_after_unsubscribe_has_returned,
    a_slow_watcher_goes_stale_and_its_list_stays_bounded,
    a_watcher_that_waits_is_told_when_something_comes_and_when_time_has_passed,
    a_closed_watcher_makes_room_for_another,
    what_a_home_refuses_is_told_with_its_reason,
    a_full_door_is_busy_at_once,
    many_threads_at_once_are_all_answered,
);
