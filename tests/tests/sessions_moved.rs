//! XEP-0198: a watcher whose connection is lost comes back to another shard.

use fanfare_core::{
    Bound, Categories, Category, Change, Decision, EndpointId, EndpointPublication, Error, Identity, Limits, ListEntry,
    ListId, Policy, PolicyEdit, PresentityId, Rate, Scheme, SessionRefused, Status, Tick, Trigger, View, Who, presence,
    status,
};
use fanfare_tests::mesh::Mesh;
use fanfare_tests::sessions::{MINUTE_US, SECRET, change, sorted, told_if_ready, watching, whom};

#[test]
fn xep_0198_who_resumes_on_another_shard_is_told_what_is_owed_and_nothing_twice_that_it_has_taken_in() {
    for is_watched_there in [false, true] {
        let (mut mesh, contacts, watcher, _) = watching(3, 60, 100);
        if is_watched_there {
            let (other, group) = mesh.watcher(2);
            mesh.shards[2].subscribe(group, View::PLAIN, &contacts).unwrap();
            mesh.settle();
            assert_eq!(mesh.hear(2, other).len(), 60);
            mesh.shards[2].set_active(other, false).unwrap();
        }
        change(&mut mesh, &contacts[..6], b"unacknowledged");
        let heard = told_if_ready(&mut mesh, 0);
        let (acknowledged, missed) = heard.split_at(2);
        let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
        change(&mut mesh, &contacts[10..15], b"changed while parked");
        let session = mesh.shards[0].take_session(token, 62).unwrap();
        assert_eq!((session.subscriptions(), session.until()), (60, Tick::from_micros(MINUTE_US)));
        assert_eq!(mesh.shards[0].population().watchers, 0, "it is closed first");
        change(&mut mesh, &contacts[15..20], b"changed between");

        let resumed = mesh.shards[2].open_session(session, 7).unwrap();
        let heard = told_if_ready(&mut mesh, 2);
        let due = [&whom(missed)[..], &contacts[10..20]].concat();
        assert_eq!(whom(&heard), sorted(&due), "watched there: {is_watched_there}");
        for heard in &heard {
            let before = missed.iter().find(|missed| missed.presentity == heard.presentity);
            let newest: &[u8] = match contacts.iter().position(|&contact| contact == heard.presentity) {
                Some(10..15) => b"changed while parked",
                Some(15..20) => b"changed between",
                _ => b"unacknowledged",
            };
            assert_eq!(heard.document.as_deref(), Some(newest));
            assert!(heard.first && before.is_none_or(|before| before.stamp <= heard.stamp));
        }
        assert_eq!(mesh.shards[2].told_count(resumed), Some(62 + heard.len() as u32));
        // From here on it is a watcher like others, and what it had taken in is told when it changes.
        assert_eq!(told_if_ready(&mut mesh, 2), []);
        let first = acknowledged[0].presentity;
        change(&mut mesh, &[first], b"after");
        let heard = told_if_ready(&mut mesh, 2);
        assert_eq!((whom(&heard), heard[0].first, heard[0].skipped), (vec![first], false, 0));
    }
}

#[test]
fn a_resumed_subscription_is_silent_where_what_is_known_is_older_than_what_it_was_shown() {
    let (mut mesh, contacts, watcher, _) = watching(2, 1, 8);
    let (other, group) = mesh.watcher(1);
    mesh.shards[1].subscribe(group, View::PLAIN, &contacts).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(1, other).len(), 1);
    // The home's own watchers hear of a change, and it does not get any further.
    mesh.publish(0, contacts[0], b"newer");
    mesh.shards[0].step(Tick::from_micros(mesh.now), 1_024);
    let shown = mesh.hear(0, watcher);
    assert_eq!(shown[0].document.as_deref(), Some(&b"newer"[..]));
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 1).unwrap();
    let resumed = mesh.shards[1].open_session(session, 0).unwrap();
    // It is owed the newest again; what this shard has is older.
    for _ in 0..3 {
        mesh.shards[1].step(Tick::from_micros(mesh.now), 1_024);
        assert_eq!(mesh.hear(1, resumed), []);
    }
    mesh.verify();
    mesh.settle();
    let heard = mesh.hear(1, resumed);
    assert_eq!((heard.len(), heard[0].document.as_deref()), (1, Some(&b"newer"[..])));
    assert!(heard[0].stamp >= shown[0].stamp);
    assert_eq!(mesh.hear(1, other).len(), 1, "and others hear of it as ever");
    mesh.verify();
}

#[test]
fn who_was_parked_before_a_first_state_is_told_it_elsewhere() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].track(watcher, 4).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 0).unwrap();
    let resumed = mesh.shards[1].open_session(session, 0).unwrap();
    // It is lost and moved once more, before its new shard has heard anything.
    let token = mesh.shards[1].park(resumed, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[1].take_session(token, 0).unwrap();
    mesh.shards[0].open_session(session, 0).unwrap();
    let heard = told_if_ready(&mut mesh, 0);
    assert_eq!((heard.len(), heard[0].first, heard[0].document.as_deref()), (1, true, None));
}

#[test]
fn what_has_not_settled_after_one_move_is_told_after_the_next() {
    let (mut mesh, contacts, watcher, _) = watching(2, 8, 8);
    change(&mut mesh, &contacts[..2], b"unacknowledged");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 2);
    change(&mut mesh, &contacts[2..4], b"untold");
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 8).unwrap();
    let resumed = mesh.shards[1].open_session(session, 0).unwrap();
    let token = mesh.shards[1].park(resumed, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[1].take_session(token, 8).unwrap();
    mesh.shards[0].open_session(session, 0).unwrap();
    assert_eq!(whom(&told_if_ready(&mut mesh, 0)), sorted(&contacts[..4]));
    assert_eq!(told_if_ready(&mut mesh, 0), []);
}

#[test]
fn a_session_that_a_shard_has_no_room_for_comes_back_whole_and_opens_elsewhere() {
    let (mut mesh, contacts, watcher, _) = watching(1, 20, 100);
    change(&mut mesh, &contacts[..2], b"unacknowledged");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 2);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let mut session = mesh.shards[0].take_session(token, 20).unwrap();
    let limits = [
        (Limits { subscriptions_per_group: 19, ..Limits::default() }, Bound::SubscriptionsPerGroup, 19),
        (Limits { subscriptions: 16, ..Limits::default() }, Bound::Subscriptions, 16),
        (Limits { topics: 19, ..Limits::default() }, Bound::Topics, 19),
        (Limits { unacknowledged_per_watcher: 99, ..Limits::default() }, Bound::Unacknowledged, 99),
    ];
    for (limits, bound, limit) in limits {
        let mut small = Mesh::new(1, limits);
        let SessionRefused { session: whole, why } = small.shards[0].open_session(session, 0).unwrap_err();
        assert_eq!(why, Error::Limit { bound, limit });
        small.settle();
        let left = small.shards[0].population();
        assert_eq!((left.watchers, left.groups, left.subscriptions, left.topics), (0, 0, 0, 0), "{bound}");
        small.verify();
        session = whole;
    }
    mesh.shards[0].open_session(session, 0).unwrap();
    assert_eq!(whom(&told_if_ready(&mut mesh, 0)), sorted(&contacts[..2]));
}

#[test]
fn a_session_that_is_opened_too_late_is_refused() {
    let (mut mesh, _, watcher, _) = watching(2, 2, 4);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 2).unwrap();
    mesh.now += MINUTE_US;
    mesh.settle();
    let refused = mesh.shards[1].open_session(session, 0).unwrap_err();
    assert_eq!(refused.why, Error::NoSuchSession);
    assert_eq!(mesh.shards[1].population().watchers, 0);
}

#[test]
fn groups_move_with_filter_rate_and_expiry() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (state, note) = (Category::FIRST, Category::new(1).unwrap());
    let watcher = mesh.shards[0].open_watcher(1).unwrap();
    mesh.shards[0].track(watcher, 8).unwrap();
    let group = mesh.shards[0].open_group(watcher, 5, Categories::only(note)).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    let rate = Rate { gap_us_min: 1_000, ..Rate::default() };
    mesh.shards[0].set_rate(group, rate).unwrap();
    let expires = mesh.shards[0].renew_group(group, 2 * MINUTE_US).unwrap();
    mesh.publish_category(ken, note, "note");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 1);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 1).unwrap();
    let resumed = mesh.shards[1].open_session(session, 2).unwrap();
    let groups: Vec<_> = mesh.shards[1].groups(resumed).collect();
    assert_eq!((groups.len(), groups[0].1), (1, 5));
    assert_eq!(told_if_ready(&mut mesh, 1), []);

    mesh.publish_category(ken, state, "unwanted");
    assert_eq!(told_if_ready(&mut mesh, 1), []);
    mesh.publish_category(ken, note, "wanted");
    assert_eq!(told_if_ready(&mut mesh, 1)[0].told(), [note]);
    mesh.now += 1;
    mesh.publish_category(ken, note, "too early");
    assert_eq!(told_if_ready(&mut mesh, 1), []);
    mesh.now += 1_000;
    assert_eq!(told_if_ready(&mut mesh, 1).len(), 1);
    mesh.now = expires.as_micros();
    mesh.settle();
    assert_eq!(mesh.shards[1].next_ended().map(|ended| ended.group_token), Some(5));
}

#[test]
fn a_list_is_followed_while_its_watcher_is_parked_and_where_it_comes_to() {
    let mut mesh = Mesh::new(2, Limits::default());
    let contacts: Vec<PresentityId> = (0..4).map(|nth| mesh.presentity_at(nth % 2, nth / 2)).collect();
    let team = ListId(1);
    let entries = |of: &[PresentityId]| of.iter().copied().map(ListEntry::Presentity).collect::<Vec<_>>().into();
    mesh.shards[0].set_list(team, entries(&contacts[..2])).unwrap();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].track(watcher, 8).unwrap();
    mesh.shards[0].subscribe_list(group, View::PLAIN, team).unwrap();
    mesh.shards[0].gather(group, 1_000).unwrap();
    assert_eq!(told_if_ready(&mut mesh, 0), [], "its turn finds that it gathers, and has it looked at");
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 2);
    assert_eq!(mesh.shards[0].list_version(group), Some(1));
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    mesh.now += 1;
    mesh.shards[0].set_list(team, entries(&contacts[..3])).unwrap();
    mesh.settle();
    let resumed = mesh.shards[0].resume(token, 2, 0).unwrap();
    assert_eq!(whom(&told_if_ready(&mut mesh, 0)), contacts[2..3]);

    let token = mesh.shards[0].park(resumed, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 3).unwrap();
    let SessionRefused { session, why } = mesh.shards[1].open_session(session, 0).unwrap_err();
    assert_eq!(why, Error::NoSuchList(team), "nobody has said there who is on it");
    mesh.shards[1].set_list(team, entries(&contacts[1..])).unwrap();
    let resumed = mesh.shards[1].open_session(session, 0).unwrap();
    assert_eq!(whom(&told_if_ready(&mut mesh, 1)), contacts[3..]);
    let (group, _) = mesh.shards[1].groups(resumed).next().unwrap();
    assert_eq!(mesh.shards[1].subscriptions(group).count(), 3);
    assert_eq!(mesh.shards[1].list_version(group), Some(3), "it is counted on");
}

#[test]
fn a_list_that_moves_while_it_gathers_is_told_together_where_it_comes_to() {
    let mut mesh = Mesh::new(2, Limits::default());
    let contacts: Vec<PresentityId> = (0..2).map(|nth| mesh.presentity_at(nth, 0)).collect();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].track(watcher, 8).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &contacts).unwrap();
    mesh.shards[0].gather(group, 1_000).unwrap();
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 0).unwrap();
    let resumed = mesh.shards[1].open_session(session, 0).unwrap();
    // Its own shard's presentity is known at once, and waits for the other.
    mesh.shards[1].step(Tick::from_micros(mesh.now), 1_024);
    assert_eq!(mesh.hear(1, resumed), []);
    mesh.settle();
    assert_eq!(mesh.shards[1].next_gathered().map(|it| (it.watcher, it.pending)), Some((resumed, 0)));
    assert_eq!(whom(&told_if_ready(&mut mesh, 1)), sorted(&contacts));
}

#[test]
fn policy_is_asked_again_where_a_session_comes_to() {
    let scheme =
        Scheme::open_and_offline(&["state"], presence::composition::MostAvailable, Decision::Show(Scheme::OPEN));
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme.unwrap());
    let (ken, bob) = (mesh.presentity_at(0, 0), PresentityId::new(99));
    let status = Status::new(status::Availability::AVAILABLE);
    mesh.endpoint(0, EndpointPublication::create(ken, EndpointId(1), status, 600 * MINUTE_US)).unwrap();
    let (watcher, group) = mesh.watcher_for(0, Identity::of(bob));
    mesh.shards[0].track(watcher, 8).unwrap();
    mesh.shards[0].watch(group, &[ken]).unwrap();
    assert_eq!(told_if_ready(&mut mesh, 0)[0].view, Scheme::OPEN);
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 1).unwrap();
    // While it is nowhere, it is blocked; nobody watches any more, so nobody has to apply that.
    let policy = Policy::first_match([(Who::User(bob), Decision::Block)], Decision::Show(Scheme::OPEN));
    mesh.policy(0, PolicyEdit::new(ken, ken, policy));
    let resumed = mesh.shards[1].open_session(session, 0).unwrap();
    let heard = told_if_ready(&mut mesh, 1);
    assert_eq!((heard.len(), heard[0].view, heard[0].parts.len()), (1, View::BLOCKED, 0));
    assert_eq!(mesh.hear(1, resumed), []);
}

/// Fires when the newest state says so.
#[derive(Debug)]
struct Loud;

impl Trigger for Loud {
    fn fires(&self, change: &Change<'_>) -> bool {
        change.after.is_some_and(|after| after.starts_with(b"loud"))
    }
}

#[test]
fn a_trigger_moves_with_its_group() {
    let (mut mesh, contacts, watcher, group) = watching(2, 1, 8);
    mesh.shards[0].set_trigger(group, Some(std::sync::Arc::new(Loud))).unwrap();
    assert_eq!(told_if_ready(&mut mesh, 0).len(), 1, "all is told again to whom it is new");
    let token = mesh.shards[0].park(watcher, MINUTE_US, SECRET).unwrap();
    let session = mesh.shards[0].take_session(token, 2).unwrap();
    mesh.shards[1].open_session(session, 0).unwrap();
    assert_eq!(told_if_ready(&mut mesh, 1), []);
    change(&mut mesh, &contacts, b"quiet");
    assert_eq!(told_if_ready(&mut mesh, 1), []);
    change(&mut mesh, &contacts, b"loud");
    assert_eq!(whom(&told_if_ready(&mut mesh, 1)), contacts);
}
