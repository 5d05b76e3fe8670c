//! Triggers: which changes a group is told of (RFC 4660 and 4661).

use alloc::sync::Arc;
use core::fmt::Debug;

use super::super::drain::Due;
use super::super::slot::place;
use super::super::{FanOut, ShardMemory};
use super::Changes;
use crate::error::Error;
use crate::id::{Categories, Category, GroupId};

/// A change of one category of one view.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Which.
    pub category: Category,
    /// What there was; nothing if the category has just come.
    pub before: Option<&'a [u8]>,
    /// What there is; nothing if it is gone.
    pub after: Option<&'a [u8]>,
}

/// Says which changes are worth a notification.
///
/// It is asked once for each change on a shard, for all groups that share it (the same [`Arc`]), and must not take longer than
/// a microsecond or two: the shard does nothing else meanwhile. Changes that came while the shard was busy come as one.
pub trait Trigger: Debug + Send + Sync {
    /// Whether who waits for this is to be told.
    fn fires(&self, change: &Change<'_>) -> bool;
}

/// The triggers of RFC 4661 that need no look into documents: a category comes, goes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartTrigger {
    /// Which categories are looked at.
    pub categories: Categories,
    /// Whether one that has come fires (`added`),
    pub added: bool,
    /// one that has gone (`removed`),
    pub removed: bool,
    /// and one that is another than before (`changed`).
    pub changed: bool,
}

impl Trigger for PartTrigger {
    fn fires(&self, change: &Change<'_>) -> bool {
        let is_meant = match (change.before, change.after) {
            (None, _) => self.added,
            (_, None) => self.removed,
            _ => self.changed,
        };
        is_meant && self.categories.contains(change.category)
    }
}

impl Changes {
    /// Asks every trigger of a topic about a change, and makes the difference.
    pub(super) fn note(
        &mut self,
        topic: u32,
        turn: u32,
        category: Category,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) {
        let Some(kept) = self.kept.get_mut(&topic) else { return };
        let change = Change { category, before, after };
        for firing in &mut kept.firings {
            if firing.trigger.upgrade().is_some_and(|trigger| trigger.fires(&change)) {
                firing.turn = turn;
            }
        }
        let differ = self.differ.as_ref().filter(|_| kept.is_partial);
        let difference = differ.zip(before).zip(after).and_then(|((differ, before), after)| {
            let difference = differ.difference(category, before, after)?;
            // One that is no shorter than the whole is not worth its trouble (RFC 5263, 4.5).
            (difference.len() < after.len()).then_some(difference)
        });
        kept.differences[category.index()] = difference;
    }

    /// Whether a trigger has fired in the last `behind` turns of a topic; yes for one that is not asked.
    fn has_fired(&self, (topic, turn): (u32, u32), trigger: &Arc<dyn Trigger>, behind: u16) -> bool {
        let firing = self.kept.get(&topic).and_then(|kept| kept.firing_of(trigger));
        firing.is_none_or(|firing| turn.wrapping_sub(firing.turn) < behind.into())
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Has a group told only of changes for which this trigger fires (RFC 4660, 4661); none for all. First states and
    /// refreshes are told whatever it says, and what is told after silent changes is everything, as after a refresh: what
    /// the group has not been told of meanwhile is in it. A group that has been told something is told all again, as a
    /// subscription that is renewed with another filter is (RFC 4660, 3.4).
    ///
    /// Groups that are to be told alike share one trigger, which is asked once for all of them; so share it. Beyond
    /// [`crate::Limits::triggers_per_topic`] at one presentity a trigger is not asked, and its group told everything of him.
    /// Costs a look at each subscription of the group, and its notes are dearer from then on.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn set_trigger(&mut self, group: GroupId, trigger: Option<Arc<dyn Trigger>>) -> Result<(), Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        self.wish(index, |wish| wish.trigger = trigger);
        self.outboxes.mark_group_again(index);
        Ok(())
    }

    /// What a group with a trigger is told of what it is due: all there is, or nothing, and then it is as if it had not wanted
    /// the changes.
    pub(in crate::shard) fn due_if_fired(&mut self, due: Due) -> Option<Due> {
        let wish = self.outboxes.wishes.get(&due.group).and_then(|wish| wish.trigger.as_ref());
        let Some(trigger) = wish.filter(|_| !due.first) else { return Some(due) };
        let turn = self.topics.topics[due.topic].turn;
        // Of whoever was settled nobody knows how far behind he was: the trigger may have fired in that time.
        let was_settled = due.behind >= self.outboxes.seen.lap;
        if was_settled || self.topics.documents.changes.has_fired((due.topic, turn), trigger, due.behind) {
            let told = self.held_of(due.topic, self.outboxes.runs[place(due.slot).0].wants());
            // What was silent before may be among it: a difference to what was told last is not at hand.
            return Some(Due { told: due.told.or(told), skipped_at_least: true, ..due });
        }
        self.counters.delivered -= 1;
        self.counters.skipped -= u64::from(due.skipped);
        self.counters.filtered += u64::from(due.skipped) + 1;
        None
    }
}
