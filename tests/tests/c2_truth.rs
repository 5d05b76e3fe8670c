//! C2: every document delivered was published, exactly so.

use fanfare_core::{Limits, View};
use fanfare_tests::mesh::Mesh;

#[test]
fn c2_documents_arrive_byte_for_byte_on_every_shard() {
    let mut mesh = Mesh::new(2, Limits { document_bytes: 64 * 1_024, ..Limits::default() });
    let watchers: Vec<_> = (0..2).map(|shard| (shard, mesh.watcher(shard))).collect();
    for (nth, length) in [0usize, 1, 7, 32, 4_096, 25 * 1_024, 64 * 1_024].into_iter().enumerate() {
        let ken = mesh.presentity_at(nth % 2, nth);
        let document: Vec<u8> = (0..length).map(|at| (at * 31 + nth) as u8).collect();
        for &(shard, (_, group)) in &watchers {
            mesh.shards[shard].subscribe(group, View::PLAIN, &[ken]).unwrap();
        }
        mesh.publish(0, ken, &document);
        mesh.settle();
        for &(shard, (watcher, _)) in &watchers {
            let heard = mesh.hear(shard, watcher).pop().unwrap();
            assert_eq!(heard.presentity, ken);
            assert_eq!(heard.document.as_deref(), Some(&document[..]), "{length} bytes on shard {shard}");
        }
    }
    mesh.verify();
}

#[test]
fn c2_an_update_for_an_earlier_life_of_a_topic_is_not_told() {
    let mut mesh = Mesh::new(2, Limits::default());
    let (ken, ann) = (mesh.presentity_at(1, 0), mesh.presentity_at(1, 1));
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    // Ken's update is on the way when his topic is let go and its place is given to Ann's.
    mesh.publish(1, ken, b"ken's");
    mesh.shards[1].step(fanfare_core::Tick::ZERO, 10);
    let (zero, one) = (fanfare_core::ShardIndex::new(0), fanfare_core::ShardIndex::new(1));
    let on_the_way = mesh.shards[1].next_message(zero).unwrap();
    mesh.shards[0].unsubscribe(group, &[ken]).unwrap();
    let leave = mesh.shards[0].next_message(one).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &[ann]).unwrap();
    mesh.shards[0].receive(one, on_the_way);
    mesh.shards[0].step(fanfare_core::Tick::ZERO, 10);
    assert_eq!(mesh.hear(0, watcher), []);
    assert_eq!(mesh.shards[0].counters().updates_stale, 1);
    mesh.shards[1].receive(zero, leave);
    mesh.settle();
    let heard = mesh.hear(0, watcher);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].presentity, heard[0].document.as_deref()), (ann, None));
    mesh.verify();
}
