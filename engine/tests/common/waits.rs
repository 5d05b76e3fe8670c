//! Waiting for what a test brings about, in each way there is: blocked, awaited, polled for nobody. Every wait is
//! bounded, so that a call that hangs fails its test and not the run.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, OnceLock, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use fanfare::*;

use crate::common::{LONG, says};

pub(crate) type Polled<T> = std::task::Poll<T>;

/// Polls a future a single time, for nobody.
pub(crate) fn once<F: Future + Unpin>(future: &mut F) -> Polled<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future that must be ready at once comes to.
pub(crate) fn at_once<F: Future + Unpin>(mut future: F) -> F::Output {
    match once(&mut future) {
        Polled::Ready(output) => output,
        Polled::Pending => panic!("it waits"),
    }
}

struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What a future comes to, on a thread that sleeps until it is woken: the smallest executor there can be.
pub(crate) fn awaited<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unparks(std::thread::current())));
    let (mut future, begun) = (pin!(future), Instant::now());
    loop {
        if let Polled::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park_timeout(LONG.checked_sub(begun.elapsed()).expect("the future is never woken"));
    }
}

/// Waits until this is so.
pub(crate) fn until_true(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "it is never so that {what}");
        std::thread::yield_now();
    }
}

/// What a wait for room is called.
pub(crate) const ROOM: &str = "room";

/// Waits under way, each on a thread of its own, with what each is for.
#[derive(Default)]
pub(crate) struct Waits(Vec<(&'static str, mpsc::Receiver<Result<(), CallError>>)>);

impl Waits {
    pub(crate) fn add(&mut self, what: &'static str, wait: impl FnOnce() -> Result<(), CallError> + Send + 'static) {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(wait()));
        self.0.push((what, told));
    }

    /// The same call twice: one blocks its thread, one is awaited.
    pub(crate) fn both<T: Send + 'static>(&mut self, what: &'static str, mut call: impl FnMut() -> Call<T>) {
        let (blocking, awaiting) = (call(), call());
        self.add(what, move || blocking.wait().map(drop));
        self.add(what, move || awaited(awaiting).map(drop));
    }

    /// All that can be asked of the shard on which this presentity is at home, which does not answer now.
    pub(crate) fn requests(&mut self, door: &Handle, who: PresentityId) {
        self.both("publish", || door.publish(says(who, "x")));
        self.both("fetch", || door.fetch(who, View::PLAIN));
        for awaits in [false, true] {
            let batch = door.publish_all([says(who, "y"), says(who, "z")]);
            self.add("publish_all", move || {
                let results = if awaits { awaited(batch) } else { batch.wait() };
                let mut ends = results.expect("reasons stand in the places").into_iter().map(|result| result.map(drop));
                let first = ends.next().expect("there are two");
                assert_eq!(ends.next().as_ref(), Some(&first));
                first
            });
        }
    }

    /// All that watchers wait for, on a shard that does not answer now.
    pub(crate) fn watchers(&mut self, mut calling: Watcher, blocking: Watcher, awaiting: Watcher) {
        self.both("subscribe", || calling.subscribe(&[PresentityId::new(5)]));
        self.both("unsubscribe", || calling.unsubscribe(&[PresentityId::new(6)]));
        let mut both = [blocking, awaiting];
        for watcher in &mut both {
            assert!(!matches!(once(&mut watcher.next_batch()), Polled::Ready(Ok(_))), "nothing has come yet");
        }
        let [mut blocking, mut awaiting] = both;
        self.add("next_batch", move || blocking.next_batch().wait().map(drop));
        self.add("next_batch", move || awaited(awaiting.next_batch()).map(drop));
    }

    /// The waits for room there, which end well in any case: what there is to say, the next call says.
    pub(crate) fn room(&mut self, room: impl Fn() -> Room) {
        let (blocking, awaiting) = (room(), room());
        self.add(ROOM, move || blocking.wait());
        self.add(ROOM, move || {
            awaited(awaiting);
            Ok(())
        });
    }

    /// How each ended, as they were begun.
    pub(crate) fn ends(self) -> impl Iterator<Item = (&'static str, Result<(), CallError>)> {
        self.0.into_iter().map(|(what, told)| {
            (what, told.recv_timeout(LONG).unwrap_or_else(|why| panic!("{what} does not end: {why}")))
        })
    }

    pub(crate) fn all_end_with(self, error: &CallError) {
        for (what, end) in self.ends() {
            let expected = if what == ROOM { Ok(()) } else { Err(error.clone()) };
            assert_eq!(end, expected, "{what}");
        }
    }
}

/// Where a frontend, or a host, stops when a test wants it to, until the test lets it go.
#[derive(Default)]
pub(crate) struct Gate {
    stage: Mutex<Stage>,
    moved: Condvar,
    /// Has whoever is to be stopped come by.
    pub(crate) waker: OnceLock<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Shut,
    Entered,
}

impl Gate {
    fn move_on(&self, stage: Stage) {
        *self.stage.lock().expect("no panic under it") = stage;
        self.moved.notify_all();
    }

    fn wait_while(&self, stage: Stage, long: Duration) {
        let guard = self.stage.lock().expect("no panic under it");
        let (guard, _) = self.moved.wait_timeout_while(guard, long, |now| *now == stage).expect("no panic under it");
        let now = *guard;
        drop(guard);
        assert_ne!(now, stage, "nobody moves on");
    }

    /// By the test: shuts it, and waits until somebody stands before it.
    pub(crate) fn shut(&self) {
        self.move_on(Stage::Shut);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
        self.wait_while(Stage::Shut, LONG);
    }

    pub(crate) fn open(&self) {
        self.move_on(Stage::Open);
    }

    /// Opens it at the latest when this is dropped: an engine that is dropped after it finds nobody held up, so that a
    /// test which fails does so at once.
    pub(crate) fn open_at_end(self: &Arc<Self>) -> Opener {
        Opener(self.clone())
    }

    pub(crate) fn is_shut(&self) -> bool {
        *self.stage.lock().expect("no panic under it") == Stage::Shut
    }

    /// By who is to be held up. Tells whether it was.
    pub(crate) fn pass(&self) -> bool {
        let is_shut = self.is_shut();
        if is_shut {
            self.move_on(Stage::Entered);
            // Longer than any test waits, so that what hangs is not helped by this end.
            self.wait_while(Stage::Entered, 3 * LONG);
        }
        is_shut
    }
}

pub(crate) struct Opener(Arc<Gate>);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.open();
    }
}
