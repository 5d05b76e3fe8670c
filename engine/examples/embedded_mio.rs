//! A shard of watchers inside a program with a mio loop of its own: `cargo run -p fanfare --example embedded_mio`.
//!
//! The presentities are at home on the engine's own shard, on its thread. The host's shard only watches: its frontend
//! prints what another thread publishes. A pipe of the host's own lies in the same loop, beside the shard.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use fanfare::{
    Categories, Engine, Frontend, NoFrontend, Outbox, Poll, PresentityId, Publication, Shard, Step, Tick, View,
    WatcherId,
};
use mio::unix::{SourceFd, pipe};
use mio::{Events, Interest, Token};

type AnyError = Box<dyn Error + Send + Sync>;

const SHARD: Token = Token(0);
const PIPE: Token = Token(1);
const KEN: PresentityId = PresentityId::new(1);
const KIM: PresentityId = PresentityId::new(2);

/// Public, so that a test can run it.
pub fn main() -> Result<(), AnyError> {
    for (who, state) in watch()? {
        println!("in the end {who:?} is {state}");
    }
    Ok(())
}

/// Watches until the engine has stopped, and gives what was told last of each.
pub fn watch() -> Result<BTreeMap<PresentityId, String>, AnyError> {
    let mut engine = Engine::builder().shards(1).hosts(1).start(|_core| NoFrontend)?;
    let seat = engine.seats().pop().ok_or("one host was asked for")?;
    let mut host = seat.take(|_core| Printer::default())?;
    let (mut letters, mut letter_box) = pipe::new()?;
    // It takes the engine along, since to shut it down is to wait for its shards: also for this one, which steps on.
    let publisher = thread::spawn(move || {
        for (who, state) in [(KEN, "available"), (KIM, "away"), (KEN, "in a call"), (KIM, "gone home")] {
            engine.handle().publish(Publication::plain(who, Bytes::from_static(state.as_bytes()))).wait()?;
            letters.write_all(b"!")?;
        }
        Ok::<(), AnyError>(engine.shutdown()?)
    });

    let mut poll = mio::Poll::new()?;
    poll.registry().register(&mut SourceFd(&host.as_raw_fd()), SHARD, Interest::READABLE)?;
    poll.registry().register(&mut letter_box, PIPE, Interest::READABLE)?;
    let mut events = Events::with_capacity(16);
    loop {
        // A step whatever it was that woke the loop: one too many does no harm.
        let wait = match host.step()? {
            Step::Again => Some(Duration::ZERO),
            Step::Rest => None,
            Step::End => break,
        };
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        if events.iter().any(|event| event.token() == PIPE) {
            println!("the publisher has published {} more", empty(&mut letter_box)?);
        }
    }
    publisher.join().map_err(|_| "the publisher panicked")??;
    Ok(std::mem::take(&mut host.frontend().told))
}

/// Takes all letters and counts them; mio tells of a descriptor only once, until it has been emptied.
fn empty(letter_box: &mut pipe::Receiver) -> io::Result<usize> {
    let (mut letters, mut count) = ([0; 64], 0);
    loop {
        match letter_box.read(&mut letters) {
            Ok(0) => return Ok(count),
            Ok(taken) => count += taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error),
        }
    }
}

/// The frontend of the host's shard: it watches Ken and Kim, and prints what it is told.
#[derive(Default)]
struct Printer {
    watcher: Option<WatcherId>,
    told: BTreeMap<PresentityId, String>,
}

impl Frontend for Printer {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        if self.watcher.is_some() {
            return Poll::IDLE;
        }
        let watcher = shard.open_watcher(0).expect("a shard has room for one watcher");
        let group = shard.open_group(watcher, 0, Categories::ALL).expect("and for one group");
        shard.subscribe(group, View::PLAIN, &[KEN, KIM]).expect("and for two subscriptions");
        self.watcher = Some(watcher);
        Poll::WORKED
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        while let Some(note) = outbox.next() {
            // The first note tells that there is no state yet, if there is none.
            let Some(document) = note.document() else { continue };
            let state = String::from_utf8_lossy(document.as_slice()).into_owned();
            println!("{:?} is {state}", note.presentity);
            self.told.insert(note.presentity, state);
        }
    }
}
