//! A watcher for threads and tasks that are no shard's.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use fanfare_core::{GroupId, Identity, PresentityId, Rate, View, WatcherId};

use super::answer::Answering;
use super::block_on::block_on;
use super::call::Call;
use super::door::{Command, Manner};
use super::feed::{Feed, Taken};
use super::note::OwnedNote;
use super::room::Room;
use super::{CallError, Shared};
use crate::runtime::OnShard;

/// A session that watches, used by one thread or task at a time. It lives on one of the shards; dropping it closes it,
/// with all that it watches.
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
    /// Asks a shard for one. If nobody takes the answer, it is dropped there, and so closed.
    pub(super) fn open(shared: &Arc<Shared>, shard: usize, token: u64, who: Option<Arc<Identity>>) -> Call<Self> {
        let feed = Arc::new(Feed::new(shared.feed_notes));
        Shared::call(shared, shard, |answer| Command::Open { token, who, feed, answer })
    }

    pub(super) fn new(shared: Arc<Shared>, shard: usize, watcher: WatcherId, group: GroupId, feed: Arc<Feed>) -> Self {
        Self { shared, shard, watcher, group, feed }
    }

    /// The shard on which it lives.
    #[must_use]
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// Watches these presentities, thousands in one call: all of them or, with an error, none. Tells how many of them
    /// were not watched before. Each is told its current state first.
    ///
    /// The call costs a copy of the list; the shard subscribes all of it in one turn, at 0.3 us each and more.
    ///
    /// # Errors
    /// The call's: [`CallError::Busy`] when the shard's door is full; [`CallError::Shard`] at a limit.
    pub fn subscribe(&mut self, presentities: &[PresentityId]) -> Call<usize> {
        self.subscribe_view(View::PLAIN, presentities)
    }

    /// As [`Watcher::subscribe`], in another rendering.
    ///
    /// # Errors
    /// As [`Watcher::subscribe`].
    pub fn subscribe_view(&mut self, view: View, presentities: &[PresentityId]) -> Call<usize> {
        let (group, presentities) = (self.group, presentities.into());
        self.call(|answer| Command::Subscribe { group, view: Some(view), presentities, answer })
    }

    /// As [`Watcher::subscribe`], each in the view that policy grants: for a watcher that was opened for somebody
    /// ([`crate::Handle::watcher_for`]). Notes tell the view; [`View::PENDING`] and [`View::BLOCKED`] show nothing.
    ///
    /// # Errors
    /// As [`Watcher::subscribe`].
    pub fn watch(&mut self, presentities: &[PresentityId]) -> Call<usize> {
        let (group, presentities) = (self.group, presentities.into());
        self.call(|answer| Command::Subscribe { group, view: None, presentities, answer })
    }

    /// Watches these presentities no more. Once the call has ended well, [`Watcher::next_batch`] tells nothing of
    /// them, also of what was waiting already (C5). Tells how many of them were watched.
    ///
    /// # Errors
    /// As [`Watcher::subscribe`]; then they are still watched.
    pub fn unsubscribe(&mut self, presentities: &[PresentityId]) -> Call<usize> {
        let silent: HashSet<PresentityId> = presentities.iter().copied().collect();
        let (group, presentities) = (self.group, presentities.into());
        let (shared, shard, watcher, feed) = (self.shared.clone(), self.shard, self.watcher, self.feed.clone());
        self.call(|answer| Command::Unsubscribe { group, presentities, answer }).then(move || {
            // The shard puts nothing in about them any more; what it had put in before goes now.
            if feed.purge(&silent) {
                shared.doors[shard].call_attention(watcher);
            }
        })
    }

    /// Says whether anybody looks (XEP-0352). An inactive watcher is told nothing; once it is active again it is told the
    /// newest of whatever has changed, together.
    ///
    /// What waits to be taken already is taken all the same.
    ///
    /// # Errors
    /// [`CallError::Busy`] when the shard's door is full.
    pub fn set_active(&mut self, is_active: bool) -> Call<()> {
        self.tell(Manner::Active(is_active))
    }

    /// Says how often to be told (RFC 6446); [`Rate::default`] for as changes come.
    ///
    /// # Errors
    /// [`CallError::Busy`] when the shard's door is full; [`CallError::Shard`] for gaps that contradict each other, and at a
    /// limit.
    pub fn set_rate(&mut self, rate: Rate) -> Call<()> {
        self.tell(Manner::Rate(rate))
    }

    /// Asks to be told everything once more: the newest state of each presentity that is watched.
    ///
    /// # Errors
    /// [`CallError::Busy`] when the shard's door is full.
    pub fn refresh(&mut self) -> Call<()> {
        self.tell(Manner::Again)
    }

    fn tell(&self, manner: Manner) -> Call<()> {
        let (watcher, group) = (self.watcher, self.group);
        Shared::call(&self.shared, self.shard, |answer| Command::Tell { watcher, group, manner, answer })
    }

    fn call(&self, command: impl FnOnce(Answering<usize>) -> Command) -> Call<usize> {
        Shared::call(&self.shared, self.shard, command)
    }

    /// All notes that wait or, if none does, those that come first: a future, or something to wait for.
    ///
    /// Dropping it loses nothing: notes are taken only when it is ready.
    pub fn next_batch(&mut self) -> NextBatch<'_> {
        NextBatch { watcher: self }
    }

    /// Waits until there may be room again where its calls go in, after one was `Busy`.
    pub fn room(&self) -> Room {
        Room::at(&self.shared, self.shard)
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

/// The next notes of a watcher: `await` it, [`NextBatch::wait`], or [`NextBatch::wait_for`] some time.
#[derive(Debug)]
#[must_use = "notes are taken when it is awaited or by `wait`"]
pub struct NextBatch<'a> {
    watcher: &'a mut Watcher,
}

impl NextBatch<'_> {
    /// Sleeps until there are notes.
    ///
    /// # Errors
    /// [`CallError::Engine`] when the engine has ended and no note is left, [`CallError::Stalled`] while the host on
    /// whose shard the watcher lives does not step, [`CallError::OnShard`] on a thread that turns a shard.
    pub fn wait(self) -> Result<Vec<OwnedNote>, CallError> {
        self.wait_until(None)
    }

    /// Sleeps until there are notes, or until the time is over: then there are none.
    ///
    /// # Errors
    /// As [`NextBatch::wait`].
    pub fn wait_for(self, time: Duration) -> Result<Vec<OwnedNote>, CallError> {
        // A time beyond the clock's range is none.
        let until = Instant::now().checked_add(time);
        self.wait_until(until)
    }

    fn wait_until(self, until: Option<Instant>) -> Result<Vec<OwnedNote>, CallError> {
        if OnShard::is_here() {
            return Err(CallError::OnShard);
        }
        block_on(self, until).unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl Future for NextBatch<'_> {
    type Output = Result<Vec<OwnedNote>, CallError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let watcher = &*self.watcher;
        match watcher.feed.poll_take(context) {
            Poll::Ready(Taken::Notes(notes, call)) => {
                if call {
                    watcher.call_attention();
                }
                Poll::Ready(Ok(notes))
            }
            Poll::Ready(Taken::Ended) => Poll::Ready(Err(watcher.shared.fate.ending().into())),
            // After the waker is in place: whoever sets this mark wakes those who wait.
            Poll::Pending if watcher.shared.doors[watcher.shard].is_stalled() => {
                Poll::Ready(Err(CallError::Stalled { shard: watcher.shard }))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
