//! C5: nothing is delivered after unsubscribe or close has returned; a stale id does nothing.

use fanfare_core::{Categories, Error, Limits, View};
use fanfare_tests::mesh::Mesh;

#[test]
fn c5_what_was_marked_is_not_told_after_unsubscribe() {
    let mut mesh = Mesh::new(1, Limits::default());
    let (ken, ann) = (mesh.presentity_at(0, 0), mesh.presentity_at(0, 1));
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken, ann]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    mesh.publish(0, ken, b"ken's");
    mesh.publish(0, ann, b"ann's");
    mesh.settle();
    assert_eq!(mesh.shards[0].unsubscribe(group, &[ken]).unwrap(), 1);
    let heard = mesh.hear(0, watcher);
    assert_eq!(heard.iter().map(|heard| heard.presentity).collect::<Vec<_>>(), [ann]);
    assert_eq!(mesh.shards[0].unsubscribe(group, &[ken]).unwrap(), 0);
    assert_eq!(mesh.shards[0].counters().cancelled, 1);
    mesh.verify();
}

#[test]
fn c5_a_closed_watcher_is_not_ready_and_its_ids_are_stale() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    let (other, _) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    mesh.publish(0, ken, b"ken's");
    mesh.settle();
    let shard = &mut mesh.shards[0];
    assert!(shard.close_watcher(watcher));
    assert_eq!(shard.next_ready(), None);
    // The place is used again; the old id must not reach its new owner.
    let successor = shard.open_watcher(9).unwrap();
    assert_eq!(successor.index(), watcher.index());
    assert!(!shard.close_watcher(watcher));
    assert!(!shard.close_group(group));
    assert_eq!(shard.watcher_token(watcher), None);
    assert_eq!(shard.subscribe(group, View::PLAIN, &[ken]), Err(Error::NoSuchGroup(group)));
    assert_eq!(shard.unsubscribe(group, &[ken]), Err(Error::NoSuchGroup(group)));
    assert_eq!(shard.open_group(watcher, 0, Categories::ALL), Err(Error::NoSuchWatcher(watcher)));
    shard.writable(watcher);
    assert!(shard.outbox(watcher).next().is_none());
    assert_eq!(shard.watcher_token(successor), Some(9));
    assert!(shard.close_watcher(other));
    mesh.verify();
}
