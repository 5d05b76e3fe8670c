//! Questions about subscriptions: who watches whom, what is seen, and why.

use super::slot::{LANES, SlotRun, place};
use super::{FanOut, ShardMemory};
use crate::error::Error;
use crate::id::{GroupId, PolicyEpoch, PresentityId, SlotIndex, Stamp, View, WatcherId};
use crate::store::NONE;

/// What a group sees of a presentity, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The view that it gets.
    pub view: View,
    /// The newest that this shard knows of the view.
    pub stamp: Stamp,
    /// Whether nobody is told the view now: the home has not said what it is, a policy is being applied, or it has
    /// expired.
    pub is_silent: bool,
    /// Whether the group has been told this view's state, since it was refreshed if it was.
    pub is_told: bool,
    /// The rule that decided; none if it is what everybody else gets, or nobody was asked.
    pub rule: Option<u32>,
    /// The policy that decided; none if the group has no identity and said itself what it wants to see.
    pub epoch: Option<PolicyEpoch>,
}

impl<B: ShardMemory> FanOut<B> {
    /// A watcher's groups, in the order in which they were opened, with what the embedder gave for each.
    pub fn groups(&self, watcher: WatcherId) -> impl Iterator<Item = (GroupId, u64)> + '_ {
        let mut group = self.watcher(watcher).map_or(NONE, |index| self.outboxes.watchers[index].groups.head);
        core::iter::from_fn(move || {
            if group == NONE {
                return None;
            }
            let record = &self.outboxes.groups[group];
            let id = GroupId { index: group, generation: record.generation };
            group = record.links.next;
            Some((id, record.token))
        })
    }

    /// A group's subscriptions: place, presentity and view.
    pub fn subscriptions(&self, group: GroupId) -> impl Iterator<Item = (SlotIndex, PresentityId, View)> + '_ {
        let mut run = self.group(group).map_or(NONE, |index| self.outboxes.groups[index].runs.head);
        let mut lane = 0;
        core::iter::from_fn(move || {
            while run != NONE {
                let record = &self.outboxes.runs[run];
                if lane == LANES {
                    run = record.links.next;
                    lane = 0;
                    continue;
                }
                lane += 1;
                if record.used & 1 << (lane - 1) != 0 {
                    let topic = &self.topics.topics[record.topics[(lane - 1) as usize]];
                    return Some((SlotIndex(run * LANES + lane - 1), topic.presentity, topic.view));
                }
            }
            None
        })
    }

    /// Who watches a presentity on this shard: watcher, group, and the view that each gets.
    pub fn watchers_of(&self, presentity: PresentityId) -> impl Iterator<Item = (WatcherId, GroupId, View)> + '_ {
        let topics = self.topics.table.candidates(presentity);
        topics.filter(move |&topic| self.topics.topics[topic].presentity == presentity).flat_map(move |topic| {
            let view = self.topics.topics[topic].view;
            self.topics.subscribers(topic).map(move |slot| {
                let SlotRun { watcher, group, .. } = self.outboxes.runs[place(slot).0];
                let generation = self.outboxes.watchers[watcher].generation;
                let watcher = WatcherId { index: watcher, generation };
                (watcher, GroupId { index: group, generation: self.outboxes.groups[group].generation }, view)
            })
        })
    }

    /// What a group sees of a presentity, and why; nothing if it does not watch it.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn explain(&self, group: GroupId, presentity: PresentityId) -> Result<Option<Explanation>, Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        let Some(slot) = self.subscription_of(index, presentity) else { return Ok(None) };
        let (run, lane) = place(slot);
        let record = &self.outboxes.runs[run];
        let topic = &self.topics.topics[record.topics[lane]];
        let decided = self.gates.identity(index).map(|who| self.gates.decide(presentity, who));
        Ok(Some(Explanation {
            view: topic.view,
            stamp: topic.stamp,
            is_silent: !topic.is_open(self.now),
            is_told: record.fresh >> lane & 1 == 0,
            rule: decided.and_then(|(verdict, _)| verdict.rule),
            epoch: decided.map(|(_, epoch)| epoch),
        }))
    }
}
