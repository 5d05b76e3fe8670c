//! C8: past a limit the caller gets a typed error, and nothing grows.

use std::sync::Arc;

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Audited, Bound, Categories, Category, Decision, EndpointId, EndpointPublication, Error, Heap, Identity, Limits,
    Outcome, Policy, PolicyEdit, Population, PresentityId, Publication, Refusal, Scheme, Shard, ShardConfig,
    ShardError, Status, Tick, View, Who,
};
use fanfare_tests::mesh::Mesh;

fn ids(range: std::ops::Range<u64>) -> Vec<PresentityId> {
    range.map(PresentityId::new).collect()
}

#[test]
fn c8_watchers_groups_subscriptions_and_topics_are_bounded() {
    let limits = Limits {
        watchers: 2,
        groups: 3,
        subscriptions: 64,
        subscriptions_per_group: 20,
        topics: 30,
        ..Limits::default()
    };
    let mut mesh = Mesh::new(1, limits);
    let shard = &mut mesh.shards[0];
    let limit = |bound, limit| Error::Limit { bound, limit };
    let (one, two) = (shard.open_watcher(1).unwrap(), shard.open_watcher(2).unwrap());
    assert_eq!(shard.open_watcher(3), Err(limit(Bound::Watchers, 2)));
    let groups: Vec<_> = [one, one, two].map(|it| shard.open_group(it, 0, Categories::ALL).unwrap()).into();
    assert_eq!(shard.open_group(two, 0, Categories::ALL), Err(limit(Bound::Groups, 3)));
    assert_eq!(shard.subscribe(groups[0], View::PLAIN, &ids(0..21)), Err(limit(Bound::SubscriptionsPerGroup, 20)));
    assert_eq!(shard.population().subscriptions, 0, "all or nothing");
    assert_eq!(shard.subscribe(groups[0], View::PLAIN, &ids(0..20)), Ok(20));
    assert_eq!(shard.subscribe(groups[0], View::PLAIN, &ids(0..20)), Ok(0), "it holds them already");
    assert_eq!(shard.subscribe(groups[1], View::PLAIN, &ids(15..35)), Err(limit(Bound::Topics, 30)));
    assert_eq!(shard.subscribe(groups[1], View::PLAIN, &ids(10..30)), Ok(20));
    assert_eq!(shard.subscribe(groups[2], View::PLAIN, &ids(0..20)), Err(limit(Bound::Subscriptions, 64)));
    assert!(shard.close_group(groups[0]));
    assert_eq!(shard.subscribe(groups[2], View::PLAIN, &ids(10..26)), Ok(16));
    mesh.verify();
}

#[test]
fn c8_memory_taken_for_those_who_are_expected_stops_at_the_limits_and_changes_nothing_else() {
    let limits = Limits { watchers: 100, groups: 100, subscriptions: 8_000, topics: 500, ..Limits::default() };
    let mut mesh = Mesh::new(1, limits);
    let shard = &mut mesh.shards[0];
    let (watcher, before) = (shard.open_watcher(1).unwrap(), shard.footprint());
    let group = shard.open_group(watcher, 0, Categories::ALL).unwrap();
    assert_eq!(shard.subscribe(group, View::PLAIN, &ids(0..50)), Ok(50));
    let (there, weighs) = (shard.population(), shard.footprint());
    assert_ne!(before, weighs);
    // Far more than may come: a million of each would be a hundred megabytes.
    let expected = Population {
        watchers: 1 << 20,
        groups: 1 << 20,
        subscriptions: 1 << 40,
        topics: 1 << 20,
        ..Population::default()
    };
    let takes: Vec<_> = std::iter::from_fn(|| Some(shard.take_memory(&expected, 4_096).unwrap()))
        .take_while(|&bytes| bytes != 0)
        .collect();
    assert!(takes.iter().all(|&bytes| bytes < 4_096 + 192), "{takes:?}");
    let taken: usize = takes.iter().sum();
    assert!((8_000 * 12..8_000 * 12 + 100 * 200 + 500 * 80 + 800 * 64).contains(&taken), "{taken}");
    assert_eq!(shard.population(), there);
    assert!(shard.footprint().total().abs_diff(weighs.total() + taken as u64) < 6 * 4_096, "it weighs what it took");
    assert_eq!(shard.subscribe(group, View::PLAIN, &ids(0..500)), Ok(450));
    assert_eq!(shard.take_memory(&expected, 4_096), Ok(0), "what is taken is taken");
    mesh.verify();
}

#[test]
fn c8_requests_are_bounded_by_credits_and_a_credit_comes_back_with_its_outcome() {
    let mut mesh = Mesh::new(2, Limits { credits: 3, ..Limits::default() });
    let ken = mesh.presentity_at(1, 0);
    for round in 0..5 {
        for _ in 0..3 {
            mesh.publish(0, ken, &[round]);
        }
        let publication = Publication::plain(ken, b"one too many".as_slice().into());
        assert!(matches!(mesh.shards[0].publish(publication), Err(Error::Busy { retry_after_us: 1.. })));
        assert_eq!(mesh.settle().len(), 3);
    }
}

#[test]
fn c8_documents_and_states_are_bounded() {
    let limits = Limits {
        document_bytes: 100,
        documents_bytes: 400,
        presentities: 3,
        views_per_presentity: 1,
        ..Limits::default()
    };
    let mut mesh = Mesh::new(1, limits);
    let publish =
        |mesh: &mut Mesh, publication| mesh.shards[0].publish(publication).map(|_| mesh.settle().pop().unwrap().1);
    let plain = |number, length| Publication::plain(PresentityId::new(number), vec![0; length].into());
    assert_eq!(
        publish(&mut mesh, plain(1, 101)).unwrap_err(),
        Error::Limit { bound: Bound::DocumentBytes, limit: 100 }
    );
    let refused_for = |outcome| match outcome {
        Ok(Outcome::Refused(Refusal::Limit { bound, .. })) => Some(bound),
        _ => None,
    };
    for number in 1..=3 {
        assert_eq!(refused_for(publish(&mut mesh, plain(number, 10))), None);
    }
    assert_eq!(refused_for(publish(&mut mesh, plain(4, 10))), Some(Bound::Presentities));
    let views = Error::Limit { bound: Bound::Views, limit: 1 };
    assert_eq!(publish(&mut mesh, Publication { view: View(1), ..plain(1, 11) }).unwrap_err(), views);
    assert_eq!(refused_for(publish(&mut mesh, Publication { document: None, ..plain(3, 0) })), None);
    assert_eq!(refused_for(publish(&mut mesh, plain(3, 100))), None);
    assert_eq!(refused_for(publish(&mut mesh, plain(1, 100))), None);
    assert_eq!(refused_for(publish(&mut mesh, plain(2, 100))), Some(Bound::DocumentsBytes));
    // What is there may be prolonged or replaced by as much, though nothing more fits.
    let prolonged = Publication { expires: fanfare_core::Tick::from_micros(9), ..plain(1, 100) };
    assert_eq!(refused_for(publish(&mut mesh, prolonged)), None);
    let replaced = Publication::plain(PresentityId::new(1), vec![7; 100].into());
    assert_eq!(refused_for(publish(&mut mesh, replaced)), None);
    assert!(mesh.shards[0].footprint().documents <= 400);
    mesh.verify();
}

#[test]
fn c8_retired_documents_are_bounded_while_a_shard_does_not_step() {
    let limits = Limits { retired_bytes: 10_000, link_slots: 1_000, ..Limits::default() };
    let mut mesh = Mesh::new(2, limits);
    let ken = mesh.presentity_at(0, 0);
    let (_, group) = mesh.watcher(1);
    mesh.shards[1].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    // Shard 1 is away. Its ring takes update after update, each with a document that shard 0 has replaced since.
    let mut ring = Vec::new();
    let mut refused = 0;
    for version in 0u32..100 {
        mesh.shards[0].publish(Publication::plain(ken, vec![version as u8; 1_000].into())).unwrap();
        mesh.shards[0].step(fanfare_core::Tick::ZERO, 10);
        while let Some((_, outcome)) = mesh.shards[0].next_outcome() {
            refused += u32::from(matches!(outcome, Outcome::Refused(Refusal::Busy { .. })));
        }
        ring.extend(mesh.shards[0].next_message(fanfare_core::ShardIndex::new(1)));
        assert!(mesh.shards[0].footprint().retired <= 10_000 + 2 * 1_100);
    }
    assert!(refused > 80, "{refused}");
    for message in ring {
        mesh.shards[1].receive(fanfare_core::ShardIndex::new(0), message);
    }
    mesh.settle();
    assert_eq!(mesh.shards[0].footprint().retired, 0);
    mesh.verify();
}

#[test]
fn c8_limits_out_of_range_are_refused_with_the_range() {
    let limits = Limits { credits: 0, ..Limits::default() };
    let refused = Shard::new(ShardConfig { limits, ..ShardConfig::new(0, 1) }, Heap).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "limit `credits` is 0, but must be from 1 to 1048576");
    let refused = Shard::new(ShardConfig::new(65, 65), Heap).map(|_| ()).unwrap_err();
    assert_eq!(refused, ShardError::Index { index: 65, shards: 65 });
}

#[test]
fn c8_a_full_shard_still_says_that_what_is_held_is_held() {
    let mut mesh = Mesh::new(1, Limits { subscriptions: 32, ..Limits::default() });
    let (_, one) = mesh.watcher(0);
    let (_, two) = mesh.watcher(0);
    let shard = &mut mesh.shards[0];
    assert_eq!(shard.subscribe(one, View::PLAIN, &ids(0..16)), Ok(16));
    assert_eq!(shard.subscribe(two, View::PLAIN, &ids(0..10)), Ok(10));
    assert_eq!(shard.subscribe(one, View::PLAIN, &ids(0..16)), Ok(0));
    assert_eq!(shard.subscribe(two, View::PLAIN, &ids(5..16)), Ok(6), "its run has six slots free");
    assert!(shard.subscribe(two, View::PLAIN, &ids(16..17)).is_err());
    mesh.verify();
}

#[test]
fn c8_publishers_without_pause_do_not_hold_up_what_watchers_are_owed() {
    let mut mesh = Mesh::new(1, Limits { link_slots: 4, credits: 8, ..Limits::default() });
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    let mut told = 0;
    for version in 0u32..200 {
        let next = || Publication::plain(ken, version.to_le_bytes().to_vec().into());
        while mesh.shards[0].publish(next()).is_ok() {}
        mesh.turn(100);
        told += mesh.hear(0, watcher).len();
    }
    assert!(told > 20, "{told}");
}

#[test]
fn c8_policies_under_way_the_waiting_and_the_audit_are_bounded() {
    let limits = Limits {
        policy_edits: 2,
        pending_per_presentity: 3,
        audit_entries: 5,
        rules_per_policy: 4,
        presentities: 8,
        ..Limits::default()
    };
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Confirm).unwrap();
    let mut mesh = Mesh::with_scheme(2, limits, scheme);
    let ken = mesh.presentity_at(1, 0);
    let refused = |bound, limit| Outcome::Refused(Refusal::Limit { bound, limit });
    let is = |outcome: &Outcome, due: &Outcome| format!("{outcome:?}") == format!("{due:?}");

    // A watcher on the shard that does not step keeps policies under way: there is room for two.
    let (_, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(50)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    for _ in 0..3 {
        mesh.shards[1].set_policy(PolicyEdit::new(ken, ken, Policy::roster())).unwrap();
    }
    mesh.shards[1].step(Tick::ZERO, 1_024);
    assert!(matches!(mesh.shards[1].next_outcome(), Some((_, Outcome::Refused(Refusal::Busy { .. })))));
    assert_eq!(mesh.settle().len(), 2, "both are applied when the shard steps");

    for user in 0..5 {
        mesh.shards[0].ask_owner(ken, Arc::new(Identity::of(PresentityId::new(100 + user)))).unwrap();
        let outcome = mesh.outcome();
        let fits =
            if user < 3 { matches!(outcome, Outcome::Decided(_)) } else { is(&outcome, &refused(Bound::Pending, 3)) };
        assert!(fits, "{user}: {outcome:?}");
    }
    let audit: Vec<_> = std::iter::from_fn(|| mesh.shards[1].next_audit()).collect();
    assert_eq!(audit.len(), 6, "five, and how many were given up: {audit:?}");
    assert!(matches!(audit[0].what, Audited::Lost { entries: 1.. }));

    let rules = (0..5).map(|user| (Who::User(PresentityId::new(user)), 1, Decision::Block));
    let outcome = mesh.policy(0, PolicyEdit::new(ken, ken, Policy::ranked(rules, Decision::Block)));
    assert!(is(&outcome, &refused(Bound::Rules, 4)), "{outcome:?}");

    for nth in 1..10 {
        let who = mesh.presentity_at(1, nth);
        let status = Status::new(Availability::AVAILABLE);
        let publication = EndpointPublication::create(who, EndpointId(1), status, 3_600_000_000);
        let answer = mesh.endpoint(0, publication);
        let due = Refusal::Limit { bound: Bound::Presentities, limit: 8 };
        assert_eq!(answer.err(), (nth >= 8).then_some(due), "with ken's record there is room for seven more");
    }
    mesh.verify();
}

#[test]
fn c8_a_policy_that_is_stuck_keeps_no_room_for_those_that_came_after_it() {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme);
    let (ken, ada) = (mesh.presentity_at(0, 0), mesh.presentity_at(0, 1));
    for (shard, whom) in [(1, ken), (0, ada)] {
        let (_, group) = mesh.watcher_for(shard, Identity::of(PresentityId::new(1_001)));
        mesh.shards[shard].watch(group, &[whom]).unwrap();
    }
    mesh.settle();
    // The shard that watches ken does not step any more.
    let shard = &mut mesh.shards[0];
    let block = |who| PolicyEdit::new(who, who, Policy::everybody(Decision::Block));
    shard.set_policy(block(ken)).unwrap();
    let mut applied = 0;
    let mut weights = Vec::new();
    for _ in 0..2_000 {
        shard.set_policy(block(ada)).unwrap();
        for _ in 0..4 {
            shard.step(Tick::ZERO, 1 << 20);
            applied += std::iter::from_fn(|| shard.next_outcome()).count();
        }
        while shard.next_audit().is_some() {}
        weights.push(shard.footprint().presence);
    }
    assert_eq!(applied, 2_000);
    assert_eq!(weights[10], weights[1_999]);
}

#[test]
fn c8_watchers_of_nobody_take_no_room_from_those_who_publish() {
    let limits = Limits { presentities: 10, documents_bytes: 1_000, ..Limits::default() };
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Show(Scheme::OFFLINE)).unwrap();
    let mut mesh = Mesh::with_scheme(1, limits, scheme.with_events(true));
    let (_, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(1_001)));
    let nobody: Vec<_> = (1..100).map(|nth| mesh.presentity_at(0, nth)).collect();
    mesh.shards[0].watch(group, &nobody).unwrap();
    mesh.settle();
    let ken = mesh.presentity_at(0, 0);
    let status = Status::new(Availability::AVAILABLE);
    let publication = EndpointPublication::create(ken, EndpointId(1), status, 3_600_000_000);
    let tag = mesh.endpoint(0, publication.with(Category::FIRST, vec![0; 300].into())).unwrap().tag;
    let refresh = EndpointPublication::refresh(ken, EndpointId(1), tag, 3_600_000_000);
    assert!(mesh.endpoint(0, refresh).is_ok());
    let outcome = mesh.policy(0, PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block)));
    assert!(matches!(outcome, Outcome::PolicyApplied { .. }), "{outcome:?}");
    mesh.verify();
}
