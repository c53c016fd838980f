//! What one tenant should have on its server. Pure.

use super::credential::Verifier;
use super::ident::{Ident, Unquotable};
use crate::identity::Mark;
use crate::plan::Problem;
use eoffice_crds::{Reason, TenantRecordSpec};

/// Whether the tenant may use its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may log in.
    Open,
    /// No login, no session; the data stays.
    Closed,
}

/// Something that says the database existed, and under which identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What says so, for a sentence: `its record`.
    pub who: &'static str,
    /// The database's oid.
    pub oid: u32,
}

/// What one tenant should have on its server.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Name of the DatabaseServer, for sentences.
    pub server: String,
    /// The database.
    pub database: Ident,
    /// The role that owns the tenant's objects and cannot log in.
    pub role: Ident,
    /// The login whose credentials are in the tenant's Secret.
    pub login: Ident,
    /// The other of the two logins that alternate: it may exist, and cannot log in.
    pub idle: Ident,
    /// The login's SCRAM verifier.
    pub verifier: Verifier,
    /// SHA-256 of the verifier.
    pub fingerprint: String,
    /// Connections the login may hold at once.
    pub connection_limit: i32,
    /// The mark on database and roles.
    pub mark: Mark,
    /// What says that the database existed. None: it may be made.
    pub witnesses: Vec<Witness>,
    /// Whether the tenant may use it.
    pub access: Access,
}

/// What the tenant of this record should have. `bucket` is the mark found on its bucket, if one was:
/// the twin that witnesses the database.
pub fn desired(
    record: &TenantRecordSpec,
    connection_limit: i32,
    login: &str,
    verifier: &Verifier,
    bucket: Option<&Mark>,
    access: Access,
) -> Result<Desired, Problem> {
    let names = &record.database;
    let ident = |name: &str| {
        Ident::new(name).map_err(|why: Unquotable| {
            Problem::new(
                Reason::InvalidSpec,
                format!("the record's database name {name:?} cannot be used: {why}; restore the record from a backup"),
            )
        })
    };
    if login != names.login {
        return Err(Problem::new(
            Reason::CredentialsInvalid,
            format!(
                "the tenant's database Secret is for login {}, and its record names {}; restore the one or the other from a backup",
                login, names.login
            ),
        ));
    }
    let recorded = names.oid.and_then(|oid| u32::try_from(oid).ok());
    let twin = bucket.and_then(|mark| mark.twin.as_ref()?.parse().ok());
    let witness = |who, oid: Option<u32>| oid.map(|oid| Witness { who, oid });
    Ok(Desired {
        server: names.server.clone(),
        database: ident(&names.name)?,
        role: ident(&names.role)?,
        login: ident(&names.login)?,
        idle: ident(&other_login(&names.login))?,
        verifier: verifier.clone(),
        fingerprint: verifier.fingerprint(),
        connection_limit,
        mark: Mark {
            installation: record.installation_id.clone(),
            fingerprint: record.fingerprint.clone(),
            uid: record.tenant.uid.clone(),
            state: record.state,
            twin: record.storage.bucket_identity.clone(),
        },
        witnesses: [
            witness("its record", recorded),
            witness("the mark on its bucket", twin),
        ]
        .into_iter()
        .flatten()
        .collect(),
        access,
    })
}

/// The logins `_a` and `_b` alternate.
pub(super) fn other_login(login: &str) -> String {
    match login.strip_suffix("_b") {
        Some(stem) => format!("{stem}_a"),
        None => format!("{}_b", login.strip_suffix("_a").unwrap_or(login)),
    }
}

impl Desired {
    /// The names that are this tenant's on the server: database, role, both logins.
    pub fn names(&self) -> [&Ident; 4] {
        [&self.database, &self.role, &self.login, &self.idle]
    }
}
