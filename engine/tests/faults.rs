//! Frontends that panic or hold their core, and handles of engines that have ended: whoever waits is told why.

mod common;
#[path = "common/waits.rs"]
mod waits;

use std::sync::Arc;

use common::*;
use fanfare::*;
use waits::*;

/// Holds its shard up in one of its methods while the gate is shut, and panics there once it is let go.
struct Faulty {
    at: &'static str,
    gate: Option<Arc<Gate>>,
    asked: bool,
}

impl Faulty {
    /// One on shard 1, and harmless ones elsewhere.
    fn make(at: &'static str, gate: &Arc<Gate>) -> impl Fn(Core) -> Self + Send + Sync + 'static {
        let gate = gate.clone();
        move |core| {
            let is_it = core.index.index() == 1;
            if is_it {
                gate.waker.set(core.waker).expect("there is one shard 1");
                #[cfg(feature = "glommio")]
                if at == "task" {
                    let gate = gate.clone();
                    let task = async move {
                        while !gate.pass() {
                            ::glommio::timer::sleep(std::time::Duration::from_millis(1)).await;
                        }
                        panic!("the frontend fails in its task");
                    };
                    ::glommio::spawn_local(task).detach();
                }
            }
            Self { at, gate: is_it.then(|| gate.clone()), asked: false }
        }
    }

    fn fault(&self, at: &'static str) {
        if self.at == at && self.gate.as_ref().is_some_and(|gate| gate.pass()) {
            panic!("the frontend fails in {at}");
        }
    }
}

impl Frontend for Faulty {
    fn poll(&mut self, shard: &mut Shard, _: Tick) -> Poll {
        self.fault("poll");
        let Some(gate) = &self.gate else { return Poll::IDLE };
        if self.at == "stop" {
            gate.pass();
        }
        if !gate.is_shut() || std::mem::replace(&mut self.asked, true) {
            return Poll::IDLE;
        }
        // What leads to the method that is to fail.
        let who = one_on_each(2)[1];
        if self.at == "done" {
            shard.publish(says(who, "its own")).expect("it has credits");
        } else if self.at == "ready" {
            let watcher = shard.open_watcher(7).expect("there is room");
            let group = shard.open_group(watcher, 7, Categories::ALL).expect("there is room");
            shard.subscribe(group, View::PLAIN, &[who]).expect("there is room");
        }
        Poll::WORKED
    }

    fn done(&mut self, _: Ticket, _: Outcome) {
        self.fault("done");
    }

    fn ready(&mut self, _: WatcherId, outbox: &mut Outbox<'_>) {
        self.fault("ready");
        while outbox.next().is_some() {}
    }

    fn stop(&mut self, _: &mut Shard) {
        if self.at == "stop" && self.gate.is_some() {
            panic!("the frontend fails in stop");
        }
    }
}

/// Hosts are held up on purpose here, and are not to be taken for stalled.
fn patient(builder: EngineBuilder) -> EngineBuilder {
    builder.patience(2 * LONG)
}

/// So many watchers on each shard of two, and the next that is opened comes to shard 1.
fn watchers_on_two(door: &Handle, of_each: usize) -> [Vec<Watcher>; 2] {
    let mut on = [Vec::new(), Vec::new()];
    while on[0].len() < of_each || on[1].len() < of_each || on[0].len() == on[1].len() {
        let watcher = door.watcher(1).wait().expect("it opens");
        let shard = watcher.shard();
        on[shard].push(watcher);
    }
    on
}

fn fails_in(on: On, at: &'static str) {
    let gate = Arc::new(Gate::default());
    let engine = on.builder(2).with(patient).start(Faulty::make(at, &gate)).expect("it starts");
    let opener = gate.open_at_end();
    let (door, people) = (engine.handle(), one_on_each(2));
    let [mut healthy, mut faulty] = watchers_on_two(&door, 3);
    let mut of_faulty = || faulty.pop().expect("there are three");
    let panicked =
        EngineError::Panicked { shard: ShardIndex::new(1), message: format!("the frontend fails in {}", at_name(at)) };
    let error = CallError::Engine(panicked.clone());

    gate.shut();
    let mut waits = Waits::default();
    waits.requests(&door, people[1]);
    waits.watchers(of_faulty(), of_faulty(), of_faulty());
    waits.room(|| door.room(people[1]));
    waits.both("watcher", || {
        // Of every two, the first comes to shard 1, which does not answer.
        let on_one = door.watcher(2);
        assert!(door.watcher(3).wait().is_ok(), "shard 0 goes on");
        on_one
    });
    // On the other shard somebody waits for what will not come either.
    let mut idle = healthy.pop().expect("there are three");
    waits.add("next_batch elsewhere", move || idle.next_batch().wait().map(drop));
    if at == "stop" {
        engine.drain();
    }
    gate.open();
    waits.all_end_with(&error);

    for &who in &people {
        assert_eq!(at_once(door.publish(says(who, "x"))), Err(error.clone()));
    }
    assert_eq!(engine.error(), Some(panicked.clone()));
    assert_eq!(engine.shutdown(), Err(panicked));

    // Nothing is left behind of a shard that has failed: its frontend, which holds the gate, has been dropped.
    drop(opener);
    assert_eq!(Arc::strong_count(&gate), 1, "the frontend that failed in {at} is kept by somebody");
}

/// As a panic's message names it.
fn at_name(at: &str) -> &str {
    if at == "task" { "its task" } else { at }
}

fn a_panic_in_poll_ends_all_waits(on: On) {
    fails_in(on, "poll");
}

fn a_panic_in_ready_ends_all_waits(on: On) {
    fails_in(on, "ready");
}

fn a_panic_in_done_ends_all_waits(on: On) {
    fails_in(on, "done");
}

fn a_panic_in_stop_ends_all_waits(on: On) {
    fails_in(on, "stop");
}

#[cfg(feature = "glommio")]
#[test]
fn a_panic_in_a_task_beside_the_loop_ends_all_waits() {
    if has_glommio() {
        fails_in(On::Glommio, "task");
    }
}

/// Fails in a task of its own, and again when it is dropped for that.
#[cfg(feature = "glommio")]
struct Doubly;

#[cfg(feature = "glommio")]
impl Frontend for Doubly {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

#[cfg(feature = "glommio")]
impl Drop for Doubly {
    fn drop(&mut self) {
        panic!("the frontend fails in its drop");
    }
}

#[cfg(feature = "glommio")]
#[test]
fn a_panic_in_the_drop_after_a_panic_in_a_task_ends_the_engine_and_not_the_process() {
    if has_glommio() {
        let make = |_| {
            let task = async {
                ::glommio::timer::sleep(std::time::Duration::from_millis(1)).await;
                panic!("the frontend fails in its task");
            };
            ::glommio::spawn_local(task).detach();
            Doubly
        };
        let engine = On::Glommio.builder(1).start(make).expect("it starts");
        // The task ends the engine in its own time, and all waits with it.
        if let Ok(mut watcher) = engine.handle().watcher(1).wait() {
            assert!(watcher.next_batch().wait().is_err());
        }
        let ended = engine.shutdown();
        assert!(matches!(&ended, Err(EngineError::Panicked { message, .. }) if message.contains("task")), "{ended:?}");
    }
}

#[test]
fn a_panic_in_a_hosts_make_ends_all_waits() {
    let builder = Engine::builder().shards(0).hosts(2).limits(small()).patience(2 * LONG);
    let mut engine = builder.start(|_| Nothing).expect("it starts");
    let (door, who, mut seats) = (engine.handle(), one_on_each(2)[1], engine.seats());
    let mut waits = Waits::default();
    waits.requests(&door, who);
    waits.both("watcher", || door.watcher(1));
    waits.room(|| door.room(who));
    let error = seats.pop().expect("there are two").take(|_| -> Nothing { panic!("no frontend") });
    let panicked = EngineError::Panicked { shard: ShardIndex::new(1), message: "no frontend".to_owned() };
    assert!(matches!(error, Err(StartError::Engine(why)) if why == panicked));
    waits.all_end_with(&CallError::Engine(panicked.clone()));
    assert_eq!(engine.shutdown(), Err(panicked));
}

/// The first error of every call of a handle and a watcher, none of which may wait.
fn all_refused_at_once(door: &Handle, watcher: &mut Watcher, error: &CallError) {
    let who = [PresentityId::new(1), PresentityId::new(2)];
    for blocks in [true, false] {
        macro_rules! end {
            ($call:expr) => {
                if blocks { $call.wait() } else { at_once($call) }
            };
        }
        assert_eq!(end!(door.publish(says(who[0], "x"))).map(drop), Err(error.clone()));
        let refused = end!(door.publish_all(who.map(|who| says(who, "x"))));
        assert_eq!(refused, Ok(vec![Err(error.clone()), Err(error.clone())]));
        assert_eq!(end!(door.publish_all([])), Ok(Vec::new()));
        assert_eq!(end!(door.fetch(who[0], View::PLAIN)).map(drop), Err(error.clone()));
        assert_eq!(end!(door.watcher(1)).map(drop), Err(error.clone()));
        assert_eq!(end!(watcher.subscribe(&who)), Err(error.clone()));
        assert_eq!(end!(watcher.subscribe_view(View::PLAIN, &who)), Err(error.clone()));
        assert_eq!(end!(watcher.unsubscribe(&who)), Err(error.clone()));
        assert_eq!(end!(watcher.next_batch()).map(drop), Err(error.clone()));
        for room in [door.room(who[0]), watcher.room()] {
            if blocks {
                assert_eq!(room.wait(), Ok(()));
            } else {
                at_once(room);
            }
        }
    }
    assert_eq!(watcher.next_batch().wait_for(LONG).map(drop), Err(error.clone()));
}

fn handles_of_an_engine_that_has_ended_say_so_at_once(on: On) {
    let stopped = CallError::Engine(EngineError::Stopped);
    let engine = on.engine(2);
    let (door, mut watcher) = (engine.handle(), engine.handle().watcher(1).wait().expect("it opens"));
    engine.shutdown().expect("it ends well");
    all_refused_at_once(&door, &mut watcher, &stopped);
    watcher.close();
    assert_eq!(door.shards(), 2);
    assert!(door.clone().now() > Tick::ZERO);

    let engine = on.engine(2);
    let (door, mut watcher) = (engine.handle(), engine.handle().watcher(1).wait().expect("it opens"));
    drop(engine);
    all_refused_at_once(&door, &mut watcher, &stopped);

    // What was told before the end is still to be had, and then the end is told.
    let engine = on.engine(1);
    let (door, mut watcher) = (engine.handle(), engine.handle().watcher(1).wait().expect("it opens"));
    watcher.subscribe(&[PresentityId::new(1)]).wait().expect("it subscribes");
    let last = door.publish(says(PresentityId::new(1), "last")).wait().expect("it is published");
    engine.shutdown().expect("it ends well");
    let notes = at_once(watcher.next_batch()).expect("there are notes");
    assert!(notes.iter().any(|note| note.stamp == last.stamp), "{notes:?}");
    all_refused_at_once(&door, &mut watcher, &stopped);
}

/// Holds its core at the first poll after the gate was shut. Afterwards it goes on, or panics.
struct Slow {
    gate: Arc<Gate>,
    panics: bool,
}

impl Slow {
    fn at(gate: &Arc<Gate>, core: Core, panics: bool) -> Self {
        gate.waker.set(core.waker).expect("each shard has its own");
        Self { gate: gate.clone(), panics }
    }
}

impl Frontend for Slow {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        let worked = self.gate.pass();
        assert!(!(worked && self.panics), "the frontend fails");
        Poll { worked, deadline: None }
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

fn a_panic_is_told_to_callers_of_a_shard_that_is_held_up(on: On) {
    let gates: [Arc<Gate>; 2] = Default::default();
    let of_shards = gates.clone();
    let make = move |core: Core| {
        let shard = core.index.index();
        Slow::at(&of_shards[shard], core, shard == 0)
    };
    let limits = Limits { credits: 2, ..small() };
    let engine = on.builder(2).with(patient).with(|builder| builder.limits(limits)).start(make).expect("it starts");
    let _opener = gates[1].open_at_end();
    let (door, people) = (engine.handle(), one_on_each(2));
    gates[1].shut();
    let mut waits = Waits::default();
    for _ in 0..3 {
        waits.both("fetch", || door.fetch(people[1], View::PLAIN));
    }
    // One turn more: as many as there are credits are asked, one is taken in without, the others wait at the door.
    gates[1].shut();
    gates[0].shut();
    gates[0].open();
    let panicked = EngineError::Panicked { shard: ShardIndex::new(0), message: "the frontend fails".to_owned() };
    let ends: Vec<_> = waits.ends().map(|(_, end)| end).collect();
    let told = ends.iter().filter(|end| **end == Err(panicked.clone().into())).count();
    assert!(told >= 4 && ends.iter().filter(|end| end.is_ok()).count() + told == 6, "{ends:?}");
    gates[1].open();
    assert_eq!(engine.shutdown(), Err(panicked));
}

#[cfg(feature = "glommio")]
#[test]
fn the_watchdog_kicks_an_executor_that_does_not_turn() {
    if !has_glommio() {
        return;
    }
    let gate = Arc::new(Gate::default());
    let of_shard = gate.clone();
    let make = move |core: Core| Slow::at(&of_shard, core, false);
    let engine = On::Glommio.builder(1).start(make).expect("it starts");
    let _opener = gate.open_at_end();
    let door = engine.handle();
    for round in 1..=3 {
        gate.shut();
        let kicks = engine.stats()[0].kicks;
        let waiting = door.publish(says(PresentityId::new(1), &round.to_string()));
        // It is rung and does not turn: for a tenth of a second, and as long as it takes.
        until_true("it is kicked", || engine.stats()[0].kicks > kicks);
        gate.open();
        awaited(waiting).expect("it goes on");
    }
    engine.shutdown().expect("it ends well");
}

/// Does not let itself be dropped.
struct Stubborn(usize);

impl Frontend for Stubborn {
    fn poll(&mut self, _: &mut Shard, _: Tick) -> Poll {
        Poll::IDLE
    }

    fn ready(&mut self, _: WatcherId, _: &mut Outbox<'_>) {}
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        assert_ne!(self.0, 1, "the frontend fails as it is dropped");
    }
}

fn a_panic_as_the_frontend_is_dropped_is_told_at_the_end(on: On) {
    // A host drops its frontend itself.
    if on != On::Hosts {
        let engine = on.builder(2).start(|core| Stubborn(core.index.index())).expect("it starts");
        let door = engine.handle();
        let mut watcher = awaited(door.watcher(1)).expect("it opens");
        let ended = engine.shutdown();
        assert!(matches!(ended, Err(EngineError::Panicked { shard, .. }) if shard.index() == 1), "{ended:?}");
        assert!(watcher.next_batch().wait().is_err());
    }
}

on_every_runtime!(
    a_panic_as_the_frontend_is_dropped_is_told_at_the_end,
    a_panic_is_told_to_callers_of_a_shard_that_is_held_up,
    a_panic_in_poll_ends_all_waits,
    a_panic_in_ready_ends_all_waits,
    a_panic_in_done_ends_all_waits,
    a_panic_in_stop_ends_all_waits,
    handles_of_an_engine_that_has_ended_say_so_at_once,
);
