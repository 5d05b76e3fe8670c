//! Lync's scale of availability, and its ranges.

use super::StatusError;

/// How available somebody is, on Lync's scale from 0 to 32767; the lower, the more available.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct Availability(u16);

impl Availability {
    /// The highest number of the scale.
    pub const MAX: u16 = 32_767;
    /// Ready to communicate.
    pub const AVAILABLE: Self = Self(3_500);
    /// Ready to communicate, but the device has not been touched for a while.
    pub const AVAILABLE_IDLE: Self = Self(5_000);
    /// Engaged in something else.
    pub const BUSY: Self = Self(6_500);
    /// Busy, as the workgroup sees somebody who does not want to be disturbed: urgent interruptions only.
    pub const URGENT_ONLY: Self = Self(6_900);
    /// Busy, and the device has not been touched for a while.
    pub const BUSY_IDLE: Self = Self(7_500);
    /// Not to be disturbed.
    pub const DO_NOT_DISTURB: Self = Self(9_500);
    /// Gone for a short time.
    pub const BE_RIGHT_BACK: Self = Self(12_500);
    /// Gone.
    pub const AWAY: Self = Self(15_500);
    /// Not signed in anywhere.
    pub const OFFLINE: Self = Self(18_500);

    /// The availability with this number.
    ///
    /// # Errors
    /// [`StatusError::Availability`] if it is above [`Self::MAX`].
    pub const fn new(value: u16) -> Result<Self, StatusError> {
        if value <= Self::MAX { Ok(Self(value)) } else { Err(StatusError::Availability { value }) }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The range of the scale that it lies in.
    #[must_use]
    pub const fn class(self) -> AvailabilityClass {
        match self.0 {
            0..3_000 => AvailabilityClass::Undefined,
            3_000..4_500 => AvailabilityClass::Available,
            4_500..6_000 => AvailabilityClass::AvailableIdle,
            6_000..7_500 => AvailabilityClass::Busy,
            7_500..9_000 => AvailabilityClass::BusyIdle,
            9_000..12_000 => AvailabilityClass::DoNotDisturb,
            12_000..15_000 => AvailabilityClass::BeRightBack,
            15_000..18_000 => AvailabilityClass::Away,
            18_000.. => AvailabilityClass::Offline,
        }
    }
}

/// The ranges of Lync's scale, from the most available to the least.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AvailabilityClass {
    /// 0–2999: no state is defined. It is taken for available, as Lync 2010 and 2013 do, and so ranks beside it.
    Undefined,
    /// 3000–4499: ready to communicate.
    Available,
    /// 4500–5999: ready to communicate, with an idle device.
    AvailableIdle,
    /// 6000–7499: engaged in something else.
    Busy,
    /// 7500–8999: engaged in something else, with an idle device.
    BusyIdle,
    /// 9000–11999: not to be disturbed.
    DoNotDisturb,
    /// 12000–14999: gone for a short time.
    BeRightBack,
    /// 15000–17999: gone.
    Away,
    /// 18000 and above: not signed in.
    Offline,
}
