//! What a run is to be: the command line, the model and the machine, put together and checked.
//!
//! Everything that can be wrong beforehand is found here, before a byte is built: shards without a CPU, a population
//! that does not fit the memory, a report that cannot be written. The invariant: [`Settings`] that exist can be run.

mod error;
mod model;
pub mod traces;
mod unheeded;
pub mod workload;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare_tuning::users::{Blend, Presence};

pub use error::SettingsError;
pub(crate) use model::blend;
use model::weighed;
use traces::{Stage, Usage};
use workload::{USUAL, Workload};

use crate::args::Flags;
use crate::asked::Asked;
use crate::capacity::Vary;
use crate::host::{Host, ProcessUse};
use crate::memory::{Need, users_that_fit};
use crate::outputs::Outputs;
use crate::pace::{Pace, WARM_UP_MAX};
use crate::population::{Traits, USERS_MAX};
use crate::quantities;
use crate::sample::FOLLOWED_MAX;
use crate::schedule::{Course, Mix, Shape};
use crate::slo::Slo;
use crate::targets::embedded::limits::{PRESENTITIES_MAX, SUBSCRIPTIONS_MAX};
use crate::targets::{RuntimeName, TargetName};
use crate::trace::replay::Replay;
use crate::trouble::Troubles;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One rate.
    Run,
    /// The highest rate.
    Capacity,
}

/// A run, ready to begin.
#[derive(Debug)]
pub struct Settings {
    /// What for.
    pub purpose: Purpose,
    /// The user models, and the share of each.
    pub blend: Blend,
    /// What the population is drawn from.
    pub traits: Traits,
    /// What presence means.
    pub presence: Presence,
    /// What the users of each kind do.
    pub mixes: Vec<Mix>,
    /// Shards.
    pub shards: usize,
    /// What is measured.
    pub target: TargetName,
    /// What is to turn its shards.
    pub runtime: RuntimeName,
    /// How long those of the engine look for something to do before they sleep; the engine's own choice if not said.
    pub spin: Option<Duration>,
    /// What a search varies.
    pub vary: Vary,
    /// How the rate changes over a point, and how arrivals scatter.
    pub shape: Shape,
    /// Watchers that behave badly.
    pub troubles: Troubles,
    /// Publications a second for `run`, and the least that `capacity` has to find.
    pub rate_per_s: f64,
    /// Publications of a user in an hour, the speed-up not included.
    pub publications_per_hour: f64,
    /// How long the (last) point is measured.
    pub duration: Duration,
    /// What of that, and of the time before, depends on what is seen.
    pub pace: Pace,
    /// The latency target, if there is one.
    pub slo: Option<Slo>,
    /// The most that may be skipped.
    pub skip_max: f64,
    /// How often is searched, in turns.
    pub searches: u32,
    /// Whether all of a point's time decides, and not only that in which every shard had its core. Always in a run.
    pub count_disturbed: bool,
    /// The machine.
    pub host: Host,
    /// The process whose CPU and memory are reported: this one, or a server's.
    pub pid: Option<i32>,
    /// The command line.
    pub command: String,
    /// What it says, flag by flag.
    pub asked: Asked,
    /// When it began: RFC 3339, UTC.
    pub began: String,
    /// Up to so many subscriptions each is followed; above that, those of a sample of the presentities.
    pub followed_max: u64,
    /// What is replayed and recorded.
    pub traces: Usage,
    /// Where the report goes.
    pub outputs: Outputs,
}

impl Settings {
    /// Puts everything together.
    ///
    /// # Errors
    /// Whatever makes the run impossible.
    pub fn resolve(purpose: Purpose, flags: Flags, host: Host, command: String) -> Result<Self, SettingsError> {
        let blend = blend(&flags)?;
        let (usual, slo) = match purpose {
            Purpose::Run => (USUAL, None),
            Purpose::Capacity => (Duration::from_secs(4), Some(Slo::last_p99_below(Duration::from_millis(10)))),
        };
        let Workload { traits, presence, mixes, shards, shape, rate_per_s, duration, pace } =
            Workload::resolve(&flags, &blend, host.cores, usual)?;
        if shards > host.cores {
            return Err(SettingsError::Shards { shards, cpus: host.cores });
        }
        unheeded::check_flags(purpose, &flags)?;
        unheeded::check_pace(purpose, &flags, &pace, duration)?;
        let words = flags.schedule.words();
        if purpose == Purpose::Capacity && words.shape.course != Course::Steady {
            return Err(SettingsError::Schedule);
        }
        if let Some(pid) = flags.pid.filter(|&pid| ProcessUse::of(pid).is_none()) {
            return Err(SettingsError::Pid(pid));
        }
        let troubles = Troubles {
            slow_share: flags.slow,
            stop_share: flags.stop,
            drop_share_per_min: flags.drop,
            storm: words.storm,
        };
        let (model, categories) = (blend.name(), blend.first().categories.value.len());
        let stage = Stage { purpose, traits: &traits, presence, model: &model, categories };
        let traces = Usage::resolve(&flags, &stage)?;
        check_size(&weighed(&traits, &traces), presence, shards, &host)?;
        // A trace has its own rate and its own end.
        let rate_per_s = traces.replay.as_ref().map_or(rate_per_s, Replay::rate_per_s);
        let duration = match traces.duration(WARM_UP_MAX) {
            Some(whole) => flags.duration.map_or(whole, |wanted| wanted.min(whole)),
            None => duration,
        };
        check_troubles(&troubles, &traits, flags.target, duration)?;
        unheeded::check_storm(purpose, &troubles, duration)?;
        let outputs = Outputs::open(&flags, purpose == Purpose::Capacity)?;
        Ok(Self {
            purpose,
            shards,
            target: flags.target,
            runtime: flags.runtime,
            spin: flags.spin,
            shape,
            troubles,
            vary: flags.vary,
            rate_per_s,
            publications_per_hour: blend.publications_per_hour(),
            duration,
            pace,
            slo: flags.slo.or(slo),
            skip_max: flags.skip_max,
            searches: flags.searches,
            count_disturbed: purpose == Purpose::Run || flags.count_disturbed,
            host,
            pid: flags.pid.or_else(|| i32::try_from(std::process::id()).ok()),
            command,
            began: quantities::moment(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            followed_max: FOLLOWED_MAX,
            traces,
            outputs,
            asked: flags.asked,
            mixes,
            presence,
            traits,
            blend,
        })
    }

    /// The same run with so many users, each as busy as before, at one rate and for so long; it writes no report.
    #[must_use]
    pub fn with_users(&self, users: u32, duration: Duration) -> Self {
        let growth = f64::from(users) / f64::from(self.traits.users);
        Self {
            purpose: Purpose::Run,
            blend: self.blend.clone(),
            traits: Traits { users, ..self.traits.clone() },
            mixes: self.mixes.clone(),
            rate_per_s: self.rate_per_s * growth,
            duration,
            slo: self.slo.clone(),
            host: self.host.clone(),
            command: self.command.clone(),
            asked: self.asked.clone(),
            began: self.began.clone(),
            outputs: Outputs::default(),
            traces: Usage::default(),
            ..*self
        }
    }

    /// The fewest users of whom each kind has one.
    #[must_use]
    pub fn users_min(&self) -> u32 {
        let rarest = self.traits.kinds.iter().map(|kind| kind.share).fold(1.0, f64::min);
        (1.0 / rarest).ceil() as u32
    }

    /// The most users that the memory and the engine hold, and whose bad watchers can be followed.
    #[must_use]
    pub fn users_max(&self) -> u32 {
        let available = self.host.memory_available_bytes as f64;
        let most = Traits { users: USERS_MAX, ..self.traits.clone() };
        let fitting = users_that_fit(&most, self.presence, self.shards, available).unwrap_or(self.traits.users);
        let at_home = (self.shards as u64 * PRESENTITIES_MAX).min(u64::from(USERS_MAX)) as u32;
        let numbered = self.shards as f64 * SUBSCRIPTIONS_MAX as f64 / subscriptions_each(&self.traits);
        let followed = if self.troubles.is_none() {
            f64::INFINITY
        } else {
            FOLLOWED_MAX as f64 / subscriptions_each(&self.traits)
        };
        fitting.min(at_home).min(numbered as u32).min(followed as u32)
    }

    /// These settings with what a search over users has found; the report goes where this one's was to go.
    #[must_use]
    pub fn found(self, found: Self) -> Self {
        Self { purpose: self.purpose, outputs: self.outputs, ..found }
    }
}

fn check_troubles(
    troubles: &Troubles,
    traits: &Traits,
    target: TargetName,
    duration: Duration,
) -> Result<(), SettingsError> {
    let why = match () {
        () if troubles.is_none() => return Ok(()),
        () if target != TargetName::Embedded => "--target is not embedded",
        // As is the number of those who are followed, by the mean.
        () if subscriptions_each(traits) * f64::from(traits.users) > FOLLOWED_MAX as f64 => {
            "there are more subscriptions"
        }
        () if troubles.share(duration) > 1.0 => "they add up to more",
        () => return Ok(()),
    };
    Err(SettingsError::Troubles { why })
}

/// Subscriptions of a user, in the mean.
fn subscriptions_each(traits: &Traits) -> f64 {
    Need::of(traits, Presence::Plain, 1).subscriptions / f64::from(traits.users)
}

fn check_size(traits: &Traits, presence: Presence, shards: usize, host: &Host) -> Result<(), SettingsError> {
    let need = Need::of(traits, presence, shards);
    let of_shard = need.subscriptions / shards as f64;
    if of_shard > SUBSCRIPTIONS_MAX as f64 {
        return Err(SettingsError::Subscriptions(of_shard));
    }
    let at_home = u64::from(traits.users) / shards as u64;
    if at_home > PRESENTITIES_MAX {
        return Err(SettingsError::Presentities(at_home));
    }
    let available = host.memory_available_bytes as f64;
    if need.fits(available) {
        return Ok(());
    }
    let fitting = users_that_fit(traits, presence, shards, available);
    Err(SettingsError::Memory { users: traits.users, need, available, fitting })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};
    use crate::host::Facts;
    use crate::report::screen::grouped;

    fn resolve(line: &str, memory_bytes: u64) -> Result<Settings, SettingsError> {
        let host = Host {
            cpu: String::new(),
            cores: 2,
            memory_bytes,
            kernel: String::new(),
            memory_available_bytes: memory_bytes,
            facts: Facts::default(),
        };
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let (purpose, flags) = match cli.command {
            Some(Verb::Run(flags)) => (Purpose::Run, flags),
            _ => (Purpose::Capacity, cli.flags),
        };
        Settings::resolve(purpose, flags, host, line.to_owned())
    }

    #[test]
    fn a_pool_publishes_at_the_models_rate() {
        let settings = resolve("loadgen run", 8 << 30).unwrap();
        assert!((settings.rate_per_s - 88.9).abs() < 0.1);
        assert_eq!(settings.slo, None);
        let settings = resolve("loadgen --speedup 10", 8 << 30).unwrap();
        assert!((settings.rate_per_s - 888.9).abs() < 0.1);
        assert_eq!(settings.slo, Some(Slo::last_p99_below(Duration::from_millis(10))));
    }

    #[test]
    fn too_little_memory_is_said_with_the_estimate_and_the_way_out() {
        let error = resolve("loadgen run --users 10000000", 8 << 30).unwrap_err().to_string();
        assert!(error.contains("need about") && error.contains("8.0 GiB is available"), "{error}");
        assert!(resolve("loadgen run", 256 << 20).is_err());
        assert!(resolve("loadgen run --model plain --users 1000000 --shards 1 --document 32", 6 << 30).is_ok());
        let billion = "loadgen run --model plain --users 12500000 --contacts 80 --endpoints 1 --shards 1 --document 32";
        assert!(resolve(billion, 22 << 30).is_ok());
        let error = resolve(billion, 16 << 30).unwrap_err();
        let SettingsError::Memory { need, available, fitting, .. } = &error else { panic!("{error}") };
        assert!(need.total() > *available && need.subscriptions > 999e6, "{error}");
        let fitting = fitting.unwrap();
        let said = error.to_string();
        assert!(said.contains(&format!("lower --users (to {})", grouped(fitting.into()))), "{said}");
        let fewer = billion.replace("12500000", &fitting.to_string());
        assert!(resolve(&fewer, 16 << 30).is_ok(), "the way out leads out");
    }

    #[test]
    fn more_than_a_shard_can_number_is_refused_whatever_the_memory() {
        let refused = |line| resolve(line, 1 << 50).unwrap_err();
        let error = refused("loadgen run --model plain --users 30000000 --contacts 80 --shards 1");
        assert!(matches!(error, SettingsError::Subscriptions(_)), "{error}");
        let error = refused("loadgen run --model plain --users 40000000 --contacts 10 --shards 1");
        assert!(matches!(error, SettingsError::Presentities(40_000_000)), "{error}");
        assert!(resolve("loadgen run --model plain --users 40000000 --contacts 10 --shards 2", 1 << 50).is_ok());
    }

    #[test]
    fn a_search_over_users_goes_no_further_than_bad_watchers_can_be_followed() {
        let most =
            |flags: &str| resolve(&format!("loadgen --vary users --model plain {flags}"), 1 << 40).unwrap().users_max();
        let followed = most("--slow 1%");
        assert!(followed < most("--shards 2"), "{followed}");
        assert!(resolve(&format!("loadgen run --model plain --slow 1% --users {followed}"), 1 << 40).is_ok());
        let more =
            resolve(&format!("loadgen run --model plain --slow 1% --users {}", followed + followed / 100), 1 << 40);
        assert!(matches!(more, Err(SettingsError::Troubles { .. })));
    }

    #[test]
    fn only_composed_presence_has_more_than_publications() {
        let mix = |line| resolve(line, 8 << 30).unwrap().mixes.remove(0);
        let lync = mix("loadgen run");
        assert!((lync.policies - 0.0025).abs() < 1e-9 && (lync.idle - 0.05).abs() < 1e-9, "{lync:?}");
        assert!(mix("loadgen run --endpoints 1").idle.abs() < 1e-9);
        for line in ["loadgen run --model plain", "loadgen run --target null"] {
            let mix = mix(line);
            assert!(mix.policies.abs() + mix.idle.abs() < 1e-9, "{line}: {mix:?}");
        }
    }

    #[test]
    fn models_that_are_mixed_are_kinds_of_users_each_with_its_own_pace() {
        let settings = resolve("loadgen run --mix lync-2013:0.8,mobile:0.2 --users 10000", 8 << 30).unwrap();
        assert!((settings.rate_per_s - (8_000.0 * 4.0 + 2_000.0 * 8.0) / 3_600.0).abs() < 1e-6);
        assert!((settings.publications_per_hour - 4.8).abs() < 1e-9);
        let kinds = &settings.traits.kinds;
        assert_eq!((kinds[0].endpoints, kinds[1].endpoints, settings.mixes.len()), (1.9, 1.0, 2));
        assert_eq!(settings.users_min(), 5);
        let twice = settings.with_users(20_000, Duration::from_secs(1));
        assert!((twice.rate_per_s / settings.rate_per_s - 2.0).abs() < 1e-9);
        let error = resolve("loadgen run --mix lync-2013:0.8,plain:0.2", 8 << 30).unwrap_err().to_string();
        assert!(error.contains("presence differ"), "{error}");
        let error =
            resolve("loadgen run --mix lync-2013:0.99,mobile:0.01 --users 10", 8 << 30).unwrap_err().to_string();
        assert_eq!(error, "--mix: 1 % of 10 users is nobody (mobile): raise --users or the share");
    }

    #[test]
    fn shards_beyond_the_cpus_are_refused() {
        let error = resolve("loadgen --shards 3", 8 << 30).unwrap_err().to_string();
        assert_eq!(error, "--shards 3: this process may use 2 CPUs, and each shard needs one of its own");
    }
}
