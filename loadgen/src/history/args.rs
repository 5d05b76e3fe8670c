//! The command line of `history`.

use std::path::PathBuf;

use clap::Args;

use crate::quantities;
use crate::report::figures::{self, Figure};

/// What `loadgen history --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  loadgen --json results/$(date +%s).json
      One more result; after each merge, for instance.
  loadgen history results/
      How capacity, or the CPU time a notification, went.
  loadgen history results/ --figure last-p99 --json trend.json
      How this figure went, for machines too.
  loadgen history 'results/2026-*.json' --rows 100
      Those that fit a pattern; the newest hundred in the table.

Results are put in the order in which they began (`began` in the report; by file name where one has none). Those of other
machines or other configurations (users, shards, rate, target, schedule, …) are series of their own, and are never mixed.
Results that are no PASS are left out, and said.

A change is a point from which on the results are higher or lower than before, by more than the same results in any other
order would show in one of a hundred cases (--confidence 99%). It is found by segmentation on ranks, so one disturbed result
is no change; a new level needs three results at least, and a series ten, before anything can be said. For each
change: between which commits it lies, the levels before and after, and how sure it is.

Exit code: 0 shown, 2 the command line or the results do not allow it.";

/// Which results, and how to look at them.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// A folder of saved results, one of them, or a pattern in quotes
    #[arg(value_name = "DIR")]
    pub dir: String,

    /// The figure to look at [default: capacity for searches, cpu-ns for runs]
    #[arg(long, value_name = "NAME", value_parser = figures::parse)]
    pub figure: Option<&'static Figure>,

    /// How sure a change has to be
    #[arg(long, value_name = "SHARE", default_value = "99%", value_parser = quantities::confidence)]
    pub confidence: f64,

    /// Rows of the table at most; the newest are shown
    #[arg(long, default_value = "30", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub rows: u16,

    /// What the shuffles of the test are drawn from
    #[arg(long, default_value = "1")]
    pub seed: u64,

    /// Write the series and their changes as JSON, too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
