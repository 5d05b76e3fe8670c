//! Handles are awaited on any executor, or polled by hand: the same promises on each, and on every runtime.

mod common;

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::io::{PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::*;
use fanfare::{
    Call, CallError, Embedded, Engine, EngineError, Frontend, Handle, Io, Limits, NextBatch, NoFrontend, Outbox,
    OwnedNote, PresentityId, Publication, Published, Refusal, Room, Shard, Stamp, Step, Tick, View, Watcher, WatcherId,
};
use tokio::io::unix::AsyncFd;

/// What polls the futures of a test.
#[derive(Clone, Copy, Debug)]
enum Executor {
    TokioThreads,
    TokioHere,
    Smol,
    Hand,
}

impl Executor {
    const ALL: [Self; 4] = [Self::TokioThreads, Self::TokioHere, Self::Smol, Self::Hand];

    /// Runs this future to its end, as a task where the executor has tasks.
    fn run<F>(self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        use tokio::runtime::Builder;
        within_reason(move || match self {
            Self::TokioThreads => run_as_task(Builder::new_multi_thread().worker_threads(2), future),
            Self::TokioHere => run_as_task(&mut Builder::new_current_thread(), future),
            Self::Smol => smol::block_on(smol::spawn(future)),
            Self::Hand => Arc::new(Hand::default()).run(future),
        })
    }
}

fn run_as_task<F>(builder: &mut tokio::runtime::Builder, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = builder.enable_time().build().expect("threads are there");
    runtime.block_on(async { tokio::spawn(future).await.expect("the task does not panic") })
}

/// Does this on a thread of its own, and fails if it does not end.
fn within_reason<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = std::thread::spawn(move || done.send(what()));
    match result.recv_timeout(LONG) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it never ends"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("it ended without a result"))
        }
    }
}

/// An executor of one future, made by hand, which counts how often it is woken.
#[derive(Default)]
struct Hand {
    wakes: AtomicUsize,
    is_woken: Mutex<bool>,
    wakes_up: Condvar,
}

impl Wake for Hand {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        *self.is_woken.lock().expect("nobody panicked") = true;
        self.wakes_up.notify_one();
    }
}

impl Hand {
    /// Polls this future now and whenever it was woken.
    fn run<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(self.clone());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let is_woken = self.is_woken.lock().expect("nobody panicked");
            let waited = self.wakes_up.wait_timeout_while(is_woken, LONG, |is_woken| !*is_woken);
            let (mut is_woken, waited) = waited.expect("nobody panicked");
            assert!(!waited.timed_out(), "it is never woken");
            *is_woken = false;
        }
    }

    fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(&Waker::from(self.clone())))
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

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

/// What turns a host's shard in a loop of tasks.
#[derive(Clone, Copy, Debug)]
enum Loop {
    Tokio,
    Smol,
}

impl Loop {
    /// Steps the shard until the engine has stopped, beside this.
    fn turn<F: Frontend>(self, mut host: Embedded<F>, beside: impl Future<Output = ()>) {
        match self {
            Self::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("an epoll instance is there").block_on(async {
                    let descriptor = host.as_fd().try_clone_to_owned().expect("descriptors are there");
                    #[expect(
                        deprecated,
                        reason = "what replaces it is unsafe, and an owned descriptor stays what it is"
                    )]
                    let descriptor = AsyncFd::with_interest(descriptor, tokio::io::Interest::READABLE);
                    let descriptor = descriptor.expect("it can be watched");
                    let turning = async {
                        while step_on(&mut host) {
                            descriptor.readable().await.expect("it can be watched").clear_ready();
                        }
                    };
                    tokio::join!(turning, beside);
                });
            }
            Self::Smol => smol::block_on(async {
                let descriptor = host.as_fd().try_clone_to_owned().expect("descriptors are there");
                let descriptor = smol::Async::new(descriptor).expect("it can be watched");
                let turning = async {
                    while step_on(&mut host) {
                        descriptor.readable().await.expect("it can be watched");
                    }
                };
                smol::future::zip(turning, beside).await;
            }),
        }
    }
}

/// Steps to the next rest. Tells whether there is one.
fn step_on<F: Frontend>(host: &mut Embedded<F>) -> bool {
    loop {
        match host.step().expect("nothing panics") {
            Step::Again => {}
            Step::Rest => return true,
            Step::End => return false,
        }
    }
}

/// Says of every byte that comes through a pipe, and of every call of its waker.
struct Ears {
    io: Io,
    pipe: PipeReader,
    called: Arc<AtomicUsize>,
    calls_heard: usize,
    heard: mpsc::Sender<&'static str>,
}

impl Frontend for Ears {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> fanfare::Poll {
        let mut events = Vec::new();
        self.io.take_events(&mut events);
        for _ in &events {
            self.pipe.read_exact(&mut [0]).expect("a byte is there");
            self.heard.send("a byte").expect("the test waits");
        }
        let called = self.called.load(Ordering::SeqCst);
        for _ in self.calls_heard..called {
            self.heard.send("a call").expect("the test waits");
        }
        let worked = !events.is_empty() || called != self.calls_heard;
        self.calls_heard = called;
        fanfare::Poll { worked, deadline: None }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

#[test]
fn a_host_among_tasks_is_told_of_bytes_calls_commands_and_expiries() {
    for looping in [Loop::Tokio, Loop::Smol] {
        within_reason(move || {
            let mut engine =
                Engine::builder().shards(0).hosts(1).limits(small()).start(|_| NoFrontend).expect("it starts");
            let seat = engine.seats().pop().expect("one host was asked for");
            let (reader, mut writer) = std::io::pipe().expect("descriptors are there");
            let (called, (heard, hears), mut waker) = (Arc::new(AtomicUsize::new(0)), mpsc::channel(), None);
            let host = seat.take(|core| {
                core.io.register(reader.as_fd(), 5, fanfare::Interest::READ).expect("a pipe can be watched");
                waker = Some(core.waker);
                Ears { io: core.io, pipe: reader, called: called.clone(), calls_heard: 0, heard }
            });
            let (host, waker) = (host.expect("it is taken"), waker.expect("the core has one"));
            let door = engine.handle();
            let (ends, ended) = smol::channel::bounded(1);
            // Each of these comes when the shard rests, or is about to, and nothing else happens to wake it.
            let other = std::thread::spawn(move || {
                for _ in 0..200 {
                    writer.write_all(b"x").expect("the pipe has room");
                    assert_eq!(hears.recv_timeout(LONG), Ok("a byte"));
                    called.fetch_add(1, Ordering::SeqCst);
                    waker.wake_by_ref();
                    assert_eq!(hears.recv_timeout(LONG), Ok("a call"));
                }
                // Along with the pipe's end, which must stay open.
                ends.send_blocking(writer).expect("the host waits");
            });
            looping.turn(host, async {
                let ken = PresentityId::new(7);
                let mut watcher = door.watcher(1).await.expect("it opens");
                watcher.subscribe(&[ken]).await.expect("it subscribes");
                for round in 0..100 {
                    let expires = door.now().after_micros(1_000);
                    let published = door.publish(Publication { expires, ..says(ken, &round.to_string()) }).await;
                    let mut told = match published {
                        Ok(published) => published.stamp,
                        // It came too late to be true at all.
                        Err(CallError::Refused(Refusal::Expired { .. })) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    let published = told;
                    while told == published {
                        for note in watcher.next_batch().await.expect("the engine runs") {
                            told = note.stamp.max(told);
                        }
                    }
                }
                let _writer = ended.recv().await.expect("the other thread says when");
                engine.drain();
                while !engine.is_drained() {
                    smol::future::yield_now().await;
                }
                engine.shutdown().expect("it ends well");
                other.join().expect("it hears all");
            });
        });
    }
}

#[test]
fn calls_watchers_and_their_futures_go_where_tasks_go() {
    fn is_send<T: Send>() {}
    is_send::<Handle>();
    is_send::<Watcher>();
    is_send::<Call<Published>>();
    is_send::<NextBatch<'_>>();
    is_send::<Room>();
}

/// An engine whose one shard turns only when the test steps it: what happens when is for the test to say.
fn by_hand(watchers: u32) -> (Engine, Embedded<NoFrontend>) {
    let limits = Limits { watchers, ..small() };
    // Nobody steps while the test does something else.
    let builder = Engine::builder().shards(0).hosts(1).patience(LONG).limits(limits);
    let mut engine = builder.start(|_| NoFrontend).expect("it starts");
    let seat = engine.seats().pop().expect("one host was asked for");
    let host = seat.take(|_| NoFrontend).expect("it is taken");
    (engine, host)
}

fn step_to_rest(host: &mut Embedded<NoFrontend>) {
    while host.step().expect("nothing panics") == Step::Again {}
}

#[test]
fn a_call_wakes_the_last_who_polled_it_and_nobody_twice() {
    let (engine, mut host) = by_hand(10);
    let door = engine.handle();
    let (first, last) = (Arc::new(Hand::default()), Arc::new(Hand::default()));
    let mut call = door.publish(says(PresentityId::new(7), "here"));
    assert!(first.poll(&mut call).is_pending());
    assert!(last.poll(&mut call).is_pending());
    assert!(last.poll(&mut call).is_pending(), "to poll it again changes nothing");
    step_to_rest(&mut host);
    step_to_rest(&mut host);
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
    assert!(matches!(last.poll(&mut call), Poll::Ready(Ok(_))));

    // The same of a watcher that waits for notes.
    let mut opening = door.watcher(1);
    step_to_rest(&mut host);
    let Poll::Ready(Ok(mut watcher)) = last.poll(&mut opening) else { panic!("the shard has opened it") };
    let (first, last) = (Arc::new(Hand::default()), Arc::new(Hand::default()));
    assert!(first.poll(&mut watcher.next_batch()).is_pending());
    assert!(last.poll(&mut watcher.next_batch()).is_pending());
    let mut call = watcher.subscribe(&[PresentityId::new(7), PresentityId::new(8)]);
    step_to_rest(&mut host);
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
    assert_eq!(last.poll(&mut call), Poll::Ready(Ok(2)));
    let Poll::Ready(Ok(notes)) = last.poll(&mut watcher.next_batch()) else { panic!("it has been woken") };
    assert_eq!(notes.len(), 2);
    // Nobody waits now, so nobody is woken when more comes.
    drop(door.publish(says(PresentityId::new(7), "gone")));
    step_to_rest(&mut host);
    assert_eq!(last.wakes(), 1);
    end(engine, host);
}

#[test]
fn a_call_that_is_dropped_has_happened_and_a_watcher_for_nobody_is_closed() {
    let (engine, mut host) = by_hand(1);
    let (door, ken, hand) = (engine.handle(), PresentityId::new(7), Arc::new(Hand::default()));
    let mut call = door.publish(says(ken, "here"));
    assert!(hand.poll(&mut call).is_pending());
    drop(call);
    step_to_rest(&mut host);
    let mut call = door.fetch(ken, View::PLAIN);
    step_to_rest(&mut host);
    let Poll::Ready(Ok(state)) = hand.poll(&mut call) else { panic!("the shard has answered") };
    assert_eq!(&*state.parts[0].1, b"here");

    // There is room for one watcher: whoever gives up has it closed, before the answer comes or after.
    for steps_first in [false, true, false] {
        let opening = door.watcher(1);
        if steps_first {
            step_to_rest(&mut host);
        }
        drop(opening);
        step_to_rest(&mut host);
    }
    let mut opening = door.watcher(2);
    step_to_rest(&mut host);
    let Poll::Ready(opened) = hand.poll(&mut opening) else { panic!("the shard has answered") };
    drop(opened.expect("there is room for it"));
    end(engine, host);
}

#[test]
fn a_host_awaits_its_own_shard_and_must_not_wait_for_it() {
    let (engine, mut host) = by_hand(1);
    let (door, ken, hand) = (engine.handle(), PresentityId::new(7), Arc::new(Hand::default()));
    assert_eq!(door.publish(says(ken, "here")).wait(), Err(CallError::OnShard));
    step_to_rest(&mut host);
    let mut call = door.fetch(ken, View::PLAIN);
    assert!(hand.poll(&mut call).is_pending());
    step_to_rest(&mut host);
    let Poll::Ready(Ok(state)) = hand.poll(&mut call) else { panic!("the shard has answered") };
    assert_eq!(&*state.parts[0].1, b"here", "what was asked has happened all the same");
    end(engine, host);
}

fn end(engine: Engine, mut host: Embedded<NoFrontend>) {
    engine.drain();
    while !engine.is_drained() {
        host.step().expect("nothing panics");
    }
    engine.shutdown().expect("it ends well");
    assert_eq!(host.step(), Ok(Step::End));
}
