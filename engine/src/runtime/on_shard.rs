//! Whether the calling thread turns a shard: a call that blocks until a shard answers would wait for itself there.
//!
//! A count for each thread, since a host may turn several shards on one. Costs one read of thread-local memory a
//! blocking call.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static SHARDS_HERE: Cell<usize> = const { Cell::new(0) };
}

/// Counts one shard on this thread for as long as it lives.
#[derive(Debug)]
pub(crate) struct OnShard(PhantomData<*const ()>);

impl OnShard {
    pub(crate) fn enter() -> Self {
        SHARDS_HERE.set(SHARDS_HERE.get() + 1);
        Self(PhantomData)
    }

    /// Whether any shard is turned by the calling thread.
    pub(crate) fn is_here() -> bool {
        SHARDS_HERE.get() != 0
    }
}

impl Drop for OnShard {
    fn drop(&mut self) {
        SHARDS_HERE.set(SHARDS_HERE.get() - 1);
    }
}
