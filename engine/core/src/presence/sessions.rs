//! A watcher that moves from shard to shard, with the lists that its groups follow.

use super::shard::Shard;
use crate::error::Error;
use crate::id::WatcherId;
use crate::shard::{ResumeToken, Session, SessionRefused, ShardMemory};

impl<B: ShardMemory> Shard<B> {
    /// Takes a parked watcher away, to be resumed on another shard: it is closed here, and has taken in the notes up to this
    /// count.
    ///
    /// # Errors
    /// As [`crate::FanOut::resume`]; the watcher stays parked.
    pub fn take_session(&mut self, token: ResumeToken, acknowledged: u32) -> Result<Session, Error> {
        let lists = &self.desk.lists;
        self.fan.close_parked(token, acknowledged, |group| lists.followed_by(group))
    }

    /// Resumes a watcher that another shard has closed. It is told what it has not acknowledged and what has changed since, the
    /// newest of it, and whole; each subscription once this shard knows a state that is no older than what it was shown (C1).
    /// [`crate::FanOut::groups`] gives the ids of its groups. Where a group has an identity, policy is asked again; where it
    /// follows a list, it comes to watch who is on that here.
    ///
    /// Notes are counted on from the acknowledged one. All or nothing. Costs what subscribing costs; presentities that nobody
    /// here watches, or that were last heard of before the move, a join each.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`] when it comes too late; [`Error::NoSuchList`]; [`Error::Limit`] at `watchers`, `groups`,
    /// `subscriptions`, `subscriptions_per_group`, `topics`, `views_per_presentity`, `paces` or `unacknowledged_per_watcher`;
    /// [`Error::Rate`] where rates are bounded more narrowly; [`Error::OutOfMemory`]. The session comes back with the error.
    pub fn open_session(&mut self, session: Session, watcher_token: u64) -> Result<WatcherId, SessionRefused> {
        let lists = &mut self.desk.lists;
        let unknown = session.follows().flatten().find(|(list, _)| !lists.knows(*list));
        if let Some((unknown, _)) = unknown {
            return Err(SessionRefused { session, why: Error::NoSuchList(unknown) });
        }
        match self.fan.open_carried(&session, watcher_token) {
            Ok(watcher) => {
                for ((group, _), follows) in self.fan.groups(watcher).zip(session.follows()) {
                    if let Some((list, view)) = follows {
                        lists.follow_from_now(list, group, view);
                    }
                }
                Ok(watcher)
            }
            Err(why) => Err(SessionRefused { session, why }),
        }
    }
}
