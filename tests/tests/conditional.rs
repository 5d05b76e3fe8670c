//! RFC 5839: who knows a state already is not told it once more.

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::{
    Categories, Category, Decision, GroupId, Identity, Limits, Policy, PolicyEdit, PresentityId, Publication, Scheme,
    StateTag, View, WatcherId,
};
use fanfare_tests::mesh::Mesh;

/// The tag of what the watcher is told of its one presentity.
fn tag_told(mesh: &mut Mesh, shard: usize, watcher: WatcherId) -> StateTag {
    let mut outbox = mesh.shards[shard].outbox(watcher);
    let tag = outbox.next().expect("a note").state_tag();
    assert!(outbox.next().is_none());
    tag
}

fn subscribed(mesh: &mut Mesh, shard: usize, presentity: PresentityId) -> (WatcherId, GroupId) {
    let (watcher, group) = mesh.watcher(shard);
    mesh.shards[shard].subscribe(group, View::PLAIN, &[presentity]).unwrap();
    (watcher, group)
}

#[test]
fn rfc_5839_a_resubscribe_with_the_known_tag_is_told_nothing_when_nothing_changed() {
    let mut mesh = Mesh::new(3, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    let (open, note) = (Category::new(0).unwrap(), Category::new(1).unwrap());
    mesh.publish_category(ken, open, "open");
    mesh.publish_category(ken, note, "at lunch");
    let (watcher, group) = subscribed(&mut mesh, 0, ken);
    mesh.settle();
    let known = tag_told(&mut mesh, 0, watcher);
    mesh.shards[0].close_group(group);
    // On the same shard, and on another, where nobody watched yet.
    for shard in [0, 2] {
        let (watcher, group) = subscribed(&mut mesh, shard, ken);
        assert_eq!(mesh.shards[shard].know(group, ken, known), Ok(true));
        mesh.settle();
        assert_eq!(mesh.hear(shard, watcher), [], "on shard {shard}");
        // From then on he is told what changes, and has a tag for that.
        mesh.publish_category(ken, note, "at a meeting");
        assert_eq!(mesh.hear(shard, watcher).len(), 1);
        mesh.publish_category(ken, note, "at lunch");
        assert_eq!(tag_told(&mut mesh, shard, watcher), known, "the same state has the same tag, by what way ever");
        mesh.verify();
    }
    let counters = *mesh.shards[2].counters();
    assert_eq!((counters.delivered, counters.filtered), (2, 1));
}

#[test]
fn rfc_5839_a_tag_that_is_not_the_states_suppresses_nothing() {
    let mut mesh = Mesh::new(2, Limits::default());
    let (ken, ann) = (mesh.presentity_at(1, 0), mesh.presentity_at(1, 1));
    mesh.publish(0, ken, b"open");
    mesh.settle();
    let (watcher, group) = subscribed(&mut mesh, 0, ken);
    mesh.shards[0].know(group, ken, StateTag(7)).unwrap();
    assert_eq!(mesh.shards[0].know(group, ann, StateTag(7)), Ok(false), "she is not watched");
    mesh.settle();
    let open = tag_told(&mut mesh, 0, watcher);
    // It changed in between: he is told, and what he knew is forgotten.
    mesh.shards[0].close_group(group);
    let (watcher, group) = subscribed(&mut mesh, 0, ken);
    mesh.shards[0].know(group, ken, open).unwrap();
    mesh.publish(0, ken, b"away");
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher)[0].document.as_deref(), Some(&b"away"[..]));
    mesh.publish(0, ken, b"open");
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 1);
    // None is a state too, and another one than an empty document.
    mesh.publish(1, ann, b"");
    let (watcher, _) = subscribed(&mut mesh, 0, ann);
    mesh.settle();
    let empty = tag_told(&mut mesh, 0, watcher);
    let (watcher, _) = subscribed(&mut mesh, 0, PresentityId::new(u64::MAX));
    mesh.settle();
    assert_ne!(tag_told(&mut mesh, 0, watcher), empty);
    mesh.verify();
}

#[test]
fn rfc_5839_a_refresh_with_the_known_tag_is_answered_without_a_body() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(1, 0);
    mesh.publish(0, ken, b"open");
    mesh.settle();
    let (watcher, group) = subscribed(&mut mesh, 0, ken);
    mesh.settle();
    let known = tag_told(&mut mesh, 0, watcher);
    for (tag, told) in [(known, 0), (StateTag(known.0 ^ 1), 1), (known, 0)] {
        mesh.shards[0].know(group, ken, tag).unwrap();
        mesh.shards[0].refresh_group(group).unwrap();
        mesh.settle();
        assert_eq!(mesh.hear(0, watcher).len(), told);
    }
    assert_eq!(mesh.shards[0].counters().repeated, 1);
    mesh.verify();
}

#[test]
fn a_tag_says_nothing_of_another_view_other_categories_or_another_secret() {
    let group_of = |mesh: &mut Mesh, wants| {
        let watcher = mesh.shards[0].open_watcher(0).unwrap();
        let group = mesh.shards[0].open_group(watcher, 0, wants).unwrap();
        let ken = mesh.presentity_at(0, 0);
        mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
        mesh.settle();
        watcher
    };
    let tags_of = |scheme: Scheme| {
        let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme);
        let ken = mesh.presentity_at(0, 0);
        for number in 0..2 {
            mesh.publish_category(ken, Category::new(number).unwrap(), "the same");
        }
        [Categories::ALL, Categories::only(Category::FIRST), Categories::only(Category::new(1).unwrap())].map(|wants| {
            let watcher = group_of(&mut mesh, wants);
            tag_told(&mut mesh, 0, watcher)
        })
    };
    let plain = tags_of(Scheme::plain());
    let secret = tags_of(Scheme::plain().with_tag_secret([1; 16]));
    let all: std::collections::BTreeSet<_> = plain.iter().chain(&secret).collect();
    assert_eq!(all.len(), 6);
    assert_eq!(plain, tags_of(Scheme::plain()), "and the same after a restart");
}

#[test]
fn c6_a_tag_does_not_tell_in_which_view_the_same_is_shown_and_is_another_for_everybody() {
    let mut mesh = Mesh::new(1, Limits::default());
    let (ken, ann) = (mesh.presentity_at(0, 0), mesh.presentity_at(0, 1));
    let mut tag_in = |presentity, view| {
        let publication = Publication { view, ..Publication::plain(presentity, "offline".into()) };
        mesh.shards[0].publish(publication).unwrap();
        let (watcher, group) = mesh.watcher(0);
        mesh.shards[0].subscribe(group, view, &[presentity]).unwrap();
        mesh.settle();
        tag_told(&mut mesh, 0, watcher)
    };
    let shown = tag_in(ken, View(0));
    assert_eq!(tag_in(ken, View(1)), shown, "who is politely blocked cannot tell");
    assert_ne!(tag_in(ann, View(0)), shown);
}

#[test]
fn a_tag_that_was_not_asked_about_is_forgotten_with_the_next_change() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    mesh.publish(0, ken, b"one");
    let (watcher, group) = subscribed(&mut mesh, 0, ken);
    mesh.settle();
    let one = tag_told(&mut mesh, 0, watcher);
    mesh.shards[0].know(group, ken, one).unwrap();
    for document in [b"two", b"one"] {
        mesh.publish(0, ken, document);
        mesh.settle();
        assert_eq!(mesh.hear(0, watcher).len(), 1);
    }
    mesh.shards[0].refresh_group(group).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 1, "what he said was about what he has been told of since");
    mesh.verify();
}

#[test]
fn who_is_moved_to_another_view_is_told_whatever_he_knew() {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme);
    let ken = mesh.presentity_at(1, 0);
    let (watcher, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(9)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    let known = tag_told(&mut mesh, 0, watcher);
    mesh.shards[0].know(group, ken, known).unwrap();
    mesh.policy(0, PolicyEdit::new(ken, ken, Policy::everybody(Decision::Block)));
    assert_eq!(mesh.hear(0, watcher).len(), 1);
    mesh.verify();
}
