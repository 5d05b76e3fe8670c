//! Futures polled by hand, on a shard that turns only when the test steps it: who is woken, when, and how often.

mod common;
#[path = "common/executors.rs"]
mod executors;

use std::sync::Arc;
use std::task::Poll;

use common::*;
use executors::Hand;
use fanfare::{
    Call, CallError, Embedded, Engine, Handle, Limits, NextBatch, NoFrontend, PresentityId, Published, Room, Step,
    View, Watcher,
};

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
