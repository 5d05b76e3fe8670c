//! Quantities as a person writes them: times, shares, rates, moments.
//!
//! The parsers of the command line, and of all that is written like it. Each says what would have been right.

use std::time::Duration;

/// What a text may be multiplied with; the longer unit comes before the one that it ends with.
const UNITS: [(&str, f64); 6] = [("us", 1e-6), ("ms", 1e-3), ("min", 60.0), ("m", 60.0), ("s", 1.0), ("", 1.0)];

/// Reads a time from a microsecond to a day; without a unit it is in seconds.
///
/// # Errors
/// What would have been right.
pub fn time(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        seconds if (1e-6..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("must be from 1us to 1440m".to_owned()),
    }
}

/// Reads how long something is to be looked for: nothing, or a time of a second at most, for nobody minds a wake-up
/// a second.
///
/// # Errors
/// What would have been right.
pub fn spin(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        seconds if (0.0..=1.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("must be from 0 to 1s".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let found = UNITS.iter().find_map(|(unit, seconds)| {
        let digits = text.strip_suffix(unit)?.trim();
        digits.parse::<f64>().ok().map(|value| value * seconds)
    });
    found.ok_or_else(|| "not a time, such as 500ms, 30s or 5m".to_owned())
}

/// Writes a moment, counted from the Unix epoch, in RFC 3339 and UTC.
#[must_use]
pub fn moment(since_epoch: Duration) -> String {
    let moment = jiff::Timestamp::from_second(since_epoch.as_secs() as i64).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads a share: from 0 to 1, or from 0% to 100%.
///
/// # Errors
/// What would have been right.
pub fn share(text: &str) -> Result<f64, String> {
    let (digits, of) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let value: f64 = digits.trim().parse().map_err(|_| "not a share, such as 0.01 or 1%".to_owned())?;
    if (0.0..=1.0).contains(&(value / of)) {
        Ok(value / of)
    } else {
        Err("must be from 0 to 1, or 0% to 100%".to_owned())
    }
}

/// Reads a share that comes each minute, such as `1%/min`.
///
/// # Errors
/// What would have been right.
pub fn share_per_min(text: &str) -> Result<f64, String> {
    share(text.strip_suffix("/min").ok_or("not a share each minute, such as 1%/min")?)
}

/// Reads how sure somebody wants to be: a share that is worth the name.
///
/// # Errors
/// What would have been right.
pub fn confidence(text: &str) -> Result<f64, String> {
    let value = share(text)?;
    if (0.5..=0.999).contains(&value) { Ok(value) } else { Err("must be from 50% to 99.9%".to_owned()) }
}

/// Reads how well something is to be known: a share of it.
///
/// # Errors
/// What would have been right.
pub fn precision(text: &str) -> Result<f64, String> {
    let value = share(text)?;
    if (0.01..=0.5).contains(&value) { Ok(value) } else { Err("must be from 1% to 50%".to_owned()) }
}

/// Reads a rate a second, or a factor.
///
/// # Errors
/// What would have been right.
pub fn rate(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1e8).contains(&value) { Ok(value) } else { Err("must be from 0.001 to 100 million".to_owned()) }
}

/// Reads a number, with a fraction or without, between two others.
///
/// # Errors
/// What would have been right.
pub fn number<const MIN: u32, const MAX: u32>(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (f64::from(MIN)..=f64::from(MAX)).contains(&value) {
        Ok(value)
    } else {
        Err(format!("must be from {MIN} to {MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(time("10"), Ok(Duration::from_secs(10)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(
            (spin("0"), spin("0us"), spin("5ms")),
            (Ok(Duration::ZERO), Ok(Duration::ZERO), Ok(Duration::from_millis(5)))
        );
        assert!(spin("2s").unwrap_err().contains("from 0 to 1s") && spin("nan").is_err());
        assert!(time("soon").is_err() && time("0").is_err() && time("nan").is_err());
    }

    #[test]
    fn numbers_and_shares_are_read_with_their_units() {
        assert_eq!((share("1%"), share("0.25")), (Ok(0.01), Ok(0.25)));
        assert!(share("150%").is_err() && share("nan").is_err());
        assert_eq!(share_per_min("1%/min"), Ok(0.01));
        assert!(share_per_min("1%").unwrap_err().contains("1%/min") && share_per_min("x/min").is_err());
        assert!(confidence("99%").is_ok() && confidence("20%").is_err());
        assert!(rate("0").is_err() && rate("nan").is_err() && rate("12.5").is_ok());
        assert!(number::<1, 64>("65").is_err() && number::<1, 64>("1.9").is_ok());
    }

    #[test]
    fn a_moment_is_written_in_utc() {
        assert_eq!(moment(Duration::ZERO), "1970-01-01T00:00:00Z");
        assert_eq!(moment(Duration::from_millis(951_782_400_999)), "2000-02-29T00:00:00Z");
    }
}
