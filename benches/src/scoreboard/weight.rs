//! What does a subscription weigh, everything in it?

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
