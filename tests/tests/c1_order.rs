//! C1: a subscription is never shown an older stamp than it was shown before, nor the same one again.

use fanfare_core::{Limits, Publication, View};
use fanfare_tests::mesh::Mesh;

#[test]
fn c1_stamps_rise_for_every_subscription_whatever_is_skipped() {
    let mut mesh = Mesh::new(3, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let watchers: Vec<_> = (0..3).map(|shard| (shard, mesh.watcher(shard))).collect();
    for &(shard, (_, group)) in &watchers {
        mesh.shards[shard].subscribe(group, View::PLAIN, &[ken]).unwrap();
    }
    let mut shown = [None; 3];
    for round in 0u32..200 {
        mesh.publish(round as usize % 3, ken, &round.to_le_bytes());
        mesh.turn(if round % 5 == 0 { 1 } else { 1_000 });
        for &(shard, (watcher, _)) in watchers.iter().filter(|(shard, _)| (round as usize).is_multiple_of(shard + 2)) {
            for heard in mesh.hear(shard, watcher) {
                assert!(shown[shard] < Some(heard.stamp), "{:?} after {:?}", heard.stamp, shown[shard]);
                shown[shard] = Some(heard.stamp);
            }
        }
    }
}

#[test]
fn c1_a_subscription_that_changes_its_view_is_shown_no_older_stamp() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    let (watcher, group) = mesh.watcher(0);
    let (_, other) = mesh.watcher(0);
    let publish = |mesh: &mut Mesh, view, text: &'static [u8]| {
        let publication = Publication { view: View(view), ..Publication::plain(ken, text.into()) };
        mesh.shards[0].publish(publication).unwrap();
    };
    // View 1 is known here, as of an old stamp; view 0 moves on far beyond it.
    publish(&mut mesh, 1, b"away to friends");
    mesh.shards[0].subscribe(other, View(1), &[ken]).unwrap();
    mesh.shards[0].subscribe(group, View(0), &[ken]).unwrap();
    mesh.settle();
    for text in [b"one" as &[u8], b"two", b"three"] {
        publish(&mut mesh, 0, Box::leak(text.into()));
    }
    mesh.settle();
    let before = mesh.hear(0, watcher).pop().unwrap();
    assert!(mesh.shards[0].move_subscription(group, ken, View(1)).unwrap());
    assert_eq!(mesh.hear(0, watcher), [], "silent until the home has answered");
    mesh.settle();
    let after = mesh.hear(0, watcher).pop().unwrap();
    assert_eq!((after.view, after.first, after.document.as_deref()), (View(1), true, Some(&b"away to friends"[..])));
    assert!(after.stamp >= before.stamp, "{:?} after {:?}", after.stamp, before.stamp);
    mesh.verify();
}

#[test]
fn c1_a_presentity_that_was_forgotten_comes_back_with_a_higher_stamp() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    let mut last = None;
    for _ in 0..3 {
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        mesh.publish(0, ken, b"here");
        mesh.settle();
        let heard = mesh.hear(0, watcher).pop().unwrap();
        assert!(last < Some(heard.stamp), "{:?} after {last:?}", heard.stamp);
        last = Some(heard.stamp);
        mesh.shards[0].close_watcher(watcher);
        mesh.shards[0]
            .publish(Publication { document: None, ..Publication::plain(ken, b"".as_slice().into()) })
            .unwrap();
        mesh.settle();
        assert_eq!(mesh.shards[1].population().states, 0);
        assert!(mesh.shards[1].counters().evicted > 0);
    }
}

#[test]
fn c1_two_changes_of_view_in_a_row_forget_nothing() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    let (watcher, group) = mesh.watcher(0);
    let (_, other) = mesh.watcher(0);
    let publish = |mesh: &mut Mesh, view, text: &'static str| {
        mesh.shards[0].publish(Publication { view: View(view), ..Publication::plain(ken, text.into()) }).unwrap();
        mesh.settle();
    };
    publish(&mut mesh, 2, "old");
    mesh.shards[0].subscribe(other, View(2), &[ken]).unwrap();
    mesh.shards[0].subscribe(group, View(0), &[ken]).unwrap();
    mesh.settle();
    for text in ["one", "two", "three"] {
        publish(&mut mesh, 0, text);
    }
    let before = mesh.hear(0, watcher).pop().unwrap();
    // The first move ends in a topic that knows nothing yet; what was shown must not be forgotten with it.
    assert!(mesh.shards[0].move_subscription(group, ken, View(1)).unwrap());
    assert!(mesh.shards[0].move_subscription(group, ken, View(2)).unwrap());
    assert_eq!(mesh.hear(0, watcher), []);
    mesh.settle();
    let after = mesh.hear(0, watcher).pop().unwrap();
    assert!(after.stamp >= before.stamp, "{:?} after {:?}", after.stamp, before.stamp);
    mesh.verify();
}
