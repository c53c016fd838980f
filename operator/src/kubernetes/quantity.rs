//! Quantities, which the API server writes in its own way: `1000m` comes back as `1`.

/// Binary suffixes, each 1024 times the one before.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Decimal suffixes and their powers of ten.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// The API server rounds up to thousandths.
const THOUSANDTHS: i32 = 3;

/// How many thousandths a quantity is, by which two that are written otherwise are told to be the
/// same; `None` for what is no quantity.
pub fn thousandths(text: &str) -> Option<i128> {
    let unit = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'));
    let (number, suffix) = text.split_at(unit.unwrap_or(text.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (power, factor) = scale(suffix)?;
    let power = power + THOUSANDTHS - i32::try_from(fraction.len()).ok()?;
    let value = digits.checked_mul(factor)?;
    let shift = 10i128.checked_pow(power.unsigned_abs())?;
    if power >= 0 {
        return value.checked_mul(shift);
    }
    let up = i128::from(value % shift > 0);
    Some(value / shift + up)
}

/// Power of ten and factor that a suffix stands for.
fn scale(suffix: &str) -> Option<(i32, i128)> {
    if let Some(place) = BINARY.iter().position(|known| *known == suffix) {
        return Some((0, 1024i128.pow(u32::try_from(place).ok()? + 1)));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some((*power, 1));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((exponent.parse().ok()?, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_writes_is_the_same_as_what_it_was_given() {
        // As Kubernetes 1.36 answered.
        let rows = [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1000", "1k"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("2e3", "2e3"),
            ("4096Ki", "4Mi"),
            ("1500000u", "1500m"),
            ("+5", "+5"),
            ("05", "05"),
            ("12000m", "12"),
            ("0.1Gi", "107374182400m"),
            ("1.50", "1500m"),
            ("100000", "100k"),
        ];
        for (given, written) in rows {
            assert!(thousandths(given).is_some(), "{given}");
            assert_eq!(thousandths(given), thousandths(written), "{given}");
        }
    }

    #[test]
    fn values() {
        let rows = [
            ("1", Some(1000)),
            ("1n", Some(1)),
            ("0", Some(0)),
            ("1E", Some(1_000_000_000_000_000_000_000)),
            ("1E2", Some(100_000)),
            ("1e-3", Some(1)),
            (".5", Some(500)),
            ("5.", Some(5000)),
            ("-1500m", Some(-1500)),
            ("", None),
            ("x", None),
            ("1x", None),
            ("1.2.3", None),
            ("1e", None),
            ("1e99", None),
            ("99999999999999999999999999999999999999999", None),
        ];
        for (text, value) in rows {
            assert_eq!(thousandths(text), value, "{text}");
        }
    }
}
