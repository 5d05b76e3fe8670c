//! The report in the forms of other tools: interval log and percentile distribution of HdrHistogram, CSV, Prometheus.
//!
//! Each is made from a [`Report`](super::Report) alone, on the main thread, when the run is over: what is written on the day
//! can be written of a saved result as well.

pub mod csv;
pub mod hgrm;
pub mod hlog;
pub mod prometheus;
