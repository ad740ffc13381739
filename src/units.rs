//! Quantities on the command line.

use std::str::FromStr;
use std::time::Duration;

/// A round-trip time: `200us`, `20ms`, `0.1s`; a bare number is milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RoundTrip(pub Duration);

impl FromStr for RoundTrip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("", 1e-3), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
        let seconds = quantity(text, &units).filter(|&seconds| seconds <= 3600.0);
        let seconds =
            seconds.ok_or_else(|| format!("`{text}` is not a time; write for example 200us, 20ms or 0.1s"))?;
        Ok(RoundTrip(Duration::from_secs_f64(seconds)))
    }
}

/// Bits per second: `100Mbit`, `10Gbit`; a bare number is Mbit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bandwidth {
    /// Bytes a second.
    pub bytes_per_second: f64,
}

impl FromStr for Bandwidth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("", 1e6), ("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9)];
        let bits = quantity(text, &units).filter(|&bits| bits > 0.0);
        let bits = bits.ok_or_else(|| format!("`{text}` is not a bandwidth; write for example 100Mbit or 10Gbit"))?;
        Ok(Bandwidth {
            bytes_per_second: bits / 8.0,
        })
    }
}

/// A range of numbers: `-1..1`, `0..255`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NumberRange {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl FromStr for NumberRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (low, high) = text.split_once("..").unwrap_or_default();
        match (low.parse::<f64>(), high.parse::<f64>()) {
            (Ok(low), Ok(high)) if low.is_finite() && high.is_finite() && low < high => Ok(NumberRange { low, high }),
            _ => Err(format!(
                "`{text}` is not a range; write LOW..HIGH, for example -1..1 or 0..255"
            )),
        }
    }
}

fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (_, factor) = units.iter().find(|(unit, _)| *unit == &text[digits.len()..])?;
    let value: f64 = digits.trim().parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value * factor)
}

/// Bytes for people: `1.5 MB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}

/// Milliseconds for people: three digits that matter.
pub fn milliseconds(value: f64) -> String {
    match value {
        value if value < 0.995 => format!("{:.0} us", value * 1e3),
        value if value < 9.95 => format!("{value:.2} ms"),
        value if value < 999.5 => format!("{value:.1} ms"),
        value => format!("{:.2} s", value / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_units() {
        assert_eq!("20ms".parse(), Ok(RoundTrip(Duration::from_millis(20))));
        assert_eq!("0.2s".parse(), Ok(RoundTrip(Duration::from_millis(200))));
        assert_eq!("50us".parse(), Ok(RoundTrip(Duration::from_micros(50))));
        assert_eq!("20".parse(), Ok(RoundTrip(Duration::from_millis(20))));
        for wrong in ["", "ms", "-1ms", "20m", "NaNs", "infs", "20 years"] {
            assert!(wrong.parse::<RoundTrip>().is_err(), "{wrong}");
        }
        assert_eq!(
            "100Mbit".parse(),
            Ok(Bandwidth {
                bytes_per_second: 12.5e6
            })
        );
        assert_eq!("100".parse::<Bandwidth>(), "100Mbit".parse());
        for wrong in ["", "0Mbit", "100MB"] {
            assert!(wrong.parse::<Bandwidth>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_have_two_ends() {
        assert_eq!("-1..1".parse(), Ok(NumberRange { low: -1.0, high: 1.0 }));
        assert_eq!("0.5..1e3".parse(), Ok(NumberRange { low: 0.5, high: 1000.0 }));
        for wrong in ["", "1", "1..", "..1", "1..1", "2..1", "0..inf"] {
            assert!(wrong.parse::<NumberRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn figures_keep_the_digits_that_matter() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.50 MB");
        assert_eq!(milliseconds(0.25), "250 us");
        assert_eq!(milliseconds(7.123), "7.12 ms");
        assert_eq!(milliseconds(1234.0), "1.23 s");
    }
}
