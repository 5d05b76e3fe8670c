//! What foreign threads can put in at a shard: commands, and calls for attention to a watcher.
//!
//! Shared by everybody; popped by the shard's doorkeeper alone. Commands are bounded by the ingress. Calls for
//! attention are bounded by the watchers: each is in the list at most once (its feed remembers), so a close or a
//! "there is room again" always gets in, however full the door is.

use std::sync::Arc;

use crossbeam_queue::SegQueue;
use fanfare_core::{Error, GroupId, Outcome, PresentityId, Publication, View, WatcherId};

use super::answer::Answering;
use super::feed::Feed;
use crate::mesh::doorbell::Doorbell;
use crate::mesh::ingress::Ingress;

/// One call of a handle, on its way to a shard.
#[derive(Debug)]
pub(crate) enum Command {
    /// Publish, and answer when the home has.
    Publish { publication: Publication, answer: Answering<Result<Outcome, Error>> },
    /// Fetch, and answer when the home has.
    Fetch { presentity: PresentityId, view: View, answer: Answering<Result<Outcome, Error>> },
    /// Open a watcher with one group, whose notes go to this feed.
    Open { token: u64, feed: Arc<Feed>, answer: Answering<Result<(WatcherId, GroupId), Error>> },
    /// Subscribe the group.
    Subscribe { group: GroupId, view: View, presentities: Box<[PresentityId]>, answer: Answering<Result<usize, Error>> },
    /// Unsubscribe the group.
    Unsubscribe { group: GroupId, presentities: Box<[PresentityId]>, answer: Answering<Result<usize, Error>> },
}

/// One shard's door.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) ingress: Ingress<Command>,
    pub(crate) attention: SegQueue<WatcherId>,
    doorbell: Arc<Doorbell>,
}

impl Door {
    pub(crate) fn new(slots: usize, doorbell: Arc<Doorbell>) -> Self {
        Self { ingress: Ingress::new(slots, doorbell.clone()), attention: SegQueue::new(), doorbell }
    }

    /// Makes the doorkeeper look at this watcher's feed. Called by whoever has just noted in the feed that it is
    /// listed.
    pub(crate) fn call_attention(&self, watcher: WatcherId) {
        self.attention.push(watcher);
        self.doorbell.ring();
    }
}
