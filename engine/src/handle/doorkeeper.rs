//! Who serves foreign threads on a shard: a frontend in front of the embedder's frontend, unseen by it.
//!
//! Lives on the shard's thread. Invariant: notes and answers of watchers and tickets that it opened itself go to
//! their callers and never to the embedder, and the other way round; when it ends, everybody who still waits for this
//! shard is told. Cost for the embedder: one load and one comparison for each watcher that is ready, and as much for
//! each answer, while no handle is in use.

use std::collections::HashMap;
use std::sync::Arc;

use fanfare_core::{Categories, Error, GroupId, Outcome, ShardIndex, Ticket, WatcherId};

use super::Shared;
use super::answer::Answering;
use super::door::{Command, Door};
use super::feed::{Feed, Wish};
use crate::{Outbox, Shard};

/// One shard's table of foreign watchers and of requests under way.
#[derive(Debug)]
pub struct Doorkeeper {
    shared: Arc<Shared>,
    shard: usize,
    /// By the watcher's index; empty entries belong to the embedder's watchers.
    watchers: Vec<Option<Foreign>>,
    requests: HashMap<Ticket, Answering<Result<Outcome, Error>>>,
    /// Watchers whose feed was locked when the shard came by.
    locked: Vec<WatcherId>,
}

#[derive(Debug)]
struct Foreign {
    watcher: WatcherId,
    feed: Arc<Feed>,
}

impl Doorkeeper {
    pub(crate) fn new(shared: Arc<Shared>, shard: ShardIndex) -> Self {
        Self { shared, shard: shard.index(), watchers: Vec::new(), requests: HashMap::new(), locked: Vec::new() }
    }

    fn door(&self) -> &Door {
        &self.shared.doors[self.shard]
    }

    /// Whether a foreign thread has put something in.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.door().ingress.is_empty() || !self.door().attention.is_empty()
    }

    /// Whether nothing is left to do until something is put in.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.locked.is_empty() && self.requests.is_empty()
    }

    /// Serves what has been put in, commands up to a number. Tells whether there was anything.
    pub fn serve(&mut self, shard: &mut Shard, commands: usize) -> bool {
        let mut served = false;
        for watcher in std::mem::take(&mut self.locked) {
            served = true;
            self.attend(shard, watcher);
        }
        for _ in 0..commands {
            let command = self.door().ingress.pop();
            // After the pop and before the command: who closes a watcher and then asks for another has the room of
            // the first.
            served |= self.attend_all(shard);
            let Some(command) = command else { break };
            served = true;
            self.obey(shard, command);
        }
        served
    }

    fn obey(&mut self, shard: &mut Shard, command: Command) {
        match command {
            Command::Publish { publication, answer } => self.asked(shard.publish(publication), answer),
            Command::Fetch { presentity, view, answer } => self.asked(shard.fetch(presentity, view), answer),
            Command::Open { token, feed, answer } => answer.give(self.open(shard, token, feed)),
            Command::Subscribe { group, view, presentities, answer } => {
                answer.give(shard.subscribe(group, view, &presentities));
            }
            Command::Unsubscribe { group, presentities, answer } => {
                answer.give(shard.unsubscribe(group, &presentities));
            }
        }
    }

    fn asked(&mut self, ticket: Result<Ticket, Error>, answer: Answering<Result<Outcome, Error>>) {
        match ticket {
            Ok(ticket) => {
                self.requests.insert(ticket, answer);
            }
            Err(error) => answer.give(Err(error)),
        }
    }

    fn open(&mut self, shard: &mut Shard, token: u64, feed: Arc<Feed>) -> Result<(WatcherId, GroupId), Error> {
        let watcher = shard.open_watcher(token)?;
        let group = shard.open_group(watcher, token, Categories::ALL).inspect_err(|_| {
            shard.close_watcher(watcher);
        })?;
        if self.watchers.len() <= watcher.index() {
            self.watchers.resize_with(watcher.index() + 1, || None);
        }
        self.watchers[watcher.index()] = Some(Foreign { watcher, feed });
        Ok((watcher, group))
    }

    fn attend_all(&mut self, shard: &mut Shard) -> bool {
        let mut attended = false;
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
                self.watchers[watcher.index()] = None;
            }
            Wish::Writable => shard.writable(watcher),
            Wish::Later => self.locked.push(watcher),
        }
    }

    fn feed(&self, watcher: WatcherId) -> Option<&Feed> {
        let foreign = self.watchers.get(watcher.index())?.as_ref()?;
        (foreign.watcher == watcher).then_some(&foreign.feed)
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
        if self.requests.is_empty() {
            return Some(outcome);
        }
        match self.requests.remove(&ticket) {
            Some(answer) => {
                answer.give(Ok(outcome));
                None
            }
            None => Some(outcome),
        }
    }

    /// The shard has ended: tells everybody who waits for it.
    pub(crate) fn close(&mut self) {
        self.door().ingress.close();
        self.requests.clear();
        for foreign in self.watchers.drain(..).flatten() {
            foreign.feed.end();
        }
    }
}
