//! The only ways in which a name or a text gets into SQL.

use std::fmt;

/// PostgreSQL cuts longer names off silently.
const MAX_BYTES: usize = 63;

/// A name or text that cannot be written in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unquotable {
    /// Nothing, or more than PostgreSQL keeps of a name.
    #[error("a name in PostgreSQL has 1 to 63 bytes")]
    Length,
    /// A byte no text of PostgreSQL can have.
    #[error("a text in PostgreSQL cannot hold a zero byte")]
    Zero,
}

/// The name of a database, role or other object. Its `Display` is the quoted form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(String);

impl Ident {
    /// Takes a name that PostgreSQL can keep whole.
    pub fn new(name: impl Into<String>) -> Result<Self, Unquotable> {
        let name = name.into();
        if name.contains('\0') {
            return Err(Unquotable::Zero);
        }
        if name.is_empty() || name.len() > MAX_BYTES {
            return Err(Unquotable::Length);
        }
        Ok(Self(name))
    }

    /// The name itself, unquoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A text for the statements that take no parameters. Its `Display` is the quoted form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// Takes a text without zero bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, Unquotable> {
        let text = text.into();
        if text.contains('\0') {
            Err(Unquotable::Zero)
        } else {
            Ok(Self(text))
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doubled = self.0.replace('\'', "''");
        if doubled.contains('\\') {
            // This form means the same whatever standard_conforming_strings is.
            write!(f, " E'{}'", doubled.replace('\\', "\\\\"))
        } else {
            write!(f, "'{doubled}'")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        for (name, quoted) in [
            ("eo_1", r#""eo_1""#),
            ("Select", r#""Select""#),
            (r#"a"; DROP ROLE x; --"#, r#""a""; DROP ROLE x; --""#),
        ] {
            assert_eq!(Ident::new(name).unwrap().to_string(), quoted);
        }
    }

    #[test]
    fn a_name_that_would_be_cut_off_is_refused() {
        assert!(Ident::new("x".repeat(63)).is_ok());
        assert_eq!(Ident::new("x".repeat(64)), Err(Unquotable::Length));
        assert_eq!(Ident::new("ก".repeat(22)), Err(Unquotable::Length));
        assert_eq!(Ident::new(""), Err(Unquotable::Length));
        assert_eq!(Ident::new("a\0b"), Err(Unquotable::Zero));
    }

    #[test]
    fn texts_are_quoted() {
        for (text, quoted) in [
            ("", "''"),
            ("it's", "'it''s'"),
            (r"\'; DROP ROLE x; --", r" E'\\''; DROP ROLE x; --'"),
        ] {
            assert_eq!(Literal::new(text).unwrap().to_string(), quoted);
        }
        assert_eq!(Literal::new("a\0b"), Err(Unquotable::Zero));
    }
}
