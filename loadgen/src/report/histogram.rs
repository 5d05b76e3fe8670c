//! Histograms as text: HdrHistogram's own compressed form (V2, deflated) in base64, which its tools in every language read.
//!
//! Runs on the main thread, once a report. What is read was written by somebody else: its length is bounded before it is
//! looked at, and everything wrong with it has a name.

use base64::DecodeError;
use base64::prelude::{BASE64_STANDARD, Engine};
use hdrhistogram::serialization::{DeserializeError, Deserializer, Serializer, V2DeflateSerializer};
use hdrhistogram::{Counter, Histogram};
use thiserror::Error;

/// Characters of the longest text that is read: ten times what three digits up to a minute can come to.
const TEXT_MAX: usize = 1 << 20;

/// Why a text is no histogram.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// Too long.
    #[error("{0} characters, at most {TEXT_MAX} are read")]
    Long(usize),
    /// Not base64.
    #[error("not base64: {0}")]
    Base64(#[from] DecodeError),
    /// Not a histogram.
    #[error("not an HdrHistogram in the V2 format: {0}")]
    Format(DeserializeError),
}

/// A histogram as text.
#[must_use]
pub fn encode<T: Counter>(histogram: &Histogram<T>) -> String {
    let mut bytes = Vec::new();
    // Writing to memory fails only for counts that do not fit an i64, and nothing is counted so often.
    let written = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    if written.is_err() {
        bytes.clear();
    }
    BASE64_STANDARD.encode(bytes)
}

/// The histogram that a text is.
///
/// # Errors
/// What is wrong with it.
pub fn decode(text: &str) -> Result<Histogram<u64>, HistogramError> {
    if text.len() > TEXT_MAX {
        return Err(HistogramError::Long(text.len()));
    }
    let bytes = BASE64_STANDARD.decode(text)?;
    Deserializer::new().deserialize(&mut &bytes[..]).map_err(HistogramError::Format)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorder::Times;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read_back(micros in proptest::collection::vec(0u64..80_000_000, 0..200)) {
            let mut times = Times::new();
            micros.iter().for_each(|&micros| times.record(micros));
            let read = decode(&encode(times.histogram())).unwrap();
            prop_assert_eq!(&read, times.histogram());
        }

        #[test]
        fn nothing_that_is_not_one_gets_further(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(decode(&BASE64_STANDARD.encode(bytes)).is_err());
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(decode("not base64!").unwrap_err().to_string().starts_with("not base64: "));
        assert!(decode("AAAA").unwrap_err().to_string().contains("V2 format"));
        assert!(decode(&"A".repeat(TEXT_MAX + 1)).unwrap_err().to_string().starts_with("1048577 characters"));
    }
}
