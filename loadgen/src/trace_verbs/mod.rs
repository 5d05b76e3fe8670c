//! The verbs of `loadgen trace`: what they are asked, what they do, what they say.

mod draw;
mod info;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use thiserror::Error;

use crate::args::Flags;
use crate::host::Host;
use crate::pace::WarmUp;
use crate::report::screen;
use crate::settings::workload::{USUAL, Workload};
use crate::settings::{SettingsError, blend};
use crate::trace::anonymise::{self, Key, KeyError};
use crate::trace::export::{self, ExportError};
use crate::trace::files::{self, Output};
use crate::trace::import::{self, How, ImportError};
use crate::trace::{Header, TraceError, file_bytes};

/// Taught at the end of `loadgen trace --help`.
pub const EXAMPLES: &str = "\
Examples:
  loadgen run --record run.trace                      what the publishers of a run did
  loadgen trace info run.trace                        whether it is whole, and what is in it
  loadgen run --schedule trace:run.trace              the same again
  loadgen run --schedule trace:run.trace --speed 10   ten times as fast
  loadgen run --schedule trace:run.trace --speed max --target null
                                                      what the rig makes of it without any engine
  loadgen trace import log.csv --out log.trace        what the users of another system did
  loadgen trace anonymise log.trace --out public.trace --key-file key
  loadgen trace export run.trace | head               as CSV
  loadgen trace draw --model plain --users 10000 --contacts 1 --rate 20000 --duration 500s --out ten-million.trace
                                                      what a run with these flags would publish

A trace holds who did what when: publications with their category and size, publications of endpoints that are not shown,
and edits of policies. It holds no documents. Users are numbers, and a run that replays a trace draws its population as
always (--model, --users, --contacts, --seed): there must be as many users as the trace has, and `info` tells what a
recorded one was drawn with. A trace of composed presence can be replayed on the null target, which passes over what is
not shown.

Publications are replayed with documents of the recorded size, of 24 bytes at least. Where presence is composed and a user
of the population cannot do what the trace says (one endpoint only; no colleague), the next one who can does it.

What is written takes the place of an older file when it is whole: until then, and if anything is wrong, that stays as it was.

At --speed max each event is due when the one before it on the same shard was sent. Nothing is late then, so latency from
plan is latency from send (from the first attempt, where the engine had no room), and shows nothing of what would have
waited: it is a stress, not a load.

Exit code: 0 done, 1 the trace or the CSV is wrong, or cannot be read or written, 2 the command line.";

const COLUMNS_HELP: &str = "\
The file begins with the line time_s,user,kind,category,bytes and has one event in each line after it:
  time_s    seconds since the begin of the trace, up to six digits after the point; never less than in the line before
  user      any text; users are numbered in the order in which they appear, and their names are not kept
  kind      publish, publish-idle (an endpoint that is not shown), edit-policy (a contact shows the user another view), or what
            sessions do: poll, short-subscription, group-expansion, refresh, registration
  category  of a publication, counted from 0; nothing for other kinds
  bytes     of a publication's document; nothing for other kinds
To change a trace: export it, edit the text, and import it again with --numbers.";

const ANONYMISE_HELP: &str = "\
Users get other numbers, by a permutation that nobody undoes without the key. The same key gives the same numbers to traces
of as many users. Not hidden: when something happened, how often and how regularly one user did something, which category,
and how large documents were; whoever knows that of somebody finds that user in the trace.
The key file holds 32 hexadecimal digits; `openssl rand -hex 16 > key` makes one.";

/// What can be done with a trace.
#[derive(Clone, Debug, Subcommand)]
pub enum TraceVerb {
    /// Validate all of a trace, and tell what is in it
    Info {
        /// The trace
        file: PathBuf,
    },
    /// Make a trace of a CSV file
    #[command(after_help = COLUMNS_HELP, after_long_help = COLUMNS_HELP)]
    Import(ImportArgs),
    /// Write a trace as CSV, with numbers for users
    Export {
        /// The trace
        file: PathBuf,
        /// The CSV [default: the standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Give the users of a trace other numbers, under a key
    #[command(after_help = ANONYMISE_HELP, after_long_help = ANONYMISE_HELP)]
    Anonymise {
        /// The trace
        file: PathBuf,
        /// The new trace
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A file with 32 hexadecimal digits
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
    },
    /// Write what a run with these flags would publish, without running it
    Draw {
        /// The trace
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The run's flags
        #[command(flatten)]
        flags: Box<Flags>,
    },
}

/// What `import` is asked.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The CSV
    file: PathBuf,
    /// The trace
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Users are numbers already, such as `export` writes, and keep them
    #[arg(long)]
    numbers: bool,
    /// Times count from the first event's, whatever that is (such as seconds since 1970)
    #[arg(long)]
    from_first: bool,
    /// Give users numbers under a key instead of in their order, as `anonymise` does
    #[arg(long, requires = "key_file")]
    anonymise: bool,
    /// A file with 32 hexadecimal digits
    #[arg(long, value_name = "FILE", requires = "anonymise")]
    key_file: Option<PathBuf>,
}

/// Why a verb was not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerbError {
    /// A trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// CSV.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// CSV that is written.
    #[error("{}: the CSV cannot be written: {cause}", file.display())]
    Csv {
        /// Where it was to go.
        file: PathBuf,
        /// Why not.
        cause: csv::Error,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The flags of `draw`.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A flag of a run that means nothing to `draw`.
    #[error("{0} means nothing to `trace draw`, which runs nothing")]
    Meaningless(&'static str),
}

impl VerbError {
    /// Whether the command line is at fault, and not a file.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Settings(_) | Self::Meaningless(_))
    }
}

/// Does it, and tells what there is to say.
///
/// # Errors
/// What was wrong.
pub fn run(verb: TraceVerb) -> Result<String, VerbError> {
    match verb {
        TraceVerb::Info { file } => Ok(info::info(&file)?),
        TraceVerb::Import(args) => {
            let key = args.key_file.as_deref().map(Key::read).transpose()?;
            let how = How { numbers: args.numbers, from_first: args.from_first, key };
            Ok(written(&args.out, &import::import(&args.file, &args.out, how)?))
        }
        TraceVerb::Export { file, out } => export(&file, out.as_deref()),
        TraceVerb::Anonymise { file, out, key_file } => {
            Ok(written(&out, &anonymise::anonymise(&file, &out, Key::read(&key_file)?)?))
        }
        TraceVerb::Draw { out, flags } => {
            if let Some(flag) = meaningless(&flags) {
                return Err(VerbError::Meaningless(flag));
            }
            let blend = blend(&flags).map_err(SettingsError::Blend)?;
            let workload = Workload::resolve(&flags, &blend, Host::look().cores, USUAL)?;
            Ok(written(&out, &draw::draw(&workload, &Output::open(&out)?)?))
        }
    }
}

/// A flag that says something of a run which is none.
fn meaningless(flags: &Flags) -> Option<&'static str> {
    let flags = [
        ("--json", flags.json.is_some()),
        ("--html", flags.html.is_some()),
        ("--hlog", flags.hlog.is_some()),
        ("--hgrm", flags.hgrm.is_some()),
        ("--csv", flags.csv.is_some()),
        ("--prometheus", flags.prometheus.is_some()),
        ("--record", flags.record.is_some()),
        ("--speed", flags.speed.is_some()),
        ("--pid", flags.pid.is_some()),
        ("--slo", flags.slo.is_some()),
        // What depends on latencies, where there are none.
        ("--warm-up steady", flags.warm_up == Some(WarmUp::Steady)),
        ("--until", flags.until.is_some()),
        ("--schedule trace:FILE", flags.schedule.trace().is_some()),
        // Who is watched most is known when all have signed in.
        ("--schedule hot", flags.schedule.words().shape.hot_share.is_some()),
    ];
    flags.into_iter().find_map(|(flag, is_said)| is_said.then_some(flag))
}

fn export(file: &Path, out: Option<&Path>) -> Result<String, VerbError> {
    let reader = files::read(file)?;
    let Some(out) = out else {
        return match export::export(reader, io::stdout().lock()) {
            Ok(_) => Ok(String::new()),
            // Whoever looks at the first lines only has seen enough.
            Err(ExportError::Csv(cause)) if is_closed(&cause) => Ok(String::new()),
            Err(cause) => Err(not_exported(cause, file, Path::new("the standard output"))),
        };
    };
    let output = Output::open(out)?;
    let events = export::export(reader, output.empty()?).map_err(|cause| not_exported(cause, file, out))?;
    output.keep()?;
    Ok(format!("{} events\n", screen::grouped(events)))
}

/// The file that is to blame, and why.
fn not_exported(cause: ExportError, from: &Path, to: &Path) -> VerbError {
    match cause {
        ExportError::Trace(fault) => TraceError::new(from, fault).into(),
        ExportError::Csv(cause) => VerbError::Csv { file: to.to_owned(), cause },
    }
}

fn is_closed(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(cause) if cause.kind() == ErrorKind::BrokenPipe)
}

fn written(file: &Path, header: &Header) -> String {
    format!(
        "{}: {} events of {} users, {}\n",
        file.display(),
        screen::grouped(header.records),
        screen::grouped(header.users.into()),
        screen::bytes(file_bytes(header.records) as f64)
    )
}
