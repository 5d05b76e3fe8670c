//! What a publisher says: the requests that travel to a presentity's home, as plain data.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::guard::Guard;
use crate::id::{Category, EndpointId, EntityTag, PresentityId, Tick};
use crate::status::Status;

/// What an endpoint says of its presentity: one of the operations of RFC 3903, or several in one.
///
/// | Operation | condition | status, parts | lifetime |
/// |---|---|---|---|
/// | create, or replace whatever the endpoint said | none | given | given |
/// | refresh | its tag | none | given |
/// | modify | its tag | given | given |
/// | remove | its tag, or none | none | 0 |
///
/// For [`EndpointId::HARD`] the lifetime is not looked at, but for 0: hard state has no expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPublication {
    /// Whose state.
    pub presentity: PresentityId,
    /// Which of its devices says so.
    pub endpoint: EndpointId,
    /// What the publication must be for this to be done; without it, what the endpoint said before is replaced.
    pub condition: Option<EntityTag>,
    /// How available the presentity is there. None leaves it as it was.
    pub status: Option<Status>,
    /// Its rank among the presentity's devices (RFC 6121, 4.7.2.3).
    pub priority: i8,
    /// When the user was last active there.
    pub active_at: Tick,
    /// For how long this is true, in microseconds, unless it is refreshed; 0 takes it away.
    pub lifetime_us: u64,
    /// The documents that change, by category.
    pub parts: Vec<PartEdit>,
}

/// A change of one category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartEdit {
    /// Which.
    pub category: Category,
    /// The bytes, or nothing to take the category's document away.
    pub document: Option<Bytes>,
    /// The version that must be there for this to be done: 0 for none. Every write raises it by one.
    pub version: Option<u32>,
}

impl EndpointPublication {
    /// A first publication, without documents, which replaces what the endpoint said before.
    #[must_use]
    pub fn create(presentity: PresentityId, endpoint: EndpointId, status: Status, lifetime_us: u64) -> Self {
        Self {
            presentity,
            endpoint,
            condition: None,
            status: Some(status),
            priority: 0,
            active_at: Tick::ZERO,
            lifetime_us,
            parts: Vec::new(),
        }
    }

    /// The same for longer (RFC 3903, 4.3).
    #[must_use]
    pub fn refresh(presentity: PresentityId, endpoint: EndpointId, tag: EntityTag, lifetime_us: u64) -> Self {
        let publication = Self::create(presentity, endpoint, Status::OFFLINE, lifetime_us);
        Self { condition: Some(tag), status: None, ..publication }
    }

    /// Hard state: documents without an expiry, under whatever devices say (RFC 4827).
    #[must_use]
    pub fn hard(presentity: PresentityId, parts: Vec<PartEdit>) -> Self {
        let publication = Self::create(presentity, EndpointId::HARD, Status::OFFLINE, u64::MAX);
        Self { status: None, parts, ..publication }
    }

    /// The endpoint says nothing any more (RFC 3903, 4.5).
    #[must_use]
    pub fn remove(presentity: PresentityId, endpoint: EndpointId) -> Self {
        Self { status: None, ..Self::create(presentity, endpoint, Status::OFFLINE, 0) }
    }

    /// With this document of this category.
    #[must_use]
    pub fn with(mut self, category: Category, document: Bytes) -> Self {
        self.parts.push(PartEdit { category, document: Some(document), version: None });
        self
    }

    /// Only if the endpoint's publication is still this one.
    #[must_use]
    pub fn if_match(mut self, tag: EntityTag) -> Self {
        self.condition = Some(tag);
        self
    }
}

/// A new policy for a presentity.
#[derive(Clone, Debug)]
pub struct PolicyEdit {
    /// Whose.
    pub presentity: PresentityId,
    /// Who says so, for the audit stream.
    pub author: PresentityId,
    /// The policy, or nothing to go back to the scheme's.
    pub guard: Option<Arc<dyn Guard>>,
    /// Those of the waiting who are turned away, though the policy would still leave them to the owner: they may ask
    /// again.
    pub dismissed: Vec<PresentityId>,
}

impl PolicyEdit {
    /// A new policy of the presentity's own.
    #[must_use]
    pub fn new(presentity: PresentityId, author: PresentityId, guard: impl Guard + 'static) -> Self {
        Self { presentity, author, guard: Some(Arc::new(guard)), dismissed: Vec::new() }
    }

    /// No policy of its own any more.
    #[must_use]
    pub fn remove(presentity: PresentityId, author: PresentityId) -> Self {
        Self { presentity, author, guard: None, dismissed: Vec::new() }
    }
}

/// A name that an id is to stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameClaim {
    /// The id.
    pub presentity: PresentityId,
    /// The name that it was made from.
    pub name: Box<str>,
}
