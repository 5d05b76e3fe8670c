//! Arrivals from a trace: each shard's publisher takes its own users' events, in their order, as the trace has them.
//!
//! A [`Reel`] lives on a shard's core; all of them walk through the same map. The invariant: at any number of shards all
//! events are replayed, each user's in their order. An event costs a look on every shard, whoever it belongs to, and
//! no memory; the first look at a page costs the system's page fault.

use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use super::map::Mapped;
use super::{Fault, TraceError};
use crate::schedule::{Arrival, Residents, What};

/// The plan of what never comes: nothing is left in the trace.
pub const NEVER_US: u64 = u64::MAX;

/// How fast a trace is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it was.
    Factor(f64),
    /// Each event is due when the one before it was sent.
    Max,
}

impl Speed {
    /// As fast as it was.
    pub const RECORDED: Self = Self::Factor(1.0);
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let factor = text.parse::<f64>().ok().filter(|factor| (0.001..=1e6).contains(factor));
        factor.map(Self::Factor).ok_or_else(|| "must be `max`, or a factor from 0.001 to 1000000".to_owned())
    }
}

/// A trace to be replayed.
#[derive(Clone, Debug)]
pub struct Replay {
    trace: Arc<Mapped>,
    speed: Speed,
    /// What was found wrong on the way, by whichever shard came first.
    fault: Arc<OnceLock<(u64, super::fault::Wrong)>>,
}

impl Replay {
    /// A trace, at some speed.
    #[must_use]
    pub fn new(trace: Mapped, speed: Speed) -> Self {
        Self { trace: Arc::new(trace), speed, fault: Arc::default() }
    }

    /// What is replayed.
    #[must_use]
    pub fn trace(&self) -> &Mapped {
        &self.trace
    }

    /// Whether each event is due when the one before it was sent.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        self.speed == Speed::Max
    }

    /// How long it takes as planned, in microseconds, the last event included; nobody knows at the highest speed.
    #[must_use]
    pub fn span_us(&self) -> Option<u64> {
        match self.speed {
            Speed::Factor(factor) => Some(scaled(self.trace.summary().last_us, factor) + 2),
            Speed::Max => None,
        }
    }

    /// Publications a second as planned; at the highest speed, as recorded.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        let factor = if let Speed::Factor(factor) = self.speed { factor } else { 1.0 };
        self.trace.summary().rate_per_s() * factor
    }

    /// The events of one shard's users, from a moment on.
    #[must_use]
    pub fn reel(&self, residents: Residents, from_us: u64) -> Reel {
        Reel { replay: self.clone(), residents, from_us, next: 0, bytes: 0 }
    }

    /// Whether something was found wrong on the way: then nothing more comes of it.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.fault.get().is_some()
    }

    /// What became of the file.
    ///
    /// # Errors
    /// It was changed on the way.
    pub fn verify(&self) -> Result<(), TraceError> {
        match self.fault.get() {
            Some(&(record, wrong)) => Err(TraceError::new(self.trace.path(), Fault::Changed { record, wrong })),
            None => Ok(()),
        }
    }
}

fn scaled(at_us: u64, factor: f64) -> u64 {
    // Numbers of microseconds are below 2^48, and so exact.
    (at_us as f64 / factor) as u64
}

/// One shard's way through a trace.
#[derive(Debug)]
pub struct Reel {
    replay: Replay,
    residents: Residents,
    from_us: u64,
    /// The number of the event after the one that was taken last.
    next: u64,
    /// Bytes of the document of the one that was taken last.
    bytes: u32,
}

impl Reel {
    /// The next arrival. At the highest speed it is due now; after the last one it is due at [`NEVER_US`].
    pub fn next_arrival(&mut self, now_us: u64) -> Arrival {
        loop {
            let event = match self.replay.trace.event(self.next) {
                Ok(Some(event)) => event,
                Ok(None) => return Arrival { plan_us: NEVER_US, user: self.residents.user(0), what: What::Publish(0) },
                Err(wrong) => {
                    // The others come to it too, and the first one's word is as good as any.
                    let _ = self.replay.fault.set((self.next, wrong));
                    self.next = u64::MAX;
                    continue;
                }
            };
            self.next += 1;
            if event.user as usize % self.residents.shards != self.residents.shard {
                continue;
            }
            self.bytes = event.kind.document_bytes();
            let plan_us = match self.replay.speed {
                Speed::Factor(factor) => self.from_us + scaled(event.at_us, factor),
                Speed::Max => now_us,
            };
            return Arrival { plan_us, user: event.user, what: event.kind.what() };
        }
    }

    /// The number in the trace of the event taken last.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Bytes of the document of the event taken last.
    #[must_use]
    pub fn document_bytes(&self) -> u32 {
        self.bytes
    }

    /// See [`Replay::is_at_once`].
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        self.replay.is_at_once()
    }
}
