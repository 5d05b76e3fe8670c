//! What a run is to be: the command line, the model and the machine, put together and checked.
//!
//! Everything that can be wrong beforehand is found here, before a byte is built: shards without a CPU, a population
//! that does not fit the memory, a report that cannot be written. The invariant: [`Settings`] that exist can be run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare_tuning::users::{ModelError, Presence, Spread, UserModel};
use thiserror::Error;

use crate::args::{Flags, RuntimeName, TargetName, USERS_MAX, Vary};
use crate::host::{Host, ProcessUse};
use crate::memory::{Need, users_that_fit};
use crate::outputs::{OutputError, Outputs};
use crate::plan::WARM_UP_MAX;
use crate::population::Traits;
use crate::sample::FOLLOWED_MAX;
use crate::schedule::{Course, Mix, Shape};
use crate::slo::Slo;
use crate::targets::embedded::limits::{PRESENTITIES_MAX, SUBSCRIPTIONS_MAX};
use crate::trace::replay::Replay;
use crate::trace::usage::{Stage, Usage, UsageError};
use crate::trouble::Troubles;

/// Why a run cannot be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
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

fn group(number: u64) -> String {
    crate::report::screen::grouped(number)
}

fn bytes(number: f64) -> String {
    crate::report::screen::bytes(number)
}

/// The way out of too little memory, if it leads anywhere.
fn to_about(fitting: Option<u32>) -> String {
    fitting.map_or_else(String::new, |users| format!(" (to {})", group(users.into())))
}

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
    /// The user model.
    pub model: UserModel,
    /// What the population is drawn from.
    pub traits: Traits,
    /// What presence means.
    pub presence: Presence,
    /// What users do.
    pub mix: Mix,
    /// Shards.
    pub shards: usize,
    /// What is measured.
    pub target: TargetName,
    /// What is to turn its shards.
    pub runtime: RuntimeName,
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
    /// The latency target, if there is one.
    pub slo: Option<Slo>,
    /// The most that may be skipped.
    pub skip_max: f64,
    /// The machine.
    pub host: Host,
    /// The process whose CPU and memory are reported: this one, or a server's.
    pub pid: Option<i32>,
    /// The command line.
    pub command: String,
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
        let model = UserModel::find(&flags.model)?;
        let shards = flags.shards.map_or(host.cores.min(64), usize::from);
        if shards > host.cores {
            return Err(SettingsError::Shards { shards, cpus: host.cores });
        }
        let words = flags.schedule.words();
        if purpose == Purpose::Capacity && words.shape.course != Course::Steady {
            return Err(SettingsError::Schedule);
        }
        if let Some(pid) = flags.pid.filter(|&pid| ProcessUse::of(pid).is_none()) {
            return Err(SettingsError::Pid(pid));
        }
        check_categories(&model)?;
        let traits = traits(&flags, &model);
        if (traits.users as usize) < shards {
            return Err(SettingsError::Users { users: traits.users, shards });
        }
        let presence = target_presence(&flags, &model);
        let troubles = Troubles {
            slow_share: flags.slow,
            stop_share: flags.stop,
            drop_share_per_min: flags.drop,
            storm: words.storm,
        };
        let traces = traces(&flags, purpose, &traits, presence, &model)?;
        check_size(&weighed(&traits, &traces), presence, shards, &host)?;
        let own_rate = traces.replay.as_ref().map(Replay::rate_per_s);
        let own_rate = own_rate.unwrap_or_else(|| model.publications_per_s(traits.users) * flags.speedup);
        let (duration, slo) = match purpose {
            Purpose::Run => (Duration::from_secs(10), None),
            Purpose::Capacity => (Duration::from_secs(8), Some(Slo::last_p99_below(Duration::from_millis(10)))),
        };
        let duration = match traces.duration(WARM_UP_MAX) {
            Some(whole) => flags.duration.map_or(whole, |wanted| wanted.min(whole)),
            None => flags.duration.unwrap_or(duration),
        };
        check_troubles(&troubles, &traits, flags.target, duration)?;
        let outputs = Outputs::open(&flags, purpose == Purpose::Capacity)?;
        Ok(Self {
            purpose,
            shards,
            target: flags.target,
            runtime: flags.runtime,
            shape: words.shape,
            troubles,
            vary: flags.vary,
            rate_per_s: flags.rate.unwrap_or(own_rate),
            publications_per_hour: model.publications_per_hour.value,
            duration,
            slo: flags.slo.or(slo),
            skip_max: flags.skip_max,
            host,
            pid: flags.pid.or_else(|| i32::try_from(std::process::id()).ok()),
            command,
            began: rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            followed_max: FOLLOWED_MAX,
            traces,
            outputs,
            mix: mix(presence, &model, &traits),
            presence,
            traits,
            model,
        })
    }

    /// The same run with so many users, each as busy as before, at one rate and for so long; it writes no report.
    #[must_use]
    pub fn with_users(&self, users: u32, duration: Duration) -> Self {
        let growth = f64::from(users) / f64::from(self.traits.users);
        Self {
            purpose: Purpose::Run,
            model: self.model.clone(),
            traits: Traits { users, ..self.traits.clone() },
            mix: self.mix.clone(),
            rate_per_s: self.rate_per_s * growth,
            duration,
            slo: self.slo.clone(),
            host: self.host.clone(),
            command: self.command.clone(),
            began: self.began.clone(),
            outputs: Outputs::default(),
            traces: Usage::default(),
            ..*self
        }
    }

    /// The most users that the memory and the engine hold.
    #[must_use]
    pub fn users_max(&self) -> u32 {
        let available = self.host.memory_available_bytes as f64;
        let most = Traits { users: USERS_MAX, ..self.traits.clone() };
        let fitting = users_that_fit(&most, self.presence, self.shards, available).unwrap_or(self.traits.users);
        let at_home = (self.shards as u64 * PRESENTITIES_MAX).min(u64::from(USERS_MAX)) as u32;
        let each = Need::of(&self.traits, self.presence, self.shards).subscriptions / f64::from(self.traits.users);
        let numbered = self.shards as f64 * SUBSCRIPTIONS_MAX as f64 / each;
        fitting.min(at_home).min(numbered as u32)
    }

    /// These settings with what a search over users has found; the report goes where this one's was to go.
    #[must_use]
    pub fn found(self, found: Self) -> Self {
        Self { purpose: self.purpose, outputs: self.outputs, ..found }
    }
}

fn traces(
    flags: &Flags,
    purpose: Purpose,
    traits: &Traits,
    presence: Presence,
    model: &UserModel,
) -> Result<Usage, SettingsError> {
    let categories = model.categories.value.len();
    Ok(Usage::resolve(flags, &Stage { purpose, traits, presence, model: &model.name, categories })?)
}

/// The population with documents of the size that will lie there in the end: those of a trace, if they are larger.
fn weighed(traits: &Traits, traces: &Usage) -> Traits {
    let shown = traces.replay.as_ref().map(|replay| replay.trace().summary().shown());
    let mean = shown.map_or(0.0, |shown| shown.bytes as f64 / shown.events.max(1) as f64);
    if mean <= traits.document.mean() {
        return traits.clone();
    }
    Traits { document: Spread::Constant { value: mean }, ..traits.clone() }
}

/// A moment, counted from the Unix epoch, in RFC 3339 and UTC.
#[must_use]
pub fn rfc3339(since_epoch: Duration) -> String {
    let moment = jiff::Timestamp::from_second(since_epoch.as_secs() as i64).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn traits(flags: &Flags, model: &UserModel) -> Traits {
    Traits {
        users: flags.users.unwrap_or(model.users.value),
        endpoints: flags.endpoints.unwrap_or(model.endpoints_per_user.value),
        contacts: flags.contacts.map_or(model.contacts, |mean| model.contacts.with_mean(mean)),
        internal_share: flags.internal_share.unwrap_or(model.internal_share_baseline.value),
        document: match flags.document {
            Some(value) => Spread::Constant { value: f64::from(value) },
            None => model.document_bytes,
        },
        watchers: match target_presence(flags, model) {
            Presence::Plain => [1.0, 0.0],
            Presence::Lync => [model.watchers.internal.value, model.watchers.federated.value],
        },
        seed: flags.seed,
    }
}

/// What presence means in the run: without an engine, nobody composes anything.
fn target_presence(flags: &Flags, model: &UserModel) -> Presence {
    if flags.target == TargetName::Embedded { model.presence.value } else { Presence::Plain }
}

/// A composed model has to speak of the scheme's categories: they are told apart by their places.
fn check_categories(model: &UserModel) -> Result<(), SettingsError> {
    let scheme = crate::presence::scheme();
    let found = &model.categories.value;
    if model.presence.value == Presence::Plain || scheme.categories().eq(found.iter().map(String::as_str)) {
        return Ok(());
    }
    let expected = scheme.categories().collect::<Vec<_>>().join(", ");
    Err(SettingsError::Categories { model: model.name.clone(), found: found.join(", "), expected })
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
        () if Need::of(traits, Presence::Plain, 1).subscriptions > FOLLOWED_MAX as f64 => {
            "there are more subscriptions"
        }
        () if troubles.share(duration) > 1.0 => "they add up to more",
        () => return Ok(()),
    };
    Err(SettingsError::Troubles { why })
}

fn mix(presence: Presence, model: &UserModel, traits: &Traits) -> Mix {
    let categories = model.category_shares.value.clone();
    if presence == Presence::Plain {
        return Mix { categories, ..Mix::default() };
    }
    Mix {
        categories,
        // Who has one endpoint only has none that is not shown.
        idle: if traits.endpoints > 1.0 { model.second_endpoint_share.value } else { 0.0 },
        policies: model.policy_edits_per_hour.value / model.publications_per_hour.value,
    }
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
        assert!(said.contains(&format!("lower --users (to {})", group(fitting.into()))), "{said}");
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
    fn a_composed_model_has_to_speak_of_the_schemes_categories() {
        let mut model = UserModel::find("lync-2013").unwrap();
        assert!(check_categories(&model).is_ok());
        model.categories.value.swap(1, 2);
        let error = check_categories(&model).unwrap_err().to_string();
        assert!(error.contains("state, calendarData, note") && error.contains("make presence \"plain\""), "{error}");
        model.presence.value = Presence::Plain;
        assert!(check_categories(&model).is_ok());
    }

    #[test]
    fn only_composed_presence_has_more_than_publications() {
        let mix = |line| resolve(line, 8 << 30).unwrap().mix;
        let lync = mix("loadgen run");
        assert!((lync.policies - 0.0025).abs() < 1e-9 && (lync.idle - 0.05).abs() < 1e-9, "{lync:?}");
        assert!(mix("loadgen run --endpoints 1").idle.abs() < 1e-9);
        for line in ["loadgen run --model plain", "loadgen run --target null"] {
            let mix = mix(line);
            assert!(mix.policies.abs() + mix.idle.abs() < 1e-9, "{line}: {mix:?}");
        }
    }

    #[test]
    fn shards_beyond_the_cpus_are_refused() {
        let error = resolve("loadgen --shards 3", 8 << 30).unwrap_err().to_string();
        assert_eq!(error, "--shards 3: this process may use 2 CPUs, and each shard needs one of its own");
    }
}
