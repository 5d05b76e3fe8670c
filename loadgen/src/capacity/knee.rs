//! Where latency begins to rise faster than the rate.

/// The knee of a curve of rates and times: the point furthest below the straight line from the first to the last, both
/// axes from 0 to 1 and times by their logarithm. Nothing where fewer than three rates were tried or none lies below.
///
/// Several times for one rate count by their median. A time of 0 is one that nobody measured, and counts for nothing: a point
/// that ended before anybody was told has none. Cost: a sort.
#[must_use]
pub fn of(points: &[(f64, u64)]) -> Option<f64> {
    let mut sorted: Vec<(f64, f64)> =
        points.iter().filter(|(_, us)| *us != 0).map(|&(rate, us)| (rate, (us as f64).ln())).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let curve: Vec<(f64, f64)> =
        sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).map(|same| same[same.len() / 2]).collect();
    let (&(first, low), &(last, high)) = (curve.first()?, curve.last()?);
    if curve.len() < 3 || high <= low {
        return None;
    }
    let below = |&(rate, time): &(f64, f64)| (rate - first) / (last - first) - (time - low) / (high - low);
    let (depth, knee) = curve.iter().map(|point| (below(point), point.0)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (depth > 0.0).then_some(knee)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_where_the_curve_turns_up() {
        let queue = |rate: f64| (rate, (1e6 / (10_000.0 - rate)) as u64);
        let points: Vec<_> = [1e3, 3e3, 5e3, 7e3, 8e3, 9e3, 9.5e3, 9.9e3, 9.99e3].map(queue).to_vec();
        assert_eq!(of(&points), Some(9_000.0));
        let mut shuffled = points.clone();
        shuffled.reverse();
        shuffled.push((5e3, 1_000_000));
        shuffled.push((5e3, 1));
        assert_eq!(of(&shuffled), Some(9_000.0), "order and one disturbed point do not matter");
    }

    #[test]
    fn points_of_which_nothing_was_measured_move_nothing() {
        let queue = |rate: f64| (rate, (1e6 / (10_000.0 - rate)) as u64);
        let measured = [1e3, 3e3, 5e3, 7e3, 8e3, 9e3, 9.5e3, 9.9e3, 9.99e3].map(queue);
        let hopeless = [(500.0, 0), (20e3, 0), (40e3, 0)];
        assert_eq!(of(&[&measured[..], &hopeless].concat()), Some(9_000.0));
        assert_eq!(of(&[(1.0, 0), (2.0, 5), (3.0, 50)]), None, "two are no curve");
    }

    #[test]
    fn a_curve_without_one_has_none() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(1.0, 5), (2.0, 5)]), None);
        assert_eq!(of(&[(1.0, 9), (2.0, 9), (3.0, 9)]), None);
        assert_eq!(of(&[(1.0, 1), (2.0, 1_000_000), (3.0, 1_000_001)]), None);
    }
}
