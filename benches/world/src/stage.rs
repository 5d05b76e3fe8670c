//! What a benchmark can do to a world, whichever it is.
//!
//! The steps of a delivery stand apart, so that each can be timed alone: a publication is taken in by its home and its
//! topics, then walks mark subscriptions, then watchers are told.

use crate::{Graph, Tally};

/// Publications that are taken in together at most: there are as many credits.
const OFFERED_MAX: usize = 256;

/// A world that publications, subscriptions and watchers can be played in.
pub trait Stage {
    /// Who watches whom, when everybody is signed in.
    fn graph(&self) -> Graph;

    /// Publishes a new document for each of these presentities, 256 at most. Home and topics take it in; nobody
    /// is marked yet, but for the few that no walk may put off.
    fn offer(&mut self, presentities: &[u64]);

    /// As [`Stage::offer`], and what is published ends with [`Stage::expire`].
    fn offer_for_a_while(&mut self, presentities: &[u64]);

    /// Lets all that was offered for a while expire. Nobody is marked yet.
    fn expire(&mut self);

    /// Walks: marks everybody who watches what has changed.
    fn mark(&mut self) -> Tally;

    /// Tells every watcher everything that he was not told yet.
    fn tell(&mut self) -> Tally;

    /// Subscribes a user's watcher in one call, and says how many subscriptions there are more.
    fn subscribe_to(&mut self, user: u64, presentities: &[u64]) -> usize;

    /// Ends subscriptions of a user's watcher in one call, and says how many there are less.
    fn unsubscribe_from(&mut self, user: u64, presentities: &[u64]) -> usize;

    /// Everybody publishes, watches as the graph says, and is told the first states.
    fn sign_in(&mut self) {
        let graph = self.graph();
        let presentities: Vec<_> = (0..graph.presentities()).collect();
        for some in presentities.chunks(OFFERED_MAX) {
            self.offer(some);
            self.mark();
        }
        for user in 0..graph.users() {
            let contacts: Vec<_> = graph.contacts_of(user).collect();
            self.subscribe_to(user, &contacts);
        }
        self.tell();
    }
}
