//! The records of homes: presentities, their views and documents, and who listens.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::super::expiry::Expiring;
use crate::document::Document;
use crate::guard::Guard;
use crate::id::{CATEGORIES, PolicyEpoch, Tick, View};
use crate::store::{Links, Record};

/// A presentity at home: 24 bytes.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Home {
    pub(crate) presentity: u64,
    /// The stamp of its newest change.
    pub(crate) stamp: u64,
    /// Its views, chained.
    pub(crate) views: u32,
    /// Its policy and whatever else the layer above keeps for it, if anything.
    pub(crate) ward: u32,
}

impl Record for Home {
    fn chain(&mut self) -> &mut u32 {
        &mut self.views
    }
}

/// A presentity of which more is known than its views: 24 bytes, and the layer above has a record of the same number.
#[derive(Debug, Default)]
pub(crate) struct Ward {
    /// Its policy; none where the scheme's holds.
    pub(crate) guard: Option<Arc<dyn Guard>>,
    /// The policy's number; 0 while none was set since the ward was made, be it to none.
    pub(crate) epoch: PolicyEpoch,
    /// The home, or the chain of free records.
    pub(crate) home: u32,
}

impl Record for Ward {
    fn chain(&mut self) -> &mut u32 {
        &mut self.home
    }
}

/// The number of no category: nothing was ever published.
pub(crate) const NO_CATEGORY: u8 = u8::MAX;

/// One rendering of a presentity's state: 48 bytes.
#[derive(Debug, Default)]
pub(crate) struct HomeView {
    /// The earliest expiry among the documents.
    pub(crate) expires: Tick,
    /// The document, while all changes were of one category; else they lie in `parts`.
    pub(crate) document: Option<Document>,
    pub(crate) home: u32,
    pub(crate) turn: u32,
    /// The interested shards, chained.
    pub(crate) readers: u32,
    pub(crate) next: u32,
    /// Where the view stands among the expiries.
    pub(crate) expiry_place: u32,
    pub(crate) parts: u32,
    pub(crate) view: View,
    pub(crate) category: u8,
    /// How many documents there are.
    pub(crate) documents: u8,
    /// Whether the layer above composes the documents, and takes them away when they expire.
    pub(crate) is_composed: bool,
    /// Whether it shows the stamp of the policy and not the newest, which would tell that something happens.
    pub(crate) hides_stamp: bool,
}

impl Expiring for HomeView {
    type At = Tick;

    fn expires(&self) -> Tick {
        self.expires
    }

    fn place(&self) -> u32 {
        self.expiry_place
    }

    fn set_place(&mut self, place: u32) {
        self.expiry_place = place;
    }
}

impl Record for HomeView {
    fn chain(&mut self) -> &mut u32 {
        &mut self.next
    }
}

/// The documents of a view with several categories.
#[derive(Debug, Default)]
pub(crate) struct HomeParts {
    pub(crate) documents: [Option<Document>; CATEGORIES],
    /// When each expires, once one of them does and the view is not composed.
    pub(crate) expires: Option<Box<[Tick; CATEGORIES]>>,
    pub(crate) turns: [u32; CATEGORIES],
    pub(crate) history: u64,
    /// The categories that ever changed, as a set's bits.
    pub(crate) known: u8,
    pub(crate) chain: u32,
}

impl HomeParts {
    pub(crate) fn expires_mut(&mut self) -> &mut [Tick; CATEGORIES] {
        self.expires.get_or_insert_with(|| Box::new([Tick::NEVER; CATEGORIES]))
    }
}

impl Record for HomeParts {
    fn chain(&mut self) -> &mut u32 {
        &mut self.chain
    }
}

/// A shard's interest in a view, and what it is owed: 32 bytes.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Reader {
    pub(crate) view: u32,
    /// The topic there, and its generation when it joined.
    pub(crate) topic: u32,
    pub(crate) generation: u32,
    /// The turn that was sent last.
    pub(crate) sent_turn: u32,
    /// The view's next reader.
    pub(crate) next: u32,
    /// In the link's list of readers that are owed something.
    pub(crate) owed_links: Links,
    pub(crate) shard: u8,
    pub(crate) is_owed: u8,
    /// Nothing was sent since its join: it gets all there is.
    pub(crate) wants_whole: u8,
    /// What it lacks of the newest policy: [`WANTS_GUARD`], [`UNSETTLED`].
    pub(crate) guard_marks: u8,
}

/// The reader was not sent the newest policy.
pub(crate) const WANTS_GUARD: u8 = 1;
/// The reader joined without knowing the policy, and its shard has not said that it applied it: who watches there may
/// turn out to see nothing.
pub(crate) const UNSETTLED: u8 = 1 << 1;

impl Reader {
    pub(crate) fn owed_links(&mut self) -> &mut Links {
        &mut self.owed_links
    }
}

impl Record for Reader {
    fn chain(&mut self) -> &mut u32 {
        &mut self.next
    }
}
