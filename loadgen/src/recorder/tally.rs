//! What a recorder counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::traffic::Told;

/// Running counts of one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notes, first states among them.
    pub notes: u64,
    /// First states.
    pub firsts: u64,
    /// Versions that notes skipped.
    pub skipped: u64,
    /// Readings of the clock.
    pub readings: u64,
    /// Notes by kind.
    pub told: Told,
    /// What must not be.
    pub faults: Faults,
}

/// Broken promises, by kind; reports have them under the same names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Faults {
    /// A version older than one seen before (C1).
    pub backwards: u64,
    /// The version seen last, told again without need (C1).
    pub repeated: u64,
    /// A document that was not published so: wrong user, version, check word, length, body or status (C2).
    pub untrue: u64,
    /// A note without a document, though everybody has published (C4).
    pub stateless: u64,
    /// A count of skipped versions that is not the one seen (C3).
    pub miscounted: u64,
    /// Something that the watcher's view does not show (C6).
    pub denied: u64,
    /// A receipt of a publication that is not under way.
    pub stray: u64,
}

impl Faults {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Self { backwards, repeated, untrue, stateless, miscounted, denied, stray } = self;
        backwards + repeated + untrue + stateless + miscounted + denied + stray
    }

    /// Adds another core's.
    pub fn add(&mut self, other: &Self) {
        self.backwards += other.backwards;
        self.repeated += other.repeated;
        self.untrue += other.untrue;
        self.stateless += other.stateless;
        self.miscounted += other.miscounted;
        self.denied += other.denied;
        self.stray += other.stray;
    }
}
