//! The neutral status of a presentity or of one endpoint: how available, doing what, and idle since when.
//!
//! It owns the mapping between three models of presence: Lync's availability numbers, XMPP's `<show/>` (RFC 6121
//! 4.7.2.1) and PIDF with RPID's activities (RFC 3863, RFC 4480 3.2):
//!
//! | Lync range | [`AvailabilityClass`] | Usual number | Read as `<show/>` | Read as `<basic/>` | Derived from `<basic/>` and activities |
//! |---|---|---|---|---|---|
//! | 0–2999 | `Undefined` | – | none; `chat` if hinted | `open` | – |
//! | 3000–4499 | `Available` | 3500 | none; `chat` if hinted | `open` | `open` with any other activity or none |
//! | 4500–5999 | `AvailableIdle` | 5000 | `away` | `open` | – |
//! | 6000–7499 | `Busy` | 6500 | `dnd` | `open` | `open` with busy, on-the-phone, meeting, appointment, presentation, performance |
//! | 7500–8999 | `BusyIdle` | 7500 | `dnd` | `open` | – |
//! | 9000–11999 | `DoNotDisturb` | 9500 | `dnd` | `open` | – |
//! | 12000–14999 | `BeRightBack` | 12500 | `away`; `xa` if hinted | `open` | `open` with meal, breakfast, lunch, dinner, in-transit, steering, shopping, worship |
//! | 15000–17999 | `Away` | 15500 | `away`; `xa` if hinted | `open` | `open` with permanent-absence, vacation, holiday, away, sleeping, travel |
//! | 18000–32767 | `Offline` | 18500 | `type="unavailable"` | `closed` | `closed` with any activities |
//!
//! Several rows read as one `<show/>`, but it becomes one number, that of the state whose name it bears: none and `chat`
//! are 3500, `away` and `xa` are 15500, `dnd` is 9500 and `unavailable` is 18500; `chat` and `xa` leave a hint beside it.
//! When activities point to several rows, the least available one wins: a meeting over lunch is not at the desk.
//!
//! *Invariant*: what one model wrote, the same model reads back unchanged: every availability number, every [`Show`],
//! and every pair of [`Basic`] and [`Activities`]. What another model reads is a derivation, and may be coarser. The
//! text of RPID's `<other/>`, its notes and the times of its elements are not part of a status.
//!
//! *Cost*: 16 bytes, copied; every derivation is a few comparisons, without allocation.

mod activities;
mod availability;
mod basic_and_show;

use thiserror::Error;

use crate::id::Tick;
pub use activities::{Activities, Activity};
pub use availability::{Availability, AvailabilityClass};
pub use basic_and_show::{Basic, Show};

const FLAGS_AT: usize = 2;
const ACTIVITIES_AT: usize = 4;
const IDLE_SINCE_AT: usize = 8;

/// Why a status was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatusError {
    /// The number is above [`Availability::MAX`]; in an encoding it stands at byte 0.
    #[error("availability {value} is above {}", Availability::MAX)]
    Availability {
        /// The number that was given.
        value: u16,
    },
    /// An encoding has another length than [`Status::BYTES`].
    #[error("an encoded status has {} bytes, not {bytes}", Status::BYTES)]
    Length {
        /// The bytes that were given.
        bytes: usize,
    },
    /// The flags of an encoding hold bits that mean nothing, those reserved for later among them.
    #[error("unknown flags {bits:#06x} at byte {FLAGS_AT} of an encoded status")]
    Flags {
        /// The unknown bits alone.
        bits: u16,
    },
    /// The activities of an encoding hold bits that mean nothing.
    #[error("unknown activities {bits:#010x} at byte {ACTIVITIES_AT} of an encoded status")]
    Activities {
        /// The unknown bits alone.
        bits: u32,
    },
}

/// The status of a presentity or of one of its endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct Status {
    /// How available.
    pub availability: Availability,
    /// What `<show/>` tells beyond the number; a hint counts only in the classes that it can refine.
    flags: u16,
    /// Doing what.
    pub activities: Activities,
    /// The last input of the user (RPID `user-input`, XEP-0319), or [`Tick::NEVER`] if not idle or not known. Of an
    /// offline status it is the moment it was last seen (XEP-0012).
    pub idle_since: Tick,
}

const _: () = assert!(size_of::<Status>() == Status::BYTES);

impl Status {
    /// The bytes of an encoded status, and of one in memory.
    pub const BYTES: usize = 16;
    /// Not signed in anywhere, and last seen nobody knows when.
    pub const OFFLINE: Self = Self::new(Availability::OFFLINE);

    const CHAT: u16 = 1;
    const EXTENDED_AWAY: u16 = 2;

    /// A status of this availability, without activities, not idle.
    #[must_use]
    pub const fn new(availability: Availability) -> Self {
        Self { availability, activities: Activities::NONE, idle_since: Tick::NEVER, flags: 0 }
    }

    /// Not signed in anywhere, and last seen at that moment.
    #[must_use]
    pub const fn offline_since(last_seen: Tick) -> Self {
        Self::OFFLINE.with_idle_since(last_seen)
    }

    /// This status with those activities instead of its own; the availability stays.
    #[must_use]
    pub const fn with_activities(self, activities: Activities) -> Self {
        Self { activities, ..self }
    }

    /// This status, idle since that moment; [`Tick::NEVER`] makes it not idle.
    #[must_use]
    pub const fn with_idle_since(self, idle_since: Tick) -> Self {
        Self { idle_since, ..self }
    }

    /// Whether it is that of somebody who is not signed in.
    #[must_use]
    pub const fn is_offline(self) -> bool {
        matches!(self.availability.class(), AvailabilityClass::Offline)
    }

    /// The status that XMPP means by this.
    #[must_use]
    pub const fn from_show(show: Show) -> Self {
        let (availability, flags) = match show {
            Show::Available => (Availability::AVAILABLE, 0),
            Show::Chat => (Availability::AVAILABLE, Self::CHAT),
            Show::Away => (Availability::AWAY, 0),
            Show::ExtendedAway => (Availability::AWAY, Self::EXTENDED_AWAY),
            Show::DoNotDisturb => (Availability::DO_NOT_DISTURB, 0),
            Show::Unavailable => (Availability::OFFLINE, 0),
        };
        Self { flags, ..Self::new(availability) }
    }

    /// What to tell XMPP.
    #[must_use]
    pub const fn show(self) -> Show {
        use AvailabilityClass as Class;
        match self.availability.class() {
            Class::Undefined | Class::Available if self.flags & Self::CHAT != 0 => Show::Chat,
            Class::Undefined | Class::Available => Show::Available,
            Class::Busy | Class::BusyIdle | Class::DoNotDisturb => Show::DoNotDisturb,
            Class::BeRightBack | Class::Away if self.flags & Self::EXTENDED_AWAY != 0 => Show::ExtendedAway,
            Class::AvailableIdle | Class::BeRightBack | Class::Away => Show::Away,
            Class::Offline => Show::Unavailable,
        }
    }

    /// The status that PIDF and RPID mean by this: `closed` is offline whatever the activities, and of the activities
    /// of an `open` one the least available decides. They are kept in either case.
    #[must_use]
    pub fn from_pidf(basic: Basic, activities: Activities) -> Self {
        let availability = match basic {
            Basic::Open => activities.iter().map(Activity::availability).max().unwrap_or(Availability::AVAILABLE),
            Basic::Closed => Availability::OFFLINE,
        };
        Self::new(availability).with_activities(activities)
    }

    /// What to tell PIDF, beside the activities.
    #[must_use]
    pub const fn basic(self) -> Basic {
        if self.is_offline() { Basic::Closed } else { Basic::Open }
    }

    /// What those see who may interrupt for something urgent: do not disturb becomes [`Availability::URGENT_ONLY`],
    /// as for Lync's workgroup. Everything else stays.
    #[must_use]
    pub const fn urgent_only(self) -> Self {
        match self.availability.class() {
            AvailabilityClass::DoNotDisturb => Self { availability: Availability::URGENT_ONLY, ..self },
            _ => self,
        }
    }

    /// What those see who may know the availability and no more: no activities, no idle time, no hints.
    #[must_use]
    pub const fn availability_only(self) -> Self {
        Self::new(self.availability)
    }

    /// The status encoded, little endian: 2 bytes availability, 2 flags, 4 activities, 8 idle since in microseconds.
    /// Equal statuses have equal encodings.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..FLAGS_AT].copy_from_slice(&self.availability.get().to_le_bytes());
        bytes[FLAGS_AT..ACTIVITIES_AT].copy_from_slice(&self.flags.to_le_bytes());
        bytes[ACTIVITIES_AT..IDLE_SINCE_AT].copy_from_slice(&self.activities.bits().to_le_bytes());
        bytes[IDLE_SINCE_AT..].copy_from_slice(&self.idle_since.as_micros().to_le_bytes());
        bytes
    }

    /// The status that [`Self::to_bytes`] encoded.
    ///
    /// # Errors
    /// A [`StatusError`] if no status is encoded so: a version of tomorrow is refused, not misread.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatusError> {
        let &bytes: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| StatusError::Length { bytes: bytes.len() })?;
        let [a0, a1, f0, f1, b0, b1, b2, b3, idle @ ..] = bytes;
        let availability = Availability::new(u16::from_le_bytes([a0, a1]))?;
        let flags = u16::from_le_bytes([f0, f1]);
        let unknown = flags & !(Self::CHAT | Self::EXTENDED_AWAY);
        if unknown != 0 {
            return Err(StatusError::Flags { bits: unknown });
        }
        let activities = u32::from_le_bytes([b0, b1, b2, b3]);
        let unknown = activities & !Activities::ALL.bits();
        if unknown != 0 {
            return Err(StatusError::Activities { bits: unknown });
        }
        let idle_since = Tick::from_micros(u64::from_le_bytes(idle));
        Ok(Self { availability, activities: Activities::from_bits(activities), idle_since, flags })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    const SHOWS: [Show; 6] =
        [Show::Available, Show::Chat, Show::Away, Show::ExtendedAway, Show::DoNotDisturb, Show::Unavailable];

    fn status(number: u16) -> Status {
        Status::new(Availability::new(number).unwrap())
    }

    #[test]
    fn each_class_has_its_range_its_usual_number_its_show_and_its_basic() {
        use AvailabilityClass as C;
        let rows = [
            (0, 2_999, 0, C::Undefined, Show::Available, Basic::Open),
            (3_000, 4_499, Availability::AVAILABLE.get(), C::Available, Show::Available, Basic::Open),
            (4_500, 5_999, Availability::AVAILABLE_IDLE.get(), C::AvailableIdle, Show::Away, Basic::Open),
            (6_000, 7_499, Availability::BUSY.get(), C::Busy, Show::DoNotDisturb, Basic::Open),
            (7_500, 8_999, Availability::BUSY_IDLE.get(), C::BusyIdle, Show::DoNotDisturb, Basic::Open),
            (9_000, 11_999, Availability::DO_NOT_DISTURB.get(), C::DoNotDisturb, Show::DoNotDisturb, Basic::Open),
            (12_000, 14_999, Availability::BE_RIGHT_BACK.get(), C::BeRightBack, Show::Away, Basic::Open),
            (15_000, 17_999, Availability::AWAY.get(), C::Away, Show::Away, Basic::Open),
            (18_000, Availability::MAX, Availability::OFFLINE.get(), C::Offline, Show::Unavailable, Basic::Closed),
        ];
        for (first, last, usual, class, show, basic) in rows {
            for number in [first, usual, last] {
                let status = status(number);
                assert_eq!((status.availability.class(), status.show(), status.basic()), (class, show, basic));
                assert_eq!(status.is_offline(), class == C::Offline);
            }
        }
        assert!(rows.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0 && pair[0].3 < pair[1].3), "rows without a gap");
        assert_eq!(Availability::URGENT_ONLY.class(), C::Busy);
        assert!(Availability::AVAILABLE < Availability::BUSY && Availability::BUSY < Availability::OFFLINE);
    }

    #[test]
    fn every_number_survives_and_none_above_the_scale_is_taken() {
        for number in 0..=Availability::MAX {
            let status = status(number);
            assert_eq!(status.availability.get(), number);
            assert_eq!(Status::from_bytes(&status.to_bytes()), Ok(status));
        }
        for value in Availability::MAX + 1..=u16::MAX {
            assert_eq!(Availability::new(value), Err(StatusError::Availability { value }));
        }
    }

    #[test]
    fn every_show_survives() {
        for show in SHOWS {
            let status = Status::from_show(show);
            assert_eq!(status.show(), show);
            assert_eq!(Status::from_bytes(&status.to_bytes()).unwrap().show(), show);
        }
        let numbers = SHOWS.map(|show| Status::from_show(show).availability.get());
        assert_eq!(numbers, [3_500, 3_500, 15_500, 15_500, 9_500, 18_500]);
    }

    #[test]
    fn a_hint_counts_only_in_the_classes_it_refines() {
        let moved = |show, availability| Status { availability, ..Status::from_show(show) }.show();
        assert_eq!(moved(Show::Chat, Availability::AWAY), Show::Away);
        assert_eq!(moved(Show::Chat, Availability::new(0).unwrap()), Show::Chat);
        assert_eq!(moved(Show::ExtendedAway, Availability::BE_RIGHT_BACK), Show::ExtendedAway);
        assert_eq!(moved(Show::ExtendedAway, Availability::AVAILABLE_IDLE), Show::Away);
        assert_eq!(moved(Show::ExtendedAway, Availability::AVAILABLE), Show::Available);
    }

    #[test]
    fn every_token_survives() {
        for activity in Activity::ALL {
            assert_eq!(Activity::from_token(activity.token()), Some(activity));
        }
        for show in SHOWS {
            assert_eq!(show.token().and_then(Show::from_token), show.token().map(|_| show));
        }
        assert_eq!(SHOWS.map(Show::token), [None, Some("chat"), Some("away"), Some("xa"), Some("dnd"), None]);
        for (basic, token) in [(Basic::Open, "open"), (Basic::Closed, "closed")] {
            assert_eq!((basic.token(), Basic::from_token(token)), (token, Some(basic)));
        }
        for token in ["", "Away", "available", "unavailable", "meals"] {
            assert_eq!(Activity::from_token(token).map(Activity::token), None);
            assert_eq!((Show::from_token(token), Basic::from_token(token)), (None, None));
        }
    }

    #[test]
    fn a_set_of_activities_holds_what_was_put_in() {
        assert_eq!(Activity::ALL.len(), 27);
        assert_eq!(Activities::ALL.bits(), (1 << 27) - 1);
        assert_eq!(Activities::from_bits(u32::MAX), Activities::ALL);
        assert_eq!(Activities::ALL.iter().collect::<Vec<_>>(), Activity::ALL);
        assert_eq!(Activities::NONE.iter().next(), None);
        for (bit, activity) in Activity::ALL.into_iter().enumerate() {
            let set = Activities::only(activity);
            assert_eq!(set.bits(), 1 << bit);
            assert!(Activity::ALL.into_iter().all(|other| set.contains(other) == (other == activity)));
        }
    }

    #[test]
    fn every_pidf_survives_and_the_least_available_activity_decides() {
        let groups = [
            (15_500, "permanent-absence vacation holiday away sleeping travel"),
            (12_500, "meal breakfast lunch dinner in-transit steering shopping worship"),
            (6_500, "busy on-the-phone meeting appointment presentation performance"),
        ];
        let expected = |activity: Activity| {
            let group = groups.iter().find(|(_, tokens)| tokens.split(' ').any(|token| token == activity.token()));
            group.map_or(3_500, |(number, _)| *number)
        };
        for one in Activity::ALL {
            // A pair of an activity with itself is the activity alone.
            for two in Activity::ALL {
                let activities = Activities::only(one).with(two);
                for (basic, number) in [(Basic::Open, expected(one).max(expected(two))), (Basic::Closed, 18_500)] {
                    let status = Status::from_pidf(basic, activities);
                    assert_eq!((status.basic(), status.activities), (basic, activities));
                    assert_eq!(status.availability.get(), number, "{basic:?} {activities:?}");
                    assert_eq!(Status::from_bytes(&status.to_bytes()), Ok(status));
                }
            }
        }
        for (basic, number) in [(Basic::Open, 3_500), (Basic::Closed, 18_500)] {
            assert_eq!(Status::from_pidf(basic, Activities::NONE), status(number));
        }
    }

    #[test]
    fn policy_can_narrow_a_status() {
        let seen = Tick::from_micros(5);
        let rich = Status::from_show(Show::DoNotDisturb)
            .with_activities(Activities::only(Activity::Meeting))
            .with_idle_since(seen);
        assert_eq!(rich.urgent_only(), Status { availability: Availability::URGENT_ONLY, ..rich });
        assert_eq!(rich.urgent_only().urgent_only(), rich.urgent_only());
        assert_eq!(rich.availability_only(), status(9_500));
        assert_eq!(Status::from_show(Show::Chat).availability_only(), status(3_500));
        assert_eq!(Status::from_show(Show::Chat).urgent_only(), Status::from_show(Show::Chat));
        assert_eq!(Status::offline_since(seen).availability_only(), Status::OFFLINE);
        assert_eq!((Status::offline_since(seen).idle_since, Status::OFFLINE.idle_since), (seen, Tick::NEVER));
    }

    #[test]
    fn bytes_that_encode_no_status_are_refused_with_the_place() {
        let good = Status::from_show(Show::Chat)
            .with_activities(Activities::only(Activity::Away))
            .with_idle_since(Tick::from_micros(0x0807_0605_0403_0201));
        let bytes = good.to_bytes();
        assert_eq!(bytes, [0xac, 0x0d, 1, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Status::from_bytes(&bytes), Ok(good));
        let long = [0; 17];
        for length in (0..16).chain([17]) {
            assert_eq!(Status::from_bytes(&long[..length]), Err(StatusError::Length { bytes: length }));
        }
        let refused = [
            (1, 0x8d, StatusError::Availability { value: 0x8dac }, "availability 36268 is above 32767"),
            (2, 0x85, StatusError::Flags { bits: 0x84 }, "unknown flags 0x0084 at byte 2 of an encoded status"),
            (3, 1, StatusError::Flags { bits: 0x100 }, "unknown flags 0x0100 at byte 2 of an encoded status"),
        ];
        for (at, byte, error, message) in refused {
            let mut bytes = bytes;
            bytes[at] = byte;
            assert_eq!(Status::from_bytes(&bytes), Err(error));
            assert_eq!(error.to_string(), message);
        }
        let mut unknown = good.to_bytes();
        unknown[ACTIVITIES_AT..IDLE_SINCE_AT].copy_from_slice(&(1u32 << 27 | 1).to_le_bytes());
        let error = Status::from_bytes(&unknown).unwrap_err();
        assert_eq!(error, StatusError::Activities { bits: 1 << 27 });
        assert_eq!(error.to_string(), "unknown activities 0x08000000 at byte 4 of an encoded status");
        assert_eq!(StatusError::Length { bytes: 3 }.to_string(), "an encoded status has 16 bytes, not 3");
    }
}
