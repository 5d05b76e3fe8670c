//! What is in a trace, counted in the one pass that validates it.

use fanfare::CATEGORIES;

use super::fault::Fault;
use super::record::{Event, Kind};
use crate::sessions::EVENTS;

/// Events of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub events: u64,
    /// Bytes of their documents.
    pub bytes: u64,
}

/// What is in a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Publications, by category.
    pub publications: [Count; CATEGORIES],
    /// Publications of endpoints that are not shown.
    pub idle: Count,
    /// Edits of policies.
    pub policies: Count,
    /// What sessions did beside publishing, by [`crate::sessions::SessionEvent`].
    pub sessions: [Count; EVENTS],
    /// When the last event is, in microseconds since the begin.
    pub last_us: u64,
    /// The largest document.
    pub document_bytes_max: u32,
}

impl Summary {
    /// Counts all events, and so validates the trace that they are read from.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn of(events: impl Iterator<Item = Result<Event, Fault>>) -> Result<Self, Fault> {
        let mut summary = Self::default();
        for event in events {
            summary.add(&event?);
        }
        Ok(summary)
    }

    fn add(&mut self, event: &Event) {
        let count = match event.kind {
            Kind::Publish { category, .. } => &mut self.publications[usize::from(category)],
            Kind::PublishIdle => &mut self.idle,
            Kind::EditPolicy => &mut self.policies,
            Kind::Session(event) => &mut self.sessions[event.number()],
        };
        let bytes = event.kind.document_bytes();
        count.events += 1;
        count.bytes += u64::from(bytes);
        self.document_bytes_max = self.document_bytes_max.max(bytes);
        self.last_us = event.at_us;
    }

    /// All publications that are shown.
    #[must_use]
    pub fn shown(&self) -> Count {
        self.publications.iter().fold(Count::default(), |sum, count| Count {
            events: sum.events + count.events,
            bytes: sum.bytes + count.bytes,
        })
    }

    /// Publications that are shown, a second.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        self.shown().events as f64 * 1e6 / self.last_us.max(1) as f64
    }
}
