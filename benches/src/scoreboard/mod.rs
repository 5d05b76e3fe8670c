//! The scoreboard: every figure that the project is measured by, in one go, each with its bar.
//!
//! Each question has a file; what the figures mean and how high their bars are stands in one table ([`BARS`]). A figure
//! of time is CPU time of the thread (but for rivals and scaling), so that whoever else runs on the machine costs it caches but not its place, and a
//! ratio is of two things that took turns in one run. What was not measured is said to be missing, and never guessed.

mod above_floor;
mod bar;
mod cpu_time;
mod hot;
mod outside;
mod rivals;
mod scaling;
mod weight;

pub use above_floor::{AboveFloor, above_floor};
pub use bar::{BARS, Bar, Figures, Kind, Line, Reach, Verdict, lines, short};
pub use hot::hot;
pub use outside::{Baseline, OutsideError, billion, half_load, instructions};
pub use rivals::rivals;
pub use scaling::{Scaling, scaling};
pub use weight::{bulk_and_churned, group, two_shards};
