//! What a watcher must not be able to tell who is shown nothing, or is shown somebody as offline (C6).

use std::sync::Arc;

use bytes::Bytes;
use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Category, Decision, EndpointId, EndpointPublication, Guard, Identity, Limits, Outcome, Policy, PolicyEdit,
    PresenceEventKind, PresentityId, Scheme, ShardIndex, Status, Tick, Verdict, View, Who,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;
const EVE: PresentityId = PresentityId::new(1_001);
const BOB: PresentityId = PresentityId::new(1_002);

fn scheme() -> Scheme {
    Scheme::open_and_offline(&["state", "note"], LastWrite, Decision::Show(Scheme::OPEN)).unwrap()
}

fn is(who: PresentityId, availability: Availability) -> EndpointPublication {
    EndpointPublication::create(who, EndpointId(1), Status::new(availability), HOUR_US)
}

fn polite_to_eve() -> Policy {
    Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(EVE)], Decision::Show(Scheme::OFFLINE))
}

#[test]
fn who_is_blocked_politely_does_not_hear_that_somebody_appears_for_the_first_time() {
    for has_policy in [true, false] {
        // Without a policy of ken's own it is the scheme that is polite.
        let mut mesh = match has_policy {
            true => Mesh::with_scheme(2, Limits::default(), scheme()),
            false => Mesh::with_scheme(2, Limits::default(), scheme().with_guard(polite_to_eve()).unwrap()),
        };
        let ken = mesh.presentity_at(1, 0);
        if has_policy {
            mesh.policy(0, PolicyEdit::new(ken, ken, polite_to_eve()));
        }
        let (eve, group) = mesh.watcher_for(0, Identity::of(EVE));
        mesh.shards[0].watch(group, &[ken]).unwrap();
        mesh.settle();
        let heard = mesh.hear(0, eve);
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].rendition().status, Status::OFFLINE);
        mesh.endpoint(0, is(ken, Availability::AVAILABLE)).unwrap();
        mesh.endpoint(0, EndpointPublication::remove(ken, EndpointId(1))).unwrap();
        assert_eq!(mesh.hear(0, eve), []);
        mesh.verify();
    }
}

#[test]
fn who_polls_and_is_blocked_cannot_tell_from_the_stamp_that_something_happens() {
    for instead in [Decision::Show(Scheme::OFFLINE), Decision::Block] {
        let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme());
        let ken = mesh.presentity_at(0, 0);
        let policy = polite_to_eve().with_blocked([Who::User(EVE)], instead);
        mesh.policy(0, PolicyEdit::new(ken, ken, policy));
        let (_, group) = mesh.watcher_for(0, Identity::of(BOB));
        mesh.shards[0].watch(group, &[ken]).unwrap();
        let mut fetched = |who| {
            [Availability::AVAILABLE, Availability::BUSY].map(|availability| {
                mesh.endpoint(0, is(ken, availability)).unwrap();
                mesh.shards[0].fetch_for(ken, Arc::new(Identity::of(who))).unwrap();
                let Outcome::Fetched(state) = mesh.outcome() else { panic!("a fetch is answered") };
                state.stamp
            })
        };
        let [before, after] = fetched(EVE);
        assert_eq!(before, after);
        let [before, after] = fetched(BOB);
        assert!(before < after);
    }
}

/// Names a view that it did not say it would.
#[derive(Debug)]
struct Liar;

impl Guard for Liar {
    fn decide(&self, _: &Identity) -> Verdict {
        Verdict { view: View(77), rule: None }
    }

    fn views(&self, _: &mut dyn FnMut(View)) {}

    fn rules(&self) -> usize {
        0
    }
}

#[test]
fn a_guard_that_names_a_view_which_does_not_exist_opens_nothing() {
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme());
    let ken = mesh.presentity_at(0, 0);
    mesh.policy(0, PolicyEdit::new(ken, ken, Liar));
    mesh.endpoint(0, is(ken, Availability::AVAILABLE)).unwrap();
    mesh.shards[0].fetch_for(ken, Arc::new(Identity::of(BOB))).unwrap();
    let Outcome::Fetched(state) = mesh.outcome() else { panic!("a fetch is answered") };
    assert_eq!((state.view, state.parts.len()), (View::BLOCKED, 0));
    let (bob, group) = mesh.watcher_for(0, Identity::of(BOB));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    let heard = mesh.hear(0, bob);
    assert!(heard.iter().all(|heard| heard.view == View::BLOCKED && heard.parts.is_empty()), "{heard:?}");
}

#[test]
fn who_is_blocked_is_no_first_watcher_although_his_shard_learns_the_policy_late() {
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme().with_events(true));
    let ken = mesh.presentity_at(1, 0);
    let policy = Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(EVE)], Decision::Block);
    mesh.policy(0, PolicyEdit::new(ken, ken, policy));
    let mut events_of = |who| {
        let (_, group) = mesh.watcher_for(0, Identity::of(who));
        mesh.shards[0].watch(group, &[ken]).unwrap();
        let mut events = Vec::new();
        for _ in 0..8 {
            mesh.turn(1 << 20);
            events.extend(std::iter::from_fn(|| mesh.shards[1].next_event()).map(|event| event.kind));
        }
        events
    };
    assert_eq!(events_of(EVE), []);
    assert_eq!(events_of(BOB), [PresenceEventKind::FirstWatcher]);
}

#[test]
fn c6_a_policy_after_one_that_was_removed_and_forgotten_is_obeyed() {
    let guard = Policy::ranked([(Who::User(EVE), 1, Decision::Show(Scheme::OFFLINE))], Decision::Show(Scheme::OPEN));
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme().with_guard(guard).unwrap());
    let ken = mesh.presentity_at(1, 0);
    let block = || PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block));
    let (_, of_eve) = mesh.watcher_for(0, Identity::of(EVE));
    mesh.shards[0].watch(of_eve, &[ken]).unwrap();
    mesh.policy(0, block());
    mesh.policy(0, PolicyEdit::remove(ken, ken));
    // In one turn the only watcher goes and another one comes, in another view: the shard knows the policy that its
    // home has forgotten.
    mesh.shards[0].unsubscribe(of_eve, &[ken]).unwrap();
    let (bob, of_bob) = mesh.watcher_for(0, Identity::of(BOB));
    mesh.shards[0].watch(of_bob, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, bob);
    assert!(matches!(mesh.policy(0, block()), Outcome::PolicyApplied { .. }));
    mesh.endpoint(0, is(ken, Availability::AVAILABLE)).unwrap();
    let heard = mesh.hear(0, bob);
    assert!(!heard.is_empty() && heard.iter().all(|heard| heard.view == View::BLOCKED), "{heard:?}");
    mesh.verify();
}

#[test]
fn policies_of_a_presentity_are_numbered_on_though_it_was_forgotten() {
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme());
    let ken = mesh.presentity_at(0, 0);
    let block = || PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block));
    let numbers = [block(), PolicyEdit::remove(ken, ken), block()].map(|edit| match mesh.policy(0, edit) {
        Outcome::PolicyApplied { epoch } => epoch.get(),
        other => panic!("{other:?}"),
    });
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn number_0_stands_for_what_is_not_known_and_no_rule_is_about_that() {
    let scheme = Scheme::lync(0);
    let stranger = Identity { network: fanfare_core::Network::PublicCloud, ..Identity::of(BOB) };
    assert_eq!(Some(scheme.guard().decide(&stranger).view), scheme.view_of(100));
}

#[test]
fn a_block_list_stands_over_whatever_the_policy_says_and_takes_nothing_of_it_away() {
    let list = Policy::first_match([(Who::User(EVE), Decision::Show(Scheme::OPEN))], Decision::Confirm);
    let eve = Identity::of(EVE);
    let blocked = list.with_blocked([Who::Everyone], Decision::Block);
    assert_eq!(blocked.decide(&eve).view, View::BLOCKED);
    assert_eq!(blocked.without_blocked(&[Who::Everyone]), list);
}

#[test]
fn who_watches_again_and_again_and_is_shown_nothing_cannot_tell_from_the_stamp_that_something_happens() {
    for instead in [Decision::Show(Scheme::OFFLINE), Decision::Block] {
        let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme());
        let ken = mesh.presentity_at(1, 0);
        mesh.policy(0, PolicyEdit::new(ken, ken, polite_to_eve().with_blocked([Who::User(EVE)], instead)));
        let (_, of_bob) = mesh.watcher_for(0, Identity::of(BOB));
        mesh.shards[0].watch(of_bob, &[ken]).unwrap();
        let mut stamps = Vec::new();
        for nth in 0..4 {
            let availability = if nth % 2 == 0 { Availability::AVAILABLE } else { Availability::BUSY };
            mesh.endpoint(0, is(ken, availability)).unwrap();
            let (eve, group) = mesh.watcher_for(0, Identity::of(EVE));
            mesh.shards[0].watch(group, &[ken]).unwrap();
            mesh.settle();
            stamps.extend(mesh.hear(0, eve).into_iter().map(|heard| heard.stamp));
            mesh.shards[0].close_watcher(eve);
            mesh.settle();
        }
        assert_eq!(stamps.len(), 4);
        assert!(stamps.iter().all(|&stamp| stamp == stamps[0]), "{stamps:?}");
    }
}

#[test]
fn a_first_watcher_who_joined_late_is_told_although_the_policy_is_forgotten_before_it_is_applied() {
    for sent in 0..6 {
        let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme().with_events(true));
        let (ken, (zero, one)) = (mesh.presentity_at(0, 0), (ShardIndex::new(0), ShardIndex::new(1)));
        let hard =
            EndpointPublication::hard(ken, Vec::new()).with(Category::numbered(1), Bytes::from_static(b"a note"));
        mesh.endpoint(0, hard).unwrap();
        mesh.policy(0, PolicyEdit::new(ken, ken, polite_to_eve()));
        mesh.policy(0, PolicyEdit::remove(ken, ken));
        let (_, group) = mesh.watcher_for(1, Identity::of(BOB));
        mesh.shards[1].watch(group, &[ken]).unwrap();
        while let Some(join) = mesh.shards[1].next_message(zero) {
            mesh.shards[0].receive(one, join);
        }
        let under_way: Vec<_> = (0..sent).filter_map(|_| mesh.shards[0].next_message(one)).collect();
        mesh.shards[0].publish_endpoint(EndpointPublication::remove(ken, EndpointId::HARD)).unwrap();
        for _ in 0..4 {
            mesh.shards[0].step(Tick::ZERO, 1 << 20);
        }
        for message in under_way {
            mesh.shards[1].receive(zero, message);
        }
        mesh.settle();
        mesh.endpoint(0, is(ken, Availability::AVAILABLE)).unwrap();
        let events: Vec<_> = std::iter::from_fn(|| mesh.shards[0].next_event()).map(|event| event.kind).collect();
        assert!(events.contains(&PresenceEventKind::FirstWatcher), "{sent} sent: {events:?}");
        mesh.verify();
    }
}
