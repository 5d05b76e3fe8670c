//! RFC 4660, 4661: which changes are told. RFC 5262, 5263: and told as differences to who has what was there before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use fanfare_core::{
    Categories, Category, Change, Differ, Error, GroupId, Limits, PartTrigger, Scheme, Trigger, View, WatcherId,
};
use fanfare_tests::mesh::Mesh;

/// Fires when somebody becomes available, and counts how often it is asked.
#[derive(Debug, Default)]
struct WhenOpen {
    asked: AtomicU32,
}

impl Trigger for WhenOpen {
    fn fires(&self, change: &Change<'_>) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        change.before != Some(b"open") && change.after == Some(b"open")
    }
}

fn documents(mesh: &mut Mesh, watcher: WatcherId) -> Vec<String> {
    let heard = mesh.hear(0, watcher);
    heard.into_iter().map(|it| String::from_utf8(it.document.unwrap_or_default()).unwrap()).collect()
}

#[test]
fn rfc_4660_a_group_is_told_only_of_changes_for_which_its_trigger_fires() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    mesh.publish(0, ken, b"away");
    mesh.settle();
    let trigger = Arc::new(WhenOpen::default());
    let choosy: Vec<_> = (0..3)
        .map(|_| {
            let (watcher, group) = mesh.watcher(0);
            mesh.shards[0].set_trigger(group, Some(trigger.clone())).unwrap();
            mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
            (watcher, group)
        })
        .collect();
    let (everything, _) = {
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        (watcher, group)
    };
    mesh.settle();
    let watcher = choosy[0].0;
    assert_eq!(documents(&mut mesh, watcher), ["away"], "the first state is told whatever it is");
    for (state, told) in [("busy", 0), ("open", 1), ("open", 0), ("closed", 0), ("open", 1)] {
        mesh.publish(0, ken, state.as_bytes());
        mesh.settle();
        assert_eq!(documents(&mut mesh, watcher).len(), told, "{state}");
    }
    // What changed twice while nobody looked is told if one of the changes fired.
    for state in [b"busy", b"open", b"away"] {
        mesh.publish(0, ken, state);
        mesh.settle();
    }
    assert_eq!(documents(&mut mesh, watcher), ["away"]);
    assert_eq!(trigger.asked.load(Ordering::Relaxed), 7, "once a change, and not once a group");
    assert_eq!(documents(&mut mesh, everything), ["away"]);
    // A refresh is answered whatever the trigger says; and without one all is told again.
    let group = choosy[0].1;
    mesh.shards[0].refresh_group(group).unwrap();
    mesh.settle();
    assert_eq!(documents(&mut mesh, watcher).len(), 1);
    mesh.shards[0].set_trigger(group, None).unwrap();
    mesh.publish(0, ken, b"busy");
    mesh.settle();
    assert_eq!(documents(&mut mesh, watcher), ["busy"]);
    mesh.verify();
}

#[test]
fn what_fired_long_before_anybody_looked_is_told() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].set_trigger(group, Some(Arc::new(WhenOpen::default()))).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    mesh.publish(0, ken, b"open");
    // More changes than `seen` tells apart, none of which fires.
    for at in 0..20_000u32 {
        mesh.publish(0, ken, &at.to_le_bytes());
        mesh.turn(1_024);
    }
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 1);
    mesh.verify();
}

#[test]
fn rfc_4661_added_removed_and_changed_of_the_categories_meant() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (state, note) = (Category::FIRST, Category::new(1).unwrap());
    mesh.publish_category(ken, state, "open");
    let none = PartTrigger { categories: Categories::only(note), added: false, removed: false, changed: false };
    let triggers = [
        none,
        PartTrigger { added: true, ..none },
        PartTrigger { removed: true, ..none },
        PartTrigger { changed: true, ..none },
    ];
    let watchers = triggers.map(|trigger| {
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        // Set when the group has subscriptions already.
        mesh.shards[0].set_trigger(group, Some(Arc::new(trigger))).unwrap();
        watcher
    });
    mesh.settle();
    let told = |mesh: &mut Mesh| watchers.map(|watcher| mesh.hear(0, watcher).len());
    assert_eq!(told(&mut mesh), [1, 1, 1, 1]);
    mesh.publish_category(ken, note, "at lunch");
    assert_eq!(told(&mut mesh), [0, 1, 0, 0]);
    mesh.publish_category(ken, state, "away");
    assert_eq!(told(&mut mesh), [0, 0, 0, 0]);
    mesh.publish_category(ken, note, "back soon");
    // What was silent before is told with it.
    assert_eq!(mesh.hear(0, watchers[3])[0].told(), [state, note]);
    assert_eq!(told(&mut mesh), [0, 0, 0, 0]);
    let gone = fanfare_core::Publication {
        category: note,
        document: None,
        ..fanfare_core::Publication::plain(ken, Bytes::new())
    };
    mesh.shards[0].publish(gone).unwrap();
    mesh.settle();
    assert_eq!(told(&mut mesh), [0, 0, 1, 0]);
    let counters = *mesh.shards[0].counters();
    assert_eq!((counters.delivered, counters.filtered), (7, 13));
    mesh.verify();
}

#[test]
fn whose_trigger_is_one_too_many_is_told_everything() {
    let mut mesh = Mesh::new(1, Limits { triggers_per_topic: 2, ..Limits::default() });
    let ken = mesh.presentity_at(0, 0);
    let never = PartTrigger { categories: Categories::NONE, added: false, removed: false, changed: false };
    let open = |mesh: &mut Mesh| {
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].set_trigger(group, Some(Arc::new(never))).unwrap();
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        mesh.settle();
        mesh.hear(0, watcher);
        (watcher, group)
    };
    let all = [open(&mut mesh), open(&mut mesh), open(&mut mesh)];
    mesh.publish(0, ken, b"open");
    mesh.settle();
    assert_eq!(all.map(|(watcher, _)| mesh.hear(0, watcher).len()), [0, 0, 1]);
    // The trigger of a group that is gone leaves its place.
    mesh.shards[0].close_group(all[0].1);
    let (fourth, _) = open(&mut mesh);
    mesh.publish(0, ken, b"away");
    mesh.settle();
    assert_eq!(mesh.hear(0, fourth).len(), 0);
    mesh.verify();
}

/// What two documents have in common at their begin, as a number, and the rest.
#[derive(Debug, Default)]
struct Prefix;

impl Differ for Prefix {
    fn difference(&self, _: Category, before: &[u8], after: &[u8]) -> Option<Bytes> {
        let common = before.iter().zip(after).take_while(|(old, new)| old == new).count();
        let kept = u8::try_from(common).ok()?;
        Some([&[kept], &after[common..]].concat().into())
    }
}

fn apply(before: &[u8], difference: &[u8]) -> Vec<u8> {
    [&before[..difference[0].into()], &difference[1..]].concat()
}

/// What the watcher is told: the difference, if there is one, and the whole.
fn told(mesh: &mut Mesh, watcher: WatcherId) -> (Option<Bytes>, Vec<u8>) {
    let mut outbox = mesh.shards[0].outbox(watcher);
    let note = outbox.next().expect("a note");
    (note.difference(Category::FIRST).cloned(), note.document().unwrap().as_slice().to_vec())
}

#[test]
fn rfc_5263_who_was_told_the_last_state_is_offered_the_difference_and_who_was_not_the_whole() {
    let mut mesh = Mesh::with_scheme(2, Limits::default(), Scheme::plain().with_differ(Prefix));
    let ken = mesh.presentity_at(1, 0);
    let open = |mesh: &mut Mesh| -> (WatcherId, GroupId) {
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        mesh.shards[0].set_partial(group, true).unwrap();
        mesh.settle();
        (watcher, group)
    };
    mesh.publish(0, ken, b"status: open");
    let ((quick, group), (slow, _)) = (open(&mut mesh), open(&mut mesh));
    assert_eq!(told(&mut mesh, quick), (None, b"status: open".to_vec()), "a first state is whole");
    told(&mut mesh, slow);
    mesh.publish(0, ken, b"status: away");
    mesh.settle();
    let (difference, whole) = told(&mut mesh, quick);
    assert_eq!(apply(b"status: open", &difference.clone().unwrap()), whole);
    mesh.publish(0, ken, b"status: busy");
    mesh.settle();
    let (other, whole) = told(&mut mesh, quick);
    assert_eq!(apply(b"status: away", &other.unwrap()), whole);
    assert_eq!(told(&mut mesh, slow), (None, b"status: busy".to_vec()), "he was not told of the one between");
    // One made for all: the same bytes, and not equal ones.
    mesh.publish(0, ken, b"status: free");
    mesh.settle();
    let (mine, his) = (told(&mut mesh, quick).0.unwrap(), told(&mut mesh, slow).0.unwrap());
    assert_eq!((mine.as_ptr(), mine.len()), (his.as_ptr(), his.len()));
    // A difference that is no shorter is not worth it; a refresh is whole; and nobody has one who does not ask.
    mesh.publish(0, ken, b"x");
    mesh.settle();
    assert_eq!(told(&mut mesh, quick).0, None);
    mesh.shards[0].refresh_group(group).unwrap();
    mesh.settle();
    assert_eq!(told(&mut mesh, quick).0, None);
    mesh.verify();
}

#[test]
fn differences_are_offered_only_where_something_makes_them() {
    let mut mesh = Mesh::new(1, Limits::default());
    let (_, group) = mesh.watcher(0);
    assert_eq!(mesh.shards[0].set_partial(group, true), Err(Error::NoDiffer));
    mesh.shards[0].set_partial(group, false).unwrap();
    mesh.shards[0].close_group(group);
    assert_eq!(mesh.shards[0].set_trigger(group, None), Err(Error::NoSuchGroup(group)));
    mesh.verify();
}
