//! Who watches: what a policy may ask about a watcher.
//!
//! An identity is plain data, shared by the groups of a session: 56 bytes and eight for each group of people that the
//! watcher belongs to, once a session, and eight bytes for each group of subscriptions that refers to it. It lies on the
//! shard of the watcher, which is where policies are applied.

use alloc::boxed::Box;

use crate::id::PresentityId;

/// How a watcher comes here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Network {
    /// A user of this deployment.
    #[default]
    Enterprise,
    /// A user of another deployment that this one is federated with.
    Federated,
    /// A user of a public service.
    PublicCloud,
}

/// A watcher as policies see it. The numbers are the embedder's: those of users are what they are watched as, the
/// others may be hashes of names or running numbers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Identity {
    /// The user, as the presentity that he is himself.
    pub user: PresentityId,
    /// The domain of his address; 0 if it is not known.
    pub domain: u64,
    /// The organisation that he belongs to; 0 if it is not known.
    pub organisation: u64,
    /// How he comes here.
    pub network: Network,
    /// The groups of people that he belongs to.
    pub groups: Box<[u64]>,
}

impl Identity {
    /// A user of this deployment of whom nothing else is known.
    #[must_use]
    pub fn of(user: PresentityId) -> Self {
        Self { user, ..Self::default() }
    }
}
