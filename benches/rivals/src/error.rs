//! What can go wrong, each with the way out. A wrong sum is an error and never a figure.

use crate::rival::Told;

/// Why there is no measurement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RivalError {
    /// Nobody has this name.
    #[error("no contender is named `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// There would be nothing to measure.
    #[error("{what} is 0, and nothing would be measured: ask for at least 1")]
    Nothing {
        /// Of what there is none.
        what: &'static str,
    },
    /// More subscriptions than an index of 32 bits can name.
    #[error(
        "{subscriptions} subscriptions are more than the {max} that can be numbered: ask for fewer users or contacts"
    )]
    TooManySubscriptions {
        /// Users times contacts.
        subscriptions: u64,
        /// The most there can be.
        max: u64,
    },
    /// One contender alone would take more memory than it may.
    #[error(
        "{name} would take about {} MiB for {users} users, more than the {} MiB allowed: ask for fewer users, or leave \
         it out with --only",
        .bytes >> 20, .bytes_max >> 20
    )]
    TooLarge {
        /// Who.
        name: &'static str,
        /// For so many users.
        users: u64,
        /// By estimate, the graph included.
        bytes: u64,
        /// The most it may take.
        bytes_max: u64,
    },
    /// The contender can only run at small sizes.
    #[error(
        "{name} takes no more than {users_max} users, because {reason}: ask for fewer users, or leave it out with --only"
    )]
    TooManyUsers {
        /// Who.
        name: &'static str,
        /// The most it takes.
        users_max: u64,
        /// Why no more.
        reason: &'static str,
    },
    /// The machine does not have what the contender needs.
    #[error("{name} cannot run here: {reason}; leave it out with --only")]
    Unavailable {
        /// Who.
        name: &'static str,
        /// What is missing.
        reason: String,
    },
    /// The watchers were not told what the graph says they should have been.
    #[error(
        "{name} told {} deliveries with the sum {:016x} where {} with {:016x} were due: it lost, repeated or aged \
         something, and its time means nothing",
        .told.deliveries, .told.checksum, .due.deliveries, .due.checksum
    )]
    Wrong {
        /// Who.
        name: &'static str,
        /// What the watchers received.
        told: Told,
        /// What the model says.
        due: Told,
    },
}
