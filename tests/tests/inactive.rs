//! XEP-0352 and batches: a watcher that nobody looks at is told nothing, and then what has changed, together.

use fanfare_core::{Error, Limits, PresentityId, Tick, View};
use fanfare_tests::mesh::{Heard, Mesh};

const MINUTE_US: u64 = 60_000_000;

/// What the one watcher that is ready is told; nothing if none is.
fn told_if_ready(mesh: &mut Mesh) -> Vec<Heard> {
    mesh.settle();
    let ready = mesh.shards[0].next_ready();
    ready.map_or_else(Vec::new, |watcher| mesh.hear(0, watcher))
}

#[test]
fn a_watcher_inactive_for_ten_minutes_gets_exactly_what_changed_newest_state_in_one_batch() {
    let mut mesh = Mesh::new(2, Limits::default());
    let contacts: Vec<PresentityId> = (0..80).map(|nth| mesh.presentity_at(nth % 2, nth / 2)).collect();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &contacts).unwrap();
    for &contact in &contacts {
        mesh.publish(0, contact, b"before");
        mesh.settle();
    }
    assert_eq!(told_if_ready(&mut mesh).len(), 80);

    mesh.shards[0].set_active(watcher, false).unwrap();
    // All are busy, every second; sixteen of them, on both shards, come back to what they were, and that is a change, too.
    let mut round = 0;
    while mesh.now < 10 * MINUTE_US {
        mesh.now += 1_000_000;
        round += 1;
        for &contact in contacts.iter().skip(8) {
            mesh.publish(0, contact, format!("round {round}").as_bytes());
        }
        mesh.settle();
        assert_eq!(mesh.shards[0].next_ready(), None, "round {round}");
    }
    for &contact in contacts.iter().skip(64) {
        mesh.publish(0, contact, b"before");
    }
    mesh.settle();
    assert_eq!((mesh.shards[0].is_active(watcher), mesh.shards[0].is_idle()), (Some(false), true));
    mesh.verify();

    mesh.shards[0].set_active(watcher, true).unwrap();
    let heard = told_if_ready(&mut mesh);
    let mut told: Vec<_> = heard.iter().map(|heard| heard.presentity).collect();
    let mut changed = contacts[8..].to_vec();
    told.sort_unstable();
    changed.sort_unstable();
    assert_eq!(told, changed, "each that changed, once");
    let newest = format!("round {round}").into_bytes();
    for heard in &heard {
        let came_back = contacts[64..].contains(&heard.presentity);
        let due: &[u8] = if came_back { b"before" } else { &newest };
        assert_eq!(heard.document.as_deref(), Some(due));
        assert_eq!((heard.first, heard.skipped), (false, round - u32::from(!came_back)));
    }
    assert_eq!(told_if_ready(&mut mesh), []);
    mesh.verify();
}

#[test]
fn who_was_told_nothing_yet_is_told_first_states_when_he_looks() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].set_active(watcher, false).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    assert_eq!(told_if_ready(&mut mesh), []);
    mesh.shards[0].set_active(watcher, true).unwrap();
    assert!(told_if_ready(&mut mesh)[0].first);
    // To say it again is nothing; nor does a socket that takes bytes wake one at whom nobody looks.
    mesh.shards[0].set_active(watcher, true).unwrap();
    assert_eq!(mesh.shards[0].next_ready(), None);
    mesh.publish(0, ken, b"new");
    mesh.settle();
    mesh.shards[0].set_active(watcher, false).unwrap();
    assert_eq!(mesh.shards[0].next_ready(), None);
    mesh.shards[0].writable(watcher);
    assert_eq!(mesh.shards[0].next_ready(), None);
    assert_eq!(mesh.hear(0, watcher).len(), 1, "who is asked by name answers");
    mesh.verify();
    assert!(mesh.shards[0].close_watcher(watcher));
    assert_eq!(mesh.shards[0].set_active(watcher, true), Err(Error::NoSuchWatcher(watcher)));
    let (next, _) = mesh.watcher(0);
    assert_eq!((next.index(), mesh.shards[0].is_active(next)), (watcher.index(), Some(true)), "a new one looks");
}

#[test]
fn a_watcher_is_told_in_batches_as_far_apart_as_it_asked_for() {
    let mut mesh = Mesh::new(1, Limits { notes_per_ready: 2, ..Limits::default() });
    let contacts: Vec<PresentityId> = (0..5).map(|nth| mesh.presentity_at(0, nth)).collect();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &contacts).unwrap();
    mesh.shards[0].pace_watcher(watcher, 1_000).unwrap();
    // A batch that is cut for the sake of others goes on.
    assert_eq!([(); 4].map(|()| told_if_ready(&mut mesh).len()), [2, 2, 1, 0]);
    for round in 0..3 {
        mesh.now += 500;
        for &contact in &contacts {
            mesh.publish(0, contact, format!("{round}").as_bytes());
        }
        assert_eq!(told_if_ready(&mut mesh), [], "half of the gap is over");
        assert_eq!(
            mesh.shards[0].step(Tick::from_micros(mesh.now), 1).deadline,
            Some(Tick::from_micros(mesh.now + 500))
        );
        mesh.now += 500;
        assert_eq!([(); 4].map(|()| told_if_ready(&mut mesh).len()), [2, 2, 1, 0], "round {round}");
    }
    mesh.publish(0, contacts[0], b"last");
    assert_eq!(told_if_ready(&mut mesh), []);
    mesh.shards[0].pace_watcher(watcher, 0).unwrap();
    assert_eq!(told_if_ready(&mut mesh).len(), 1, "from now on as changes come");
    let beyond = Limits::default().gap_us_max + 1;
    assert!(matches!(mesh.shards[0].pace_watcher(watcher, beyond), Err(Error::Rate(_))));
    mesh.verify();
}

#[test]
fn xep_0386_a_session_is_bound_or_resumed_with_its_presence_and_looking_away_in_one_turn() {
    let mut mesh = Mesh::new(2, Limits::default());
    let (ken, me) = (mesh.presentity_at(1, 0), mesh.presentity_at(0, 0));
    mesh.publish(0, ken, b"open");
    mesh.settle();
    // Bound: the session is registered and counted, says its own presence, watches, and does not look, before a step is made.
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].track(watcher, 16).unwrap();
    mesh.publish(0, me, b"here");
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken, me]).unwrap();
    mesh.shards[0].gather(group, 1_000).unwrap();
    mesh.shards[0].set_active(watcher, false).unwrap();
    assert_eq!(told_if_ready(&mut mesh), [], "nobody looks");
    mesh.shards[0].set_active(watcher, true).unwrap();
    let told = [told_if_ready(&mut mesh), told_if_ready(&mut mesh)].concat();
    assert_eq!(told.len(), 2, "its own presence is among it");
    // Resumed, and looking away at once.
    mesh.shards[0].acknowledge(watcher, 2).unwrap();
    let token = mesh.shards[0].park(watcher, 1_000_000, 7).unwrap();
    mesh.publish(0, ken, b"away");
    assert_eq!(told_if_ready(&mut mesh), []);
    let resumed = mesh.shards[0].resume(token, 2, 0).unwrap();
    mesh.shards[0].set_active(resumed, false).unwrap();
    assert_eq!(told_if_ready(&mut mesh), []);
    mesh.shards[0].set_active(resumed, true).unwrap();
    assert_eq!(told_if_ready(&mut mesh).len(), 1);
    mesh.verify();
}
