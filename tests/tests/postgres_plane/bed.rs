//! One server prepared by the bootstrap SQL, and tenants for it.

use eoffice_crds::TenantRecordSpec;
use eoffice_operator::effect::{Access as Kind, Effects, Fault, Site, Verdict};
use eoffice_operator::identity::{BackendNames, Claim, InstallationId, Mark, fingerprint};
use eoffice_operator::postgres::{
    Access, Credential, Desired, Server, ServerAddress, TenantLogin, canary_name, desired, observe,
    visit,
};
use eoffice_tests::backends::bootstrap_sql;
use eoffice_tests::parts::postgres::{OPERATOR, Postgres, PostgresOptions};
use eoffice_tests::{Ground, Progress};
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

pub fn installation() -> InstallationId {
    "plane-test".parse().unwrap()
}

pub fn claim() -> Claim {
    Claim {
        installation: installation(),
        cluster_uid: "this-cluster".into(),
        pinned: None,
        accept_identity: None,
        take_over_from: None,
    }
}

pub fn canary() -> String {
    canary_name(&installation())
}

/// A door that counts the changes made through it, and may do something at one of them.
#[derive(Default)]
pub struct Counter {
    changes: AtomicUsize,
    at: Option<(usize, Verdict)>,
    hangs: Notify,
}

impl Counter {
    pub fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    /// Lets a life go on to its end, or to the change at which it hangs for good: there it is dropped, with all that it
    /// has in hand.
    pub async fn until_death<T>(&self, life: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            outcome = life => Some(outcome),
            () = self.hangs.notified() => None,
        }
    }
}

impl Fault for Counter {
    fn at(&self, site: &Site, _object: &str) -> Verdict {
        if site.access == Kind::Read {
            return Verdict::Proceed;
        }
        let number = self.changes.fetch_add(1, Ordering::SeqCst);
        let verdict = match self.at {
            Some((at, verdict)) if at == number => verdict,
            _ => Verdict::Proceed,
        };
        if verdict == Verdict::HangBefore {
            self.hangs.notify_one();
        }
        verdict
    }

    fn carried_out(&self, _site: &Site, _object: &str) {
        self.hangs.notify_one();
    }
}

/// What somebody who died asked last may still be under way: tried again until it has ended.
pub async fn at_last<T, E: Display>(attempt: impl AsyncFn() -> Result<T, E>) -> T {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < patience, "{error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

pub fn door(at: Option<(usize, Verdict)>) -> (Effects, Arc<Counter>) {
    let counter = Arc::new(Counter {
        at,
        ..Counter::default()
    });
    let effects = Effects::new(&mut Registry::default()).with_fault(counter.clone());
    (effects, counter)
}

/// One server, and the operator's way to it.
pub struct Bed {
    pub effects: Effects,
    pub server: Server,
    pub postgres: Postgres,
    pub ground: Ground,
}

impl Bed {
    pub async fn bare() -> Self {
        let ground = Ground::prepare(&Progress::silent()).await.unwrap();
        let options = PostgresOptions {
            durable: false,
            log_statements: true,
        };
        let postgres = Postgres::new(&ground, "pg-a", options).await.unwrap();
        postgres.part.start().await.unwrap();
        let mut bed = Self {
            effects: door(None).0,
            server: Server::new(address(&ground, &postgres)).unwrap(),
            postgres,
            ground,
        };
        bed.effects = door(None).0;
        bed
    }

    pub async fn prepared() -> Self {
        let bed = Self::bare().await;
        let sql = bootstrap_sql().unwrap();
        bed.postgres.bootstrap(&sql).await.unwrap();
        visit(&bed.server, &bed.effects, &claim()).await.unwrap();
        bed
    }

    pub fn address(&self) -> ServerAddress {
        address(&self.ground, &self.postgres)
    }

    pub async fn superuser(&self) -> Client {
        self.postgres.connect("postgres").await.unwrap()
    }

    /// A tenant whose record names this server.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let mut tenant = Tenant::new(name);
        let identity = "SELECT system_identifier::text FROM pg_control_system()";
        tenant.record.database.system_identifier = self.ask(identity).await.unwrap();
        tenant
    }

    pub async fn sql(&self, sql: &str) {
        let superuser = self.superuser().await;
        superuser.batch_execute(sql).await.unwrap();
    }

    /// The one value that a superuser sees.
    pub async fn ask(&self, sql: &str) -> Option<String> {
        let superuser = self.superuser().await;
        superuser.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub fn login(&self, tenant: &Tenant) -> TenantLogin {
        let address = self.address();
        TenantLogin {
            server: address.name,
            host: address.host,
            port: address.port,
            ca_pem: address.ca_pem,
            database: tenant.record.database.name.clone(),
            username: tenant.credential.login.clone(),
            password: tenant.credential.password().clone(),
        }
    }

    /// A session with the tenant's own credentials.
    pub async fn enter(
        &self,
        tenant: &Tenant,
        database: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        let password = tenant.credential.password().expose_secret();
        self.postgres
            .connect_as(&tenant.credential.login, password, database)
            .await
            .map_err(|error| error.downcast().unwrap())
    }
}

fn address(ground: &Ground, postgres: &Postgres) -> ServerAddress {
    ServerAddress {
        name: postgres.name().into(),
        host: postgres.host().into(),
        port: postgres.port(),
        username: OPERATOR.into(),
        password: SecretString::from(postgres.operator_password()),
        ca_pem: Some(ground.tls.cert()),
    }
}

/// A tenant with its record and credential.
pub struct Tenant {
    pub record: TenantRecordSpec,
    pub credential: Credential,
}

impl Tenant {
    pub fn new(name: &str) -> Self {
        let names = BackendNames::first(&installation(), name);
        let record = json!({
            "installationId": installation().as_str(),
            "fingerprint": fingerprint(name, "30"),
            "tenant": {"namespace": "province-30", "name": name, "uid": "uid-1"},
            "state": "live",
            "frozen": {
                "class": "standard", "baseDomain": "eoffice.example", "store": "objects",
                "versioning": true, "allowDelete": false, "retain": {}
            },
            "hosts": [],
            "database": {
                "server": "pg-a", "systemIdentifier": "1", "name": names.database,
                "role": names.role, "login": names.login, "connectionLimit": 5
            },
            "storage": {
                "store": "objects", "storeIdentity": "1", "bucket": names.bucket, "user": names.user
            },
            "tenantSpec": {"agency": {"nameTh": "ก", "kind": "TownMunicipality", "province": "30"}},
        });
        Self {
            record: serde_json::from_value(record).unwrap(),
            credential: Credential::new(
                names.login,
                rand::random::<[u8; 32]>(),
                rand::random::<[u8; 16]>(),
            ),
        }
    }

    pub fn desired(&self, access: Access) -> Desired {
        self.wanted(None, access)
    }

    /// With a bucket whose mark names this database.
    pub fn beside(&self, oid: Option<u32>) -> Desired {
        let mark = Mark {
            twin: oid.map(|oid| oid.to_string()),
            ..self.open().mark
        };
        self.wanted(Some(&mark), Access::Open)
    }

    fn wanted(&self, bucket: Option<&Mark>, access: Access) -> Desired {
        desired(
            &self.record,
            5,
            &self.credential.login,
            self.credential.verifier(),
            bucket,
            access,
        )
        .unwrap()
    }

    pub fn open(&self) -> Desired {
        self.desired(Access::Open)
    }

    /// Database, role and login.
    pub fn names(&self) -> (&str, &str, &str) {
        let names = &self.record.database;
        (&names.name, &names.role, &names.login)
    }

    /// Writes the identity of its database into its record.
    pub async fn remember(&mut self, bed: &Bed) {
        let found = observe(&bed.server, &bed.effects, &self.open()).await;
        self.record.database.oid = Some(found.unwrap().database.unwrap().oid.into());
    }
}

/// SQLSTATE of an error of PostgreSQL.
pub fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("none", |code| code.code())
}

/// Waits until no more than so many sessions are left, of a role (`usename`) or in a database (`datname`): one that was
/// ended goes a moment later.
pub async fn awaited(bed: &Bed, by: &str, name: &str, sessions: usize) {
    let count = format!("SELECT count(*)::text FROM pg_stat_activity WHERE {by} = '{name}'");
    let gone =
        async { while bed.ask(&count).await.unwrap().parse::<usize>().unwrap() > sessions {} };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}
