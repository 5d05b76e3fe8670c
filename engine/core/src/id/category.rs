//! Categories, the named parts of a presence, and sets of them: a byte each.

/// Categories of one presence at most: a set of them fits a byte and a change's category fits four bits.
pub const CATEGORIES: usize = 8;

/// A named part of a presence: state, note, calendar and the like, numbered by the embedder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Category(u8);

impl Category {
    /// The category of an engine that has only one.
    pub const FIRST: Self = Self(0);

    /// The category with this number, if it is below [`CATEGORIES`].
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if (number as usize) < CATEGORIES { Some(Self(number)) } else { None }
    }

    /// The category with this number.
    ///
    /// # Panics
    /// If it is not below [`CATEGORIES`].
    #[must_use]
    pub const fn numbered(number: u8) -> Self {
        assert!((number as usize) < CATEGORIES, "categories are numbered below CATEGORIES");
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Every category that there can be.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + Clone {
        (0..CATEGORIES as u8).map(Self)
    }

    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_low_bits(bits: u8) -> Self {
        Self(bits & (CATEGORIES as u8 - 1))
    }
}

/// A set of categories: what a group wants to hear of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Categories(u8);

impl Categories {
    /// Every category.
    pub const ALL: Self = Self(u8::MAX);
    /// No category at all.
    pub const NONE: Self = Self(0);

    /// The set of one.
    #[must_use]
    pub const fn only(category: Category) -> Self {
        Self(1 << category.0)
    }

    /// This set and that category.
    #[must_use]
    pub const fn with(self, category: Category) -> Self {
        Self(self.0 | 1 << category.0)
    }

    /// Whether the category is in the set.
    #[must_use]
    pub const fn contains(self, category: Category) -> bool {
        self.0 >> category.0 & 1 == 1
    }

    /// The categories in the set.
    pub fn iter(self) -> impl Iterator<Item = Category> {
        Category::all().filter(move |&category| self.contains(category))
    }

    /// Those that are in both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in either.
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl Default for Categories {
    fn default() -> Self {
        Self::ALL
    }
}
