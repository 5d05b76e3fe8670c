//! What does a subscription weigh, everything in it?

use fanfare_bench_world::{Graph, Mesh, Stage, World};

/// Bytes a subscription in a world of one shard, as it stands and after a tenth of all subscriptions was replaced.
#[must_use]
pub fn bulk_and_churned(world: &mut World) -> (f64, f64) {
    let bulk = bytes_each(world);
    let graph = world.graph;
    for user in 0..graph.users() {
        // Each leaves a tenth of its contacts, which the graph knows, for as many of the presentities after them.
        let leaves: Vec<u64> = graph.contacts_of(user).take((graph.contacts() as usize).div_ceil(10)).collect();
        let joins: Vec<u64> = leaves.iter().map(|&whom| (whom + 1) % graph.presentities()).collect();
        world.unsubscribe_from(user, &leaves);
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
