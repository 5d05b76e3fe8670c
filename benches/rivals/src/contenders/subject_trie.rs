//! The NATS server's algorithm: a locked trie of subjects, and a copy of the payload for each subscriber.
//!
//! A publication to `presence.<n>` walks the trie token by token, and then, for each subscriber: locks its outgoing side,
//! appends a header and the payload, and puts it on the list of those who wait for a flush. What is left out makes it
//! cheaper, not dearer: wildcards, limits, statistics, and headers in text (here: six bytes). Its cache of results is
//! left out too: it holds 1,024 subjects and would hardly ever be hit by presentities that all publish alike.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crate::audience::Audience;
use crate::rival::{Class, Payload, Rival, Told};

/// Bytes before each payload: the subject's number, and the payload's length.
const HEADER_BYTES: usize = 4 + 2;

/// A token's place in the trie.
#[derive(Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    subscribers: Vec<u32>,
}

/// What a subscriber's connection has still to write.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    is_pending: bool,
}

/// Subjects in a trie, bytes by subscriber.
pub(super) struct SubjectTrie {
    root: RwLock<Node>,
    outgoing: Vec<Mutex<Outgoing>>,
    /// Subscribers with something to write.
    pending: Vec<u32>,
    subject: String,
}

impl SubjectTrie {
    /// Every subscription in the trie, and nothing to write.
    #[must_use]
    pub(super) fn over(audience: &Audience) -> Self {
        let users = audience.graph().users() as u32;
        let mut root = Node::default();
        for presentity in 0..users {
            let mut node = &mut root;
            for token in ["presence", &presentity.to_string()] {
                node = node.children.entry(token.into()).or_default();
            }
            node.subscribers = audience.of(presentity).to_vec();
        }
        Self {
            root: RwLock::new(root),
            outgoing: (0..users).map(|_| Mutex::default()).collect(),
            pending: Vec::with_capacity(users as usize),
            subject: String::new(),
        }
    }
}

impl Rival for SubjectTrie {
    fn name(&self) -> &'static str {
        "subject-trie"
    }

    fn class(&self) -> Class {
        Class::Queueing
    }

    fn differs(&self) -> &'static str {
        "The NATS server's algorithm: copies every payload into every subscriber's outgoing bytes, and closes a \
         subscriber that is too slow."
    }

    fn publish(&mut self, batch: &[(u32, Payload)]) {
        for (presentity, payload) in batch {
            self.subject.clear();
            // Writing to a string cannot fail.
            let _ = write!(self.subject, "presence.{presentity}");
            let root = self.root.read().unwrap_or_else(PoisonError::into_inner);
            let node = self.subject.split('.').try_fold(&*root, |node, token| node.children.get(token));
            for &subscriber in node.map_or(&[][..], |node| node.subscribers.as_slice()) {
                let mut outgoing = locked(&self.outgoing[subscriber as usize]);
                append(&mut outgoing.bytes, *presentity, payload);
                if !std::mem::replace(&mut outgoing.is_pending, true) {
                    self.pending.push(subscriber);
                }
            }
        }
    }

    fn drain(&mut self) -> Told {
        let mut told = Told::default();
        for subscriber in self.pending.drain(..) {
            let mut outgoing = locked(&self.outgoing[subscriber as usize]);
            outgoing.is_pending = false;
            let mut rest = outgoing.bytes.as_slice();
            while let Some((presentity, payload, after)) = first(rest) {
                told.take(subscriber, presentity, payload);
                rest = after;
            }
            outgoing.bytes.clear();
        }
        told
    }
}

fn locked(outgoing: &Mutex<Outgoing>) -> MutexGuard<'_, Outgoing> {
    outgoing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a message of whatever length.
#[inline]
fn append(bytes: &mut Vec<u8>, presentity: u32, payload: &[u8]) {
    bytes.reserve(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&presentity.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u16).to_le_bytes());
    bytes.extend_from_slice(payload);
}

/// Reads the first message, and gives what is left.
#[inline]
fn first(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (presentity, rest) = bytes.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (payload, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((u32::from_le_bytes(*presentity), payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_any_length_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        for (presentity, len) in [(7, 200), (8, 0), (9, 32)] {
            append(&mut bytes, presentity, &vec![presentity as u8; len]);
        }
        let (mut rest, mut read) = (bytes.as_slice(), Vec::new());
        while let Some((presentity, payload, after)) = first(rest) {
            assert!(payload.iter().all(|&byte| byte == presentity as u8));
            read.push((presentity, payload.len()));
            rest = after;
        }
        assert_eq!(read, [(7, 200), (8, 0), (9, 32)]);
    }
}
