//! RFC 6665: groups end when they are not renewed, and are told everything again when they are refreshed.

use fanfare_core::{Categories, Category, EndReason, Error, Limits, Tick, View};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;

#[test]
fn rfc_6665_a_group_that_is_not_renewed_ends_and_its_watcher_is_told() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let watcher = mesh.shards[0].open_watcher(7).unwrap();
    let group = mesh.shards[0].open_group(watcher, 8, Categories::ALL).unwrap();
    let other = mesh.shards[0].open_group(watcher, 9, Categories::ALL).unwrap();
    for group in [group, other] {
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    }
    let expires = mesh.shards[0].renew_group(group, 8 * HOUR_US).unwrap();
    let granted_us = expires.as_micros();
    assert!((8 * HOUR_US..8 * HOUR_US + (1 << 20)).contains(&granted_us), "a whole second: {granted_us}");
    assert_eq!(mesh.shards[0].step(Tick::from_micros(1), 1_024).deadline, Some(expires));

    mesh.now = 4 * HOUR_US;
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 2);
    let later = mesh.shards[0].renew_group(group, 8 * HOUR_US).unwrap();
    mesh.now = later.as_micros() - 1;
    mesh.settle();
    assert_eq!(mesh.shards[0].next_ended(), None, "it was renewed");
    mesh.publish(0, ken, b"new");
    mesh.now += 1;
    mesh.settle();
    assert!(!mesh.shards[0].is_idle(), "somebody is to be told of the end");
    let ended = mesh.shards[0].next_ended().unwrap();
    assert_eq!((ended.watcher, ended.watcher_token, ended.group, ended.group_token), (watcher, 7, group, 8));
    assert_eq!((ended.why, mesh.shards[0].next_ended()), (EndReason::Timeout, None));
    assert_eq!(mesh.hear(0, watcher).len(), 1, "the other group goes on, and this one is silent (C5)");
    assert_eq!(mesh.shards[0].renew_group(group, 8 * HOUR_US), Err(Error::NoSuchGroup(group)));
    assert_eq!(mesh.shards[0].counters().groups_expired, 1);
    mesh.verify();
}

#[test]
fn a_lifetime_is_granted_within_its_bounds() {
    let limits = Limits { group_lifetime_us_min: 1_200_000_000, ..Limits::default() };
    let mut mesh = Mesh::new(1, limits);
    let (watcher, group) = mesh.watcher(0);
    let least_us = limits.group_lifetime_us_min;
    assert_eq!(mesh.shards[0].renew_group(group, least_us - 1), Err(Error::TooBrief { least_us }));
    assert_eq!(mesh.shards[0].renew_group(group, 0), Err(Error::TooBrief { least_us }));
    let longest = mesh.shards[0].renew_group(group, u64::MAX).unwrap();
    assert!(longest.as_micros() < limits.group_lifetime_us_max + (1 << 20), "{longest:?}");
    let shorter = mesh.shards[0].renew_group(group, least_us).unwrap();
    assert!(shorter < longest, "to renew may be to shorten");
    // A clock beyond what seconds can count ends it rather than never.
    mesh.now = u64::MAX - 1;
    mesh.settle();
    assert!(mesh.shards[0].next_ended().is_some());
    assert!(mesh.shards[0].close_watcher(watcher));
    mesh.verify();
}

#[test]
fn a_mass_of_groups_ends_a_bounded_number_at_a_step() {
    let mut mesh = Mesh::new(1, Limits { expiries_per_step: 10, ..Limits::default() });
    let watcher = mesh.shards[0].open_watcher(0).unwrap();
    for token in 0..35 {
        let group = mesh.shards[0].open_group(watcher, token, Categories::ALL).unwrap();
        mesh.shards[0].renew_group(group, HOUR_US).unwrap();
        // Of the last five each weighs as much as ten: itself and nine subscriptions.
        let contacts: Vec<_> = (0..9).map(|nth| mesh.presentity_at(0, nth)).collect();
        let contacts = if token < 30 { &[] } else { &contacts[..] };
        mesh.shards[0].subscribe(group, View::PLAIN, contacts).unwrap();
    }
    let at = Tick::from_micros(2 * HOUR_US);
    // Nobody asks who has ended: no more of them pile up.
    for _ in 0..5 {
        mesh.shards[0].step(at, 1_024);
    }
    assert_eq!(std::iter::from_fn(|| mesh.shards[0].next_ended()).count(), 10);
    let steps: Vec<_> = (0..7)
        .map(|_| {
            let more = mesh.shards[0].step(at, 1_024).more;
            (std::iter::from_fn(|| mesh.shards[0].next_ended()).count(), more)
        })
        .collect();
    assert_eq!(steps, [(10, true), (10, true), (1, true), (1, true), (1, true), (1, true), (1, true)]);
    mesh.verify();
}

#[test]
fn rfc_6665_a_refresh_tells_the_whole_state_again_once() {
    let mut mesh = Mesh::new(2, Limits::default());
    let (ken, ann, nobody) = (mesh.presentity_at(0, 0), mesh.presentity_at(1, 0), mesh.presentity_at(1, 1));
    let category = |number| Category::new(number).unwrap();
    mesh.publish_category(ken, category(0), "open");
    mesh.publish_category(ken, category(1), "a note");
    mesh.publish(1, ann, b"away");
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken, ann, nobody]).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 3);

    mesh.shards[0].refresh_group(group).unwrap();
    mesh.shards[0].refresh_group(group).unwrap();
    mesh.settle();
    let heard = mesh.hear(0, watcher);
    assert_eq!(heard.len(), 3, "once, however often it is asked for before");
    assert!(heard.iter().all(|heard| heard.first && heard.skipped == 0));
    let of = |presentity| heard.iter().find(|heard| heard.presentity == presentity).unwrap();
    assert_eq!(of(ken).told(), [category(0), category(1)], "every category, and not what has changed");
    assert_eq!(of(ann).document.as_deref(), Some(&b"away"[..]));
    assert_eq!(of(nobody).document, None, "that there is none is said again, too");
    assert_eq!(mesh.shards[0].counters().repeated, 3);
    assert_eq!(mesh.hear(0, watcher), []);

    // What changes before it is told, is told with it, as the one change that it is.
    mesh.shards[0].refresh_group(group).unwrap();
    mesh.publish_category(ken, category(1), "another note");
    let heard = mesh.hear(0, watcher);
    assert_eq!(heard.len(), 3);
    let ken_heard = heard.iter().find(|heard| heard.presentity == ken).unwrap();
    assert_eq!(ken_heard.told(), [category(0), category(1)]);
    assert_eq!(ken_heard.part(category(1)), Some(&b"another note"[..]));
    let counters = mesh.shards[0].counters();
    assert_eq!((counters.repeated, counters.owed), (5, counters.delivered));
    mesh.verify();
}
