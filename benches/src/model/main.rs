//! The cost model as a program: reads constants, prints what it says of 2, 8, 16 and 64 cores.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;
use fanfare_benches::model::table::{answer, render};
use fanfare_benches::model::{Constants, ModelError, Population};

const EXAMPLES: &str = "\
Examples:
  model                              a million users with 80 contacts each
  model --users 80000 --contacts 40  a smaller company, whose people watch fewer
  model --json model.json            the same, and for machines too
  model --constants mine.json        with figures measured on another machine

How to read it: a publication of somebody with 80 watchers is told 80 times, whatever the number of cores; but every core
with one of them keeps a topic and takes an update. `topics` is how many
cores that is, K = C(1 - (1 - 1/C)^N). `efficiency` is what a core carries as a share of what it would carry alone, by noisy
times of up to 8 shards in one thread; `by instructions` leaves memory out, which flatters. To win that back, open the watchers of people who watch each other on the same core, or on the same few: the lines below `spread`.

A file of constants is like benches/record/2026-11-22/model.json: under `constants`, each with `value`, `origin` (measured
or derived) and `from`. The documentation of `fanfare_benches::model::Constants` has the command that measures each.

Exit code: 0, or 2 for a mistake in the call or in the file.";

/// Says what more cores are worth to a presence fan-out, and what placing watchers well would win.
#[derive(Debug, Parser)]
#[command(name = "model", version, after_long_help = EXAMPLES, after_help = EXAMPLES)]
struct Cli {
    /// Users with one watcher each
    #[arg(long, default_value = "1000000")]
    users: u64,

    /// Contacts of a user in the mean, and so watchers
    #[arg(long, value_name = "MEAN", default_value = "80")]
    contacts: f64,

    /// Constants in place of the record's
    #[arg(long, value_name = "FILE")]
    constants: Option<PathBuf>,

    /// Write the answer as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Model(#[from] ModelError),
    #[error("{path}: {why}", path = .0.display(), why = .1)]
    Constants(PathBuf, ModelError),
    #[error("{path}: {why}", path = .0.display(), why = .1)]
    File(PathBuf, io::Error),
}

fn run(cli: Cli) -> Result<(), Failure> {
    let constants = match cli.constants {
        None => Constants::default(),
        Some(path) => {
            let text = fs::read_to_string(&path).map_err(|why| Failure::File(path.clone(), why))?;
            Constants::from_json(&text).map_err(|why| Failure::Constants(path, why))?
        }
    };
    let answer = answer(&constants, Population { users: cli.users, contacts: cli.contacts })?;
    print!("{}", render(&constants, &answer));
    if let Some(path) = cli.json {
        let all = serde_json::json!({ "schema": 1, "constants": constants, "answer": answer });
        fs::write(&path, format!("{all:#}\n")).map_err(|why| Failure::File(path, why))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("model: {error}");
            ExitCode::from(2)
        }
    }
}
