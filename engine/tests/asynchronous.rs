//! Handles are awaited on any executor: the same promises on each, and on every runtime.

mod common;
#[path = "common/executors.rs"]
mod executors;

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use common::*;
use executors::{Executor, Hand};
use fanfare::{CallError, EngineError, Handle, OwnedNote, PresentityId, Stamp, View, Watcher};

/// Awaits all of these at the same time, in one task.
async fn all<F: Future>(futures: impl IntoIterator<Item = F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Keeps the newest of each, and sees to it that they come in order.
fn note_down(newest: &mut HashMap<PresentityId, Stamp>, notes: &[OwnedNote]) {
    assert!(!notes.is_empty(), "a batch has notes");
    for note in notes {
        assert!(newest.insert(note.presentity, note.stamp).is_none_or(|old| old < note.stamp), "C1");
    }
}

async fn tell_all(watcher: &mut Watcher, told: &mut HashMap<PresentityId, Stamp>, all: &HashMap<PresentityId, Stamp>) {
    while told != all {
        note_down(told, &watcher.next_batch().await.expect("the engine runs"));
    }
}

/// What tasks do with a handle all day long.
async fn a_day(door: Handle) {
    let people: Vec<PresentityId> = (0..2_000).map(PresentityId::new).collect();
    let (mut newest, mut told) = (HashMap::new(), HashMap::new());
    let mut watcher = door.watcher(7).await.expect("it opens");
    assert_eq!(watcher.subscribe(&people).await, Ok(people.len()));

    let published = door.publish_all(people.iter().map(|&who| says(who, "first"))).await.expect("they are taken");
    newest.extend(people.iter().zip(published).map(|(&who, published)| (who, published.expect("it is taken").stamp)));
    tell_all(&mut watcher, &mut told, &newest).await;

    // Calls are under way when they are made, and not only when they are awaited; one that is dropped happens too.
    let calls: Vec<_> = people[..300].iter().map(|&who| (who, door.publish(says(who, "second")))).collect();
    drop(door.publish(says(people[300], "second")));
    for (who, call) in calls {
        newest.insert(who, call.await.expect("it is taken").stamp);
    }
    let state = door.fetch(people[300], View::PLAIN).await.expect("it is fetched");
    assert_eq!(&*state.parts[0].1, b"second", "calls to one home are obeyed in their order");
    newest.insert(people[300], state.stamp);

    // Who waits for notes and thinks better of it misses none.
    for _ in 0..20 {
        let mut batch = watcher.next_batch();
        let now = poll_fn(|context| Poll::Ready(pin!(&mut batch).poll(context))).await;
        if let Poll::Ready(notes) = now {
            note_down(&mut told, &notes.expect("the engine runs"));
        }
    }
    tell_all(&mut watcher, &mut told, &newest).await;

    let (silent, loud) = people.split_at(people.len() / 2);
    assert_eq!(watcher.unsubscribe(silent).await, Ok(silent.len()));
    for &who in [&silent[..100], &loud[..100]].concat().iter() {
        let stamp = door.publish(says(who, "third")).await.expect("it is taken").stamp;
        newest.insert(who, stamp);
    }
    newest.retain(|who, _| loud.contains(who));
    told.retain(|who, _| loud.contains(who));
    tell_all(&mut watcher, &mut told, &newest).await;

    door.room(people[0]).await;
    watcher.room().await;
}

fn every_executor_serves_a_day(on: On) {
    for executor in Executor::ALL {
        for shards in [1, 2] {
            let engine = on.engine(shards);
            executor.run(a_day(engine.handle()));
            engine.shutdown().unwrap_or_else(|error| panic!("on {executor:?}: {error}"));
        }
    }
}

fn who_waits_for_room_gets_in(on: On) {
    for executor in Executor::ALL {
        let engine = on.builder(2).with(|builder| builder.ingress_slots(2)).start(|_| Nothing).expect("it starts");
        let door = engine.handle();
        executor.run(async move {
            let callers = (0..16).map(|caller| {
                let door = door.clone();
                async move {
                    for round in 0..50 {
                        let who = PresentityId::new(caller * 50 + round);
                        loop {
                            match door.publish(says(who, "x")).await {
                                Ok(_) => break,
                                Err(CallError::Busy { .. }) => door.room(who).await,
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                }
            });
            all(callers).await;
        });
        engine.shutdown().unwrap_or_else(|error| panic!("on {executor:?}: {error}"));
    }
}

fn tasks_that_wait_hear_of_the_end(on: On) {
    for executor in Executor::ALL {
        let engine = on.engine(2);
        let (door, ken) = (engine.handle(), PresentityId::new(7));
        let (waits, is_waiting) = mpsc::channel();
        let task = std::thread::spawn(move || {
            executor.run(async move {
                let mut watcher = door.watcher(1).await.expect("it opens");
                watcher.subscribe(&[ken]).await.expect("it subscribes");
                let mut told = watcher.next_batch().await;
                waits.send(()).expect("the test waits");
                while told.is_ok() {
                    told = watcher.next_batch().await;
                }
                (told.map(|notes| notes.len()), door.publish(says(ken, "late")).await)
            })
        });
        is_waiting.recv_timeout(LONG).expect("it has been told the first state");
        engine.shutdown().expect("it ends well");
        let (told, late) = task.join().expect("the task does not panic");
        assert_eq!(told, Err(CallError::Engine(EngineError::Stopped)), "on {executor:?}");
        assert_eq!(late, Err(CallError::Engine(EngineError::Stopped)), "on {executor:?}");
    }
}

fn many_tasks_on_many_threads_are_all_answered(on: On) {
    let engine = on.engine(2);
    let door = engine.handle();
    Executor::TokioThreads.run(async move {
        let tasks: Vec<_> = (0..32)
            .map(|task| {
                let door = door.clone();
                tokio::spawn(async move {
                    let mut watcher = door.watcher(task).await.expect("it opens");
                    let (ken, mut told) = (PresentityId::new(task % 4), None);
                    watcher.subscribe(&[ken]).await.expect("it subscribes");
                    for round in 0..50 {
                        let published = door.publish(says(ken, &round.to_string())).await.expect("it is taken");
                        while told < Some(published.stamp) {
                            told = watcher.next_batch().await.expect("the engine runs").last().map(|note| note.stamp);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no task panics");
        }
    });
    engine.shutdown().expect("it ends well");
}

fn a_batch_that_is_given_up_for_a_time_out_loses_no_note(on: On) {
    let engine = on.engine(2);
    let door = engine.handle();
    Executor::TokioThreads.run(async move {
        let people = one_on_each(2);
        let mut watcher = door.watcher(1).await.expect("it opens");
        watcher.subscribe(&people).await.expect("it subscribes");
        let publisher = tokio::spawn(async move {
            let mut newest = HashMap::new();
            for round in 0..500 {
                for &who in &people {
                    let published = door.publish(says(who, &round.to_string())).await.expect("it is taken");
                    newest.insert(who, published.stamp);
                }
            }
            newest
        });
        let mut told = HashMap::new();
        // The times are such that many are over before notes have come, and many are not.
        let mut micros = 1;
        while !publisher.is_finished() {
            micros = if micros > 500 { 1 } else { micros * 2 };
            if let Ok(notes) = tokio::time::timeout(Duration::from_micros(micros), watcher.next_batch()).await {
                note_down(&mut told, &notes.expect("the engine runs"));
            }
        }
        let newest = publisher.await.expect("the publisher does not panic");
        tell_all(&mut watcher, &mut told, &newest).await;
    });
    engine.shutdown().expect("it ends well");
}

fn who_waits_is_woken_once_a_batch_at_most(on: On) {
    let engine = on.engine(2);
    let people: Vec<PresentityId> = (0..500).map(PresentityId::new).collect();
    let (door, hand) = (engine.handle(), Arc::new(Hand::default()));
    let mut watcher = hand.run(door.watcher(1)).expect("it opens");
    hand.run(watcher.subscribe(&people)).expect("it subscribes");
    assert!(hand.wakes() <= 2, "a call wakes its caller once at most");

    let publisher = std::thread::spawn(move || {
        for round in 0..40 {
            let states = people.iter().map(|&who| says(who, &round.to_string()));
            let published = door.publish_all(states).wait().expect("they are taken");
            assert!(published.iter().all(Result::is_ok), "{published:?}");
        }
    });
    let (hand, mut batches) = (Arc::new(Hand::default()), 0);
    let (mut told, mut at_the_end) = (HashMap::new(), HashSet::new());
    while at_the_end.len() < 500 {
        let notes = hand.run(watcher.next_batch()).expect("the engine runs");
        batches += 1;
        assert!(hand.wakes() <= batches, "{} wake-ups for {batches} batches", hand.wakes());
        note_down(&mut told, &notes);
        at_the_end.extend(notes.iter().filter(|note| text(note).as_deref() == Some("39")).map(|note| note.presentity));
    }
    publisher.join().expect("the publisher does not panic");
    engine.shutdown().expect("it ends well");
}

on_every_runtime!(
    every_executor_serves_a_day,
    who_waits_for_room_gets_in,
    tasks_that_wait_hear_of_the_end,
    many_tasks_on_many_threads_are_all_answered,
    a_batch_that_is_given_up_for_a_time_out_loses_no_note,
    who_waits_is_woken_once_a_batch_at_most,
);
