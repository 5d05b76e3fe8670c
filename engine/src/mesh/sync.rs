//! One import path for atomics: the machine's, or loom's under `cfg(fanfare_loom)`.
//!
//! Counted pointers stay the standard library's: loom need not follow them, and its own cannot point to a trait.

#[cfg(not(fanfare_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, Ordering, fence};

#[cfg(fanfare_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
