//! How watchers want to be told, on a running engine: what is held comes when it is due, also to an engine that sleeps.

mod common;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::*;
use fanfare::*;

fn who_looks_again_is_told_the_newest_at_once(on: On) {
    let engine = on.engine(2);
    let door = engine.handle();
    let people = one_on_each(2);
    let mut watcher = door.watcher(1).wait().expect("it opens");
    watcher.subscribe(&people).wait().expect("it subscribes");
    let mut first = 0;
    while first < people.len() {
        first += watcher.next_batch().wait_for(LONG).expect("the engine runs").len();
    }
    watcher.set_active(false).wait().expect("it may look away");
    for round in 0..10 {
        for &who in &people {
            door.publish(says(who, &round.to_string())).wait().expect("it is published");
        }
    }
    let early = watcher.next_batch().wait_for(Duration::from_millis(50)).expect("the engine runs");
    assert!(early.is_empty(), "{early:?}");
    watcher.set_active(true).wait().expect("it may look");
    let mut told = Vec::new();
    while told.len() < people.len() {
        told.extend(watcher.next_batch().wait_for(LONG).expect("the engine runs"));
    }
    assert_eq!(told.len(), people.len(), "one note for each: {told:?}");
    assert!(told.iter().all(|note| text(note).as_deref() == Some("9")), "{told:?}");
    engine.shutdown().expect("it ends well");
}

fn what_waits_for_a_rate_comes_to_an_engine_that_sleeps(on: On) {
    const GAP: Duration = Duration::from_millis(100);
    let engine = on.engine(1);
    let door = engine.handle();
    let ken = PresentityId::new(1);
    let mut watcher = door.watcher(1).wait().expect("it opens");
    let rate = Rate { gap_us_min: GAP.as_micros() as u64, ..Rate::default() };
    watcher.set_rate(rate).wait().expect("it has a rate");
    watcher.subscribe(&[ken]).wait().expect("it subscribes");
    let began = Instant::now();
    for round in 0..50 {
        door.publish(says(ken, &round.to_string())).wait().expect("it is published");
    }
    let notes = until(&mut watcher, |note| text(note).as_deref() == Some("49"));
    let batches = 2 + began.elapsed().as_millis() / GAP.as_millis();
    assert!(notes.len() as u128 <= batches, "{} notes in {:?}", notes.len(), began.elapsed());
    // Refused, and nothing has changed.
    let crossed = Rate { gap_us_min: 2, gap_us_max: 1, ..Rate::default() };
    assert!(matches!(watcher.set_rate(crossed).wait(), Err(CallError::Shard(Error::Rate(_)))));
    watcher.set_rate(Rate::default()).wait().expect("it has none");
    watcher.refresh().wait().expect("it is told again");
    let notes = watcher.next_batch().wait_for(LONG).expect("the engine runs");
    assert_eq!((notes.len(), notes[0].first, text(&notes[0]).as_deref()), (1, true, Some("49")));
    engine.shutdown().expect("it ends well");
}

/// A frontend with one group, which it does not renew.
struct Forgetful {
    is_new: bool,
    ended: mpsc::Sender<GroupEnded>,
}

impl Frontend for Forgetful {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if std::mem::take(&mut self.is_new) {
            let watcher = shard.open_watcher(7).expect("room");
            let group = shard.open_group(watcher, 8, Categories::ALL).expect("room");
            shard.renew_group(group, 1).expect("it may live that long");
            return Poll::WORKED;
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}

    fn ended(&mut self, ended: GroupEnded) {
        // The test may be over.
        let _ = self.ended.send(ended);
    }
}

fn a_frontend_is_told_of_a_group_that_has_ended(on: On) {
    let (sender, ended) = mpsc::channel();
    let limits = Limits { group_lifetime_us_min: 1, ..small() };
    let start = on.builder(1).with(move |builder| builder.limits(limits));
    let engine = start.start(move |_| Forgetful { is_new: true, ended: sender.clone() }).expect("an engine starts");
    let ended = ended.recv_timeout(LONG).expect("the shard wakes for it");
    assert_eq!((ended.watcher_token, ended.group_token, ended.why), (7, 8, EndReason::Timeout));
    engine.shutdown().expect("it ends well");
}

/// A frontend whose only watcher has lost its connection.
struct Lost {
    is_new: bool,
    ended: mpsc::Sender<SessionEnded>,
}

impl Frontend for Lost {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if std::mem::take(&mut self.is_new) {
            let watcher = shard.open_watcher(7).expect("room");
            shard.track(watcher, 8).expect("a ring within bounds");
            shard.park(watcher, 50_000, 0x5ec2).expect("it is tracked");
            return Poll::WORKED;
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}

    fn session_ended(&mut self, ended: SessionEnded) {
        // The test may be over.
        let _ = self.ended.send(ended);
    }
}

fn a_frontend_is_told_of_a_parked_watcher_that_nobody_has_resumed(on: On) {
    let (sender, ended) = mpsc::channel();
    let start = on.builder(1).with(|builder| builder.spin(Duration::ZERO));
    let engine = start.start(move |_| Lost { is_new: true, ended: sender.clone() }).expect("an engine starts");
    let ended = ended.recv_timeout(LONG).expect("the shard wakes for it");
    assert_eq!(ended.watcher_token, 7);
    engine.shutdown().expect("it ends well");
}

/// A frontend with one watcher, who is told in batches.
struct Batched {
    is_new: bool,
    told: mpsc::Sender<Vec<u8>>,
}

impl Frontend for Batched {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if std::mem::take(&mut self.is_new) {
            let watcher = shard.open_watcher(7).expect("room");
            let group = shard.open_group(watcher, 8, Categories::ALL).expect("room");
            shard.pace_watcher(watcher, 100_000).expect("a gap within bounds");
            shard.subscribe(group, View::PLAIN, &[PresentityId::new(1)]).expect("room");
            return Poll::WORKED;
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while let Some(note) = outbox.next() {
            let document = note.document().map(|document| document.as_slice().to_vec());
            // The test may be over.
            let _ = self.told.send(document.unwrap_or_default());
        }
    }
}

fn a_shard_that_never_spins_wakes_for_the_next_batch(on: On) {
    let (sender, told) = mpsc::channel();
    let start = on.builder(1).with(|builder| builder.spin(Duration::ZERO));
    let engine = start.start(move |_| Batched { is_new: true, told: sender.clone() }).expect("an engine starts");
    let door = engine.handle();
    let hear = || told.recv_timeout(LONG).expect("the shard wakes for it");
    assert_eq!(hear(), b"", "there is no state yet");
    for text in ["one", "two", "three"] {
        door.publish(says(PresentityId::new(1), text)).wait().expect("it is published");
        // Held back by a turn that does nothing else, and nobody says anything more.
        assert_eq!(hear(), text.as_bytes());
    }
    engine.shutdown().expect("it ends well");
}

/// A frontend with an owner who follows who watches him, on one shard of several.
struct Owner {
    is_new: bool,
    owner: PresentityId,
    told: mpsc::Sender<WatcherInformation>,
}

impl Frontend for Owner {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if std::mem::take(&mut self.is_new) {
            let watcher = shard.open_watcher(7).expect("room");
            let owner = Identity::of(self.owner).into();
            let group = shard.open_group_for(watcher, 8, Categories::ALL, owner).expect("room");
            shard.follow_watchers(group, self.owner).expect("he is the owner");
            return Poll::WORKED;
        }
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}

    fn watchers_changed(&mut self, shard: &mut Shard, follower: Follower) {
        assert_eq!((follower.watcher_token, follower.group_token), (7, 8));
        if let Some(told) = shard.watcher_information(follower.group) {
            // The test may be over.
            let _ = self.told.send(told);
        }
    }
}

fn an_owner_learns_of_watchers_on_every_shard_while_all_sleep(on: On) {
    let (sender, told) = mpsc::channel();
    let start = on.builder(2).with(|builder| builder.spin(Duration::ZERO));
    let ken = one_on_each(2)[1];
    let make = move |core: Core| Owner { is_new: core.index.index() == 0, owner: ken, told: sender.clone() };
    let engine = start.start(make).expect("an engine starts");
    let door = engine.handle();
    let hear = || told.recv_timeout(LONG).expect("the shard wakes for it");
    assert_eq!(hear().watchers.len(), 0, "nobody watches him yet");
    let mut watchers = Vec::new();
    for token in 0..4 {
        let mut watcher = door.watcher(token).wait().expect("it opens");
        watcher.subscribe(&[ken]).wait().expect("it subscribes");
        watchers.push(watcher);
        let news = hear();
        assert!(!news.full && news.watchers.len() == 1, "{news:?}");
        assert_eq!(news.watchers[0].status, WatcherStatus::Active);
    }
    for watcher in watchers {
        watcher.close();
        assert_eq!(hear().watchers[0].event, WatcherEvent::Deactivated);
    }
    engine.shutdown().expect("it ends well");
}

on_every_runtime!(
    an_owner_learns_of_watchers_on_every_shard_while_all_sleep,
    who_looks_again_is_told_the_newest_at_once,
    what_waits_for_a_rate_comes_to_an_engine_that_sleeps,
    a_frontend_is_told_of_a_group_that_has_ended,
    a_frontend_is_told_of_a_parked_watcher_that_nobody_has_resumed,
    a_shard_that_never_spins_wakes_for_the_next_batch,
);
