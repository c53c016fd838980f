//! Those who may read a tenant's database for a time, each with a login of their own. Pure.
//!
//! Such a login has no right to write anything, whatever it sets for itself. What PostgreSQL lets every role do, it can
//! do too once it has turned its own settings off: change its password and settings, which is found as drift and put
//! right, and make large objects of its own.
//!
//! PostgreSQL itself lets nobody log in once his time is over, also where nobody is there to close the login. Sessions
//! that are open by then are the operator's to end.

use super::credential::Verifier;
use super::ident::Ident;
use super::step::Step;
use crate::plan::Problem;
use data_encoding::HEXLOWER;
use eoffice_crds::{Reason, TenantRecordSpec};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Connections that an auditor may hold at once.
pub(super) const AUDITOR_SESSIONS: i32 = 2;

/// An auditor's own settings. A table with row security is refused rather than shown in part.
pub(super) const AUDITOR_SETTINGS: [(&str, &str); 2] = [
    ("default_transaction_read_only", "on"),
    ("row_security", "off"),
];

/// Between the database's name and the hash of the auditor's.
pub(super) const INFIX: &str = "_audit_";

/// One who may read the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auditor {
    /// The login.
    pub login: Ident,
    /// Its SCRAM verifier.
    pub verifier: Verifier,
    /// SHA-256 of the verifier, in hexadecimal.
    pub verifier_fingerprint: String,
    /// Until when it can log in, in whole microseconds.
    pub until: Timestamp,
}

impl Auditor {
    /// An auditor with the login of [`auditor_login`], who may read until then.
    pub fn new(login: &str, verifier: &Verifier, until: Timestamp) -> Result<Self, Problem> {
        let login = Ident::new(login).map_err(|why| {
            Problem::new(
                Reason::InvalidSpec,
                format!("the auditor's login {login:?} cannot be used: {why}; restore the record from a backup"),
            )
        })?;
        Ok(Self {
            login,
            verifier: verifier.clone(),
            verifier_fingerprint: verifier.fingerprint(),
            until: as_kept(until),
        })
    }
}

/// The beginning of the year 9000: later times are not read back alike from every server.
const LATEST: Timestamp = Timestamp::constant(221_845_392_000, 0);

/// The time as PostgreSQL keeps it: it knows none finer than a microsecond.
fn as_kept(until: Timestamp) -> Timestamp {
    let until = until.min(LATEST);
    Timestamp::from_microsecond(until.as_microsecond()).unwrap_or(until)
}

/// The login of the tenant's auditor of this name, `<database>_audit_<hash>`: neighbours can read it.
pub fn auditor_login(record: &TenantRecordSpec, name: &str) -> String {
    let mut hash = HEXLOWER.encode(&Sha256::digest(name));
    hash.truncate(16);
    format!("{}{INFIX}{hash}", record.database.name)
}

/// The database whose auditor a role of this name is, if it is one's.
pub fn audited_by(role: &str) -> Option<&str> {
    role.rsplit_once(INFIX).map(|(database, _)| database)
}

/// Whether a step ends the access of an auditor: no plan closes that of one who is to have it.
pub(super) fn ends_auditor(step: &Step) -> bool {
    match step {
        Step::CloseLogin { role } | Step::EndSessions { role } => {
            audited_by(role.as_str()).is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::postgres::desired::tests::record;

    #[test]
    fn what_ends_an_auditor_is_told_from_what_closes_the_tenant() {
        let record = record();
        for (name, expected) in [
            (auditor_login(&record, "oag"), true),
            (record.database.login, false),
        ] {
            let role = Ident::new(&name).unwrap();
            let close = Step::CloseLogin { role: role.clone() };
            let end = Step::EndSessions { role: role.clone() };
            assert_eq!([ends_auditor(&close), ends_auditor(&end)], [expected; 2]);
            assert!(!ends_auditor(&Step::OpenLogin { login: role }), "{name}");
        }
    }

    #[test]
    fn an_auditors_login_is_opaque_whole_and_its_own() {
        let record = record();
        let names = ["national archives", "court of audit", "สตง.", ""];
        let logins = names.map(|name| auditor_login(&record, name));
        for (number, login) in logins.iter().enumerate() {
            assert!(login.starts_with("eo_1_audit_"), "{login}");
            assert!(!logins[..number].contains(login), "{login}");
            assert_eq!(audited_by(login), Some("eo_1"));
        }
        assert_eq!(audited_by("eo_1_a"), None);
        // With the longest stem that names of ours have.
        assert!(24 + logins[0].len() <= 63);
    }
}
