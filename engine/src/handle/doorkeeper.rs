//! Who serves foreign threads on a shard: a frontend in front of the embedder's frontend, unseen by it.
//!
//! Lives on the shard's thread. Invariant: notes and answers of watchers and tickets that it opened itself go to
//! their callers and never to the embedder, and the other way round; when it ends, everybody who still waits for this
//! shard is told. Commands are obeyed in order: one for which there is no credit holds up those behind it, so that the
//! door fills and callers hear `Busy` there. Cost for the embedder: one comparison for each watcher that is ready, and
//! as much for each answer, while no handle is in use.

use std::sync::Arc;

use fanfare_core::{Categories, Error, Identity, Outcome, Publication, ShardIndex, Ticket, WatcherId};

use super::book::{Asking, Reply};
use super::door::{Command, Door, Manner};
use super::feed::{Feed, Wish};
use super::watcher::Watcher;
use super::{CallError, Shared};
use crate::{Outbox, Shard};

/// One shard's server of handles.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    shared: Arc<Shared>,
    shard: ShardIndex,
    /// Whether the book may hold a command for which there was no credit.
    holds: bool,
    /// A bulk call of which not all has been asked.
    asking: bool,
    /// Whether the book has anything in it, so that its lock is left alone if not.
    foreign_watchers: usize,
    is_settled: bool,
    /// Somebody waits for room, and there was none at the last look. What makes room wakes the shard by itself.
    room_refused: bool,
    /// Watchers whose feed was locked when the shard came by.
    locked: Vec<WatcherId>,
}

impl Doorkeeper {
    pub(crate) fn new(shared: Arc<Shared>, shard: ShardIndex) -> Self {
        Self {
            shared,
            shard,
            holds: false,
            asking: false,
            foreign_watchers: 0,
            is_settled: true,
            room_refused: false,
            locked: Vec::new(),
        }
    }

    fn door(&self) -> &Door {
        &self.shared.doors[self.shard.index()]
    }

    /// Whether a foreign thread has put something in.
    pub(crate) fn has_input(&self) -> bool {
        self.door().has_input() || (self.door().is_room_wanted() && !self.room_refused)
    }

    /// Whether nothing is left to do until something is put in.
    pub(crate) fn is_idle(&self) -> bool {
        self.locked.is_empty() && self.is_settled && !self.holds
    }

    /// Serves what has been put in, commands up to a number. Tells whether there was anything.
    pub(crate) fn serve(&mut self, shard: &mut Shard, commands: usize) -> bool {
        let mut served = false;
        served |= self.ask_on(shard);
        for _ in 0..commands {
            let command = if self.asking { None } else { self.next_command() };
            // After the pop and before the command: who closes a watcher and then asks for another has the room of
            // the first.
            served |= self.attend_all(shard);
            let Some(command) = command else { break };
            if let Some(command) = self.obey(shard, command) {
                self.holds = true;
                self.door().book().hold(command);
                break;
            }
            served = true;
        }
        if self.door().is_room_wanted() {
            self.room_refused = !shard.takes_publications();
            if !self.room_refused {
                self.door().tell_room();
                served = true;
            }
        }
        served
    }

    fn next_command(&mut self) -> Option<Command> {
        let held = if std::mem::take(&mut self.holds) { self.door().book().take_held() } else { None };
        held.or_else(|| self.door().ingress.pop())
    }

    /// Gives the command back if there is no credit for it.
    fn obey(&mut self, shard: &mut Shard, command: Command) -> Option<Command> {
        if matches!(command, Command::Ask { .. }) && shard.credits(self.shard) == 0 {
            return Some(command);
        }
        match command {
            Command::Ask { request, reply } => match shard.request(request) {
                Ok(ticket) => self.expect(ticket, reply),
                Err(error) => reply.refuse(&error.into()),
            },
            Command::PublishAll { publications, gather } => {
                self.is_settled = false;
                self.door().book().begin(publications, gather);
                self.asking = true;
                self.ask_on(shard);
            }
            Command::Open { token, who, feed, answer } => {
                let opened = self.open(shard, token, who, feed);
                answer.give(opened.map_err(Into::into));
            }
            Command::Subscribe { group, view, presentities, answer } => {
                let subscribed = match view {
                    Some(view) => shard.subscribe(group, view, &presentities),
                    None => shard.watch(group, &presentities),
                };
                answer.give(subscribed.map_err(Into::into));
            }
            Command::Unsubscribe { group, presentities, answer } => {
                answer.give(shard.unsubscribe(group, &presentities).map_err(Into::into));
            }
            Command::Tell { watcher, group, manner, answer } => {
                let told = match manner {
                    Manner::Active(is_active) => shard.set_active(watcher, is_active),
                    Manner::Rate(rate) => shard.set_rate(group, rate),
                    Manner::Again => shard.refresh_group(group),
                };
                answer.give(told.map_err(Into::into));
            }
            Command::Census { presentity, census } => census.count(shard, presentity),
        }
        None
    }

    fn expect(&mut self, ticket: Ticket, reply: Reply) {
        self.is_settled = false;
        self.door().book().expect(ticket, reply);
    }

    /// Goes on with a bulk call. Tells whether any of it was asked.
    fn ask_on(&mut self, shard: &mut Shard) -> bool {
        if !self.asking {
            return false;
        }
        let home = self.shard;
        let mut asked = false;
        let mut ask = |publication: Publication| {
            if shard.credits(home) == 0 {
                return Asking::NoCredit(publication);
            }
            asked = true;
            match shard.publish(publication) {
                Ok(ticket) => Asking::Asked(ticket),
                Err(error) => Asking::Refused(error.into()),
            }
        };
        let through = self.door().book().ask_on(&mut ask);
        self.asking = !through;
        self.settle();
        asked
    }

    /// Answers bulk calls that are through.
    fn settle(&mut self) {
        let mut book = self.door().book();
        let done = book.finish_parts();
        let is_settled = book.is_settled();
        drop(book);
        self.is_settled = is_settled;
        for (gather, results) in done {
            gather.put(results);
        }
    }

    fn open(
        &mut self,
        shard: &mut Shard,
        token: u64,
        who: Option<Arc<Identity>>,
        feed: Arc<Feed>,
    ) -> Result<Watcher, Error> {
        let watcher = shard.open_watcher(token)?;
        let group = match who {
            Some(who) => shard.open_group_for(watcher, token, Categories::ALL, who),
            None => shard.open_group(watcher, token, Categories::ALL),
        };
        let group = group.inspect_err(|_| {
            shard.close_watcher(watcher);
        })?;
        self.door().book().open(watcher, feed.clone());
        self.foreign_watchers += 1;
        Ok(Watcher::new(self.shared.clone(), self.shard.index(), watcher, group, feed))
    }

    fn attend_all(&mut self, shard: &mut Shard) -> bool {
        let mut attended = false;
        for watcher in std::mem::take(&mut self.locked) {
            attended = true;
            self.attend(shard, watcher);
        }
        while let Some(watcher) = self.door().attention.pop() {
            attended = true;
            self.attend(shard, watcher);
        }
        attended
    }

    fn attend(&mut self, shard: &mut Shard, watcher: WatcherId) {
        let Some(feed) = self.feed(watcher) else { return };
        match feed.attend() {
            Wish::Close => {
                shard.close_watcher(watcher);
                self.door().book().close(watcher);
                self.foreign_watchers -= 1;
            }
            Wish::Writable => shard.writable(watcher),
            Wish::Later => self.locked.push(watcher),
        }
    }

    fn feed(&self, watcher: WatcherId) -> Option<Arc<Feed>> {
        if self.foreign_watchers == 0 {
            return None;
        }
        self.door().book().feed(watcher).cloned()
    }

    /// A watcher is ready. Tells whether it is a handle's; then it has been drained.
    pub(crate) fn ready(&mut self, watcher: WatcherId, outbox: &mut Outbox<'_>) -> bool {
        let Some(feed) = self.feed(watcher) else { return false };
        if !feed.fill(outbox) {
            // Attended in the next turn, which makes it writable, and so ready again.
            self.locked.push(watcher);
        }
        true
    }

    /// An answer has come. Gives it back if it is not to a handle's request.
    pub(crate) fn done(&mut self, ticket: Ticket, outcome: Outcome) -> Option<Outcome> {
        if self.is_settled {
            return Some(outcome);
        }
        let reply = match self.door().book().done(ticket, outcome) {
            Ok(reply) => reply,
            Err(outcome) => return Some(outcome),
        };
        if let Some((reply, outcome)) = reply {
            reply.tell(outcome);
        }
        None
    }

    /// All answers of a turn have been told: bulk calls that are through are answered.
    pub(crate) fn outcomes_done(&mut self) {
        if !self.is_settled {
            self.settle();
        }
    }
}

impl Drop for Doorkeeper {
    /// The shard has ended: tells everybody who waits for it.
    fn drop(&mut self) {
        let error = CallError::from(self.shared.fate.ending());
        self.door().abandon(&error);
    }
}
