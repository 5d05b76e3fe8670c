//! What the embedder gets for the names of its users: an id stands for one name only, so that two addresses whose hashes
//! are the same never share a presence.

use bytes::Bytes;
use fanfare_core::{Bound, Limits, Outcome, PresentityId, Publication, Refusal, View};
use fanfare_tests::mesh::Mesh;

fn claim(mesh: &mut Mesh, shard: usize, id: PresentityId, name: &str) -> Result<(), Refusal> {
    mesh.shards[shard].claim_name(id, name).unwrap();
    match mesh.outcome() {
        Outcome::Named => Ok(()),
        Outcome::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_id_made_from_a_name_hangs_on_every_byte_of_it_and_on_the_secret() {
    let (one, other) = ([1; 16], [2; 16]);
    let ken = PresentityId::of(&one, "sip:ken@example.com");
    assert_eq!(ken, PresentityId::of(&one, "sip:ken@example.com"));
    assert_ne!(ken, PresentityId::of(&one, "sip:Ken@example.com"));
    assert_ne!(ken, PresentityId::of(&other, "sip:ken@example.com"));
    let ids: std::collections::BTreeSet<_> =
        (0..100_000).map(|nth| PresentityId::of(&one, &format!("user-{nth}@example.com"))).collect();
    assert_eq!(ids.len(), 100_000);
}

#[test]
fn the_same_name_may_be_claimed_again_and_from_every_shard_and_another_is_refused() {
    let mut mesh = Mesh::new(2, Limits::default());
    for home in 0..2 {
        let ken = mesh.presentity_at(home, 0);
        for shard in [0, 1, 0] {
            assert_eq!(claim(&mut mesh, shard, ken, "ken@example.org"), Ok(()));
        }
        for name in ["bob@example.org", "ken@example.or", "Ken@example.org", ""] {
            assert_eq!(claim(&mut mesh, 1, ken, name), Err(Refusal::NameTaken), "{name}");
        }
        assert_eq!(claim(&mut mesh, 0, ken, "ken@example.org"), Ok(()), "a refusal takes nothing away");
        let bob = mesh.presentity_at(home, 1);
        assert_eq!(claim(&mut mesh, 0, bob, "bob@example.org"), Ok(()), "each id has a name of its own");
    }
    mesh.verify();
}

#[test]
fn of_two_claims_at_one_moment_exactly_one_stands() {
    let mut mesh = Mesh::new(2, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    mesh.shards[0].claim_name(ken, "ken@example.org").unwrap();
    mesh.shards[1].claim_name(ken, "eve@example.org").unwrap();
    let outcomes = mesh.settle();
    let named = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Named)).count();
    let taken = outcomes.iter().filter(|(_, it)| matches!(it, Outcome::Refused(Refusal::NameTaken))).count();
    assert_eq!((named, taken), (1, 1));
}

#[test]
fn a_name_that_is_too_long_is_refused_and_claims_nothing() {
    let mut mesh = Mesh::new(1, Limits { name_bytes: 8, ..Limits::default() });
    let ken = mesh.presentity_at(0, 0);
    let refusal = Refusal::Limit { bound: Bound::NameBytes, limit: 8 };
    assert_eq!(claim(&mut mesh, 0, ken, "ken@a.org"), Err(refusal));
    assert_eq!(claim(&mut mesh, 0, ken, "ken@a.fr"), Ok(()));
}

#[test]
fn a_name_takes_up_one_of_the_presentities_that_there_may_be() {
    let mut mesh = Mesh::new(1, Limits { presentities: 1, ..Limits::default() });
    let (ken, bob) = (mesh.presentity_at(0, 0), mesh.presentity_at(0, 1));
    assert_eq!(claim(&mut mesh, 0, ken, "ken"), Ok(()));
    let refusal = Refusal::Limit { bound: Bound::Presentities, limit: 1 };
    assert_eq!(claim(&mut mesh, 0, bob, "bob"), Err(refusal));
}

#[test]
fn a_name_says_nothing_of_presence_and_outlives_it() {
    let mut mesh = Mesh::new(1, Limits::default());
    let ken = mesh.presentity_at(0, 0);
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].subscribe(group, View::PLAIN, &[ken]).unwrap();
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher).len(), 1);
    assert_eq!(claim(&mut mesh, 0, ken, "ken"), Ok(()));
    assert_eq!(mesh.hear(0, watcher), [], "nobody is told of a name");

    // A state comes and goes beside it.
    mesh.publish(0, ken, b"by hand");
    mesh.settle();
    assert_eq!(mesh.hear(0, watcher)[0].document.as_deref(), Some(&b"by hand"[..]));
    mesh.shards[0].publish(Publication { document: None, ..Publication::plain(ken, Bytes::new()) }).unwrap();
    mesh.settle();
    assert_eq!(claim(&mut mesh, 0, ken, "eve"), Err(Refusal::NameTaken));
    assert_eq!(claim(&mut mesh, 0, ken, "ken"), Ok(()));
    mesh.verify();
}
