//! Callers that give up, and callers that ask for much at once: nothing stays behind, nothing is lost, and everybody
//! gets the answer to what was asked.

mod common;
#[path = "common/waits.rs"]
mod waits;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use common::*;
use fanfare::*;
use waits::*;

/// Publishes all the time, on every home, until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(engine: &Engine, people: &[PresentityId]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..2).map(|thread| {
            let (door, people, stop) = (engine.handle(), people.to_vec(), stop.clone());
            std::thread::spawn(move || {
                let mut number = thread;
                while !stop.load(Ordering::Relaxed) {
                    number += 2;
                    match door.publish(says(people[number % people.len()], &number.to_string())).wait() {
                        Ok(_) | Err(CallError::Busy { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        Self { threads: threads.collect(), stop }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no publisher fails");
        }
    }
}

/// Limits of a shard that has room for one watcher and what it watches, and for few documents that were replaced and are
/// not handed back: what is left behind is missed at once.
fn tight(subscriptions: u32) -> Limits {
    Limits { watchers: 1, groups: 1, subscriptions, retired_bytes: 1 << 20, ..small() }
}

fn a_watcher_closed_in_the_middle_of_a_batch_leaves_its_place(on: On) {
    const WATCHED: usize = 160;
    let limits = tight(WATCHED as u32);
    let builder = on.builder(1).with(|builder| builder.limits(limits).watcher_notes(8));
    let engine = builder.start(|_| Nothing).expect("it starts");
    let door = engine.handle();
    let people: Vec<_> = (0..WATCHED as u64).map(PresentityId::new).collect();
    let load = Load::on(&engine, &people);
    for round in 0..300 {
        // Nobody has to wait until the one before is gone: its end was called for before this call.
        let mut watcher = door.watcher(round).wait().expect("there is room for one, and none is left");
        let subscribing = watcher.subscribe(&people);
        assert_eq!(if round % 2 == 0 { subscribing.wait() } else { awaited(subscribing) }, Ok(WATCHED));
        // The list is full, the outbox has more, the shard fills both.
        let notes = watcher.next_batch().wait_for(LONG).expect("the engine runs");
        assert!((1..=8).contains(&notes.len()));
        let _ = once(&mut watcher.next_batch());
        match round % 3 {
            0 => drop(watcher),
            1 => watcher.close(),
            _ => std::thread::spawn(move || watcher.close()).join().expect("no panic"),
        }
    }
    load.end();
    let mut last = door.watcher(0).wait().expect("there is room for one");
    assert_eq!(last.subscribe(&people).wait(), Ok(WATCHED));
    assert_eq!(awaited(door.publish(says(people[0], "end"))).map(|published| published.absorbed), Ok(false));
    until(&mut last, |note| text(note).as_deref() == Some("end"));
    engine.shutdown().expect("it ends well");
}

fn a_watcher_that_calls_for_more_as_it_closes_leaves_its_place(on: On) {
    // So many rounds let the shard come by in the very moment of closing several times, on most runs.
    const ROUNDS: u64 = 5_000;
    let limits = Limits { credits: 4_096, ..tight(64) };
    let builder = on.builder(1).with(|builder| builder.limits(limits).watcher_notes(1));
    let engine = builder.start(|_| Nothing).expect("it starts");
    let people: Vec<_> = (0..64).map(PresentityId::new).collect();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (door, people, ended) = (engine.handle(), &people, &ended);
        scope.spawn(move || {
            // Between many other commands, so that the shard is at its door all the time.
            while !ended.load(Ordering::Relaxed) {
                for &who in people.iter().cycle().take(200) {
                    drop(door.fetch(who, View::PLAIN));
                }
                door.fetch(people[0], View::PLAIN).wait().expect("it is fetched");
            }
        });
        let door = engine.handle();
        let round = |round| {
            let mut watcher = door.watcher(round).wait()?;
            watcher.subscribe(people).wait()?;
            // Each takes the only note there is room for, and so calls for the next.
            (0..3).try_for_each(|_| watcher.next_batch().wait_for(LONG).map(drop))
        };
        let refused = (0..ROUNDS).find_map(|number| round(number).err());
        ended.store(true, Ordering::Relaxed);
        assert_eq!(refused, None);
    });
    engine.shutdown().expect("it ends well");
}

/// Begins a future and gives it up, before or after it was polled.
fn give_up<F: Future + Unpin>(mut future: F, polls: bool) {
    if polls {
        let _ = once(&mut future);
    }
}

fn whatever_is_given_up_leaves_the_books_in_order(on: On) {
    const WATCHERS: u32 = 6;
    let limits = Limits { watchers: WATCHERS, ..small() };
    let engine = on.builder(2).with(|builder| builder.limits(limits)).start(|_| Nothing).expect("it starts");
    let (door, people) = (engine.handle(), one_on_each(2));
    let own: Vec<_> = (1_000..1_020).map(PresentityId::new).collect();
    let load = Load::on(&engine, &people);
    let mut keeper = door.watcher(9).wait().expect("it opens");
    for round in 0..500 {
        let who = people[round % 2];
        for polls in [false, true] {
            give_up(door.publish(says(who, "x")), polls);
            give_up(door.publish_all(people.iter().map(|&who| says(who, "y"))), polls);
            give_up(door.fetch(who, View::PLAIN), polls);
            give_up(door.watcher(1), polls);
            give_up(keeper.subscribe(&people), polls);
            give_up(keeper.unsubscribe(&people[..1]), polls);
            give_up(keeper.next_batch(), polls);
            give_up(door.room(who), polls);
            give_up(keeper.room(), polls);
        }
        // Calls between them get their own answers.
        let who = own[round % own.len()];
        let number = round.to_string();
        let published = loop {
            match awaited(door.publish(says(who, &number))) {
                Err(CallError::Busy { .. }) => awaited(door.room(who)),
                answer => break answer.expect("it is published"),
            }
        };
        let state = loop {
            match door.fetch(who, View::PLAIN).wait() {
                Err(CallError::Busy { .. }) => door.room(who).wait().expect("there is room some time"),
                answer => break answer.expect("it is fetched"),
            }
        };
        assert_eq!((state.stamp, &*state.parts[0].1), (published.stamp, number.as_bytes()));
    }
    load.end();

    // The watchers that nobody took are gone, or on their way out: there is room for as many as there ever was.
    let mut watchers = vec![keeper];
    until_true("all places of watchers are free", || {
        match awaited(door.watcher(watchers.len() as u64)) {
            Ok(watcher) => watchers.push(watcher),
            Err(CallError::Shard(Error::Limit { bound: Bound::Watchers, .. })) => {}
            Err(error) => panic!("{error}"),
        }
        watchers.len() == 2 * WATCHERS as usize
    });
    for watcher in &mut watchers {
        watcher.unsubscribe(&people).wait().expect("it may have been subscribed");
        assert_eq!(watcher.subscribe(&people).wait(), Ok(2));
    }
    let stamp = door.publish(says(people[0], "end")).wait().expect("it is published").stamp;
    for watcher in &mut watchers {
        until(watcher, |note| note.presentity == people[0] && note.stamp >= stamp);
    }
    engine.shutdown().expect("it ends well");
}

fn a_batch_given_up_loses_no_note(on: On) {
    let engine = on.engine(2);
    let door = engine.handle();
    let people: Vec<_> = (0..400).map(PresentityId::new).collect();
    let mut watcher = door.watcher(1).wait().expect("it opens");
    watcher.subscribe(&people).wait().expect("it subscribes");
    let mut told = HashSet::new();
    let mut take = |watcher: &mut Watcher| {
        // Given up unpolled, polled, and polled and woken.
        drop(watcher.next_batch());
        if let Polled::Ready(notes) = once(&mut watcher.next_batch()) {
            told.extend(notes.expect("the engine runs").into_iter().filter_map(|note| text(&note)));
        }
        told.len()
    };
    for (number, &who) in people.iter().enumerate() {
        take(&mut watcher);
        door.publish(says(who, &number.to_string())).wait().expect("it is published");
    }
    until_true("every state was told", || take(&mut watcher) == people.len());
    engine.shutdown().expect("it ends well");
}

/// What a place of a bulk call came to, in short.
fn kind(result: &Result<Published, CallError>) -> &'static str {
    match result {
        Ok(_) => "published",
        Err(CallError::Refused(Refusal::Expired { .. })) => "expired",
        Err(CallError::Shard(Error::Limit { bound: Bound::DocumentBytes, .. })) => "too long",
        Err(_) => "another error",
    }
}

fn a_bulk_call_is_answered_in_its_order_with_errors_in_their_places(on: On) {
    // Most of a part is not asked before an answer gives a credit back.
    let limits = Limits { credits: 3, document_bytes: 64, ..small() };
    let engine = on.builder(3).with(|builder| builder.limits(limits)).start(|_| Nothing).expect("it starts");
    let door = engine.handle();
    let people: Vec<_> = (0..100).map(PresentityId::new).collect();
    let expected = |place: usize| match place % 10 {
        3 => "expired",
        6 => "too long",
        _ => "published",
    };
    for blocks in [true, false] {
        let all: Vec<_> = (0..1_000)
            .map(|place| {
                let mut publication = says(people[place * 7 % 100], &format!("{blocks} {place}"));
                match expected(place) {
                    "expired" => publication.expires = Tick::ZERO,
                    "too long" => publication.document = Some(vec![b'x'; 65].into()),
                    _ => {}
                }
                publication
            })
            .collect();
        let call = door.publish_all(all.clone());
        let results = if blocks { call.wait() } else { awaited(call) }.expect("all are tried");
        assert_eq!(results.len(), all.len());
        let mut newest = HashMap::new();
        for (place, (publication, result)) in all.iter().zip(&results).enumerate() {
            assert_eq!(kind(result), expected(place), "{result:?}");
            let Ok(published) = result else { continue };
            let before = newest.insert(publication.presentity, (published.stamp, publication.document.clone()));
            assert!(before.is_none_or(|(stamp, _)| stamp < published.stamp), "those of one are taken in their order");
        }
        for (who, (stamp, document)) in newest {
            let state = awaited(door.fetch(who, View::PLAIN)).expect("it is fetched");
            assert_eq!((state.stamp, Some(state.parts[0].1.clone())), (stamp, document));
        }
    }
    assert_eq!(door.publish_all([]).wait(), Ok(Vec::new()));
    engine.shutdown().expect("it ends well");
}

fn a_bulk_call_has_a_bound_and_reaches_it(on: On) {
    let engine = on.engine(2);
    let door = engine.handle();
    let many = |count: usize| (0..count as u64).map(|id| says(PresentityId::new(id), "x"));
    let refused = Err(CallError::TooMany { limit: PUBLICATIONS_PER_CALL });
    assert_eq!(at_once(door.publish_all(many(PUBLICATIONS_PER_CALL + 1))), refused);
    assert_eq!(at_once(door.publish_all((0..).map(|id| says(PresentityId::new(id), "x")))), refused);
    let results = awaited(door.publish_all(many(PUBLICATIONS_PER_CALL))).expect("so many may be");
    assert_eq!(results.len(), PUBLICATIONS_PER_CALL);
    assert!(results.iter().all(|result| result.as_ref().is_ok_and(|published| !published.absorbed)));
    engine.shutdown().expect("it ends well");
}

fn bulk_calls_and_single_ones_get_their_own_answers_side_by_side(on: On) {
    let limits = Limits { credits: 8, ..small() };
    let engine = on.builder(2).with(|builder| builder.limits(limits)).start(|_| Nothing).expect("it starts");
    let check = |door: &Handle, who: PresentityId, text: &str, published: Published| {
        let state = awaited(door.fetch(who, View::PLAIN)).expect("it is fetched");
        assert_eq!((state.stamp, &*state.parts[0].1), (published.stamp, text.as_bytes()), "another's answer");
    };
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let door = engine.handle();
            scope.spawn(move || {
                // Each thread has presentities of its own, on both homes.
                let people: Vec<_> = (0..200).map(|id| PresentityId::new(thread << 32 | id)).collect();
                for round in 0..10 {
                    let say = |who: PresentityId| format!("{round} of {}", who.get());
                    if thread < 2 {
                        let results = awaited(door.publish_all(people.iter().map(|&who| says(who, &say(who)))));
                        for (&who, result) in people.iter().zip(results.expect("all are tried")) {
                            check(&door, who, &say(who), result.expect("it is published"));
                        }
                    } else {
                        for &who in &people {
                            let published = door.publish(says(who, &say(who))).wait().expect("it is published");
                            check(&door, who, &say(who), published);
                        }
                    }
                }
            });
        }
    });
    engine.shutdown().expect("it ends well");
}

/// Holds its shard up while the gate is shut.
struct Held(Arc<Gate>);

impl Frontend for Held {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll { worked: self.0.pass(), deadline: None }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_full_door_says_so_at_once_and_tells_when_there_is_room(on: On) {
    const SLOTS: usize = 4;
    let gate = Arc::new(Gate::default());
    let of_shard = gate.clone();
    let make = move |core: Core| {
        of_shard.waker.set(core.waker).expect("there is one shard");
        Held(of_shard.clone())
    };
    let builder = on.builder(1).with(|builder| builder.ingress_slots(SLOTS).patience(2 * LONG));
    let engine = builder.start(make).expect("it starts");
    let _opener = gate.open_at_end();
    let (door, who) = (engine.handle(), PresentityId::new(1));
    let mut watcher = door.watcher(1).wait().expect("it opens");
    for round in 0..20 {
        gate.shut();
        let taken: Vec<_> = (0..SLOTS).map(|_| door.publish(says(who, "x"))).collect();
        let busy = CallError::Busy { retry_after_us: small().retry_after_us };
        assert_eq!(at_once(door.publish(says(who, "x"))).map(drop), Err(busy.clone()), "{round}");
        assert_eq!(door.fetch(who, View::PLAIN).wait().map(drop), Err(busy.clone()));
        assert_eq!(at_once(door.watcher(2)).map(drop), Err(busy.clone()));
        assert_eq!(watcher.subscribe(&[who]).wait(), Err(busy.clone()));
        assert_eq!(at_once(door.publish_all([says(who, "x"), says(who, "y")])), Ok(vec![Err(busy); 2]));
        let mut waits = Waits::default();
        waits.room(|| door.room(who));
        waits.room(|| watcher.room());
        // Some have given up waiting, and take nobody's news with them.
        for polls in [false, true] {
            give_up(door.room(who), polls);
        }
        assert!(once(&mut door.room(who)).is_pending(), "there is no room before the shard goes on");
        gate.open();
        for (what, end) in waits.ends() {
            assert_eq!(end, Ok(()), "{what}");
        }
        for call in taken {
            assert!(call.wait().is_ok(), "what was taken in is answered");
        }
        awaited(door.room(who));
        assert!(awaited(door.publish(says(who, &round.to_string()))).is_ok(), "nobody else asks");
    }
    engine.shutdown().expect("it ends well");
}

on_every_runtime!(
    a_watcher_that_calls_for_more_as_it_closes_leaves_its_place,
    a_watcher_closed_in_the_middle_of_a_batch_leaves_its_place,
    whatever_is_given_up_leaves_the_books_in_order,
    a_batch_given_up_loses_no_note,
    a_bulk_call_is_answered_in_its_order_with_errors_in_their_places,
    a_bulk_call_has_a_bound_and_reaches_it,
    bulk_calls_and_single_ones_get_their_own_answers_side_by_side,
    a_full_door_says_so_at_once_and_tells_when_there_is_room,
);
