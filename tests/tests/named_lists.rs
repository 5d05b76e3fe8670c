//! RFC 4662: groups follow named lists and the lists in them; whatever comes of a list, its followers come to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanfare_core::{Bound, EndReason, Error, GroupId, Identity, Limits, ListEntry, ListId, PresentityId, View};
use fanfare_tests::mesh::Mesh;
use proptest::prelude::*;

const TEAM: ListId = ListId(1);
const OFFICE: ListId = ListId(2);
const FIRM: ListId = ListId(3);

fn people(ids: &[u64]) -> Vec<ListEntry> {
    ids.iter().map(|&id| ListEntry::Presentity(PresentityId::new(id))).collect()
}

fn set(mesh: &mut Mesh, list: ListId, entries: &[ListEntry]) -> Result<(), Error> {
    mesh.shards[0].set_list(list, Arc::from(entries))
}

fn watched(mesh: &Mesh, group: GroupId) -> Vec<u64> {
    let ids: BTreeSet<_> = mesh.shards[0].subscriptions(group).map(|(_, who, _)| who).collect();
    (1..200).filter(|&id| ids.contains(&PresentityId::new(id))).collect()
}

#[test]
fn rfc_4662_a_group_follows_a_list_and_the_lists_in_it() {
    let mut mesh = Mesh::new(2, Limits::default());
    set(&mut mesh, TEAM, &people(&[1, 2])).unwrap();
    set(&mut mesh, OFFICE, &[people(&[2, 3]), vec![ListEntry::List(TEAM)]].concat()).unwrap();
    let (watcher, group) = mesh.watcher(0);
    let changed = mesh.shards[0].subscribe_list(group, View::PLAIN, OFFICE).unwrap();
    assert_eq!((changed.added, changed.removed), (3, 0), "whoever is on both is watched once");
    // A second one, with an identity, and a third that is closed before the list changes.
    let (other, mine) = mesh.watcher_for(0, Identity::of(PresentityId::new(77)));
    mesh.shards[0].watch_list(mine, TEAM).unwrap();
    let (_, closed) = mesh.watcher(0);
    mesh.shards[0].subscribe_list(closed, View::PLAIN, OFFICE).unwrap();
    mesh.shards[0].close_group(closed);
    mesh.settle();
    assert_eq!((mesh.hear(0, watcher).len(), mesh.hear(0, other).len()), (3, 2));

    set(&mut mesh, TEAM, &people(&[1, 4])).unwrap();
    mesh.settle();
    assert_eq!((watched(&mesh, group), watched(&mesh, mine)), (vec![1, 2, 3, 4], vec![1, 4]));
    let heard: Vec<_> = mesh.hear(0, watcher).iter().map(|it| it.presentity).collect();
    assert_eq!(heard, [PresentityId::new(4)], "who stays hears nothing of it");
    // The list is taken out of the other.
    set(&mut mesh, OFFICE, &people(&[3])).unwrap();
    mesh.settle();
    assert_eq!((watched(&mesh, group), watched(&mesh, mine)), (vec![3], vec![1, 4]));
    // Who follows another list leaves the first.
    mesh.shards[0].subscribe_list(group, View::PLAIN, TEAM).unwrap();
    set(&mut mesh, OFFICE, &people(&[5])).unwrap();
    mesh.settle();
    assert_eq!(watched(&mesh, group), [1, 4]);
    assert_eq!(mesh.shards[0].list_members(OFFICE), Ok(vec![PresentityId::new(5)]));
    mesh.verify();
}

#[test]
fn xep_0237_a_list_has_the_same_tag_as_long_as_the_same_are_on_it() {
    let mut mesh = Mesh::new(2, Limits::default());
    set(&mut mesh, TEAM, &people(&[1, 2])).unwrap();
    set(&mut mesh, OFFICE, &[ListEntry::List(TEAM)]).unwrap();
    let tag = mesh.shards[0].list_tag(TEAM).unwrap();
    assert_eq!(mesh.shards[0].list_tag(OFFICE), Ok(tag), "the same members, by what way ever");
    set(&mut mesh, TEAM, &people(&[1, 3])).unwrap();
    assert_ne!(mesh.shards[0].list_tag(TEAM), Ok(tag));
    set(&mut mesh, TEAM, &people(&[2, 1])).unwrap();
    assert_eq!(mesh.shards[0].list_tag(TEAM), Ok(tag));
    mesh.shards[1].set_list(TEAM, Arc::from(people(&[2, 1]))).unwrap();
    assert_eq!(mesh.shards[1].list_tag(TEAM), Ok(tag), "on any shard");
    assert_eq!(mesh.shards[0].list_tag(FIRM), Err(Error::NoSuchList(FIRM)));
}

#[test]
fn list_cycles_depth_size_and_unknown_lists_are_refused_and_change_nothing() {
    let limits = Limits { lists: 3, list_members: 4, list_depth: 1, ..Limits::default() };
    let mut mesh = Mesh::new(1, limits);
    set(&mut mesh, TEAM, &people(&[1, 2])).unwrap();
    set(&mut mesh, OFFICE, &[people(&[3]), vec![ListEntry::List(TEAM)]].concat()).unwrap();
    let limit = |bound, limit| Err(Error::Limit { bound, limit });
    assert_eq!(set(&mut mesh, TEAM, &[ListEntry::List(TEAM)]), Err(Error::ListCycle(TEAM)));
    assert_eq!(set(&mut mesh, TEAM, &[ListEntry::List(OFFICE)]), Err(Error::ListCycle(TEAM)));
    assert_eq!(set(&mut mesh, FIRM, &[ListEntry::List(OFFICE)]), limit(Bound::ListDepth, 1));
    assert_eq!(set(&mut mesh, FIRM, &[ListEntry::List(ListId(9))]), Err(Error::NoSuchList(ListId(9))));
    assert_eq!(set(&mut mesh, FIRM, &people(&[1, 2, 3, 4, 5])), limit(Bound::ListMembers, 4));
    assert_eq!(
        set(&mut mesh, TEAM, &people(&[1, 2, 4, 5])),
        limit(Bound::ListMembers, 4),
        "one that holds it grows, too"
    );
    assert_eq!(mesh.shards[0].list_members(FIRM), Err(Error::NoSuchList(FIRM)));
    assert_eq!(mesh.shards[0].list_members(OFFICE).unwrap().len(), 3);
    set(&mut mesh, FIRM, &people(&[1])).unwrap();
    assert_eq!(set(&mut mesh, ListId(9), &[]), limit(Bound::Lists, 3));
    let held = Error::ListHeld { list: TEAM, holder: OFFICE };
    assert_eq!(mesh.shards[0].remove_list(TEAM), Err(held));
    set(&mut mesh, OFFICE, &[]).unwrap();
    mesh.shards[0].remove_list(TEAM).unwrap();
    assert_eq!(mesh.shards[0].remove_list(TEAM), Err(Error::NoSuchList(TEAM)));
    let (_, group) = mesh.watcher(0);
    assert_eq!(mesh.shards[0].subscribe_list(group, View::PLAIN, TEAM), Err(Error::NoSuchList(TEAM)));
    mesh.verify();
}

#[test]
fn rfc_6665_a_group_ends_with_a_reason_when_its_list_goes_or_does_not_fit() {
    let mut mesh = Mesh::new(1, Limits { subscriptions_per_group: 3, ..Limits::default() });
    set(&mut mesh, TEAM, &people(&[1, 2])).unwrap();
    set(&mut mesh, OFFICE, &people(&[1])).unwrap();
    let (_, first) = mesh.watcher(0);
    let (_, second) = mesh.watcher(0);
    mesh.shards[0].subscribe_list(first, View::PLAIN, TEAM).unwrap();
    mesh.shards[0].subscribe_list(second, View::PLAIN, OFFICE).unwrap();
    // All others than before, who would not fit beside them, are no reason.
    set(&mut mesh, TEAM, &people(&[3, 4, 5])).unwrap();
    mesh.settle();
    assert_eq!((watched(&mesh, first), mesh.shards[0].next_ended()), (vec![3, 4, 5], None));
    set(&mut mesh, TEAM, &people(&[3, 4, 5, 6])).unwrap();
    mesh.shards[0].remove_list(OFFICE).unwrap();
    assert!(!mesh.shards[0].is_idle());
    mesh.settle();
    let mut ends: Vec<_> = std::iter::from_fn(|| mesh.shards[0].next_ended()).map(|it| (it.group, it.why)).collect();
    ends.sort_by_key(|(group, _)| *group != first);
    assert_eq!(ends, [(first, EndReason::Probation), (second, EndReason::NoResource)]);
    assert_eq!(mesh.shards[0].population().subscriptions, 0);
    assert!(mesh.shards[0].is_idle());
    mesh.verify();
}

#[test]
fn followers_are_brought_to_their_list_a_bounded_number_a_step_and_lists_take_turns() {
    let mut mesh = Mesh::new(1, Limits { expiries_per_step: 10, ..Limits::default() });
    set(&mut mesh, TEAM, &people(&[1, 2, 3])).unwrap();
    set(&mut mesh, OFFICE, &people(&[1])).unwrap();
    let groups: Vec<_> = (0..20).map(|_| mesh.watcher(0).1).collect();
    for (nth, &group) in groups.iter().enumerate() {
        let list = if nth == 19 { OFFICE } else { TEAM };
        mesh.shards[0].subscribe_list(group, View::PLAIN, list).unwrap();
    }
    set(&mut mesh, OFFICE, &people(&[9])).unwrap();
    let mut steps = 0;
    while !mesh.shards[0].is_idle() || steps < 3 {
        // It changes all the time for a while, and nobody is forgotten for that.
        if steps < 40 {
            set(&mut mesh, TEAM, &people(&[steps + 10, steps + 11])).unwrap();
        }
        let before = mesh.shards[0].population().subscriptions;
        mesh.turn(1_024);
        assert!(before.abs_diff(mesh.shards[0].population().subscriptions) <= 20);
        steps += 1;
        if steps == 3 {
            assert_eq!(watched(&mesh, groups[19]), [9]);
        }
        while let Some(ready) = mesh.shards[0].next_ready() {
            mesh.hear(0, ready);
        }
        assert!(steps < 100, "it never comes to an end");
    }
    assert!(groups[..19].iter().all(|&group| watched(&mesh, group) == [49, 50]));
    mesh.verify();
}

proptest! {
    /// Lists, as a plain model expands them: whatever is set in whatever order, there is no cycle, and all agree.
    #[test]
    fn lists_are_what_a_simple_model_says(edits in proptest::collection::vec((0u64..6, proptest::collection::vec((0u64..6, any::<bool>()), 0..4)), 1..40)) {
        let mut mesh = Mesh::new(1, Limits { list_depth: 64, ..Limits::default() });
        let mut model: Vec<Vec<ListEntry>> = vec![Vec::new(); 6];
        (0..6).for_each(|list| set(&mut mesh, ListId(list), &[]).unwrap());
        fn reach(model: &[Vec<ListEntry>], list: u64, met: &mut BTreeSet<u64>, members: &mut BTreeSet<PresentityId>) {
            for entry in &model[list as usize] {
                match *entry {
                    ListEntry::Presentity(member) => { members.insert(member); }
                    ListEntry::List(ListId(nested)) => if met.insert(nested) { reach(model, nested, met, members) },
                }
            }
        }
        for (list, entries) in edits {
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(id, is_list)| if is_list { ListEntry::List(ListId(id)) } else { ListEntry::Presentity(PresentityId::new(id + 1)) })
                .collect();
            let before = std::mem::replace(&mut model[list as usize], entries.clone());
            let mut met = BTreeSet::new();
            reach(&model, list, &mut met, &mut BTreeSet::new());
            let done = set(&mut mesh, ListId(list), &entries);
            if met.contains(&list) {
                prop_assert_eq!(done, Err(Error::ListCycle(ListId(list))));
                model[list as usize] = before;
            } else {
                prop_assert_eq!(done, Ok(()));
            }
            for list in 0..6 {
                let mut members = BTreeSet::new();
                reach(&model, list, &mut BTreeSet::new(), &mut members);
                let found: BTreeSet<_> = mesh.shards[0].list_members(ListId(list)).unwrap().into_iter().collect();
                prop_assert_eq!(found, members);
            }
        }
    }
}
