//! Views: what each shows of a composed presence.

use alloc::boxed::Box;

use crate::id::{Categories, View};
use crate::status::Status;

/// What a view makes of the status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusRule {
    /// It is shown as composed.
    AsIs,
    /// The availability number alone, without activities, idle time and endpoints.
    NumberOnly,
    /// Do-not-disturb is shown as 6900, urgent interruptions only (Lync's workgroup).
    UrgentOnly,
    /// Offline, whatever it is: polite blocking, and Lync's blocked.
    Offline,
}

/// Which endpoints a view shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntriesRule {
    /// None: one status for the whole.
    None,
    /// Those that the composition shows.
    Shown,
    /// All of them: for the presentity's own eyes.
    All,
}

/// What one view shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViewRule {
    /// Its name, for people.
    pub name: Box<str>,
    /// Its number in the embedder's world, such as Lync's container; the highest that matches a watcher wins.
    pub container: u16,
    /// The categories shown.
    pub categories: Categories,
    /// What becomes of the status.
    pub status: StatusRule,
    /// Which endpoints are shown.
    pub entries: EntriesRule,
}

impl StatusRule {
    pub(crate) fn apply(self, status: Status) -> Status {
        match self {
            Self::AsIs => status,
            Self::NumberOnly => status.availability_only(),
            Self::UrgentOnly => status.urgent_only(),
            Self::Offline => Status::OFFLINE,
        }
    }
}

/// The view of this container.
pub(crate) fn view_of(views: &[ViewRule], container: u16) -> Option<View> {
    let place = views.iter().position(|rule| rule.container == container)?;
    u16::try_from(place).ok().map(View)
}

impl ViewRule {
    /// A view that shows everything.
    #[must_use]
    pub fn everything(name: &str, container: u16, entries: EntriesRule) -> Self {
        Self { name: name.into(), container, categories: Categories::ALL, status: StatusRule::AsIs, entries }
    }

    /// A view in which everybody looks offline, always.
    #[must_use]
    pub fn offline(name: &str, container: u16) -> Self {
        Self { status: StatusRule::Offline, ..Self::everything(name, container, EntriesRule::None) }
    }
}
