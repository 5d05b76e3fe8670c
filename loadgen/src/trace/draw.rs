//! A trace of what a run would publish, drawn as it would be, without running it.
//!
//! On the main thread, as fast as the disk takes it: some 100 ns an event, and no memory but the merge's heads.

use itertools::kmerge_by;

use super::files::Output;
use super::record::{Event, Kind};
use super::{Header, TraceError};
use crate::arrivals::Arrivals;
use crate::plan;
use crate::population::Population;
use crate::publisher::next_arrival;
use crate::schedule::{Arrival, Drawing, Residents, Schedule};
use crate::settings::Settings;
use fanfare_tuning::users::Presence;

/// Writes the trace of a run with these settings, warm-up included.
///
/// # Errors
/// What cannot be written.
pub fn draw(settings: &Settings, output: &Output) -> Result<Header, TraceError> {
    let population = Population::new(settings.traits.clone());
    let end_us = (plan::warm_up(settings.duration) + settings.duration).as_micros() as u64;
    let header = Header {
        records: 0,
        users: population.users(),
        composed: settings.presence == Presence::Lync,
        anonymised: false,
        seed: Some(settings.traits.seed),
    };
    let mut writer = output.trace(header)?;
    let shards = (0..settings.shards).map(|shard| of_shard(settings, &population, shard, end_us));
    let place = |(arrival, shard): &(Arrival, usize)| (arrival.plan_us, *shard);
    for (arrival, _) in kmerge_by(shards, |one: &_, other: &_| place(one) < place(other)) {
        let bytes = population.person(arrival.user).document_bytes;
        let Some(kind) = Kind::of(arrival.what, bytes) else { continue };
        let event = Event { at_us: arrival.plan_us, user: arrival.user, kind };
        writer.push(&event).map_err(|fault| output.fault(fault))?;
    }
    writer.finish().map_err(|fault| output.fault(fault))
}

/// The arrivals of one shard, as its publisher would draw them for the run's only point.
fn of_shard(
    settings: &Settings,
    population: &Population,
    shard: usize,
    end_us: u64,
) -> impl Iterator<Item = (Arrival, usize)> {
    let residents = Residents { shard, shards: settings.shards, users: population.users() };
    let measure_from_us = plan::warm_up(settings.duration).as_micros() as u64;
    let drawing = Drawing {
        rate_per_s: settings.rate_per_s,
        shape: settings.shape,
        hot_user: 0,
        from_us: 0,
        measure_from_us,
        end_us,
        seed: plan::seed_of_point(settings.traits.seed, 1),
    };
    let mut arrivals = Arrivals::Drawn(Schedule::new(residents, &drawing, &settings.mix));
    std::iter::from_fn(move || Some((next_arrival(population, &residents, &mut arrivals, 0), shard)))
        .take_while(move |(arrival, _)| arrival.plan_us < end_us)
}
