//! Draws that every module here needs: a place, and an order.

use rand_xoshiro::rand_core::Rng;

/// A place below `end`, each as likely as any other but for one part in 2⁶⁴/`end`.
#[must_use]
pub fn below(end: usize, rng: &mut impl Rng) -> usize {
    ((u128::from(rng.next_u64()) * end as u128) >> 64) as usize
}

/// Puts things into an order drawn from all orders.
pub fn shuffle<T>(things: &mut [T], rng: &mut impl Rng) {
    for last in (1..things.len()).rev() {
        things.swap(last, below(last + 1, rng));
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn every_order_comes_about_as_often() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let mut order = [0, 1, 2];
            shuffle(&mut order, &mut rng);
            *seen.entry(order).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|&count| (850..1150).contains(&count)), "{seen:?}");
    }
}
