//! The command line of `compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::side::Side;
use crate::quantities;
use crate::report::figures::{self, Figure};

/// What `loadgen compare --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  loadgen compare commit:main commit:HEAD
      Is this branch slower than main? Builds both, then lets them take turns.
  loadgen compare commit:main commit:HEAD --fail-if-slower
      The same for a build server: exit code 1 only if it is slower.
  loadgen compare flags:'--shards 1' flags:'--shards 2' -- --users 20000 --rate 450 --duration 5s
      What a second shard is worth. What follows -- is for both.
  loadgen compare flags: flags:'--runtime glommio' --figure last-p99
      This figure decides, and not the engine's CPU time a notification.
  loadgen compare program:./old/loadgen program:./target/release/loadgen --rounds 24
      Two programs, and twice the pairs: differences tell that are smaller by a third.
  loadgen compare target:null flags: -- --model plain --users 20000
      What the engine costs above a plain loop.
  loadgen compare monday/ 'tuesday/*.json'
      Saved results; nothing is run.

A and B are commit:REV, flags:'…', program:PATH, target:NAME, or saved results: a FILE.json, a folder of them or a pattern
in quotes. A commit is checked out with `git worktree` under target/compare, built with `cargo build --release`, and the
checkout is removed; what cargo built stays there for the next time, until `cargo clean`.

How it works: runs take turns, A B B A or B A A B as drawn from --seed, so that what the machine does meets both. Both of
a pair have the same seed, and so the same users doing the same. A run that fails, takes longer than
--timeout or is no PASS is told, and does not count; four of them end the comparison, and after one it looks at the answer
only when all rounds are run. For each figure the ratio B/A of the geometric means is estimated from the pairs,
with a bootstrap of Student's t. One figure decides the answer: the engine's CPU time a notification for `run`, the rate
for saved results of `capacity`, or what --figure says. It comes as one sentence: B is faster, B is slower, or cannot tell,
and then how large a difference would have been told. The other figures are called different only where that holds for all
of them together (Holm's correction).

How sure: with 99 %, one of a hundred comparisons of a thing with itself is a false alarm, early looks included. With 95 %
it would be one of twenty. It stops before --rounds when the answer is surer than that by far.

Exit code: 0 answered, whatever the answer; 1 not answered (runs failed), or slower with --fail-if-slower; 2 usage.";

/// Which two, and how.
#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// What B is compared with
    #[arg(value_name = "A")]
    pub a: Side,

    /// What is compared with A
    #[arg(value_name = "B")]
    pub b: Side,

    /// Pairs of runs at most; fewer if the answer is plain sooner
    #[arg(long, default_value = "12", value_parser = clap::value_parser!(u16).range(3..=500))]
    pub rounds: u16,

    /// How sure the answer has to be
    #[arg(long, value_name = "SHARE", default_value = "99%", value_parser = quantities::confidence)]
    pub confidence: f64,

    /// The figure that decides [default: cpu-ns, and capacity for saved results of searches]
    #[arg(long, value_name = "NAME", value_parser = figures::parse)]
    pub figure: Option<&'static Figure>,

    /// The order of the runs is drawn from it, and the runs' own seeds follow it unless they are given
    #[arg(long, default_value = "1")]
    pub seed: u64,

    /// How long one run may take
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = quantities::time)]
    pub timeout: Duration,

    /// Keep the result of each run in this folder, such as 03-a.json, to compare or plot them again
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,

    /// Write the comparison as JSON, too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Exit with 1 if B is slower (or larger, or worse) than A
    #[arg(long)]
    pub fail_if_slower: bool,

    /// Flags of `loadgen run` that both sides have
    #[arg(last = true, value_name = "RUN FLAGS")]
    pub common: Vec<String>,
}
