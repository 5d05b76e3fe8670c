//! RFC 3857 and RFC 3858: an owner learns who watches him, the whole list first and then what changes, and nobody else does.

use std::sync::Arc;

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::{
    Bound, Counters, Decision, Error, Follower, GroupId, Identity, Limits, Policy, PolicyEdit, PresentityId, Scheme,
    ShardIndex, Tick, View, WatcherEvent, WatcherId, WatcherInformation, WatcherKey, WatcherStatus, Who,
};
use fanfare_tests::mesh::Mesh;

const EVE: PresentityId = PresentityId::new(1_001);
const BOB: PresentityId = PresentityId::new(1_002);
const OPEN: Decision = Decision::Show(Scheme::OPEN);

use WatcherEvent::{Approved, Deactivated, Giveup, Rejected, Subscribe, Timeout};
use WatcherStatus::{Active, Pending, Terminated, Waiting};

/// Three shards, and ken at home on the first. Whoever is not named in his policy gets `otherwise`.
fn office(limits: Limits, otherwise: Decision) -> (Mesh, PresentityId) {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, otherwise).unwrap();
    let mesh = Mesh::with_scheme(3, limits, scheme);
    let ken = mesh.presentity_at(0, 0);
    (mesh, ken)
}

fn watch(mesh: &mut Mesh, shard: usize, who: PresentityId, whom: PresentityId) -> (WatcherId, GroupId) {
    let (watcher, group) = mesh.watcher_for(shard, Identity::of(who));
    mesh.shards[shard].watch(group, &[whom]).unwrap();
    mesh.settle();
    (watcher, group)
}

/// A group of the owner's that follows his watchers.
fn follow(mesh: &mut Mesh, shard: usize, owner: PresentityId) -> GroupId {
    let (_, group) = mesh.watcher_for(shard, Identity::of(owner));
    mesh.shards[shard].follow_watchers(group, owner).unwrap();
    mesh.settle();
    group
}

fn policy(mesh: &mut Mesh, whom: PresentityId, rules: &[(PresentityId, Decision)], otherwise: Decision) {
    let rules = rules.iter().map(|&(who, decision)| (Who::User(who), 1, decision));
    mesh.policy(0, PolicyEdit::new(whom, whom, Policy::ranked(rules, otherwise)));
}

/// What a follower is told now, as (who, where he stands, why).
type Row = (Option<PresentityId>, WatcherStatus, WatcherEvent);

fn rows(told: &WatcherInformation) -> Vec<Row> {
    told.watchers.iter().map(|it| (it.watcher, it.status, it.event)).collect()
}

/// What the follower that is to be told something is told: version, whether it is all, and who.
fn told(mesh: &mut Mesh, shard: usize, group: GroupId) -> (u32, bool, Vec<Row>) {
    let follower: Follower = mesh.shards[shard].next_follower().expect("there is something to be told");
    assert_eq!(follower.group, group);
    let told = mesh.shards[shard].watcher_information(group).expect("something new");
    assert_eq!(mesh.shards[shard].watcher_information(group), None, "once");
    mesh.verify();
    (told.version, told.full, rows(&told))
}

fn messages(mesh: &Mesh) -> u64 {
    let mut all = Counters::default();
    mesh.shards.iter().for_each(|shard| all.add(shard.counters()));
    all.information_sent
}

#[test]
fn rfc_3857_the_whole_list_first_then_what_changes() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    watch(&mut mesh, 1, EVE, ken);
    let (_, bobs) = watch(&mut mesh, 2, BOB, ken);
    let group = follow(&mut mesh, 2, ken);
    let (version, full, all) = told(&mut mesh, 2, group);
    assert_eq!((version, full), (0, true));
    assert_eq!(all, [(Some(EVE), Active, Subscribe), (Some(BOB), Active, Subscribe)]);
    assert_eq!(mesh.shards[2].next_follower(), None);

    // Somebody comes on each shard, ken's home too, and one goes.
    watch(&mut mesh, 0, PresentityId::new(7), ken);
    assert_eq!(told(&mut mesh, 2, group), (1, false, vec![(Some(PresentityId::new(7)), Active, Subscribe)]));
    mesh.shards[2].unsubscribe(bobs, &[ken]).unwrap();
    mesh.settle();
    assert_eq!(told(&mut mesh, 2, group), (2, false, vec![(Some(BOB), Terminated, Timeout)]));
}

#[test]
fn rfc_3858_versions_count_what_a_follower_was_told_and_ids_last() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    let groups = [follow(&mut mesh, 0, ken), follow(&mut mesh, 2, ken)];
    let (_, eves) = watch(&mut mesh, 1, EVE, ken);
    let key = WatcherKey::Subscription { shard: ShardIndex::new(1), group: eves };
    let look = |mesh: &mut Mesh, shard: usize, group| mesh.shards[shard].watcher_information(group).unwrap();
    let first = look(&mut mesh, 0, groups[0]);
    assert_eq!((first.presentity, first.version, first.full, first.watchers[0].key), (ken, 0, true, key));
    policy(&mut mesh, ken, &[(EVE, Decision::Confirm)], OPEN);
    let second = look(&mut mesh, 0, groups[0]);
    assert_eq!((second.version, second.full, second.watchers[0].key), (1, false, key));
    // The other looks for the first time now, and has versions of its own.
    let other = look(&mut mesh, 2, groups[1]);
    assert_eq!((other.version, other.full, &*other.watchers), (0, true, &*second.watchers));
    assert_eq!(mesh.shards[0].watcher_information(groups[0]), None);
    // Whoever follows anew begins anew.
    assert!(mesh.shards[2].unfollow_watchers(groups[1]));
    mesh.shards[2].follow_watchers(groups[1], ken).unwrap();
    assert_eq!(mesh.shards[2].watcher_information(groups[1]), None, "the list is on its way");
    mesh.settle();
    let anew = look(&mut mesh, 2, groups[1]);
    assert_eq!((anew.version, anew.full, &anew.watchers), (0, true, &other.watchers));
    mesh.verify();
}

#[test]
fn rfc_3857_pending_becomes_active_when_the_owner_approves() {
    let (mut mesh, ken) = office(Limits::default(), Decision::Confirm);
    watch(&mut mesh, 1, EVE, ken);
    let group = follow(&mut mesh, 0, ken);
    assert_eq!(told(&mut mesh, 0, group).2, [(Some(EVE), Pending, Subscribe)]);
    policy(&mut mesh, ken, &[(EVE, OPEN)], Decision::Confirm);
    assert_eq!(told(&mut mesh, 0, group), (1, false, vec![(Some(EVE), Active, Approved)]));
    // Another view of the same standing is no news.
    policy(&mut mesh, ken, &[(EVE, Decision::Show(Scheme::OFFLINE))], Decision::Confirm);
    assert_eq!(mesh.shards[0].next_follower(), None);
    policy(&mut mesh, ken, &[(EVE, OPEN)], Decision::Confirm);
    policy(&mut mesh, ken, &[], Decision::Confirm);
    assert_eq!(told(&mut mesh, 0, group).2, [(Some(EVE), Pending, Subscribe)]);
}

#[test]
fn rfc_3857_rejected_when_policy_turns() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    watch(&mut mesh, 1, EVE, ken);
    let group = follow(&mut mesh, 0, ken);
    assert_eq!(told(&mut mesh, 0, group).2, [(Some(EVE), Active, Subscribe)]);
    policy(&mut mesh, ken, &[(EVE, Decision::Block)], OPEN);
    assert_eq!(told(&mut mesh, 0, group).2, [(Some(EVE), Terminated, Rejected)]);
    // Who is turned away at once was never on the list.
    watch(&mut mesh, 2, EVE, ken);
    assert_eq!(mesh.shards[0].next_follower(), None);
    policy(&mut mesh, ken, &[], OPEN);
    let back = told(&mut mesh, 0, group).2;
    assert_eq!(back.len(), 2);
    assert!(back.iter().all(|&(who, status, _)| (who, status) == (Some(EVE), Active)), "{back:?}");
}

#[test]
fn rfc_3857_terminated_with_the_reason_it_ended_for() {
    let limits = Limits { group_lifetime_us_min: 1, ..Limits::default() };
    let (mut mesh, ken) = office(limits, OPEN);
    let (_, expiring) = watch(&mut mesh, 1, EVE, ken);
    let (_, closed) = watch(&mut mesh, 1, BOB, ken);
    let (leaver, _) = watch(&mut mesh, 2, PresentityId::new(7), ken);
    let group = follow(&mut mesh, 0, ken);
    assert_eq!(told(&mut mesh, 0, group).2.len(), 3);

    mesh.now = mesh.shards[1].renew_group(expiring, 1_000_000).unwrap().as_micros();
    mesh.settle();
    assert_eq!(told(&mut mesh, 0, group).2, [(Some(EVE), Terminated, Timeout)]);
    mesh.shards[1].close_group(closed);
    mesh.settle();
    assert_eq!(told(&mut mesh, 0, group).2, [(Some(BOB), Terminated, Timeout)]);
    mesh.shards[2].close_watcher(leaver);
    mesh.settle();
    assert_eq!(told(&mut mesh, 0, group).2, [(Some(PresentityId::new(7)), Terminated, Deactivated)]);
}

#[test]
fn rfc_3857_who_asked_and_left_waits_until_the_owner_decides() {
    let (mut mesh, ken) = office(Limits::default(), Decision::Confirm);
    let (_, eves) = watch(&mut mesh, 1, EVE, ken);
    for who in [EVE, BOB] {
        mesh.shards[1].ask_owner(ken, Arc::new(Identity::of(who))).unwrap();
        mesh.settle();
    }
    let group = follow(&mut mesh, 2, ken);
    let first = told(&mut mesh, 2, group).2;
    assert_eq!(first, [(Some(EVE), Pending, Subscribe), (Some(BOB), Waiting, Subscribe)]);

    mesh.shards[1].unsubscribe(eves, &[ken]).unwrap();
    mesh.settle();
    let left = told(&mut mesh, 2, group).2;
    assert_eq!(left, [(Some(EVE), Terminated, Timeout), (Some(EVE), Waiting, Timeout)]);
    // She comes again: to wait is redundant then.
    mesh.shards[1].watch(eves, &[ken]).unwrap();
    mesh.settle();
    let again = told(&mut mesh, 2, group).2;
    assert!(again.contains(&(Some(EVE), Pending, Subscribe)), "{again:?}");
    assert!(again.contains(&(Some(EVE), Terminated, Giveup)), "{again:?}");

    policy(&mut mesh, ken, &[(BOB, OPEN)], Decision::Confirm);
    assert_eq!(told(&mut mesh, 2, group).2, [(Some(BOB), Terminated, Approved)]);
    mesh.shards[1].ask_owner(ken, Arc::new(Identity::of(PresentityId::new(7)))).unwrap();
    mesh.settle();
    assert_eq!(told(&mut mesh, 2, group).2, [(Some(PresentityId::new(7)), Waiting, Subscribe)]);
    policy(&mut mesh, ken, &[(BOB, OPEN)], Decision::Block);
    let turned = told(&mut mesh, 2, group).2;
    assert!(turned.contains(&(Some(PresentityId::new(7)), Terminated, Rejected)), "{turned:?}");
    assert!(turned.contains(&(Some(EVE), Terminated, Rejected)), "{turned:?}");
}

#[test]
fn c6_only_the_owner_may_follow_his_watchers() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    let (_, eves) = watch(&mut mesh, 1, EVE, ken);
    assert_eq!(mesh.shards[1].follow_watchers(eves, ken), Err(Error::NotOwner(ken)));
    let (watcher, nobodys) = mesh.watcher(1);
    assert_eq!(mesh.shards[1].follow_watchers(nobodys, ken), Err(Error::NoIdentity(nobodys)));
    mesh.shards[1].close_watcher(watcher);
    assert_eq!(mesh.shards[1].follow_watchers(nobodys, ken), Err(Error::NoSuchGroup(nobodys)));
    assert!(!mesh.shards[1].unfollow_watchers(nobodys) && !mesh.shards[1].unfollow_watchers(eves));
    mesh.settle();
    assert_eq!((messages(&mesh), mesh.shards[1].watcher_information(eves)), (0, None));
    mesh.verify();
}

#[test]
fn nothing_is_said_of_watchers_while_nobody_follows() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    watch(&mut mesh, 1, EVE, ken);
    watch(&mut mesh, 2, BOB, ken);
    assert_eq!(messages(&mesh), 0);
    let group = follow(&mut mesh, 0, ken);
    let begun = messages(&mesh);
    // To the home, to both shards and back, and to the follower.
    assert_eq!(begun, 6);
    // Who follows is no watcher, and who watches others is nobody's business.
    watch(&mut mesh, 1, EVE, PresentityId::new(4_711));
    assert_eq!(messages(&mesh), begun);
    mesh.shards[0].unfollow_watchers(group);
    mesh.settle();
    let ended = messages(&mesh);
    assert_eq!(ended, begun + 3, "the home is told, and tells the two shards");
    watch(&mut mesh, 1, PresentityId::new(7), ken);
    assert_eq!(messages(&mesh), ended);
    let kept: u64 = mesh.shards.iter().map(|shard| shard.footprint().presence).sum();
    assert!(kept < 256, "{kept} bytes: no list is kept");
    mesh.verify();
}

#[test]
fn a_follower_that_looks_away_gets_the_newest_once() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    let (session, group) = mesh.watcher_for(0, Identity::of(ken));
    mesh.shards[0].follow_watchers(group, ken).unwrap();
    mesh.settle();
    let (version, full, nobody) = told(&mut mesh, 0, group);
    assert_eq!((version, full, nobody), (0, true, vec![]), "that there is nobody is told, too");
    mesh.shards[0].set_active(session, false).unwrap();
    let (_, eves) = watch(&mut mesh, 1, EVE, ken);
    for _ in 0..5 {
        mesh.shards[1].unsubscribe(eves, &[ken]).unwrap();
        mesh.settle();
        mesh.shards[1].watch(eves, &[ken]).unwrap();
        mesh.settle();
    }
    let (bob, _) = watch(&mut mesh, 2, BOB, ken);
    mesh.shards[2].close_watcher(bob);
    mesh.settle();
    assert_eq!(mesh.shards[0].next_follower(), None, "nobody looks");
    mesh.shards[0].set_active(session, true).unwrap();
    assert_eq!(told(&mut mesh, 0, group), (1, false, vec![(Some(EVE), Active, Subscribe)]), "bob came and went");
    mesh.shards[0].set_active(session, false).unwrap();
    mesh.shards[0].set_active(session, true).unwrap();
    assert_eq!(mesh.shards[0].next_follower(), None);
}

#[test]
fn shards_that_come_to_watch_later_report_too() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    let group = follow(&mut mesh, 0, ken);
    assert_eq!(told(&mut mesh, 0, group).2, []);
    for round in 0..3 {
        let (eve, _) = watch(&mut mesh, 1, EVE, ken);
        assert_eq!(told(&mut mesh, 0, group).2, [(Some(EVE), Active, Subscribe)], "{round}");
        mesh.shards[1].close_watcher(eve);
        mesh.settle();
        assert_eq!(told(&mut mesh, 0, group).2, [(Some(EVE), Terminated, Deactivated)], "{round}");
    }
}

#[test]
fn who_was_approved_long_ago_never_looks_pending() {
    let (mut mesh, ken) = office(Limits::default(), Decision::Confirm);
    policy(&mut mesh, ken, &[(EVE, OPEN)], Decision::Confirm);
    let group = follow(&mut mesh, 0, ken);
    assert_eq!(told(&mut mesh, 0, group).2, []);
    let (_, eves) = mesh.watcher_for(1, Identity::of(EVE));
    mesh.shards[1].watch(eves, &[ken]).unwrap();
    // A turn at a time, each looked at: her shard does not know of the policy when she comes.
    let mut seen = Vec::new();
    for _ in 0..12 {
        mesh.turn(1);
        seen.extend(mesh.shards[0].watcher_information(group).map(|told| rows(&told)));
    }
    assert_eq!(seen, [vec![(Some(EVE), Active, Subscribe)]]);
}

#[test]
fn c8_watchers_beyond_the_limit_are_counted_and_take_the_places_of_those_who_go() {
    let limits = Limits { watchers_listed: 40, ..Limits::default() };
    let (mut mesh, ken) = office(limits, OPEN);
    let crowd: Vec<_> = (0..100).map(|nth| watch(&mut mesh, 1, PresentityId::new(2_000 + nth), ken)).collect();
    let (_, group) = mesh.watcher_for(0, Identity::of(ken));
    mesh.shards[0].follow_watchers(group, ken).unwrap();
    mesh.settle();
    let first = mesh.shards[0].watcher_information(group).unwrap();
    assert_eq!((first.full, first.watchers.len(), first.left_out), (true, 40, 60));

    let is_listed = |id: GroupId| {
        first.watchers.iter().any(|it| matches!(it.key, WatcherKey::Subscription { group, .. } if group == id))
    };
    let (listed, others): (Vec<_>, Vec<_>) = crowd.into_iter().partition(|(_, group)| is_listed(*group));
    mesh.shards[1].close_watcher(others[0].0);
    mesh.settle();
    let counted = mesh.shards[0].watcher_information(group).unwrap();
    assert_eq!((counted.watchers.len(), counted.left_out), (0, 59), "one who was only counted has gone");
    mesh.shards[1].close_watcher(listed[0].0);
    mesh.settle();
    let moved = mesh.shards[0].watcher_information(group).unwrap();
    let standings: Vec<_> = moved.watchers.iter().map(|it| it.status).collect();
    assert_eq!((standings, moved.left_out), (vec![Terminated, Active], 58));
    mesh.verify();
}

#[test]
fn c8_followers_and_followed_presentities_are_bounded() {
    let limits = Limits { followers_per_presentity: 2, followed_presentities: 1, ..Limits::default() };
    let (mut mesh, ken) = office(limits, OPEN);
    let groups: Vec<_> = (0..3).map(|_| mesh.watcher_for(1, Identity::of(ken)).1).collect();
    mesh.shards[1].follow_watchers(groups[0], ken).unwrap();
    mesh.shards[1].follow_watchers(groups[1], ken).unwrap();
    mesh.shards[1].follow_watchers(groups[1], ken).unwrap();
    let full = Err(Error::Limit { bound: Bound::Followers, limit: 2 });
    assert_eq!(mesh.shards[1].follow_watchers(groups[2], ken), full);
    let (_, eves) = mesh.watcher_for(1, Identity::of(EVE));
    let full = Err(Error::Limit { bound: Bound::Followed, limit: 1 });
    assert_eq!(mesh.shards[1].follow_watchers(eves, EVE), full);
    mesh.settle();
    // The place is free when the home was told.
    assert!(groups[..2].iter().all(|&group| mesh.shards[1].close_group(group)));
    assert_eq!(mesh.shards[1].follow_watchers(eves, EVE), full);
    mesh.settle();
    mesh.shards[1].follow_watchers(eves, EVE).unwrap();
    mesh.settle();
    mesh.verify();
}

#[test]
fn c8_a_follower_that_never_looks_costs_no_more_than_the_limit_and_is_told_the_whole_again() {
    let limits = Limits { watchers_listed: 8, ..Limits::default() };
    let (mut mesh, ken) = office(limits, OPEN);
    let keen = follow(&mut mesh, 0, ken);
    let away = follow(&mut mesh, 0, ken);
    for group in [keen, away] {
        mesh.shards[0].watcher_information(group).unwrap();
    }
    let mut heaviest = 0;
    for round in 0..60 {
        let (eve, _) = watch(&mut mesh, 1, EVE, ken);
        if round == 0 {
            mesh.shards[0].watcher_information(away).unwrap();
        }
        mesh.shards[0].watcher_information(keen).unwrap();
        mesh.shards[1].close_watcher(eve);
        mesh.settle();
        mesh.shards[0].watcher_information(keen).unwrap();
        mesh.verify();
        heaviest = mesh.shards[0].footprint().presence.max(heaviest);
    }
    assert!(heaviest < 64 * 1_024, "{heaviest} bytes");
    let told = mesh.shards[0].watcher_information(away).unwrap();
    assert_eq!((told.full, rows(&told)), (true, vec![]), "the end that he missed was let go of");
    let told = mesh.shards[0].watcher_information(keen);
    assert_eq!(told, None);
}

#[test]
fn a_link_that_stands_still_owes_one_mark_and_then_the_newest() {
    let (mut mesh, ken) = office(Limits::default(), OPEN);
    let group = follow(&mut mesh, 0, ken);
    let (_, eves) = watch(&mut mesh, 1, EVE, ken);
    assert_eq!(told(&mut mesh, 0, group).2.len(), 1);
    let before = mesh.shards[1].counters().information_sent;
    for _ in 0..1_000 {
        // Nothing is carried meanwhile.
        mesh.shards[1].unsubscribe(eves, &[ken]).unwrap();
        mesh.shards[1].watch(eves, &[ken]).unwrap();
        mesh.shards[1].step(Tick::from_micros(mesh.now), 1_024);
    }
    let (home, mut pieces) = (ShardIndex::new(0), 0);
    while let Some(message) = mesh.shards[1].next_message(home) {
        pieces += mesh.shards[1].counters().information_sent - before;
        mesh.shards[0].receive(ShardIndex::new(1), message);
    }
    assert!(pieces <= 1, "{pieces} pieces");
    mesh.settle();
    assert!(mesh.shards[0].watcher_information(group).is_none_or(|told| told.watchers.len() == 1));
    mesh.verify();
}

#[test]
fn groups_without_identity_are_listed_without_a_name() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (_, nobodys) = mesh.watcher(1);
    mesh.shards[1].subscribe(nobodys, View::PLAIN, &[ken]).unwrap();
    let group = follow(&mut mesh, 0, ken);
    let told = mesh.shards[0].watcher_information(group).unwrap();
    assert_eq!(rows(&told), [(None, Active, Subscribe)]);
    assert_eq!(told.watchers[0].key, WatcherKey::Subscription { shard: ShardIndex::new(1), group: nobodys });
}
