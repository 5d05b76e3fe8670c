//! Policies: rules that say which view a watcher gets.
//!
//! A policy is a sorted list of rules, each with a rank; of those that match a watcher the highest rank decides. That one
//! rule is enough for all the models there are:
//!
//! | Model | Rank | Made by |
//! |---|---|---|
//! | Lync's containers: a watcher in several gets the one with the highest id | the container's id | [`Policy::containers`] |
//! | presence rules (RFC 5025): the most permissive handling wins | block 0, confirm 10, polite-block 20, allow 30 | [`Policy::presence_rules`] |
//! | privacy lists (XEP-0016): the first item that matches decides | the earlier, the higher | [`Policy::first_match`] |
//! | block lists (XEP-0191): over everything else | over all ranks | [`Policy::with_blocked`] |
//! | rosters (RFC 6121): who was approved, the others wait | | [`super::roster`] |
//!
//! Invariant: rules are sorted by whom they name, and no two name the same. Cost: a binary search for each name that a
//! watcher answers to, about 100 ns; 24 bytes a rule, once on each interested shard's core and shared there.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::view::{ViewRule, view_of};
use crate::guard::{Guard, Verdict};
use crate::id::{PresentityId, View};
use crate::identity::{Identity, Network};

/// Whom a rule names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    /// One user.
    User(PresentityId),
    /// Everybody of a domain. 0 stands for domains that are not known, and matches nobody.
    Domain(u64),
    /// Everybody of an organisation. 0 stands for organisations that are not known, and matches nobody.
    Organisation(u64),
    /// Everybody in a group of people.
    Group(u64),
    /// Everybody who comes this way.
    Network(Network),
    /// Everybody.
    Everyone,
}

/// What a rule grants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// This view: allow, polite-block (an offline view), or a container.
    Show(View),
    /// Nothing until the owner has decided (RFC 5025: confirm).
    Confirm,
    /// Nothing (RFC 5025: block).
    Block,
}

impl Decision {
    /// The view that it comes to.
    #[must_use]
    pub const fn view(self) -> View {
        match self {
            Self::Show(view) => view,
            Self::Confirm => View::PENDING,
            Self::Block => View::BLOCKED,
        }
    }
}

/// RFC 5025's handling of a subscription, from the least permissive to the most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Handling {
    /// The subscription is refused.
    Block,
    /// It waits for the owner.
    Confirm,
    /// It is accepted, and the presentity looks offline.
    PoliteBlock,
    /// It is accepted.
    Allow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Rule {
    rank: u16,
    decision: Decision,
    /// Its number as it was given.
    number: u32,
}

/// Rules, and what everybody else gets. See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    rules: Box<[(Who, Rule)]>,
    /// Rules that stand over the others.
    blocked: Box<[(Who, Rule)]>,
    otherwise: Decision,
}

/// A container that the scheme does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no view for container {0}")]
pub struct UnknownContainer(pub u16);

impl Policy {
    /// The same for everybody.
    #[must_use]
    pub fn everybody(otherwise: Decision) -> Self {
        Self { rules: Box::new([]), blocked: Box::new([]), otherwise }
    }

    /// Rules with ranks; of two that name the same, the one with the higher rank stays, or the first. Whoever none
    /// names gets `otherwise`.
    pub fn ranked(rules: impl IntoIterator<Item = (Who, u16, Decision)>, otherwise: Decision) -> Self {
        let mut sorted = BTreeMap::new();
        for (number, (who, rank, decision)) in (0..).zip(rules) {
            let rule = Rule { rank, decision, number };
            let kept = sorted.entry(who).or_insert(rule);
            if kept.rank < rank {
                *kept = rule;
            }
        }
        Self { rules: sorted.into_iter().collect(), ..Self::everybody(otherwise) }
    }

    /// Lync's containers with their members: the highest container that a watcher is in decides.
    ///
    /// # Errors
    /// A container that none of the views is of.
    pub fn containers(
        views: &[ViewRule],
        members: impl IntoIterator<Item = (Who, u16)>,
    ) -> Result<Self, UnknownContainer> {
        let rules = members.into_iter().map(|(who, container)| {
            let view = view_of(views, container).ok_or(UnknownContainer(container))?;
            Ok((who, container, Decision::Show(view)))
        });
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::ranked(rules, Decision::Block))
    }

    /// RFC 5025: of all rules that match, the most permissive handling; nobody is let in whom no rule names. `open` is
    /// what is shown to those who are allowed, `offline` to those who are blocked politely.
    pub fn presence_rules(rules: impl IntoIterator<Item = (Who, Handling)>, open: View, offline: View) -> Self {
        let rules = rules.into_iter().map(|(who, handling)| match handling {
            Handling::Block => (who, 0, Decision::Block),
            Handling::Confirm => (who, 10, Decision::Confirm),
            Handling::PoliteBlock => (who, 20, Decision::Show(offline)),
            Handling::Allow => (who, 30, Decision::Show(open)),
        });
        Self::ranked(rules, Decision::Block)
    }

    /// XEP-0016: the first rule that matches decides. No more than 65,535 count.
    pub fn first_match(rules: impl IntoIterator<Item = (Who, Decision)>, otherwise: Decision) -> Self {
        let ranked = rules.into_iter().zip((0..=u16::MAX).rev()).map(|((who, decision), rank)| (who, rank, decision));
        Self::ranked(ranked, otherwise)
    }

    /// The same policy with these on a block list over everything (XEP-0191): they get `instead`, which is a view that
    /// looks offline, or [`Decision::Block`]. What the policy says of them otherwise stays, for when they are unblocked.
    #[must_use]
    pub fn with_blocked(&self, blocked: impl IntoIterator<Item = Who>, instead: Decision) -> Self {
        let mut sorted: BTreeMap<Who, Rule> = self.blocked.iter().copied().collect();
        for (number, who) in (self.next_number()..).zip(blocked) {
            sorted.insert(who, Rule { rank: 0, decision: instead, number });
        }
        Self { blocked: sorted.into_iter().collect(), ..self.clone() }
    }

    /// The same policy with these off the block list.
    #[must_use]
    pub fn without_blocked(&self, whom: &[Who]) -> Self {
        let blocked = self.blocked.iter().filter(|(who, _)| !whom.contains(who)).copied().collect();
        Self { blocked, ..self.clone() }
    }

    /// The same policy with these rules in place of those that name the same.
    #[must_use]
    pub fn with(&self, rules: impl IntoIterator<Item = (Who, u16, Decision)>) -> Self {
        let mut sorted: BTreeMap<Who, Rule> = self.rules.iter().copied().collect();
        for (number, (who, rank, decision)) in (self.next_number()..).zip(rules) {
            // A rule in place of another keeps its number, and with it its place among those of equal rank.
            let number = sorted.get(&who).map_or(number, |rule| rule.number);
            sorted.insert(who, Rule { rank, decision, number });
        }
        Self { rules: sorted.into_iter().collect(), ..self.clone() }
    }

    /// The number of the next rule: none is used twice while a later one stands.
    fn next_number(&self) -> u32 {
        let numbers = self.rules.iter().chain(&self.blocked).map(|(_, rule)| rule.number + 1);
        numbers.max().unwrap_or(0)
    }

    /// The same policy without what it says of these.
    #[must_use]
    pub fn without(&self, whom: &[Who]) -> Self {
        let rules = self.rules.iter().filter(|(who, _)| !whom.contains(who)).copied().collect();
        Self { rules, ..self.clone() }
    }

    /// Who is on the block list, and what they get instead.
    pub fn blocked(&self) -> impl Iterator<Item = (Who, Decision)> + '_ {
        self.blocked.iter().map(|(who, rule)| (*who, rule.decision))
    }

    /// What the policy says of exactly this, if anything; the block list, which may stand over it, is not looked at.
    #[must_use]
    pub fn rule_of(&self, who: Who) -> Option<Decision> {
        find(&self.rules, who).map(|rule| rule.decision)
    }
}

impl Guard for Policy {
    fn decide(&self, who: &Identity) -> Verdict {
        // Number 0 stands for what is not known of him, and no rule is about that.
        let known = [Who::Domain(who.domain), Who::Organisation(who.organisation)];
        let known = known.into_iter().filter(|name| !matches!(name, Who::Domain(0) | Who::Organisation(0)));
        let names = [Who::User(who.user), Who::Network(who.network), Who::Everyone].into_iter().chain(known);
        let names = names.chain(who.groups.iter().map(|&group| Who::Group(group)));
        // Of equal ranks the rule that was given first, so that the answer does not hang on the order of names.
        let best_of = |rules: &[(Who, Rule)]| {
            names.clone().filter_map(|name| find(rules, name)).max_by_key(|rule| (rule.rank, u32::MAX - rule.number))
        };
        match best_of(&self.blocked).or_else(|| best_of(&self.rules)) {
            Some(rule) => Verdict { view: rule.decision.view(), rule: Some(rule.number) },
            None => Verdict { view: self.otherwise.view(), rule: None },
        }
    }

    fn views(&self, each: &mut dyn FnMut(View)) {
        for (_, rule) in self.rules.iter().chain(&self.blocked) {
            each(rule.decision.view());
        }
        each(self.otherwise.view());
    }

    fn rules(&self) -> usize {
        self.rules.len() + self.blocked.len()
    }
}

fn find(rules: &[(Who, Rule)], who: Who) -> Option<Rule> {
    let place = rules.binary_search_by_key(&who, |(named, _)| *named).ok()?;
    Some(rules[place].1)
}
