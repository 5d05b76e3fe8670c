//! The words that XMPP and PIDF have for a status.

/// XMPP's view of a status: the `<show/>` of an available resource, or the absence of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Show {
    /// Presence without a `<show/>`.
    Available,
    /// Interested in chatting.
    Chat,
    /// Away for a while.
    Away,
    /// Away for an extended time.
    ExtendedAway,
    /// Not to be disturbed.
    DoNotDisturb,
    /// Presence of type `unavailable`, which has no `<show/>` either.
    Unavailable,
}

impl Show {
    /// The text of `<show/>`, if there is to be one.
    #[must_use]
    pub const fn token(self) -> Option<&'static str> {
        match self {
            Self::Chat => Some("chat"),
            Self::Away => Some("away"),
            Self::ExtendedAway => Some("xa"),
            Self::DoNotDisturb => Some("dnd"),
            Self::Available | Self::Unavailable => None,
        }
    }

    /// What a `<show/>` with this text means, if it is one of the four that RFC 6121 knows.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Chat, Self::Away, Self::ExtendedAway, Self::DoNotDisturb]
            .into_iter()
            .find(|show| show.token() == Some(token))
    }
}

/// PIDF's view of a status: the `<basic/>` of RFC 3863.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Basic {
    /// Ready to accept communication.
    Open,
    /// Not ready to accept communication.
    Closed,
}

impl Basic {
    /// The text of `<basic/>`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// What a `<basic/>` with this text means, if it is one of the two that RFC 3863 knows.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Open, Self::Closed].into_iter().find(|basic| basic.token() == token)
    }
}
