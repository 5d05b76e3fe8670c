//! Tenants: those who share an engine, and what each may use of it.
//!
//! Whose a presentity is, the embedder says once for each topic and request; whose a watcher is, when he opens it. A shard
//! whose scheme knows no tenancy has one tenant, and pays nothing for there being others.

use core::fmt::Debug;

use crate::error::LimitsError;
use crate::id::PresentityId;

/// One of those who share the engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TenantId(pub u8);

impl TenantId {
    /// Whoever is nobody else's.
    pub const DEFAULT: Self = Self(0);
}

/// What a tenant may use of one shard, and how much of it while others want it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// His share of entries walked, watchers told and credits, against the weights of those who want some at the same time. Who
    /// is alone gets everything.
    pub weight: u16,
    /// Publications a second that this shard asks for in his name, counted for the tenant of the presentity.
    /// [`Self::UNBOUNDED`] for as many as there are credits for.
    pub publications_per_s: u32,
    /// Publications at once, after a time without.
    pub publications_burst: u32,
    /// Watchers of his on this shard. None is a way to let nobody new in.
    pub watchers: u32,
    /// Subscriptions of his watchers on this shard.
    pub subscriptions: u32,
}

impl Tenant {
    /// No bound but the shard's own.
    pub const UNBOUNDED: u32 = u32::MAX;

    /// Checks that every bound can be kept.
    ///
    /// # Errors
    /// The first field that is out of its range, with the range.
    pub fn validate(&self) -> Result<(), LimitsError> {
        let (all, most) = (u64::from(u32::MAX), 10_000);
        let fields = [
            ("tenant.weight", u64::from(self.weight), most),
            ("tenant.publications_per_s", self.publications_per_s.into(), all),
            ("tenant.publications_burst", self.publications_burst.into(), all),
        ];
        match fields.into_iter().find(|&(_, value, max)| !(1..=max).contains(&value)) {
            Some((field, value, max)) => Err(LimitsError { field, value, min: 1, max }),
            None => Ok(()),
        }
    }
}

impl Default for Tenant {
    fn default() -> Self {
        let none = Self::UNBOUNDED;
        Self { weight: 1, publications_per_s: none, publications_burst: none, watchers: none, subscriptions: none }
    }
}

/// What of a tenant's there is on a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantUse {
    /// Watchers open.
    pub watchers: u32,
    /// Subscriptions of theirs.
    pub subscriptions: u32,
    /// Requests refused because others wanted credits, too, or for a budget.
    pub refused: u64,
}

/// Says whose a presentity is.
///
/// It must say the same of the same presentity whenever it is asked, on every shard.
pub trait Tenancy: Debug + Send + Sync {
    /// The tenant of a presentity. Asked once for each topic and each request: it should take no longer than a hundred
    /// nanoseconds.
    fn tenant_of(&self, presentity: PresentityId) -> TenantId;
}
