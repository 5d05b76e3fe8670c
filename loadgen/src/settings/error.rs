//! Why a run cannot be: each with what was asked for, what there is, and the way out.

use std::time::Duration;

use fanfare_tuning::users::BlendError;
use thiserror::Error;

use super::traces::UsageError;
use crate::memory::Need;
use crate::outputs::OutputError;
use crate::report::screen::{bytes, grouped as group};
use crate::sample::FOLLOWED_MAX;
use crate::targets::embedded::limits::{PRESENTITIES_MAX, SUBSCRIPTIONS_MAX};

/// Why a run cannot be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The model, or the models.
    #[error(transparent)]
    Blend(#[from] BlendError),
    /// A kind of users of whom there would be none.
    #[error("--mix: {} % of {users} users is nobody ({model}): raise --users or the share", 100.0 * share)]
    Nobody {
        /// The model.
        model: String,
        /// Its share.
        share: f64,
        /// Users of all models.
        users: u32,
    },
    /// More shards than CPUs.
    #[error("--shards {shards}: this process may use {cpus} CPU{}, and each shard needs one of its own", if *.cpus == 1 { "" } else { "s" })]
    Shards {
        /// What was asked for.
        shards: usize,
        /// What there is.
        cpus: usize,
    },
    /// Not every shard would have a user.
    #[error("--users {users}: there must be at least one for each of the {shards} shards")]
    Users {
        /// What was asked for.
        users: u32,
        /// Shards.
        shards: usize,
    },
    /// Not enough memory.
    #[error(
        "{} users with about {} subscriptions need about {} of memory (engine {}, documents {}, generator {}), but only {} is \
         available: lower --users{}, --contacts or --document",
        group((*users).into()), group(need.subscriptions as u64), bytes(need.total()), bytes(need.engine),
        bytes(need.documents), bytes(need.generator), bytes(*available), to_about(*fitting)
    )]
    Memory {
        /// What was asked for.
        users: u32,
        /// What that would take.
        need: Need,
        /// What there is.
        available: f64,
        /// Users that would fit.
        fitting: Option<u32>,
    },
    /// More subscriptions than the engine can number.
    #[error(
        "about {} subscriptions a shard: the engine numbers at most {}; lower --users or --contacts, or raise --shards",
        group(*.0 as u64), group(SUBSCRIPTIONS_MAX)
    )]
    Subscriptions(f64),
    /// More presentities than a shard can be the home of.
    #[error(
        "about {} presentities a shard: the engine is home to at most {}; lower --users or raise --shards",
        group(*.0), group(PRESENTITIES_MAX)
    )]
    Presentities(u64),
    /// Nobody to look at.
    #[error("--pid {0}: there is no such process, or this user may not look at it")]
    Pid(i32),
    /// A search at a rate that changes by itself.
    #[error("--schedule: a search changes the rate itself; leave ramp, step and diurnal to `loadgen run`")]
    Schedule,
    /// A flag that another one leaves nothing to do.
    #[error("{flag} says nothing with {beside}: {way_out}")]
    Idle {
        /// What would be passed over.
        flag: String,
        /// Why.
        beside: String,
        /// What to say instead.
        way_out: &'static str,
    },
    /// A storm whose last would not have come by the end.
    #[error(
        "--schedule: a storm over {} s begins after a quarter of the time, and {place} is measured for {} s: {way_out}",
        within.as_secs_f64(), measured.as_secs_f64()
    )]
    Storm {
        /// How long it takes until all have come.
        within: Duration,
        /// The shortest measurement that it is in.
        measured: Duration,
        /// Which one that is.
        place: &'static str,
        /// What to say instead.
        way_out: &'static str,
    },
    /// Bad watchers where there are none.
    #[error(
        "--slow, --stop, --drop and storms need an engine, up to {} subscriptions, and shares that add up to no more than \
         1: {why}",
        group(FOLLOWED_MAX)
    )]
    Troubles {
        /// What is wrong.
        why: &'static str,
    },
    /// The model's categories are not those of the scheme that it names.
    #[error(
        "the model {model} has the categories {found}; with presence \"lync\" they must be {expected}, in this order: \
         name them so, or make presence \"plain\""
    )]
    Categories {
        /// The model.
        model: String,
        /// What it says.
        found: String,
        /// What the scheme says.
        expected: String,
    },
    /// Traces to replay or record.
    #[error(transparent)]
    Traces(#[from] UsageError),
    /// A file cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// The way out of too little memory, if it leads anywhere.
fn to_about(fitting: Option<u32>) -> String {
    fitting.map_or_else(String::new, |users| format!(" (to {})", group(users.into())))
}
