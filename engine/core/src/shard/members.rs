//! The members of a group as a whole: what they are to be, whatever they were.

use alloc::vec::Vec;

use super::watcher_information::WatcherEvent;
use super::{FanOut, ShardMemory};
use crate::error::Error;
use crate::id::{GroupId, PresentityId, View};

/// What became of a group's members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MembersChanged {
    /// Subscriptions made.
    pub added: usize,
    /// Subscriptions ended.
    pub removed: usize,
}

impl<B: ShardMemory> FanOut<B> {
    /// Subscribes a group to these presentities and to no others (RFC 4662: the members of a list have changed). Who was a
    /// member and still is hears nothing of it.
    ///
    /// While it is done the group has the old and the new, which are counted together: all or nothing, as
    /// [`Self::subscribe`]. Costs that, and a look at each subscription of the group.
    ///
    /// # Errors
    /// Those of [`Self::subscribe`].
    pub fn subscribe_exactly(
        &mut self,
        group: GroupId,
        view: View,
        presentities: &[PresentityId],
    ) -> Result<MembersChanged, Error> {
        let added = self.subscribe(group, view, presentities)?;
        Ok(MembersChanged { added, removed: self.end_others(group, presentities) })
    }

    /// Lets a group that has an identity watch these presentities and no others: see [`Self::subscribe_exactly`].
    ///
    /// # Errors
    /// Those of [`Self::watch`].
    pub fn watch_exactly(&mut self, group: GroupId, presentities: &[PresentityId]) -> Result<MembersChanged, Error> {
        let added = self.watch(group, presentities)?;
        Ok(MembersChanged { added, removed: self.end_others(group, presentities) })
    }

    pub(crate) fn end_others(&mut self, group: GroupId, kept: &[PresentityId]) -> usize {
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        let others: Vec<u32> =
            self.subscriptions(group).filter(|(_, who, _)| kept.binary_search(who).is_err()).map(|it| it.0.0).collect();
        for &slot in &others {
            self.end_subscription(slot, WatcherEvent::Timeout);
        }
        others.len()
    }
}
