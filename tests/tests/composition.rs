//! What each ready-made composition makes of several devices, and that the failures which others had with it do not
//! come back: each of those is named by the issue that told of it.

use fanfare_core::presence::composition::{
    Composed, Composition, EndpointState, HighestPriority, LastWrite, MostAvailable, UnionOfEndpoints,
};
use fanfare_core::status::Availability;
use fanfare_core::{
    Decision, EndpointId, EndpointPublication, Identity, Limits, PresentityId, Refusal, Scheme, Status, Tick, WatcherId,
};
use fanfare_tests::mesh::{Heard, Mesh};

const HOUR_US: u64 = 3_600_000_000;
const MINUTE_US: u64 = 60_000_000;

/// Two shards, ken at home on one of them, and somebody on the other who sees what is shown of him.
struct Office {
    mesh: Mesh,
    ken: PresentityId,
    bob: WatcherId,
}

fn office(composition: impl Composition + 'static) -> Office {
    let scheme = Scheme::open_and_offline(&["state"], composition, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme);
    let ken = mesh.presentity_at(1, 0);
    let (bob, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(1_001)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, bob);
    Office { mesh, ken, bob }
}

/// What a device says: how available, its priority, and when the user was last active there.
#[derive(Clone, Copy)]
struct Says(u64, Availability, i8, u64);

impl Office {
    fn publication(&self, Says(endpoint, availability, priority, active_at): Says) -> EndpointPublication {
        let create = EndpointPublication::create(self.ken, EndpointId(endpoint), Status::new(availability), HOUR_US);
        EndpointPublication { priority, active_at: Tick::from_micros(active_at), ..create }
    }

    fn says(&mut self, says: Says) {
        let publication = self.publication(says);
        self.mesh.endpoint(0, publication).unwrap();
    }

    fn chooses(&mut self, availability: Availability) {
        let hard = EndpointPublication::hard(self.ken, Vec::new());
        let hard = EndpointPublication { status: Some(Status::new(availability)), ..hard };
        self.mesh.endpoint(0, hard).unwrap();
    }

    fn told(&mut self) -> Vec<Heard> {
        self.mesh.hear(0, self.bob)
    }

    /// The state told last: the whole's availability and the devices shown.
    fn shown(&mut self) -> (Availability, Vec<u64>) {
        shown(self.told().last().expect("something was told"))
    }
}

fn shown(heard: &Heard) -> (Availability, Vec<u64>) {
    let rendition = heard.rendition();
    (rendition.status.availability, rendition.entries.iter().map(|entry| entry.endpoint.0).collect())
}

/// Every order of so few devices.
fn orders(devices: &[Says]) -> Vec<Vec<Says>> {
    if devices.len() < 2 {
        return vec![devices.to_vec()];
    }
    let mut all = Vec::new();
    for first in 0..devices.len() {
        let mut rest = devices.to_vec();
        let head = rest.remove(first);
        all.extend(orders(&rest).into_iter().map(|tail| [vec![head], tail].concat()));
    }
    all
}

#[test]
fn the_most_available_device_wins_active_before_idle_before_away_before_offline() {
    let mut office = office(MostAvailable);
    let steps = [
        (1, Availability::OFFLINE),
        (2, Availability::AWAY),
        (3, Availability::BE_RIGHT_BACK),
        (4, Availability::DO_NOT_DISTURB),
        (5, Availability::BUSY_IDLE),
        (6, Availability::BUSY),
        (7, Availability::AVAILABLE_IDLE),
        (8, Availability::AVAILABLE),
    ];
    for (endpoint, availability) in steps {
        // Each is active earlier than the one before, so that activity is not what makes it win.
        office.says(Says(endpoint, availability, 0, 100 - endpoint));
        assert_eq!(office.shown(), (availability, vec![endpoint]));
    }
}

#[test]
fn of_two_equally_available_devices_the_one_that_was_active_last_wins() {
    let mut office = office(MostAvailable);
    office.says(Says(1, Availability::AVAILABLE, 0, 10));
    office.says(Says(2, Availability::AVAILABLE, 0, 20));
    assert_eq!(office.shown().1, [2]);
    office.says(Says(3, Availability::AVAILABLE, 0, 15));
    assert_eq!(office.told(), [], "who was active earlier changes nothing");
}

#[test]
fn what_the_user_chose_by_hand_holds_while_any_device_is_online() {
    let mut office = office(MostAvailable);
    office.says(Says(1, Availability::AVAILABLE, 0, 10));
    office.chooses(Availability::DO_NOT_DISTURB);
    assert_eq!(office.shown(), (Availability::DO_NOT_DISTURB, vec![1]));
    office.says(Says(2, Availability::AWAY, 0, 20));
    assert_eq!(office.told(), []);
    let ken = office.ken;
    office.mesh.endpoint(0, EndpointPublication::remove(ken, EndpointId(1))).unwrap();
    assert_eq!(office.shown(), (Availability::DO_NOT_DISTURB, vec![2]));
    office.mesh.endpoint(0, EndpointPublication::remove(ken, EndpointId(2))).unwrap();
    assert_eq!(office.shown().0, Availability::OFFLINE, "a choice does not make anybody online");
    office.says(Says(1, Availability::AVAILABLE, 0, 30));
    assert_eq!(office.shown().0, Availability::DO_NOT_DISTURB);
    office.mesh.endpoint(0, EndpointPublication::remove(ken, EndpointId::HARD)).unwrap();
    assert_eq!(office.shown().0, Availability::AVAILABLE);
}

#[test]
fn two_devices_that_fight_do_not_make_presence_flash_synapse_16057() {
    let mut office = office(MostAvailable);
    let mut told = Vec::new();
    for _ in 0..50 {
        for endpoint in [1, 2] {
            office.mesh.now += 1_000;
            office.says(Says(endpoint, Availability::AVAILABLE, 0, office.mesh.now));
            told.extend(office.told().iter().map(|heard| shown(heard).1));
        }
    }
    // Each wins when it comes, until one has said three times that it is the active one; then the other stays.
    assert_eq!(told, [[1], [2], [1], [2], [1]]);
    office.mesh.now += 3 * MINUTE_US;
    for endpoint in [1, 2] {
        office.says(Says(endpoint, Availability::AVAILABLE, 0, office.mesh.now + endpoint));
    }
    assert_eq!(office.shown().1, [2], "after that it counts again");
}

#[test]
fn a_device_that_claimed_too_often_still_wins_over_one_that_is_idle() {
    let mut office = office(MostAvailable);
    for round in 0..4 {
        for endpoint in [1, 2] {
            office.says(Says(endpoint, Availability::AVAILABLE, 0, 10 * round + endpoint));
        }
    }
    let (_, winner) = office.shown();
    office.says(Says(winner[0], Availability::AVAILABLE_IDLE, 0, 100));
    let other = if winner == [1] { 2 } else { 1 };
    assert_eq!(office.shown(), (Availability::AVAILABLE, vec![other]));
}

#[test]
fn the_highest_priority_wins_and_at_equal_priority_the_later_publication() {
    let mut office = office(HighestPriority);
    office.says(Says(1, Availability::AWAY, 5, 10));
    office.says(Says(2, Availability::AVAILABLE, 4, 90));
    assert_eq!(office.shown(), (Availability::AWAY, vec![1]));
    office.says(Says(3, Availability::BUSY, 5, 1));
    assert_eq!(office.shown(), (Availability::BUSY, vec![3]));
    office.says(Says(1, Availability::AWAY, 5, 2));
    assert_eq!(office.shown(), (Availability::AWAY, vec![1]));
    // Negative ranks are ranks as well, and the offline come last whatever theirs.
    office.says(Says(1, Availability::OFFLINE, 127, 3));
    office.says(Says(3, Availability::BUSY, -2, 3));
    office.says(Says(2, Availability::AVAILABLE, -1, 3));
    assert_eq!(office.shown(), (Availability::AVAILABLE, vec![2]));
}

#[test]
fn the_union_shows_every_device_the_highest_priority_first() {
    let mut office = office(UnionOfEndpoints);
    office.says(Says(1, Availability::AVAILABLE, 1, 10));
    office.says(Says(2, Availability::AWAY, 9, 20));
    office.says(Says(3, Availability::BUSY, 1, 30));
    let heard = office.told().pop().unwrap();
    assert_eq!(shown(&heard), (Availability::AVAILABLE, vec![2, 1, 3]));
    let each: Vec<_> = heard.rendition().entries.iter().map(|entry| entry.status.availability).collect();
    assert_eq!(each, [Availability::AWAY, Availability::AVAILABLE, Availability::BUSY]);
    let ken = office.ken;
    office.mesh.endpoint(0, EndpointPublication::remove(ken, EndpointId(1))).unwrap();
    assert_eq!(office.shown(), (Availability::BUSY, vec![2, 3]));
}

#[test]
fn the_latest_publication_wins_when_nothing_else_is_asked_for() {
    let mut office = office(LastWrite);
    for (endpoint, availability) in [(1, Availability::AVAILABLE), (2, Availability::AWAY), (1, Availability::BUSY)] {
        office.says(Says(endpoint, availability, 0, 0));
        assert_eq!(office.shown(), (availability, vec![endpoint]));
    }
}

/// The embedder's own: of devices with even numbers all are shown, and the whole is busy.
#[derive(Debug)]
struct EvenOnes;

impl Composition for EvenOnes {
    fn compose(&self, endpoints: &[EndpointState], _: Option<Status>) -> Composed {
        let mut order: Vec<usize> =
            (0..endpoints.len()).filter(|&it| endpoints[it].endpoint.0.is_multiple_of(2)).collect();
        order.sort_by_key(|&it| endpoints[it].endpoint);
        Composed { shown: order.len(), order, status: Status::new(Availability::BUSY) }
    }
}

#[test]
fn an_embedder_brings_a_composition_of_its_own() {
    let mut office = office(EvenOnes);
    for endpoint in [4, 1, 2, 3] {
        office.says(Says(endpoint, Availability::AVAILABLE, 0, 0));
    }
    assert_eq!(office.shown(), (Availability::BUSY, vec![2, 4]));
}

#[test]
fn two_publications_within_a_millisecond_do_not_corrupt_the_aggregate_opensips_2249() {
    for composition in 0..2 {
        let mut office = if composition == 0 { office(UnionOfEndpoints) } else { office(MostAvailable) };
        let first = office.publication(Says(1, Availability::BUSY, 0, 1));
        let second = office.publication(Says(2, Availability::AVAILABLE, 0, 1));
        // From two shards at one moment, before either home has answered.
        office.mesh.shards[0].publish_endpoint(first).unwrap();
        office.mesh.shards[1].publish_endpoint(second).unwrap();
        assert_eq!(office.mesh.settle().len(), 2);
        let both = if composition == 0 { vec![2, 1] } else { vec![2] };
        assert_eq!(office.shown(), (Availability::AVAILABLE, both));
        // What is wrong for good there is that a device's end takes nothing away: here each end takes its own.
        let ken = office.ken;
        office.mesh.shards[0].publish_endpoint(EndpointPublication::remove(ken, EndpointId(2))).unwrap();
        office.mesh.settle();
        assert_eq!(office.shown(), (Availability::BUSY, vec![1]));
        office.mesh.shards[1].publish_endpoint(EndpointPublication::remove(ken, EndpointId(1))).unwrap();
        office.mesh.settle();
        assert_eq!(office.shown(), (Availability::OFFLINE, vec![]));
        office.mesh.verify();
    }
}

#[test]
fn homes_agree_whatever_the_order_of_arrival_phoenix_pubsub_214() {
    // Priorities differ, so that no composition but the last write has to look at which came last.
    let devices = [
        Says(1, Availability::AVAILABLE, 1, 10),
        Says(2, Availability::AVAILABLE, 2, 20),
        Says(3, Availability::BUSY, 3, 30),
        Says(4, Availability::OFFLINE, 4, 40),
    ];
    let make: [fn() -> Office; 3] = [|| office(MostAvailable), || office(UnionOfEndpoints), || office(HighestPriority)];
    for make in make {
        let mut states = Vec::new();
        for order in orders(&devices) {
            let mut office = make();
            for says in order {
                office.says(says);
            }
            states.push(office.told().pop().unwrap().document.unwrap());
        }
        assert_eq!(states.len(), 24);
        states.dedup();
        assert_eq!(states.len(), 1);
    }
}

#[test]
fn an_early_publication_cannot_overtake_a_terminated_one_kamailio_3192() {
    let mut office = office(MostAvailable);
    let early = office.publication(Says(1, Availability::BUSY, 0, 1));
    let tag = office.mesh.endpoint(0, early.clone()).unwrap().tag;
    let stamp = office.told().pop().unwrap().stamp;
    // Both follow the same publication; the end of the call reaches the home first, by another worker.
    let terminated = office.publication(Says(1, Availability::AVAILABLE, 0, 2)).if_match(tag);
    office.mesh.shards[1].publish_endpoint(terminated).unwrap();
    office.mesh.shards[1].step(Tick::from_micros(office.mesh.now), 1_024);
    let current = match office.mesh.shards[1].next_outcome() {
        Some((_, fanfare_core::Outcome::Accepted(accepted))) => accepted.tag,
        other => panic!("{other:?}"),
    };
    let late = office.mesh.endpoint(0, early.if_match(tag));
    assert_eq!(late, Err(Refusal::StaleTag { current: Some(current) }));
    let heard = office.told();
    assert_eq!((heard.len(), shown(&heard[0]).0), (1, Availability::AVAILABLE));
    assert!(heard[0].stamp > stamp, "a frontend that sends it on can see which is the newer");
}
