//! What users do in a run: who there is, how often they publish what, in which shape and for how long.
//!
//! The part of the settings that decides every publication, and asks nothing of the machine: whoever only writes down what
//! would be published needs no more of it.

use std::time::Duration;

use fanfare_tuning::users::{Presence, UserModel};

use super::SettingsError;
use super::model::{check_categories, mix, target_presence, traits};
use crate::args::Flags;
use crate::population::Traits;
use crate::schedule::{Mix, Shape};

/// How long a point of `run` is measured if nothing else is said.
pub const USUAL: Duration = Duration::from_secs(10);

/// What is published.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What the population is drawn from.
    pub traits: Traits,
    /// What presence means.
    pub presence: Presence,
    /// What users do.
    pub mix: Mix,
    /// Shards, each with a part of the users.
    pub shards: usize,
    /// How the rate changes, and how arrivals scatter.
    pub shape: Shape,
    /// Publications a second.
    pub rate_per_s: f64,
    /// How long it is measured.
    pub duration: Duration,
}

impl Workload {
    /// What the flags make of the model, on so many CPUs, measured for `usual` if they do not say how long.
    ///
    /// # Errors
    /// Categories that the model's presence does not have, and shards that would have no users.
    pub fn resolve(flags: &Flags, model: &UserModel, cpus: usize, usual: Duration) -> Result<Self, SettingsError> {
        let shards = flags.shards.map_or(cpus.min(64), usize::from);
        check_categories(model)?;
        let traits = traits(flags, model);
        if (traits.users as usize) < shards {
            return Err(SettingsError::Users { users: traits.users, shards });
        }
        let presence = target_presence(flags, model);
        Ok(Self {
            presence,
            mix: mix(presence, model, &traits),
            shards,
            shape: flags.schedule.words().shape,
            rate_per_s: flags.rate.unwrap_or_else(|| model.publications_per_s(traits.users) * flags.speedup),
            duration: flags.duration.unwrap_or(usual),
            traits,
        })
    }
}
