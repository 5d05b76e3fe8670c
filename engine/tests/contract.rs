//! The contract on real threads, through the public API alone, on every runtime: C1 to C5 and C7 to C9.
//!
//! What can be told as a story of single steps stands in the workspace's `tests/`; here the shards run by themselves,
//! rings and lists are small so that they fill, and several threads publish at once.

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::*;
use fanfare::*;

/// Publishes numbers for these presentities from several threads at once, each the states of its own people, in order.
fn storm(door: &Handle, people: &[PresentityId], rounds: usize) -> HashMap<PresentityId, Stamp> {
    let last = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        for part in people.chunks(people.len().div_ceil(3)) {
            let last = &last;
            scope.spawn(move || {
                for round in 0..rounds {
                    let states = part.iter().map(|&who| says(who, &document(who, round)));
                    let results = door.publish_all(states).wait().expect("the engine runs");
                    for (&who, result) in part.iter().zip(results) {
                        let stamp = loop_until_published(door, who, round, result);
                        last.lock().expect("nobody panics").insert(who, stamp);
                    }
                }
            });
        }
    });
    last.into_inner().expect("nobody panics")
}

fn loop_until_published(
    door: &Handle,
    who: PresentityId,
    round: usize,
    mut result: Result<Published, CallError>,
) -> Stamp {
    loop {
        match result {
            Ok(published) => return published.stamp,
            Err(CallError::Busy { .. }) => {
                door.room(who).wait().expect("it is no shard's thread");
                result = door.publish(says(who, &document(who, round))).wait();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a state says: whose it is, and which.
fn document(who: PresentityId, round: usize) -> String {
    format!("{who:?} in round {round}, and some more so that it is no short one")
}

fn people(count: u64) -> Vec<PresentityId> {
    (0..count).map(PresentityId::new).collect()
}

fn tight(builder: EngineBuilder) -> EngineBuilder {
    builder.limits(Limits { link_slots: 4, credits: 8, ..small() }).watcher_notes(7).ingress_slots(4)
}

fn c1_c2_c3_stamps_rise_documents_are_true_and_the_newest_arrives(on: On) {
    const ROUNDS: usize = 60;
    let engine = on.builder(3).with(tight).start(|_| Nothing).expect("an engine starts");
    let (door, people) = (engine.handle(), people(40));
    let watchers: Vec<_> = (0..6)
        .map(|token| {
            let mut watcher = door.watcher(token).wait().expect("it opens");
            watcher.subscribe(&people).wait().expect("it subscribes");
            let people = people.clone();
            std::thread::spawn(move || {
                let mut stamps: HashMap<PresentityId, Stamp> = HashMap::new();
                let mut newest: HashMap<PresentityId, usize> = HashMap::new();
                while newest.len() < people.len() || newest.values().any(|&round| round != ROUNDS - 1) {
                    for note in watcher.next_batch().wait().expect("the engine runs") {
                        assert!(stamps.insert(note.presentity, note.stamp).is_none_or(|old| old < note.stamp), "C1");
                        let Some(text) = text(&note) else { continue };
                        let round = (0..ROUNDS).find(|&round| document(note.presentity, round) == text);
                        let round = round.unwrap_or_else(|| panic!("C2: nobody published {text}"));
                        assert!(newest.insert(note.presentity, round).is_none_or(|old| old < round), "C1: {text}");
                    }
                }
                stamps
            })
        })
        .collect();
    let last = storm(&door, &people, ROUNDS);
    for watcher in watchers {
        // C3: it ends only when everybody's last state was told, with no older stamp than the home's.
        let stamps = watcher.join().expect("the promises are kept");
        assert!(last.iter().all(|(who, stamp)| stamps[who] >= *stamp), "C3");
    }
    engine.shutdown().expect("it ends well");
}

/// Leaves the shard's books behind at every poll, and has a watcher of its own, which is slow.
struct Books {
    books: Arc<Mutex<HashMap<usize, (Counters, u64)>>>,
    people: Vec<PresentityId>,
    is_open: bool,
}

impl Frontend for Books {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if !self.is_open {
            self.is_open = true;
            let watcher = shard.open_watcher(1).expect("there is room");
            let group = shard.open_group(watcher, 1, Categories::ALL).expect("there is room");
            shard.subscribe(group, View::PLAIN, &self.people).expect("there is room");
        }
        let books = (*shard.counters(), shard.pending());
        self.books.lock().expect("nobody panics").insert(shard.index().index(), books);
        Poll::IDLE
    }

    fn ready(&mut self, watcher: WatcherId, outbox: &mut Outbox<'_>) {
        // Two at a time: the rest is told when it is asked for again, by then newer.
        let _ = (watcher, outbox.next().is_some(), outbox.next().is_some());
    }
}

fn c3_the_books_balance(on: On) {
    let (books, people) = (Arc::new(Mutex::default()), people(30));
    let (kept, watched) = (books.clone(), people.clone());
    let engine = on
        .builder(2)
        .with(tight)
        .start(move |_| Books { books: kept.clone(), people: watched.clone(), is_open: false })
        .expect("an engine starts");
    let door = engine.handle();
    let mut watcher = door.watcher(1).wait().expect("it opens");
    watcher.subscribe(&people).wait().expect("it subscribes");
    let last = storm(&door, &people, 20);
    watcher.unsubscribe(&people[..10]).wait().expect("it unsubscribes");
    let mut stamps = HashMap::new();
    while people[10..].iter().any(|who| stamps.get(who).is_none_or(|stamp| *stamp < last[who])) {
        for note in watcher.next_batch().wait_for(LONG).expect("the engine runs") {
            stamps.insert(note.presentity, note.stamp);
        }
    }
    drop(watcher);
    engine.shutdown().expect("it ends well");
    for (shard, (counters, pending)) in books.lock().expect("nobody panics").iter() {
        let Counters { owed, delivered, skipped, cancelled, filtered, .. } = *counters;
        assert!(delivered > 0, "shard {shard}");
        assert_eq!(owed, delivered + skipped + cancelled + filtered + pending, "shard {shard}: {counters:?}");
    }
}

fn c4_the_first_note_is_the_current_state_or_none(on: On) {
    let engine = on.engine(3);
    let (door, people) = (engine.handle(), people(60));
    let (known, unknown) = people.split_at(30);
    let published = door.publish_all(known.iter().map(|&who| says(who, "here"))).wait().expect("it is published");
    assert!(published.iter().all(Result::is_ok));
    for token in 0..3 {
        let mut watcher = door.watcher(token).wait().expect("it opens");
        assert_eq!(watcher.subscribe(&people).wait(), Ok(60));
        let mut told = HashMap::new();
        while told.len() < people.len() {
            for note in watcher.next_batch().wait_for(LONG).expect("the engine runs") {
                assert!(note.first && told.insert(note.presentity, text(&note)).is_none(), "once, and as the first");
            }
        }
        assert!(known.iter().all(|who| told[who].as_deref() == Some("here")));
        assert!(unknown.iter().all(|who| told[who].is_none()));
    }
    engine.shutdown().expect("it ends well");
}

fn c5_nothing_is_told_after_unsubscribe_amid_a_storm(on: On) {
    let engine = on.builder(2).with(tight).start(|_| Nothing).expect("an engine starts");
    let (door, people) = (engine.handle(), people(20));
    let publisher = {
        let (door, people) = (door.clone(), people.clone());
        std::thread::spawn(move || storm(&door, &people, 100))
    };
    let mut watcher = door.watcher(1).wait().expect("it opens");
    for round in 0..50 {
        watcher.subscribe(&people).wait().expect("it subscribes");
        watcher.next_batch().wait_for(LONG).expect("first states come");
        let (silent, told) = people.split_at(round % people.len());
        watcher.unsubscribe(silent).wait().expect("it unsubscribes");
        // What comes from here on is of the others alone; a fresh subscription to them brings first states for sure.
        watcher.unsubscribe(told).wait().expect("it unsubscribes");
        watcher.subscribe(told).wait().expect("it subscribes");
        for note in watcher.next_batch().wait_for(LONG).expect("first states come") {
            assert!(!silent.contains(&note.presentity), "C5: {note:?}");
        }
        watcher.unsubscribe(&people).wait().expect("it unsubscribes");
    }
    publisher.join().expect("it publishes");
    engine.shutdown().expect("it ends well");
}

fn c7_what_is_past_its_expiry_is_taken_back_and_told_to_nobody(on: On) {
    let engine = on.engine(2);
    let (door, people) = (engine.handle(), one_on_each(2));
    let mut watcher = door.watcher(1).wait().expect("it opens");
    watcher.subscribe(&people).wait().expect("it subscribes");
    let expires = door.now().after_micros(20_000);
    for &who in &people {
        let publication = Publication { expires, ..says(who, "for now") };
        match door.publish(publication).wait() {
            // A machine that slept in between finds it late already, which is the other half of the promise.
            Ok(_) | Err(CallError::Refused(Refusal::Expired { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let mut states: HashMap<PresentityId, Option<String>> = HashMap::new();
    while door.now() < expires || people.iter().any(|who| states.get(who).is_none_or(Option::is_some)) {
        for note in watcher.next_batch().wait_for(LONG / 1_000).expect("the engine runs") {
            states.insert(note.presentity, text(&note));
        }
    }
    for &who in &people {
        assert_eq!(door.fetch(who, View::PLAIN).wait().expect("it is fetched").parts.len(), 0);
    }
    let mut late = door.watcher(2).wait().expect("it opens");
    late.subscribe(&people).wait().expect("it subscribes");
    let mut told = 0;
    while told < people.len() {
        for note in late.next_batch().wait_for(LONG).expect("the engine runs") {
            assert!(note.first && note.document().is_none(), "{note:?}");
            told += 1;
        }
    }
    engine.shutdown().expect("it ends well");
}

fn c8_every_bound_is_a_typed_error(on: On) {
    let limits = Limits { watchers: 2, subscriptions_per_group: 8, document_bytes: 16, presentities: 4, ..small() };
    let engine = on.builder(1).with(|builder| builder.limits(limits)).start(|_| Nothing).expect("an engine starts");
    let (door, people) = (engine.handle(), people(9));
    let mut watcher = door.watcher(1).wait().expect("there is room");
    let _second = door.watcher(2).wait().expect("there is room");
    let bound = |error: CallError| match error {
        CallError::Shard(Error::Limit { bound, .. }) | CallError::Refused(Refusal::Limit { bound, .. }) => bound,
        other => panic!("{other}"),
    };
    assert_eq!(bound(door.watcher(3).wait().expect_err("a third")), Bound::Watchers);
    assert_eq!(bound(watcher.subscribe(&people).wait().expect_err("a ninth")), Bound::SubscriptionsPerGroup);
    assert_eq!(watcher.subscribe(&people[..8]).wait(), Ok(8), "the ninth has not taken the others' room");
    let long = says(people[0], "seventeen bytes..");
    assert_eq!(bound(door.publish(long).wait().expect_err("too long")), Bound::DocumentBytes);
    let results = door.publish_all(people.iter().map(|&who| says(who, "x"))).wait().expect("the engine runs");
    let refused = results.into_iter().filter_map(Result::err).map(bound).collect::<Vec<_>>();
    assert_eq!(refused, [Bound::Presentities; 5]);
    engine.shutdown().expect("it ends well");
}

fn c9_few_watchers_are_told_beside_a_famous_ones_storm(on: On) {
    let engine = on.builder(2).start(|_| Nothing).expect("an engine starts");
    let (door, people) = (engine.handle(), people(40));
    let (famous, ken) = (people[0], people[1]);
    // Each watches the famous one; all of them together are a long walk.
    let mut crowd: Vec<Watcher> = (0..600).map(|token| door.watcher(token).wait().expect("it opens")).collect();
    for watcher in &mut crowd {
        watcher.subscribe(&[famous]).wait().expect("it subscribes");
    }
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let publisher = {
        let (door, stop) = (door.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = door.publish(says(famous, "again")).wait();
            }
        })
    };
    let mut friend = door.watcher(1).wait().expect("it opens");
    friend.subscribe(&[ken]).wait().expect("it subscribes");
    for round in 0..20 {
        let text_wanted = format!("round {round}");
        door.publish(says(ken, &text_wanted)).wait().expect("it is published");
        until(&mut friend, |note| text(note).as_deref() == Some(&text_wanted));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    publisher.join().expect("it publishes");
    drop(crowd);
    engine.shutdown().expect("it ends well");
}

/// Watches on a host's shard, which has no homes, what is at home elsewhere.
#[test]
fn a_host_without_homes_is_told_like_anybody() {
    let mut engine =
        Engine::builder().pin(false).limits(small()).shards(1).hosts(1).start(|_| Nothing).expect("it starts");
    assert_eq!((engine.report().homes, engine.report().hosts, engine.shards()), (1, 1, 2));
    let (door, people) = (engine.handle(), people(20));
    let (told, tell) = std::sync::mpsc::channel();
    let seat = engine.seats().pop().expect("one host");
    assert!(engine.seats().is_empty(), "there is only one");
    let watched = people.clone();
    let host = std::thread::spawn(move || {
        let mut host = seat.take(|_| Teller(told)).expect("it is taken");
        let shard = host.shard();
        assert!(people_homes(shard, &watched).all(|home| home == ShardIndex::new(0)));
        let watcher = shard.open_watcher(1).expect("there is room");
        let group = shard.open_group(watcher, 1, Categories::ALL).expect("there is room");
        shard.subscribe(group, View::PLAIN, &watched).expect("there is room");
        host.run()
    });
    for &who in &people {
        door.publish(says(who, "here")).wait().expect("it is published");
    }
    let mut here = std::collections::HashSet::new();
    while here.len() < people.len() {
        let (who, is_here) = tell.recv_timeout(LONG).expect("the host is told");
        if is_here {
            here.insert(who);
        }
    }
    engine.shutdown().expect("it ends well");
    assert_eq!(host.join().expect("no panic"), Ok(()));
}

fn people_homes<'a>(shard: &'a Shard, people: &'a [PresentityId]) -> impl Iterator<Item = ShardIndex> + 'a {
    people.iter().map(|&who| shard.home_of(who))
}

/// Passes on who has a state.
struct Teller(std::sync::mpsc::Sender<(PresentityId, bool)>);

impl Frontend for Teller {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while let Some(note) = outbox.next() {
            let _ = self.0.send((note.presentity, note.document().is_some()));
        }
    }
}

on_every_runtime!(
    c1_c2_c3_stamps_rise_documents_are_true_and_the_newest_arrives,
    c3_the_books_balance,
    c4_the_first_note_is_the_current_state_or_none,
    c5_nothing_is_told_after_unsubscribe_amid_a_storm,
    c7_what_is_past_its_expiry_is_taken_back_and_told_to_nobody,
    c8_every_bound_is_a_typed_error,
    c9_few_watchers_are_told_beside_a_famous_ones_storm,
);
