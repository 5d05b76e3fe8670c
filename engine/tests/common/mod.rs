//! What the tests of the engine share. Nothing here waits for a fixed time: waits end by what they wait for, or fail
//! after so long that something must be wrong.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
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

/// What turns the shards in a test. Every test of what an engine promises runs on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Thread,
    Glommio,
    Hosts,
}

/// Makes each of these functions three tests, one on each runtime.
#[allow(unused_macros, reason = "not every test file has such tests")]
macro_rules! on_every_runtime {
    ($($test:ident),+ $(,)?) => {
        mod thread {
            $(#[test] fn $test() { super::$test($crate::common::On::Thread); })+
        }
        #[cfg(feature = "glommio")]
        mod glommio {
            $(#[test] fn $test() {
                if $crate::common::has_glommio() { super::$test($crate::common::On::Glommio); }
            })+
        }
        mod hosts {
            $(#[test] fn $test() { super::$test($crate::common::On::Hosts); })+
        }
    };
}
#[allow(unused_imports, reason = "not every test file has such tests")]
pub(crate) use on_every_runtime;

/// Whether glommio can be had. Where it cannot, its tests say so and are skipped, but not where CI counts on them.
pub(crate) fn has_glommio() -> bool {
    let usable = Host::probe().io_uring;
    if let Err(refused) = &usable {
        assert!(std::env::var_os("CI").is_none(), "in CI glommio must be had: {refused}");
        println!("skipped: {refused}");
    }
    usable.is_ok()
}

impl On {
    /// A builder for so many shards, which works on a machine of one CPU too.
    pub(crate) fn builder(self, shards: usize) -> Stage {
        let builder = Engine::builder().pin(false).limits(small()).seed(7);
        let builder = match self {
            Self::Thread => builder.shards(shards).runtime(Runtime::Thread),
            Self::Glommio => builder.shards(shards).runtime(Runtime::Glommio),
            // Test machines keep threads waiting for longer than any host should let its shard wait.
            Self::Hosts => builder.shards(0).hosts(shards).patience(LONG),
        };
        Stage(builder)
    }

    /// An engine for handles alone.
    pub(crate) fn engine(self, shards: usize) -> Running {
        self.builder(shards).start(|_| Nothing).expect("an engine starts")
    }
}

/// A builder whose engine brings its hosts along.
pub(crate) struct Stage(EngineBuilder);

impl Stage {
    /// The same with something changed.
    pub(crate) fn with(self, change: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        Self(change(self.0))
    }

    /// Starts the engine, and a thread for each host.
    pub(crate) fn start<F, M>(self, make: M) -> Result<Running, StartError>
    where
        F: Frontend + 'static,
        M: Fn(Core) -> F + Send + Sync + 'static,
    {
        let make = Arc::new(make);
        let of_threads = make.clone();
        let mut engine = self.0.start(move |core| of_threads(core))?;
        let hosts: Vec<_> = engine
            .seats()
            .into_iter()
            .map(|seat| {
                let (make, (told, tell)) = (make.clone(), mpsc::channel());
                let thread = std::thread::spawn(move || match seat.take(|core| make(core)) {
                    Ok(mut host) => {
                        let _ = told.send(Ok(()));
                        // What it ends with, the engine knows too.
                        let _ = host.run();
                    }
                    Err(error) => drop(told.send(Err(error))),
                });
                (thread, tell)
            })
            .collect();
        let mut running = Running { engine: Some(engine), hosts: Vec::new() };
        let mut failed = None;
        for (thread, tell) in hosts {
            running.hosts.push(thread);
            failed = tell.recv().expect("a host says how it began").err().or(failed);
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(running),
        }
    }
}

/// An engine with its hosts.
#[derive(Debug)]
pub(crate) struct Running {
    engine: Option<Engine>,
    hosts: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn shutdown(self) -> Result<(), EngineError> {
        self.end(Engine::shutdown)
    }

    pub(crate) fn shutdown_within(self, drain: Duration) -> Result<(), EngineError> {
        self.end(|engine| engine.shutdown_within(drain))
    }

    /// Ends it and does not wait for its hosts, one of which may never come back.
    pub(crate) fn abandon_within(mut self, drain: Duration) -> Result<(), EngineError> {
        self.hosts.clear();
        self.end(|engine| engine.shutdown_within(drain))
    }

    fn end(mut self, end: impl FnOnce(Engine) -> Result<(), EngineError>) -> Result<(), EngineError> {
        end(self.engine.take().expect("it is ended once"))
    }
}

impl std::ops::Deref for Running {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.engine.as_ref().expect("it is ended last")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.engine.take());
        for host in self.hosts.drain(..) {
            if host.join().is_err() && !std::thread::panicking() {
                panic!("a host panicked");
            }
        }
    }
}

/// Limits that take little memory.
pub(crate) fn small() -> Limits {
    Limits { link_slots: 64, ..Limits::default() }
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
        let notes = watcher.next_batch().wait_for(LONG).expect("the engine runs");
        let found = notes.iter().any(&mut satisfies);
        all.extend(notes);
        if found {
            return all;
        }
    }
}
