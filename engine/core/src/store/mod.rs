//! Dense arrays of plain records addressed by 32-bit numbers: no pointers, no allocation per record.
//!
//! Each array belongs to one shard and is used by its core alone.

mod arena;
mod backing;
mod list;
mod slab;
mod table;

pub use arena::Arena;
pub use backing::{Backing, Heap, HeldPiece, Hints, OutOfMemory, Records, Segments};
pub(crate) use list::{Links, List};
pub(crate) use slab::{Record, Slab, SlabFull};
pub(crate) use table::IdTable;

/// The number that names no record.
pub(crate) const NONE: u32 = u32::MAX;
