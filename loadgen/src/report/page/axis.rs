//! Axes: where a value stands, and what is written beside it.
//!
//! Every scale is laid on a straight line here, so that the plots have one kind of coordinates: a latency's logarithm, and a
//! quantile's number of nines, which is the scale that HdrHistogram's tools use.

use crate::report::screen::count;

/// Ticks of an axis with room for few.
const TICKS: f64 = 5.0;

/// The lowest latency that is told apart.
const MICROS_MIN: f64 = 1.0;

/// How values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
    Nines,
}

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Place and label.
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) title: String,
}

impl Axis {
    /// From zero up to the highest value.
    pub(super) fn linear(title: &str, highest: f64) -> Self {
        let step = step(highest.max(1e-9) / TICKS);
        let to = (highest.max(1e-9) / step).ceil() * step;
        let ticks = (0..=(to / step).round() as u32).map(|at| f64::from(at) * step);
        let ticks = ticks.map(|value| (value, short(value))).collect();
        Self { scale: Scale::Linear, from: 0.0, to, ticks, title: title.to_owned() }
    }

    /// Seconds from the begin of the measured time.
    pub(super) fn time(seconds: f64) -> Self {
        let mut axis = Self::linear("seconds since the measured time began", seconds);
        axis.to = seconds.max(1e-9);
        axis.ticks.retain(|(at, _)| *at <= seconds * (1.0 + 1e-9));
        axis
    }

    /// Microseconds, each power of ten as long as the next.
    pub(super) fn micros(title: &str, values: impl Iterator<Item = u64>) -> Self {
        Self::log(title, values.map(|micros| micros as f64).filter(|&micros| micros >= MICROS_MIN), 8.0, time)
    }

    /// Anything above zero, each power of ten as long as the next.
    pub(super) fn magnitudes(title: &str, values: impl Iterator<Item = f64>) -> Self {
        Self::log(title, values.filter(|&value| value > 0.0), 3.0, short)
    }

    fn log(title: &str, values: impl Iterator<Item = f64>, powers_max: f64, label: impl Fn(f64) -> String) -> Self {
        let (low, high) = values.fold((f64::MAX, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (1.0, 10.0) } else { (low, high.max(low * 1.1)) };
        // A little room, for what lies on the edge is hard to see.
        let (from, to) = (low.log10() - 0.05, high.log10() + 0.05);
        let steps: &[f64] = match to - from {
            ..1.3 => &[1.0, 2.0, 5.0],
            ..2.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let stride = ((to - from) / powers_max).ceil().max(1.0) as usize;
        let powers = ((from.floor() as i32)..=(to.ceil() as i32)).step_by(stride);
        let values = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
        let ticks = values.filter(|value| (from..=to).contains(&value.log10()));
        let ticks = ticks.map(|value| (value.log10(), label(value))).collect();
        Self { scale: Scale::Log, from, to, ticks, title: title.to_owned() }
    }

    /// Quantiles of so many values: as far to the right as one of them can tell.
    pub(super) fn quantiles(count: u64) -> Self {
        let to = (count.max(10) as f64).log10();
        let nines = to.floor() as usize;
        // Labels grow by a nine each, so for many of them there is room for every second one.
        let step = if nines < 5 { 1 } else { 2 };
        let nines = (1..=nines).step_by(step).map(|nines| (nines as f64, nines_label(nines)));
        let ticks = std::iter::once((nines_of(0.5), "50 %".to_owned())).chain(nines).collect();
        Self {
            scale: Scale::Nines,
            from: 0.0,
            to,
            ticks,
            title: "share of publications that are not slower".to_owned(),
        }
    }

    /// With room beyond the highest value, for so many lines to be written there.
    pub(super) fn with_headroom(self, lines: usize) -> Self {
        Self { to: self.to + (0.04 + 0.1 * lines as f64) * (self.to - self.from), ..self }
    }

    /// A row for each name, the first at the top.
    pub(super) fn rows(names: &[String]) -> Self {
        let count = names.len() as f64;
        let ticks = names.iter().zip(0u32..).map(|(name, at)| (count - 0.5 - f64::from(at), name.clone())).collect();
        Self { scale: Scale::Linear, from: 0.0, to: count.max(1.0), ticks, title: String::new() }
    }

    /// Where a value stands; what is beyond the ends stands at them.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
            Scale::Nines => nines_of(value),
        };
        place.clamp(self.from, self.to)
    }

    /// What is written at a place.
    pub(super) fn label(&self, place: f64) -> String {
        let near = (self.to - self.from) * 1e-6;
        let tick = self.ticks.iter().find(|(at, _)| (at - place).abs() <= near);
        tick.map_or_else(String::new, |(_, label)| label.clone())
    }
}

fn nines_of(quantile: f64) -> f64 {
    -(1.0 - quantile.clamp(0.0, 1.0)).log10()
}

fn nines_label(nines: usize) -> String {
    match nines {
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        _ => format!("99.{} %", "9".repeat(nines - 2)),
    }
}

/// The next of 1, 2, 5, 10, … that is not smaller.
fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    steps.into_iter().find(|&step| step >= least).unwrap_or(10.0 * power)
}

/// Round microseconds with few characters.
fn time(micros: f64) -> String {
    let (size, unit) = match micros {
        1e6.. => (1e6, "s"),
        1e3.. => (1e3, "ms"),
        _ => (1.0, "us"),
    };
    format!("{} {unit}", trimmed(micros / size))
}

/// A number with few characters.
pub(super) fn short(value: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let unit = units.into_iter().find(|&(size, _)| value >= 10.0 * size || (value >= size && value % size == 0.0));
    match unit {
        Some((size, unit)) => format!("{} {unit}", trimmed(value / size)),
        None if value >= 1_000.0 => count(value),
        None => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let digits = if value == 0.0 || value >= 100.0 { 0 } else { (2 - value.log10().floor() as i32).clamp(0, 9) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(labels(&Axis::linear("", 13_855.0)), ["0", "5 k", "10 k", "15 k"]);
        assert_eq!(labels(&Axis::linear("", 0.8)), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&Axis::time(8.0)), ["0", "2", "4", "6", "8"]);
        assert_eq!(labels(&Axis::micros("", [30, 70_000].into_iter())), ["100 us", "1 ms", "10 ms"]);
        assert_eq!(labels(&Axis::micros("", [150, 900].into_iter())), ["200 us", "500 us", "1 ms"]);
        assert_eq!(labels(&Axis::quantiles(20_000)), ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert_eq!(labels(&Axis::quantiles(2_000_000)), ["50 %", "90 %", "99.9 %", "99.999 %"]);
        assert_eq!(labels(&Axis::magnitudes("", [3.0, 200_000.0].into_iter())), ["100", "10 k"]);
    }

    #[test]
    fn nothing_leaves_the_axis() {
        for axis in [Axis::linear("", 0.0), Axis::micros("", std::iter::empty()), Axis::quantiles(0), Axis::rows(&[])] {
            assert!(axis.from < axis.to, "{axis:?}");
            for value in [0.0, 1.0, -5.0, 1e300] {
                assert!((axis.from..=axis.to).contains(&axis.place(value)), "{axis:?} {value}");
            }
        }
        let axis = Axis::quantiles(1_000);
        assert_eq!((axis.place(1.0), axis.place(0.9).round(), axis.label(2.0).as_str()), (3.0, 1.0, "99 %"));
    }
}
