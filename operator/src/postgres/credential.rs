//! A tenant's login: its password, and the SCRAM verifier by which PostgreSQL knows it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What PostgreSQL itself uses.
const ITERATIONS: u32 = 4096;

/// A login with its password. The salt is kept beside the password, so that the verifier can be
/// computed again and compared with the one in force. Clones share a verifier once computed.
#[derive(Clone)]
pub struct Credential {
    /// Name of the login role.
    pub login: String,
    password: SecretString,
    salt: [u8; 16],
    verifier: Arc<OnceLock<Verifier>>,
}

/// What PostgreSQL keeps of a password: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(String);

impl Credential {
    /// A new credential from 32 random bytes and a random salt.
    pub fn new(login: impl Into<String>, random: [u8; 32], salt: [u8; 16]) -> Self {
        Self::known(login, URL_SAFE_NO_PAD.encode(random).into(), salt)
    }

    /// The credential that a Secret holds.
    pub fn known(login: impl Into<String>, password: SecretString, salt: [u8; 16]) -> Self {
        Self {
            login: login.into(),
            password,
            salt,
            verifier: Arc::default(),
        }
    }

    /// The password.
    pub fn password(&self) -> &SecretString {
        &self.password
    }

    /// The salt, to be kept beside the password.
    pub fn salt(&self) -> [u8; 16] {
        self.salt
    }

    /// The verifier: always the same for one password and salt. The first call costs a few milliseconds.
    pub fn verifier(&self) -> &Verifier {
        self.verifier
            .get_or_init(|| Verifier::of(self.password.expose_secret(), &self.salt))
    }

    /// SHA-256 of the verifier, in hexadecimal, as the bootstrap function answers it.
    pub fn fingerprint(&self) -> String {
        self.verifier().fingerprint()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// The verifier that a Secret holds.
    pub fn known(text: String) -> Self {
        Self(text)
    }

    fn of(password: &str, salt: &[u8; 16]) -> Self {
        let salted = salted_password(password.as_bytes(), salt);
        let stored_key = Sha256::digest(hmac(&salted, &[b"Client Key"]));
        let server_key = hmac(&salted, &[b"Server Key"]);
        Self(format!(
            "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
            STANDARD.encode(salt),
            STANDARD.encode(stored_key),
            STANDARD.encode(server_key)
        ))
    }

    /// The text for `PASSWORD`, and for the Secret.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the verifier, in hexadecimal, as the bootstrap function answers it.
    pub fn fingerprint(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.0))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// PBKDF2 of RFC 5802, one block.
fn salted_password(password: &[u8], salt: &[u8; 16]) -> [u8; 32] {
    let mut block = hmac(password, &[salt, &1u32.to_be_bytes()]);
    let mut sum = block;
    for _ in 1..ITERATIONS {
        block = hmac(password, &[&block]);
        for (total, byte) in sum.iter_mut().zip(block) {
            *total ^= byte;
        }
    }
    sum
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length: the error cannot occur, and an empty answer would match nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_the_one_postgresql_computes() {
        // The example of postgres-protocol's own tests.
        let salt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(
            Verifier::of("secret", &salt).expose(),
            "SCRAM-SHA-256$4096:AQIDBAUGBwgJCgsMDQ4PEA==$8rrDg00OqaiWXJ7p+sCgHEIaBSHY89ZJl3mfIsf32oY=:05L1f+yZbiN8O0AnO40Og85NNRhvzTS57naKRWCcsIA="
        );
    }

    #[test]
    fn one_password_and_salt_give_one_verifier() {
        let first = Credential::new("eo_1_a", [7; 32], [1; 16]);
        let again = Credential::known("eo_1_a", first.password().clone(), first.salt());
        assert_eq!(first.verifier(), again.verifier());
        assert_ne!(
            first.fingerprint(),
            Credential::new("eo_1_a", [7; 32], [2; 16]).fingerprint()
        );
        assert_eq!(first.fingerprint().len(), 64);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let credential = Credential::new("eo_1_a", [7; 32], [1; 16]);
        let shown = format!("{credential:?} {:?}", credential.verifier());
        assert_eq!(shown, "Credential { login: \"eo_1_a\", .. } Verifier(..)");
    }
}
