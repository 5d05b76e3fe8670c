//! A tenant's publications a second: a bucket of tokens, filled by the shard's time.

use crate::id::Tick;
use crate::tenant::Tenant;

/// Parts of a token: at so many a second, one part comes with each microsecond.
const PARTS: u64 = 1_000_000;

/// What is left of a tenant's publications.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// What is missing to a full bucket, in parts of tokens, as of then.
    missing: u64,
    then: Tick,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { missing: 0, then: Tick::ZERO }
    }
}

impl Bucket {
    /// Takes a token, or says after how many microseconds there will be one.
    pub(super) fn take(&mut self, tenant: &Tenant, now: Tick) -> Result<(), u32> {
        if tenant.publications_per_s == Tenant::UNBOUNDED {
            return Ok(());
        }
        self.fill(tenant, now);
        let most = u64::from(tenant.publications_burst) * PARTS;
        let missing = self.missing + PARTS;
        if missing > most {
            let wait_us = (missing - most).div_ceil(tenant.publications_per_s.into());
            return Err(u32::try_from(wait_us).unwrap_or(u32::MAX));
        }
        self.missing = missing;
        Ok(())
    }

    /// Another budget holds from now on: what was filled by the old one is, and what is missing is no more than all of it.
    pub(super) fn change(&mut self, old: &Tenant, new: &Tenant, now: Tick) {
        self.fill(old, now);
        self.missing = self.missing.min(u64::from(new.publications_burst) * PARTS);
    }

    fn fill(&mut self, tenant: &Tenant, now: Tick) {
        let passed_us = now.as_micros() - self.then.as_micros();
        self.missing = self.missing.saturating_sub(passed_us.saturating_mul(tenant.publications_per_s.into()));
        self.then = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_empty_after_its_burst_and_fills_by_the_time() {
        let tenant = Tenant { publications_per_s: 3, publications_burst: 2, ..Tenant::default() };
        let mut bucket = Bucket::default();
        let at = Tick::from_micros;
        assert_eq!((bucket.take(&tenant, at(5)), bucket.take(&tenant, at(5))), (Ok(()), Ok(())));
        assert_eq!(bucket.take(&tenant, at(5)), Err(333_334));
        assert_eq!(bucket.take(&tenant, at(333_338)), Err(1));
        assert_eq!(bucket.take(&tenant, at(333_339)), Ok(()));
        let more = Tenant { publications_per_s: 1_000_000, publications_burst: 1, ..tenant };
        bucket.change(&tenant, &more, at(333_339));
        assert_eq!((bucket.take(&more, at(333_339)), bucket.take(&more, at(333_340))), (Err(1), Ok(())));
    }
}
