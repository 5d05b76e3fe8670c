//! C3: when publishing stops, everybody is told the newest; nothing is lost, only skipped, and every turn is accounted
//! for.

use fanfare_core::{Limits, PresentityId, View};
use fanfare_tests::mesh::Mesh;

#[test]
fn c3_a_watcher_that_was_away_is_told_the_newest_state_once() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    for version in 0u32..1_000 {
        mesh.publish(1, ken, &version.to_le_bytes());
        mesh.turn(1_024);
    }
    mesh.settle();
    let heard = mesh.hear(0, watcher);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].document.as_deref(), Some(&999u32.to_le_bytes()[..]));
    assert_eq!(heard[0].skipped, 999);
    let counters = mesh.shards[0].counters();
    assert_eq!((counters.owed, counters.delivered, counters.skipped), (1_001, 2, 999));
    mesh.verify();
}

#[test]
fn c3_changes_during_a_walk_reach_everybody() {
    let limits = Limits { short_walk_entries: 4, ..Limits::default() };
    let mut mesh = Mesh::new(1, limits);
    let ken = mesh.presentity_at(0, 0);
    let watchers: Vec<_> = (0..100).map(|_| mesh.watcher(0)).collect();
    for &(_, group) in &watchers {
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    for version in 0u8..50 {
        mesh.publish(0, ken, &[version]);
        mesh.turn(7);
        // Whoever is marked in the middle of a walk is told at once, and must be marked again for what comes after.
        while let Some(watcher) = mesh.shards[0].next_ready() {
            mesh.hear(0, watcher);
        }
        mesh.verify();
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        mesh.hear(0, watcher);
    }
    assert_eq!(mesh.shards[0].pending(), 0);
    assert!(mesh.shards[0].counters().walks_extended > 0);
    mesh.verify();
}

#[test]
fn c3_removals_during_a_walk_lose_nobody() {
    let mut mesh = Mesh::new(1, Limits { short_walk_entries: 4, ..Limits::default() });
    let ken = mesh.presentity_at(0, 0);
    let mut watchers: Vec<_> = (0..200).map(|_| mesh.watcher(0)).collect();
    for &(_, group) in &watchers {
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    }
    mesh.settle();
    for version in 0u8..30 {
        mesh.publish(0, ken, &[version]);
        mesh.turn(40);
        // The first in the list leave while the walk is past them: the last take their places.
        let (gone, _) = watchers.remove(usize::from(version) * 5 % watchers.len());
        mesh.shards[0].close_watcher(gone);
        mesh.verify();
    }
    mesh.settle();
    for &(watcher, _) in &watchers {
        let heard = mesh.hear(0, watcher);
        assert_eq!(heard.last().and_then(|heard| heard.document.clone()), Some(vec![29]));
    }
    assert!(mesh.shards[0].counters().carried > 0);
    mesh.verify();
}

#[test]
fn c3_seventy_thousand_changes_unseen_are_not_mistaken_for_none() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    let changes = u32::from(u16::MAX) + 1;
    for version in 0..changes {
        mesh.publish(0, ken, &version.to_le_bytes());
        mesh.turn(16);
    }
    let heard = mesh.hear(0, watcher);
    assert_eq!(heard.len(), 1, "65,536 turns behind looks like none in sixteen bits");
    assert_eq!(heard[0].document.as_deref(), Some(&(changes - 1).to_le_bytes()[..]));
    let counters = mesh.shards[0].counters();
    assert_eq!((counters.delivered, counters.skipped), (2, u64::from(changes) - 1));
    mesh.verify();
}

#[test]
fn c3_a_forgotten_outbox_costs_nobody_anything() {
    // What may come after it was forgotten: its frontend calls, somebody publishes, it unsubscribes, it is closed.
    for after in ["writable", "publish", "outbox", "unsubscribe", "close"] {
        for taken in 0..40 {
            let mut mesh = Mesh::new(1, Limits::default());
            let all: Vec<_> = (0..48).map(PresentityId::new).collect();
            let (watcher, group) = mesh.watcher(0);
            let (other, others) = mesh.watcher(0);
            for of in [group, others] {
                mesh.shards[0].subscribe(of, View::PLAIN, &all).unwrap();
            }
            mesh.settle();
            mesh.hear(0, watcher);
            mesh.hear(0, other);
            for &presentity in &all {
                mesh.publish(0, presentity, b"news");
            }
            mesh.settle();
            let mut outbox = mesh.shards[0].outbox(watcher);
            for _ in 0..taken {
                outbox.next().expect("48 wait");
            }
            std::mem::forget(outbox);
            let mut left = 48 - taken;
            match after {
                "writable" => mesh.shards[0].writable(watcher),
                "publish" => {
                    // Of all that it was told already, one is news again.
                    mesh.publish(0, all[0], b"more news");
                    mesh.settle();
                    left += usize::from(taken > 0);
                    mesh.shards[0].writable(watcher);
                }
                "outbox" => {}
                "unsubscribe" => {
                    mesh.shards[0].unsubscribe(group, &all[..20]).unwrap();
                    mesh.shards[0].unsubscribe(group, &all[40..]).unwrap();
                    left = (20..40).filter(|&nth| nth >= taken).count();
                    // Runs that it gave back are another's now.
                    let more: Vec<_> = (100..140).map(PresentityId::new).collect();
                    mesh.shards[0].subscribe(others, View::PLAIN, &more).unwrap();
                    mesh.settle();
                    mesh.shards[0].writable(watcher);
                }
                _ => {
                    assert!(mesh.shards[0].close_watcher(watcher));
                    left = 0;
                }
            }
            assert_eq!(mesh.hear(0, watcher).len(), left, "{after}, {taken} taken");
            mesh.verify();
            let heard = mesh.hear(0, other).len();
            assert_eq!(heard, if after == "unsubscribe" { 88 } else { 48 }, "{after}, {taken} taken");
            mesh.settle();
            mesh.verify();
        }
    }
}
