//! Limits: Lync's as a preset, value by value, with what is said past each; and limits changed while a shard runs.

use std::sync::Arc;

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Bound, Categories, Category, Decision, EndpointId, EndpointPublication, Error, Identity, Limits, Outcome,
    PresentityId, Publication, Refusal, Scheme, Shard, Status, Tick, View,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;
/// A whole second of the engine's, by which a group may live longer than was granted.
const SECOND_US: u64 = 1 << 20;
const ORGANISATION: u64 = 7;

fn ids(range: std::ops::Range<u64>) -> Vec<PresentityId> {
    range.map(PresentityId::new).collect()
}

fn limit(bound: Bound, limit: u64) -> Error {
    Error::Limit { bound, limit }
}

/// A shard of Lync's, its categories, containers and limits.
fn lync() -> Mesh {
    Mesh::with_scheme(1, Limits::lync_2013(), Scheme::lync(ORGANISATION))
}

fn colleague(number: u64) -> Arc<Identity> {
    Arc::new(Identity { organisation: ORGANISATION, ..Identity::of(PresentityId::new(number)) })
}

fn online(who: PresentityId, endpoint: u64, lifetime_us: u64) -> EndpointPublication {
    EndpointPublication::create(who, EndpointId(endpoint), Status::new(Availability::AVAILABLE), lifetime_us)
}

#[test]
fn lync_limits_are_those_that_are_documented() {
    let limits = Limits::lync_2013();
    assert_eq!(limits.validate(), Ok(()));
    assert_eq!(limits.presentities, 12_000, "users on a registrar");
    assert_eq!(limits.endpoints_per_presentity, 8);
    assert_eq!(limits.watchers, 12_000 * 8, "every endpoint of every user");
    assert_eq!((limits.subscriptions_per_watcher, limits.subscriptions_per_group), (250, 250), "contacts");
    assert_eq!(limits.groups_per_watcher, 200, "dialogs of a user");
    assert_eq!(limits.category_subscriptions_per_topic, 1_000);
    assert_eq!(limits.pending_per_presentity, 200, "prompted subscribers");
    assert_eq!(limits.group_lifetime_us_default, 8 * HOUR_US);
    assert_eq!(limits.group_lifetime_us_min, HOUR_US / 3);
    assert_eq!(limits.group_lifetime_us_max, 12 * HOUR_US);
    assert_eq!((limits.lifetime_us_min, limits.lifetime_us_max), (300_000_000, 900_000_000), "registrations");
    assert_eq!(limits.document_bytes, 25 * 1024);
}

#[test]
fn lync_quotas_250_contacts_in_200_dialogs_are_a_users_all() {
    let mut mesh = lync();
    let shard = &mut mesh.shards[0];
    let (watcher, who) = (shard.open_watcher(1).unwrap(), colleague(1));
    let open = |shard: &mut Shard| shard.open_group_for(watcher, 0, Categories::ALL, who.clone());
    // One batch of forty, as a client signs in, and a dialog each for others.
    let batch = open(shard).unwrap();
    assert_eq!(shard.watch(batch, &ids(100..140)), Ok(40));
    let mut dialogs: Vec<_> = (1..200).map(|_| open(shard).unwrap()).collect();
    assert_eq!(open(shard), Err(limit(Bound::GroupsPerWatcher, 200)));
    for (nth, &dialog) in dialogs.iter().enumerate() {
        assert_eq!(shard.watch(dialog, &ids(200 + nth as u64..201 + nth as u64)), Ok(1));
    }
    // 239 so far: eleven more, however they are asked for, and not twelve.
    assert_eq!(shard.watch(batch, &ids(500..512)), Err(limit(Bound::SubscriptionsPerWatcher, 250)));
    assert_eq!(shard.watch(batch, &ids(500..511)), Ok(11));
    assert_eq!(shard.watch(dialogs[0], &ids(600..601)), Err(limit(Bound::SubscriptionsPerWatcher, 250)));
    assert_eq!(shard.watch(batch, &ids(100..140)), Ok(0), "what is held is held");
    // Another user has room, and one who lets go has room again.
    let (_, other) = mesh.watcher_for(0, (*colleague(2)).clone());
    let shard = &mut mesh.shards[0];
    assert_eq!(shard.watch(other, &ids(1_000..1_250)), Ok(250));
    assert_eq!(shard.watch(other, &ids(2_000..2_001)), Err(limit(Bound::SubscriptionsPerGroup, 250)));
    assert!(shard.close_group(dialogs.pop().unwrap()));
    let another = open(shard).unwrap();
    assert_eq!(shard.watch(another, &ids(600..601)), Ok(1));
    mesh.verify();
}

#[test]
fn lync_quotas_the_201st_watcher_of_five_categories_polls() {
    let mut mesh = lync();
    let (ken, ada) = (PresentityId::new(1), PresentityId::new(2));
    mesh.endpoint(0, online(ken, 1, 900_000_000)).unwrap();
    for number in 0..200 {
        let (_, group) = mesh.watcher_for(0, (*colleague(100 + number)).clone());
        assert_eq!(mesh.shards[0].watch(group, &[ken]), Ok(1), "{number}");
    }
    let (_, late) = mesh.watcher_for(0, (*colleague(500)).clone());
    let shard = &mut mesh.shards[0];
    let refused = Error::Crowded { presentity: ken, limit: 1_000 };
    assert_eq!(shard.watch(late, &[ada, ken]), Err(refused), "1,000 / 5 is 200");
    assert_eq!(shard.subscriptions(late).count(), 0, "all or nothing, and the error names whom to leave out");
    assert_eq!(shard.watch(late, &[ada]), Ok(1));
    // Polls are not counted.
    for _ in 0..3 {
        mesh.shards[0].fetch_for(ken, colleague(500)).unwrap();
        let Outcome::Fetched(state) = mesh.outcome() else { panic!("a poll is answered") };
        assert!(!state.parts.is_empty());
    }
    // Who wants one category of five may be the 1,000th.
    let shard = &mut mesh.shards[0];
    let watcher = shard.open_watcher(0).unwrap();
    let modest = shard.open_group_for(watcher, 0, Categories::only(Category::FIRST), colleague(501)).unwrap();
    assert_eq!(shard.watch(modest, &[ken]), Ok(1));
    mesh.verify();
}

#[test]
fn lync_limits_lifetimes_are_granted_within_their_bounds() {
    let mut mesh = lync();
    let (_, group) = mesh.watcher_for(0, (*colleague(1)).clone());
    let shard = &mut mesh.shards[0];
    let granted = |expires: Tick, us: u64| (us..us + SECOND_US).contains(&expires.as_micros());
    assert!(granted(shard.renew_group_by_default(group).unwrap(), 8 * HOUR_US));
    assert!(granted(shard.renew_group(group, 24 * HOUR_US).unwrap(), 12 * HOUR_US));
    assert!(granted(shard.renew_group(group, HOUR_US / 3).unwrap(), HOUR_US / 3));
    assert_eq!(shard.renew_group(group, HOUR_US / 3 - 1), Err(Error::TooBrief { least_us: HOUR_US / 3 }));
    let ken = PresentityId::new(1);
    assert_eq!(mesh.endpoint(0, online(ken, 1, 299_999_999)), Err(Refusal::TooBrief { least_us: 300_000_000 }));
    assert_eq!(mesh.endpoint(0, online(ken, 1, HOUR_US)).unwrap().expires, Tick::from_micros(900_000_000));
}

#[test]
fn lync_limits_eight_endpoints_and_25_kilobytes() {
    let mut mesh = lync();
    let ken = PresentityId::new(1);
    for endpoint in 1..=8 {
        mesh.endpoint(0, online(ken, endpoint, 900_000_000)).unwrap();
    }
    let refused = Refusal::Limit { bound: Bound::Endpoints, limit: 8 };
    assert_eq!(mesh.endpoint(0, online(ken, 9, 900_000_000)), Err(refused));
    let of = |bytes: usize| online(ken, 1, 900_000_000).with(Category::FIRST, vec![0; bytes].into());
    assert!(mesh.endpoint(0, of(25 * 1024)).is_ok());
    assert_eq!(mesh.shards[0].publish_endpoint(of(25 * 1024 + 1)), Err(limit(Bound::DocumentBytes, 25 * 1024)));
}

#[test]
fn lync_limits_12_000_users_publish_on_a_registrar_and_200_wait_to_be_approved() {
    let mut mesh = lync();
    let shard = &mut mesh.shards[0];
    let mut accepted = 0;
    for number in 0..12_001 {
        while shard.publish_endpoint(online(PresentityId::new(number), 1, 900_000_000)).is_err() {
            shard.step(Tick::ZERO, 1);
            while let Some((_, outcome)) = shard.next_outcome() {
                accepted += u32::from(matches!(outcome, Outcome::Accepted(_)));
            }
        }
    }
    let last = mesh.settle().into_iter().map(|(_, outcome)| outcome).inspect(|outcome| {
        accepted += u32::from(matches!(outcome, Outcome::Accepted(_)));
    });
    let Some(Outcome::Refused(refusal)) = last.last() else { panic!("one more than there may be") };
    assert_eq!(refusal, Refusal::Limit { bound: Bound::Presentities, limit: 12_000 });
    assert_eq!(accepted, 12_000);

    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Confirm).unwrap();
    let mut mesh = Mesh::with_scheme(1, Limits::lync_2013(), scheme);
    for user in 0..=200 {
        mesh.shards[0].ask_owner(PresentityId::new(1), colleague(100 + user)).unwrap();
        match mesh.outcome() {
            Outcome::Decided(_) => assert!(user < 200),
            Outcome::Refused(refusal) => {
                assert_eq!((user, refusal), (200, Refusal::Limit { bound: Bound::Pending, limit: 200 }));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn limits_are_lowered_and_raised_while_a_shard_runs_and_what_is_there_stays() {
    let limits = Limits { watchers: 8, groups: 20, subscriptions: 640, topics: 100, credits: 8, ..Limits::default() };
    let mut mesh = Mesh::new(1, limits);
    let watchers: Vec<_> = (0..6).map(|_| mesh.watcher(0)).collect();
    for &(_, group) in &watchers {
        mesh.shards[0].subscribe(group, View::PLAIN, &ids(0..40)).unwrap();
    }
    for number in 0..6 {
        mesh.publish(0, PresentityId::new(number), b"on its way");
    }
    let shard = &mut mesh.shards[0];
    let low = Limits {
        watchers: 3,
        groups: 3,
        subscriptions: 32,
        subscriptions_per_group: 10,
        subscriptions_per_watcher: 20,
        groups_per_watcher: 1,
        category_subscriptions_per_topic: 2,
        topics: 7,
        credits: 2,
        document_bytes: 4,
        ..limits
    };
    shard.set_limits(low).unwrap();
    assert_eq!(shard.limits(), &low);
    assert_eq!(shard.population().subscriptions, 240, "what is there stays");
    assert_eq!(shard.open_watcher(0), Err(limit(Bound::Watchers, 3)));
    assert_eq!(shard.open_group(watchers[0].0, 0, Categories::ALL), Err(limit(Bound::GroupsPerWatcher, 1)));
    assert_eq!(shard.subscribe(watchers[0].1, View::PLAIN, &ids(0..40)), Ok(0), "what is held is held");
    let refused = shard.subscribe(watchers[0].1, View::PLAIN, &ids(0..41));
    assert_eq!(refused, Err(limit(Bound::SubscriptionsPerGroup, 10)));
    assert_eq!(shard.credits(shard.index()), 0, "six are out of two");
    assert!(matches!(shard.fetch(PresentityId::new(1), View::PLAIN), Err(Error::Busy { .. })));
    assert!(mesh.settle().iter().all(|(_, outcome)| matches!(outcome, Outcome::Published(_))));
    mesh.verify();
    for &(watcher, _) in &watchers {
        assert_eq!(mesh.hear(0, watcher).len(), 40, "nobody loses what he watches");
    }
    let shard = &mut mesh.shards[0];
    assert_eq!(shard.credits(shard.index()), 2);
    let long = Publication::plain(PresentityId::new(1), vec![0; 5].into());
    assert_eq!(shard.publish(long), Err(limit(Bound::DocumentBytes, 4)));
    for &(watcher, _) in &watchers[..4] {
        assert!(shard.close_watcher(watcher));
    }
    assert!(shard.open_watcher(0).is_ok(), "there is room again below the limit");

    // Up again, but not beyond what the arrays and rings were made for.
    shard.set_limits(limits).unwrap();
    assert_eq!(shard.subscribe(watchers[5].1, View::PLAIN, &ids(0..100)), Ok(60));
    for (too_much, field) in [
        (Limits { watchers: 9, ..limits }, "watchers"),
        (Limits { groups: 21, ..limits }, "groups"),
        (Limits { subscriptions: 641, ..limits }, "subscriptions"),
        (Limits { topics: 101, ..limits }, "topics"),
        (Limits { link_slots: limits.link_slots - 1, ..limits }, "link_slots"),
        (Limits { credits: 0, ..limits }, "credits"),
    ] {
        let refused = shard.set_limits(too_much).unwrap_err();
        assert_eq!(refused.field, field);
        assert_eq!(shard.limits(), &limits, "nothing has changed");
    }
    mesh.verify();
}

#[test]
fn a_document_over_a_lowered_limit_may_be_refreshed_and_made_smaller_but_not_larger() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = PresentityId::new(1);
    let publish = |mesh: &mut Mesh, bytes: usize| {
        mesh.publish(0, ken, &vec![7; bytes]);
        mesh.outcome()
    };
    publish(&mut mesh, 1_000);
    let low = Limits { documents_bytes: 100, ..Limits::default() };
    mesh.shards[0].set_limits(low).unwrap();
    assert!(matches!(publish(&mut mesh, 1_000), Outcome::Published(_)));
    let refused = publish(&mut mesh, 1_100);
    let Outcome::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal, Refusal::Limit { bound: Bound::DocumentsBytes, limit: 100 });
    assert!(matches!(publish(&mut mesh, 500), Outcome::Published(_)));
}

#[test]
fn a_scheme_keeps_its_views_whatever_the_limits() {
    let mut mesh = lync();
    let refused = mesh.shards[0].set_limits(Limits { views_per_presentity: 5, ..Limits::lync_2013() }).unwrap_err();
    assert_eq!(refused.to_string(), "limit `views_per_presentity` is 5, but must be from 6 to 65534");
    assert!(mesh.shards[0].set_limits(Limits { views_per_presentity: 6, ..Limits::lync_2013() }).is_ok());
}
