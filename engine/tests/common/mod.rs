//! What the tests of the engine share. Nothing here waits for a fixed time: waits end by what they wait for, or fail
//! after so long that something must be wrong.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::*;

/// Longer than anything takes on a machine that works.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A frontend that leaves the shard to the handles.
pub(crate) struct Nothing;

impl Frontend for Nothing {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll::IDLE
    }

    fn ready(&mut self, watcher: WatcherId, _: &mut Outbox<'_>) {
        panic!("{watcher:?} belongs to a handle and must not be shown to the frontend");
    }

    fn done(&mut self, ticket: Ticket, _: Outcome) {
        panic!("{ticket:?} belongs to a handle and must not be shown to the frontend");
    }
}

/// A builder for so many shards, which works on a machine of one CPU too.
pub(crate) fn builder(shards: usize) -> EngineBuilder {
    Engine::builder().shards(shards).pin(false).limits(small()).seed(7)
}

/// Limits that take little memory.
pub(crate) fn small() -> Limits {
    Limits { link_slots: 64, ..Limits::default() }
}

/// An engine for handles alone.
pub(crate) fn engine(shards: usize) -> Engine {
    builder(shards).start(|_| Nothing).expect("an engine starts")
}

/// One presentity at home on each of the shards, in order.
pub(crate) fn one_on_each(shards: usize) -> Vec<PresentityId> {
    (0..shards)
        .map(|shard| {
            (0..)
                .map(PresentityId::new)
                .find(|id| id.partition().home(shards).index() == shard)
                .expect("some are there")
        })
        .collect()
}

/// A plain publication of a text.
pub(crate) fn says(presentity: PresentityId, text: &str) -> Publication {
    Publication::plain(presentity, Bytes::copy_from_slice(text.as_bytes()))
}

/// The text of a note's document.
pub(crate) fn text(note: &OwnedNote) -> Option<String> {
    note.document().map(|document| String::from_utf8(document.as_slice().to_vec()).expect("tests publish texts"))
}

/// Takes notes until one satisfies.
pub(crate) fn until(watcher: &mut Watcher, mut satisfies: impl FnMut(&OwnedNote) -> bool) -> Vec<OwnedNote> {
    let begun = Instant::now();
    let mut all = Vec::new();
    loop {
        assert!(begun.elapsed() < LONG, "the note never came; these did: {all:?}");
        let notes = watcher.next_batch(LONG).expect("the engine runs");
        let found = notes.iter().any(&mut satisfies);
        all.extend(notes);
        if found {
            return all;
        }
    }
}
