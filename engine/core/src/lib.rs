//! The fan-out core of Fanfare: when someone's presence changes, tell everyone who watches them.
//!
//! A [`Shard`] is the state machine of one core. It does no I/O, reads no clock and starts no thread: time is passed
//! in as a [`Tick`], messages of other shards are handed in and taken out, and the crate is `no_std`, so that the
//! compiler itself proves it. The crate `fanfare` puts shards on threads, joins them by rings and adds handles.
//!
//! Methods of a shard come in four kinds:
//! * *what the local frontend wants*: [`Shard::open_watcher`], [`Shard::subscribe`], [`Shard::publish`] and so on;
//! * *what happened*: [`Shard::receive`], [`Shard::receive_return`], [`Shard::writable`], [`Shard::step`];
//! * *what is to be done now*: [`Shard::next_ready`] and [`Shard::outbox`], [`Shard::next_outcome`],
//!   [`Shard::next_message`], [`Shard::next_return`]; poll them until they say no more before sleeping;
//! * *how it stands*: [`Shard::counters`], [`Shard::footprint`], [`Shard::verify`].
//!
//! ```
//! use bytes::Bytes;
//! use fanfare_core::*;
//!
//! let mut shard = Shard::new(ShardConfig::new(0, 1), Heap)?;
//! let ken = PresentityId::new(7);
//! let watcher = shard.open_watcher(1)?;
//! let group = shard.open_group(watcher, 1, Categories::ALL)?;
//! shard.subscribe(group, View::PLAIN, &[ken])?;
//! shard.publish(Publication::plain(ken, Bytes::from_static(b"open")))?;
//! shard.step(Tick::from_micros(1), 1_024);
//!
//! let ready = shard.next_ready().expect("somebody has something to be told");
//! let mut outbox = shard.outbox(ready);
//! let note = outbox.next().expect("the newest state of what changed");
//! assert_eq!(note.presentity, ken);
//! assert_eq!(note.document().unwrap().as_slice(), b"open");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod document;
mod error;
mod id;
mod limits;
pub mod shard;
pub mod store;

pub use document::Document;
pub use error::{Bound, Corrupt, Error, LimitsError, Published, Refusal, ShardError};
pub use id::{
    CATEGORIES, Categories, Category, GroupId, PARTITIONS, Partition, PresentityId, SHARDS_MAX, ShardIndex, SlotIndex,
    Stamp, Tick, Ticket, TopicIndex, View, WatcherId,
};
pub use limits::Limits;
pub use shard::message::{Interest, Message, Outcome, Part, Parts, Publication, Request, State, Update};
pub use shard::{Counters, Footprint, Note, Outbox, Population, Shard, ShardConfig, ShardMemory, Work};
pub use store::Heap;
