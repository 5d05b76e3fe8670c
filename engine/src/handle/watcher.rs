//! A watcher for threads that are no shard's.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanfare_core::{GroupId, PresentityId, View, WatcherId};

use super::door::Command;
use super::feed::Feed;
use super::note::OwnedNote;
use super::{CallError, Shared};

/// A session that watches, used from any one thread at a time. It lives on one of the shards; dropping it closes it.
///
/// Notes wait in a list of bounded length. While it is full the shard leaves the watcher alone: it goes stale, and is
/// told the newest states when it takes notes again.
pub struct Watcher {
    shared: Arc<Shared>,
    shard: usize,
    watcher: WatcherId,
    group: GroupId,
    feed: Arc<Feed>,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("shard", &self.shard).field("watcher", &self.watcher).finish_non_exhaustive()
    }
}

impl Watcher {
    pub(super) fn open(shared: Arc<Shared>, shard: usize, token: u64) -> Result<Self, CallError> {
        let feed = Arc::new(Feed::new(shared.feed_notes));
        let (watcher, group) = shared.call(shard, |answer| Command::Open { token, feed: feed.clone(), answer })?;
        Ok(Self { shared, shard, watcher, group, feed })
    }

    /// The shard on which it lives.
    #[must_use]
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// Watches these presentities, thousands in one call: all of them or, with an error, none. Tells how many of them
    /// were not watched before. Each is told its current state first.
    ///
    /// # Errors
    /// [`CallError::Busy`] at once when the shard's door is full; [`CallError::Shard`] at a limit.
    pub fn subscribe(&mut self, presentities: &[PresentityId]) -> Result<usize, CallError> {
        self.subscribe_view(View::PLAIN, presentities)
    }

    /// As [`Watcher::subscribe`], in another rendering.
    ///
    /// # Errors
    /// As [`Watcher::subscribe`].
    pub fn subscribe_view(&mut self, view: View, presentities: &[PresentityId]) -> Result<usize, CallError> {
        let (group, presentities) = (self.group, presentities.into());
        self.shared.call(self.shard, |answer| Command::Subscribe { group, view, presentities, answer })
    }

    /// Watches these presentities no more. Once it has returned, [`Watcher::next_batch`] tells nothing of them, also
    /// of what was waiting already (C5). Tells how many of them were watched.
    ///
    /// # Errors
    /// As [`Watcher::subscribe`]; then they are still watched.
    pub fn unsubscribe(&mut self, presentities: &[PresentityId]) -> Result<usize, CallError> {
        let group = self.group;
        let list = presentities.into();
        let gone = self.shared.call(self.shard, |answer| Command::Unsubscribe { group, presentities: list, answer })?;
        // The shard puts nothing in about them any more; what it had put in before goes now.
        let silent: HashSet<PresentityId> = presentities.iter().copied().collect();
        if self.feed.purge(|note| !silent.contains(&note.presentity)) {
            self.call_attention();
        }
        Ok(gone)
    }

    /// All notes that wait or, if none does, those that come first within the time-out (`None`: however long it
    /// takes). An empty list means that the time has passed.
    ///
    /// # Errors
    /// [`CallError::Engine`] when the engine has ended and no note is left, also while waiting.
    pub fn next_batch(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Vec<OwnedNote>, CallError> {
        let (notes, call) = self.feed.take(timeout.into(), &self.shared.fate)?;
        if call {
            self.call_attention();
        }
        Ok(notes)
    }

    /// Closes the watcher, as dropping it does.
    pub fn close(self) {}

    fn call_attention(&self) {
        self.shared.doors[self.shard].call_attention(self.watcher);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.feed.close() {
            self.call_attention();
        }
    }
}
