//! The fan-out core of Fanfare: when someone's presence changes, tell everyone who watches them.
//!
//! A [`Shard`] is the state machine of one core: a [`FanOut`], which tells states to those who watch them, and
//! [`presence`] on top, which gives states a meaning. It does no I/O, reads no clock and starts no thread: time is passed
//! in as a [`Tick`], messages of other shards are handed in and taken out, and the crate is `no_std`, so that the
//! compiler itself proves it. The crate `fanfare` puts shards on threads, joins them by rings and adds handles.
//!
//! Methods of a shard, those of its fan-out included, come in six kinds, and [`FanOut::take_memory`] prepares it:
//! * *what the local frontend wants*: [`FanOut::open_watcher`], [`FanOut::subscribe`], [`FanOut::watch`],
//!   [`Shard::publish`], [`Shard::publish_endpoint`], [`Shard::set_policy`] and so on;
//! * *how they want to hear of it*: [`FanOut::set_rate`], [`FanOut::renew_group`], [`FanOut::refresh_group`],
//!   [`FanOut::set_active`], [`FanOut::pace_watcher`]; and, should their connection be lost, [`FanOut::track`],
//!   [`FanOut::acknowledge`], [`FanOut::park`], [`FanOut::resume`], [`Shard::take_session`] and [`Shard::open_session`];
//! * *what they may use*: [`Shard::set_limits`], [`FanOut::set_tenant`];
//! * *what happened*: [`Shard::receive`], [`FanOut::receive_returns`], [`FanOut::writable`], [`Shard::step`];
//! * *what is to be done now*: [`FanOut::next_ended`], [`FanOut::next_ended_session`], [`FanOut::next_ready`] and [`FanOut::outbox`],
//!   [`FanOut::next_outcome`], [`FanOut::next_message`], [`FanOut::next_return`]; poll them until they say no more before sleeping;
//! * *how it stands*: [`FanOut::counters`], [`Shard::footprint`], [`Shard::verify`].
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
mod guard;
mod id;
mod identity;
mod limits;
pub mod presence;
mod preset;
mod publication;
pub mod shard;
pub mod status;
pub mod store;
mod tenant;

pub use document::Document;
pub use error::{Accepted, Bound, Corrupt, Error, LimitsError, Published, Refusal, ShardError};
pub use guard::{Guard, Verdict};
pub use id::{
    CATEGORIES, Categories, Category, EndpointId, EntityTag, GroupId, ListId, PARTITIONS, Partition, PolicyEpoch,
    PresentityId, SHARDS_MAX, ShardIndex, ShardSet, SlotIndex, Stamp, Tick, Ticket, TopicIndex, View, WatcherId,
};
pub use identity::{Identity, Network};
pub use limits::Limits;
pub use presence::lists::ListEntry;
pub use presence::policy::{Decision, Handling, Policy, Who};
pub use presence::rendition::Rendition;
pub use presence::scheme::Scheme;
pub use presence::stream::{Audit, Audited, PresenceEvent, PresenceEventKind};
pub use presence::{Shard, ShardConfig};
pub use publication::{EndpointPublication, NameClaim, PartEdit, PolicyEdit};
pub use shard::message::{
    Interest, Message, NewGuard, Outcome, Part, Parts, Publication, Request, Shown, State, Update,
};
pub use shard::watcher_information::{
    Follower, ListedWatcher, Stretch, WatcherEvent, WatcherInformation, WatcherKey, WatcherMessage, WatcherPiece,
    WatcherStatus,
};
pub use shard::{
    Change, Counters, Differ, EndReason, Explanation, FanOut, Footprint, Gathered, GroupEnded, MESSAGES_TOGETHER,
    MembersChanged, Note, Outbox, PartTrigger, Population, Rate, ResumeToken, Session, SessionEnded, SessionRefused,
    ShardMemory, StateTag, Trigger, Work,
};
#[cfg(feature = "floor")]
pub use shard::{FloorDone, FloorOrder, FloorRoom};
pub use status::Status;
pub use store::Heap;
pub use tenant::{Tenancy, Tenant, TenantId, TenantUse};
