//! What one tenant should have on its server. Pure.

use super::auditor::Auditor;
use super::credential::Verifier;
use super::ident::{Ident, Unquotable};
use super::owner::Owner;
use crate::identity::{Mark, Order};
use crate::plan::Problem;
use data_encoding::HEXLOWER;
use eoffice_crds::{Reason, RecordState, TenantRecordSpec};
use sha2::{Digest, Sha256};

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
    /// Identity of that server (PostgreSQL's system_identifier).
    pub system_identifier: String,
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
    /// SHA-256 of the verifier, in hexadecimal.
    pub verifier_fingerprint: String,
    /// Connections the login may hold at once.
    pub connection_limit: i32,
    /// The mark on database and roles. Only the database's names an order.
    pub mark: Mark,
    /// What becomes of the order in the database's mark.
    pub order: Order,
    /// The order on which it is destroyed: the database's mark must name it.
    pub warrant: Option<String>,
    /// What says that the database existed. None: it may be made.
    pub witnesses: Vec<Witness>,
    /// Oids that a person accepted as lost or replaced: whatever names one is no witness.
    pub superseded: Vec<u32>,
    /// Identities of buckets that a person accepted as lost or replaced: a mark that names one as twin is rewritten.
    pub superseded_twins: Vec<String>,
    /// Whether the tenant may use it.
    pub access: Access,
    /// While the tenant's credentials are rotated: the other login stays as open as it is.
    pub retiring: bool,
    /// Those who may read the database, each with a login of their own. The tenant's other auditors are shut out.
    pub auditors: Vec<Auditor>,
    /// Logins of auditors about whom nothing could be decided: they stay as they are.
    pub spared: Vec<String>,
    /// Fingerprint of the record that the tenant took its data over from: such marks are ours too, and rewritten.
    pub predecessor: Option<String>,
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
    let number = |oid: i64| u32::try_from(oid).ok();
    let recorded = names.oid.and_then(number);
    let twin = bucket.and_then(|mark| mark.twin.as_ref()?.parse().ok());
    // What the record names now was accepted last, even if it was given up before.
    let superseded: Vec<u32> = (names.superseded.iter().copied().filter_map(number))
        .filter(|oid| Some(*oid) != recorded)
        .collect();
    let witness = |who, oid: Option<u32>| {
        oid.filter(|oid| !superseded.contains(oid))
            .map(|oid| Witness { who, oid })
    };
    let current = &record.storage.bucket_identity;
    let superseded_twins = (record.storage.superseded.iter())
        .filter(|twin| Some(*twin) != current.as_ref())
        .cloned()
        .collect();
    Ok(Desired {
        server: names.server.clone(),
        system_identifier: names.system_identifier.clone(),
        database: ident(&names.name)?,
        role: ident(&names.role)?,
        login: ident(&names.login)?,
        idle: ident(&other_login(&names.login))?,
        verifier: verifier.clone(),
        verifier_fingerprint: verifier.fingerprint(),
        connection_limit,
        mark: Mark {
            installation: record.installation_id.clone(),
            fingerprint: record.fingerprint.clone(),
            uid: record.tenant.uid.clone(),
            state: record.state.in_marks(),
            twin: record.storage.bucket_identity.clone(),
            order: None,
        },
        order: match record.state {
            RecordState::Live => Order::Is(None),
            _ => Order::AsFound,
        },
        warrant: record.order().map(str::to_owned),
        witnesses: [
            witness("its record", recorded),
            witness("the mark on its bucket", twin),
        ]
        .into_iter()
        .flatten()
        .collect(),
        superseded,
        superseded_twins,
        access,
        retiring: record.rotation.under_way.as_ref().is_some_and(|under_way| {
            under_way.login_retired_at.is_none() && under_way.login == other_login(&names.login)
        }),
        auditors: Vec::new(),
        spared: Vec::new(),
        predecessor: (record.predecessor.as_ref()).map(|before| before.fingerprint.clone()),
    })
}

/// The names that are a tenant's on its server: database, role, both logins.
pub fn recorded_names(record: &TenantRecordSpec) -> [String; 4] {
    let names = &record.database;
    let idle = other_login(&names.login);
    [&names.name, &names.role, &names.login, &idle].map(Clone::clone)
}

/// The logins `_a` and `_b` alternate.
pub fn other_login(login: &str) -> String {
    match login.strip_suffix("_b") {
        Some(stem) => format!("{stem}_a"),
        None => format!("{}_b", login.strip_suffix("_a").unwrap_or(login)),
    }
}

impl Desired {
    /// With logins of auditors that stay as they are.
    #[must_use]
    pub fn sparing(mut self, logins: Vec<String>) -> Self {
        self.spared = logins;
        self
    }

    /// With those who may read the database.
    #[must_use]
    pub fn with_auditors(mut self, auditors: Vec<Auditor>) -> Self {
        self.auditors = auditors;
        self
    }

    /// With an order in the database's mark, or without any.
    #[must_use]
    pub fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Whose everything here must be.
    pub fn owner(&self) -> Owner {
        Owner {
            mark: self.mark.clone(),
            predecessor: self.predecessor.clone(),
            order: self.warrant.clone(),
            system_identifier: self.system_identifier.clone(),
        }
    }

    /// Whether this is the login of the tenant, or the one that it had until a moment ago and may still use.
    pub(super) fn serves(&self, login: &Ident) -> bool {
        *login == self.login || (self.retiring && *login == self.idle)
    }

    /// Who may read the database by this login, if somebody may.
    pub(super) fn auditor(&self, login: &str) -> Option<&Auditor> {
        (self.auditors.iter()).find(|auditor| auditor.login.as_str() == login)
    }

    /// Whoever objects in the database belong to.
    pub(super) fn object_owners(&self) -> [Ident; 3] {
        [&self.role, &self.login, &self.idle].map(Clone::clone)
    }

    /// The names that are this tenant's on the server: database, role, both logins.
    pub fn names(&self) -> [&Ident; 4] {
        [&self.database, &self.role, &self.login, &self.idle]
    }

    /// Fingerprint of what is asked for, 16 hexadecimal digits: the same until somebody asks for something else. What
    /// merely became known (identities) or was made at random (the verifier) is not in it.
    pub fn asked(&self) -> String {
        let mark = Mark {
            twin: None,
            ..self.mark.clone()
        };
        let mut sha = Sha256::new();
        for part in [
            &self.server,
            self.database.as_str(),
            self.role.as_str(),
            self.login.as_str(),
            &self.connection_limit.to_string(),
            &mark.to_comment(),
            &format!("{:?}", self.access),
        ] {
            part_of(&mut sha, part);
        }
        // Nothing is added where there is nothing of it: a fingerprint from before these existed stays the same.
        if self.retiring {
            part_of(&mut sha, "retiring");
        }
        for auditor in &self.auditors {
            part_of(&mut sha, auditor.login.as_str());
            part_of(&mut sha, &auditor.until.to_string());
        }
        let mut text = HEXLOWER.encode(&sha.finalize());
        text.truncate(16);
        text
    }
}

fn part_of(sha: &mut Sha256, part: &str) {
    sha.update(part.len().to_be_bytes());
    sha.update(part);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(super) mod tests {
    use super::*;
    use crate::postgres::Credential;
    use serde_json::json;

    pub fn record() -> TenantRecordSpec {
        let record = json!({
            "installationId": "korat", "fingerprint": "f",
            "tenant": {"namespace": "province-30", "name": "x", "uid": "u1"}, "state": "live",
            "frozen": {
                "class": "standard", "baseDomain": "eoffice.example", "store": "objects",
                "versioning": true, "allowDelete": false, "retain": {}
            },
            "hosts": [],
            "database": {
                "server": "pg-a", "systemIdentifier": "1", "name": "eo_1", "role": "eo_1_owner",
                "login": "eo_1_a", "connectionLimit": 5, "oid": 200, "superseded": [100, 200]
            },
            "storage": {
                "store": "objects", "storeIdentity": "1", "bucket": "b", "user": "u",
                "bucketIdentity": "b2", "superseded": ["b1", "b2"]
            },
            "tenantSpec": {"agency": {"nameTh": "ก", "kind": "TownMunicipality", "province": "30"}},
        });
        serde_json::from_value(record).unwrap()
    }

    fn of(record: &TenantRecordSpec, twin: u32, password: u8) -> Desired {
        let credential = Credential::new("eo_1_a", [password; 32], [2; 16]);
        let bucket = Mark {
            installation: "korat".into(),
            fingerprint: "f".into(),
            uid: "u1".into(),
            state: record.state.in_marks(),
            twin: Some(twin.to_string()),
            order: None,
        };
        let verifier = credential.verifier();
        desired(record, 5, "eo_1_a", verifier, Some(&bucket), Access::Open).unwrap()
    }

    #[test]
    fn what_was_given_up_is_no_witness_unless_it_was_taken_up_again() {
        let oids = |desired: Desired| desired.witnesses.iter().map(|w| w.oid).collect::<Vec<_>>();
        let mut record = record();
        assert_eq!(of(&record, 100, 1).superseded, [100]);
        assert_eq!(of(&record, 100, 1).superseded_twins, ["b1"]);
        assert_eq!(oids(of(&record, 100, 1)), [200]);
        assert_eq!(oids(of(&record, 300, 1)), [200, 300]);
        record.database.oid = None;
        assert_eq!(oids(of(&record, 100, 1)), [0; 0]);
        assert_eq!(oids(of(&record, 200, 1)), [0; 0]);
    }

    #[test]
    fn what_is_asked_changes_only_with_what_is_asked() {
        type Edit = fn(&mut TenantRecordSpec);
        let asked = of(&record(), 100, 1).asked();
        assert_eq!(asked.len(), 16);
        assert_eq!(
            of(&record(), 300, 2).asked(),
            asked,
            "witnesses and password"
        );
        fn rotating(record: &mut TenantRecordSpec, login: &str) {
            record.rotation = serde_json::from_value(json!({"underWay": {
                "cause": "Age", "since": "2026-01-01T00:00:00Z",
                "deadline": "2026-01-08T00:00:00Z", "login": login
            }}))
            .unwrap();
        }
        let cases: [(Edit, bool); 10] = [
            (|r| r.database.oid = None, true),
            (|r| r.storage.bucket_identity = None, true),
            (|r| r.database.superseded.clear(), true),
            (|r| r.tenant.uid = "u2".into(), false),
            (|r| r.state = eoffice_crds::RecordState::Retained, false),
            (|r| r.database.role = "other".into(), false),
            (|r| rotating(r, "eo_1_b"), false),
            // A rotation of another login, or one whose login was taken away, keeps nothing open.
            (|r| rotating(r, "eo_1_a"), true),
            (
                |r| {
                    rotating(r, "eo_1_b");
                    let under_way = r.rotation.under_way.as_mut().unwrap();
                    under_way.login_retired_at = Some(under_way.since.clone());
                },
                true,
            ),
            (
                |r| {
                    r.predecessor = serde_json::from_value(
                        json!({"namespace": "eoffice-old", "fingerprint": "before"}),
                    )
                    .unwrap();
                },
                true,
            ),
        ];
        for (number, (edit, same)) in cases.iter().enumerate() {
            let mut record = record();
            edit(&mut record);
            assert_eq!(of(&record, 100, 1).asked() == asked, *same, "case {number}");
        }
        let verifier = Credential::new("x", [1; 32], [2; 16]);
        let audited = |until: i64| {
            let until = jiff::Timestamp::from_second(until).unwrap();
            let auditor = Auditor::new("eo_1_audit_x", verifier.verifier(), until).unwrap();
            of(&record(), 100, 1).with_auditors(vec![auditor]).asked()
        };
        assert_ne!(audited(1), asked);
        assert_ne!(audited(1), audited(2));
        let mut closed = of(&record(), 100, 1);
        closed.access = Access::Closed;
        assert_ne!(closed.asked(), asked);
        closed.access = Access::Open;
        closed.connection_limit = 6;
        assert_ne!(closed.asked(), asked);
    }
}
