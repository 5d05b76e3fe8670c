//! What foreign threads can put in at a shard: commands, and calls for attention to a watcher.
//!
//! Shared by everybody; popped by the shard's doorkeeper alone. Commands are bounded by the ingress. Calls for
//! attention are bounded by the watchers: each is in the list at most once (its feed remembers), so a close or a
//! "there is room again" always gets in, however full the door is. Who is still to be answered stands in the
//! [`Book`], which lies here and not with the doorkeeper so that others can end the waits of a shard that does not
//! come back. Invariant: nobody but the doorkeeper waits for the book's lock while the shard is well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::SegQueue;
use event_listener::Event;
use fanfare_core::{GroupId, Identity, PresentityId, Publication, Rate, Request, View, WatcherId};

use super::CallError;
use super::answer::Answering;
use super::book::{Book, Reply};
use super::census::Census;
use super::feed::Feed;
use super::gather::Gather;
use super::watcher::Watcher;
use crate::mesh::doorbell::Doorbell;
use crate::mesh::ingress::Ingress;

/// One call of a handle, on its way to a shard.
#[derive(Debug)]
pub(crate) enum Command {
    /// Ask, and answer when the home has.
    Ask { request: Request, reply: Reply },
    /// Publish all of these, each with its place in the call, and tell what came of them.
    PublishAll { publications: Vec<(u32, Publication)>, gather: Arc<Gather> },
    /// Open a watcher with one group, somebody's or nobody's, whose notes go to this feed.
    Open { token: u64, who: Option<Arc<Identity>>, feed: Arc<Feed>, answer: Answering<Watcher> },
    /// Subscribe the watcher's group, to a view by number or to what policy grants.
    Subscribe { group: GroupId, view: Option<View>, presentities: Box<[PresentityId]>, answer: Answering<usize> },
    /// Unsubscribe the watcher's group.
    Unsubscribe { group: GroupId, presentities: Box<[PresentityId]>, answer: Answering<usize> },
    /// Change how a watcher and its group are told.
    Tell { watcher: WatcherId, group: GroupId, manner: Manner, answer: Answering<()> },
    /// Tell who watches on this shard.
    Census { presentity: PresentityId, census: Arc<Census> },
}

/// How a watcher is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Whether anybody looks.
    Active(bool),
    /// At this rate.
    Rate(Rate),
    /// Everything once more.
    Again,
}

impl Command {
    /// Answers that it is not obeyed.
    pub(super) fn refuse(self, error: &CallError) {
        match self {
            Self::Ask { reply, .. } => reply.refuse(error),
            Self::PublishAll { publications, gather } => {
                gather.put(publications.into_iter().map(|(place, _)| (place, Err(error.clone()))));
            }
            Self::Open { answer, .. } => answer.give(Err(error.clone())),
            Self::Subscribe { answer, .. } | Self::Unsubscribe { answer, .. } => answer.give(Err(error.clone())),
            Self::Tell { answer, .. } => answer.give(Err(error.clone())),
            Self::Census { census, .. } => census.refuse(error),
        }
    }
}

/// One shard's door.
#[derive(Debug)]
pub(crate) struct Door {
    pub(super) ingress: Ingress<Command>,
    pub(super) attention: SegQueue<WatcherId>,
    /// Told when there is room.
    pub(super) room: Event,
    /// Somebody waits for room.
    room_wanted: AtomicBool,
    /// Its host has not stepped for too long.
    stalled: AtomicBool,
    book: Mutex<Book>,
    doorbell: Arc<Doorbell>,
}

impl Door {
    pub(super) fn new(slots: usize, doorbell: Arc<Doorbell>) -> Self {
        Self {
            ingress: Ingress::new(slots, doorbell.clone()),
            attention: SegQueue::new(),
            room: Event::new(),
            room_wanted: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            book: Mutex::default(),
            doorbell,
        }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the doorkeeper look at this watcher's feed. Called by whoever has just noted in the feed that it is
    /// listed.
    pub(super) fn call_attention(&self, watcher: WatcherId) {
        self.attention.push(watcher);
        self.doorbell.ring();
    }

    /// Whether the doorkeeper has something to do.
    pub(super) fn has_input(&self) -> bool {
        !self.ingress.is_empty() || !self.attention.is_empty()
    }

    /// By one who waits for room, and listens already. Tells whether somebody will tell it.
    pub(super) fn want_room(&self) -> bool {
        self.room_wanted.store(true, Ordering::Release);
        self.doorbell.ring();
        // The bell's fence stands between the mark and these loads, as between the flags and the telling on the
        // other side.
        !self.ingress.is_closed() && !self.is_stalled()
    }

    /// By the shard: whether somebody waits for room and there may be some.
    pub(super) fn is_room_wanted(&self) -> bool {
        self.room_wanted.load(Ordering::Relaxed) && !self.ingress.is_full()
    }

    /// By the shard: there is room.
    pub(super) fn tell_room(&self) {
        self.room_wanted.swap(false, Ordering::AcqRel);
        self.room.notify(usize::MAX);
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }

    /// Tells whether that is news.
    pub(crate) fn set_stalled(&self, stalled: bool) -> bool {
        self.stalled.load(Ordering::Relaxed) != stalled && self.stalled.swap(stalled, Ordering::AcqRel) != stalled
    }

    /// Ends all waits for this shard, which may still come back and must then find its books in order.
    pub(crate) fn refuse_waiting(&self, error: &CallError) {
        while let Some(command) = self.ingress.pop() {
            command.refuse(error);
        }
        let waits = self.book().take_waits();
        waits.refuse(error);
        self.room.notify(usize::MAX);
    }

    /// Ends all waits for this shard, which will answer nothing any more.
    pub(crate) fn abandon(&self, error: &CallError) {
        self.ingress.close();
        self.refuse_waiting(error);
        let feeds = self.book().feeds();
        for feed in feeds {
            feed.end();
        }
    }
}
