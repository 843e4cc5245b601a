//! Settings as people write them: a number and its unit, a name; nothing guessed.

const BYTES: [(&str, f64); 7] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1024.0 * 1024.0),
    ("GiB", 1024.0 * 1024.0 * 1024.0),
];
const SECONDS: [(&str, f64); 4] = [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0)];
/// Up to here every whole number is exact.
const MOST: f64 = 9_007_199_254_740_992.0;

/// A size such as `5MB` (5,000,000) or `8KiB` (8,192), in bytes.
///
/// # Errors
/// A sentence for people.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    quantity(text, &BYTES).ok_or_else(|| {
        format!("“{text}” is no size: write 5MB or 8KiB (B, kB, MB, GB, KiB, MiB, GiB)")
    })
}

/// A rate such as `250kB/s`, in bytes a second; never zero.
///
/// # Errors
/// A sentence for people.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    let rate = text.strip_suffix("/s").and_then(|size| quantity(size, &BYTES));
    rate.filter(|rate| *rate > 0)
        .ok_or_else(|| format!("“{text}” is no rate above zero: write 250kB/s or 1MiB/s"))
}

/// A length of time such as `300min`, in seconds.
///
/// # Errors
/// A sentence for people.
pub fn parse_duration_s(text: &str) -> Result<u64, String> {
    quantity(text, &SECONDS)
        .ok_or_else(|| format!("“{text}” is no length of time: write 300min or 2d (s, min, h, d)"))
}

/// A share from 0 to 1.
///
/// # Errors
/// A sentence for people.
pub fn parse_fraction(text: &str) -> Result<f64, String> {
    let share = decimal(text).filter(|share| *share <= 1.0);
    share.ok_or_else(|| format!("“{text}” is no share: write a number from 0 to 1, such as 0.3"))
}

fn quantity(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let value = decimal(number.trim_end())? * factor;
    #[allow(clippy::cast_sign_loss, reason = "no sign is read")]
    (value.fract() == 0.0 && value <= MOST).then_some(value as u64)
}

/// Digits, and perhaps a point and more digits: no sign, no exponent, no infinity.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_framed = |edge: Option<char>| edge.is_some_and(|c| c.is_ascii_digit());
    let is_good = is_plain && is_framed(text.chars().next()) && is_framed(text.chars().last());
    if is_good { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_units() {
        assert_eq!(parse_bytes("5MB"), Ok(5_000_000));
        assert_eq!(parse_bytes("8KiB"), Ok(8192));
        assert_eq!(parse_bytes("0.5 GB"), Ok(500_000_000));
        assert_eq!(parse_bytes("0B"), Ok(0));
        assert_eq!(parse_rate("250kB/s"), Ok(250_000));
        assert_eq!(parse_duration_s("300min"), Ok(18_000));
        assert_eq!(parse_duration_s("1.5d"), Ok(129_600));
        assert_eq!(parse_fraction("0.3"), Ok(0.3));
    }

    #[test]
    fn nothing_is_guessed() {
        let sizes = ["", "5", "MB", "5mb", "5M", "-5MB", "+5MB", "1e6B", ".5MB", "5.MB", "1..5MB"];
        for bad in sizes.into_iter().chain(["0.5B", "infB", "5MB/s", "99999999999GB", "5 M B"]) {
            assert!(parse_bytes(bad).unwrap_err().contains("is no size"), "{bad}");
        }
        for bad in ["250kB", "250", "0kB/s", "250kB/min", "/s"] {
            assert!(parse_rate(bad).unwrap_err().contains("is no rate"), "{bad}");
        }
        for bad in ["300", "300m", "5 minutes", "0.1s", "-1h"] {
            assert!(parse_duration_s(bad).unwrap_err().contains("is no length"), "{bad}");
        }
        for bad in ["", "1.1", "-0.1", "30%", "nan", "1e-1"] {
            assert!(parse_fraction(bad).unwrap_err().contains("is no share"), "{bad}");
        }
    }
}
