//! Watcher information (RFC 3857, RFC 3858): who watches a presentity, told to its owner.
//!
//! Three parts, each on its own shard and all of them often on one. A *follower* is a group of the owner's that follows
//! who watches him; its shard asks the *home*, the home asks each shard that has *watchers* of him, and lists travel back:
//!
//! ```text
//! follower's shard   -- follow, unfollow ------------->  home   -- report, cease ------------------------>  watchers' shard
//! follow.rs          <------------ pieces of its list --  followed.rs   <-- pieces of that shard's list --  report.rs
//! ```
//!
//! A list is state and never queued: the sender keeps what is true and how much of it the receiver was told, owes one mark
//! on the link, and makes the next piece when there is room (`list.rs`). First the whole list, then what has changed.
//! Who is not followed costs a look at an empty table for a call that subscribes, ends or moves subscriptions. A listed watcher
//! weighs some 200 bytes on each of the three.

mod follow;
mod followed;
mod list;
mod marks;
mod report;
mod verify;

use alloc::boxed::Box;

pub(crate) use follow::Followings;
pub(crate) use followed::FollowedPresentities;
pub(crate) use marks::Marks;
pub(crate) use report::Reports;

use super::message::Message;
use super::{EndReason, FanOut, ShardMemory};
use crate::id::{GroupId, PresentityId, ShardIndex, WatcherId};

/// Where a watcher's subscription stands (RFC 3857, section 4.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WatcherStatus {
    /// It is shown what policy grants, be that an offline look.
    Active,
    /// It waits for the owner's decision.
    Pending,
    /// Nobody subscribes for him any more, or not here, and the owner has still to decide.
    Waiting,
    /// It has ended or was refused.
    Terminated,
}

/// What brought a watcher's subscription where it stands (RFC 3858, section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum WatcherEvent {
    /// It was made.
    Subscribe,
    /// The owner's policy lets it see something that it was not let see before.
    Approved,
    /// Its session was closed, and who comes back subscribes anew.
    Deactivated,
    /// There was no room for it any more, and there may be later.
    Probation,
    /// The owner's policy refuses it.
    Rejected,
    /// It was ended, or not renewed in time.
    Timeout,
    /// Who waited does so no more, without a decision: he subscribes again, or was forgotten.
    Giveup,
    /// The list that its group followed is no more.
    NoResource,
}

impl From<EndReason> for WatcherEvent {
    fn from(why: EndReason) -> Self {
        match why {
            EndReason::Timeout => Self::Timeout,
            EndReason::NoResource => Self::NoResource,
            EndReason::Probation => Self::Probation,
        }
    }
}

/// Which entry of a list of watchers is meant. It is never used for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WatcherKey {
    /// A subscription: a group holds a presentity at most once.
    Subscription {
        /// The watcher's shard.
        shard: ShardIndex,
        /// Its group there.
        group: GroupId,
    },
    /// Somebody without a subscription on whom the owner has still to decide.
    Waiting(PresentityId),
}

/// One watcher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListedWatcher {
    /// Which entry it is.
    pub key: WatcherKey,
    /// Who watches, as the presentity that he is himself; nobody where the group has no identity.
    pub watcher: Option<PresentityId>,
    /// Where his subscription stands.
    pub status: WatcherStatus,
    /// What brought it there.
    pub event: WatcherEvent,
}

/// What a follower is told: the whole list, or what has changed since it was told last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatcherInformation {
    /// Who is watched.
    pub presentity: PresentityId,
    /// How often the follower was told something before: from 0, and one more each time (RFC 3858, section 4).
    pub version: u32,
    /// Whether the list is all there is, and not only what has changed.
    pub full: bool,
    /// The watchers, those that have ended only among what has changed.
    pub watchers: Box<[ListedWatcher]>,
    /// Watchers beyond [`crate::Limits::watchers_listed`], who are counted and not listed.
    pub left_out: u64,
}

/// A group that has something to be told about who watches its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Follower {
    /// Whose group it is.
    pub watcher: WatcherId,
    /// What the embedder gave when it opened the watcher.
    pub watcher_token: u64,
    /// Which.
    pub group: GroupId,
    /// What the embedder gave when it opened the group.
    pub group_token: u64,
    /// Whose watchers it follows.
    pub presentity: PresentityId,
}

/// What shards tell each other about watchers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatcherMessage {
    /// To the home: somebody here follows; the list is to come under this number.
    Follow {
        /// Whose watchers.
        presentity: PresentityId,
        /// The number.
        round: u32,
    },
    /// To the home: nobody here follows any more.
    Unfollow {
        /// Whose watchers.
        presentity: PresentityId,
    },
    /// From the home: tell who watches, under this number.
    Report {
        /// Whom.
        presentity: PresentityId,
        /// The number.
        round: u32,
    },
    /// From the home: tell it no more.
    Cease {
        /// Whom.
        presentity: PresentityId,
    },
    /// To the home: some of those who watch here.
    Reported(WatcherPiece),
    /// From the home: some of those who watch.
    Listed(WatcherPiece),
}

/// Some of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatcherPiece {
    /// Who is watched.
    pub presentity: PresentityId,
    /// The number under which the list was asked for.
    pub round: u32,
    /// The stretch of the sender's keys that the piece tells all of: nothing, where it tells what has changed.
    pub covers: Option<Stretch>,
    /// The watchers.
    pub watchers: Box<[ListedWatcher]>,
    /// Watchers that the sender counts and does not list.
    pub left_out: u64,
}

/// Keys behind one and up to another; the first or the last of the sender's where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// The last key that is not in it.
    pub after: Option<WatcherKey>,
    /// The last one that is.
    pub upto: Option<WatcherKey>,
}

/// What one shard owes another about watchers: what it comes to is looked up when there is room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Owed {
    /// Whether anybody here follows.
    Follow(PresentityId),
    /// Whether that shard is to report.
    Report(PresentityId),
    /// This shard's list, to the home.
    Reported(PresentityId),
    /// The home's list, to a follower's shard.
    Listed(PresentityId),
}

impl<B: ShardMemory> FanOut<B> {
    /// The next message about watchers, made now.
    pub(crate) fn next_information(&mut self, to: ShardIndex) -> Option<Message> {
        let message = loop {
            let made = match self.links[to.index()].information.pop()? {
                Owed::Follow(presentity) => self.make_follow(presentity),
                Owed::Report(presentity) => self.make_report(presentity, to),
                Owed::Reported(presentity) => self.make_reported(presentity),
                Owed::Listed(presentity) => self.make_listed(presentity, to),
            };
            if let Some(message) = made {
                break message;
            }
        };
        self.counters.information_sent += 1;
        Some(Message::Watchers(message.into()))
    }

    /// Takes in what another shard says about watchers.
    pub(crate) fn take_information(&mut self, from: ShardIndex, message: WatcherMessage) {
        match message {
            WatcherMessage::Follow { presentity, round } => self.take_follow(from, presentity, round),
            WatcherMessage::Unfollow { presentity } => self.take_unfollow(from, presentity),
            WatcherMessage::Report { presentity, round } => self.reports.begin(presentity, round, &self.limits),
            WatcherMessage::Cease { presentity } => self.reports.cease(presentity),
            WatcherMessage::Reported(piece) => self.take_reported(from, &piece),
            WatcherMessage::Listed(piece) => self.take_listed(&piece),
        }
    }

    /// Whether nothing about watchers is left to do here.
    pub(crate) fn information_rests(&self) -> bool {
        !self.reports.has_work() && self.followings.nobody_is_ready()
    }

    /// Whether reports have watchers to look for at once.
    pub(crate) fn has_watchers_to_gather(&self) -> bool {
        self.reports.has_work()
    }

    pub(crate) fn information_bytes(&self) -> u64 {
        self.reports.bytes() + self.followed.bytes() + self.followings.bytes()
    }

    fn owe_information(&mut self, to: ShardIndex, owed: Owed) {
        self.links[to.index()].information.push(owed);
    }
}
