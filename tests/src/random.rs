//! Credentials for one run.

use rand::RngExt;
use rand::distr::Alphanumeric;

/// A password of 32 letters and digits.
pub(crate) fn password() -> String {
    letters(32)
}

/// An access key as S3's are: `EO` and 18 capitals and digits.
pub(crate) fn access_key() -> String {
    format!("EO{}", letters(18).to_uppercase())
}

/// A short word to tell one run's names from another's.
pub(crate) fn letters(count: usize) -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(count)
        .map(char::from)
        .collect()
}
