//! XEP-0198: a watcher whose connection is lost comes back, here or on another shard, and is told what it has missed.

use fanfare_core::{
    Categories, Decision, EndpointId, EndpointPublication, Error, Identity, Limits, PresentityId, ResumeToken, Scheme,
    Status, Tick, View, presence, status,
};
use fanfare_tests::mesh::Mesh;
use fanfare_tests::sessions::{MINUTE_US, SECRET, change, sorted, told_if_ready, watching, whom};

#[test]
fn xep_0198_who_resumes_is_told_what_came_after_the_acknowledged_note_and_what_has_changed_in_one_batch() {
    let (mut mesh, contacts, watcher, group) = watching(2, 40, 100);
    // Eight are told and not acknowledged beyond the third of them.
    change(&mut mesh, &contacts[..8], b"unacknowledged");
    let heard = told_if_ready(&mut mesh, 0);
    assert_eq!((heard.len(), mesh.shards[0].told_count(watcher)), (8, Some(48)));
    let missed: Vec<PresentityId> = heard[3..].iter().map(|heard| heard.presentity).collect();
    // One change is on its way to be told when the connection is lost.
    change(&mut mesh, &contacts[8..9], b"untold");
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    for round in 0..5 {
        change(&mut mesh, &contacts[7..12], format!("round {round}").as_bytes());
        assert_eq!(told_if_ready(&mut mesh, 0), [], "it is parked");
        assert!(mesh.shards[0].is_idle());
    }

    let resumed = mesh.shards[0].resume(token, 43, 7).unwrap();
    assert_ne!(resumed, watcher);
    let heard = told_if_ready(&mut mesh, 0);
    let due: Vec<PresentityId> = [&missed[..], &contacts[8..12]].concat();
    assert_eq!(whom(&heard), sorted(&due), "each once");
    for heard in &heard {
        let is_changed = contacts[7..12].contains(&heard.presentity);
        let newest: &[u8] = if is_changed { b"round 4" } else { b"unacknowledged" };
        assert_eq!(heard.document.as_deref(), Some(newest));
        assert_eq!(heard.first, missed.contains(&heard.presentity), "what is told again is told whole");
    }
    // Those that changed as well are told as changes; the others, and only they, are repeats.
    let repeated = missed.iter().filter(|missed| !contacts[7..12].contains(missed)).count() as u64;
    assert_eq!(mesh.shards[0].counters().repeated, repeated);
    assert_eq!(told_if_ready(&mut mesh, 0), []);

    // Notes are counted on from the acknowledged one, as those that are told again take their old places.
    assert_eq!(mesh.shards[0].told_count(resumed), Some(43 + heard.len() as u32));
    assert_eq!(mesh.shards[0].groups(resumed).collect::<Vec<_>>(), [(group, 0)]);
    assert_eq!((mesh.shards[0].subscriptions(group).count(), mesh.shards[0].watcher_token(resumed)), (40, Some(7)));
}

#[test]
fn who_has_missed_nothing_is_told_nothing_again() {
    let (mut mesh, contacts, watcher, _) = watching(1, 20, 8);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    mesh.shards[0].resume(token, 20, 0).unwrap();
    assert_eq!(told_if_ready(&mut mesh, 0), []);
    change(&mut mesh, &contacts[..1], b"after");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 1, "it goes on as before");
}

#[test]
fn who_missed_more_than_is_remembered_is_told_everything_again_once() {
    let (mut mesh, contacts, watcher, _) = watching(2, 40, 4);
    change(&mut mesh, &contacts[..5], b"unacknowledged");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 5);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let resumed = mesh.shards[0].resume(token, 40, 0).unwrap();
    let heard = told_if_ready(&mut mesh, 0);
    assert_eq!(whom(&heard), sorted(&contacts));
    assert!(heard.iter().all(|heard| heard.first));
    assert_eq!(told_if_ready(&mut mesh, 0), []);

    // Once enough of them were acknowledged, the rest is remembered again.
    mesh.shards[0].acknowledge(resumed, 76).unwrap();
    let token = mesh.shards[0].park(resumed, MINUTE_US, SECRET).unwrap();
    mesh.shards[0].resume(token, 76, 0).unwrap();
    assert_eq!(whom(&told_if_ready(&mut mesh, 0)), whom(&heard[36..]));
}

#[test]
fn a_count_that_was_never_told_and_one_that_goes_back_are_refused_and_change_nothing() {
    let (mut mesh, contacts, watcher, _) = watching(1, 3, 8);
    let future = Error::Acknowledged { acknowledged: 4, before: 3, told: 3 };
    assert_eq!(mesh.shards[0].acknowledge(watcher, 4), Err(future));
    let back = Error::Acknowledged { acknowledged: 2, before: 3, told: 3 };
    assert_eq!(mesh.shards[0].acknowledge(watcher, 2), Err(back));
    mesh.shards[0].acknowledge(watcher, 3).unwrap();
    change(&mut mesh, &contacts[..1], b"after");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 1);

    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    assert!(matches!(mesh.shards[0].resume(token, 5, 0), Err(Error::Acknowledged { told: 4, .. })));
    assert!(matches!(mesh.shards[0].take_session(token, 5), Err(Error::Acknowledged { told: 4, .. })));
    assert_eq!(told_if_ready(&mut mesh, 0), [], "it is parked still");
    mesh.shards[0].resume(token, 3, 0).unwrap();
    assert_eq!(whom(&told_if_ready(&mut mesh, 0)), contacts[..1]);
}

#[test]
fn a_token_of_another_a_used_one_and_a_late_one_resume_nobody() {
    let mut mesh = Mesh::new(2, Limits::default());
    let parked = |mesh: &mut Mesh, shard: usize, token: u64, secret: u64| {
        let watcher = mesh.shards[shard].open_watcher(token).unwrap();
        assert_eq!(mesh.shards[shard].park(watcher, MINUTE_US, secret), Err(Error::NotTracked(watcher)));
        mesh.shards[shard].track(watcher, 4).unwrap();
        mesh.shards[shard].park(watcher, MINUTE_US, secret).unwrap()
    };
    let (bob, eve) = (parked(&mut mesh, 0, 1, SECRET), parked(&mut mesh, 0, 2, 99));
    assert!(!format!("{bob:?}").contains(&format!("{SECRET:x}")) && !format!("{bob:?}").contains(&SECRET.to_string()));
    assert_eq!((mesh.shards[0].parked(bob), mesh.shards[0].parked(eve)), (Some(1), Some(2)));
    // Every bit of a token counts; and what is good on one shard is nothing on another.
    for bit in 0..128 {
        let wrong = ResumeToken::from_bits(bob.to_bits() ^ 1 << bit);
        assert_eq!(mesh.shards[0].resume(wrong, 0, 0), Err(Error::NoSuchSession), "bit {bit}");
        assert_eq!(mesh.shards[0].parked(wrong), None);
    }
    let low = u128::from(u64::MAX);
    let mixed = ResumeToken::from_bits(bob.to_bits() & low | eve.to_bits() & !low);
    assert_eq!(mesh.shards[0].resume(mixed, 0, 0), Err(Error::NoSuchSession), "with the secret of another");
    assert_eq!(mesh.shards[1].resume(bob, 0, 0), Err(Error::NoSuchSession));

    let token = ResumeToken::from_bits(bob.to_bits());
    let resumed = mesh.shards[0].resume(token, 0, 3).unwrap();
    assert_eq!(mesh.shards[0].resume(token, 0, 3), Err(Error::NoSuchSession), "it was used");
    assert!(matches!(mesh.shards[0].take_session(token, 0), Err(Error::NoSuchSession)));
    let again = mesh.shards[0].park(resumed, MINUTE_US, SECRET).unwrap();
    assert_eq!(mesh.shards[0].resume(token, 0, 3), Err(Error::NoSuchSession), "it was parked again, under another");
    mesh.now += MINUTE_US - 1;
    mesh.settle();
    assert!(mesh.shards[0].resume(again, 0, 3).is_ok());
    mesh.now += 1;
    mesh.settle();
    assert_eq!(mesh.shards[0].resume(eve, 0, 0), Err(Error::NoSuchSession), "it comes too late");
    mesh.verify();
}

#[test]
fn a_parked_watcher_is_told_nothing_and_its_id_does_nothing() {
    let (mut mesh, contacts, watcher, _) = watching(1, 2, 8);
    change(&mut mesh, &contacts, b"after");
    mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    assert_eq!(mesh.hear(0, watcher), []);
    assert!(!mesh.shards[0].close_watcher(watcher));
    assert_eq!(mesh.shards[0].acknowledge(watcher, 3), Err(Error::NoSuchWatcher(watcher)));
    assert_eq!(mesh.shards[0].park(watcher, 1, 1), Err(Error::NoSuchWatcher(watcher)));
    // What tells who watches whom names it, and even that id does nothing.
    let (named, _, _) = mesh.shards[0].watchers_of(contacts[0]).next().unwrap();
    assert_eq!(mesh.hear(0, named), []);
    assert_eq!(mesh.shards[0].set_active(named, true), Err(Error::NoSuchWatcher(named)));
    mesh.shards[0].writable(named);
    assert_eq!(told_if_ready(&mut mesh, 0), []);
}

#[test]
fn who_is_not_resumed_in_time_is_closed_bounded_and_told_of() {
    let limits = Limits { expiries_per_step: 10, park_us_max: MINUTE_US, ..Limits::default() };
    let mut mesh = Mesh::new(1, limits);
    let contacts: Vec<PresentityId> = (0..30).map(|nth| mesh.presentity_at(0, nth)).collect();
    for token in 0..3 {
        let watcher = mesh.shards[0].open_watcher(token).unwrap();
        mesh.shards[0].track(watcher, 4).unwrap();
        for _ in 0..2 {
            let group = mesh.shards[0].open_group(watcher, token, Categories::ALL).unwrap();
            mesh.shards[0].subscribe(group, View::PLAIN, &contacts).unwrap();
        }
        // Asked for are hours, and granted is a minute.
        mesh.shards[0].park(watcher, 600 * MINUTE_US, SECRET).unwrap();
    }
    mesh.settle();
    assert_eq!(mesh.shards[0].deadline(), Some(Tick::from_micros(MINUTE_US)));
    mesh.now = MINUTE_US;
    // A step ends one group of thirty, or a watcher that has none left.
    let mut ended = Vec::new();
    let mut steps = 0;
    while mesh.shards[0].population().watchers != 0 {
        let before = mesh.shards[0].population();
        assert!(mesh.shards[0].step(Tick::from_micros(mesh.now), 1).more || before.groups <= 1);
        let after = mesh.shards[0].population();
        assert!(before.groups - after.groups <= 1, "{before:?} became {after:?} in a step");
        ended.extend(std::iter::from_fn(|| mesh.shards[0].next_ended_session()));
        mesh.verify();
        steps += 1;
        assert!(steps < 20);
    }
    let until = Tick::from_micros(MINUTE_US);
    let mut tokens: Vec<u64> = ended.iter().filter(|it| it.until == until).map(|it| it.watcher_token).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, [0, 1, 2]);
    assert_eq!(mesh.shards[0].counters().sessions_expired, 3);
    mesh.settle();
    assert_eq!((mesh.shards[0].population().subscriptions, mesh.shards[0].is_idle()), (0, true));
}

#[test]
fn what_was_unsubscribed_is_not_told_again_nor_is_whoever_has_its_place() {
    let (mut mesh, contacts, watcher, group) = watching(1, 3, 8);
    change(&mut mesh, &contacts, b"unacknowledged");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 3);
    mesh.shards[0].unsubscribe(group, &contacts).unwrap();
    // The place of the run is somebody else's now.
    let (other, others) = mesh.watcher(0);
    mesh.shards[0].subscribe(others, View::PLAIN, &contacts).unwrap();
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 3);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    mesh.shards[0].resume(token, 3, 0).unwrap();
    assert_eq!(told_if_ready(&mut mesh, 0), []);
    assert_eq!(mesh.hear(0, other), []);
}

#[test]
fn what_an_endpoint_publishes_lives_until_its_own_expiry_whatever_becomes_of_its_watcher() {
    let scheme =
        Scheme::open_and_offline(&["state"], presence::composition::MostAvailable, Decision::Show(Scheme::OPEN));
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme.unwrap());
    let ken = mesh.presentity_at(0, 0);
    let status = Status::new(status::Availability::AVAILABLE);
    mesh.endpoint(0, EndpointPublication::create(ken, EndpointId(1), status, 10 * MINUTE_US)).unwrap();
    // Ken's own session is lost and not resumed, and Bob goes on seeing what Ken's device has published.
    let (own, _) = mesh.watcher_for(0, Identity::of(ken));
    mesh.shards[0].track(own, 8).unwrap();
    mesh.shards[0].park(own, MINUTE_US, SECRET).unwrap();
    let (bob, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(99)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(0, bob)[0].rendition().entries.len(), 1);
    mesh.now += 2 * MINUTE_US;
    mesh.settle();
    assert!(mesh.shards[0].next_ended_session().is_some());
    assert_eq!(mesh.hear(0, bob), [], "it is no change of his presence");
    mesh.now += 8 * MINUTE_US;
    mesh.settle();
    assert_eq!(mesh.hear(0, bob).len(), 1, "that is one");
    mesh.verify();
}

#[test]
fn who_comes_back_after_looking_away_looks() {
    let (mut mesh, contacts, watcher, _) = watching(1, 2, 8);
    mesh.shards[0].set_active(watcher, false).unwrap();
    change(&mut mesh, &contacts, b"after");
    assert_eq!(told_if_ready(&mut mesh, 0), []);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let resumed = mesh.shards[0].resume(token, 2, 0).unwrap();
    assert_eq!(mesh.shards[0].is_active(resumed), Some(true));
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 2);
}

#[test]
fn a_frontend_that_was_full_when_its_connection_was_lost_need_not_say_that_it_is_writable() {
    let (mut mesh, contacts, watcher, _) = watching(1, 5, 8);
    change(&mut mesh, &contacts, b"after");
    let ready = mesh.shards[0].next_ready().unwrap();
    let heard = mesh.hear_some(0, ready, 2);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    mesh.shards[0].resume(token, 6, 0).unwrap();
    let again = told_if_ready(&mut mesh, 0);
    assert_eq!(again.len(), 4, "three that were untold, and one that was lost");
    assert!(whom(&again).contains(&heard[1].presentity));
}
