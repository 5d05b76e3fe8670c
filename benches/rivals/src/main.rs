//! The command line program: measures the contenders, shows a table, and says what it left out and why.

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use fanfare_bench_world::{Graph, Shape};
use fanfare_rivals::{BATCH, Budget, Comparison, Contender, Measured, Progress, RivalError, SEED, all, named};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  rivals                                        all contenders that can run with 10,000 users, about a minute
  rivals --users 100000 --rounds 3              more memory than any cache has: here algorithms differ
  rivals --only fanfare --only index-outbox     two of them, taking turns
  rivals --shape power-law                      some presentities have thousands of watchers
  rivals --users 1000 --json result.json        `bus` runs too; the same figures for machines

Every notification is checked: a contender that loses, repeats or ages one gets an error and no figure. Contenders take
turns round by round, so compare ratios (`of fanfare`), not the absolute figures of different machines or days.

Exit code: 0 measured, 1 a contender was wrong, 2 the command line or the machine does not allow the run.";

/// How many notifications a second does one core make, by whatever algorithm?
#[derive(Debug, Parser)]
#[command(name = "rivals", version, after_long_help = EXAMPLES, after_help = EXAMPLES)]
struct Cli {
    /// Users, each a presentity with one watcher
    #[arg(long, default_value = "10000", value_parser = clap::value_parser!(u64).range(2..=100_000_000))]
    users: u64,

    /// Contacts that each watches
    #[arg(long, default_value = "80", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    contacts: u64,

    /// How popular presentities are
    #[arg(long, value_enum, default_value_t = ShapeName::Uniform)]
    shape: ShapeName,

    /// How long each contender publishes and drains in each round
    #[arg(long, default_value = "1", value_parser = seconds)]
    seconds: Duration,

    /// How often each contender has its turn
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,

    /// Publications between two drains
    #[arg(long, default_value_t = BATCH as u32, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch: u32,

    /// What the order of publications is drawn from
    #[arg(long, default_value_t = SEED)]
    seed: u64,

    /// Only this contender; may be given several times [default: all that can run]
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    /// Write the figures as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShapeName {
    /// All alike
    Uniform,
    /// A few with thousands of watchers, many with ten
    PowerLaw,
}

fn main() -> ExitCode {
    // Clap ends the program with 2 when the arguments are wrong, and with 0 after `--help`.
    match compare(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rivals: {error}");
            let is_wrong = matches!(error.downcast_ref(), Some(RivalError::Wrong { .. }));
            ExitCode::from(if is_wrong { 1 } else { 2 })
        }
    }
}

fn compare(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let shape = match cli.shape {
        ShapeName::Uniform => Shape::Uniform,
        ShapeName::PowerLaw => Shape::PowerLaw,
    };
    let comparison = Comparison {
        graph: Graph::new(cli.users, cli.contacts, shape),
        budget: Budget::Time(cli.seconds),
        rounds: cli.rounds as usize,
        batch: cli.batch as usize,
        seed: cli.seed,
    };
    let (contenders, left_out) = chosen(cli, &comparison.graph)?;
    let measured = comparison.measure(&contenders, &mut progress(contenders.len() * comparison.rounds))?;
    print!("{}", table(&measured));
    for (name, why) in &left_out {
        println!("left out: {name}: {why}");
    }
    if let Some(path) = &cli.json {
        let left_out: Vec<_> = left_out.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect();
        let report = json!({
            "schema": 1,
            "command": std::env::args().collect::<Vec<_>>().join(" "),
            "users": cli.users,
            "contacts": comparison.graph.contacts(),
            "shape": format!("{shape:?}"),
            "batch": cli.batch,
            "seed": cli.seed,
            "measured": measured,
            "left_out": left_out,
        });
        let written = std::fs::write(path, format!("{report:#}\n"));
        written
            .map_err(|error| format!("cannot write {}: {error}; name a file that can be written", path.display()))?;
    }
    Ok(())
}

/// Who runs, and who does not and why. Somebody asked for by name runs, or the run is refused.
type Chosen = (Vec<&'static Contender>, Vec<(&'static str, String)>);

fn chosen(cli: &Cli, graph: &Graph) -> Result<Chosen, RivalError> {
    if !cli.only.is_empty() {
        let mut contenders: Vec<&Contender> = Vec::new();
        for name in &cli.only {
            let contender = named(name)?;
            if contenders.iter().all(|other| other.name != contender.name) {
                contenders.push(contender);
            }
        }
        return Ok((contenders, Vec::new()));
    }
    let (mut contenders, mut left_out) = (Vec::new(), Vec::new());
    for contender in all() {
        match contender.fits(graph).and_then(|()| contender.available()) {
            Ok(()) => contenders.push(contender),
            Err(why) => left_out.push((contender.name, why.to_string())),
        }
    }
    if let ([], Some(contender)) = (contenders.as_slice(), all().first()) {
        contender.fits(graph)?;
    }
    Ok((contenders, left_out))
}

/// A bar on a terminal, and nothing elsewhere.
fn progress(turns: usize) -> impl FnMut(Progress) {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(turns as u64) } else { ProgressBar::hidden() };
    let bar = bar.with_finish(ProgressFinish::AndClear);
    if let Ok(style) = ProgressStyle::with_template("{msg:<34} {bar:32} {pos} of {len} turns, {elapsed}") {
        bar.set_style(style);
    }
    let mut is_measuring = false;
    move |progress| match progress {
        Progress::Building(name) => {
            bar.set_message(format!("building {name}"));
            bar.tick();
        }
        Progress::Turn(name, round) => {
            // One turn is over when the next begins.
            bar.inc(u64::from(std::mem::replace(&mut is_measuring, true)));
            bar.set_message(format!("round {}: {name}", round + 1));
        }
    }
}

fn table(measured: &[Measured]) -> String {
    let mut text = format!(
        "{:<16} {:<13} {:>16} {:>11} {:>9}  {}\n",
        "contender", "class", "notifications/s", "of fanfare", "ns each", "lowest to highest, million/s"
    );
    for one in measured {
        let ratio = one.times_engine_median.map_or("-".into(), |ratio| format!("{ratio:.2}"));
        let (low, high) =
            one.samples.iter().fold((f64::INFINITY, 0f64), |(low, high), &sample| (low.min(sample), high.max(sample)));
        text += &format!(
            "{:<16} {:<13} {:>16.0} {:>11} {:>9.1}  {:.2} to {:.2}\n",
            one.name,
            one.class.name(),
            one.notifications_per_s_median,
            ratio,
            1e9 / one.notifications_per_s_median,
            low / 1e6,
            high / 1e6,
        );
    }
    text
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds, such as 1 or 0.5".to_string())?;
    if !(0.001..=600.0).contains(&seconds) {
        return Err("from 0.001 to 600 seconds".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}
