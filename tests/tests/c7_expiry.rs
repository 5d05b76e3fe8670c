//! C7: a state past its expiry is never told, fetched or sent; the change is owed in order of expiry, a bounded number
//! at a step; a clock that runs backwards is clamped.

use fanfare_core::{Limits, Outcome, Publication, Refusal, Tick, View};
use fanfare_tests::mesh::Mesh;

fn publish_until(mesh: &mut Mesh, presentity: fanfare_core::PresentityId, text: &'static str, expires: u64) {
    let expires = Tick::from_micros(expires);
    mesh.shards[0].publish(Publication { expires, ..Publication::plain(presentity, text.into()) }).unwrap();
}

#[test]
fn c7_an_expired_state_becomes_none_and_is_told() {
    let mut mesh = Mesh::new(2, Limits::default());
    for home in 0..2 {
        let ken = mesh.presentity_at(home, 0);
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        let end = mesh.now + 1_000;
        publish_until(&mut mesh, ken, "here for a while", end);
        mesh.settle();
        assert_eq!(mesh.hear(0, watcher).pop().unwrap().document.as_deref(), Some(&b"here for a while"[..]));
        mesh.now = end;
        mesh.settle();
        let heard = mesh.hear(0, watcher);
        assert_eq!((heard.len(), heard[0].document.clone()), (1, None));
        mesh.shards[0].close_watcher(watcher);
        mesh.settle();
        mesh.verify();
    }
}

#[test]
fn c7_past_its_expiry_a_state_is_neither_told_nor_fetched_though_nobody_came_round_to_it() {
    let limits = Limits { expiries_per_step: 1, ..Limits::default() };
    let mut mesh = Mesh::new(2, limits);
    let (ken, ann) = (mesh.presentity_at(1, 0), mesh.presentity_at(1, 1));
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    publish_until(&mut mesh, ann, "first to go", 500);
    publish_until(&mut mesh, ken, "second to go", 600);
    mesh.settle();
    // The watcher was marked in time and asks late; its shard knows the expiry, and the home has not spoken yet.
    mesh.shards[0].step(Tick::from_micros(700), 100);
    assert_eq!(mesh.hear(0, watcher), []);
    // One expiry a step: Ann's. Ken's is due, and a fetch must not show it all the same.
    let ticket = mesh.shards[0].fetch(ken, View::PLAIN).unwrap();
    let asked = mesh.shards[0].next_message(fanfare_core::ShardIndex::new(1)).unwrap();
    mesh.shards[1].step(Tick::from_micros(700), 100);
    assert_eq!(mesh.shards[1].counters().expired, 1);
    mesh.shards[1].receive(fanfare_core::ShardIndex::new(0), asked);
    mesh.now = 700;
    let outcomes = mesh.settle();
    let (_, outcome) = outcomes.into_iter().find(|(answered, _)| *answered == ticket).unwrap();
    assert!(matches!(outcome, Outcome::Fetched(state) if state.parts.is_empty()));
    assert_eq!(mesh.hear(0, watcher).pop().unwrap().document, None);
    mesh.verify();
}

#[test]
fn c7_expiries_come_in_order_and_no_more_at_a_step_than_the_limit() {
    let mut mesh = Mesh::new(1, Limits { expiries_per_step: 3, ..Limits::default() });
    let all: Vec<_> = (0..10).map(|nth| mesh.presentity_at(0, nth)).collect();
    for (nth, &presentity) in all.iter().enumerate() {
        publish_until(&mut mesh, presentity, "x", 100 + (nth as u64 * 7) % 10);
    }
    mesh.settle();
    let states = |mesh: &Mesh| mesh.shards[0].population().states;
    for left in [7, 4, 1, 0, 0] {
        mesh.shards[0].step(Tick::from_micros(1_000), 100);
        assert_eq!(states(&mesh), left);
    }
    mesh.verify();
}

#[test]
fn c7_time_does_not_run_backwards() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    mesh.now = 5_000;
    mesh.turn(10);
    mesh.now = 10;
    mesh.turn(10);
    assert_eq!(mesh.shards[0].now(), Tick::from_micros(5_000));
    publish_until(&mut mesh, ken, "of the past", 4_000);
    let outcomes = mesh.settle();
    assert!(matches!(outcomes[..], [(_, Outcome::Refused(Refusal::Expired { .. }))]), "{outcomes:?}");
}

#[test]
fn c7_a_prolonged_state_is_told_to_those_who_were_silent_at_its_first_end() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    publish_until(&mut mesh, ken, "here", 100);
    mesh.settle();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    publish_until(&mut mesh, ken, "here", 10_000);
    let outcomes = mesh.settle();
    assert!(matches!(outcomes[..], [(_, Outcome::Published(published))] if published.absorbed), "{outcomes:?}");
    mesh.now = 5_000;
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).pop().unwrap().document.as_deref(), Some(&b"here"[..]));
    mesh.verify();
}
