//! What the command line of a run says of traces: `--schedule trace:FILE`, `--speed`, `--record FILE`.
//!
//! Read on the main thread before anything is built. The invariant: a [`Replay`] that exists can be replayed by the run
//! that it was made for, to its last event.

use std::path::Path;
use std::time::Duration;

use fanfare_tuning::users::Presence;
use thiserror::Error;

use super::Purpose;
use crate::args::Flags;
use crate::population::Traits;
use crate::targets::TargetName;
use crate::trace::files::Output;
use crate::trace::map::Mapped;
use crate::trace::recording::{Recorded, Recording};
use crate::trace::reels::Reels;
use crate::trace::replay::{Replay, Speed};
use crate::trace::{Header, TraceError};

/// Why a trace cannot be replayed or recorded by a run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The file.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A flag that goes with a run of one rate only.
    #[error("{0} is for `loadgen run`: a search for capacity chooses its rates itself")]
    NotForCapacity(&'static str),
    /// A speed of nothing.
    #[error("--speed is of a trace: say --schedule trace:FILE too")]
    SpeedOfNothing,
    /// A second rate.
    #[error(
        "{0} and --schedule trace:FILE contradict each other: a trace has its own rate, and --speed makes it faster or slower"
    )]
    Rate(&'static str),
    /// An end that cannot be planned.
    #[error("--duration and --speed max contradict each other: at the highest speed it takes what it takes")]
    Duration,
    /// Nothing to do.
    #[error("{0}: it has no events")]
    Empty(String),
    /// Too small a population.
    #[error(
        "{file}: it is of {found} users, but the run has {users}: say --users {found}, or more, and better the model and \
         the seed that it was recorded with, too (`loadgen trace info` tells them)"
    )]
    Users {
        /// The trace.
        file: String,
        /// What it needs.
        found: u32,
        /// What there is.
        users: u32,
    },
    /// Presence that is not composed.
    #[error(
        "{file}: it is of composed presence ({idle} publications of endpoints that are not shown, {policies} edits of \
         policies, {sessions} polls and other events of sessions), which the model {model} does not compose: say --model lync-2013, or --target null or a double, which pass them over"
    )]
    Composed {
        /// The trace.
        file: String,
        /// Publications of endpoints that are not shown.
        idle: u64,
        /// Edits of policies.
        policies: u64,
        /// What sessions did beside publishing.
        sessions: u64,
        /// The run's model.
        model: String,
    },
    /// Categories that the model does not have.
    #[error("{file}: it has publications of category {found}, but the model {model} has {categories}")]
    Category {
        /// The trace.
        file: String,
        /// The highest one, counted from 0.
        found: usize,
        /// Categories of the model.
        categories: usize,
        /// The run's model.
        model: String,
    },
    /// Users who cannot do what the trace says.
    #[error("{file}: {what}, and nobody in this run can do that: {way_out}")]
    Nobody {
        /// The trace.
        file: String,
        /// What is in it.
        what: &'static str,
        /// What to say instead.
        way_out: &'static str,
    },
}

/// What a run does with traces.
#[derive(Debug, Default)]
pub struct Usage {
    /// What is replayed.
    pub replay: Option<Replay>,
    /// Where it is recorded.
    pub record: Option<Output>,
}

/// What the trace of a run is checked against.
#[derive(Debug)]
pub struct Stage<'a> {
    /// What the run is for.
    pub purpose: Purpose,
    /// Its population.
    pub traits: &'a Traits,
    /// What presence means in it.
    pub presence: Presence,
    /// Its model's name.
    pub model: &'a str,
    /// Its model's categories.
    pub categories: usize,
}

impl Usage {
    /// What the flags say.
    ///
    /// # Errors
    /// Flags that contradict each other, and traces that this run cannot replay.
    pub fn resolve(flags: &Flags, stage: &Stage<'_>) -> Result<Self, UsageError> {
        let replay = match flags.schedule.trace() {
            None if flags.speed.is_some() => return Err(UsageError::SpeedOfNothing),
            None => None,
            Some(path) => Some(replay(path, flags, stage)?),
        };
        if flags.record.is_some() && stage.purpose != Purpose::Run {
            return Err(UsageError::NotForCapacity("--record"));
        }
        // After the trace was locked: what is being replayed is refused as what is recorded.
        let record = flags.record.as_deref().map(Output::open).transpose()?;
        Ok(Self { replay, record })
    }

    /// Begins with what the generators of so many shards need.
    ///
    /// # Errors
    /// What a recording needs and the system does not give.
    pub fn begin(&self, shards: usize) -> Result<(Option<Recording>, Reels), TraceError> {
        let replay = self.replay.clone();
        let Some(output) = &self.record else { return Ok((None, Reels::new(replay, Vec::new()))) };
        let started = Recording::start(output.folder(), shards);
        let (recording, tapes) = started.map_err(|cause| output.written(cause))?;
        Ok((Some(recording), Reels::new(replay, tapes)))
    }

    /// Makes a trace of what was recorded of such a population. A trace that is replayed stays what it says of itself.
    #[must_use]
    pub fn end(
        &self,
        recording: Recording,
        traits: &Traits,
        presence: Presence,
    ) -> Option<Result<Recorded, TraceError>> {
        let output = self.record.as_ref()?;
        let replayed = self.replay.as_ref().map(|replay| replay.trace().header());
        let header = Header {
            records: 0,
            users: traits.users,
            composed: presence == Presence::Lync || replayed.is_some_and(|of| of.composed),
            anonymised: replayed.is_some_and(|of| of.anonymised),
            seed: replayed.map_or(Some(traits.seed), |of| of.seed),
        };
        Some(recording.finish(output, header))
    }

    /// The largest document of the trace that is replayed.
    #[must_use]
    pub fn document_bytes_max(&self) -> u32 {
        self.replay.as_ref().map_or(0, |replay| replay.trace().summary().document_bytes_max)
    }

    /// How long the trace's point is measured after its warm-up of `warm_up_max` or a third, if a trace is replayed that
    /// says so.
    #[must_use]
    pub fn duration(&self, warm_up_max: Duration) -> Option<Duration> {
        let span = Duration::from_micros(self.replay.as_ref()?.span_us()?);
        Some(span - (span / 3).min(warm_up_max))
    }

    /// The users and the seed of the population whose trace is replayed, if they are known.
    #[must_use]
    pub fn drawn_with(&self) -> Option<(u32, u64)> {
        let header = self.replay.as_ref()?.trace().header();
        Some((header.users, header.seed?))
    }

    /// Whether each event is due when the one before it was sent.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        self.replay.as_ref().is_some_and(Replay::is_at_once)
    }
}

fn replay(path: &Path, flags: &Flags, stage: &Stage<'_>) -> Result<Replay, UsageError> {
    if stage.purpose != Purpose::Run {
        return Err(UsageError::NotForCapacity("--schedule trace:FILE"));
    }
    if flags.rate.is_some() {
        return Err(UsageError::Rate("--rate"));
    }
    #[allow(clippy::float_cmp, reason = "the default, as it stands in the flag's definition")]
    if flags.speedup != 1.0 {
        return Err(UsageError::Rate("--speedup"));
    }
    let speed = flags.speed.unwrap_or(Speed::RECORDED);
    if speed == Speed::Max && flags.duration.is_some() {
        return Err(UsageError::Duration);
    }
    let trace = Mapped::open(path)?;
    check(&trace, flags, stage)?;
    Ok(Replay::new(trace, speed))
}

fn check(trace: &Mapped, flags: &Flags, stage: &Stage<'_>) -> Result<(), UsageError> {
    let file = || trace.path().display().to_string();
    let (header, summary) = (trace.header(), trace.summary());
    if header.records == 0 {
        return Err(UsageError::Empty(file()));
    }
    if header.users > stage.traits.users {
        return Err(UsageError::Users { file: file(), found: header.users, users: stage.traits.users });
    }
    let model = || stage.model.to_owned();
    let highest = summary.publications.iter().rposition(|count| count.events != 0).unwrap_or(0);
    if highest >= stage.categories {
        return Err(UsageError::Category {
            file: file(),
            found: highest,
            categories: stage.categories,
            model: model(),
        });
    }
    let (idle, policies) = (summary.idle.events, summary.policies.events);
    let sessions = summary.sessions.iter().map(|count| count.events).sum::<u64>();
    if flags.target != TargetName::Embedded || idle + policies + sessions == 0 {
        return Ok(());
    }
    if stage.presence == Presence::Plain {
        return Err(UsageError::Composed { file: file(), idle, policies, sessions, model: model() });
    }
    if idle != 0 && stage.traits.kinds.iter().all(|kind| kind.endpoints <= 1.0) {
        let what = "it has publications of second endpoints";
        return Err(UsageError::Nobody { file: file(), what, way_out: "say --endpoints 1.9, or leave it out" });
    }
    if policies != 0 && stage.traits.kinds.iter().all(|kind| kind.watchers[0] <= 0.0) {
        let what = "it has edits of policies in favour of colleagues";
        return Err(UsageError::Nobody {
            file: file(),
            what,
            way_out: "take a model whose watchers are internal, too",
        });
    }
    Ok(())
}
