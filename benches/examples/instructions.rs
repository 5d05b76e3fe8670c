//! A fixed piece of fan-out, for counting its instructions, which no noise can touch:
//!
//! ```text
//! cargo build --release -p fanfare-benches --example instructions
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measured*' target/release/examples/instructions
//! ```
//!
//! Divide the `Collected` figure by the notifications printed. With `*signed_in*` in place of `*measured*` it is the
//! sign-in of 20,000 users that is counted: 1.6 million subscriptions, and as many first states told.

use fanfare_benches::{Graph, World};

const USERS: u64 = 20_000;
const PUBLICATIONS: u64 = 2_000;

#[inline(never)]
fn measured(world: &mut World) -> (u64, u64) {
    let (mut notes, mut sum) = (0, 0);
    for nth in 0..PUBLICATIONS {
        world.publish(nth * 7_919 % USERS);
        if nth % 16 == 15 {
            let (more, told) = world.drain();
            notes += more;
            sum ^= told;
        }
    }
    (notes, sum)
}

#[inline(never)]
fn signed_in() -> World {
    World::signed_in(Graph::uniform(USERS))
}

fn main() {
    let mut world = signed_in();
    let (notes, sum) = measured(&mut world);
    println!("{notes} notifications, checksum {sum:016x}");
}
