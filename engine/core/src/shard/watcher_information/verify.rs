//! Every invariant of watcher information that can be seen from inside one shard.

use crate::error::Corrupt;
use crate::shard::{FanOut, ShardMemory};

impl<B: ShardMemory> FanOut<B> {
    pub(crate) fn verify_information(&self) -> Result<(), Corrupt> {
        self.verify_reports()?;
        self.verify_followed()?;
        self.verify_followings()
    }
}
