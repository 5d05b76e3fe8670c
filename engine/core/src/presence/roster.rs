//! Rosters (RFC 6121): the nine states of a subscription between two users, on top of policies.
//!
//! A roster is two policies and two lists of those who wait. That a user may see another (`to`) is a rule in the other's
//! policy; that he is seen (`from`) is a rule in his own; `pending out` and `pending in` mean that one waits for the other's
//! decision. A frontend for XMPP keeps the names and the groups of a roster, and asks the engine for the rest.

use super::policy::{Decision, Policy, Who};
use crate::id::{PresentityId, View};

/// The rank of a roster's rules: over what everybody gets, under block lists.
pub const ROSTER_RANK: u16 = 30;

/// A subscription between two users as one of them sees it (RFC 6121, appendix A.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subscription {
    /// Neither sees the other.
    None,
    /// Neither does, and the user has asked to see the contact.
    NonePendingOut,
    /// Neither does, and the contact has asked to see the user.
    NonePendingIn,
    /// Neither does, and both have asked.
    NonePendingOutIn,
    /// The user sees the contact.
    To,
    /// The user sees the contact, who has asked to see the user.
    ToPendingIn,
    /// The contact sees the user.
    From,
    /// The contact sees the user, who has asked to see the contact.
    FromPendingOut,
    /// Each sees the other.
    Both,
}

/// How one user stands to another: what the owner's policy says of a watcher, and whether he waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Granted {
    /// He may see.
    Yes,
    /// He has asked.
    Asked,
    /// Neither.
    No,
}

impl Granted {
    /// What follows from the view that a watcher gets and from whether he is among those who wait.
    #[must_use]
    pub const fn of(view: View, waits: bool) -> Self {
        match (view.is_closed(), waits) {
            (false, _) => Self::Yes,
            (true, true) => Self::Asked,
            (true, false) => Self::No,
        }
    }
}

impl Subscription {
    /// The state, from what the contact grants the user and the user the contact.
    #[must_use]
    pub const fn of(to: Granted, from: Granted) -> Self {
        match (to, from) {
            (Granted::No, Granted::No) => Self::None,
            (Granted::Asked, Granted::No) => Self::NonePendingOut,
            (Granted::No, Granted::Asked) => Self::NonePendingIn,
            (Granted::Asked, Granted::Asked) => Self::NonePendingOutIn,
            (Granted::Yes, Granted::No) => Self::To,
            (Granted::Yes, Granted::Asked) => Self::ToPendingIn,
            (Granted::No, Granted::Yes) => Self::From,
            (Granted::Asked, Granted::Yes) => Self::FromPendingOut,
            (Granted::Yes, Granted::Yes) => Self::Both,
        }
    }

    /// The value of the `subscription` attribute of a roster item.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::None | Self::NonePendingOut | Self::NonePendingIn | Self::NonePendingOutIn => "none",
            Self::To | Self::ToPendingIn => "to",
            Self::From | Self::FromPendingOut => "from",
            Self::Both => "both",
        }
    }

    /// Whether the item carries `ask="subscribe"`.
    #[must_use]
    pub const fn asks(self) -> bool {
        matches!(self, Self::NonePendingOut | Self::NonePendingOutIn | Self::FromPendingOut)
    }
}

impl Policy {
    /// A roster without contacts: whoever is not in it has to ask.
    #[must_use]
    pub fn roster() -> Self {
        Self::everybody(Decision::Confirm)
    }

    /// The owner lets a contact see him (`subscribed`), in this view.
    #[must_use]
    pub fn approve(&self, contact: PresentityId, view: View) -> Self {
        self.with([(Who::User(contact), ROSTER_RANK, Decision::Show(view))])
    }

    /// The owner does not let a contact see him, or not any more (`unsubscribed`). Who waits is turned away by
    /// [`crate::PolicyEdit::dismissed`]; he may ask again.
    #[must_use]
    pub fn deny(&self, contact: PresentityId) -> Self {
        self.without(&[Who::User(contact)])
    }
}
