//! Facts about one thing, a line each: what it is called, and what it is.

use crate::table::{Paint, Style, wrap};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Facts under a heading.
pub struct Facts {
    text: String,
    style: Style,
}

impl Facts {
    /// None yet, under this heading.
    pub fn new(heading: &str, style: Style) -> Self {
        Self {
            text: style.paint(Paint::Bold, heading) + "\n",
            style,
        }
    }

    /// One that is always there.
    #[must_use]
    pub fn and(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.text += &wrap(&format!("  {name:<12} "), value.as_ref(), self.style);
        self
    }

    /// One that may be unknown.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.and(name, value),
            None => self,
        }
    }

    /// All of them as lines.
    pub fn render(self) -> String {
        self.text
    }
}

/// The day of a time, UTC.
pub fn day(time: &Time) -> String {
    time.0.strftime("%Y-%m-%d").to_string()
}

/// Bytes in the largest unit of which there is one: `512 B`, `1.5 GiB`.
pub fn bytes(number: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_of_the_largest_unit_of_which_there_is_one() {
        for (number, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
            (i64::MAX, "8192.0 PiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
