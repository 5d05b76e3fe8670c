//! What a home keeps of one presentity beside the fan-out: its endpoints, their documents, and what of it was told.
//!
//! Invariant: parts name endpoints that are there. A record weighs 72 bytes, 56 for each endpoint, 16 for each document,
//! and what the allocator adds.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::document::Document;
use crate::id::{Category, EndpointId, EntityTag, Tick};
use crate::identity::Identity;
use crate::shard::expiry::Expiring;
use crate::status::Status;
use crate::store::{Links, NONE};

/// What one endpoint says.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) tag: EntityTag,
    pub(crate) expires: Tick,
    pub(crate) active_at: Tick,
    pub(crate) status: Status,
    /// The second in which the claims counted began.
    pub(crate) claims_since_s: u32,
    pub(crate) claims: u8,
    pub(crate) priority: i8,
    /// Whether it ever said how available the presentity is: hard state need not.
    pub(crate) has_status: bool,
}

/// In how many seconds claims are counted together.
const CLAIMS_WINDOW_S: u32 = 180;

impl Endpoint {
    /// The claims that count at this second.
    pub(crate) fn claims_at(&self, now_s: u32) -> u8 {
        if now_s.wrapping_sub(self.claims_since_s) < CLAIMS_WINDOW_S { self.claims } else { 0 }
    }
}

/// A moment in whole seconds.
pub(crate) fn seconds(moment: Tick) -> u32 {
    (moment.as_micros() / 1_000_000) as u32
}

/// One category's document from one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// What was published; nothing where it was taken away, so that its version goes on.
    pub(crate) document: Option<Document>,
    pub(crate) version: u32,
    /// The endpoint's place.
    pub(crate) endpoint: u8,
    pub(crate) category: Category,
}

/// What few presentities have.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// The name that the id stands for.
    pub(crate) name: Option<Box<str>>,
    /// Who waits for the owner's decision, oldest first.
    pub(crate) pending: Vec<Arc<Identity>>,
}

/// One presentity.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) endpoints: Box<[Endpoint]>,
    pub(crate) parts: Box<[Part]>,
    pub(crate) rare: Option<Box<Rare>>,
    /// When it was last online; never, if it never was.
    pub(crate) last_seen: Tick,
    /// When its first endpoint expires, or when it is forgotten.
    pub(crate) expires: Tick,
    pub(crate) place: u32,
    /// Among those of whom there is something to be told.
    pub(crate) links: Links,
    pub(crate) standing: Standing,
}

/// It is online.
pub(crate) const ONLINE: u8 = 1;
/// That it is online was told.
pub(crate) const ONLINE_TOLD: u8 = 1 << 1;
/// Somebody watches it, who may see something.
pub(crate) const WATCHED: u8 = 1 << 2;
/// That somebody does was told.
pub(crate) const WATCHED_TOLD: u8 = 1 << 3;
/// It is in the list of those of whom there is something to be told.
pub(crate) const LISTED: u8 = 1 << 4;

/// What is true of a presentity, and what of it was told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    flags: u8,
    /// The place of the endpoint that composition put first, if there is one.
    pub(crate) shown: Option<u8>,
}

impl Standing {
    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn set(&mut self, flag: u8, to: bool) {
        self.flags = if to { self.flags | flag } else { self.flags & !flag };
    }

    /// Whether something is true that was not told, or was told and is not true any more.
    pub(crate) fn has_news(self) -> bool {
        self.has(ONLINE) != self.has(ONLINE_TOLD) || self.has(WATCHED) != self.has(WATCHED_TOLD)
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            endpoints: Box::new([]),
            parts: Box::new([]),
            rare: None,
            last_seen: Tick::NEVER,
            expires: Tick::NEVER,
            place: NONE,
            links: Links::default(),
            standing: Standing::default(),
        }
    }
}

const _: () = assert!(size_of::<Presence>() == 72 && size_of::<Endpoint>() == 56 && size_of::<Part>() == 16);

impl Presence {
    pub(crate) fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    pub(crate) fn find(&self, endpoint: EndpointId) -> Option<usize> {
        self.endpoints.iter().position(|it| it.id == endpoint)
    }

    /// The devices, without the hard state.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|it| it.id != EndpointId::HARD)
    }

    pub(crate) fn part(&self, endpoint: usize, category: Category) -> Option<&Part> {
        self.parts.iter().find(|part| usize::from(part.endpoint) == endpoint && part.category == category)
    }

    pub(crate) fn document(&self, endpoint: usize, category: Category) -> Option<&Document> {
        self.part(endpoint, category)?.document.as_ref()
    }

    pub(crate) fn pending(&self) -> &[Arc<Identity>] {
        self.rare.as_ref().map_or(&[], |rare| &rare.pending)
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.rare.as_ref()?.name.as_deref()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| {
            size_of::<Rare>() + rare.name.as_ref().map_or(0, |name| name.len()) + rare.pending.capacity() * 8
        });
        allocated(size_of_val(&*self.endpoints)) + allocated(size_of_val(&*self.parts)) + rare
    }
}

/// What so many bytes take from an allocator that adds a word and rounds up.
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + size_of::<usize>()).next_multiple_of(16) }
}

impl Expiring for Presence {
    type At = Tick;

    fn expires(&self) -> Tick {
        self.expires
    }

    fn place(&self) -> u32 {
        self.place
    }

    fn set_place(&mut self, place: u32) {
        self.place = place;
    }
}
