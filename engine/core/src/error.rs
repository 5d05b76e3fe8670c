//! What can be refused, and why. Every error tells which bound or rule it was and, where it may pass, when to try again.

use thiserror::Error;

use crate::id::{Category, EndpointId, EntityTag, GroupId, ListId, PresentityId, Stamp, Tick, View, WatcherId};
use crate::tenant::TenantId;

/// Which bound was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Bound {
    /// [`crate::Limits::watchers`].
    #[error("watchers")]
    Watchers,
    /// [`crate::Limits::groups`].
    #[error("groups")]
    Groups,
    /// [`crate::Limits::paces`].
    #[error("paces")]
    Paces,
    /// [`crate::Limits::gather_us_max`].
    #[error("gather_us_max")]
    GatherTime,
    /// [`crate::Limits::lists`].
    #[error("lists")]
    Lists,
    /// [`crate::Limits::list_members`].
    #[error("list_members")]
    ListMembers,
    /// [`crate::Limits::list_depth`].
    #[error("list_depth")]
    ListDepth,
    /// [`crate::Limits::unacknowledged_per_watcher`].
    #[error("unacknowledged_per_watcher")]
    Unacknowledged,
    /// [`crate::Limits::subscriptions`].
    #[error("subscriptions")]
    Subscriptions,
    /// [`crate::Limits::subscriptions_per_group`].
    #[error("subscriptions_per_group")]
    SubscriptionsPerGroup,
    /// [`crate::Limits::groups_per_watcher`].
    #[error("groups_per_watcher")]
    GroupsPerWatcher,
    /// [`crate::Limits::subscriptions_per_watcher`].
    #[error("subscriptions_per_watcher")]
    SubscriptionsPerWatcher,
    /// [`crate::Limits::topics`].
    #[error("topics")]
    Topics,
    /// [`crate::Limits::presentities`].
    #[error("presentities")]
    Presentities,
    /// [`crate::Limits::views_per_presentity`].
    #[error("views_per_presentity")]
    Views,
    /// [`crate::Limits::document_bytes`].
    #[error("document_bytes")]
    DocumentBytes,
    /// [`crate::Limits::documents_bytes`].
    #[error("documents_bytes")]
    DocumentsBytes,
    /// [`crate::Limits::endpoints_per_presentity`].
    #[error("endpoints_per_presentity")]
    Endpoints,
    /// [`crate::Limits::rules_per_policy`].
    #[error("rules_per_policy")]
    Rules,
    /// [`crate::Limits::pending_per_presentity`].
    #[error("pending_per_presentity")]
    Pending,
    /// [`crate::Limits::followers_per_presentity`].
    #[error("followers_per_presentity")]
    Followers,
    /// [`crate::Limits::followed_presentities`].
    #[error("followed_presentities")]
    Followed,
    /// [`crate::Limits::fetch_presentities_max`].
    #[error("fetch_presentities_max")]
    FetchPresentities,
    /// [`crate::Limits::name_bytes`].
    #[error("name_bytes")]
    NameBytes,
    /// [`crate::Tenant::watchers`].
    #[error("tenant.watchers")]
    TenantWatchers,
    /// [`crate::Tenant::subscriptions`].
    #[error("tenant.subscriptions")]
    TenantSubscriptions,
    /// [`crate::Tenant::publications_per_s`].
    #[error("tenant.publications_per_s")]
    TenantPublications,
    /// The numbers of policies, four thousand million for a presentity and those of its partition that were forgotten.
    #[error("policy numbers")]
    PolicyNumbers,
}

/// Why a call to a shard was refused. Nothing has changed when one is returned, but for a bulk call that met the end of
/// the machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A bound of [`crate::Limits`] is reached; it holds until something is closed.
    #[error("the limit `{bound}` of {limit} is reached")]
    Limit {
        /// Which bound.
        bound: Bound,
        /// Its value.
        limit: u64,
    },
    /// The presentity has as many subscriptions in this view on this shard as
    /// [`crate::Limits::category_subscriptions_per_topic`] allows: fetch its state from time to time, and take it out of the
    /// list to subscribe to the others.
    #[error("the limit `category_subscriptions_per_topic` of {limit} is reached for {presentity:?}: poll it")]
    Crowded {
        /// Whose.
        presentity: PresentityId,
        /// The limit's value.
        limit: u64,
    },
    /// A tenant has used up a budget that fills with time.
    #[error("{tenant:?} is over `{bound}` of {limit}: try again after {retry_after_us} us")]
    OverBudget {
        /// Whose.
        tenant: TenantId,
        /// Which.
        bound: Bound,
        /// Its value.
        limit: u64,
        /// After how many microseconds the same call is within it, if nobody else uses that up. Counted by the time of the
        /// shard's last step.
        retry_after_us: u32,
    },
    /// Tenants are named where the scheme knows no tenancy.
    #[error("the scheme knows no tenancy, so there is one tenant")]
    NoTenancy,
    /// A bound of a tenant's that cannot be kept.
    #[error(transparent)]
    OutOfRange(LimitsError),
    /// All credits towards that home are out, or those of the tenant while others ask, too; the same call may succeed later.
    #[error("busy: try again after {retry_after_us} us")]
    Busy {
        /// A proposal for the time to wait, in microseconds.
        retry_after_us: u32,
    },
    /// The watcher was closed, or never was.
    #[error("{0:?} does not exist")]
    NoSuchWatcher(WatcherId),
    /// The group was closed, or never was.
    #[error("{0:?} does not exist")]
    NoSuchGroup(GroupId),
    /// A group that is to expire has to live for longer (RFC 6665: 423).
    #[error("a group lives for {least_us} us at the least; to end it at once, close it")]
    TooBrief {
        /// The least that is granted, in microseconds.
        least_us: u64,
    },
    /// Rates that nobody could keep (RFC 6446).
    #[error("no such rate: {0}")]
    Rate(&'static str),
    /// No list of this id was set here.
    #[error("{0:?} is not known here: set it first, and what it names before it")]
    NoSuchList(ListId),
    /// A list would hold itself.
    #[error("{0:?} would hold itself, by way of a list that it names")]
    ListCycle(ListId),
    /// A list cannot be removed while another names it.
    #[error("{list:?} is named by {holder:?}: take it out of there first")]
    ListHeld {
        /// Which was to be removed.
        list: ListId,
        /// One that names it.
        holder: ListId,
    },
    /// Nobody makes differences of documents here.
    #[error("there is nothing that makes differences: start with a scheme that has a `Differ`")]
    NoDiffer,
    /// The notes of the watcher are not counted, so it is not known what it has taken in.
    #[error("what {0:?} is told is not counted: track it first")]
    NotTracked(WatcherId),
    /// More was acknowledged than was told, or less than was acknowledged before (XEP-0198).
    #[error("{acknowledged} notes cannot be acknowledged: {before} were, and {told} have been told")]
    Acknowledged {
        /// The count that was given.
        acknowledged: u32,
        /// The count that was acknowledged before.
        before: u32,
        /// Notes told so far, modulo 2^32 as the others.
        told: u32,
    },
    /// No watcher is parked under this token: it is another's, was used, or comes too late. Which of them is not told, for
    /// tokens may be guessed at.
    #[error("no watcher is parked under this token, or not any more")]
    NoSuchSession,
    /// The group was opened without an identity, so no policy can say what it may see.
    #[error("{0:?} has no identity: open it with one, or subscribe it to a view by number")]
    NoIdentity(GroupId),
    /// The group has an identity, so what it sees is policy's to say and not the caller's.
    #[error("{0:?} has an identity: what it sees is for policy to say, so let it watch")]
    HasIdentity(GroupId),
    /// Who watches a presentity is told to its own groups only.
    #[error("who watches {0:?} is told to itself only")]
    NotOwner(PresentityId),
    /// A fetch of many names nobody.
    #[error("a fetch has to name somebody")]
    NobodyToFetch,
    /// The scheme composes states of what endpoints publish: they cannot be set one by one.
    #[error("the scheme composes states: publish for an endpoint of the presentity's")]
    Composed,
    /// The scheme leaves it to the embedder to compose states: endpoints have nothing to publish to.
    #[error("the scheme composes nothing: publish the states of the views, or start with a scheme that does")]
    NotComposed,
    /// A publication names a category twice.
    #[error("category {} is named twice in one publication", .0.index())]
    CategoryTwice(Category),
    /// The category is not among those that the scheme names.
    #[error("category {} is not named in the scheme", .0.index())]
    UnknownCategory(Category),
    /// The operating system gave no more memory.
    #[error("out of memory for {0}")]
    OutOfMemory(&'static str),
}

impl Error {
    /// After how many microseconds the same call may succeed, where that is a matter of time.
    #[must_use]
    pub fn retry_after_us(&self) -> Option<u32> {
        match *self {
            Self::Busy { retry_after_us } | Self::OverBudget { retry_after_us, .. } => Some(retry_after_us),
            _ => None,
        }
    }
}

/// Why a home refused a request that had reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The publication's expiry is not after the home's now.
    #[error("already past its expiry: {expires:?} is not after {now:?}")]
    Expired {
        /// The expiry asked for.
        expires: Tick,
        /// The home's now.
        now: Tick,
    },
    /// A bound of the home's is reached.
    #[error("the home's limit `{bound}` of {limit} is reached")]
    Limit {
        /// Which bound.
        bound: Bound,
        /// Its value.
        limit: u64,
    },
    /// Too many replaced documents are still out on other shards.
    #[error("busy: try again after {retry_after_us} us")]
    Busy {
        /// A proposal for the time to wait, in microseconds.
        retry_after_us: u32,
    },
    /// The publication was to be that of an entity-tag which is not its newest (RFC 3903: 412).
    #[error("the entity-tag is stale: the current one is {current:?}")]
    StaleTag {
        /// The newest, if the endpoint publishes at all.
        current: Option<EntityTag>,
    },
    /// A category was written on top of a version that is not its newest.
    #[error("category {} is at version {current}, not at the one that was to be replaced", category.index())]
    StaleVersion {
        /// Which category.
        category: Category,
        /// Its version; 0 if there is none.
        current: u32,
    },
    /// The lifetime asked for is too short (RFC 3903: 423).
    #[error("a publication lives for {least_us} us at the least")]
    TooBrief {
        /// The least that is granted, in microseconds.
        least_us: u64,
    },
    /// A refresh or a change of an endpoint that does not publish.
    #[error("{0:?} publishes nothing: begin with a status")]
    NoSuchEndpoint(EndpointId),
    /// A policy names a view that the scheme does not have.
    #[error("the policy names {0:?}, which the scheme does not have")]
    UnknownView(View),
    /// The id stands for another name already: two addresses have the same hash.
    #[error("the id stands for another name")]
    NameTaken,
    /// The operating system gave the home no more memory.
    #[error("the home is out of memory")]
    OutOfMemory,
}

/// A bound that cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("limit `{field}` is {value}, but must be from {min} to {max}")]
pub struct LimitsError {
    /// The field of [`crate::Limits`].
    pub field: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// Why a shard could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShardError {
    /// A limit is out of its range.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// More shards than one word of interest can name, none, or an index that is not below their number.
    #[error("shard {index} of {shards}: there may be 1 to 64, numbered from 0")]
    Index {
        /// The index asked for.
        index: usize,
        /// The number asked for.
        shards: usize,
    },
    /// No shard for presentities to be at home on, or more than there are.
    #[error("presentities at home on {homes} of {shards} shards: it must be 1 to all of them")]
    Homes {
        /// The number asked for.
        homes: usize,
        /// The shards that there are.
        shards: usize,
    },
    /// The scheme has more views than a presentity may have.
    #[error("the scheme has {views} views, and the limit `views_per_presentity` is {limit}")]
    Views {
        /// The views of the scheme.
        views: usize,
        /// The limit.
        limit: u16,
    },
    /// The system gave not even the addresses of the shard's arrays.
    #[error("no memory for the shard's arrays; a limit on the process's maps or address space may be too low")]
    OutOfMemory,
    /// The width of `seen` is out of its range.
    #[error("seen_bits is {0}, but must be from 6 to 16")]
    SeenBits(u8),
}

/// Where [`crate::Shard::verify`] found the state at odds with itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{rule}: record {index}")]
pub struct Corrupt {
    /// The rule that does not hold, as a sentence.
    pub rule: &'static str,
    /// The record, list or count where it shows.
    pub index: u64,
}

/// A publication's answer, where the state is composed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the next change or refresh of the endpoint has to name.
    pub tag: EntityTag,
    /// When the publication ends, if it is not refreshed: no later than was asked for.
    pub expires: Tick,
    /// The version that watchers will be shown at the least.
    pub stamp: Stamp,
    /// Whether composition left every view as it was, so that nobody is told.
    pub absorbed: bool,
}

/// A publication's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The version that watchers will be shown at the least.
    pub stamp: Stamp,
    /// Whether composition left the view as it was, so that nobody is told.
    pub absorbed: bool,
}
