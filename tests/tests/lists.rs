//! RFC 4662: lists are told together first, and then what changes.

use fanfare_core::{Bound, Error, Gathered, GroupId, Limits, PresentityId, Rate, Tick, View, WatcherId};
use fanfare_tests::mesh::Mesh;

const WAIT_US: u64 = 1_000_000;

/// A watcher on shard 0 whose group is a list of these.
fn list_of(mesh: &mut Mesh, members: &[PresentityId]) -> (WatcherId, GroupId) {
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, members).unwrap();
    mesh.shards[0].gather(group, WAIT_US).unwrap();
    (watcher, group)
}

/// One step of the watcher's shard; the lists that have gathered.
fn step(mesh: &mut Mesh) -> Vec<Gathered> {
    mesh.shards[0].step(Tick::from_micros(mesh.now), 1_024);
    std::iter::from_fn(|| mesh.shards[0].next_gathered()).collect()
}

/// What is told to who is ready, and nothing to who is not.
fn told(mesh: &mut Mesh, watcher: WatcherId) -> Vec<PresentityId> {
    let ready = mesh.shards[0].next_ready();
    assert!(ready.is_none_or(|ready| ready == watcher));
    let mut told: Vec<_> =
        ready.map_or_else(Vec::new, |ready| mesh.hear(0, ready)).iter().map(|it| it.presentity).collect();
    told.sort_unstable();
    told
}

/// What is told once all has been heard of: a list is looked at after the drain has found that it has something.
fn told_when_settled(mesh: &mut Mesh, watcher: WatcherId) -> Vec<PresentityId> {
    mesh.settle();
    let told_at_once = told(mesh, watcher);
    mesh.settle();
    [told_at_once, told(mesh, watcher)].concat()
}

#[test]
fn rfc_4662_the_first_notification_waits_until_every_member_has_a_state_or_none() {
    let mut mesh = Mesh::new(3, Limits::default());
    let here = mesh.presentity_at(0, 0);
    let (near, nobody) = (mesh.presentity_at(1, 0), mesh.presentity_at(1, 1));
    let far = mesh.presentity_at(2, 0);
    for (home, who) in [(0, here), (1, near), (2, far)] {
        mesh.publish(home, who, b"open");
    }
    mesh.settle();
    let (watcher, group) = list_of(&mut mesh, &[here, near, nobody, far]);
    // The state of the one at home here is known after the first step, and told to nobody yet.
    for _ in 0..3 {
        assert_eq!(step(&mut mesh), []);
        assert_eq!(told(&mut mesh, watcher), []);
    }
    let pending: Vec<_> = mesh.shards[0].pending_members(group).collect();
    assert_eq!(pending.len(), 3, "{pending:?}");
    assert!(!pending.contains(&here));
    mesh.verify();
    mesh.settle();
    let gathered = std::iter::from_fn(|| mesh.shards[0].next_gathered()).collect::<Vec<_>>();
    assert_eq!(gathered.len(), 1);
    assert_eq!((gathered[0].watcher, gathered[0].group, gathered[0].pending), (watcher, group, 0));
    let mut all = [here, near, nobody, far];
    all.sort_unstable();
    assert_eq!(told(&mut mesh, watcher), all, "one batch, the one without a state in it");
    assert_eq!(mesh.shards[0].list_version(group), Some(1));
    // Afterwards changed members only, as changes come.
    mesh.publish(2, far, b"away");
    mesh.settle();
    assert_eq!(told(&mut mesh, watcher), [far]);
    assert_eq!(mesh.shards[0].next_gathered(), None);
    mesh.now += 1;
    mesh.publish(1, near, b"away");
    mesh.settle();
    assert_eq!(told(&mut mesh, watcher), [near]);
    assert_eq!(mesh.shards[0].list_version(group), Some(2), "what is told at one moment is one batch");
    mesh.verify();
}

#[test]
fn rfc_4662_who_is_not_heard_of_in_time_is_pending_and_told_when_known() {
    let mut mesh = Mesh::new(2, Limits::default());
    let (here, silent) = (mesh.presentity_at(0, 0), mesh.presentity_at(1, 0));
    mesh.publish(0, here, b"open");
    mesh.settle();
    mesh.publish(1, silent, b"open");
    mesh.settle();
    let (watcher, group) = list_of(&mut mesh, &[here, silent]);
    assert_eq!(step(&mut mesh), []);
    mesh.now += WAIT_US - 1;
    assert_eq!(step(&mut mesh), []);
    assert_eq!(told(&mut mesh, watcher), []);
    assert_eq!(step(&mut mesh), []);
    assert_eq!(mesh.shards[0].deadline(), Some(Tick::from_micros(WAIT_US)));
    mesh.now += 1;
    let gathered = step(&mut mesh);
    assert_eq!((gathered.len(), gathered[0].pending), (1, 1));
    assert_eq!(mesh.shards[0].pending_members(group).collect::<Vec<_>>(), [silent]);
    assert_eq!(told(&mut mesh, watcher), [here]);
    mesh.settle();
    assert_eq!(told(&mut mesh, watcher), [silent]);
    assert_eq!(mesh.shards[0].pending_members(group).count(), 0);
    mesh.verify();
}

#[test]
fn a_list_has_gathered_when_the_last_that_it_waited_for_leaves_it() {
    let mut mesh = Mesh::new(2, Limits::default());
    let (here, silent) = (mesh.presentity_at(0, 0), mesh.presentity_at(1, 0));
    let (watcher, group) = list_of(&mut mesh, &[here, silent]);
    assert_eq!(step(&mut mesh), []);
    assert_eq!(told(&mut mesh, watcher), []);
    mesh.shards[0].unsubscribe(group, &[silent]).unwrap();
    assert_eq!(step(&mut mesh).len(), 1);
    assert_eq!(told(&mut mesh, watcher), [here]);
    // One without members has gathered at once; one that is closed before anybody asks is nobody's.
    let (_, empty) = list_of(&mut mesh, &[]);
    assert_eq!(step(&mut mesh)[0].group, empty);
    let (_, closed) = list_of(&mut mesh, &[]);
    mesh.shards[0].step(Tick::from_micros(mesh.now), 1_024);
    assert!(mesh.shards[0].close_group(closed));
    assert_eq!(mesh.shards[0].next_gathered(), None);
    mesh.verify();
}

#[test]
fn a_list_gathers_again_when_it_is_refreshed_and_keeps_its_rate() {
    let mut mesh = Mesh::new(2, Limits::default());
    let (ken, ann) = (mesh.presentity_at(0, 0), mesh.presentity_at(1, 0));
    let (watcher, group) = list_of(&mut mesh, &[ken, ann]);
    mesh.shards[0].set_rate(group, Rate { gap_us_min: 500, ..Rate::default() }).unwrap();
    assert_eq!(told_when_settled(&mut mesh, watcher).len(), 2);
    assert!(mesh.shards[0].next_gathered().is_some());
    mesh.now += 1;
    mesh.publish(0, ken, b"open");
    mesh.settle();
    assert_eq!(told(&mut mesh, watcher), [], "its gap is not over");
    // The rate is taken away, and the list is one all the same.
    mesh.shards[0].set_rate(group, Rate::default()).unwrap();
    mesh.settle();
    assert_eq!(told(&mut mesh, watcher), [ken]);
    assert_eq!(mesh.shards[0].list_version(group), Some(2));
    mesh.now += 1;
    mesh.shards[0].refresh_group(group).unwrap();
    mesh.shards[0].gather(group, WAIT_US).unwrap();
    assert_eq!(told_when_settled(&mut mesh, watcher).len(), 2);
    assert_eq!(mesh.shards[0].next_gathered().unwrap().pending, 0);
    assert_eq!(mesh.shards[0].list_version(group), Some(3));
    mesh.verify();
}

#[test]
fn rfc_4662_members_change_while_subscribed_and_nobody_else_is_told() {
    let mut mesh = Mesh::new(2, Limits { subscriptions_per_group: 4, ..Limits::default() });
    let who: Vec<_> = (0..5).map(|nth| mesh.presentity_at(nth % 2, nth / 2)).collect();
    let (watcher, group) = list_of(&mut mesh, &who[..3]);
    assert_eq!(told_when_settled(&mut mesh, watcher).len(), 3);
    let shard = &mut mesh.shards[0];
    let changed = shard.subscribe_exactly(group, View::PLAIN, &[who[1], who[3], who[1]]).unwrap();
    assert_eq!((changed.added, changed.removed), (1, 2));
    mesh.settle();
    assert_eq!(told(&mut mesh, watcher), [who[3]]);
    // What does not fit changes nothing.
    let refused = mesh.shards[0].subscribe_exactly(group, View::PLAIN, &[who[0], who[2], who[4]]);
    assert_eq!(refused, Err(Error::Limit { bound: Bound::SubscriptionsPerGroup, limit: 4 }));
    assert_eq!(mesh.shards[0].subscriptions(group).count(), 2);
    mesh.verify();
}

#[test]
fn what_no_list_can_be_is_refused() {
    let mut mesh = Mesh::new(1, Limits { gather_us_max: 10, paces: 1, ..Limits::default() });
    let (_, group) = mesh.watcher(0);
    let refused = mesh.shards[0].gather(group, 11);
    assert_eq!(refused, Err(Error::Limit { bound: Bound::GatherTime, limit: 10 }));
    assert_eq!(mesh.shards[0].list_version(group), None);
    mesh.shards[0].gather(group, 10).unwrap();
    let (_, other) = mesh.watcher(0);
    assert_eq!(mesh.shards[0].gather(other, 1), Err(Error::Limit { bound: Bound::Paces, limit: 1 }));
    mesh.shards[0].close_group(group);
    assert_eq!(mesh.shards[0].gather(group, 1), Err(Error::NoSuchGroup(group)));
    mesh.shards[0].gather(other, 1).unwrap();
    mesh.verify();
}
