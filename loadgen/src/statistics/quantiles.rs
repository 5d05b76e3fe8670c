//! Student's t and the normal distribution: what is beyond a value, and what value few are beyond.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The value that Student's t with so many degrees of freedom is beyond, on either side, as seldom as 1 − `confidence`.
#[must_use]
pub fn student_within(confidence: f64, freedom: f64) -> f64 {
    student(freedom).map_or(f64::INFINITY, |student| student.inverse_cdf(f64::midpoint(1.0, confidence)))
}

/// How often Student's t is at least so far from 0.
#[must_use]
pub fn student_beyond(value: f64, freedom: f64) -> f64 {
    student(freedom).map_or(1.0, |student| 2.0 * student.sf(value.abs()))
}

/// How often a normal value is at least so far from 0.
#[must_use]
pub fn normal_beyond(value: f64) -> f64 {
    2.0 * Normal::standard().sf(value.abs())
}

/// Without any freedom nothing is known, and everything is possible.
fn student(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_the_tables() {
        let table =
            [(0.95, 1.0, 12.706), (0.95, 7.0, 2.365), (0.99, 7.0, 3.499), (0.999, 3.0, 12.924), (0.95, 200.0, 1.972)];
        for (confidence, freedom, value) in table {
            let found = student_within(confidence, freedom);
            assert!((found - value).abs() < 5e-4, "{confidence} {freedom}: {found}");
            assert!((student_beyond(found, freedom) - (1.0 - confidence)).abs() < 1e-6);
        }
        assert!((normal_beyond(1.959_964) - 0.05).abs() < 1e-6);
        for freedom in [1.0, 19.0, 250.0, 10_000.0] {
            assert!(student_beyond(1e6, freedom) < 1e-5 && student_beyond(0.0, freedom) > 0.999);
        }
        assert!(student_within(0.95, 0.0).is_infinite());
    }
}
