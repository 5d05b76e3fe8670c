//! The log of publications under way: who published what and when, and how many watchers have heard of it.
//!
//! Shared by all cores, and everything in it is atomic. A publication has a *head*, written by its publisher's core before it
//! is sent, and a *part* for each shard, written by that shard alone. Of the head all shards that have told everybody count
//! `told` up, and the one that counts the last watcher joins the parts into one result. The orders that matter: the engine's own rings
//! carry a publication from the head's writer to the parts' writers; `told` carries the parts to the joiner; `live`
//! carries the whole entry back to the publisher.
//!
//! The invariant that makes latency exact with so little memory: **an entry is used again only when every watcher has
//! been counted**. So whoever was told a newer version and has to count the older ones finds them all still there. A
//! publisher that finds the entry taken waits, and its latency counts from the plan all the while.
//!
//! Those outside the organisation are told of some publications only, the wide ones; these form a chain of their own, so
//! that nobody walks through an entry that does not wait for him.
//!
//! Cost: 64 bytes and 128 bytes a shard for each entry; a receipt writes two to four words of the shard's
//! own part, and a shard's last one the head.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::ended::Ended;

/// Times kept of one publication on one shard; the median is exact to one in so many watchers.
const STEPS: usize = 16;

/// Lower bits of an index hold the publisher's shard.
const SHARD_BITS: u32 = 6;
const SEQUENCE_MASK: u32 = u32::MAX >> SHARD_BITS;

/// The index of publications whose latency nobody asks for.
pub const NO_INDEX: u32 = u32::MAX;

/// The log.
#[derive(Debug)]
pub struct PublicationLog {
    shards: usize,
    ring: usize,
    heads: Box<[Head]>,
    parts: Box<[Part]>,
    ended: Box<[Ended]>,
    /// The newest wide publication of each user: its version, and its index in the lower half.
    newest_wide: Box<[AtomicU64]>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Head {
    plan_us: AtomicU64,
    sent_us: AtomicU64,
    /// The user's publication before this one.
    previous: AtomicU32,
    /// The user's wide publication before this one.
    previous_wide: AtomicU64,
    user: AtomicU32,
    watchers: AtomicU32,
    told: AtomicU32,
    /// In which of its publisher's points it was opened.
    point: AtomicU16,
    measured: AtomicBool,
    wide: AtomicBool,
    live: AtomicBool,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Part {
    told: AtomicU32,
    watchers: AtomicU32,
    step: AtomicU32,
    step_end: AtomicU32,
    first_us: AtomicU32,
    /// When the last watcher of each step was told: a step is an equal part of this shard's watchers.
    step_us: [AtomicU32; STEPS],
}

/// What a publisher writes down before it sends.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// When it was due.
    pub plan_us: u64,
    /// Who publishes.
    pub user: u32,
    /// The user's publication before, or [`NO_INDEX`].
    pub previous: u32,
    /// Watchers on all shards who will be told, not 0.
    pub watchers: u32,
    /// Whether those outside the organisation are among them.
    pub wide: bool,
    /// Whether its latency counts.
    pub measured: bool,
}

/// A version and where it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The version.
    pub version: u32,
    /// Its entry, or [`NO_INDEX`].
    pub index: u32,
}

impl Mark {
    fn from_bits(bits: u64) -> Self {
        Self { version: (bits >> 32) as u32, index: bits as u32 }
    }

    fn to_bits(self) -> u64 {
        u64::from(self.version) << 32 | u64::from(self.index)
    }
}

/// A publication that every watcher was told: when it was due and when it was sent, and when they were told, in microseconds
/// after the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it was due.
    pub plan_us: u64,
    /// When it was given to the target.
    pub sent_us: u64,
    /// The first watcher.
    pub first_us: u64,
    /// The watcher in the middle.
    pub median_us: u64,
    /// The last watcher.
    pub last_us: u64,
    /// Whether it counts.
    pub measured: bool,
}

impl PublicationLog {
    /// A log for so many shards, each with `ring` publications under way (a power of two), that knows the newest wide
    /// publication of so many users: none where everybody is told everything.
    #[must_use]
    pub fn new(shards: usize, ring: usize, users: u32) -> Self {
        assert!(ring.is_power_of_two() && ring <= SEQUENCE_MASK as usize, "the ring is a power of two that fits");
        Self {
            shards,
            ring,
            heads: (0..shards * ring).map(|_| Head::default()).collect(),
            parts: (0..shards * ring * shards).map(|_| Part::default()).collect(),
            ended: (0..shards).map(|_| Ended::default()).collect(),
            newest_wide: (0..users).map(|_| AtomicU64::new(Mark { version: 0, index: NO_INDEX }.to_bits())).collect(),
        }
    }

    /// Users whose newest wide publication it knows.
    #[must_use]
    pub fn users(&self) -> usize {
        self.newest_wide.len()
    }

    /// Bytes that such a log takes.
    #[must_use]
    pub fn bytes(shards: usize, ring: usize) -> u64 {
        (shards * ring * (size_of::<Head>() + shards * size_of::<Part>())) as u64
    }

    /// The index of a shard's publication with this running number.
    #[must_use]
    pub fn index(publisher: usize, sequence: u64) -> u32 {
        (sequence as u32 & SEQUENCE_MASK) << SHARD_BITS | publisher as u32
    }

    /// Writes a publication down; false if the entry's last one is still under way.
    pub fn open(&self, index: u32, opening: &Opening) -> bool {
        let at = self.place(index);
        let head = &self.heads[at];
        if head.live.load(Ordering::Acquire) {
            return false;
        }
        for part in &self.parts[at * self.shards..(at + 1) * self.shards] {
            part.told.store(0, Ordering::Relaxed);
        }
        head.plan_us.store(opening.plan_us, Ordering::Relaxed);
        head.sent_us.store(opening.plan_us, Ordering::Relaxed);
        head.previous.store(opening.previous, Ordering::Relaxed);
        if let Some(wide) = self.newest_wide.get(opening.user as usize) {
            head.previous_wide.store(wide.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        head.wide.store(opening.wide, Ordering::Relaxed);
        head.user.store(opening.user, Ordering::Relaxed);
        head.watchers.store(opening.watchers, Ordering::Relaxed);
        head.measured.store(opening.measured, Ordering::Relaxed);
        head.told.store(0, Ordering::Relaxed);
        head.point.store(self.ended[publisher(index)].point(), Ordering::Relaxed);
        // Release, for the engine's rings are not this module's to rely on alone.
        head.live.store(true, Ordering::Release);
        true
    }

    /// Notes when a publication is given to the target, which is known only just before that; what carries it to its watchers
    /// carries this, too. Nothing for [`NO_INDEX`].
    pub fn sent(&self, index: u32, now_us: u64) {
        if index != NO_INDEX {
            self.heads[self.place(index)].sent_us.store(now_us, Ordering::Relaxed);
        }
    }

    /// Takes a publication back that was never sent or was refused for good.
    pub fn void(&self, index: u32) {
        let head = &self.heads[self.place(index)];
        let point = head.point.load(Ordering::Relaxed);
        if head.live.swap(false, Ordering::AcqRel) {
            self.ended[publisher(index)].note(point);
        }
    }

    /// A shard's next point begins; only its own publisher says so.
    pub fn begin_point(&self, publisher: usize) {
        self.ended[publisher].begin_point();
    }

    /// Publications of a shard's point that have ended. What was left over from its earlier points is not among them.
    #[must_use]
    pub fn ended(&self, publisher: usize) -> u64 {
        self.ended[publisher].count()
    }

    /// The same user's publication before this one.
    #[must_use]
    pub fn previous(&self, index: u32) -> u32 {
        self.heads[self.place(index)].previous.load(Ordering::Relaxed)
    }

    /// The newest wide publication of a user.
    #[must_use]
    pub fn newest_wide(&self, user: u32) -> Mark {
        Mark::from_bits(self.newest_wide[user as usize].load(Ordering::Acquire))
    }

    /// Notes the newest wide publication of a user down; only the user's own publisher does, before it is sent, so that
    /// whoever is told of it finds it. One that is taken back is replaced by the one before it.
    pub fn set_newest_wide(&self, user: u32, mark: Mark) {
        self.newest_wide[user as usize].store(mark.to_bits(), Ordering::Release);
    }

    /// The user's wide publication before this one.
    #[must_use]
    pub fn previous_wide(&self, index: u32) -> Mark {
        Mark::from_bits(self.heads[self.place(index)].previous_wide.load(Ordering::Relaxed))
    }

    /// Counts one watcher of shard `here`, where `watchers(user, wide)` of them are told of it. The last watcher of all gives
    /// the result.
    ///
    /// # Errors
    /// An entry that is not under way: somebody counted too much.
    pub fn receipt(
        &self,
        index: u32,
        here: usize,
        now_us: u64,
        watchers: impl Fn(u32, bool) -> u32,
        steps: &mut Vec<(u32, u32)>,
    ) -> Result<Option<Told>, Stray> {
        let at = self.place(index);
        let head = &self.heads[at];
        if !head.live.load(Ordering::Acquire) {
            return Err(Stray);
        }
        let after = now_us.saturating_sub(head.plan_us.load(Ordering::Relaxed)).min(u64::from(u32::MAX)) as u32;
        let part = &self.parts[at * self.shards + here];
        let told = part.told.load(Ordering::Relaxed);
        if told == 0 {
            let count = watchers(head.user.load(Ordering::Relaxed), head.wide.load(Ordering::Relaxed));
            part.watchers.store(count, Ordering::Relaxed);
            part.first_us.store(after, Ordering::Relaxed);
            part.step.store(0, Ordering::Relaxed);
            part.step_end.store(step_end(0, count), Ordering::Relaxed);
        }
        let count = part.watchers.load(Ordering::Relaxed);
        if told >= count {
            return Err(Stray);
        }
        let step = part.step.load(Ordering::Relaxed);
        part.step_us[step as usize].store(after, Ordering::Relaxed);
        part.told.store(told + 1, Ordering::Relaxed);
        if told + 1 < count {
            if told + 1 == part.step_end.load(Ordering::Relaxed) {
                part.step.store(step + 1, Ordering::Relaxed);
                part.step_end.store(step_end(step + 1, count), Ordering::Relaxed);
            }
            return Ok(None);
        }
        let all = head.watchers.load(Ordering::Relaxed);
        if head.told.fetch_add(count, Ordering::AcqRel) + count < all {
            return Ok(None);
        }
        let result = self.join(at, all, steps);
        let point = head.point.load(Ordering::Relaxed);
        head.live.store(false, Ordering::Release);
        self.ended[publisher(index)].note(point);
        Ok(Some(result))
    }

    /// One result from all shards' parts.
    fn join(&self, at: usize, watchers: u32, steps: &mut Vec<(u32, u32)>) -> Told {
        steps.clear();
        let mut first = u32::MAX;
        for part in &self.parts[at * self.shards..(at + 1) * self.shards] {
            let count = part.told.load(Ordering::Relaxed);
            if count == 0 {
                continue;
            }
            first = first.min(part.first_us.load(Ordering::Relaxed));
            let mut begin = 0;
            for step in 0..STEPS.min(count as usize) as u32 {
                let end = step_end(step, count);
                steps.push((part.step_us[step as usize].load(Ordering::Relaxed), end - begin));
                begin = end;
            }
        }
        steps.sort_unstable();
        let (mut below, mut median, mut last) = (0, None, first);
        for &(time, count) in steps.iter() {
            below += count;
            if median.is_none() && below * 2 >= watchers {
                median = Some(time);
            }
            last = time;
        }
        Told {
            plan_us: self.heads[at].plan_us.load(Ordering::Relaxed),
            sent_us: self.heads[at].sent_us.load(Ordering::Relaxed),
            first_us: first.into(),
            median_us: median.unwrap_or(last).into(),
            last_us: last.into(),
            measured: self.heads[at].measured.load(Ordering::Relaxed),
        }
    }

    fn place(&self, index: u32) -> usize {
        publisher(index) % self.shards * self.ring + ((index >> SHARD_BITS) as usize & (self.ring - 1))
    }
}

/// A receipt for a publication that is not under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray;

fn publisher(index: u32) -> usize {
    (index & ((1 << SHARD_BITS) - 1)) as usize
}

/// How many watchers are told at the end of a step, of so many.
fn step_end(step: u32, watchers: u32) -> u32 {
    let steps = (STEPS as u64).min(u64::from(watchers)).max(1);
    ((u64::from(step) + 1) * u64::from(watchers) / steps) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(watchers: u32) -> Opening {
        Opening { plan_us: 1_000, user: 5, previous: NO_INDEX, watchers, wide: false, measured: true }
    }

    #[test]
    fn first_median_and_last_are_over_the_watchers_of_all_shards() {
        let log = PublicationLog::new(2, 4, 0);
        let index = PublicationLog::index(1, 6);
        assert!(log.open(index, &opening(5)));
        log.sent(index, 1_008);
        log.sent(NO_INDEX, 9_999);
        let mut steps = Vec::new();
        // Shard 0 has two watchers, shard 1 has three.
        let mut told = |here, now| log.receipt(index, here, now, |_, _| if here == 0 { 2 } else { 3 }, &mut steps);
        assert_eq!(told(0, 1_010), Ok(None));
        assert_eq!(told(1, 1_020), Ok(None));
        assert_eq!(told(1, 1_030), Ok(None));
        assert_eq!(told(1, 1_500), Ok(None));
        let end = told(0, 1_040).unwrap().unwrap();
        let expected =
            Told { plan_us: 1_000, sent_us: 1_008, first_us: 10, median_us: 30, last_us: 500, measured: true };
        assert_eq!(end, expected);
        assert_eq!((log.ended(1), log.ended(0)), (1, 0));
        assert_eq!(told(0, 1_050), Err(Stray));
    }

    #[test]
    fn the_median_of_many_is_within_one_step() {
        let log = PublicationLog::new(1, 4, 0);
        log.open(0, &opening(1_000));
        let mut steps = Vec::new();
        let results: Vec<_> =
            (1..=1_000).filter_map(|i| log.receipt(0, 0, 1_000 + i, |_, _| 1_000, &mut steps).unwrap()).collect();
        let [told] = results[..] else { panic!("one result") };
        assert_eq!((told.first_us, told.last_us), (1, 1_000));
        assert!((500..=563).contains(&told.median_us), "{told:?}");
    }

    #[test]
    fn an_entry_is_used_again_only_when_everybody_was_told() {
        let log = PublicationLog::new(1, 2, 0);
        let (first, again) = (PublicationLog::index(0, 0), PublicationLog::index(0, 2));
        assert!(log.open(first, &opening(1)));
        assert!(!log.open(again, &opening(1)));
        log.receipt(first, 0, 2_000, |_, _| 1, &mut Vec::new()).unwrap().unwrap();
        assert!(log.open(again, &opening(1)));
        log.void(again);
        assert_eq!(log.ended(0), 2);
    }
}
