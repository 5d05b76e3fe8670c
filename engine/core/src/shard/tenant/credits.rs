//! The credits of one link, shared by weight among the tenants that ask over it.
//!
//! Who asks alone may have all. As soon as another asks, too, each may take new ones up to his share only, so that what the
//! first gives back goes to the other. A tenant asks as long as it has credits out, and for a second after it asked last.

use alloc::vec::Vec;

use crate::id::Tick;

/// How long a tenant counts as one who asks, in microseconds: long against the time that `Busy` proposes, so that who comes
/// again finds his share kept.
const ASKS_US: u64 = 1_000_000;

/// One tenant on one link.
#[derive(Clone, Copy, Debug)]
struct Asker {
    out: u32,
    /// When it asked last, if it ever did.
    asked: Option<Tick>,
}

impl Asker {
    const NONE: Self = Self { out: 0, asked: None };

    fn asks(&self, now: Tick) -> bool {
        self.out != 0 || self.asked.is_some_and(|asked| now < asked.after_micros(ASKS_US))
    }
}

/// The tenants on one link.
#[derive(Debug, Default)]
pub(super) struct Credits {
    /// By tenant, up to the highest that ever asked.
    askers: Vec<Asker>,
}

impl Credits {
    /// A tenant asks.
    pub(super) fn ask(&mut self, tenant: u8, now: Tick) {
        let at = usize::from(tenant);
        if self.askers.len() <= at {
            self.askers.resize(at + 1, Asker::NONE);
        }
        self.askers[at].asked = Some(now);
    }

    /// How many credits a tenant that asks may have out now; one at the least.
    pub(super) fn share(&self, tenant: u8, credits: u32, now: Tick, weight: impl Fn(u8) -> u16) -> u32 {
        let asking = self.askers.iter().enumerate().filter(|(_, asker)| asker.asks(now));
        let all: u64 = asking.map(|(tenant, _)| u64::from(weight(tenant as u8))).sum();
        let share = u64::from(credits) * u64::from(weight(tenant)) / all.max(1);
        (share as u32).max(1)
    }

    pub(super) fn out(&self, tenant: u8) -> u32 {
        self.askers.get(usize::from(tenant)).map_or(0, |asker| asker.out)
    }

    pub(super) fn take(&mut self, tenant: u8) {
        self.askers[usize::from(tenant)].out += 1;
    }

    pub(super) fn give_back(&mut self, tenant: u8) {
        self.askers[usize::from(tenant)].out -= 1;
    }

    /// All credits that are out.
    pub(super) fn all_out(&self) -> u32 {
        self.askers.iter().map(|asker| asker.out).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.askers.capacity() * size_of::<Asker>()) as u64
    }
}
