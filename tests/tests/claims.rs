//! The limiter of claims, and compositions that embedders bring: neither may be more than it says.

use fanfare_core::presence::composition::{Composed, Composition, EndpointState, MostAvailable};
use fanfare_core::presence::view::{EntriesRule, StatusRule, ViewRule};
use fanfare_core::status::Availability;
use fanfare_core::{
    Categories, Decision, EndpointId, EndpointPublication, Identity, Limits, Outcome, Policy, PresentityId, Scheme,
    Status, Tick, View, WatcherId,
};
use fanfare_tests::mesh::Mesh;

const HOUR_US: u64 = 3_600_000_000;

fn watched(scheme: Scheme) -> (Mesh, PresentityId, WatcherId) {
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme);
    let ken = mesh.presentity_at(0, 0);
    let (bob, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(99)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, bob);
    (mesh, ken, bob)
}

fn most_available() -> Scheme {
    Scheme::open_and_offline(&["state"], MostAvailable, Decision::Show(Scheme::OPEN)).unwrap()
}

fn is(who: PresentityId, endpoint: u64, availability: Availability, active_at_us: u64) -> EndpointPublication {
    let active_at = Tick::from_micros(active_at_us);
    let publication = EndpointPublication::create(who, EndpointId(endpoint), Status::new(availability), HOUR_US);
    EndpointPublication { active_at, ..publication }
}

#[test]
fn a_refresh_is_no_claim_to_be_active() {
    let (mut mesh, ken, bob) = watched(most_available());
    let mut tag = mesh.endpoint(0, is(ken, 1, Availability::AVAILABLE, 5)).unwrap().tag;
    mesh.endpoint(0, is(ken, 2, Availability::AVAILABLE, 10)).unwrap();
    for _ in 0..3 {
        tag = mesh.endpoint(0, EndpointPublication::refresh(ken, EndpointId(1), tag, HOUR_US)).unwrap().tag;
    }
    mesh.hear(0, bob);
    mesh.endpoint(0, is(ken, 1, Availability::AVAILABLE, 20)).unwrap();
    let heard = mesh.hear(0, bob);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].rendition().entries[0].endpoint, EndpointId(1));
}

#[test]
fn claims_of_more_than_three_minutes_ago_do_not_count() {
    let (mut mesh, ken, bob) = watched(most_available());
    for round in 0..4 {
        for endpoint in 1..=2 {
            mesh.endpoint(0, is(ken, endpoint, Availability::AVAILABLE, round * 10 + endpoint)).unwrap();
        }
    }
    mesh.now += 600_000_000;
    // The second endpoint was the last to be active, and what it claimed is ten minutes old.
    mesh.endpoint(0, is(ken, 3, Availability::AWAY, 1)).unwrap();
    let heard = mesh.hear(0, bob);
    assert_eq!(heard.last().unwrap().rendition().entries[0].endpoint, EndpointId(2));
}

/// A composition that puts these places in order, whatever there is, and shows so many.
#[derive(Debug)]
struct Says(Vec<usize>, usize);

impl Composition for Says {
    fn compose(&self, _: &[EndpointState], _: Option<Status>) -> Composed {
        Composed { order: self.0.clone(), shown: self.1, status: Status::new(Availability::BUSY) }
    }
}

#[test]
fn a_composition_may_say_what_it_likes_and_shows_nothing_twice_and_nothing_that_is_not_there() {
    for (order, shown, entries) in [(vec![], 1, 0), (vec![0; 300], 300, 1), (vec![7, 1, 0, 1], 9, 2)] {
        for rule in [EntriesRule::Shown, EntriesRule::All] {
            let views = vec![ViewRule {
                name: "own".into(),
                container: 0,
                categories: Categories::ALL,
                status: StatusRule::AsIs,
                entries: rule,
            }];
            let everybody = Policy::everybody(Decision::Show(View(0)));
            let (mut mesh, ken, bob) =
                watched(Scheme::new(&["state"], views, Says(order.clone(), shown), everybody).unwrap());
            mesh.endpoint(0, is(ken, 1, Availability::AVAILABLE, 0)).unwrap();
            mesh.endpoint(0, is(ken, 2, Availability::AVAILABLE, 0)).unwrap();
            let heard = mesh.hear(0, bob);
            assert_eq!(heard.last().unwrap().rendition().entries.len(), entries, "{order:?}");
        }
    }
}

#[test]
fn who_fetches_and_who_watches_are_shown_the_same_when_claims_have_aged() {
    let (mut mesh, ken, bob) = watched(most_available());
    for (endpoint, active_at) in [(1, 10), (2, 20), (1, 11), (1, 12), (1, 13), (1, 30)] {
        mesh.now += 1_000_000;
        mesh.endpoint(0, is(ken, endpoint, Availability::AVAILABLE, active_at)).unwrap();
    }
    mesh.now += 200_000_000;
    mesh.settle();
    mesh.shards[0].fetch_for(ken, Identity::of(PresentityId::new(99)).into()).unwrap();
    let Outcome::Fetched(fetched) = mesh.outcome() else { panic!("a fetch is answered") };
    let heard = mesh.hear(0, bob).pop().unwrap();
    assert_eq!(heard.stamp, fetched.stamp);
    assert_eq!(heard.document.as_deref(), Some(&*fetched.parts[0].1));
    assert_eq!(heard.rendition().entries[0].endpoint, EndpointId(1), "the last to be active");
}
