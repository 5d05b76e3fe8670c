//! Polls: many fetched at once by somebody, from several homes, all or nothing.
//!
//! In worlds of their own (one seed in seven, where presence means something), so that other seeds live the lives that they
//! always lived.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanfare_core::{Error, Identity, PresentityId, Shown, State, Ticket, View};
use rand::RngExt;

use super::truth::{number_of, serial_of};
use super::world::{Awaited, World};

/// The most that one call may fetch there.
pub(super) const FETCH_PRESENTITIES_MAX: u32 = 9;

/// What a presentity was due to show somebody when its home was asked: the view, and what there is in it by category.
type Due = (View, Vec<(usize, u64)>);

/// A poll under way.
#[derive(Debug)]
pub(super) struct PolledBy {
    homes: BTreeSet<usize>,
    /// In the order asked for; nothing before the home was asked.
    due: Vec<(PresentityId, Option<Due>)>,
}

impl World {
    /// Whether somebody polls in a seed's world.
    pub(super) fn has_polls(seed: u64) -> bool {
        seed % 7 == 6 && !Self::has_tenants(seed)
    }

    pub(super) fn poll(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        let count = self.rng.random_range(0..=FETCH_PRESENTITIES_MAX as usize + 1);
        let list: Vec<PresentityId> = (0..count).map(|_| self.any_presentity()).collect();
        let who = Arc::new(self.any_identity());
        let homes: BTreeSet<usize> = list.iter().map(|presentity| self.home_of(*presentity)).collect();
        let credits = self.limits.credits;
        let is_out = homes.iter().any(|home| self.outstanding.get(&(shard, *home)).is_some_and(|out| *out == credits));
        match self.shards[shard].fetch_many_for(&list, &who) {
            Err(Error::NobodyToFetch) if list.is_empty() => Ok(()),
            Err(Error::Limit { .. }) if count > FETCH_PRESENTITIES_MAX as usize => {
                self.faults.limit += 1;
                Ok(())
            }
            Err(Error::Busy { .. }) if is_out => {
                self.faults.no_credit += 1;
                Ok(())
            }
            Ok(ticket) if !is_out && (1..=FETCH_PRESENTITIES_MAX as usize).contains(&count) => {
                for home in &homes {
                    *self.outstanding.entry((shard, *home)).or_default() += 1;
                }
                self.faults.poll += u64::from(homes.len() > 1);
                let due = list.into_iter().map(|presentity| (presentity, None)).collect();
                self.awaited.insert((shard, ticket), Awaited::Poll(PolledBy { homes, due }));
                Ok(())
            }
            other => Err(format!("C8: a poll of {count} gave {other:?} with credits out: {is_out}")),
        }
    }

    /// A home sees its part of a poll: what it shows is what the model has at this moment.
    pub(super) fn witness_poll(
        &mut self,
        from: usize,
        home: usize,
        ticket: Ticket,
        who: &Identity,
    ) -> Result<(), String> {
        let Some(Awaited::Poll(mut poll)) = self.awaited.remove(&(from, ticket)) else {
            return Err(format!("{ticket:?} is no poll"));
        };
        let now = self.shards[home].now();
        for (presentity, due) in &mut poll.due {
            if self.home_of(*presentity) != home {
                continue;
            }
            let view = self.policies.view_of(presentity.get(), who);
            if due.replace((view, self.shown(*presentity, view, now))).is_some() {
                return Err(format!("{ticket:?} came to a home twice"));
            }
        }
        self.awaited.insert((from, ticket), Awaited::Poll(poll));
        Ok(())
    }

    /// Whether the answer is what each home was to show, in the order asked for.
    pub(super) fn fits_poll(&self, poll: &PolledBy, states: &[State]) -> bool {
        let is_composed = self.is_composed();
        let fits = |((_, due), state): (&(PresentityId, Option<Due>), &State)| {
            let told = state.parts.iter().map(|(category, bytes)| {
                let number = if is_composed { Some(number_of(bytes)) } else { serial_of(bytes) };
                Some((category.index(), number?))
            });
            let shown = match due {
                Some((View::PENDING, _)) => Shown::Pending,
                Some((View::BLOCKED, _)) => Shown::Refused,
                Some((_, parts)) if parts.is_empty() => Shown::Nothing,
                _ => Shown::State,
            };
            let told = told.collect::<Option<Vec<_>>>();
            *due == told.map(|told| (state.view, told)) && state.shown() == shown
        };
        poll.due.len() == states.len() && poll.due.iter().zip(states).all(fits)
    }

    /// The credits of a poll are back.
    pub(super) fn end_poll(&mut self, shard: usize, poll: &PolledBy) -> Result<(), String> {
        for home in &poll.homes {
            *self.outstanding.get_mut(&(shard, *home)).ok_or("a poll that nobody awaits")? -= 1;
        }
        Ok(())
    }
}
