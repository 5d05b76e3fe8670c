//! What shards tell each other.
//!
//! Two kinds travel in the same ring. **State** (joins, leaves, updates) is made at the moment when the ring has room,
//! from what is newest then; it is never stored as a message. **Requests** are transactions: each holds a credit of
//! the asker until its answer is back, so that both directions are bounded.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::document::Document;
use crate::error::{Published, Refusal};
use crate::id::{Category, PresentityId, Stamp, Tick, Ticket, View};

/// One entry of a link.
#[derive(Debug)]
pub enum Message {
    /// Asks the home for something; holds a credit.
    Request {
        /// The asker's ticket, given back with the answer.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// What the home says to a request; gives the credit back.
    Answer {
        /// The asker's ticket.
        ticket: Ticket,
        /// What came of it.
        outcome: Outcome,
    },
    /// The shard has a first watcher for the view, or wants to hear the state again.
    Join(Interest),
    /// The shard has no watcher for the view any more.
    Leave(Interest),
    /// The newest state of a view, for one topic.
    Update(Update),
}

/// A request to a home.
#[derive(Debug)]
pub enum Request {
    /// Make this the state.
    Publish(Publication),
    /// Tell the state, once.
    Fetch {
        /// Whose.
        presentity: PresentityId,
        /// In which rendering.
        view: View,
    },
}

/// A new state for one category of one view; the last write wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Whose state.
    pub presentity: PresentityId,
    /// The rendering that the document is.
    pub view: View,
    /// The part of the presence that it describes.
    pub category: Category,
    /// The bytes, or nothing to take the category's state away.
    pub document: Option<Bytes>,
    /// When the state stops being true, or [`Tick::NEVER`].
    pub expires: Tick,
}

impl Publication {
    /// A state without expiry, for an engine with one view and one category.
    #[must_use]
    pub fn plain(presentity: PresentityId, document: Bytes) -> Self {
        Self {
            presentity,
            view: View::PLAIN,
            category: Category::FIRST,
            document: Some(document),
            expires: Tick::NEVER,
        }
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The publication is the state now.
    Published(Published),
    /// What the state is.
    Fetched(State),
    /// Nothing was changed.
    Refused(Refusal),
}

/// A state, as fetched.
#[derive(Clone, Debug)]
pub struct State {
    /// The version.
    pub stamp: Stamp,
    /// The documents that there are, by category.
    pub parts: Box<[(Category, Bytes)]>,
}

/// Which topic of which shard listens to which view of which presentity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Who is watched.
    pub presentity: PresentityId,
    /// In which rendering.
    pub view: View,
    /// The listening shard's topic; it comes back with every update, so that an update costs no look-up.
    pub topic: u32,
    /// The topic's generation: what was meant for an earlier join is not taken for an answer to this one.
    pub generation: u32,
}

/// The newest state of a view.
#[derive(Debug)]
pub struct Update {
    /// The listening shard's topic.
    pub topic: u32,
    /// Its generation when it joined.
    pub generation: u32,
    /// The view's turn.
    pub turn: u32,
    /// Whether the parts are all there is, and not only what changed since the last update.
    pub whole: bool,
    /// The presentity's stamp: the state is the newest as of it.
    pub stamp: Stamp,
    /// The earliest expiry among the view's documents.
    pub expires: Tick,
    /// The categories of the last sixteen changes, four bits each, the newest lowest.
    pub history: u64,
    /// The changed categories.
    pub parts: Parts,
}

/// The categories that an update carries. Nearly always one, which costs no allocation.
#[derive(Debug)]
pub enum Parts {
    /// No category: the view has no document, or only the stamp or the expiry moved.
    None,
    /// One category.
    One(Part),
    /// Several, conflated on the way.
    Many(Box<[Part]>),
}

/// The newest state of a category.
#[derive(Debug)]
pub struct Part {
    /// Which.
    pub category: Category,
    /// The view's turn when it changed last.
    pub turn: u32,
    /// Its bytes, or nothing.
    pub document: Option<Document>,
}
