//! Who watches a presentity, on all shards: one question, a part of the answer from each.
//!
//! Shared by the commands to the shards. Invariant: when the last of them is dropped, obeyed or lost, the caller has the
//! answer: everybody, or the first reason why some shard has not said.

use std::sync::{Arc, Mutex, PoisonError};

use fanfare_core::{GroupId, PresentityId, ShardIndex, View, WatcherId};

use super::answer::Answering;
use super::{CallError, Shared};
use crate::Shard;

/// One subscription, as seen from the watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// On which shard.
    pub shard: ShardIndex,
    /// Which session.
    pub watcher: WatcherId,
    /// Which of its groups.
    pub group: GroupId,
    /// What the embedder gave when it opened the watcher.
    pub watcher_token: u64,
    /// Who it is, if policy says what it sees.
    pub user: Option<PresentityId>,
    /// The view that it gets.
    pub view: View,
}

/// Where the parts come together.
#[derive(Debug)]
pub(crate) struct Census {
    found: Mutex<Result<Vec<Watching>, CallError>>,
    answering: Option<Answering<Vec<Watching>>>,
    shared: Arc<Shared>,
    /// Shards that have not answered.
    missing: Mutex<usize>,
}

impl Census {
    pub(super) fn new(shards: usize, answering: Answering<Vec<Watching>>, shared: Arc<Shared>) -> Arc<Self> {
        let found = Mutex::new(Ok(Vec::new()));
        Arc::new(Self { found, answering: Some(answering), shared, missing: Mutex::new(shards) })
    }

    /// Puts in who watches on this shard.
    pub(super) fn count(&self, shard: &Shard, presentity: PresentityId) {
        let index = shard.index();
        let watching = shard.watchers_of(presentity).map(|(watcher, group, view)| Watching {
            shard: index,
            watcher,
            group,
            watcher_token: shard.watcher_token(watcher).unwrap_or_default(),
            user: shard.identity(group).map(|who| who.user),
            view,
        });
        if let Ok(all) = &mut *self.found.lock().unwrap_or_else(PoisonError::into_inner) {
            all.extend(watching);
        }
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }

    /// A shard cannot say.
    pub(super) fn refuse(&self, error: &CallError) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Err(error.clone());
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        let lost = || Err(CallError::from(self.shared.fate.ending()));
        let is_whole = *self.missing.get_mut().unwrap_or_else(PoisonError::into_inner) == 0;
        let found = std::mem::replace(self.found.get_mut().unwrap_or_else(PoisonError::into_inner), Ok(Vec::new()));
        if let Some(answering) = self.answering.take() {
            answering.give(if is_whole || found.is_err() { found } else { lost() });
        }
    }
}
