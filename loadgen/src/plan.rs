//! The phases of a run, in their order: memory, build, sign-in storm, points (warm-up and measure), drain and check.
//!
//! Runs on the main thread, which waits for the generators and merges what they say. The engine is built and signed in
//! once, and every point of a search uses it.

mod drawing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fanfare_tuning::users::Presence;
use thiserror::Error;

pub use drawing::Occasion;

use crate::capacity;
use crate::crew::{Answer, Checked, Crew, CrewError, CrewPlan, Order, SignIn};
use crate::host::Around;
use crate::pace::Pacing;
use crate::point::undisturbed::away_us_allowed;
use crate::point::{PointOrder, PointResult};
use crate::population::{Population, Totals};
use crate::progress::Progress;
use crate::recorder::calibrate::RecorderCost;
use crate::report::{Findings, Phase};
use crate::sample::Sample;
use crate::settings::{Purpose, Settings};
use crate::sign_in::Division;
use crate::slo::Slo;
use crate::targets::{self, Sizes, Target, TargetError, TargetName};
use crate::trace::TraceError;
use crate::trace::recording::{Recorded, Recording};
use crate::trace::replay::Replay;
use crate::trouble::TroublePlan;

/// The phase of the sign-in storm.
const SIGN_IN: &str = "sign-in";

/// Why a run broke off.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A generator.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// The target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Somebody ended it before anything was measured.
    #[error("ended before anything was measured")]
    Cut,
    /// The trace that was replayed.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

/// Runs everything. Set `interrupted` to end early.
///
/// # Errors
/// A target that does not start, or a generator that breaks off. A run that merely went badly is no error: the
/// findings say so.
pub fn run(settings: &Settings, interrupted: &Arc<AtomicBool>) -> Result<Findings, RunError> {
    let mut session = Session::start(settings, interrupted)?;
    let measured = session.measure();
    session.progress.end();
    let Session { target, .. } = session;
    let stopped = target.stop();
    let findings = measured?;
    stopped?;
    Ok(findings)
}

/// A run under way.
pub struct Session<'a> {
    settings: &'a Settings,
    interrupted: &'a AtomicBool,
    crew: Crew,
    target: Box<dyn Target>,
    totals: Totals,
    progress: Progress,
    phases: Vec<Phase>,
    points: u64,
    /// Who has the most watchers; known after the sign-in.
    hot_user: u32,
    recording: Option<Recording>,
}

impl<'a> Session<'a> {
    fn start(settings: &'a Settings, interrupted: &'a Arc<AtomicBool>) -> Result<Self, RunError> {
        let population = Population::new(settings.traits.clone());
        let totals = population.totals();
        let users = settings.traits.users;
        let composed = settings.presence == Presence::Lync;
        let sizes = Sizes {
            subscriptions: totals.subscriptions,
            watchers: totals.watchers,
            document_bytes_max: settings.traits.document_bytes_max().max(settings.traces.document_bytes_max()),
            document_bytes: (totals.document_bytes / u64::from(users)) as u32,
            users,
            seed: settings.traits.seed,
            composed,
            outside_share: 1.0 - settings.traits.mean(|kind| kind.watchers[0]),
            runtime: settings.runtime,
            spin: settings.spin,
        };
        let troubles = (!settings.troubles.is_none()).then_some(TroublePlan {
            troubles: settings.troubles,
            measured: settings.duration,
            seed: settings.traits.seed,
        });
        let sample = Sample::of_run(totals.subscriptions, settings.followed_max, settings.traits.seed);
        let (recording, reels) = settings.traces.begin(settings.shards)?;
        let (crew, seats) = Crew::assemble(CrewPlan {
            sample,
            troubles,
            subscriptions: totals.subscriptions,
            population,
            shards: settings.shards,
            batch: settings.blend.sign_in_batch() as usize,
            mixes: settings.mixes.clone(),
            composed,
            reels,
            cut: Arc::clone(interrupted),
        });
        let target = match settings.target {
            TargetName::Embedded => targets::start_embedded(seats, &sizes)?,
            TargetName::Null => targets::start_null(seats, &sizes, None)?,
            TargetName::Double(behaviour) => targets::start_null(seats, &sizes, Some(behaviour))?,
        };
        let progress = Progress::new();
        let (phases, points, hot_user) = (Vec::new(), 0, 0);
        Ok(Self { settings, interrupted, crew, target, totals, progress, phases, points, hot_user, recording })
    }

    fn measure(&mut self) -> Result<Findings, RunError> {
        self.take_memory()?;
        self.build()?;
        let sign_in = self.sign_in()?;
        self.hot_user = self.most_watched();
        let mut searches = Vec::new();
        let mut point = None;
        if !sign_in.cut {
            match self.settings.purpose {
                Purpose::Run => {
                    let rate = self.settings.rate_per_s;
                    point = Some(self.point("measure", rate, self.settings.duration, None)?);
                    self.settings.traces.replay.as_ref().map_or(Ok(()), Replay::verify)?;
                }
                Purpose::Capacity => {
                    searches = capacity::search(self)?;
                    point = capacity::reported(&searches).and_then(|search| search.best.clone());
                }
            }
        }
        let recorded = self.end_recording();
        let checked = self.check()?;
        let recorder = self.calibrate()?;
        let storm = self.divide_sign_in(&sign_in, &recorder);
        let sample = self.crew.common().plan.sample;
        let (runtime, runtime_why) = self.target.runtime();
        Ok(Findings {
            totals: self.totals,
            sign_in,
            point,
            searches,
            checked,
            sample,
            checked_presentities: sample.count(self.settings.traits.users),
            storm,
            recorder,
            phases: std::mem::take(&mut self.phases),
            runtime,
            runtime_why,
            recorded,
            presentities_watched: self.presentities_watched(),
            cut: self.is_cut(),
        })
    }

    /// What the run is to be.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.settings
    }

    /// Whether somebody wants it to end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn take_memory(&mut self) -> Result<(), RunError> {
        let answers = self.phase("memory", 0, "bytes", |_| Order::Memory)?;
        let bytes: u64 = answers.iter().map(|answer| if let Answer::Memory(bytes) = answer { *bytes } else { 0 }).sum();
        if bytes == 0 {
            // There is no engine that could.
            self.phases.pop();
        } else {
            self.note(&[("memory_bytes", bytes as f64)]);
        }
        Ok(())
    }

    fn build(&mut self) -> Result<(), RunError> {
        let users = u64::from(self.settings.traits.users);
        let answers = self.phase("build", users, "documents", |_| Order::Build)?;
        let documents: u64 =
            answers.iter().map(|answer| if let Answer::Built(count) = answer { *count } else { 0 }).sum();
        let bytes = self.totals.document_bytes as f64;
        self.note(&[("documents", documents as f64), ("document_bytes", bytes)]);
        Ok(())
    }

    fn sign_in(&mut self) -> Result<SignIn, RunError> {
        let subscriptions = self.totals.subscriptions;
        let before = self.target.loop_times();
        let answers = self.phase(SIGN_IN, subscriptions, "subscriptions", |_| Order::SignIn)?;
        let mut sum = SignIn::default();
        answers.iter().for_each(|answer| {
            if let Answer::SignedIn(part) = answer {
                sum.add(part)
            }
        });
        sum.asleep_ns = self.target.loop_times().since(&before).park_ns;
        let seconds = self.phases.last().map_or(0.0, |phase| phase.seconds);
        let shards = self.settings.shards as f64;
        let subscriptions = sum.subscriptions as f64;
        // What the generators' own work took is taken off the whole, shared among the shards.
        let engine_s = (seconds - sum.generator_ns as f64 / 1e9 / shards).max(1e-9);
        self.note(&[
            ("watchers", sum.watchers as f64),
            ("subscriptions", subscriptions),
            ("subscriptions_per_s", subscriptions / seconds),
            ("subscriptions_per_s_engine", subscriptions / engine_s),
            ("draw_ns_per_subscription", sum.generator_ns as f64 / subscriptions.max(1.0)),
            ("subscribe_ns_per_subscription", sum.engine_ns as f64 / subscriptions.max(1.0)),
        ]);
        Ok(sum)
    }

    /// Divides the sign-in's time, now that the recorder's cost is known.
    fn divide_sign_in(&mut self, sign_in: &SignIn, cost: &RecorderCost) -> Division {
        let Some(phase) = self.phases.iter_mut().find(|phase| phase.name == SIGN_IN) else {
            return Division::default();
        };
        let division = Division::of(sign_in, phase.seconds, self.settings.shards, cost);
        phase.figures.extend(division.figures().map(|(name, figure)| (name.to_owned(), figure)));
        division
    }

    /// One point of a measurement.
    ///
    /// # Errors
    /// A generator that breaks off.
    pub fn point(
        &mut self,
        name: &str,
        rate_per_s: f64,
        measure: Duration,
        give_up_lag: Option<Duration>,
    ) -> Result<PointResult, RunError> {
        let clock = self.crew.common().clock;
        let is_at_once = self.settings.traces.is_at_once();
        let pace = self.settings.pace;
        let warm_up = if is_at_once { Duration::ZERO } else { pace.warm_up.longest(measure) };
        // A moment later than now, so that all shards begin together.
        let from_us = clock.now().as_micros() + 2_000;
        self.points += 1;
        let measured = (!is_at_once).then_some(measure);
        let (number, hot_user) = (self.points, self.hot_user);
        let occasion = Occasion { number, rate_per_s, hot_user, from_us, warm_up, measure: measured };
        let drawing = occasion.drawing(self.settings.traits.seed, self.settings.shape);
        let is_paced = pace.is_open();
        let order = PointOrder { drawing, give_up_lag_us: give_up_lag.map(|lag| lag.as_micros() as u64), is_paced };
        let mut pacing = is_paced.then(|| Pacing::of(&pace, &drawing));
        let before = self.target.loop_times();
        let around = Around::look(self.settings.pid);
        let begin = Instant::now();
        let label = format!("{name} {}/s", crate::report::screen::grouped(rate_per_s.round() as u64));
        // How long it takes is not known of a trace at once, nor where it depends on what is seen.
        let planned = if is_at_once || is_paced { Duration::ZERO } else { warm_up + measure };
        self.progress.begin(&label, planned.as_millis() as u64, "ms");
        let (progress, common) = (&mut self.progress, self.crew.common());
        common.moments.forget();
        let show = |_| {
            if let Some(pacing) = &mut pacing {
                pacing.look(clock.now().as_micros(), common.recent(), &common.moments);
            }
            progress.glimpse(common.glimpse());
            progress.show(begin.elapsed().as_millis() as u64);
        };
        self.crew.ask("measure", |_| Order::Point(order), show)?;
        let answers = self.crew.ask("sum up", |_| Order::SumUp, |_| {})?;
        let loops = self.target.loop_times().since(&before);
        let parts: Vec<_> = answers
            .into_iter()
            .filter_map(|it| if let Answer::Point(part) = it { Some(*part) } else { None })
            .collect();
        let drawing = self.crew.common().moments.of(&drawing);
        let warm_up = Duration::from_micros(drawing.measure_from_us - drawing.from_us);
        let mut result = PointResult::of(&drawing, &parts, loops, around.until_now());
        result.paced = pacing.map(Pacing::end);
        result.leave_out_disturbed(away_us_allowed(self.settings.slo.as_ref().and_then(Slo::strictest)));
        let since_us = clock.now().as_micros().saturating_sub(drawing.measure_from_us);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        result.distributions.began = now.saturating_sub(Duration::from_micros(since_us));
        if is_at_once {
            // Nothing was asked for but all of it.
            result.rate_per_s = result.sent_per_s;
        }
        self.phases.push(Phase::new(name, begin.elapsed().as_secs_f64()));
        self.note(&[
            ("rate_per_s", result.rate_per_s),
            ("warm_up_s", warm_up.as_secs_f64()),
            ("sent_per_s", result.sent_per_s),
            ("notified_per_s", result.notified_per_s),
            ("last_p99_us", result.latency[2].p99 as f64),
            ("skipped_share", result.skipped_share()),
            ("busy_share", result.busy_share()),
            ("preempted_share", result.preempted_share()),
        ]);
        Ok(result)
    }

    /// Makes a trace of what was recorded, if anything was. A recording that failed is a finding: what was measured is
    /// measured all the same.
    fn end_recording(&mut self) -> Option<Result<Recorded, TraceError>> {
        let recording = self.recording.take()?;
        let begin = Instant::now();
        let recorded = self.settings.traces.end(recording, &self.settings.traits, self.settings.presence)?;
        self.phases.push(Phase::new("record", begin.elapsed().as_secs_f64()));
        if let Ok(Recorded { events, bytes, waits }) = recorded {
            self.note(&[("events", events as f64), ("bytes", bytes as f64), ("waits", waits as f64)]);
        }
        Some(recorded)
    }

    fn check(&mut self) -> Result<Checked, RunError> {
        let answers = self.phase("drain and check", self.totals.subscriptions, "subscriptions", |_| Order::Check)?;
        let mut sum = Checked::default();
        for answer in answers {
            if let Answer::Checked(part) = answer {
                sum.add(&part);
            }
        }
        self.note(&[("compared", sum.compared as f64), ("lost", sum.lost as f64)]);
        Ok(sum)
    }

    fn calibrate(&mut self) -> Result<RecorderCost, RunError> {
        let answers = self.phase("calibrate recorder", 0, "", |_| Order::Calibrate)?;
        let costs = answers.iter().filter_map(|it| if let Answer::Calibrated(cost) = it { Some(cost) } else { None });
        let cost = RecorderCost::mean(costs.copied());
        self.note(&[("note_ns", cost.note_ns), ("first_ns", cost.first_ns), ("reading_ns", cost.reading_ns)]);
        Ok(cost)
    }

    fn phase(
        &mut self,
        name: &'static str,
        total: u64,
        unit: &str,
        order: impl Fn(usize) -> Order,
    ) -> Result<Vec<Answer>, RunError> {
        self.progress.begin(name, total, unit);
        let begin = Instant::now();
        let progress = &mut self.progress;
        let answers = self.crew.ask(name, order, |done| progress.show(done))?;
        self.phases.push(Phase::new(name, begin.elapsed().as_secs_f64()));
        Ok(answers)
    }

    /// Adds figures to the last phase.
    fn note(&mut self, figures: &[(&'static str, f64)]) {
        if let Some(phase) = self.phases.last_mut() {
            phase.figures.extend(figures.iter().map(|&(name, figure)| (name.to_owned(), figure)));
        }
    }

    /// The user with the most watchers: what is hot is hot for many.
    fn most_watched(&self) -> u32 {
        let common = self.crew.common();
        (0..common.plan.population.users()).max_by_key(|&user| common.watchers(user, true)).unwrap_or(0)
    }

    fn presentities_watched(&self) -> u64 {
        let common = self.crew.common();
        (0..common.plan.population.users()).filter(|&user| common.watchers(user, true) != 0).count() as u64
    }
}
