//! Presentities that flap are fanned out once a gap, newest state, and nobody waits who need not.

use fanfare_core::presence::composition::LastWrite;
use fanfare_core::status::Availability;
use fanfare_core::{
    Decision, EndpointId, EndpointPublication, Identity, Limits, PresentityId, Publication, Scheme, Status, Tick, View,
};
use fanfare_tests::mesh::Mesh;

const GAP_US: u64 = 1_000_000;

#[test]
fn a_presentity_that_flaps_is_fanned_out_once_a_gap_newest_state() {
    let mut mesh = Mesh::new(2, Limits { fan_out_gap_us: GAP_US, ..Limits::default() });
    let (ken, ann) = (mesh.presentity_at(1, 0), mesh.presentity_at(1, 1));
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken, ann]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    let mut heard = Vec::new();
    // Nearly ten seconds, in which he changes twenty times a second.
    for at in 0..195u64 {
        mesh.now += GAP_US / 20;
        mesh.publish(0, ken, &at.to_be_bytes());
        if at == 50 {
            mesh.publish(0, ann, b"open");
        }
        mesh.settle();
        heard.extend(mesh.hear(0, watcher));
    }
    let of_ann = heard.iter().filter(|note| note.presentity == ann).count();
    assert_eq!((heard.len() - of_ann, of_ann), (10, 1), "and nobody else waits for him");
    // The last is not lost.
    assert_eq!(mesh.shards[1].deadline().map(Tick::as_micros), Some(10 * GAP_US));
    mesh.now += GAP_US;
    mesh.settle();
    let last = mesh.hear(0, watcher);
    assert_eq!(last[0].document.as_deref(), Some(&194u64.to_be_bytes()[..]));
    let counters = *mesh.shards[0].counters();
    assert_eq!(counters.delivered + counters.skipped, 2 + 195 + 1, "what was passed over is counted");
    // Once all is over nobody is remembered.
    mesh.now += 2 * GAP_US;
    mesh.settle();
    assert_eq!(mesh.shards[1].deadline(), None);
    mesh.verify();
}

#[test]
fn first_states_do_not_wait_for_a_gap_and_bring_the_newest() {
    let mut mesh = Mesh::new(3, Limits { fan_out_gap_us: GAP_US, ..Limits::default() });
    let ken = mesh.presentity_at(1, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.publish(0, ken, b"one");
    mesh.settle();
    mesh.hear(0, watcher);
    mesh.publish(0, ken, b"two");
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher), []);
    let (other, group) = mesh.watcher(2);
    mesh.shards[2].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(2, other)[0].document.as_deref(), Some(&b"two"[..]));
    // An expiry does not wait either: what is past it is told to be gone.
    let soon = Tick::from_micros(mesh.now + 10);
    let publication = Publication { expires: soon, ..Publication::plain(ken, b"three".as_slice().into()) };
    mesh.shards[0].publish(publication).unwrap();
    mesh.settle();
    mesh.now += 10;
    mesh.settle();
    assert_eq!(mesh.hear(2, other)[0].document, None);
    mesh.verify();
}

#[test]
fn what_devices_publish_waits_for_the_gap_although_each_publication_moves_its_expiry() {
    let scheme = Scheme::open_and_offline(&["state"], LastWrite, Decision::Show(Scheme::OPEN)).unwrap();
    let mut mesh = Mesh::with_scheme(2, Limits { fan_out_gap_us: GAP_US, ..Limits::default() }, scheme);
    let ken = mesh.presentity_at(1, 0);
    let (watcher, group) = mesh.watcher_for(0, Identity::of(PresentityId::new(9)));
    mesh.shards[0].watch(group, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    let mut heard = 0;
    for at in 0..30u64 {
        mesh.now += GAP_US / 10;
        let status = Status::new(if at % 2 == 0 { Availability::BUSY } else { Availability::AVAILABLE });
        mesh.endpoint(0, EndpointPublication::create(ken, EndpointId(1), status, 600 * GAP_US)).unwrap();
        mesh.settle();
        heard += mesh.hear(0, watcher).len();
    }
    assert!((3..=4).contains(&heard), "thirty changes in three gaps were told {heard} times");
    mesh.verify();
}

#[test]
fn nobody_waits_for_a_gap_with_a_state_that_is_over() {
    let mut mesh = Mesh::new(2, Limits { fan_out_gap_us: 10 * GAP_US, ..Limits::default() });
    let ken = mesh.presentity_at(1, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    mesh.hear(0, watcher);
    let until = |seconds: u64, text: &'static [u8]| {
        let expires = Tick::from_micros(seconds * GAP_US);
        Publication { expires, ..Publication::plain(ken, text.into()) }
    };
    mesh.shards[0].publish(until(5, b"one")).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 1);
    mesh.now = 4 * GAP_US;
    mesh.shards[0].publish(until(100, b"two")).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher), []);
    mesh.now = 5 * GAP_US;
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher)[0].document.as_deref(), Some(&b"two"[..]));
    mesh.verify();
}
