//! What a frontend is promised, on every core of an engine.

mod common;

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::mpsc;

use common::*;
use fanfare::*;

/// Watches everybody, publishes a few states of its own person, and says when it has seen the last of all.
struct Crowd {
    me: usize,
    people: Vec<PresentityId>,
    open: Option<(WatcherId, GroupId)>,
    asked: Vec<Ticket>,
    published: usize,
    last: HashMap<PresentityId, String>,
    stamps: HashMap<PresentityId, Stamp>,
    seen_all: mpsc::Sender<usize>,
}

const STATES: usize = 300;

impl Frontend for Crowd {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if self.open.is_none() {
            let watcher = shard.open_watcher(self.me as u64).expect("there is room");
            let group = shard.open_group(watcher, 40 + self.me as u64, Categories::ALL).expect("there is room");
            shard.subscribe(group, View::PLAIN, &self.people).expect("there is room");
            self.open = Some((watcher, group));
        }
        if self.published == STATES {
            return Poll::IDLE;
        }
        match shard.publish(says(self.people[self.me], &self.published.to_string())) {
            Ok(ticket) => {
                self.asked.push(ticket);
                self.published += 1;
                Poll::WORKED
            }
            Err(Error::Busy { retry_after_us }) => {
                Poll { worked: false, deadline: Some(shard.now().after_micros(retry_after_us.into())) }
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        assert!(matches!(outcome, Outcome::Published(_)), "{outcome:?}");
        let place = self.asked.iter().position(|&asked| asked == ticket).expect("it was asked here");
        self.asked.swap_remove(place);
    }

    fn ready(&mut self, watcher: WatcherId, outbox: &mut Outbox<'_>) {
        assert_eq!(Some(watcher), self.open.map(|(watcher, _)| watcher), "a handle's watcher is not shown");
        while let Some(note) = outbox.next() {
            assert_eq!((note.watcher_token, note.group_token()), (self.me as u64, 40 + self.me as u64));
            assert!(self.stamps.insert(note.presentity, note.stamp).is_none_or(|old| old < note.stamp), "C1");
            if let Some(document) = note.document() {
                let text = String::from_utf8(document.as_slice().to_vec()).expect("tests publish texts");
                self.last.insert(note.presentity, text);
            }
        }
        let end = (STATES - 1).to_string();
        if self.people.iter().all(|who| self.last.get(who) == Some(&end)) {
            let _ = self.seen_all.send(self.me);
        }
    }
}

fn frontends_on_every_core_hear_of_each_other(on: On) {
    for shards in [1, 2, 4] {
        let people = one_on_each(shards);
        let (seen_all, seen) = mpsc::channel();
        let everybody = people.clone();
        let limits = Limits { link_slots: 8, credits: 4, ..small() };
        let engine = on
            .builder(shards)
            .with(|builder| builder.limits(limits))
            .start(move |core: Core| Crowd {
                me: core.index.index(),
                people: everybody.clone(),
                open: None,
                asked: Vec::new(),
                published: 0,
                last: HashMap::new(),
                stamps: HashMap::new(),
                seen_all: seen_all.clone(),
            })
            .expect("it starts");
        // A handle's watcher beside theirs is told the same, and is not shown to them.
        let mut watcher = engine.handle().watcher(99).wait().expect("it opens");
        watcher.subscribe(&people).wait().expect("it subscribes");
        let mut who = std::collections::HashSet::new();
        while who.len() < shards {
            who.insert(seen.recv_timeout(LONG).expect("everybody sees the last state of everybody"));
        }
        let mut ends: std::collections::HashSet<_> = people.into_iter().collect();
        until(&mut watcher, |note| {
            if text(note) == Some((STATES - 1).to_string()) {
                ends.remove(&note.presentity);
            }
            ends.is_empty()
        });
        engine.shutdown().expect("it ends well");
    }
}

/// Waits for a byte on a pipe, which must wake its core.
struct Listener {
    io: Io,
    pipe: std::io::PipeReader,
    registered: bool,
    heard: mpsc::Sender<u8>,
}

impl Frontend for Listener {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        if !self.registered {
            self.registered = true;
            self.io.register(self.pipe.as_fd(), 5, Interest::READ).expect("a pipe can be watched");
        }
        let mut events = Vec::new();
        self.io.take_events(&mut events);
        for event in &events {
            assert_eq!((event.token, event.readable), (5, true));
            let mut byte = [0];
            if std::io::Read::read(&mut self.pipe, &mut byte).expect("it can be read") == 1 {
                self.heard.send(byte[0]).expect("the test waits");
            }
        }
        Poll { worked: !events.is_empty(), deadline: None }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_frontends_own_descriptor_wakes_its_core(on: On) {
    let (pipe, mut writer) = std::io::pipe().expect("descriptors are there");
    let (heard, hears) = mpsc::channel();
    let ends = std::sync::Mutex::new(Some((pipe, heard)));
    let engine = on
        .builder(1)
        .start(move |core: Core| {
            let (pipe, heard) = ends.lock().unwrap().take().expect("one shard");
            Listener { io: core.io, pipe, registered: false, heard }
        })
        .expect("it starts");
    for byte in 0..3 {
        let parks = engine.stats()[0].parks;
        let begun = std::time::Instant::now();
        while engine.stats()[0].parks == parks && byte != 0 && begun.elapsed() < LONG / 10 {
            // Between bytes the core goes to sleep; whether it has got there does not change what must happen.
            std::thread::yield_now();
            if engine.stats()[0].park_ns > 0 {
                break;
            }
        }
        std::io::Write::write_all(&mut writer, &[byte]).expect("the pipe has room");
        assert_eq!(hears.recv_timeout(LONG), Ok(byte));
    }
    engine.shutdown().expect("it ends well");
}

/// Counts its polls, and wants one at a time of its own.
struct Alarm {
    at: Option<Tick>,
    rang: mpsc::Sender<(Tick, Tick)>,
}

impl Frontend for Alarm {
    fn poll(&mut self, _: &mut Shard, now: Tick) -> Poll {
        match self.at {
            Some(at) if now >= at => {
                let _ = self.rang.send((at, now));
                self.at = None;
                Poll::WORKED
            }
            at => Poll { worked: false, deadline: at },
        }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_deadline_wakes_its_core_and_never_early(on: On) {
    let (rang, rings) = mpsc::channel();
    let engine = on
        .builder(1)
        .start(move |core: Core| Alarm { at: Some(core.clock.now().after_micros(3_000)), rang: rang.clone() })
        .expect("it starts");
    let (at, now) = rings.recv_timeout(LONG).expect("it rings");
    assert!(now >= at);
    engine.shutdown().expect("it ends well");
}

on_every_runtime!(
    frontends_on_every_core_hear_of_each_other,
    a_frontends_own_descriptor_wakes_its_core,
    a_deadline_wakes_its_core_and_never_early,
);
