//! A connection is lost, and comes back to the same shard; or does not.

use super::super::slot::{Outboxes, place};
use super::super::watcher::{INACTIVE, PARKED, Standing};
use super::super::watcher_information::WatcherEvent;
use super::super::{FanOut, ShardMemory};
use super::acknowledge::Unacknowledged;
use super::{ResumeToken, SessionEnded};
use crate::error::Error;
use crate::id::WatcherId;
use crate::store::NONE;

impl<B: ShardMemory> FanOut<B> {
    /// Keeps a watcher whose connection is lost, for so long; longer than [`crate::Limits::park_us_max`] is granted as that.
    /// It keeps its groups, with their ids, and their subscriptions, and is told nothing; its own id does nothing any more (C5).
    ///
    /// `secret` is to be drawn at random, so that nobody guesses the token. Costs nothing while it is parked but the marks, and
    /// no memory. If nobody resumes it, it is closed with the step after that time, and told by [`Self::next_ended_session`].
    /// Publications are nothing of the watcher's: they live until their own expiry.
    ///
    /// # Errors
    /// [`Error::NoSuchWatcher`], [`Error::NotTracked`].
    pub fn park(&mut self, watcher: WatcherId, for_us: u64, secret: u64) -> Result<ResumeToken, Error> {
        let index = self.watcher(watcher).ok_or(Error::NoSuchWatcher(watcher))?;
        let sessions = &mut self.outboxes.sessions;
        let tracked = sessions.of(index).ok_or(Error::NotTracked(watcher))?;
        let until = self.now.after_micros(for_us.min(self.limits.park_us_max));
        sessions.tracked[tracked].secret = secret;
        sessions.set_until(tracked, until);
        let record = &mut self.outboxes.watchers[index];
        record.holds |= PARKED;
        record.generation = record.generation.wrapping_add(2);
        Ok(ResumeToken { index, generation: record.generation, secret })
    }

    /// What the embedder gave when it opened the watcher that is parked under this token: to see whose it is before it is
    /// resumed.
    #[must_use]
    pub fn parked(&self, token: ResumeToken) -> Option<u64> {
        self.parked_at(token).map(|(watcher, _)| self.outboxes.watchers[watcher].token)
    }

    /// Resumes a parked watcher, which has taken in the notes up to this count: it is told, at once, the newest of whatever
    /// came after them, and of whatever has changed since. Its new id is given.
    ///
    /// Notes are counted on from the acknowledged one. The watcher is active, whatever it was before (XEP-0352). A token
    /// serves once. Costs a mark for each unacknowledged note, or a cache miss for 16 subscriptions if there were more than
    /// are remembered.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`]; [`Error::Acknowledged`], and the watcher stays parked.
    pub fn resume(&mut self, token: ResumeToken, acknowledged: u32, watcher_token: u64) -> Result<WatcherId, Error> {
        let (watcher, tracked) = self.parked_at(token).ok_or(Error::NoSuchSession)?;
        let unacknowledged = self.outboxes.sessions.resume(tracked, acknowledged)?;
        self.outboxes.sessions.set_until(tracked, crate::id::Tick::NEVER);
        self.outboxes.mark_unacknowledged(watcher, &unacknowledged);
        let record = &mut self.outboxes.watchers[watcher];
        record.holds &= !(PARKED | INACTIVE);
        record.token = watcher_token;
        record.generation = record.generation.wrapping_add(2);
        let id = WatcherId { index: watcher, generation: record.generation };
        if [Standing::Held as u8, Standing::Blocked as u8].contains(&record.standing) {
            self.outboxes.make_ready(watcher);
        }
        if !self.followings.is_empty() {
            self.offer_again(watcher);
        }
        self.counters.sessions_resumed += 1;
        Ok(id)
    }

    /// The next parked watcher that nobody has resumed in time.
    pub fn next_ended_session(&mut self) -> Option<SessionEnded> {
        self.ended_sessions.pop_front()
    }

    /// Closes watchers that nobody has resumed in time until that has cost so much, each of them, of their groups and of
    /// their subscriptions one; tells how much it was.
    pub(crate) fn expire_sessions(&mut self, most: usize) -> usize {
        let mut done = 0;
        // Ends that nobody asks for are not piled up.
        while done < most && self.ended_sessions.len() < most {
            let due = self.outboxes.sessions.first().filter(|&(until, _)| until <= self.now);
            let Some((until, tracked)) = due else { break };
            done += 1;
            let watcher = self.outboxes.sessions.tracked[tracked].watcher;
            let group = self.outboxes.watchers[watcher].groups.head;
            if group != NONE {
                // Group by group: a watcher may have more subscriptions than a step has time for.
                done += self.outboxes.groups[group].len as usize;
                self.close_group_at(group, WatcherEvent::Deactivated);
                continue;
            }
            let watcher_token = self.outboxes.watchers[watcher].token;
            self.ended_sessions.push_back(SessionEnded { watcher_token, until });
            self.counters.sessions_expired += 1;
            self.close_watcher_at(watcher);
        }
        done
    }

    /// The watcher that is parked under a token, and the record of what it was told.
    pub(super) fn parked_at(&self, token: ResumeToken) -> Option<(u32, u32)> {
        let record = self.outboxes.watchers.get(token.index)?;
        let tracked = self.outboxes.sessions.of(token.index)?;
        let session = &self.outboxes.sessions.tracked[tracked];
        let differs = u64::from(record.generation ^ token.generation) | (session.secret ^ token.secret);
        let is_parked = record.holds & PARKED != 0 && session.until > self.now;
        (differs == 0 && is_parked).then_some((token.index, tracked))
    }
}

impl<B: ShardMemory> Outboxes<B> {
    /// Has a watcher told once more what it has not acknowledged.
    pub(super) fn mark_unacknowledged(&mut self, watcher: u32, unacknowledged: &Unacknowledged) {
        match unacknowledged {
            Unacknowledged::All => {
                let mut group = self.watchers[watcher].groups.head;
                while group != NONE {
                    self.mark_group_again(group);
                    group = self.groups[group].links.next;
                }
            }
            Unacknowledged::Slots(slots) => {
                for &slot in slots {
                    let (run, lane) = place(slot);
                    // What it was about may have ended since, and the run be somebody else's.
                    if self.runs[run].watcher == watcher {
                        self.mark_lanes_again(run, 1 << lane);
                    }
                }
            }
        }
    }
}
