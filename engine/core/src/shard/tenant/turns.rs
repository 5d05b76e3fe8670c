//! Whose turn it is: start-time fair queueing over tenants.
//!
//! Each tenant has a clock of its own that runs by what it got, divided by its weight; of those who wait the one whose clock
//! is farthest behind is next. Who comes to wait starts no earlier than where the others are, so nobody saves up turns
//! while he wants none. Costs a look at each who waits.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::TENANTS;

/// Tenants that wait for something, and how far each has come.
pub(super) struct Waiting {
    tenants: Vec<u8>,
    waits: Box<[bool]>,
    clocks: Box<[u128]>,
    /// Where those start who come to wait: where the clock of the one stood who had the last turn, when it began. What was
    /// got while nobody else waited is nobody's debt.
    now: u128,
    /// The foremost of all clocks.
    foremost: u128,
}

impl Default for Waiting {
    fn default() -> Self {
        // Nobody waits twice, so there is always room.
        let tenants = Vec::with_capacity(TENANTS);
        Self { tenants, waits: vec![false; TENANTS].into(), clocks: vec![0; TENANTS].into(), now: 0, foremost: 0 }
    }
}

impl Waiting {
    /// A tenant wants something, if it did not already.
    pub(super) fn enter(&mut self, tenant: u8) {
        let at = usize::from(tenant);
        if !core::mem::replace(&mut self.waits[at], true) {
            self.tenants.push(tenant);
            self.clocks[at] = self.clocks[at].max(self.now);
        }
    }

    /// Who is next; those are left out from now on of whom `wants` says that they want nothing any more.
    pub(super) fn next(&mut self, mut wants: impl FnMut(u8) -> bool) -> Option<u8> {
        let Self { tenants, waits, clocks, now, foremost } = self;
        tenants.retain(|&tenant| {
            waits[usize::from(tenant)] = wants(tenant);
            waits[usize::from(tenant)]
        });
        let next = tenants.iter().copied().min_by_key(|&tenant| clocks[usize::from(tenant)]);
        *now = next.map_or(*foremost, |next| clocks[usize::from(next)]);
        next
    }

    /// A tenant got so much.
    pub(super) fn got(&mut self, tenant: u8, amount: usize, weight: u16) {
        let clock = &mut self.clocks[usize::from(tenant)];
        *clock += ((amount as u128) << 32) / u128::from(weight);
        self.foremost = self.foremost.max(*clock);
        if self.is_alone() {
            self.now = self.foremost;
        }
    }

    /// Whether at most one waits, as far as is known.
    pub(super) fn is_alone(&self) -> bool {
        self.tenants.len() <= 1
    }

    pub(super) fn waits(&self, tenant: u8) -> bool {
        self.waits[usize::from(tenant)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(waiting: &mut Waiting, rounds: usize, weights: &[u16]) -> Vec<usize> {
        let mut got = vec![0; weights.len()];
        for _ in 0..rounds {
            let tenant = waiting.next(|_| true).expect("somebody waits");
            got[usize::from(tenant)] += 1;
            waiting.got(tenant, 1, weights[usize::from(tenant)]);
        }
        got
    }

    #[test]
    fn those_who_wait_get_by_weight_and_who_was_away_has_saved_nothing_up() {
        let mut waiting = Waiting::default();
        let weights = [1, 3, 6];
        waiting.enter(0);
        assert_eq!(turns(&mut waiting, 100, &weights), [100, 0, 0]);
        waiting.enter(1);
        waiting.enter(2);
        let got = turns(&mut waiting, 1_000, &weights);
        assert!(got.iter().zip([100, 300, 600]).all(|(got, due)| got.abs_diff(due) <= 2), "{got:?}");
        assert_eq!(waiting.next(|tenant| tenant == 1), Some(1));
        assert!(waiting.is_alone());
        turns(&mut waiting, 10_000, &weights);
        waiting.enter(0);
        let got = turns(&mut waiting, 40, &weights);
        assert!(got[0].abs_diff(10) <= 2, "{got:?}");
    }

    #[test]
    fn what_was_got_alone_is_no_debt() {
        let mut waiting = Waiting::default();
        let weights = [1, 100];
        for (first, later) in [(0, 1), (1, 0)] {
            waiting.enter(first);
            assert_eq!(waiting.next(|_| true), Some(first));
            waiting.got(first, 1_000_000, weights[usize::from(first)]);
            waiting.enter(later);
            let got = turns(&mut waiting, 1_010, &weights);
            assert!(got[0].abs_diff(10) <= 1, "{got:?}");
            // Both are through, and begin again together.
            assert_eq!(waiting.next(|_| false), None);
            waiting.enter(0);
            waiting.enter(1);
            let got = turns(&mut waiting, 101, &weights);
            assert_eq!(got[0], 1, "{got:?}");
            assert_eq!(waiting.next(|_| false), None);
        }
    }
}
