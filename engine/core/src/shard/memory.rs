//! Memory for those who are expected, taken before they come.
//!
//! A page costs when it is touched first: the kernel clears it, and a hypervisor may have to find it. That is little on
//! a machine of one's own, and on a virtual one about ten microseconds for four kilobytes (`benches/record/`), a fifth of
//! what a sign-in takes. Whoever knows how many will come lets the shard take the memory while nobody waits.

use super::slot::LANES;
use super::subscriber::ENTRIES;
use super::{FanOut, Population, ShardMemory};
use crate::error::Error;
use crate::store::OutOfMemory;

impl<B: ShardMemory> FanOut<B> {
    /// Takes memory for so many, about `bytes_max` of it at the most, and tells how many bytes that was: 0 once there is no
    /// more to take.
    ///
    /// Of `expected` watchers, groups, subscriptions and topics count, each up to its limit; a group's last run of slots and
    /// the memory of presentities at home, of tables and documents come as they are needed. It changes nothing but when
    /// memory is asked for; what is not taken here is taken later. Meant to be called again and again, a few dozen megabytes
    /// at a time, on the thread that the shard runs on, whose core the memory is then near. Costs what the system asks for a
    /// page; where addresses are scarce a call may move an array. To expect more than the machine has is like using it: the
    /// system may end the process.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; what was taken stays.
    pub fn take_memory(&mut self, expected: &Population, bytes_max: usize) -> Result<usize, Error> {
        let taken = self.take_of_arrays(expected, bytes_max);
        taken.map_err(|OutOfMemory| Error::OutOfMemory("what is expected"))
    }

    fn take_of_arrays(&mut self, expected: &Population, bytes_max: usize) -> Result<usize, OutOfMemory> {
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (watchers, groups) = (count(expected.watchers), count(expected.groups));
        let topics = count(expected.topics).min(self.limits.topics);
        let subscriptions = count(expected.subscriptions).min(self.limits.subscriptions);
        let runs = subscriptions.div_ceil(LANES);
        // The newest run of a topic is half full in the mean.
        let entry_runs = subscriptions / ENTRIES + topics / 2;
        let (outboxes, known) = (&mut self.outboxes, &mut self.topics);
        let mut taken = outboxes.watchers.take_memory(watchers, bytes_max)?;
        let left = |taken: usize| bytes_max.saturating_sub(taken);
        taken += outboxes.groups.take_memory(groups, left(taken))?;
        taken += outboxes.runs.take_memory(runs, left(taken))?;
        taken += known.topics.take_memory(topics, left(taken))?;
        taken += known.places.take_memory(topics, left(taken))?;
        taken += known.entries.take_memory(entry_runs, left(taken))?;
        Ok(taken)
    }
}
