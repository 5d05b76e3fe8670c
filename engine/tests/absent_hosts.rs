//! Hosts that stop stepping, never begin, or leave: those who wait for their shards are told, the other shards go on,
//! and a host that comes back finds its books in order.

mod common;
#[path = "common/waits.rs"]
mod waits;

use std::sync::mpsc::{self, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::*;
use fanfare::*;
use waits::*;

const STALLED: CallError = CallError::Stalled { shard: 1 };
/// Enough for more requests than there are credits, and for a bulk call of which a part is asked.
const PEOPLE: usize = 12;

/// A host that turns its shard by single steps, as many as it is told.
struct Stepper {
    orders: mpsc::Sender<Option<usize>>,
    stopped: mpsc::Receiver<()>,
    thread: JoinHandle<Result<Step, EngineError>>,
}

impl Stepper {
    /// Goes on until it is told otherwise.
    fn on(seat: Seat) -> Self {
        let ((orders, ordered), (stop, stopped)) = (mpsc::channel(), mpsc::channel());
        let thread = std::thread::spawn(move || {
            let mut host = seat.take(|_| Nothing).expect("it can be taken");
            let mut left = None;
            loop {
                if left == Some(0) {
                    let _ = stop.send(());
                }
                // Its orders gone, it gives its shard up.
                let order = match left {
                    Some(0) => ordered.recv().map_err(|_| TryRecvError::Disconnected),
                    _ => ordered.try_recv(),
                };
                match order {
                    Ok(order) => left = order,
                    Err(TryRecvError::Disconnected) => return Ok(Step::Rest),
                    Err(TryRecvError::Empty) => match host.step() {
                        Ok(Step::Again) => left = left.map(|left| left - 1),
                        Ok(Step::Rest) => {
                            left = left.map(|left| left - 1);
                            std::thread::park_timeout(Duration::from_millis(1));
                        }
                        ended => return ended,
                    },
                }
            }
        });
        Self { orders, stopped, thread }
    }

    /// Makes so many steps and then none, which it waits for.
    fn only(&self, steps: usize) {
        self.orders.send(Some(steps)).expect("the host is there");
        self.stopped.recv_timeout(LONG).expect("it stops");
    }

    fn go_on(&self) {
        self.orders.send(None).expect("the host is there");
    }

    /// Gives its shard up.
    fn leave(self) {
        drop(self.orders);
        assert_eq!(self.thread.join().expect("no panic"), Ok(Step::Rest));
    }

    /// What the last step of an engine that has ended said.
    fn last_step(self) -> Result<Step, EngineError> {
        self.thread.join().expect("no panic")
    }
}

/// Two shards with homes, of which shard 1 is a host's, and so is shard 0 if all are.
fn with_a_host(on: On, patience: Duration) -> Engine {
    with_a_host_and(on, patience, Limits { credits: 4, ..small() })
}

fn with_a_host_and(on: On, patience: Duration, limits: Limits) -> Engine {
    let builder = Engine::builder().pin(false).limits(limits).seed(7).patience(patience);
    let builder = match on {
        On::Thread => builder.runtime(Runtime::Thread).shards(1).hosts(1).hosts_own_homes(true),
        On::Glommio => builder.runtime(Runtime::Glommio).shards(1).hosts(1).hosts_own_homes(true),
        On::Hosts => builder.shards(0).hosts(2),
    };
    builder.start(|_| Nothing).expect("it starts")
}

/// Presentities at home on one of the two shards.
fn people_on(shard: usize) -> Vec<PresentityId> {
    (0..).map(PresentityId::new).filter(|who| who.partition().home(2).index() == shard).take(PEOPLE).collect()
}

/// Each says its own number, so that another's answer is seen to be another's.
fn numbers(people: &[PresentityId]) -> Vec<Publication> {
    people.iter().map(|&who| says(who, &who.get().to_string())).collect()
}

fn is_its_number(who: PresentityId, state: State) -> Result<(), CallError> {
    assert_eq!(&*state.parts[0].1, who.get().to_string().as_bytes(), "another's answer");
    Ok(())
}

/// One on shard 1, where there are any.
fn watcher_there(door: &Handle) -> Watcher {
    loop {
        let watcher = insist(|| door.watcher(1).wait());
        if watcher.shard() == 1 {
            return watcher;
        }
    }
}

/// More requests than can be under way at once, among them one of many.
fn ask_for_more_than_credits(waits: &mut Waits, door: &Handle, people: &[PresentityId]) {
    for round in 0..3 {
        for &who in people {
            let call = door.fetch(who, View::PLAIN);
            waits.add("fetch", move || awaited(call).and_then(|state| is_its_number(who, state)));
        }
        let batch = door.publish_all(numbers(people));
        waits.add("publish_all", move || {
            let results = if round == 0 { batch.wait() } else { awaited(batch) };
            results.expect("reasons stand in the places").into_iter().find_map(Result::err).map_or(Ok(()), Err)
        });
    }
}

/// Asks again as long as a host is taken for stalled: on a busy machine one that merely was kept from its CPU is.
fn insist<T>(mut ask: impl FnMut() -> Result<T, CallError>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Err(CallError::Stalled { .. }) if begun.elapsed() < LONG => std::thread::yield_now(),
            answer => return answer.expect("it is answered"),
        }
    }
}

/// Watches, and publishes until the watcher is told.
fn is_told(door: &Handle, watcher: &mut Watcher, people: &[PresentityId], text: &str) -> Result<(), CallError> {
    awaited(watcher.subscribe(people))?;
    let stamp = awaited(door.publish(says(people[0], text)))?.stamp;
    while awaited(watcher.next_batch())?.iter().all(|note| note.stamp < stamp) {}
    Ok(())
}

/// Calls of shard 1 work, each gets its own answer, and a watcher there is told.
fn answers_again(door: &Handle, people: &[PresentityId], mut watcher: Option<Watcher>) {
    let mut attempts = 0;
    insist(|| {
        // What was published before is no news, and not told.
        attempts += 1;
        match &mut watcher {
            Some(watcher) => is_told(door, watcher, people, &format!("again {attempts}"))?,
            None => drop(awaited(door.publish(says(people[0], "again")))?),
        }
        let results = awaited(door.publish_all(numbers(people)))?;
        for (&who, result) in people.iter().zip(results) {
            let state = awaited(door.fetch(who, View::PLAIN))?;
            assert_eq!(result?.stamp, state.stamp, "another's answer");
            is_its_number(who, state)?;
        }
        let mut waits = Waits::default();
        ask_for_more_than_credits(&mut waits, door, people);
        waits.ends().collect::<Vec<_>>().into_iter().try_for_each(|(_, end)| end)
    });
}

fn a_host_that_stops_stepping_is_not_waited_for(on: On) {
    // It stops after so many steps with requests before it, of which more and more are under way then.
    for steps in 0..6 {
        let mut engine = with_a_host(on, Duration::from_millis(50));
        let hosts: Vec<_> = engine.seats().into_iter().map(Stepper::on).collect();
        let (host, door) = (hosts.last().expect("there is one"), engine.handle());
        let (here, there) = (people_on(0), people_on(1));
        insist(|| awaited(door.publish_all(numbers(&there)))?.into_iter().collect::<Result<Vec<_>, _>>());
        let mut elsewhere = loop {
            let watcher = insist(|| door.watcher(0).wait());
            if watcher.shard() == 0 {
                break watcher;
            }
        };
        let watchers = (on == On::Hosts).then(|| [(); 4].map(|()| watcher_there(&door)));

        host.only(0);
        let mut waits = Waits::default();
        ask_for_more_than_credits(&mut waits, &door, &there);
        waits.room(|| door.room(there[0]));
        let mut kept = watchers.map(|[kept, calling, blocking, awaiting]| {
            waits.watchers(calling, blocking, awaiting);
            kept
        });
        host.only(steps);
        for (what, end) in waits.ends() {
            assert!(end == Err(STALLED) || end == Ok(()) && (steps != 0 || what == ROOM), "{steps} {what}: {end:?}");
        }

        let refused = || once(&mut door.fetch(there[0], View::PLAIN)).map(|answer| answer.err());
        until_true("it is known to have stalled again", || refused() == Polled::Ready(Some(STALLED)));
        assert_eq!(at_once(door.publish_all(numbers(&there))), Ok(vec![Err(STALLED); PEOPLE]));
        at_once(door.room(there[0]));
        if let Some(kept) = &mut kept {
            assert_eq!(at_once(kept.subscribe(&there)), Err(STALLED));
            assert_eq!(kept.next_batch().wait().map(drop), Err(STALLED));
        }
        // Shard 0 goes on meanwhile.
        let mut attempts = 0;
        insist(|| {
            attempts += 1;
            is_told(&door, &mut elsewhere, &here, &attempts.to_string())
        });

        host.go_on();
        answers_again(&door, &there, kept);
        engine.shutdown().expect("it ends well");
        for host in hosts {
            assert_eq!(host.last_step(), Ok(Step::End));
        }
    }
}

fn a_seat_that_nobody_takes_is_not_waited_for(on: On) {
    let mut engine = with_a_host(on, Duration::from_millis(50));
    let (door, there, mut seats) = (engine.handle(), people_on(1), engine.seats());
    let seat = seats.pop().expect("there is one");
    let mut hosts: Vec<_> = seats.into_iter().map(Stepper::on).collect();
    let mut waits = Waits::default();
    waits.requests(&door, there[0]);
    if on == On::Hosts {
        // They come to the two shards by turns, whatever comes of them.
        drop(door.watcher(0));
        waits.both("watcher", || {
            let on_one = door.watcher(1);
            drop(door.watcher(0));
            on_one
        });
    }
    waits.room(|| door.room(there[0]));
    waits.all_end_with(&STALLED);
    hosts.push(Stepper::on(seat));
    answers_again(&door, &there, None);
    engine.shutdown().expect("it ends well");
    for host in hosts {
        assert_eq!(host.last_step(), Ok(Step::End));
    }
}

fn nothing_waits_for_an_engine_that_ends_without_its_host(on: On) {
    let mut engine = with_a_host(on, 2 * LONG);
    let (door, there, _seats) = (engine.handle(), people_on(1), engine.seats());
    let mut waits = Waits::default();
    waits.requests(&door, there[0]);
    waits.room(|| door.room(there[0]));
    let ended = engine.shutdown_within(Duration::from_millis(20));
    assert!(matches!(ended, Err(EngineError::NotDrained { ref shards, .. }) if shards.contains(&1)), "{ended:?}");
    waits.all_end_with(&EngineError::Stopped.into());
}

fn a_host_that_leaves_stops_the_engine_with_its_number(on: On) {
    for takes in [false, true] {
        let mut engine = with_a_host(on, 2 * LONG);
        let (door, there, mut seats) = (engine.handle(), people_on(1), engine.seats());
        let seat = seats.pop().expect("there is one");
        let others: Vec<_> = seats.into_iter().map(Stepper::on).collect();
        let left = EngineError::HostLeft { shard: ShardIndex::new(1) };
        let error = CallError::Engine(left.clone());
        let mut waits = Waits::default();
        let mut elsewhere = awaited(door.watcher(0)).expect("it opens");
        assert_eq!(elsewhere.shard(), 0);
        if takes {
            let host = Stepper::on(seat);
            let watchers = (on == On::Hosts).then(|| [(); 3].map(|()| watcher_there(&door)));
            host.only(0);
            waits.requests(&door, there[0]);
            waits.room(|| door.room(there[0]));
            if let Some([calling, blocking, awaiting]) = watchers {
                waits.watchers(calling, blocking, awaiting);
            }
            host.leave();
        } else {
            waits.requests(&door, there[0]);
            waits.room(|| door.room(there[0]));
            drop(seat);
        }
        waits.all_end_with(&error);
        assert_eq!(awaited(elsewhere.next_batch()).map(drop), Err(error.clone()), "{takes}");
        assert_eq!(at_once(door.fetch(there[0], View::PLAIN)).map(drop), Err(error.clone()));
        assert_eq!(at_once(door.fetch(people_on(0)[0], View::PLAIN)).map(drop), Err(error));
        assert_eq!(engine.error(), Some(left.clone()));
        assert_eq!(engine.shutdown(), Err(left));
        for host in others {
            assert_eq!(host.last_step(), Ok(Step::End));
        }
    }
}

#[test]
fn a_home_that_a_host_owes_documents_has_room_when_it_steps_again() {
    // One document that was replaced and is still out is more than a home bears.
    let mut engine = with_a_host_and(On::Hosts, 2 * LONG, Limits { retired_bytes: 1, ..small() });
    let hosts: Vec<_> = engine.seats().into_iter().map(Stepper::on).collect();
    let (door, who) = (engine.handle(), people_on(0)[0]);
    let mut watcher = watcher_there(&door);
    watcher.subscribe(&[who]).wait().expect("it subscribes");
    for round in 0..20 {
        hosts[1].only(0);
        let mut number = 0;
        let busy = loop {
            number += 1;
            assert!(number < 1_000, "the home takes whatever comes");
            match awaited(door.publish(says(who, &format!("{round} {number}")))) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(busy, CallError::Busy { .. }), "{busy}");
        let mut waits = Waits::default();
        waits.room(|| door.room(who));
        assert!(once(&mut door.room(who)).is_pending(), "the documents are out");
        hosts[1].go_on();
        for (what, end) in waits.ends() {
            assert_eq!(end, Ok(()), "{what}");
        }
        let last = awaited(door.publish(says(who, &format!("{round} last")))).expect("there is room").stamp;
        until(&mut watcher, |note| note.stamp >= last);
    }
    engine.shutdown().expect("it ends well");
    for host in hosts {
        assert_eq!(host.last_step(), Ok(Step::End));
    }
}

on_every_runtime!(
    a_host_that_stops_stepping_is_not_waited_for,
    a_seat_that_nobody_takes_is_not_waited_for,
    nothing_waits_for_an_engine_that_ends_without_its_host,
    a_host_that_leaves_stops_the_engine_with_its_number,
);
