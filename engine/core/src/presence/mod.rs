//! Presence: what the fan-out's states mean, who published them, and who may see which.
//!
//! A [`Shard`] is the fan-out of one core with a desk beside it. The desk keeps what endpoints publish to the
//! presentities at home here; composition makes one state of it; views render that state for each class of watchers; a
//! policy decides which view a watcher gets. The fan-out below knows nothing of it: it carries states of (presentity,
//! view) and asks a guard which view that is. Lives on the shard's core; no clock, no I/O. An engine that publishes
//! states by itself and has no policy pays nothing for any of it but a look at a message's kind.

pub mod composition;
mod decide;
mod desk;
mod edits;
pub mod lists;
pub mod policy;
mod publish;
mod record;
mod render;
pub mod rendition;
pub mod roster;
pub mod scheme;
mod sessions;
mod shard;
pub mod stream;
pub mod view;
mod watchers;

pub use shard::{Shard, ShardConfig};
