//! What does a subscription weigh, everything in it?

use std::sync::Arc;

use fanfare::map::PrivateMap;
use fanfare::{Categories, Identity, PresentityId, ShardConfig};
use fanfare_bench_world::{Graph, Mesh, Stage, World};

/// Bytes a subscription in a world of one shard, as it stands and after a tenth of all subscriptions was replaced.
#[must_use]
pub fn bulk_and_churned(world: &mut World) -> (f64, f64) {
    let bulk = bytes_each(world);
    let graph = world.graph;
    // Everybody leaves a tenth of the contacts, which the graph knows, before anybody joins others: as many of those that
    // another user has, so that some are held already and topics end with more watchers or fewer.
    let tenth = (graph.contacts() as usize).div_ceil(10);
    for user in 0..graph.users() {
        let leaves: Vec<u64> = graph.contacts_of(user).take(tenth).collect();
        world.unsubscribe_from(user, &leaves);
    }
    for user in (0..graph.users()).rev() {
        let joins: Vec<u64> = graph.contacts_of(graph.users() + user).take(tenth).collect();
        world.subscribe_to(user, &joins);
    }
    world.drain();
    (bulk, bytes_each(world))
}

fn bytes_each(world: &World) -> f64 {
    world.shard.footprint().total() as f64 / world.shard.population().subscriptions as f64
}

/// Bytes of a group that has an identity and expires, and whose watcher has no other.
#[must_use]
pub fn group() -> f64 {
    const GROUPS: u32 = 1_000_000;
    const EIGHT_HOURS_US: u64 = 8 * 3_600_000_000;
    let mut shard = fanfare::Shard::new(ShardConfig::new(0, 1), PrivateMap).expect("a shard");
    let who = Arc::new(Identity::of(PresentityId::new(1)));
    for token in 0..GROUPS.into() {
        let watcher = shard.open_watcher(token).expect("room for a watcher");
        let group = shard.open_group_for(watcher, token, Categories::ALL, who.clone()).expect("room for a group");
        shard.renew_group(group, EIGHT_HOURS_US).expect("a lifetime within bounds");
    }
    shard.footprint().groups as f64 / f64::from(GROUPS)
}

/// Bytes a subscription on two shards, after bulk load.
#[must_use]
pub fn two_shards(graph: Graph) -> f64 {
    let mut mesh = Mesh::signed_out(2, graph);
    // A state for each presentity, in lots that links have credits for.
    let everybody: Vec<u64> = (0..graph.presentities()).collect();
    everybody.chunks(64).for_each(|lot| mesh.offer(lot));
    for user in 0..graph.users() {
        let contacts: Vec<u64> = graph.contacts_of(user).collect();
        mesh.subscribe_to(user, &contacts);
    }
    mesh.tell();
    mesh.bytes() as f64 / graph.subscriptions() as f64
}
