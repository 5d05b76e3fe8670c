//! Fan-out rivals behind one trait: same graph, same order of publications, same check.
//!
//! The question: how many notifications a second does one core make, by whatever algorithm? All contenders run on the
//! calling thread. In batches of 64, publications make payloads of 32 bytes the newest states of presentities, and then
//! every watcher takes all that waits for it. The presentities of a batch are all different, so that conflation spares
//! the engine nothing. What the watchers received goes into a sum, which is compared with what the graph says; who loses,
//! repeats or ages a delivery gets an error and no figure.
//!
//! # Classes
//!
//! * **Engine**: `fanfare`, one shard.
//! * **Queueing**: each watcher gets its own copy or handle of every change, in its queue. No algorithm of this class
//!   bounds what a slow watcher costs without losing something or holding somebody up.
//! * **Index outbox**: uWebSockets' algorithm on dense arrays; no more than what must be touched anyway.
//!
//! What helps a rival and does not belong to its algorithm is given to it: a list of who is ready stands in for wake-ups;
//! numbers from 0 up stand in for names; nobody subscribes or leaves meanwhile; no contender writes to a socket.
//!
//! # Where the contenders come from
//!
//! | Contender | Crate | Licence, last release, crates it brings | Taken because |
//! |---|---|---|---|
//! | `tokio-broadcast` | `tokio` 1.54.1, feature `sync` | MIT, 2026-10, 1 more | it is what most Rust programs fan out with |
//! | `map-flume` | `flume` 0.12.0, no features | MIT or Apache-2.0, 2025-12, 3 more | a queue that is drained under one lock |
//! | `map-crossbeam` | `crossbeam-channel` 0.5.17 | MIT or Apache-2.0, 2026-09, 1 more | a queue without a lock |
//! | `bus` | `bus` 2.4.1 | MIT or Apache-2.0, 2023-08 (finished rather than kept up), 7 more | a ring that all readers share; a thread for each bus, so 1,000 users at the most |
//! | `glommio-local` | `glommio-ng` 0.12.0, as in the workspace | MIT or Apache-2.0, 2026-09, in the tree anyway | thread-per-core queues without atomics; needs io_uring. Its mesh joins executors, not watchers |
//! | `subject-trie` | written here | | the NATS server's algorithm |
//! | `index-outbox` | written here, in a map of `memmap2` as the engine's arenas | | uWebSockets' algorithm |
//!
//! Left out: `zenoh` 1.10.2 (EPL-2.0 or Apache-2.0, 2026-10). It builds, but a feature that nobody turns on would still put
//! 183 packages into the workspace's lock file, and it would have no figure at sizes that matter: each declaration of a
//! subscriber looks at every key expression that the session has declared, so 800,000 subscriptions to 10,000 presentities
//! are billions of comparisons before the first publication. Left out as well: glommio's channel mesh (see
//! `contenders/local_channel.rs`), and servers behind sockets, which another program has to measure.
//!
//! # In five lines
//!
//! ```
//! use fanfare_bench_world::Shape;
//! let measured = fanfare_rivals::measure(&["fanfare", "index-outbox"], 200, Shape::Uniform, 0.001, 1)?;
//! for one in measured {
//!     println!("{}: {:.0} notifications a second", one.name, one.notifications_per_s_median);
//! }
//! # Ok::<(), fanfare_rivals::RivalError>(())
//! ```

mod audience;
mod comparison;
mod contenders;
mod error;
mod measured;
mod publishing;
mod rival;

pub use audience::Audience;
pub use comparison::{BATCH, Comparison, Progress, SEED, measure};
pub use contenders::{BYTES_MAX, Contender, all, named};
pub use error::RivalError;
pub use measured::{Budget, Measured, Sample, median, run};
pub use publishing::{Publishing, due};
pub use rival::{Change, Class, PAYLOAD_BYTES, Payload, Rival, Told};
