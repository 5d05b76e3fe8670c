//! Where a series of results changed.
//!
//! Circular binary segmentation on ranks: the stretch that differs most from the rest is sought, at the end of the series (a
//! change that stayed) or in its middle (one that was taken back). How sure it is, is found by shuffling: how often do the
//! same values in another order have a stretch that differs as much? If that is rare, the series is cut there and each part
//! is searched again. Ranks make it robust: one disturbed result is an outlier, not a change.
//!
//! The chance of any change found in a series that has none is at most 1 − confidence; it is that of the first search, and
//! later ones have shares of it by length. Cost: results² times shuffles, a second for [`SERIES_MAX`].

use rand_xoshiro::rand_core::Rng;

use super::draw::shuffle;
use super::median_of;

/// A level has at least so many results. One or two that differ may be anything.
pub const LEVEL_MIN: usize = 3;
/// More results than these are not searched at once.
pub const SERIES_MAX: usize = 500;
/// With fewer results there are too few orders for a change to be sure at 99 %.
pub const SERIES_MIN: usize = 10;
const SHUFFLES: usize = 1_999;
/// Cuts that scatter more than the best by less than this, in mean deviations, may be the true one: by a likelihood's rule of
/// thumb, and by experiment so that nine of ten places are held.
const AS_GOOD: f64 = 3.0;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The first result of the new level.
    pub at: usize,
    /// With 90 % it is from here…
    pub earliest: usize,
    /// …to here.
    pub latest: usize,
    /// The median of the results since the change before.
    pub before: f64,
    /// The median of the results until the change after.
    pub after: f64,
    /// How likely so much of a change is where there is none.
    pub p: f64,
}

/// Finds the changes of a series, in order. A series shorter than [`SERIES_MIN`] shows none; of one longer than [`SERIES_MAX`]
/// only the latest results are searched.
#[must_use]
pub fn changes(values: &[f64], confidence: f64, rng: &mut impl Rng) -> Vec<Change> {
    let skipped = values.len().saturating_sub(SERIES_MAX);
    let values = &values[skipped..];
    let mut cuts = Vec::new();
    if values.len() >= SERIES_MIN {
        let risk_each = (1.0 - confidence) / values.len() as f64;
        search(values, 0, risk_each, &mut cuts, rng);
    }
    cuts.sort_by_key(|&(at, _)| at);
    let mut bounds = vec![0];
    bounds.extend(cuts.iter().map(|&(at, _)| at));
    bounds.push(values.len());
    let mut found = Vec::new();
    for (cut, (_, p)) in cuts.into_iter().enumerate() {
        // The search saw more than the two neighbouring levels; between them alone the cut falls best where it falls now.
        let (from, to) = (bounds[cut], bounds[cut + 2]);
        let (earliest, at, latest) = place(&values[from..to]);
        bounds[cut + 1] = from + at;
        let (earliest, latest) = (skipped + from + earliest, skipped + from + latest);
        found.push(Change { at: skipped + from + at, earliest, latest, before: 0.0, after: 0.0, p });
    }
    for (levels, change) in bounds.windows(3).zip(&mut found) {
        change.before = median_of(&values[levels[0]..levels[1]]);
        change.after = median_of(&values[levels[1]..levels[2]]);
    }
    found
}

/// Searches a part of the series that begins at `offset`.
fn search(values: &[f64], offset: usize, risk_each: f64, cuts: &mut Vec<(usize, f64)>, rng: &mut impl Rng) {
    let ranks = ranks(values);
    let risk = risk_each * values.len() as f64;
    let Some(stretch) = most_different(&ranks) else { return };
    let Some(p) = p_of(&ranks, risk, rng, |ranks| most_different(ranks).map_or(0.0, |stretch| stretch.apart)) else {
        return;
    };
    // A stretch has two ends, of which one may be there only because stretches have two.
    let mut ends = Vec::new();
    for (end, from, to) in [(stretch.begin, 0, stretch.end), (stretch.end, stretch.begin, values.len())] {
        if end == 0 || end == values.len() {
            continue;
        }
        let lone = stretch.begin == 0 || stretch.end == values.len();
        let around = self::ranks(&values[from..to]);
        let differs = |ranks: &[f64]| apart(&sums(ranks), 0, end - from);
        if lone || p_of(&around, risk, rng, differs).is_some() {
            ends.push(end);
        }
    }
    let mut begin = 0;
    for &end in ends.iter().chain([&values.len()]) {
        if end < values.len() {
            cuts.push((offset + end, p));
        }
        if !ends.is_empty() {
            search(&values[begin..end], offset + begin, risk_each, cuts, rng);
        }
        begin = end;
    }
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    begin: usize,
    end: usize,
    /// By how much its mean differs from that of the rest, in units that make stretches of all lengths comparable.
    apart: f64,
}

/// The stretch that differs most from the rest; nothing if there is no room for two levels.
fn most_different(ranks: &[f64]) -> Option<Stretch> {
    let (sums, count) = (sums(ranks), ranks.len());
    let room = |length: usize| length == 0 || length >= LEVEL_MIN;
    let mut best: Option<Stretch> = None;
    for begin in (0..count).filter(|&begin| room(begin)) {
        for end in (begin + LEVEL_MIN..=count).filter(|&end| room(count - end)) {
            if end - begin == count {
                continue;
            }
            let apart = apart(&sums, begin, end);
            if best.is_none_or(|best| apart > best.apart) {
                best = Some(Stretch { begin, end, apart });
            }
        }
    }
    best
}

fn sums(ranks: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let added = ranks.iter().map(|rank| {
        sum += rank;
        sum
    });
    std::iter::once(0.0).chain(added).collect()
}

/// How far a stretch and the rest are apart. The ranks have a mean of 0.
fn apart(sums: &[f64], begin: usize, end: usize) -> f64 {
    let (count, length) = ((sums.len() - 1) as f64, (end - begin) as f64);
    (sums[end] - sums[begin]).abs() / (length * (count - length) / count).sqrt()
}

/// How often the same values in another order are as far apart; nothing if more often than `risk`.
fn p_of(ranks: &[f64], risk: f64, rng: &mut impl Rng, apart: impl Fn(&[f64]) -> f64) -> Option<f64> {
    let seen = apart(ranks);
    let most = (risk * (SHUFFLES + 1) as f64 + 1e-9) as usize;
    let mut shuffled = ranks.to_vec();
    let mut as_far = 1;
    for _ in 0..SHUFFLES {
        shuffle(&mut shuffled, rng);
        as_far += usize::from(apart(&shuffled) >= seen - 1e-9);
        if as_far > most {
            return None;
        }
    }
    (as_far <= most).then(|| as_far as f64 / (SHUFFLES + 1) as f64)
}

/// Ranks about a mean of 0; equals have the same.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let rank = first as f64 + (group.len() as f64 - 1.0) / 2.0 - middle;
        group.iter().for_each(|&place| ranks[place] = rank);
        first += group.len();
    }
    ranks
}

/// Where two neighbouring levels are cut best, and between what places that lies with 90 %: all cuts are possible that leave
/// nearly as little scatter. The scatter is that about the medians, so that an outlier moves no cut; ranks would not do here,
/// for they do not know how far apart the levels are.
fn place(values: &[f64]) -> (usize, usize, usize) {
    let scatter = |level: &[f64]| {
        let median = median_of(level);
        level.iter().map(|value| (value - median).abs()).sum::<f64>()
    };
    let cuts: Vec<(usize, f64)> = (LEVEL_MIN..=values.len() - LEVEL_MIN)
        .map(|cut| (cut, scatter(&values[..cut]) + scatter(&values[cut..])))
        .collect();
    let (best, least) = cuts.iter().copied().min_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((0, 0.0));
    let most = least + AS_GOOD * least / values.len() as f64;
    let possible = || cuts.iter().filter(|&&(_, scatter)| scatter <= most * (1.0 + 1e-9)).map(|&(cut, _)| cut);
    (possible().next().unwrap_or(best), best, possible().next_back().unwrap_or(best))
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    /// A series of levels with skewed noise of 5 %.
    fn series(levels: &[(usize, f64)], rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
        let mut draw = |level: f64| level * (1.0 + 0.05 * Distribution::<f64>::sample(&Exp1, rng));
        levels.iter().flat_map(|&(count, level)| std::iter::repeat_n(level, count)).map(&mut draw).collect()
    }

    #[test]
    fn a_series_without_a_change_shows_one_as_seldom_as_it_says() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
        for length in [12, 40] {
            let alarms =
                (0..300).filter(|_| !changes(&series(&[(length, 100.0)], &mut rng), 0.95, &mut rng).is_empty());
            let alarms = alarms.count();
            // 15 are expected of 300.
            assert!(alarms <= 27, "{length}: {alarms} of 300");
        }
    }

    #[test]
    fn a_change_is_found_about_where_it_is() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(12);
        let (mut found, mut held) = (0, 0);
        for _ in 0..100 {
            let values = series(&[(12, 100.0), (8, 115.0)], &mut rng);
            let all = changes(&values, 0.99, &mut rng);
            if let [change] = all.as_slice() {
                found += 1;
                held += u32::from((change.earliest..=change.latest).contains(&12));
                assert!(change.after > change.before && change.p <= 0.01);
            }
        }
        assert!(found >= 80 && held >= found * 9 / 10, "{found} found, {held} places held");
    }

    #[test]
    fn a_change_that_was_taken_back_is_two() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(13);
        let mut found = 0;
        for _ in 0..50 {
            let values = series(&[(15, 100.0), (8, 120.0), (15, 100.0)], &mut rng);
            let at: Vec<usize> = changes(&values, 0.99, &mut rng).iter().map(|change| change.at).collect();
            found += u32::from(at.len() == 2 && at[0].abs_diff(15) <= 2 && at[1].abs_diff(23) <= 2);
        }
        assert!(found >= 45, "{found} of 50");
    }

    #[test]
    fn an_outlier_is_no_change_and_few_results_show_none() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(14);
        let mut values = series(&[(20, 100.0)], &mut rng);
        values[19] = 500.0;
        values[7] = 1.0;
        assert!(changes(&values, 0.99, &mut rng).is_empty());
        assert!(changes(&[1.0, 1.0, 1.0, 9.0, 9.0, 9.0], 0.95, &mut rng).is_empty());
        assert!(changes(&[], 0.95, &mut rng).is_empty());
        assert!(changes(&[5.0; 50], 0.95, &mut rng).is_empty());
    }

    #[test]
    fn counted_figures_that_jump_are_told_with_their_place() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(15);
        let values = [[21.3; 10], [19.5; 10]].concat();
        let found = changes(&values, 0.99, &mut rng);
        let [change] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((change.at, change.earliest, change.latest), (10, 10, 10));
        assert_eq!((change.before, change.after), (21.3, 19.5));
    }
}
