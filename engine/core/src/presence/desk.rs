//! The desk of a home: what endpoints have published, beside the fan-out's record of the same presentity.
//!
//! One record for each presentity that has ever published through an endpoint, has a policy of its own, a name, or
//! somebody who waits for its decision; it has the number of the fan-out's ward. Invariant: a record in use has a ward;
//! parts name endpoints that are there; the record's expiry is its earliest endpoint's. It weighs 72 bytes, 56 for each
//! endpoint, 16 for each document, and what the allocator adds.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::edits::Edits;
use super::scheme::Scheme;
use super::stream::{Audit, Streams};
use crate::document::Document;
use crate::error::Corrupt;
use crate::id::{Category, EndpointId, EntityTag, PresentityId, Stamp, Tick};
use crate::identity::Identity;
use crate::shard::expiry::{Expiries, Expiring};
use crate::status::Status;
use crate::store::{Arena, Heap, Links, List, NONE};

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
    place: u32,
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

    fn heap_bytes(&self) -> usize {
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

/// All that a home knows beyond the fan-out.
pub(crate) struct Desk {
    pub(crate) scheme: Arc<Scheme>,
    /// By ward.
    pub(crate) presences: Arena<Presence, Heap>,
    pub(crate) expiries: Expiries,
    /// Who has something to be told, in order of arrival.
    pub(crate) listed: List,
    pub(crate) streams: Streams,
    pub(crate) edits: Edits,
    tags: u64,
    /// The stamp of a presentity of which nothing was ever heard.
    pub(crate) first_stamp: Stamp,
    /// What the records' boxes weigh.
    pub(crate) heap_bytes: u64,
}

impl Desk {
    pub(crate) fn new(scheme: Arc<Scheme>, epoch: u16) -> Self {
        Self {
            scheme,
            presences: Arena::new(Heap),
            expiries: Expiries::default(),
            listed: List::EMPTY,
            streams: Streams { audit: VecDeque::new(), lost: 0 },
            edits: Edits { under_way: BTreeMap::new(), deadlines: VecDeque::new() },
            tags: u64::from(epoch) << 48,
            first_stamp: Stamp::first_of(epoch),
            heap_bytes: 0,
        }
    }

    pub(crate) fn next_tag(&mut self) -> EntityTag {
        self.tags += 1;
        EntityTag(self.tags)
    }

    /// Changes a record; what it weighs is counted.
    pub(crate) fn edit(&mut self, ward: u32, change: impl FnOnce(&mut Presence)) {
        let record = &mut self.presences[ward];
        let before = record.heap_bytes() as u64;
        change(record);
        self.heap_bytes = self.heap_bytes + record.heap_bytes() as u64 - before;
    }

    /// Says when the record has to be looked at again.
    pub(crate) fn set_expiry(&mut self, ward: u32, expires: Tick) {
        self.presences[ward].expires = expires;
        self.expiries.set(&mut self.presences, ward);
    }

    /// Every document that was published and not taken away.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &Document> {
        let presences = (0..self.presences.len()).map(|ward| &self.presences[ward]);
        presences.flat_map(|presence| &presence.parts).filter_map(|part| part.document.as_ref())
    }

    pub(crate) fn bytes(&self) -> u64 {
        let audit = (self.streams.audit.capacity() * size_of::<Audit>()) as u64;
        self.presences.bytes() + self.expiries.bytes() + self.heap_bytes + audit + self.edits.bytes()
    }

    pub(crate) fn verify(&self, is_live: impl Fn(u32) -> bool) -> Result<(), Corrupt> {
        let mut heap_bytes = 0;
        let mut listed = 0u32;
        for ward in 0..self.presences.len() {
            let record = &self.presences[ward];
            let wrong = |rule| Err(Corrupt { rule, index: ward.into() });
            heap_bytes += record.heap_bytes() as u64;
            listed += u32::from(record.standing.has(LISTED));
            let is_empty = record.endpoints.is_empty() && record.rare.is_none() && record.place == NONE;
            if !is_live(ward) && !is_empty {
                return wrong("a presence in use has a ward");
            }
            if record.parts.iter().any(|part| usize::from(part.endpoint) >= record.endpoints.len()) {
                return wrong("a part names an endpoint that is there");
            }
            let earliest = record.devices().map(|it| it.expires).min();
            if earliest.is_some_and(|earliest| earliest != record.expires) {
                return wrong("a presence expires with its first endpoint");
            }
        }
        if heap_bytes != self.heap_bytes {
            return Err(Corrupt { rule: "what presences weigh is counted", index: heap_bytes });
        }
        let mut ward = self.listed.head;
        while ward != NONE {
            if !self.presences[ward].standing.has(LISTED) || listed == 0 {
                return Err(Corrupt { rule: "who is listed for an event knows it", index: ward.into() });
            }
            listed -= 1;
            ward = self.presences[ward].links.next;
        }
        if listed != 0 {
            return Err(Corrupt { rule: "who has something to be told is listed", index: listed.into() });
        }
        self.expiries.verify(&self.presences)
    }
}

/// The identities' numbers, for an answer.
pub(crate) fn users(pending: &[Arc<Identity>]) -> Box<[PresentityId]> {
    pending.iter().map(|who| who.user).collect()
}
