//! What stories of lost connections have in common.

use fanfare_core::{GroupId, Limits, PresentityId, View, WatcherId};

use crate::mesh::{Heard, Mesh};

/// A minute, in microseconds.
pub const MINUTE_US: u64 = 60_000_000;
/// What tokens are made with.
pub const SECRET: u64 = 0x5ec2_e7aa_0bad_cafe;

/// Shards, their presentities, and a tracked watcher of all of them on shard 0 that has been told of each and has taken it in.
///
/// # Panics
/// If it is not told of each once.
#[must_use]
pub fn watching(shards: usize, count: usize, ring_slots: u32) -> (Mesh, Vec<PresentityId>, WatcherId, GroupId) {
    let mut mesh = Mesh::new(shards, Limits::default());
    let contacts: Vec<PresentityId> = (0..count).map(|nth| mesh.presentity_at(nth % shards, nth / shards)).collect();
    let (watcher, group) = mesh.watcher(0);
    mesh.shards[0].track(watcher, ring_slots).unwrap();
    mesh.shards[0].subscribe(group, View::PLAIN, &contacts).unwrap();
    for &contact in &contacts {
        mesh.publish(0, contact, b"before");
        mesh.settle();
    }
    assert_eq!(told_if_ready(&mut mesh, 0).len(), count);
    mesh.shards[0].acknowledge(watcher, count as u32).unwrap();
    (mesh, contacts, watcher, group)
}

/// What the one watcher that is ready on a shard is told; nothing if none is.
///
/// # Panics
/// If an invariant does not hold.
pub fn told_if_ready(mesh: &mut Mesh, shard: usize) -> Vec<Heard> {
    mesh.settle();
    mesh.verify();
    let ready = mesh.shards[shard].next_ready();
    ready.map_or_else(Vec::new, |watcher| mesh.hear(shard, watcher))
}

/// Each of these publishes a document, from shard 0.
///
/// # Panics
/// Without a credit.
pub fn change(mesh: &mut Mesh, contacts: &[PresentityId], document: &[u8]) {
    for &contact in contacts {
        mesh.publish(0, contact, document);
        mesh.settle();
    }
}

/// Whom a batch was about, in the order of their numbers.
#[must_use]
pub fn whom(heard: &[Heard]) -> Vec<PresentityId> {
    let mut whom: Vec<_> = heard.iter().map(|heard| heard.presentity).collect();
    whom.sort_unstable();
    whom
}

/// Contacts in the order of their numbers, each once.
#[must_use]
pub fn sorted(contacts: &[PresentityId]) -> Vec<PresentityId> {
    let mut contacts = contacts.to_vec();
    contacts.sort_unstable();
    contacts.dedup();
    contacts
}
