//! Watchers of one presentity, half of whom a policy lets in and locks out again by turns.

use std::sync::Arc;

use fanfare::map::PrivateMap;
use fanfare::presence::composition::MostAvailable;
use fanfare::status::Availability;
use fanfare::{
    Categories, Decision, EndpointId, EndpointPublication, Identity, Outcome, Policy, PolicyEdit, PresentityId, Scheme,
    ShardConfig, Status, Tick, View, Who,
};

use crate::Tally;

const KEN: PresentityId = PresentityId::new(u64::MAX);
/// The group of people that is let in and locked out.
const DOUBTFUL: u64 = 1;
const HOUR_US: u64 = 3_600_000_000;

/// One shard, one presentity with a policy of its own, and its watchers, each somebody else.
pub struct Crowd {
    shard: fanfare::Shard,
    watchers: u64,
    is_open: bool,
}

impl Crowd {
    /// So many watchers; all of them are let in, and have been told the state.
    ///
    /// # Panics
    /// If the shard refuses.
    #[must_use]
    pub fn of(watchers: u64) -> Self {
        let scheme =
            Scheme::open_and_offline(&["state"], MostAvailable, Decision::Show(Scheme::OPEN)).expect("a scheme");
        let mut limits = crate::world::limits(&crate::Graph::hot(watchers));
        // A step of its own for each call: no crowd is too large for the time that a change may take.
        limits.policy_apply_us = HOUR_US;
        let config = ShardConfig { limits, scheme: Arc::new(scheme), ..ShardConfig::new(0, 1) };
        let mut shard = fanfare::Shard::new(config, PrivateMap).expect("a shard");
        let available = Status::new(Availability::AVAILABLE);
        shard.publish_endpoint(EndpointPublication::create(KEN, EndpointId(1), available, HOUR_US)).expect("a credit");
        for user in 0..watchers {
            let who = Arc::new(Identity { groups: [user % 2].into(), ..Identity::of(PresentityId::new(user)) });
            let watcher = shard.open_watcher(user).expect("room");
            let group = shard.open_group_for(watcher, user, Categories::ALL, who).expect("room");
            shard.watch(group, &[KEN]).expect("room");
        }
        let mut crowd = Self { shard, watchers, is_open: true };
        while crowd.step() {}
        while crowd.shard.next_outcome().is_some() {}
        crowd.tell();
        crowd
    }

    /// Locks the doubtful half out, or lets it in again, and steps until the policy is said to be applied.
    ///
    /// # Panics
    /// If it is not applied.
    pub fn turn_round(&mut self) {
        self.is_open = !self.is_open;
        let open = Policy::everybody(Decision::Show(Scheme::OPEN));
        let policy = if self.is_open { open } else { open.with_blocked([Who::Group(DOUBTFUL)], Decision::Block) };
        self.shard.set_policy(PolicyEdit::new(KEN, KEN, policy)).expect("a credit");
        loop {
            self.step();
            match self.shard.next_outcome() {
                None => {}
                Some((_, Outcome::PolicyApplied { .. })) => return,
                Some((_, other)) => panic!("{other:?}"),
            }
        }
    }

    /// Tells everybody what he has to be told: whoever was moved, the first state of his new view.
    pub fn tell(&mut self) -> Tally {
        while self.step() {}
        let mut tally = Tally::default();
        while let Some(mut outbox) = self.shard.next_outbox() {
            while let Some(note) = outbox.next() {
                let is_shown = note.view == Scheme::OPEN && note.document().is_some();
                assert!(is_shown || note.view == View::BLOCKED && note.document().is_none(), "{:?}", note.view);
                tally.add_note(note.watcher_token, note.presentity.get() >> 1, is_shown.into());
            }
        }
        tally
    }

    /// What [`Crowd::tell`] must say after [`Crowd::turn_round`]: each of the doubtful half is told that he sees the state,
    /// or nothing, and nobody else is told anything.
    #[must_use]
    pub fn expected(&self) -> Tally {
        let mut tally = Tally::default();
        for user in (0..self.watchers).filter(|user| user % 2 == DOUBTFUL) {
            tally.add_note(user, KEN.get() >> 1, self.is_open.into());
        }
        tally
    }

    fn step(&mut self) -> bool {
        self.shard.step(Tick::from_micros(1), 4_096).more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_crowd_is_moved_and_told() {
        let mut crowd = Crowd::of(9);
        for _ in 0..3 {
            crowd.turn_round();
            assert_eq!(crowd.tell(), crowd.expected());
            assert_eq!(crowd.expected().notes, 4);
        }
    }
}
