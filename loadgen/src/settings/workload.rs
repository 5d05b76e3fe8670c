//! What users do in a run: who there is, how often they publish what, in which shape and for how long.
//!
//! The part of the settings that decides every publication, and asks nothing of the machine: whoever only writes down what
//! would be published needs no more of it.

use std::time::Duration;

use fanfare_tuning::users::{Blend, Presence};

use super::SettingsError;
use super::model::{check_categories, mixes, target_presence, traits};
use crate::args::Flags;
use crate::pace::Pace;
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
    /// What the users of each kind do.
    pub mixes: Vec<Mix>,
    /// Shards, each with a part of the users.
    pub shards: usize,
    /// How the rate changes, and how arrivals scatter.
    pub shape: Shape,
    /// Publications a second.
    pub rate_per_s: f64,
    /// How long it is measured.
    pub duration: Duration,
    /// What of that, and of the time before, depends on what is seen.
    pub pace: Pace,
}

impl Workload {
    /// What the flags make of the models, on so many CPUs, measured for `usual` if they do not say how long.
    ///
    /// # Errors
    /// Categories that the models' presence does not have, and shards or models that would have no users.
    pub fn resolve(flags: &Flags, blend: &Blend, cpus: usize, usual: Duration) -> Result<Self, SettingsError> {
        let shards = flags.shards.map_or(cpus.min(64), usize::from);
        check_categories(blend.first())?;
        let traits = traits(flags, blend);
        if (traits.users as usize) < shards {
            return Err(SettingsError::Users { users: traits.users, shards });
        }
        let nobody = traits.ranges().into_iter().zip(blend.parts()).find(|(users, _)| users.is_empty());
        if let Some((_, part)) = nobody {
            let (model, share, users) = (part.model.name.clone(), part.share, traits.users);
            return Err(SettingsError::Nobody { model, share, users });
        }
        let presence = target_presence(flags, blend);
        Ok(Self {
            presence,
            mixes: mixes(presence, blend, &traits, flags.speedup),
            shards,
            shape: flags.schedule.words().shape,
            rate_per_s: flags.rate.unwrap_or_else(|| own_rate_per_s(&traits, blend) * flags.speedup),
            duration: flags.duration.unwrap_or(usual),
            pace: Pace { warm_up: flags.warm_up.unwrap_or_default(), until_share: flags.until },
            traits,
        })
    }
}

/// Publications a second of all users at their models' own pace. What counts is how many of each there are: of a few users a
/// share is rounded.
fn own_rate_per_s(traits: &Traits, blend: &Blend) -> f64 {
    let parts = traits.ranges().into_iter().zip(blend.parts());
    parts.map(|(users, part)| part.model.publications_per_s(users.end - users.start)).sum()
}
