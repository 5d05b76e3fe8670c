//! The command line. Everything a person can ask for, with what it means and what it is when it is not said.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::asked::Asked;
use crate::capacity::{SEARCHES_MAX, Vary};
use crate::compare::args::{self as compare, CompareArgs};
use crate::history::args::{self as history, HistoryArgs};
use crate::manual::{self, CompletionsArgs, ManArgs};
use crate::pace::WarmUp;
use crate::population::USERS_MAX;
use crate::quantities;
use crate::schedule::{ScheduleWords, ShapeError};
use crate::slo::Slo;
use crate::targets::{RuntimeName, TargetName};
use crate::trace::replay::Speed;
use crate::trace_verbs::{self, TraceVerb};

const EXAMPLES: &str = "\
Examples:
  loadgen                                   how much of a Lync pool's presence this machine carries, in under 2 minutes
  loadgen --json result.json                the same, and for machines too
  loadgen report old.json new.json          a page with plots of both, one over the other; works from a file
  loadgen run --duration 30s                one pool at its own rate: 89 publications, 1,333 polls a second and the rest of the model
  loadgen run --rate 9000 --slo 5ms         a hundred times the publications; FAIL if the 99th percentile of `last` is over 5 ms
  loadgen run --model plain --users 1000000 --shards 1 --document 32
                                            what a subscription weighs: 80 million of them on one core
  loadgen run --model plain --users 12500000 --contacts 80 --endpoints 1 --shards 1 --document 32
                                            a billion of them, where 22 GiB of memory are free
  loadgen run --runtime glommio             the shards on glommio's executors instead of plain threads
  loadgen run --target null --rate 90000    what the generator and the recorder cost without any engine
  loadgen run --record run.trace            what the publishers did, to be done again: `loadgen trace --help`
  loadgen run --schedule trace:run.trace --speed 10
                                            the same again, ten times as fast
  loadgen --mix lync-2013:0.8,mobile:0.2    four in five users at a desk, the others with a telephone only
  loadgen --model my-company.toml           a user model of your own; start from tuning/users/lync-2013.toml
  loadgen compare commit:main commit:HEAD   is it faster? See `loadgen compare --help`
  loadgen history results/                  how saved results went; see `loadgen history --help`

Latency of a publication is counted from the moment it was planned, for each watcher, to the moment the watcher was
told it or anything newer. `first`, `median` and `last` are over all watchers of that publication. The same is told from the
moment it was sent: what a publication waited because the generator or a stalled target kept it from being sent counts
from plan and not from send. Tools that count from send leave it out (coordinated omission); believe the one from plan.

With lync-2013 presence is composed of what endpoints publish, and containers say who sees what: colleagues everything,
federated users and those of public clouds a number and the contact card. Publications of endpoints that are not shown
and edits of policies come on top of the rate; the report tells the traffic by kind. What sessions do beside (polls, short
subscriptions, groups expanded, refreshes, registrations) comes at the model's own rate times --speedup, whatever --rate is: the
report says how much was planned, done and expected. With plain nothing is composed, and sessions only watch.

Up to 100 million subscriptions each is followed: order, latency and the check at the end are of all of them. Above that
they are of a 64th of the presentities, drawn from the seed, and the report says of how many; the books (owed and not
filtered = delivered + skipped + cancelled + pending), the memory and whether each document told is true are of everybody still. A run that
would not fit the memory is refused before it begins, with the users that would.

Exit code: 0 PASS, 1 FAIL, 2 the command line, the model or the machine does not allow the run.";

/// Measures how much presence an engine carries, and how fast.
#[derive(Clone, Debug, Parser)]
#[command(name = "loadgen", version, after_long_help = EXAMPLES, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `capacity` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Verb>,
    /// How.
    #[command(flatten)]
    pub flags: Flags,
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Publish at one rate for some time, and tell how it went
    #[command(after_long_help = EXAMPLES)]
    Run(Flags),
    /// Search for the highest rate, or the most users, that keep the latency target (the default)
    #[command(after_long_help = EXAMPLES)]
    Capacity(Flags),
    /// Traces of what users did: look at them, make them, change them
    #[command(subcommand, after_help = trace_verbs::EXAMPLES, after_long_help = trace_verbs::EXAMPLES)]
    Trace(TraceVerb),
    /// Make a page with plots from saved results (`--json`), several of them laid one over the other
    #[command(after_long_help = REPORT_EXAMPLES, after_help = REPORT_EXAMPLES)]
    Report(ReportFlags),
    /// Print the JSON Schema of `--json`
    #[command(after_long_help = SCHEMA_EXAMPLES, after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Run two in turns, or read saved results of both, and say which is faster
    #[command(after_long_help = compare::EXAMPLES, after_help = compare::EXAMPLES)]
    Compare(CompareArgs),
    /// Show how saved results went over time, and where they changed
    #[command(after_long_help = history::EXAMPLES, after_help = history::EXAMPLES)]
    History(HistoryArgs),
    /// Print completions for a shell
    #[command(after_long_help = manual::COMPLETIONS, after_help = manual::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all verbs
    #[command(after_long_help = manual::PAGES, after_help = manual::PAGES)]
    Man(ManArgs),
}

const REPORT_EXAMPLES: &str = "\
Examples:
  loadgen report monday.json                        the page of one result, as fanfare-report.html
  loadgen report old.json new.json --out both.html  both in one page, each with its own line style

The page is one file without script or network; open it in any browser.";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  loadgen schema > report.schema.json               what a validator needs to check a result";

/// What `--html` is given to have no page.
pub const NO_PAGE: &str = "none";

/// Which results are to be shown, and where.
#[derive(Args, Clone, Debug)]
pub struct ReportFlags {
    /// Results that were written with `--json`
    #[arg(value_name = "FILE", required = true, num_args = 1..=crate::report::page::SUBJECTS_MAX)]
    pub files: Vec<PathBuf>,

    /// Where the page goes
    #[arg(long, value_name = "FILE", default_value = "fanfare-report.html")]
    pub out: PathBuf,
}

/// How a run is to be.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    // First: what is read of the command line is taken out of it.
    /// What was said of all this.
    #[command(flatten)]
    pub asked: Asked,

    /// The user model: lync-2013, mobile, plain, or the path of a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "lync-2013")]
    pub model: String,

    /// Several models in one population, each with its share of the users, such as lync-2013:0.8,mobile:0.2
    #[arg(long, value_name = "MODEL:SHARE,…", conflicts_with = "model")]
    pub mix: Option<String>,

    /// Users signed in [default: the model's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=i64::from(USERS_MAX)))]
    pub users: Option<u32>,

    /// Contacts of a user in the mean [default: the model's]
    #[arg(long, value_name = "MEAN", value_parser = quantities::number::<1, 65_536>)]
    pub contacts: Option<f64>,

    /// Endpoints of a user in the mean; each is a watcher [default: the model's]
    #[arg(long, value_name = "MEAN", value_parser = quantities::number::<1, 64>)]
    pub endpoints: Option<f64>,

    /// The share of contacts that are watched here [default: the model's baseline, 1; Microsoft's text says 0.5]
    #[arg(long, value_name = "SHARE", value_parser = quantities::share)]
    pub internal_share: Option<f64>,

    /// Bytes of every document, 24 at least [default: as the model spreads them]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(24..=1_048_576))]
    pub document: Option<u32>,

    /// Publications a second for `run` [default: the model's own for so many users]
    #[arg(long, value_name = "PER_SECOND", value_parser = quantities::rate)]
    pub rate: Option<f64>,

    /// How much faster than the model's users publish, and their sessions do what they do
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = quantities::rate)]
    pub speedup: f64,

    /// How the rate changes and how arrivals scatter: poisson or constant; ramp:FROM..TO, step:COUNT or diurnal:NIGHT, in
    /// shares of the rate, which is the highest; hot:SHARE gives the most watched presentity that share of all;
    /// sign-in-storm:SHARE/TIME and reconnect-storm:SHARE/TIME have that share of the watchers come within that time,
    /// which begins after a quarter of the measurement and has to be over at its end;
    /// or trace:FILE alone, for what users did before (see `loadgen trace --help`)
    #[arg(long, value_name = "WORD,…|trace:FILE", default_value = "poisson")]
    pub schedule: ScheduleArg,

    /// The share of watchers that take one note a second; nobody waits for them
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = quantities::share)]
    pub slow: f64,

    /// The share of watchers that read nothing until the measurement is over
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = quantities::share)]
    pub stop: f64,

    /// The share of watchers that lose their connection each minute, and come back a second later
    #[arg(long, value_name = "SHARE/min", default_value = "0%/min", value_parser = quantities::share_per_min)]
    pub drop: f64,

    /// How fast a trace is replayed: a factor, or max [default: 1]
    #[arg(long, value_name = "FACTOR|max")]
    pub speed: Option<Speed>,

    /// Record what the publishers did as a trace (`run` only)
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// How long to measure, such as 500ms, 30s or 5m [default: 10s, 4s for the long points of `capacity`, and all of a
    /// trace, of which less can be replayed and not more]
    #[arg(long, value_parser = quantities::time)]
    pub duration: Option<Duration>,

    /// How long to publish before it is measured: a time, or `steady` for until latency rises and falls no more and its mean is
    /// known to 10 %, which takes 8 s at least and is given up after a minute (`run` only) [default: 500ms, or half of the
    /// measurement if that is less]
    #[arg(long, value_name = "TIME|steady")]
    pub warm_up: Option<WarmUp>,

    /// Measure until the mean latency of the last watcher is known to this share of it either way, such as 5%, with 95 %
    /// confidence; --duration is then the most (`run` only)
    #[arg(long, value_name = "SHARE", value_parser = quantities::precision)]
    pub until: Option<f64>,

    /// Shards, each on a core of its own [default: one for each CPU]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: Option<u16>,

    /// What turns the shards of the embedded engine
    #[arg(long, value_enum, default_value_t = RuntimeName::Auto)]
    pub runtime: RuntimeName,

    /// How long a shard of the embedded engine with nothing to do keeps looking before it sleeps, from 0 to 1s: longer takes
    /// more CPU, and a core that is not given up does not come back late from others on the machine
    /// [default: the engine's own, 50us; nothing where a control group grants too few CPUs]
    #[arg(long, value_name = "TIME", value_parser = quantities::spin)]
    pub spin: Option<Duration>,

    /// Everything random is drawn from it
    #[arg(long, default_value = "1")]
    pub seed: u64,

    /// The latency target, such as last.p99<10ms or last.p99<10ms,first.p50<1ms; a time alone is that of last.p99
    /// [default: 10ms for `capacity`; none for `run`]
    #[arg(long, value_name = "TERM,…|TIME")]
    pub slo: Option<Slo>,

    /// What a search varies: the rate of publications of these users, or the users, each publishing at the model's rate
    #[arg(long, value_enum, default_value_t = Vary::Rate)]
    pub vary: Vary,

    /// Search so often for `capacity`, a point of each in turn, and tell how far they agree; each takes two minutes or three, and
    /// what the median one found is reported, of two the smaller
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(SEARCHES_MAX)))]
    pub searches: u32,

    /// Judge the points of `capacity` by all of their time, and not only by that in which every shard had its core: what this
    /// machine carries beside whoever shares it, and not what the target can do
    #[arg(long)]
    pub count_disturbed: bool,

    /// The most that may be skipped, as a share of what is told
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = quantities::share)]
    pub skip_max: f64,

    /// Write the report as JSON, too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the report as a page with plots, too; `none` for none [default: none for `run`, fanfare-report.html for `capacity`]
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Write an interval log of HdrHistogram, with the tags first, median and last; microseconds from plan
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,

    /// Write the percentile distribution of the last watcher as HdrHistogram's plotter reads it; microseconds from plan
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,

    /// Write quantiles and series as a table, a figure a row
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// Write the figures as metrics, for Prometheus' text file collectors
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,

    /// The process whose CPU and memory are reported beside, such as a server's [default: this one]
    #[arg(long)]
    pub pid: Option<i32>,

    /// What is measured: embedded (the engine, inside this process), null (no engine but a plain loop, which shows what
    /// the rig itself costs) or double:PART,… (that loop with faults and limits that are known beforehand:
    /// service=20us, stall=500ms/5s, bucket=20000/s, burst=64), by which the rig itself is measured
    #[arg(long, default_value = "embedded", value_name = "NAME[:…]")]
    pub target: TargetName,
}

/// When publications are due.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleArg {
    /// As it is drawn.
    Words(ScheduleWords),
    /// As it was, by this file.
    Trace(PathBuf),
}

impl ScheduleArg {
    /// What is drawn; the usual where a trace is replayed.
    #[must_use]
    pub fn words(&self) -> ScheduleWords {
        if let Self::Words(words) = self { *words } else { ScheduleWords::default() }
    }

    /// The file that is replayed.
    #[must_use]
    pub fn trace(&self) -> Option<&Path> {
        if let Self::Trace(path) = self { Some(path) } else { None }
    }
}

impl FromStr for ScheduleArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("trace:") {
            Some("") => Err("trace: needs the file, such as trace:day.trace".to_owned()),
            Some(path) => Ok(Self::Trace(path.into())),
            None => text.parse().map(Self::Words).map_err(|error: ShapeError| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_go_with_and_without_a_verb() {
        let plain = Cli::try_parse_from(["loadgen", "--users", "200"]).unwrap();
        assert!(plain.command.is_none());
        assert_eq!(plain.flags.users, Some(200));
        let run = Cli::try_parse_from(["loadgen", "run", "--slo", "5ms"]).unwrap();
        let Some(Verb::Run(flags)) = run.command else { panic!("a run") };
        assert_eq!(flags.slo, Some(Slo::last_p99_below(Duration::from_millis(5))));
    }
}
