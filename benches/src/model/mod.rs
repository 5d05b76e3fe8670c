//! The cost model: what more cores are worth to a fan-out, and what placing watchers well would win.
//!
//! A publication of somebody with N watchers is told N times, whatever the number of cores; but each core with a
//! watcher needs an update and a topic of its own. So costs per notification, and bytes per subscription, rise with
//! the number of cores, up to where every watcher has a core for itself. Everything here is a pure function of the
//! constants in the record; what is not a sensible question is a typed error.

mod constants;
mod cost;
mod error;
pub mod table;
mod topics;

pub use constants::{Constant, Constants, Origin};
pub use cost::{Estimate, Population, estimate};
pub use error::ModelError;
pub use topics::{Placement, topics_touched};
