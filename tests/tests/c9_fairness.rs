//! C9: a short walk is not held up by long ones, a long one always gets on, and inside a watcher the drain rotates.

use std::collections::BTreeSet;

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Decision, EndpointId, EndpointPublication, Identity, Limits, Outcome, Policy, PolicyEdit, PresentityId, Scheme,
    Status, View,
};
use fanfare_tests::mesh::Mesh;

#[test]
fn c9_a_publication_with_256_watchers_is_marked_within_two_steps_beside_a_storm_of_long_walks() {
    let mut mesh = Mesh::new(1, Limits::default());
    let famous: Vec<_> = (0..3).map(PresentityId::new).collect();
    let ken = PresentityId::new(99);
    let watchers: Vec<_> = (0..20_000).map(|_| mesh.watcher(0)).collect();
    for (nth, &(_, group)) in watchers.iter().enumerate() {
        mesh.shards[0].subscribe(group, View::PLAIN, &famous).unwrap();
        if nth < 256 {
            mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        }
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    for version in 0u32..50 {
        for &presentity in &famous {
            mesh.publish(0, presentity, &version.to_le_bytes());
        }
        mesh.publish(0, ken, &version.to_le_bytes());
        mesh.turn(1_024);
        mesh.turn(1_024);
        for &(watcher, _) in &watchers[..256] {
            let heard = mesh.hear(0, watcher);
            assert!(heard.iter().any(|heard| heard.presentity == ken), "round {version}");
        }
    }
    // The long walks had at least their quarter all the time, and come to an end.
    assert!(mesh.shards[0].counters().walk_entries >= 100 * 1_024);
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    assert_eq!(mesh.shards[0].pending(), 0);
}

#[test]
fn c9_long_walks_get_on_with_a_budget_of_one_beside_short_ones_without_end() {
    let mut mesh = Mesh::new(1, Limits { short_walk_entries: 4, ..Limits::default() });
    let (famous, ken) = (PresentityId::new(1), PresentityId::new(2));
    let watchers: Vec<_> = (0..20).map(|_| mesh.watcher(0)).collect();
    for (nth, &(_, group)) in watchers.iter().enumerate() {
        let list = if nth < 4 { vec![famous, ken] } else { vec![famous] };
        mesh.shards[0].subscribe(group, View::PLAIN, &list).unwrap();
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    mesh.publish(0, famous, b"once");
    let mut told = BTreeSet::new();
    for version in 0u32..100 {
        mesh.publish(0, ken, &version.to_le_bytes());
        mesh.turn(1);
        while let Some(watcher) = mesh.shards[0].next_ready() {
            if mesh.hear(0, watcher).iter().any(|heard| heard.presentity == famous) {
                told.insert(watcher);
            }
        }
    }
    assert_eq!(told.len(), 20);
}

#[test]
fn c9_a_slow_watcher_hears_of_everybody_though_some_change_all_the_time() {
    let mut mesh = Mesh::new(1, Limits::default());
    let all: Vec<_> = (0..100).map(PresentityId::new).collect();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &all).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    for &presentity in &all {
        mesh.publish(0, presentity, b"once");
    }
    mesh.settle();
    let mut told = BTreeSet::new();
    for version in 0u32..120 {
        // The first ten change in every turn, and the watcher has room for one note in each.
        for &presentity in &all[..10] {
            mesh.publish(0, presentity, &version.to_le_bytes());
        }
        mesh.turn(1_024);
        mesh.shards[0].writable(watcher);
        told.extend(mesh.hear_some(0, watcher, 1).iter().map(|heard| heard.presentity));
    }
    assert_eq!(told.len(), 100);
    mesh.verify();
}

#[test]
fn c9_a_walk_that_lost_most_of_its_entries_is_short_from_then_on() {
    let mut mesh = Mesh::new(1, Limits::default());
    let famous: Vec<_> = (0..60).map(PresentityId::new).collect();
    let ken = PresentityId::new(99);
    let watchers: Vec<_> = (0..1_000).map(|_| mesh.watcher(0)).collect();
    for &(_, group) in &watchers {
        mesh.shards[0].subscribe(group, View::PLAIN, &famous).unwrap();
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    for &presentity in famous.iter().chain([&ken]) {
        mesh.publish(0, presentity, b"once");
    }
    mesh.turn(1_024);
    for &(_, group) in &watchers[100..] {
        mesh.shards[0].unsubscribe(group, &[ken]).unwrap();
    }
    mesh.publish(0, ken, b"again");
    mesh.turn(1_024);
    mesh.turn(1_024);
    for &(watcher, _) in &watchers[..100] {
        assert!(mesh.hear(0, watcher).iter().any(|heard| heard.document.as_deref() == Some(b"again")));
    }
    mesh.verify();
}

#[test]
fn c9_a_publication_is_marked_within_two_steps_while_a_policy_is_applied_to_ten_thousand_watchers() {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme);
    let (famous, ken) = (PresentityId::new(1), PresentityId::new(2));
    let watchers: Vec<_> = (0..10_000u64)
        .map(|nth| {
            let (watcher, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(100 + nth)));
            let whom = [famous, ken];
            mesh.shards[0].watch(group, if nth < 256 { &whom } else { &whom[..1] }).unwrap();
            watcher
        })
        .collect();
    let is =
        |who, availability| EndpointPublication::create(who, EndpointId(1), Status::new(availability), 3_600_000_000);
    mesh.endpoint(0, is(famous, Availability::AVAILABLE)).unwrap();
    for &watcher in &watchers {
        mesh.hear(0, watcher);
    }
    let mut beside = 0;
    for round in 0..20u64 {
        let decision = if round % 2 == 0 { Decision::Block } else { Decision::Show(Scheme::OPEN) };
        mesh.shards[0].set_policy(PolicyEdit::new(famous, famous, Policy::everybody(decision))).unwrap();
        let mut applied = false;
        for nth in 0..22 {
            let availability = if nth % 2 == 0 { Availability::BUSY } else { Availability::AWAY };
            mesh.shards[0].publish_endpoint(is(ken, availability)).unwrap();
            let before = mesh.shards[0].counters().reevaluated;
            for _ in 0..2 {
                let outcomes = mesh.turn(1_024);
                applied |= outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::PolicyApplied { .. }));
            }
            beside += u64::from(mesh.shards[0].counters().reevaluated != before);
            for &watcher in &watchers[..256] {
                let heard = mesh.hear(0, watcher);
                assert!(heard.iter().any(|heard| heard.presentity == ken), "round {round}, publication {nth}");
            }
        }
        assert!(applied, "10,000 watchers are looked at 256 at a step");
    }
    assert!(beside > 100, "most publications were made while a policy was being applied: {beside}");
    mesh.settle();
    mesh.verify();
}
