//! The verbs of `loadgen trace`: what they are asked, what they do, what they say.

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use thiserror::Error;

use super::anonymise::{self, Key, KeyError};
use super::draw;
use super::export::{self, ExportError};
use super::files::{self, Output};
use super::import::{self, How, ImportError};
use super::summary::Count;
use super::{BLOCK_RECORDS, Header, Summary, TraceError};
use crate::args::Flags;
use crate::host::Host;
use crate::report::screen;
use crate::settings::{Purpose, Settings, SettingsError};

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

Publications are replayed with documents of the recorded size, of 24 bytes at least. Where a user of the population cannot
do what the trace says (one endpoint only; no colleague), the next one who can does it.

At --speed max each event is due when the one before it on the same shard was sent. Nothing is late then, so latency from
plan is latency from send (from the first attempt, where the engine had no room), and shows nothing of what would have
waited: it is a stress, not a load.

Exit code: 0 done, 1 the trace or the CSV is wrong, or cannot be read or written, 2 the command line.";

const COLUMNS_HELP: &str = "\
The file begins with the line time_s,user,kind,category,bytes and has one event in each line after it:
  time_s    seconds since the begin of the trace, up to six digits after the point; never less than in the line before
  user      any text; users are numbered in the order in which they appear, and their names are not kept
  kind      publish, publish-idle (an endpoint that is not shown), or edit-policy (a contact shows the user another view)
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
    #[error("{}: {cause}", file.display())]
    Export {
        /// What is exported.
        file: PathBuf,
        /// Why not.
        cause: ExportError,
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
        TraceVerb::Info { file } => Ok(info(&file)?),
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
            let meaningless = [
                ("--json", flags.json.is_some()),
                ("--record", flags.record.is_some()),
                ("--schedule trace:FILE", flags.schedule.trace().is_some()),
                // Who is watched most is known when all have signed in.
                ("--schedule hot", flags.schedule.words().shape.hot_share.is_some()),
            ];
            if let Some((flag, _)) = meaningless.into_iter().find(|(_, is_said)| *is_said) {
                return Err(VerbError::Meaningless(flag));
            }
            let settings = Settings::resolve(Purpose::Run, *flags, Host::look(), String::new())?;
            Ok(written(&out, &draw::draw(&settings, &Output::open(&out)?)?))
        }
    }
}

fn export(file: &Path, out: Option<&Path>) -> Result<String, VerbError> {
    let reader = files::read(file)?;
    let exported = match out {
        Some(path) => {
            let output = Output::open(path)?;
            export::export(reader, output.empty()?)
        }
        None => export::export(reader, io::stdout().lock()),
    };
    match exported {
        // Whoever looks at the first lines only has seen enough.
        Err(ExportError::Csv(cause)) if is_closed(&cause) && out.is_none() => Ok(String::new()),
        Err(cause) => Err(VerbError::Export { file: out.unwrap_or(file).to_owned(), cause }),
        Ok(_) if out.is_none() => Ok(String::new()),
        Ok(events) => Ok(format!("{} events\n", screen::grouped(events))),
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
        screen::bytes(super::file_bytes(header.records) as f64)
    )
}

fn info(file: &Path) -> Result<String, TraceError> {
    let begin = Instant::now();
    let reader = files::read(file)?;
    let header = *reader.header();
    let summary = Summary::of(reader).map_err(|fault| TraceError::new(file, fault))?;
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = describe(&mut page, file, &header, &summary, begin.elapsed().as_secs_f64());
    Ok(page)
}

fn describe(
    page: &mut String,
    file: &Path,
    header: &Header,
    summary: &Summary,
    took_s: f64,
) -> Result<(), std::fmt::Error> {
    let name = file.display();
    writeln!(
        page,
        "File       {name}: format 1, {}, {} blocks, every checksum right (validated in {took_s:.2} s)",
        screen::bytes(super::file_bytes(header.records) as f64),
        screen::grouped(header.records.div_ceil(BLOCK_RECORDS as u64)),
    )?;
    writeln!(
        page,
        "Of         {} presence, users below {}, {}{}",
        if header.composed { "composed" } else { "plain" },
        screen::grouped(header.users.into()),
        header.seed.map_or_else(|| "no seed".to_owned(), |seed| format!("population drawn with --seed {seed}")),
        if header.anonymised { ", anonymised" } else { "" },
    )?;
    let span_s = summary.last_us as f64 / 1e6;
    writeln!(
        page,
        "Events     {} in {span_s:.6} s, {:.1} publications a second in the mean",
        screen::grouped(header.records),
        summary.rate_per_s(),
    )?;
    let categories = summary.publications.iter().enumerate();
    let kinds = categories.map(|(category, count)| (format!("publish, category {category}"), *count));
    let beside = [("publish-idle".to_owned(), summary.idle), ("edit-policy".to_owned(), summary.policies)];
    for (name, Count { events, bytes }) in kinds.chain(beside).filter(|(_, count)| count.events != 0) {
        let share = 100.0 * events as f64 / header.records as f64;
        let mean = if bytes == 0 {
            String::new()
        } else {
            format!(", documents of {} in the mean", screen::bytes(bytes as f64 / events as f64))
        };
        writeln!(page, "  {name:<22} {:>14}  {share:6.2} %{mean}", screen::grouped(events))?;
    }
    let seed = header.seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
    writeln!(page, "Replay     loadgen run --schedule trace:{name} --users {}{seed}", header.users.max(2))
}
