//! What shards tell each other.
//!
//! Two kinds travel in the same ring. **State** (joins, leaves, updates) is made at the moment when the ring has room,
//! from what is newest then; it is never stored as a message. **Requests** are transactions: each holds a credit of
//! the asker until its answer is back, so that both directions are bounded.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;

use crate::document::Document;
use crate::error::{Accepted, Published, Refusal};
use crate::guard::{Guard, Verdict};
use crate::id::{Category, PolicyEpoch, PresentityId, ShardSet, Stamp, Tick, Ticket, View};
use crate::identity::Identity;
use crate::publication::{EndpointPublication, NameClaim, PolicyEdit};
use crate::shard::watcher_information::WatcherMessage;

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
    /// The shard lets nobody see what this policy of the presentity's denies.
    Applied {
        /// Whose policy.
        presentity: PresentityId,
        /// The newest that is applied there.
        epoch: PolicyEpoch,
    },
    /// Who watches whom, for owners who follow it.
    Watchers(Box<WatcherMessage>),
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
    /// Take in what an endpoint says.
    Endpoint(Box<EndpointPublication>),
    /// Let this be the policy.
    SetPolicy(Box<PolicyEdit>),
    /// Tell what this watcher may see, once.
    FetchFor {
        /// Whose.
        presentity: PresentityId,
        /// Who asks.
        who: Arc<Identity>,
    },
    /// Tell what this watcher may see of each of these, once.
    FetchMany {
        /// Whose, each at home there.
        presentities: Box<[PresentityId]>,
        /// Who asks.
        who: Arc<Identity>,
    },
    /// Let the owner decide on this watcher, if the policy says so.
    Ask {
        /// Whose presence he wants to see.
        presentity: PresentityId,
        /// Who asks.
        who: Arc<Identity>,
    },
    /// Tell who waits for the owner's decision.
    Pending {
        /// Whose.
        presentity: PresentityId,
    },
    /// Let the id stand for this name, and for no other.
    Claim(Box<NameClaim>),
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
    /// What each of several states is, in the order asked for.
    FetchedMany(Box<[State]>),
    /// The endpoint's publication stands.
    Accepted(Accepted),
    /// Every shard with a watcher has applied the policy.
    PolicyApplied {
        /// The newest that they have applied: of this edit, or of a later one.
        epoch: PolicyEpoch,
    },
    /// The policy stands, and these shards have not said within the time allowed that they have applied it. They
    /// will, as soon as they step.
    Incomplete {
        /// The policy's number.
        epoch: PolicyEpoch,
        /// Who has not said so.
        shards: ShardSet,
    },
    /// What the policy says of a watcher.
    Decided(Verdict),
    /// Who waits for the owner's decision, oldest first.
    Pending(Box<[PresentityId]>),
    /// The id stands for the name.
    Named,
    /// Nothing was changed.
    Refused(Refusal),
}

/// A state, as fetched.
#[derive(Clone, Debug)]
pub struct State {
    /// The rendering: what was asked for, or what the policy grants.
    pub view: View,
    /// The version.
    pub stamp: Stamp,
    /// The documents that there are, by category.
    pub parts: Box<[(Category, Bytes)]>,
}

/// What somebody who fetched a state learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The documents of the view that policy grants.
    State,
    /// That there is nothing in that view.
    Nothing,
    /// That the owner has still to decide (RFC 3856: pending).
    Pending,
    /// That he is refused.
    Refused,
}

impl State {
    /// What the one who asked learns.
    #[must_use]
    pub fn shown(&self) -> Shown {
        match self.view {
            View::PENDING => Shown::Pending,
            View::BLOCKED => Shown::Refused,
            _ if self.parts.is_empty() => Shown::Nothing,
            _ => Shown::State,
        }
    }
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
    /// The newest policy of the presentity that the shard knows, so that the home tells it of another.
    pub policy: PolicyEpoch,
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
    /// A policy that the topic has to obey before it shows these parts, or anything else.
    Guarded(Box<(NewGuard, Parts)>),
}

/// A presentity's policy, on its way to a shard that has watchers of it.
#[derive(Clone, Debug)]
pub struct NewGuard {
    /// Its number.
    pub epoch: PolicyEpoch,
    /// Who decides; nobody where the scheme's guard does.
    pub guard: Option<Arc<dyn Guard>>,
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
