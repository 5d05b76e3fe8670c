//! The interval log of HdrHistogram (`.hlog`): a histogram for each interval of the measured time, with the tags `first`,
//! `median` and `last`, in microseconds from plan to watcher.
//!
//! The log's tools merge, cut and plot these; the intervals of one tag together are the whole distribution, to two digits.
//! Where the measured time was not divided it is one interval.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::report::histogram::decode;
use crate::report::{Report, Series, WatcherCurves};

/// The log. Where nothing was measured it is a header alone.
#[must_use]
pub fn render(report: &Report) -> Vec<u8> {
    let mut log = Vec::new();
    // Writing to memory cannot fail, and the histograms were checked when they were read.
    let _ = write(&mut log, report);
    log
}

fn write(log: &mut Vec<u8>, report: &Report) -> Result<(), Box<dyn std::error::Error>> {
    let began =
        report.measured_at.as_deref().and_then(|moment| moment.parse::<jiff::Timestamp>().ok().map(SystemTime::from));
    let began = began.unwrap_or(SystemTime::UNIX_EPOCH);
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[Unit: microseconds from plan to watcher; fanfare {}]", report.commit))
        .with_start_time(began)
        .with_base_time(began)
        .begin_log_with(log, &mut serializer)?;
    writer.write_comment("Tag,StartTimestamp,Interval_Length,Interval_Max,Interval_Compressed_Histogram")?;
    let mut put = |tag, histogram_us: &str, from: Duration, to: Duration| -> Result<(), Box<dyn std::error::Error>> {
        let histogram = decode(histogram_us)?;
        Ok(writer.write_histogram(&histogram, from, to.saturating_sub(from), Tag::new(tag))?)
    };
    let whole_s = report.measured_s.or(report.series.as_ref().map(Series::span_s)).unwrap_or_default();
    let whole = Duration::try_from_secs_f64(whole_s)?;
    if let Some(series) = &report.series {
        let interval = Duration::try_from_secs_f64(series.interval_s)?;
        for at in 0..series.publications_planned.len() {
            let (from, to) = (interval * at as u32, (interval * (at + 1) as u32).min(whole));
            for (tag, times) in [("first", &series.first_us), ("median", &series.median_us), ("last", &series.last_us)]
            {
                put(tag, &times.histograms_us[at], from, to)?;
            }
        }
    } else if let Some(curves) = &report.curves {
        let WatcherCurves { first, median, last } = &curves.from_plan;
        for (tag, curve) in [("first", first), ("median", median), ("last", last)] {
            put(tag, &curve.histogram_us, Duration::ZERO, whole)?;
        }
    }
    Ok(())
}
