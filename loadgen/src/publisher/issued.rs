//! What a publisher has counted of one schedule.

use crate::traffic::Published;

/// Counts of one schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Issued {
    /// Due within the measured time.
    pub planned: u64,
    /// Of these, sent.
    pub sent: u64,
    /// Refused for the time being.
    pub refused: u64,
    /// Had to wait, for too many publications were under way.
    pub held: u64,
    /// Of these, entered into the log, which gives each its latency.
    pub timed: u64,
    /// Sent, and nobody is there to be told of it; where a sample is followed, of those in it.
    pub unwatched: u64,
    /// Everything sent within the measured time, by kind.
    pub published: Published,
    /// Entries of the log that were opened.
    pub opened: u64,
    /// When the last one was sent.
    pub last_sent_us: u64,
    /// Nanoseconds in the target's calls.
    pub target_ns: u64,
}

impl Issued {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.refused += other.refused;
        self.held += other.held;
        self.timed += other.timed;
        self.unwatched += other.unwatched;
        self.opened += other.opened;
        self.target_ns += other.target_ns;
        self.last_sent_us = self.last_sent_us.max(other.last_sent_us);
    }
}
