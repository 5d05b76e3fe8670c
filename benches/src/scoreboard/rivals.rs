//! How many times what others do is what the engine does?

use fanfare_bench_world::Shape;
use fanfare_rivals::{Class, Measured, RivalError, all, measure};

use super::Figures;

/// Measures all contenders that run here at both sizes, and puts the ratios among the figures.
///
/// # Errors
/// If a contender tells something that is not so.
pub fn rivals(
    sizes: &[(u64, &'static str, &'static str)],
    seconds_each: f64,
    rounds: usize,
    figures: &mut Figures,
) -> Result<Vec<Measured>, RivalError> {
    let mut everything = Vec::new();
    for &(users, best_key, rate_key) in sizes {
        let graph = fanfare_bench_world::Graph::uniform(users);
        let names: Vec<_> = all()
            .iter()
            .filter(|one| one.fits(&graph).and_then(|()| one.available()).is_ok())
            .map(|one| one.name)
            .collect();
        let measured = measure(&names, users, Shape::Uniform, seconds_each, rounds)?;
        let times = |one: &Measured| one.times_engine_median.map(|ratio| 1.0 / ratio);
        let best = measured.iter().filter(|one| one.class == Class::Queueing).filter_map(times).reduce(f64::min);
        figures.extend(best.map(|best| (best_key, best)));
        for one in &measured {
            match one.class {
                Class::Engine => drop(figures.insert(rate_key, one.notifications_per_s_median)),
                Class::IndexOutbox if users == 100_000 => figures.extend(times(one).map(|it| ("rival_index_100k", it))),
                Class::Queueing if users == 10_000 && one.name == "tokio-broadcast" => {
                    figures.extend(times(one).map(|it| ("rival_broadcast", it)));
                }
                _ => {}
            }
        }
        everything.extend(measured);
    }
    Ok(everything)
}
