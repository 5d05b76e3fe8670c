//! The main thread and the generators: one order at a time to all, one answer from each.
//!
//! There is one generator for each shard, on the shard's own core; the main thread only waits, shows progress and
//! merges. What they share is here, and none of it is touched once per note: orders come through a mutex that is taken
//! when a number has changed, and answers go back through a channel.

mod answers;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;

pub use answers::{Answer, Checked, SignIn};

use crate::live::{Glimpse, Recent, Window};
use crate::pace::{Moments, STEP_US};
use crate::point::PointOrder;
use crate::population::Population;
use crate::presence;
use crate::recorder::PublicationLog;
use crate::sample::Sample;
use crate::schedule::{Habit, Mix};
use crate::trace::reels::Reels;
use crate::trouble::TroublePlan;
use fanfare::Clock;

/// Publications under way for each shard, before a publisher has to wait.
pub const LOG_RING: usize = 1 << 16;

/// How often the main thread looks up while it waits: as often as a paced point shows something new.
const LOOK_UP: Duration = Duration::from_micros(STEP_US);

/// How long nothing at all may happen in a phase, and how many subscriptions more time is given for each second: the
/// engine counts what is still owed in one look at all of them.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const LOOKED_AT_PER_S: u64 = 2_000_000;

/// What generators are told to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// Have the engine take the memory for those who will sign in.
    Memory,
    /// Publish what each user says first.
    Build,
    /// Open the watchers, subscribe, and take in all first states.
    SignIn,
    /// Publish at a rate for some time, then wait until everybody was told of it.
    Point(PointOrder),
    /// Say how the point went, now that it is over on every shard.
    SumUp,
    /// Compare what everybody has seen with the truth.
    Check,
    /// Measure what the recorder costs.
    Calibrate,
}

/// Why a run could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CrewError {
    /// A generator gave up.
    #[error("shard {shard}: {reason}")]
    Failed {
        /// Whose.
        shard: usize,
        /// Why.
        reason: String,
    },
    /// A shard's thread ended.
    #[error("shard {shard} ended before its time")]
    Gone {
        /// Whose.
        shard: usize,
    },
    /// Nothing happened for a minute or more.
    #[error("nothing happened for {seconds} s in phase `{phase}`: {}", waiting(missing))]
    Silent {
        /// What it was doing.
        phase: &'static str,
        /// For how long.
        seconds: u64,
        /// Shards that have not answered.
        missing: Vec<usize>,
    },
}

fn waiting(missing: &[usize]) -> String {
    let shards: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!("no answer from shard {}", shards.join(", "))
}

/// What all cores share.
#[derive(Debug)]
pub struct Common {
    /// The run's clock.
    pub clock: Clock,
    /// What they have to do.
    pub plan: CrewPlan,
    /// What each kind of users does.
    pub habits: Vec<Habit>,
    /// Whether sessions do anything beside publishing.
    pub has_sessions: bool,
    /// Publications under way.
    pub log: Arc<PublicationLog>,
    /// The version that each user published last; written by the user's generator alone.
    pub versions: Box<[AtomicU32]>,
    /// Watchers of each user who is followed, on all shards, who are told of every publication; written at the end of the
    /// sign-in.
    pub inside: Box<[AtomicU32]>,
    /// The same for those who are told of wide ones only (see [`crate::presence::is_wide`]); none where presence is not
    /// composed.
    pub outside: Box<[AtomicU32]>,
    /// When the point under way is measured, where that depends on what is seen.
    pub moments: Moments,
    silence_max: Duration,
    lines: Box<[Line]>,
}

/// What passes between the main thread and one generator.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line {
    number: AtomicU64,
    order: Mutex<Option<Order>>,
    progress: AtomicU64,
    window: Window,
}

/// What generators have to do, and for whom.
#[derive(Debug)]
pub struct CrewPlan {
    /// Who there is.
    pub population: Population,
    /// Shards.
    pub shards: usize,
    /// Contacts in one subscribe call.
    pub batch: usize,
    /// What the users of each kind do.
    pub mixes: Vec<Mix>,
    /// Whether presence is composed of what endpoints publish, and policies say who sees what.
    pub composed: bool,
    /// Whose watchers are followed.
    pub sample: Sample,
    /// Who behaves badly, if anybody does.
    pub troubles: Option<TroublePlan>,
    /// Subscriptions that there will be.
    pub subscriptions: u64,
    /// What is replayed and recorded.
    pub reels: Reels,
    /// Set from outside when the run is to end early.
    pub cut: Arc<AtomicBool>,
}

impl Common {
    fn new(plan: CrewPlan) -> Self {
        let users = plan.population.users();
        let zeros = |count: u32| (0..count).map(|_| AtomicU32::new(0)).collect();
        Self {
            clock: Clock::start(),
            log: Arc::new(if plan.composed {
                let ring = presence::log_ring(LOG_RING, users as usize / plan.shards);
                PublicationLog::new(plan.shards, ring, users)
            } else {
                PublicationLog::new(plan.shards, LOG_RING, 0)
            }),
            versions: zeros(users),
            inside: zeros(users),
            outside: zeros(if plan.composed { users } else { 0 }),
            habits: Habit::of(&plan.population, &plan.mixes),
            // A trace may have what the model does not.
            has_sessions: plan.composed,
            moments: Moments::default(),
            silence_max: SILENCE_MAX + Duration::from_secs(plan.subscriptions / LOOKED_AT_PER_S),
            lines: (0..plan.shards).map(|_| Line::default()).collect(),
            plan,
        }
    }

    /// Watchers of a user on all shards who are told of a publication: all of them if it is wide.
    #[must_use]
    pub fn watchers(&self, user: u32, wide: bool) -> u32 {
        let outside = self.outside.get(user as usize).filter(|_| wide);
        self.inside[user as usize].load(Ordering::Relaxed) + outside.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Where a generator shows how its point goes.
    #[must_use]
    pub fn window(&self, shard: usize) -> &Window {
        &self.lines[shard].window
    }

    /// How the point goes, all generators together.
    #[must_use]
    pub fn glimpse(&self) -> Glimpse {
        self.lines.iter().map(|line| line.window.look()).fold(Glimpse::default(), Glimpse::and)
    }

    /// What each generator shows of the latest step.
    pub fn recent(&self) -> impl Iterator<Item = Recent> {
        self.lines.iter().map(|line| line.window.recent())
    }

    /// Whether the run is to end early.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.plan.cut.load(Ordering::Relaxed)
    }
}

/// A generator's end of the line.
#[derive(Debug)]
pub struct Seat {
    /// What all share.
    pub common: Arc<Common>,
    /// Which shard.
    pub shard: usize,
    taken: u64,
    answers: Sender<(usize, Answer)>,
}

impl Seat {
    /// A new order, if there is one. One relaxed read when there is not.
    pub fn order(&mut self) -> Option<Order> {
        let line = &self.common.lines[self.shard];
        let number = line.number.load(Ordering::Relaxed);
        if number == self.taken {
            return None;
        }
        self.taken = number;
        line.order.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends an order. Nobody may be listening any more, which is no harm.
    pub fn answer(&self, answer: Answer) {
        let _ = self.answers.send((self.shard, answer));
    }

    /// Shows how far an order is, in whatever the phase counts.
    pub fn show_progress(&self, done: u64) {
        self.common.lines[self.shard].progress.store(done, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.answer(Answer::Gone);
    }
}

/// The main thread's end of all lines.
#[derive(Debug)]
pub struct Crew {
    common: Arc<Common>,
    answers: Receiver<(usize, Answer)>,
}

impl Crew {
    /// The main thread's end, and a seat for each shard.
    #[must_use]
    pub fn assemble(plan: CrewPlan) -> (Self, Vec<Seat>) {
        let common = Arc::new(Common::new(plan));
        let (sender, answers) = channel();
        let seat = |shard| Seat { common: Arc::clone(&common), shard, taken: 0, answers: sender.clone() };
        let seats = (0..common.plan.shards).map(seat).collect();
        (Self { common, answers }, seats)
    }

    /// What all share.
    #[must_use]
    pub fn common(&self) -> &Common {
        &self.common
    }

    /// Gives an order to all and waits for all, showing the progress every now and then.
    ///
    /// # Errors
    /// A generator that fails, ends, or falls silent.
    pub fn ask(
        &self,
        phase: &'static str,
        order: impl Fn(usize) -> Order,
        mut show: impl FnMut(u64),
    ) -> Result<Vec<Answer>, CrewError> {
        for (shard, line) in self.common.lines.iter().enumerate() {
            line.progress.store(0, Ordering::Relaxed);
            *line.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order(shard));
            line.number.fetch_add(1, Ordering::Release);
        }
        let mut answers: Vec<Option<Answer>> = (0..self.common.plan.shards).map(|_| None).collect();
        let (mut last, mut silent) = (0, Duration::ZERO);
        while answers.iter().any(Option::is_none) {
            match self.answers.recv_timeout(LOOK_UP) {
                Ok((shard, Answer::Failed(reason))) => return Err(CrewError::Failed { shard, reason }),
                Ok((shard, Answer::Gone)) => return Err(CrewError::Gone { shard }),
                Ok((shard, answer)) => answers[shard] = Some(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(CrewError::Gone { shard: 0 }),
                Err(RecvTimeoutError::Timeout) => {
                    let done = self.common.lines.iter().map(|line| line.progress.load(Ordering::Relaxed)).sum();
                    show(done);
                    silent = if done == last { silent + LOOK_UP } else { Duration::ZERO };
                    last = done;
                    if silent >= self.common.silence_max {
                        let seconds = silent.as_secs();
                        let missing = (0..answers.len()).filter(|&shard| answers[shard].is_none()).collect();
                        return Err(CrewError::Silent { phase, seconds, missing });
                    }
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }
}
