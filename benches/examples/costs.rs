//! A fixed piece of fan-out over several shards in one thread, from which the constants of the cost model are drawn:
//!
//! ```text
//! cargo build --release -p fanfare-benches --example costs
//! costs CONTACTS SHARDS [ROUNDS [USERS]]      # time and bytes
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*costs::measured*' costs 80 2 50 8000
//! ```
//!
//! Two runs that differ in one thing only show its price: more contacts the notification's, more shards the update's.
//! All shards turn in one thread, so a line that travels between cores is not in it.

use std::time::Instant;

use fanfare_benches::{Graph, Mesh, Shape, Stage, Tally};

/// Publications in a turn.
const BATCH: u64 = 16;

#[inline(never)]
fn measured(mesh: &mut Mesh, rounds: u64) -> Tally {
    let presentities = mesh.graph().presentities();
    let mut tally = Tally::default();
    for round in 0..rounds {
        let publishers: Vec<_> = (round * BATCH..(round + 1) * BATCH).map(|nth| nth * 7_919 % presentities).collect();
        mesh.offer(&publishers);
        tally += mesh.tell();
    }
    tally
}

fn main() {
    let number = |nth, default| std::env::args().nth(nth).map_or(default, |it| it.parse().expect("a number"));
    let (contacts, shards, rounds, users) = (number(1, 80), number(2, 1), number(3, 1_000), number(4, 20_000));
    let mut mesh = Mesh::signed_out(shards as usize, Graph::new(users, contacts, Shape::Uniform));
    mesh.sign_in();
    measured(&mut mesh, 10);
    let before = mesh.updates();
    let begun = Instant::now();
    let tally = measured(&mut mesh, rounds);
    let ns = begun.elapsed().as_nanos() as f64;
    let publications = (rounds * BATCH) as f64;
    println!(
        "{contacts} contacts, {shards} shards, {users} users: {publications} publications, {} notifications, {:.3} updates a \
         publication, {:.1} ns a publication, {} topics, {:.3} bytes a subscription",
        tally.notes,
        (mesh.updates() - before) as f64 / publications,
        ns / publications,
        mesh.topics(),
        mesh.bytes() as f64 / mesh.graph().subscriptions() as f64,
    );
}
