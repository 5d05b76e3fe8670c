//! The watchers' side: which of this shard's watchers a presentity has, for its home, while somebody follows that.
//!
//! A report begins when the home asks and lists whoever watches then, a bounded number a step. From there on each call
//! that makes, moves or ends a subscription says so, and looks at nothing where no report is under way. No more are listed
//! than [`crate::Limits::watchers_listed`]: when one of those ends and others were left out, the report looks again.
//! While a policy is being applied here, or the home has not answered yet, nobody knows what a watcher may see; then nothing is told, or
//! an owner would be asked about those whom he has long approved.
//!
//! Invariant: a report that has nothing to look for lists its presentity's watchers who are not refused, or as many as it may.

use alloc::collections::BTreeMap;

use super::list::{Cursor, WatcherList};
use super::{ListedWatcher, Marks, Owed, WatcherEvent, WatcherKey, WatcherMessage, WatcherStatus};
use crate::error::Corrupt;
use crate::id::{GroupId, PresentityId, View};
use crate::limits::Limits;
use crate::shard::slot::{LANES, place};
use crate::shard::topic::{CLOSED, LIVE};
use crate::shard::{FanOut, ShardMemory};
use crate::store::NONE;

/// What a home was told of one presentity's watchers here.
#[derive(Debug)]
struct Report {
    round: u32,
    list: WatcherList,
    cursor: Cursor,
}

/// All reports of a shard.
#[derive(Debug)]
pub(crate) struct Reports {
    reports: BTreeMap<PresentityId, Report>,
    /// Those that have to look for watchers whom they do not list.
    to_gather: Marks<PresentityId>,
    /// Those that wait until it is known who may see what. They do so before they gather.
    unsettled: Marks<PresentityId>,
    /// Whether there were more of those than were looked at in the last step.
    is_behind: bool,
    listed_max: u32,
}

impl Reports {
    pub(crate) fn new(listed_max: u32) -> Self {
        Self {
            reports: BTreeMap::new(),
            to_gather: Marks::default(),
            unsettled: Marks::default(),
            is_behind: false,
            listed_max,
        }
    }

    /// Whether nobody is reported on, which is what a change of subscriptions asks first.
    pub(crate) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.to_gather.is_empty() || self.is_behind
    }

    /// Whether no report gathers, nor waits to begin.
    fn is_at_rest(&self) -> bool {
        self.to_gather.is_empty() && self.unsettled.is_empty() && !self.is_behind
    }

    /// Whether a report gathers, and says that it is owed when it has.
    fn waits(&self, presentity: PresentityId) -> bool {
        self.to_gather.contains(presentity) || self.unsettled.contains(presentity)
    }

    pub(crate) fn begin(&mut self, presentity: PresentityId, round: u32, limits: &Limits) {
        let report = Report { round, list: WatcherList::new(limits), cursor: Cursor::NEW };
        self.reports.insert(presentity, report);
        self.to_gather.push(presentity);
    }

    pub(crate) fn cease(&mut self, presentity: PresentityId) {
        self.reports.remove(&presentity);
    }

    pub(crate) fn bytes(&self) -> u64 {
        let each = 2 * size_of::<(PresentityId, Report)>() as u64;
        self.reports.values().map(|report| report.list.bytes() + each).sum::<u64>()
            + self.to_gather.bytes()
            + self.unsettled.bytes()
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// A group may have got subscriptions to these presentities.
    #[cold]
    pub(crate) fn note_subscribed(&mut self, group: u32, presentities: &[PresentityId]) {
        for &presentity in presentities {
            if !self.reports.reports.contains_key(&presentity) {
                continue;
            }
            let Some(slot) = self.subscription_of(group, presentity) else { continue };
            let (run, lane) = place(slot);
            let view = self.topics.topics[self.outboxes.runs[run].topics[lane]].view;
            self.note_watcher(group, presentity, view, WatcherEvent::Subscribe);
        }
    }

    /// A group's subscription has moved to another view.
    #[cold]
    pub(crate) fn note_moved(&mut self, group: u32, presentity: PresentityId, from: View, to: View) {
        let is_let_in = from.is_closed() && !to.is_closed();
        self.note_watcher(
            group,
            presentity,
            to,
            if is_let_in { WatcherEvent::Approved } else { WatcherEvent::Subscribe },
        );
    }

    /// A group's subscription has ended.
    #[cold]
    pub(crate) fn note_ended(&mut self, group: u32, presentity: PresentityId, why: WatcherEvent) {
        let key = self.key_of(group);
        let Some(report) = self.reports.reports.get_mut(&presentity) else { return };
        let was_listed = report.list.is_live(key);
        report.list.end(key, why, report.cursor.told());
        if was_listed {
            self.gather_if_short(presentity);
        }
        self.owe_reported(presentity);
    }

    fn note_watcher(&mut self, group: u32, presentity: PresentityId, view: View, event: WatcherEvent) {
        let Some(listed) = self.listed(group, view, event) else {
            return self.note_ended(group, presentity, WatcherEvent::Rejected);
        };
        let most = self.reports.listed_max as usize;
        let Some(report) = self.reports.reports.get_mut(&presentity) else { return };
        if report.list.live() < most || report.list.is_live(listed.key) {
            // Whoever was not reported yet has come as he is now: what he was before the policy was known here is nobody's business.
            let is_known = report.list.is_known(listed.key, report.cursor.told());
            let event = if is_known { listed.event } else { WatcherEvent::Subscribe };
            report.list.put(ListedWatcher { event, ..listed });
        }
        self.owe_reported(presentity);
    }

    /// How a group's subscription in this view is listed; not at all where it is refused.
    fn listed(&self, group: u32, view: View, event: WatcherEvent) -> Option<ListedWatcher> {
        let status = match view {
            View::BLOCKED => return None,
            View::PENDING => WatcherStatus::Pending,
            _ => WatcherStatus::Active,
        };
        let watcher = self.gates.identity(group).map(|who| who.user);
        Some(ListedWatcher { key: self.key_of(group), watcher, status, event })
    }

    fn key_of(&self, group: u32) -> WatcherKey {
        let generation = self.outboxes.groups[group].generation;
        WatcherKey::Subscription { shard: self.index, group: GroupId { index: group, generation } }
    }

    /// How many watch a presentity here and are not refused.
    fn watchers_reported_on(&self, presentity: PresentityId) -> u64 {
        let topics = self.topics.table.candidates(presentity).map(|topic| &self.topics.topics[topic]);
        let seen = topics.filter(|topic| topic.presentity == presentity && topic.view != View::BLOCKED);
        seen.map(|topic| u64::from(topic.len)).sum()
    }

    /// One of those listed has ended: somebody who was left out may take the place.
    fn gather_if_short(&mut self, presentity: PresentityId) {
        let live = self.reports.reports[&presentity].list.live() as u64;
        if live < self.watchers_reported_on(presentity).min(self.reports.listed_max.into()) {
            self.reports.to_gather.push(presentity);
        }
    }

    fn owe_reported(&mut self, presentity: PresentityId) {
        if !self.reports.waits(presentity) {
            let home = self.home_of(presentity);
            self.owe_information(home, Owed::Reported(presentity));
        }
    }

    /// Lists watchers who are not listed until so many were looked at, the last report's all; tells how many it were.
    #[inline]
    pub(crate) fn gather_watchers(&mut self, budget: usize) -> usize {
        if self.reports.is_at_rest() { 0 } else { self.gather_some(budget) }
    }

    fn gather_some(&mut self, budget: usize) -> usize {
        let waiting = self.reports.unsettled.len().min(budget);
        self.reports.is_behind = waiting < self.reports.unsettled.len();
        for _ in 0..waiting {
            if let Some(presentity) = self.reports.unsettled.pop() {
                self.gather_when_settled(presentity);
            }
        }
        // To find that one still waits is no work, or a shard would never rest until its home answers.
        let mut looks = 0;
        while looks < (budget - waiting).max(1)
            && let Some(presentity) = self.reports.to_gather.pop()
        {
            looks += 1 + self.gather_report(presentity);
        }
        looks
    }

    fn gather_when_settled(&mut self, presentity: PresentityId) {
        if self.is_settled(presentity) {
            self.reports.to_gather.push(presentity);
        } else if self.reports.reports.contains_key(&presentity) {
            self.reports.unsettled.push(presentity);
        }
    }

    /// Whether it is known here what a presentity's watchers may see.
    fn is_settled(&self, presentity: PresentityId) -> bool {
        let (mut is_watched, mut is_known) = (false, false);
        for topic in self.topics.table.candidates(presentity).map(|topic| &self.topics.topics[topic]) {
            if topic.presentity == presentity && topic.len != 0 {
                if topic.has(CLOSED) {
                    return false;
                }
                is_watched = true;
                is_known |= topic.has(LIVE);
            }
        }
        is_known || !is_watched
    }

    fn gather_report(&mut self, presentity: PresentityId) -> usize {
        if !self.is_settled(presentity) {
            self.gather_when_settled(presentity);
            return 0;
        }
        let Some(mut report) = self.reports.reports.remove(&presentity) else { return 0 };
        let most = self.reports.listed_max as usize;
        let mut looks = 0;
        for topic in self.topics.table.candidates(presentity) {
            let record = &self.topics.topics[topic];
            if record.presentity != presentity || record.view == View::BLOCKED {
                continue;
            }
            // Of so many there is one that is not listed, or all are: so it never looks at more than it may list.
            for slot in self.topics.subscribers(topic) {
                if report.list.live() >= most {
                    break;
                }
                looks += 1;
                let group = self.outboxes.runs[slot / LANES].group;
                if let Some(listed) = self.listed(group, record.view, WatcherEvent::Subscribe) {
                    report.list.put(listed);
                }
            }
        }
        self.reports.reports.insert(presentity, report);
        self.owe_reported(presentity);
        looks
    }

    /// Whether a leave of the presentity's has to wait until its home was told how watchers ended: not while that waits itself
    /// for the home's answer to a join, which may stand behind the leave.
    pub(crate) fn is_reported_before_leave(&self, presentity: PresentityId) -> bool {
        self.owes_report(presentity) && !self.reports.unsettled.contains(presentity)
    }

    fn owes_report(&self, presentity: PresentityId) -> bool {
        let is_owed = |report: &Report| {
            let left_out = self.watchers_reported_on(presentity).saturating_sub(report.list.live() as u64);
            report.list.is_owed(&report.cursor, left_out) || self.reports.waits(presentity)
        };
        self.reports.reports.get(&presentity).is_some_and(is_owed)
    }

    pub(super) fn make_reported(&mut self, presentity: PresentityId) -> Option<WatcherMessage> {
        if self.reports.waits(presentity) {
            // It is owed again when it has gathered.
            return None;
        }
        if !self.is_settled(presentity) {
            self.gather_when_settled(presentity);
            return None;
        }
        let all = self.watchers_reported_on(presentity);
        let report = self.reports.reports.get_mut(&presentity)?;
        let left_out = all - report.list.live() as u64;
        let piece = report.list.next_piece(&mut report.cursor, (presentity, report.round), left_out)?;
        report.list.forget_ends(report.cursor.done_with());
        if report.list.is_owed(&report.cursor, left_out) {
            self.owe_reported(presentity);
        }
        Some(WatcherMessage::Reported(piece))
    }

    /// Checks every report against the subscriptions.
    pub(super) fn verify_reports(&self) -> Result<(), Corrupt> {
        for (presentity, report) in &self.reports.reports {
            let wrong = |rule| Err(Corrupt { rule, index: presentity.get() });
            if !report.list.is_sound() {
                return wrong("a report's list is in order");
            }
            for listed in report.list.watchers() {
                let WatcherKey::Subscription { group, .. } = listed.key else {
                    return wrong("a report lists subscriptions");
                };
                let slot = self.group(group).and_then(|group| self.subscription_of(group, *presentity));
                let topic = slot.map_or(NONE, |slot| {
                    let (run, lane) = place(slot);
                    self.outboxes.runs[run].topics[lane]
                });
                let view = self.topics.topics.get(topic).map(|topic| topic.view);
                let is_so = view.is_some_and(|view| match listed.status {
                    WatcherStatus::Pending => view == View::PENDING,
                    _ => !view.is_closed(),
                });
                if !is_so {
                    return wrong("who is reported as a watcher watches so");
                }
            }
            let all = self.watchers_reported_on(*presentity).min(self.reports.listed_max.into());
            let may_lag = self.reports.waits(*presentity);
            if report.list.live() as u64 != all && !may_lag {
                return wrong("a report lists all watchers or as many as it may");
            }
            let is_marked =
                self.links[self.home_of(*presentity).index()].information.contains(Owed::Reported(*presentity));
            if self.owes_report(*presentity) && !is_marked && !may_lag {
                return wrong("what is to be reported is owed");
            }
        }
        Ok(())
    }
}
