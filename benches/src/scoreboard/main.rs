//! The scoreboard's program.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fanfare_benches::scoreboard::{
    AboveFloor, Figures, Line, OutsideError, Scaling, Verdict, above_floor, billion, bulk_and_churned, group,
    half_load, hot, instructions, lines, rivals, scaling, short, two_shards,
};
use fanfare_benches::{Graph, World};
use fanfare_rivals::{Measured, RivalError};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Measures every figure that the project is held to, in one go
#[derive(Parser)]
#[command(after_help = "\
Examples:
  scoreboard --quick                 what can be known in 3 minutes, with no more than a million users
  scoreboard --json scoreboard.json  everything, in half an hour, for machines too; takes 22 GiB

Ratios are of two things that took turns in this run; times are CPU time of the thread, but for rivals and scaling. What could not be measured here is
said to be missing, with the reason.

Exit code: 0 if every gate that was measured holds, 1 if one does not, 2 if the command line is wrong.")]
struct Arguments {
    /// Only what takes 3 minutes, and a million users at the most
    #[arg(long)]
    quick: bool,
    /// Write all figures here, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only the parts whose name begins with one of these: rivals, floor, weight, hot, scaling, billion, half,
    /// instructions
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

#[derive(Serialize)]
struct Board {
    command: String,
    quick: bool,
    took_s: f64,
    figures: Figures,
    lines: Vec<Line>,
    rivals: Vec<Measured>,
    missing: Vec<String>,
    /// What was measured and is wrong, whatever the figures say.
    failed: Vec<String>,
}

/// The run under way: figures so far, and why some are missing.
struct Run {
    arguments: Arguments,
    bar: ProgressBar,
    figures: Figures,
    rivals: Vec<Measured>,
    missing: Vec<String>,
    failed: Vec<String>,
}

impl Run {
    fn asks(&self, part: &'static str) -> bool {
        let asked = self.arguments.only.is_empty()
            || self.arguments.only.iter().any(|prefix| !prefix.is_empty() && part.starts_with(prefix.as_str()));
        if asked {
            self.bar.set_message(part);
            self.bar.tick();
        }
        asked
    }

    fn miss(&mut self, part: &str, why: impl std::fmt::Display) {
        self.missing.push(format!("{part}: {why}"));
    }

    fn outside(&mut self, part: &'static str, measure: fn(&mut Figures) -> Result<(), OutsideError>) {
        if self.asks(part)
            && let Err(why) = measure(&mut self.figures)
        {
            match why {
                // 2 is how the load generator refuses what the machine does not allow.
                OutsideError::Ended { status, .. } if status.code() != Some(2) => {
                    self.failed.push(format!("{part}: {why}"))
                }
                _ => self.miss(part, why),
            }
        }
    }

    fn measure(&mut self) {
        let quick = self.arguments.quick;
        if self.asks("rivals") {
            let (seconds, rounds) = if quick { (0.3, 5) } else { (1.0, 11) };
            match self.rivals(seconds, rounds) {
                Ok(()) => {}
                Err(why @ RivalError::Wrong { .. }) => self.failed.push(format!("rivals: {why}")),
                Err(why) => self.miss("rivals", why),
            }
        }
        let (floors, weighs) = (self.asks("floor"), self.asks("weight"));
        if floors || weighs {
            self.worlds(floors, weighs);
        }
        if self.asks("hot") {
            let (ratio, steps) = hot(1_000_000, if quick { 5 } else { 21 });
            self.figures.extend([("hot_floor", ratio), ("hot_steps", steps)]);
        }
        if self.asks("scaling") {
            // Quick is short of memory bandwidth at a fifth of the size as well; the gate's own size takes a minute.
            let (users, rounds) = if quick { (200_000, 21) } else { (1_000_000, 41) };
            match scaling(users, rounds, Duration::from_millis(if quick { 150 } else { 400 })) {
                Some(Scaling { ratio, joined_per_s }) => self.figures.extend([
                    ("scaling_2", ratio),
                    ("scaling_2_target", ratio),
                    ("two_shards_per_s", joined_per_s),
                ]),
                None => self.miss("scaling", "it takes two CPUs"),
            }
        }
        self.outside("instructions", instructions);
        if !quick {
            self.outside("half load", half_load);
            self.outside("billion", billion);
        }
    }

    fn rivals(&mut self, seconds_each: f64, rounds: usize) -> Result<(), RivalError> {
        let sizes = [
            (10_000, "rival_best_10k", "notifications_per_s_10k"),
            (100_000, "rival_best_100k", "notifications_per_s_100k"),
        ];
        self.rivals = rivals(&sizes, seconds_each, rounds, &mut self.figures)?;
        Ok(())
    }

    fn worlds(&mut self, floors: bool, weighs: bool) {
        let rounds = if self.arguments.quick { 5 } else { 11 };
        let small = floors.then(|| above_floor(&mut World::signed_in(Graph::uniform(100_000)), rounds, 200));
        let mut world = World::signed_in(Graph::uniform(1_000_000));
        let middle = floors.then(|| above_floor(&mut world, rounds, 200));
        self.put_floor("floor_100k", "ns_100k", small);
        self.put_floor("floor_1m", "ns_1m", middle);
        self.put_growth("growth_1m", "floor_growth_1m", small, middle);
        if weighs {
            let (bulk, churned) = bulk_and_churned(&mut world);
            self.figures.extend([("bytes_bulk", bulk), ("bytes_churned", churned)]);
        }
        drop(world);
        if weighs {
            self.figures.insert("bytes_two_shards", two_shards(Graph::uniform(1_000_000)));
            self.figures.insert("bytes_group", group());
        }
        if floors && !self.arguments.quick {
            let large = Some(above_floor(&mut World::signed_in(Graph::uniform(10_000_000)), rounds, 200));
            self.put_floor("floor_10m", "ns_10m", large);
            self.put_growth("growth_10m", "floor_growth_10m", middle, large);
        }
    }

    fn put_floor(&mut self, ratio_key: &'static str, ns_key: &'static str, measured: Option<AboveFloor>) {
        if let Some(AboveFloor { engine_ns, ratio, .. }) = measured {
            self.figures.extend([(ratio_key, ratio), (ns_key, engine_ns)]);
        }
    }

    fn put_growth(
        &mut self,
        key: &'static str,
        floor_key: &'static str,
        from: Option<AboveFloor>,
        to: Option<AboveFloor>,
    ) {
        if let (Some(from), Some(to)) = (from, to) {
            self.figures.extend([(key, to.engine_ns / from.engine_ns), (floor_key, to.floor_ns / from.floor_ns)]);
        }
    }
}

fn print(board: &Board) {
    println!("{:26}{:>12}  {:34}{:12}  what", "figure", "value", "bar", "verdict");
    for line in &board.lines {
        let value = line.value.map_or_else(|| "-".to_owned(), short);
        let verdict = match line.verdict {
            Verdict::Reached => "reached",
            Verdict::Missed => "MISSED",
            Verdict::Fail => "FAIL",
            Verdict::NotMeasured => "not measured",
            Verdict::Shown => "",
        };
        println!("{:26}{value:>12}  {:34}{verdict:12}  {}", line.key, line.bar, line.what);
    }
    if !board.rivals.is_empty() {
        println!("\n{:18}{:>10}{:>22}{:>10}  how it differs", "contender", "users", "notifications/s", "of ours");
    }
    for one in &board.rivals {
        let share = one.times_engine_median.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}"));
        println!(
            "{:18}{:>10}{:>22}{share:>10}  {}",
            one.name,
            one.users,
            short(one.notifications_per_s_median),
            one.differs
        );
    }
    for why in &board.missing {
        println!("not measured: {why}");
    }
    for why in &board.failed {
        println!("FAIL: {why}");
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Not a terminal: no bar.
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {elapsed} {msg}").unwrap_or(ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let begun = Instant::now();
    let mut run =
        Run { arguments, bar, figures: Figures::new(), rivals: Vec::new(), missing: Vec::new(), failed: Vec::new() };
    run.measure();
    run.bar.finish_and_clear();
    let Run { arguments, figures, rivals, missing, failed, .. } = run;
    let lines = lines(&figures);
    let command = std::env::args().skip(1).fold("scoreboard".to_owned(), |all, one| all + " " + &one);
    let took_s = begun.elapsed().as_secs_f64();
    let board = Board { command, quick: arguments.quick, took_s, figures, lines, rivals, missing, failed };
    print(&board);
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&board).unwrap_or_default();
        if let Err(why) = fs::write(path, text + "\n") {
            eprintln!("scoreboard: {} cannot be written: {why}; name a file in a folder that exists", path.display());
            return ExitCode::from(2);
        }
    }
    let fails = !board.failed.is_empty() || board.lines.iter().any(|line| line.verdict == Verdict::Fail);
    ExitCode::from(u8::from(fails))
}
