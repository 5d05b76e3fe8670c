//! C4: a new subscription is told the current state first, or explicitly that there is none.

use fanfare_core::{Categories, Category, Limits, View};
use fanfare_tests::mesh::Mesh;

#[test]
fn c4_the_first_note_is_the_current_state_or_none() {
    let mut mesh = Mesh::new(2, Limits::default());
    for home in 0..2 {
        let (ken, nobody) = (mesh.presentity_at(home, 0), mesh.presentity_at(home, 1));
        for text in [b"old" as &[u8], b"new"] {
            mesh.publish(0, ken, text);
            mesh.settle();
        }
        for shard in 0..2 {
            let (watcher, group) = mesh.watcher(shard);
            mesh.shards[shard].subscribe(group, View::PLAIN, &[ken, nobody]).unwrap();
            mesh.settle();
            let mut heard = mesh.hear(shard, watcher);
            heard.sort_by_key(|heard| heard.presentity != ken);
            assert_eq!(heard.len(), 2);
            assert!(heard.iter().all(|heard| heard.first && heard.skipped == 0));
            assert_eq!(heard[0].document.as_deref(), Some(&b"new"[..]));
            assert_eq!(heard[1].document, None);
        }
    }
    mesh.verify();
}

#[test]
fn c4_a_second_subscriber_is_told_what_the_first_was_not() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    let (first, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.publish(0, ken, b"one");
    mesh.settle();
    assert_eq!(mesh.hear(0, first).len(), 1);
    let (second, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    let heard = mesh.hear(0, second);
    assert_eq!(heard.len(), 1, "the state is known here: no need to ask the home");
    assert!(heard[0].first);
    assert_eq!(mesh.hear(0, first), []);
}

#[test]
fn c4_the_first_state_holds_every_wanted_category_and_later_ones_only_what_changed() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    let category = |number| Category::new(number).unwrap();
    mesh.publish_category(ken, category(0), "open");
    mesh.publish_category(ken, category(1), "a note");
    mesh.publish_category(ken, category(2), "a calendar");
    let watcher = mesh.shards[0].open_watcher(0).unwrap();
    let wants = Categories::only(category(0)).with(category(1));
    let group = mesh.shards[0].open_group(watcher, 0, wants).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    /// The categories of a note with their documents, and how many changes it skips.
    type Told = (Vec<(usize, Vec<u8>)>, u32);
    let parts_of = |mesh: &mut Mesh| -> Option<Told> {
        let mut outbox = mesh.shards[0].outbox(watcher);
        let note = outbox.next()?;
        let parts =
            note.parts().map(|(category, it)| (category.index(), it.map_or(vec![], |it| it.as_slice().to_vec())));
        Some((parts.collect(), note.skipped))
    };
    let (parts, _) = parts_of(&mut mesh).unwrap();
    assert_eq!(parts, [(0, b"open".to_vec()), (1, b"a note".to_vec())]);
    mesh.publish_category(ken, category(2), "a fuller calendar");
    assert_eq!(parts_of(&mut mesh), None, "a category that it does not want is never owed");
    mesh.publish_category(ken, category(1), "another note");
    mesh.publish_category(ken, category(2), "an empty calendar");
    mesh.publish_category(ken, category(1), "a third note");
    assert_eq!(parts_of(&mut mesh), Some((vec![(1, b"a third note".to_vec())], 1)));
    let counters = *mesh.shards[0].counters();
    assert_eq!((counters.delivered, counters.skipped, counters.filtered), (2, 1, 2));
    mesh.verify();
}
