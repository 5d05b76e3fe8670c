//! What push, hooks and admins ask beside states: who came online and who went, who is watched, since when somebody is
//! idle (XEP-0012, XEP-0319), and who watches whom.

use fanfare_core::presence::composition::MostAvailable;
use fanfare_core::status::Availability;
use fanfare_core::{
    Decision, EndpointId, EndpointPublication, Identity, Limits, Policy, PolicyEdit, PresenceEvent, PresenceEventKind,
    PresentityId, Scheme, Status, Tick, View, WatcherId, Who,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;
const EVE: PresentityId = PresentityId::new(1_001);
const BOB: PresentityId = PresentityId::new(1_002);
const DESK: EndpointId = EndpointId(1);
const PHONE: EndpointId = EndpointId(2);

fn scheme() -> Scheme {
    Scheme::open_and_offline(&["state"], MostAvailable, Decision::Show(Scheme::OPEN)).unwrap()
}

/// Two shards that keep events, and ken, at home on the second.
fn office() -> (Mesh, PresentityId) {
    let mesh = Mesh::with_scheme(2, Limits::default(), scheme().with_events(true));
    let ken = mesh.presentity_at(1, 0);
    (mesh, ken)
}

fn says(mesh: &mut Mesh, ken: PresentityId, endpoint: EndpointId, availability: Availability) {
    let status = Status::new(availability);
    mesh.endpoint(0, EndpointPublication::create(ken, endpoint, status, HOUR_US)).unwrap();
}

fn ends(mesh: &mut Mesh, ken: PresentityId, endpoint: EndpointId) {
    mesh.endpoint(0, EndpointPublication::remove(ken, endpoint)).unwrap();
}

fn watch(mesh: &mut Mesh, shard: usize, who: PresentityId, whom: PresentityId) -> WatcherId {
    let (watcher, group) = mesh.watcher_for(shard, Identity::of(who));
    mesh.shards[shard].watch(group, &[whom]).unwrap();
    mesh.settle();
    watcher
}

/// The events told of ken now; nobody else has any.
fn events(mesh: &mut Mesh, ken: PresentityId) -> Vec<PresenceEventKind> {
    assert_eq!(mesh.shards[0].next_event(), None, "events are the home's to tell");
    let told: Vec<PresenceEvent> = std::iter::from_fn(|| mesh.shards[1].next_event()).collect();
    assert!(told.iter().all(|event| event.presentity == ken), "{told:?}");
    told.iter().map(|event| event.kind).collect()
}

#[test]
fn a_user_comes_online_with_his_first_device_and_goes_with_his_last() {
    let (mut mesh, ken) = office();
    says(&mut mesh, ken, DESK, Availability::AVAILABLE);
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::Online]);
    says(&mut mesh, ken, PHONE, Availability::AWAY);
    says(&mut mesh, ken, DESK, Availability::BUSY);
    ends(&mut mesh, ken, DESK);
    assert_eq!(events(&mut mesh, ken), []);
    ends(&mut mesh, ken, PHONE);
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::Offline]);
    mesh.verify();
}

#[test]
fn an_expiry_is_an_end_and_a_device_that_says_offline_is_not_online() {
    let (mut mesh, ken) = office();
    says(&mut mesh, ken, DESK, Availability::OFFLINE);
    assert_eq!(events(&mut mesh, ken), []);
    says(&mut mesh, ken, DESK, Availability::AVAILABLE);
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::Online]);
    mesh.now += HOUR_US;
    mesh.settle();
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::Offline]);
}

#[test]
fn what_is_over_before_anybody_asks_is_not_told() {
    let (mut mesh, ken) = office();
    for _ in 0..3 {
        says(&mut mesh, ken, DESK, Availability::AVAILABLE);
        ends(&mut mesh, ken, DESK);
    }
    assert_eq!(events(&mut mesh, ken), []);
    says(&mut mesh, ken, DESK, Availability::AVAILABLE);
    ends(&mut mesh, ken, DESK);
    says(&mut mesh, ken, DESK, Availability::AVAILABLE);
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::Online]);
    assert_eq!(events(&mut mesh, ken), []);
}

#[test]
fn the_first_watcher_and_the_last_are_told_and_none_between() {
    let (mut mesh, ken) = office();
    let first = watch(&mut mesh, 0, EVE, ken);
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::FirstWatcher]);
    let second = watch(&mut mesh, 1, BOB, ken);
    mesh.shards[0].close_watcher(first);
    mesh.settle();
    assert_eq!(events(&mut mesh, ken), []);
    mesh.shards[1].close_watcher(second);
    mesh.settle();
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::LastWatcher]);
    mesh.verify();
}

#[test]
fn who_may_see_nothing_is_not_taken_for_a_watcher() {
    let (mut mesh, ken) = office();
    let policy = Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(EVE)], Decision::Block);
    mesh.policy(0, PolicyEdit::new(ken, ken, policy));
    let eve = watch(&mut mesh, 0, EVE, ken);
    assert_eq!(events(&mut mesh, ken), []);
    let bob = watch(&mut mesh, 0, BOB, ken);
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::FirstWatcher]);
    mesh.shards[0].close_watcher(bob);
    mesh.settle();
    assert_eq!(events(&mut mesh, ken), [PresenceEventKind::LastWatcher]);
    assert!(mesh.shards[0].close_watcher(eve));
}

#[test]
fn a_scheme_without_events_keeps_none() {
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme());
    let ken = mesh.presentity_at(1, 0);
    watch(&mut mesh, 0, EVE, ken);
    says(&mut mesh, ken, DESK, Availability::AVAILABLE);
    ends(&mut mesh, ken, DESK);
    assert_eq!((mesh.shards[0].next_event(), mesh.shards[1].next_event()), (None, None));
}

#[test]
fn xep_0319_the_moment_of_the_last_input_travels_with_the_state() {
    let (mut mesh, ken) = office();
    let eve = watch(&mut mesh, 0, EVE, ken);
    let idle = Status::new(Availability::AVAILABLE_IDLE).with_idle_since(Tick::from_micros(1_234));
    mesh.endpoint(0, EndpointPublication::create(ken, DESK, idle, HOUR_US)).unwrap();
    let heard = mesh.hear(0, eve).pop().unwrap();
    assert_eq!((heard.rendition().status, heard.rendition().entries[0].status), (idle, idle));
    // To say the same again, a minute later, is news to nobody: idleness is a moment and not a running clock.
    mesh.now += 60_000_000;
    assert!(mesh.endpoint(0, EndpointPublication::create(ken, DESK, idle, HOUR_US)).unwrap().absorbed);
    assert_eq!(mesh.hear(0, eve), []);
}

#[test]
fn xep_0012_an_offline_user_is_shown_with_the_moment_that_he_was_last_seen_to_whom_policy_lets_see_it() {
    let (mut mesh, ken) = office();
    let policy =
        Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(BOB)], Decision::Show(Scheme::OFFLINE));
    mesh.policy(0, PolicyEdit::new(ken, ken, policy));
    says(&mut mesh, ken, DESK, Availability::AVAILABLE);
    mesh.now = 5_000;
    mesh.settle();
    ends(&mut mesh, ken, DESK);
    let (eve, bob) = (watch(&mut mesh, 0, EVE, ken), watch(&mut mesh, 0, BOB, ken));
    let last_seen = Status::offline_since(Tick::from_micros(5_000));
    assert_eq!(mesh.hear(0, eve)[0].rendition().status, last_seen);
    assert_eq!(mesh.hear(0, bob)[0].rendition().status, Status::OFFLINE);
}

#[test]
fn a_shard_tells_who_watches_and_what_a_group_has() {
    let (mut mesh, ken) = office();
    let ann = mesh.presentity_at(0, 0);
    let policy = Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(EVE)], Decision::Block);
    mesh.policy(0, PolicyEdit::new(ken, ken, policy));
    let (eve, of_eve) = mesh.watcher_for(0, Identity::of(EVE));
    let (bob, of_bob) = mesh.watcher_for(0, Identity::of(BOB));
    mesh.shards[0].watch(of_eve, &[ken, ann]).unwrap();
    mesh.shards[0].watch(of_bob, &[ken]).unwrap();
    mesh.settle();
    let mut watchers: Vec<_> = mesh.shards[0].watchers_of(ken).collect();
    watchers.sort_unstable_by_key(|(watcher, ..)| *watcher);
    assert_eq!(watchers, [(eve, of_eve, View::BLOCKED), (bob, of_bob, Scheme::OPEN)]);
    assert_eq!(mesh.shards[1].watchers_of(ken).count(), 0, "each shard answers for itself");
    let mut held: Vec<_> = mesh.shards[0].subscriptions(of_eve).map(|(_, whom, view)| (whom, view)).collect();
    held.sort_unstable_by_key(|(whom, _)| *whom == ann);
    assert_eq!(held, [(ken, View::BLOCKED), (ann, Scheme::OPEN)]);
    mesh.shards[0].unsubscribe(of_eve, &[ken]).unwrap();
    assert_eq!(mesh.shards[0].watchers_of(ken).count(), 1);
    assert_eq!(mesh.shards[0].explain(of_eve, ken), Ok(None));
    let why = mesh.shards[0].explain(of_bob, ken).unwrap().unwrap();
    assert_eq!((why.view, why.rule, why.epoch.map(fanfare_core::PolicyEpoch::get)), (Scheme::OPEN, None, Some(1)));
}
