//! What generators answer, and how the answers of several are added up.

use crate::host::ThreadTimes;
use crate::point::PointAnswer;
use crate::recorder::Faults;
use crate::recorder::calibrate::RecorderCost;

/// What a generator answers when it is done.
#[derive(Debug)]
pub enum Answer {
    /// Bytes of memory taken.
    Memory(u64),
    /// Documents published.
    Built(u64),
    /// How the sign-in went.
    SignedIn(SignIn),
    /// Everybody was told of what this generator published.
    Over,
    /// How the point went.
    Point(Box<PointAnswer>),
    /// What the check found.
    Checked(Box<Checked>),
    /// What the recorder costs.
    Calibrated(RecorderCost),
    /// It cannot go on.
    Failed(String),
    /// Its thread is gone.
    Gone,
}

/// One generator's part of the sign-in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SignIn {
    /// Watchers opened.
    pub watchers: u64,
    /// Subscriptions made.
    pub subscriptions: u64,
    /// Nanoseconds of drawing contacts and keeping the generator's own books.
    pub generator_ns: u64,
    /// Nanoseconds in the engine's calls that open and subscribe.
    pub engine_ns: u64,
    /// Readings of the clock while first states were told.
    pub readings: u64,
    /// What the scheduler says of the shard's thread.
    pub thread: ThreadTimes,
    /// How long the shards' loops slept meanwhile; the target's to add.
    pub asleep_ns: u64,
    /// Whether it was cut short.
    pub cut: bool,
}

impl SignIn {
    /// Adds another generator's.
    pub fn add(&mut self, other: &Self) {
        self.watchers += other.watchers;
        self.subscriptions += other.subscriptions;
        self.generator_ns += other.generator_ns;
        self.engine_ns += other.engine_ns;
        self.readings += other.readings;
        self.thread.add(&other.thread);
        self.asleep_ns += other.asleep_ns;
        self.cut |= other.cut;
    }
}

/// One generator's part of the final check. Everything the engine counts is since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Checked {
    /// Subscriptions compared.
    pub compared: u64,
    /// Subscriptions that have not seen the newest version, or that are not there.
    pub lost: u64,
    /// What the recorder found wrong on the way.
    pub faults: Faults,
    /// Turns owed, one first state for each subscription included.
    pub owed: u64,
    /// Notes delivered, as the engine counts.
    pub delivered: u64,
    /// Turns skipped, as the engine counts.
    pub skipped: u64,
    /// Turns cancelled.
    pub cancelled: u64,
    /// Turns of unwanted categories.
    pub filtered: u64,
    /// Turns still owed.
    pub pending: u64,
    /// Publications that changed nothing.
    pub absorbed: u64,
    /// Bytes of the engine's memory: all of it.
    pub engine_bytes: u64,
    /// Those of them that topics take: records, places, tables; without subscriber lists and documents.
    pub topic_bytes: u64,
    /// Of which documents.
    pub document_bytes: u64,
    /// Views of presentities with a watcher on this shard.
    pub topics: u64,
    /// Presentities that are followed and have a watcher on this shard.
    pub presentities: u64,
}

impl Checked {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        self.compared += other.compared;
        self.lost += other.lost;
        self.faults.add(&other.faults);
        self.owed += other.owed;
        self.delivered += other.delivered;
        self.skipped += other.skipped;
        self.cancelled += other.cancelled;
        self.filtered += other.filtered;
        self.pending += other.pending;
        self.absorbed += other.absorbed;
        self.engine_bytes += other.engine_bytes;
        self.topic_bytes += other.topic_bytes;
        self.document_bytes += other.document_bytes;
        self.topics += other.topics;
        self.presentities += other.presentities;
    }

    /// Whether everything owed is accounted for (C3).
    #[must_use]
    pub fn identity_holds(&self) -> bool {
        self.owed == self.delivered + self.skipped + self.cancelled + self.filtered + self.pending
    }
}
