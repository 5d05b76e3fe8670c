//! Who sees what, decided at the home: policies, those who wait for the owner, names, and looks without a subscription.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Shard;
use super::desk::users;
use super::record::{Presence, Rare};
use super::stream::Audited;
use super::view::StatusRule;
use crate::error::{Bound, Refusal};
use crate::guard::Verdict;
use crate::id::{PresentityId, ShardIndex, Stamp, Ticket, View};
use crate::identity::Identity;
use crate::publication::{NameClaim, PolicyEdit};
use crate::shard::ShardMemory;
use crate::shard::message::{Outcome, State};

impl<B: ShardMemory> Shard<B> {
    /// Accepts a policy, and answers when it is applied; a refusal comes at once.
    pub(crate) fn serve_set_policy(&mut self, from: ShardIndex, ticket: Ticket, edit: PolicyEdit) {
        if let Err(refusal) = self.set_policy_of(from, ticket, edit) {
            self.fan.answer(from, ticket, Outcome::Refused(refusal));
        }
    }

    fn set_policy_of(&mut self, from: ShardIndex, ticket: Ticket, edit: PolicyEdit) -> Result<(), Refusal> {
        let PolicyEdit { presentity, author, guard, dismissed } = edit;
        let limits = *self.fan.limits();
        if let Some(guard) = &guard {
            if guard.rules() > limits.rules_per_policy as usize {
                return Err(Refusal::Limit { bound: Bound::Rules, limit: limits.rules_per_policy.into() });
            }
            if let Some(view) = self.desk.scheme.unknown_view(&**guard) {
                return Err(Refusal::UnknownView(view));
            }
        }
        if self.desk.edits.under_way.len() >= limits.policy_edits as usize {
            return Err(Refusal::Busy { retry_after_us: limits.retry_after_us });
        }
        let ward = self.ward_for(presentity)?;
        let what = match guard {
            Some(_) => Audited::PolicySet { author },
            None => Audited::PolicyRemoved { author },
        };
        let floor = self.fan.homes.policy_floor(presentity);
        let newest = self.fan.homes.wards[ward].epoch.max(floor);
        let Some(epoch) = newest.next() else {
            return Err(Refusal::Limit { bound: Bound::PolicyNumbers, limit: u32::MAX.into() });
        };
        let record = &mut self.fan.homes.wards[ward];
        record.epoch = epoch;
        record.guard = guard;
        let home = record.home;
        self.fan.homes.raise_stamp(home);
        self.fan.homes.keep_policy_stamp(ward).expect("memory for a policy");
        let shards = self.fan.owe_guard(home);
        self.audit(ward, what);
        self.answer_pending(ward, &dismissed);
        self.await_applied(ward, from, ticket, shards);
        self.forget_if_empty(ward);
        Ok(())
    }

    /// What the presentity's policy says of a watcher.
    pub(crate) fn decide_at_home(&self, presentity: PresentityId, who: &Identity) -> Verdict {
        let guard = self.ward_of(presentity).and_then(|ward| self.fan.homes.wards[ward].guard.as_ref());
        self.fan.gates.verdict_of(&**guard.unwrap_or_else(|| self.desk.scheme.guard()), who)
    }

    /// Tells what this watcher may see, once (RFC 3856: a fetch).
    pub(crate) fn serve_fetch_for(&mut self, presentity: PresentityId, who: &Identity) -> State {
        let view = self.decide_at_home(presentity, who).view;
        let is_offline = self.desk.scheme.rule(view).is_some_and(|rule| rule.status == StatusRule::Offline);
        let state = if view.is_closed() {
            State { view, stamp: Stamp::default(), parts: Box::new([]) }
        } else {
            self.serve_fetch_of(presentity, view)
        };
        if view.is_closed() || is_offline {
            // Not even the stamp, for who polls would see it rise with everything that happens.
            return State { stamp: self.fan.homes.quiet_stamp(presentity), ..state };
        }
        state
    }

    /// Tells what a view shows, once.
    pub(crate) fn serve_fetch_of(&mut self, presentity: PresentityId, view: View) -> State {
        if !self.desk.scheme.composes() {
            return self.fan.serve_fetch(presentity, view);
        }
        if let Some(ward) = self.ward_of(presentity) {
            self.expire_presence(ward);
        }
        if let Some(ward) = self.ward_of(presentity) {
            // Claims age: who fetches and who watches are shown the same.
            self.recompose(ward);
        }
        State { view, stamp: self.fan.homes.stamp_of(presentity), parts: self.render(presentity, view) }
    }

    /// Lets the owner decide on a watcher, if the policy leaves it to him.
    pub(crate) fn serve_ask(&mut self, presentity: PresentityId, who: Arc<Identity>) -> Result<Verdict, Refusal> {
        let verdict = self.decide_at_home(presentity, &who);
        if verdict.view != View::PENDING {
            return Ok(verdict);
        }
        let known = self.ward_of(presentity).map_or(&[][..], |ward| self.desk.presences[ward].pending());
        if known.iter().any(|it| it.user == who.user) {
            return Ok(verdict);
        }
        let limit = self.fan.limits().pending_per_presentity;
        if known.len() >= limit as usize {
            return Err(Refusal::Limit { bound: Bound::Pending, limit: limit.into() });
        }
        let ward = self.ward_for(presentity)?;
        let watcher = who.user;
        self.desk.edit(ward, |record| rare(record).pending.push(who));
        self.tell_who_waits(presentity);
        self.audit(ward, Audited::Asked { watcher });
        Ok(verdict)
    }

    /// Who waits for the owner's decision.
    pub(crate) fn serve_pending(&self, presentity: PresentityId) -> Box<[PresentityId]> {
        self.ward_of(presentity).map_or(Box::default(), |ward| users(self.desk.presences[ward].pending()))
    }

    /// Whom the policy says something of now waits no more, nor does who is turned away.
    fn answer_pending(&mut self, ward: u32, dismissed: &[PresentityId]) {
        let presentity = self.presentity_of(ward);
        let pending = self.desk.presences[ward].pending();
        let is_answered = |who: &Arc<Identity>| {
            dismissed.contains(&who.user) || self.decide_at_home(presentity, who).view != View::PENDING
        };
        let (answered, waiting): (alloc::vec::Vec<_>, alloc::vec::Vec<_>) =
            pending.iter().cloned().partition(is_answered);
        if answered.is_empty() {
            return;
        }
        self.desk.edit(ward, |record| {
            rare(record).pending = waiting;
            drop_empty_rare(record);
        });
        self.tell_who_was_answered(presentity, &answered);
        for who in answered {
            self.audit(ward, Audited::Answered { watcher: who.user });
        }
    }

    /// Lets an id stand for a name, if it stands for no other: two names with the same hash must not share a presence.
    pub(crate) fn serve_claim(&mut self, claim: NameClaim) -> Result<(), Refusal> {
        let limit = self.fan.limits().name_bytes;
        if claim.name.len() > limit as usize {
            return Err(Refusal::Limit { bound: Bound::NameBytes, limit: limit.into() });
        }
        let ward = self.ward_for(claim.presentity)?;
        match self.desk.presences[ward].name() {
            Some(name) if *name == *claim.name => Ok(()),
            Some(_) => Err(Refusal::NameTaken),
            None => {
                self.desk.edit(ward, |record| rare(record).name = Some(claim.name));
                Ok(())
            }
        }
    }
}

fn rare(record: &mut Presence) -> &mut Rare {
    record.rare.get_or_insert_with(Box::default)
}

fn drop_empty_rare(record: &mut Presence) {
    if record.rare.as_ref().is_some_and(|rare| rare.name.is_none() && rare.pending.is_empty()) {
        record.rare = None;
    }
}
