//! The activities of RPID (RFC 4480, section 3.2), as a set in one word.
//!
//! A row's place in the table is its bit on the wire, so new rows come at the end only.

use core::fmt;

use super::Availability;

/// Writes the enum from one table, so that all that is known of an activity stands in one row.
macro_rules! activities {
    ($($name:ident $token:literal $availability:ident $meaning:literal)*) => {
        /// What a person is doing: one of RPID's activities.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Activity { $(#[doc = $meaning] $name,)* }

        impl Activity {
            /// Every activity, in the order of RFC 4480.
            pub const ALL: [Self; [$($token),*].len()] = [$(Self::$name),*];

            /// The name of its element in RPID.
            #[must_use]
            pub const fn token(self) -> &'static str {
                match self { $(Self::$name => $token,)* }
            }

            /// The activity whose element in RPID has this name, if there is one.
            #[must_use]
            pub fn from_token(token: &str) -> Option<Self> {
                match token { $($token => Some(Self::$name),)* _ => None }
            }

            /// How available somebody is who is doing this, as far as it tells.
            #[must_use]
            pub const fn availability(self) -> Availability {
                match self { $(Self::$name => Availability::$availability,)* }
            }
        }
    };
}

// A row's place is the activity's bit in every encoded status: rows are only ever added, and at the end.
activities! {
    Appointment "appointment" BUSY "Has an appointment in the calendar."
    Away "away" AWAY "Is physically away from all devices."
    Breakfast "breakfast" BE_RIGHT_BACK "Has breakfast."
    Busy "busy" BUSY "Is busy, without saying with what."
    Dinner "dinner" BE_RIGHT_BACK "Has dinner."
    Holiday "holiday" AWAY "Has a scheduled holiday."
    InTransit "in-transit" BE_RIGHT_BACK "Is riding in a vehicle that somebody else steers."
    LookingForWork "looking-for-work" AVAILABLE "Looks for work."
    Lunch "lunch" BE_RIGHT_BACK "Has lunch."
    Meal "meal" BE_RIGHT_BACK "Has a meal, without saying which."
    Meeting "meeting" BUSY "Is in a meeting."
    OnThePhone "on-the-phone" BUSY "Talks on the phone."
    Other "other" AVAILABLE "Does something that no other activity names; its text is not part of a status."
    Performance "performance" BUSY "Is at a performance, on the stage or in the audience."
    PermanentAbsence "permanent-absence" AWAY "Will not return."
    Playing "playing" AVAILABLE "Plays."
    Presentation "presentation" BUSY "Gives a presentation or sits in a round table."
    Shopping "shopping" BE_RIGHT_BACK "Shops."
    Sleeping "sleeping" AWAY "Sleeps."
    Spectator "spectator" AVAILABLE "Watches an event."
    Steering "steering" BE_RIGHT_BACK "Steers a vehicle."
    Travel "travel" AWAY "Is on a business or personal trip."
    Tv "tv" AVAILABLE "Watches television."
    Unknown "unknown" AVAILABLE "Does something that is not known."
    Vacation "vacation" AWAY "Is on vacation."
    Working "working" AVAILABLE "Works."
    Worship "worship" BE_RIGHT_BACK "Takes part in worship."
}

/// A set of activities, for RPID allows several at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Activities(u32);

impl Activities {
    /// No activity.
    pub const NONE: Self = Self(0);
    /// Every activity.
    pub const ALL: Self = Self((1 << Activity::ALL.len()) - 1);

    /// The set of this activity alone.
    #[must_use]
    pub const fn only(activity: Activity) -> Self {
        Self(1 << activity as u32)
    }

    /// This set and that activity.
    #[must_use]
    pub const fn with(self, activity: Activity) -> Self {
        Self(self.0 | Self::only(activity).0)
    }

    /// Whether the activity is in the set.
    #[must_use]
    pub const fn contains(self, activity: Activity) -> bool {
        self.0 & Self::only(activity).0 != 0
    }

    /// The activities of the set, in the order of RFC 4480; the cost is that of its members.
    pub fn iter(self) -> impl Iterator<Item = Activity> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            // An empty rest has 32 trailing zeros, and there is no activity with that number.
            let activity = *Activity::ALL.get(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(activity)
        })
    }

    /// The set as bits: the first activity of RFC 4480 is the lowest.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with these bits; bits that stand for no activity are dropped.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl fmt::Debug for Activities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
