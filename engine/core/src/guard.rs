//! Who decides what a watcher may see: the seam between the fan-out, which knows nothing of privacy, and policy.
//!
//! A guard is made at a presentity's home and shared, unchanged, with every shard that has a watcher of it. It is asked
//! once for each subscription, and again for each when it is replaced.

use core::fmt::Debug;

use crate::id::View;
use crate::identity::Identity;

/// What a guard says of a watcher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The view that the watcher gets: one of the scheme's, [`View::PENDING`] or [`View::BLOCKED`].
    pub view: View,
    /// Which rule said so, as the guard numbers them; nothing if none did and it is what everybody else gets.
    pub rule: Option<u32>,
}

/// Decides which view of a presentity a watcher gets.
///
/// It must say the same of the same watcher whenever it is asked: what is to change is another guard.
pub trait Guard: Debug + Send + Sync {
    /// The view for this watcher. Asked of once a subscription: it should not take longer than a microsecond.
    fn decide(&self, who: &Identity) -> Verdict;

    /// Tells every view that it may ever name, so that one which does not exist is refused when the policy is set.
    fn views(&self, each: &mut dyn FnMut(View));

    /// How many rules it has, to be held against [`crate::Limits::rules_per_policy`].
    fn rules(&self) -> usize;
}
