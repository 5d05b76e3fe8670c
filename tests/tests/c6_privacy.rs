//! C6: once a policy is set, nobody is shown a view that it denies; a topic with an unapplied policy is silent.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_core::status::Availability;
use fanfare_core::{
    Category, Decision, EndpointId, EndpointPublication, Identity, Limits, Outcome, Policy, PolicyEdit, PresentityId,
    Rendition, Scheme, Status, View, Who,
};
use fanfare_tests::mesh::Mesh;

const DAY_US: u64 = 86_400_000_000;

fn scheme() -> Scheme {
    Scheme::open_and_offline(
        &["state", "note"],
        fanfare_core::presence::composition::LastWrite,
        Decision::Show(Scheme::OPEN),
    )
    .unwrap()
}

fn available(presentity: PresentityId) -> EndpointPublication {
    let publication =
        EndpointPublication::create(presentity, EndpointId(1), Status::new(Availability::AVAILABLE), DAY_US);
    publication.with(Category::new(1).unwrap(), Bytes::from_static(b"in the garden"))
}

#[test]
fn c6_who_is_blocked_is_silent_from_the_moment_that_the_policy_is_applied() {
    let mut mesh = Mesh::with_scheme(2, Limits::default(), scheme());
    for home in 0..2 {
        let ken = mesh.presentity_at(home, 0);
        let (eve, bob) = (PresentityId::new(1_001), PresentityId::new(1_002));
        let watchers: Vec<_> = (0..4)
            .map(|nth| {
                let who = if nth % 2 == 0 { eve } else { bob };
                let (watcher, group) = mesh.watcher_for(nth / 2, Identity::of(who));
                mesh.shards[nth / 2].watch(group, &[ken]).unwrap();
                (nth / 2, who, watcher)
            })
            .collect();
        mesh.shards[0].publish_endpoint(available(ken)).unwrap();
        mesh.settle();
        for &(shard, _, watcher) in &watchers {
            let heard = mesh.hear(shard, watcher);
            assert_eq!(heard.len(), 1);
            assert_eq!(heard[0].view, Scheme::OPEN);
            let rendition = Rendition::from_bytes(heard[0].document.as_deref().unwrap()).unwrap();
            assert_eq!(rendition.status.availability, Availability::AVAILABLE);
        }
        let policy = Policy::everybody(Decision::Show(Scheme::OPEN)).with_blocked([Who::User(eve)], Decision::Block);
        mesh.shards[1].set_policy(PolicyEdit::new(ken, ken, policy)).unwrap();
        let outcomes = mesh.settle();
        assert!(matches!(outcomes[..], [(_, Outcome::PolicyApplied { .. })]), "{outcomes:?}");
        mesh.shards[0]
            .publish_endpoint(EndpointPublication { status: Some(Status::new(Availability::BUSY)), ..available(ken) })
            .unwrap();
        mesh.settle();
        for &(shard, who, watcher) in &watchers {
            let heard = mesh.hear(shard, watcher);
            assert_eq!(heard.len(), 1, "{who:?} on {shard}: {heard:?}");
            if who == eve {
                assert_eq!((heard[0].view, &heard[0].document, heard[0].first), (View::BLOCKED, &None, true));
            } else {
                let rendition = Rendition::from_bytes(heard[0].document.as_deref().unwrap()).unwrap();
                assert_eq!(rendition.status.availability, Availability::BUSY);
            }
        }
        let why = mesh.shards[0].watchers_of(ken).count();
        assert_eq!(why, 2);
        mesh.verify();
    }
}

#[test]
fn c6_identities_are_shared_and_need_a_policy_s_word() {
    let mut mesh = Mesh::with_scheme(1, Limits::default(), scheme());
    let who = Arc::new(Identity::of(PresentityId::new(5)));
    let watcher = mesh.shards[0].open_watcher(0).unwrap();
    let plain = mesh.shards[0].open_group(watcher, 0, fanfare_core::Categories::ALL).unwrap();
    let group = mesh.shards[0].open_group_for(watcher, 0, fanfare_core::Categories::ALL, who).unwrap();
    let ken = [PresentityId::new(9)];
    assert_eq!(mesh.shards[0].watch(plain, &ken), Err(fanfare_core::Error::NoIdentity(plain)));
    assert_eq!(mesh.shards[0].subscribe(group, View::PLAIN, &ken), Err(fanfare_core::Error::HasIdentity(group)));
    assert_eq!(mesh.shards[0].watch(group, &ken), Ok(1));
}
