//! A tenant's access key.

use secrecy::SecretString;
use std::fmt;

/// An access key with its secret, which the store shows once.
#[derive(Clone)]
pub struct Key {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: SecretString,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}
