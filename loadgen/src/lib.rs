//! Measures how much presence an engine carries, and how fast.
//!
//! | Module | What it owns |
//! |---|---|
//! | [`args`] | the command line |
//! | [`asked`] | what was said on it, word by word |
//! | [`settings`] | what a run is to be, checked against model and machine before anything is built |
//! | [`plan`] | the phases: memory, build, sign-in storm, warm-up and measure, drain, check |
//! | [`capacity`] | the search for the highest rate |
//! | [`slo`] | the latency target, as a person writes it |
//! | [`verdict`] | PASS or FAIL, why, and what the limit was |
//! | [`population`] | who there is, drawn from a seed |
//! | [`presence`] | what a composed model's presence means, and how a status tells its version |
//! | [`schedule`] | when publications are due |
//! | [`arrivals`] | where a publisher's arrivals come from |
//! | [`trace`] | what users did, in a file: recorded, replayed, made from CSV |
//! | [`trace_verbs`] | the verbs of `loadgen trace` |
//! | [`series`] | the measured time in intervals |
//! | [`publisher`] | the open loop |
//! | [`point`] | one rate for some time |
//! | [`pace`] | when its measurement begins and ends, where that depends on what is seen |
//! | [`payload`] | what documents say, and whether they are true |
//! | [`sample`] | whose watchers are followed, where there are too many for all |
//! | [`memory`] | what a run takes of it, reckoned before anything is built |
//! | [`recorder`] | order, truth and latency of every note |
//! | [`sessions`] | what sessions do beside publishing: polls, short subscriptions, groups expanded, refreshes, registrations |
//! | [`sign_in`] | where the time of the sign-in storm went |
//! | [`traffic`] | what went in and out, by kind |
//! | [`trouble`] | watchers that behave badly |
//! | [`rig`] | the machine's own hiccups |
//! | [`crew`] | orders and answers between the main thread and the generators |
//! | [`targets`] | the engine in this process, and the null target |
//! | [`report`] | what a person reads, and what a machine reads |
//! | [`compare`] | which of two is faster |
//! | [`history`] | how saved results went |
//! | [`statistics`] | what figures say, and how sure that is |
//! | [`manual`] | manual pages and shell completions |
//! | [`outputs`] | the files that a run leaves |
//! | [`host`], [`progress`], [`live`], [`quantities`] | the machine, the bars, what stands beside them, quantities as a person writes them |
//!
//! Cores: one generator for each shard, on the shard's own core; the main thread waits.

// One module maps files, and says why: `trace::map`.
#![deny(unsafe_code)]

pub mod args;
pub mod arrivals;
pub mod asked;
pub mod capacity;
pub mod compare;
pub mod crew;
pub mod history;
pub mod host;
pub mod live;
pub mod manual;
pub mod memory;
pub mod outputs;
pub mod pace;
pub mod payload;
pub mod plan;
pub mod point;
pub mod population;
pub mod presence;
pub mod progress;
pub mod publisher;
pub mod quantities;
pub mod recorder;
pub mod report;
pub mod rig;
pub mod sample;
pub mod schedule;
pub mod series;
pub mod sessions;
pub mod settings;
pub mod sign_in;
pub mod slo;
pub mod statistics;
pub mod targets;
pub mod trace;
pub mod trace_verbs;
pub mod traffic;
pub mod trouble;
pub mod verdict;
