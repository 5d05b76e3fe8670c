//! One event, and the sixteen bytes that it is in a file.
//!
//! The invariant: what [`Record::unpack`] gives is an event that can be written again, and writing it gives the same
//! bytes. Every pattern of bits is a record, if not a right one, so that no map of a file can hold what must not be read.

use bytemuck::{Pod, Zeroable};
use fanfare::CATEGORIES;

use super::fault::Wrong;
use super::{DOCUMENT_BYTES_MAX, TIME_MAX_US};
use crate::schedule::What;
use crate::sessions::{EVENTS, SessionEvent};

/// The number of the first kind of what sessions do, and the one after the last.
const SESSIONS: u8 = 4;
const SESSIONS_END: u8 = SESSIONS + EVENTS as u8;

/// Something that a user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in microseconds since the trace's begin.
    pub at_us: u64,
    /// Who.
    pub user: u32,
    /// What.
    pub kind: Kind,
}

/// What it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A publication that is shown.
    Publish {
        /// Of this category, counted from 0.
        category: u8,
        /// So many bytes of document.
        bytes: u32,
    },
    /// A publication of an endpoint that is not shown.
    PublishIdle,
    /// One of the user's contacts shows him another view, or no longer.
    EditPolicy,
    /// A session did something beside publishing.
    Session(SessionEvent),
}

impl Kind {
    /// What a publisher did, with a document of so many bytes; nothing for what is said before anybody watches.
    #[must_use]
    pub fn of(what: What, bytes: u32) -> Option<Self> {
        match what {
            What::Publish(category) => Some(Self::Publish { category, bytes }),
            What::PublishIdle => Some(Self::PublishIdle),
            What::EditPolicy => Some(Self::EditPolicy),
            What::Session(event) => Some(Self::Session(event)),
            What::PublishRest => None,
        }
    }

    /// What a publisher has to do.
    #[must_use]
    pub fn what(self) -> What {
        match self {
            Self::Publish { category, .. } => What::Publish(category),
            Self::PublishIdle => What::PublishIdle,
            Self::EditPolicy => What::EditPolicy,
            Self::Session(event) => What::Session(event),
        }
    }

    /// Bytes of its document.
    #[must_use]
    pub fn document_bytes(self) -> u32 {
        if let Self::Publish { bytes, .. } = self { bytes } else { 0 }
    }

    /// Whether only composed presence knows such a thing.
    #[must_use]
    pub fn is_composed(self) -> bool {
        !matches!(self, Self::Publish { .. })
    }

    fn number(self) -> u8 {
        match self {
            Self::Publish { .. } => 1,
            Self::PublishIdle => 2,
            Self::EditPolicy => 3,
            Self::Session(event) => SESSIONS + event.number() as u8,
        }
    }
}

/// An event as it stands in a file. Made of bytes alone, so that it lies anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Record {
    at_us: [u8; 6],
    kind: u8,
    category: u8,
    user: [u8; 4],
    bytes: [u8; 4],
}

impl Record {
    /// The record of an event that [`Bounds::check`] has nothing against.
    #[must_use]
    pub fn pack(event: &Event) -> Self {
        let [a, b, c, d, e, f, ..] = event.at_us.to_le_bytes();
        let (category, bytes) = match event.kind {
            Kind::Publish { category, bytes } => (category, bytes),
            _ => (0, 0),
        };
        Self {
            at_us: [a, b, c, d, e, f],
            kind: event.kind.number(),
            category,
            user: event.user.to_le_bytes(),
            bytes: bytes.to_le_bytes(),
        }
    }

    /// The event of a record.
    ///
    /// # Errors
    /// A kind that is not known, or what its kind cannot have. Bounds are for [`Bounds::check`].
    pub fn unpack(&self) -> Result<Event, Wrong> {
        let [a, b, c, d, e, f] = self.at_us;
        let bytes = u32::from_le_bytes(self.bytes);
        let kind = match self.kind {
            1 => Kind::Publish { category: self.category, bytes },
            2 => Kind::PublishIdle,
            3 => Kind::EditPolicy,
            SESSIONS..SESSIONS_END => Kind::Session(SessionEvent::ALL[usize::from(self.kind - SESSIONS)]),
            16..=19 => return Err(Wrong::Reserved { kind: self.kind }),
            _ => return Err(Wrong::Kind(self.kind)),
        };
        if kind.is_composed() && (self.category != 0 || bytes != 0) {
            return Err(Wrong::NoPublication);
        }
        let at_us = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        Ok(Event { at_us, user: u32::from_le_bytes(self.user), kind })
    }
}

/// What events of one trace have to keep to. Held by whoever writes and by whoever reads.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    users: u32,
    composed: bool,
    before_us: u64,
}

impl Bounds {
    /// The bounds of a trace with so many users.
    #[must_use]
    pub fn new(users: u32, composed: bool) -> Self {
        Self { users, composed, before_us: 0 }
    }

    /// Takes the next event in.
    ///
    /// # Errors
    /// What it violates.
    pub fn check(&mut self, event: &Event) -> Result<(), Wrong> {
        let Event { at_us, user, kind } = *event;
        if at_us > TIME_MAX_US {
            return Err(Wrong::TooLate(at_us));
        }
        if at_us < self.before_us {
            return Err(Wrong::Backwards { at_us, before_us: self.before_us });
        }
        if user >= self.users {
            return Err(Wrong::User { user, users: self.users });
        }
        match kind {
            Kind::Publish { category, .. } if usize::from(category) >= CATEGORIES => {
                return Err(Wrong::Category(category));
            }
            Kind::Publish { bytes, .. } if bytes > DOCUMENT_BYTES_MAX => return Err(Wrong::Document(bytes)),
            Kind::Publish { .. } => {}
            _ if !self.composed => return Err(Wrong::NotComposed(kind.number())),
            _ => {}
        }
        self.before_us = at_us;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_sixteen_bytes_in_the_order_of_the_table() {
        let kind = Kind::Publish { category: 4, bytes: 0x0004_0302 };
        let event = Event { at_us: 0x0605_0403_0201, user: 0x0a0b_0c0d, kind };
        let bytes: [u8; 16] = bytemuck::cast(Record::pack(&event));
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 1, 4, 0x0d, 0x0c, 0x0b, 0x0a, 2, 3, 4, 0]);
        assert_eq!(bytemuck::cast::<_, Record>(bytes).unpack(), Ok(event));
        assert_eq!(align_of::<Record>(), 1, "it lies anywhere");
    }

    #[test]
    fn what_a_kind_cannot_have_is_refused() {
        let of = |kind, category, bytes: u8| {
            let mut record = [0; 16];
            (record[6], record[7], record[12]) = (kind, category, bytes);
            bytemuck::cast::<_, Record>(record).unpack().unwrap_err()
        };
        assert_eq!(of(0, 0, 0), Wrong::Kind(0));
        assert_eq!(of(SESSIONS_END, 0, 0), Wrong::Kind(9));
        assert_eq!(of(8, 0, 1), Wrong::NoPublication);
        assert_eq!((of(2, 1, 0), of(3, 0, 1)), (Wrong::NoPublication, Wrong::NoPublication));
        assert_eq!(of(18, 0, 0), Wrong::Reserved { kind: 18 });
        assert!(of(18, 0, 0).to_string().contains("subscribe"));
    }

    #[test]
    fn bounds_are_kept() {
        let event = |at_us, user, kind| Event { at_us, user, kind };
        let publish = |category, bytes| Kind::Publish { category, bytes };
        let mut bounds = Bounds::new(10, false);
        assert_eq!(bounds.check(&event(5, 9, publish(7, 1 << 20))), Ok(()));
        assert_eq!(bounds.check(&event(5, 0, publish(0, 0))), Ok(()));
        assert_eq!(bounds.check(&event(4, 0, publish(0, 0))), Err(Wrong::Backwards { at_us: 4, before_us: 5 }));
        assert_eq!(bounds.check(&event(5, 10, publish(0, 0))), Err(Wrong::User { user: 10, users: 10 }));
        assert_eq!(bounds.check(&event(5, 0, publish(8, 0))), Err(Wrong::Category(8)));
        assert_eq!(bounds.check(&event(5, 0, publish(0, (1 << 20) + 1))), Err(Wrong::Document((1 << 20) + 1)));
        assert_eq!(bounds.check(&event(5, 0, Kind::EditPolicy)), Err(Wrong::NotComposed(3)));
        assert_eq!(bounds.check(&event(1 << 48, 0, publish(0, 0))), Err(Wrong::TooLate(1 << 48)));
        assert_eq!(Bounds::new(1, true).check(&event(0, 0, Kind::PublishIdle)), Ok(()));
    }
}
