//! Times as a person writes them: `500ms`, `30s`, `5m`.

use std::time::Duration;

/// What a text may be multiplied with; the longer unit comes before the one that it ends with.
const UNITS: [(&str, f64); 6] = [("us", 1e-6), ("ms", 1e-3), ("min", 60.0), ("m", 60.0), ("s", 1.0), ("", 1.0)];

/// Reads a time from a microsecond to a day; without a unit it is in seconds.
///
/// # Errors
/// What would have been right.
pub fn parse(text: &str) -> Result<Duration, String> {
    let found = UNITS.iter().find_map(|(unit, seconds)| {
        let digits = text.strip_suffix(unit)?.trim();
        digits.parse::<f64>().ok().map(|value| value * seconds)
    });
    match found {
        None => Err("not a time, such as 500ms, 30s or 5m".to_owned()),
        Some(seconds) if (1e-6..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err("must be from 1us to 1440m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert!(parse("soon").is_err() && parse("0").is_err() && parse("nan").is_err());
    }
}
