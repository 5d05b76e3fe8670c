//! The scheme: what presence means in this engine. One for all shards, fixed at start.
//!
//! It names the categories, lists the views with what each shows, and brings the composition and the guard of those who
//! have no policy of their own. Invariant: its guard names none but its views.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use thiserror::Error;

use super::composition::{Composition, LastWrite, MostAvailable};
use super::policy::{Decision, Policy, Who};
use super::view::{EntriesRule, StatusRule, ViewRule, view_of};
use crate::guard::Guard;
use crate::id::{CATEGORIES, Categories, Category, View};
use crate::identity::Network;
use crate::shard::Differ;
use crate::tenant::Tenancy;

/// Why a scheme cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// No category, or more than there can be.
    #[error("a scheme names 1 to {CATEGORIES} categories, not {0}")]
    Categories(usize),
    /// Two categories, or two views, of one name.
    #[error("`{0}` is named twice")]
    Twice(Box<str>),
    /// Two views of one container.
    #[error("two views are of container {0}")]
    Container(u16),
    /// No view, or more than can be numbered.
    #[error("a scheme has 1 to 65534 views, not {0}")]
    Views(usize),
    /// The guard names a view that there is not.
    #[error("the scheme's guard names {0:?}, which the scheme does not have")]
    UnknownView(View),
}

/// What presence means: see the module.
#[derive(Clone, Debug)]
pub struct Scheme {
    categories: Box<[Box<str>]>,
    views: Box<[ViewRule]>,
    composition: Arc<dyn Composition>,
    guard: Arc<dyn Guard>,
    events: bool,
    composes: bool,
    differ: Option<Arc<dyn Differ>>,
    tag_secret: [u8; 16],
    tenancy: Option<Arc<dyn Tenancy>>,
}

impl Scheme {
    /// A scheme of these categories, the first of which is the status and what describes it, with these views.
    ///
    /// # Errors
    /// [`SchemeError`].
    pub fn new(
        categories: &[&str],
        views: Vec<ViewRule>,
        composition: impl Composition + 'static,
        guard: impl Guard + 'static,
    ) -> Result<Self, SchemeError> {
        if !(1..=CATEGORIES).contains(&categories.len()) {
            return Err(SchemeError::Categories(categories.len()));
        }
        if !(1..View::BLOCKED.0 as usize).contains(&views.len()) {
            return Err(SchemeError::Views(views.len()));
        }
        for (place, name) in categories.iter().enumerate() {
            if categories[..place].contains(name) {
                return Err(SchemeError::Twice((*name).into()));
            }
        }
        for (place, rule) in views.iter().enumerate() {
            if views[..place].iter().any(|other| other.name == rule.name) {
                return Err(SchemeError::Twice(rule.name.clone()));
            }
            if views[..place].iter().any(|other| other.container == rule.container) {
                return Err(SchemeError::Container(rule.container));
            }
        }
        let scheme = Self {
            categories: categories.iter().map(|&name| name.into()).collect(),
            views: views.into(),
            composition: Arc::new(composition),
            guard: Arc::new(guard),
            events: false,
            composes: true,
            differ: None,
            tag_secret: [0; 16],
            tenancy: None,
        };
        match scheme.unknown_view(&*scheme.guard) {
            Some(view) => Err(SchemeError::UnknownView(view)),
            None => Ok(scheme),
        }
    }

    /// One category, one view that shows everything, the last write wins, and everybody sees it: what an engine has
    /// that was told nothing.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            categories: [Box::from("state")].into(),
            views: [ViewRule::everything("everything", 0, EntriesRule::Shown)].into(),
            composition: Arc::new(LastWrite),
            guard: Arc::new(Policy::everybody(Decision::Show(View(0)))),
            events: false,
            composes: false,
            differ: None,
            tag_secret: [0; 16],
            tenancy: None,
        }
    }

    /// One view that shows everything and one that is always offline: all that SIP's presence rules and XMPP's rosters
    /// and block lists need. Whoever is not named by a presentity's own policy gets `otherwise`.
    ///
    /// # Errors
    /// [`SchemeError`], about the categories or `otherwise`.
    pub fn open_and_offline(
        categories: &[&str],
        composition: impl Composition + 'static,
        otherwise: Decision,
    ) -> Result<Self, SchemeError> {
        let views = Vec::from([ViewRule::everything("open", 1, EntriesRule::Shown), ViewRule::offline("offline", 0)]);
        Self::new(categories, views, composition, Policy::everybody(otherwise))
    }

    /// The view of [`Self::open_and_offline`] that shows everything.
    pub const OPEN: View = View(0);
    /// The view of [`Self::open_and_offline`] that is always offline: polite blocking.
    pub const OFFLINE: View = View(1);

    /// Lync 2013's: five categories, its containers, its aggregation, and its default members for a presentity of this
    /// organisation.
    ///
    /// | Container | Who, unless a policy says otherwise | Sees |
    /// |---|---|---|
    /// | 0 | everybody else | the contact card |
    /// | 100 | federated users, and those of public clouds | the availability number, and the contact card |
    /// | 200 | the same enterprise | all but who may interrupt |
    /// | 300 | named users (workgroup) | as 200, do-not-disturb as 6900 |
    /// | 400 | named users (friends and family) | as 200 |
    /// | 32000 | named users (blocked) | offline |
    #[must_use]
    pub fn lync(organisation: u64) -> Self {
        let card = Categories::only(Self::LYNC_CARD);
        let rule = |name: &str, container, categories, status, entries| ViewRule {
            name: name.into(),
            container,
            categories,
            status,
            entries,
        };
        let views = [
            rule("default", 0, card, StatusRule::NumberOnly, EntriesRule::None),
            rule("external", 100, card.with(Category::FIRST), StatusRule::NumberOnly, EntriesRule::None),
            ViewRule::everything("colleagues", 200, EntriesRule::Shown),
            ViewRule { status: StatusRule::UrgentOnly, ..ViewRule::everything("workgroup", 300, EntriesRule::Shown) },
            ViewRule::everything("friends", 400, EntriesRule::Shown),
            ViewRule::offline("blocked", 32_000),
        ];
        let defaults = Policy::containers(&views, Self::lync_members(organisation));
        let guard = defaults.unwrap_or_else(|_| Policy::everybody(Decision::Block));
        Self {
            categories: ["state", "note", "calendarData", "contactCard", "services"].map(Box::from).into(),
            views: views.into(),
            composition: Arc::new(MostAvailable),
            guard: Arc::new(guard),
            events: false,
            composes: true,
            differ: None,
            tag_secret: [0; 16],
            tenancy: None,
        }
    }

    /// The members that Lync's containers have by default: for a policy of a presentity's own to begin with.
    #[must_use]
    pub fn lync_members(organisation: u64) -> [(Who, u16); 4] {
        [
            (Who::Organisation(organisation), 200),
            (Who::Network(Network::Federated), 100),
            (Who::Network(Network::PublicCloud), 100),
            (Who::Everyone, 0),
        ]
    }

    /// Lync's contact card, which everybody may see.
    pub const LYNC_CARD: Category = Category::numbered(3);

    /// Whether homes keep events for whoever takes them with [`crate::Shard::next_event`]. Whoever is watched and has
    /// published nothing takes a record then, up to half of [`crate::Limits::presentities`]; beyond that there are no
    /// events of first and last watchers for such.
    #[must_use]
    pub fn with_events(mut self, events: bool) -> Self {
        self.events = events;
        self
    }

    /// With this guard for those who have no policy of their own.
    ///
    /// # Errors
    /// [`SchemeError::UnknownView`].
    pub fn with_guard(mut self, guard: impl Guard + 'static) -> Result<Self, SchemeError> {
        self.guard = Arc::new(guard);
        match self.unknown_view(&*self.guard) {
            Some(view) => Err(SchemeError::UnknownView(view)),
            None => Ok(self),
        }
    }

    /// With tenants, and with this to say whose each presentity is. What each may use is said on each shard, by
    /// [`crate::FanOut::set_tenant`].
    #[must_use]
    pub fn with_tenancy(mut self, tenancy: impl Tenancy + 'static) -> Self {
        self.tenancy = Some(Arc::new(tenancy));
        self
    }

    /// Leaves composition to the embedder, who sets the state of each view by [`crate::Shard::publish`]; policies decide
    /// between his views all the same.
    #[must_use]
    pub fn set_directly(mut self) -> Self {
        self.composes = false;
        self
    }

    /// With this composition.
    #[must_use]
    pub fn with_composition(mut self, composition: impl Composition + 'static) -> Self {
        self.composition = Arc::new(composition);
        self
    }

    /// With something that makes differences, for groups that are told of changes in part (RFC 5262).
    #[must_use]
    pub fn with_differ(mut self, differ: impl Differ + 'static) -> Self {
        self.differ = Some(Arc::new(differ));
        self
    }

    /// With this secret for the tags of states (RFC 5839): the same on all shards and after a restart, or what watchers say
    /// they know is told once more. Whoever knows it can publish a state that a watcher takes for another.
    #[must_use]
    pub fn with_tag_secret(mut self, secret: [u8; 16]) -> Self {
        self.tag_secret = secret;
        self
    }

    pub(crate) fn differ(&self) -> Option<Arc<dyn Differ>> {
        self.differ.clone()
    }

    pub(crate) fn tag_secret(&self) -> [u8; 16] {
        self.tag_secret
    }

    /// The category of this name.
    #[must_use]
    pub fn category(&self, name: &str) -> Option<Category> {
        let place = self.categories.iter().position(|it| &**it == name)?;
        Category::new(u8::try_from(place).ok()?)
    }

    /// The categories' names, by their numbers.
    pub fn categories(&self) -> impl ExactSizeIterator<Item = &str> {
        self.categories.iter().map(|name| &**name)
    }

    /// The views, by their numbers.
    #[must_use]
    pub fn views(&self) -> &[ViewRule] {
        &self.views
    }

    /// The view of this container.
    #[must_use]
    pub fn view_of(&self, container: u16) -> Option<View> {
        view_of(&self.views, container)
    }

    /// What decides for those who have no policy of their own.
    #[must_use]
    pub fn guard(&self) -> &Arc<dyn Guard> {
        &self.guard
    }

    pub(crate) fn tenancy(&self) -> Option<&Arc<dyn Tenancy>> {
        self.tenancy.as_ref()
    }

    pub(crate) fn composes(&self) -> bool {
        self.composes
    }

    pub(crate) fn composition(&self) -> &dyn Composition {
        &*self.composition
    }

    pub(crate) fn rule(&self, view: View) -> Option<&ViewRule> {
        self.views.get(usize::from(view.0))
    }

    /// Whether some view always looks offline, and shows no endpoints.
    pub(crate) fn has_offline_view(&self) -> bool {
        let is_offline = |rule: &ViewRule| rule.status == StatusRule::Offline && rule.entries == EntriesRule::None;
        self.views.iter().any(is_offline)
    }

    pub(crate) fn has_events(&self) -> bool {
        self.events
    }

    /// A view that the guard names and that there is not.
    pub(crate) fn unknown_view(&self, guard: &dyn Guard) -> Option<View> {
        let mut unknown = None;
        guard.views(&mut |view| {
            if usize::from(view.0) >= self.views.len() && !view.is_closed() {
                unknown = Some(view);
            }
        });
        unknown
    }
}

impl Default for Scheme {
    fn default() -> Self {
        Self::plain()
    }
}
