//! One tenant, from its resource to its last status.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use eoffice_crds::{
    AppliedClass, ConditionType, DATABASE_SECRET, EOfficeTenantStatus, Lifecycle, LocalRef,
    ObjectRef, RECORD_NAME, STORAGE_SECRET, TenantDatabaseStatus, TenantRecordSpec,
    TenantStorageStatus, tenant_namespace,
};
use eoffice_operator::identity::tag;
use eoffice_operator::ingress;
use eoffice_operator::kubernetes::Kind;
use eoffice_operator::kubernetes::desired::{self, Child, Endpoint, Wanted};
use eoffice_operator::kubernetes::secrets::{
    self, DatabaseCredential, DatabaseLocation, StorageKey, StorageLocation,
};
use eoffice_operator::objectstore::apply::Outcome;
use eoffice_operator::objectstore::step::{Step, Tags};
use eoffice_operator::objectstore::store::canary_bucket;
use eoffice_operator::objectstore::{self, Key};
use eoffice_operator::postgres::{self, Credential, TenantLogin, canary_name};
use eoffice_operator::proof::Proof;
use eoffice_operator::tenant::parse::{Tenant, parse};
use eoffice_operator::tenant::placement::Candidate;
use eoffice_operator::tenant::record::{FirstLook, begin};
use eoffice_operator::tenant::registry::Registry;
use eoffice_operator::tenant::status::{Findings, certificate, status};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::sleep;

use super::{Database, World};
use crate::bed::Asked;

/// The ingress takes up a new certificate within this many tries, and that long between them.
const TRIES: (usize, Duration) = (50, Duration::from_millis(100));

/// A tenant that was made.
pub struct Made<'a> {
    /// From its creation until its status said Ready.
    pub time: Duration,
    making: Making<'a>,
    key: Key,
}

impl Made<'_> {
    /// Whether the operator would find nothing to do in the store: for after the measurement.
    pub async fn check(&self) -> Result<()> {
        let Making { world, record, .. } = &self.making;
        let (bucket, user) = (&record.storage.bucket, &record.storage.user);
        let found =
            objectstore::observe::tenant(&world.store, &world.effects, bucket, user).await?;
        let key = self.key.access_key_id.clone();
        let desired = self.making.storage_desired(Some(key));
        let left = objectstore::plan::plan(&desired, &found)?;
        ensure!(left.is_empty(), "the storage lacks: {}", left[0].step);
        Ok(())
    }
}

/// Makes one tenant.
pub async fn make(world: &World, index: usize, asked: Asked) -> Result<Made<'_>> {
    let Asked { tenant, at } = asked;
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let classes = [Arc::clone(&world.class)];
    let tenant = parse(Arc::new(tenant), &World::province_labels(), None, &classes)?;
    // One waits to begin at a time, so that those that wait to be finished come first.
    let gate = world.gate.lock().await;
    let turn = world.turns.acquire().await?;
    drop(gate);
    let database = &world.databases[index % world.databases.len()];
    let mut making = Making::new(world, database, tenant)?;

    let cluster = &world.cluster;
    cluster.finalize(&making.tenant.object).await?;
    making.apply(desired::ground(&making.wanted)).await?;
    let mut record = cluster.record(&making.record).await?;
    // All at once, the certificate first: others work on it.
    let (_, (login, oid), (key, mut tags)) =
        tokio::try_join!(making.objects(), making.database(), making.storage())?;
    making.record.database.oid = Some(oid);
    tags.insert(tag("twin"), oid.to_string());
    making.tag(tags).await?;
    drop(turn);

    cluster.issued(&making.wanted.namespace).await?;
    let turn = world.turns.acquire().await?;
    making
        .prove(&login, &key)
        .await
        .with_context(|| name.clone())?;
    making.record.verified_at = Some(Time(Timestamp::now()));
    record.spec = making.record.clone();
    cluster.amend(&record).await?;
    cluster
        .report(&making.tenant.object, &making.status())
        .await?;
    let time = at.elapsed();
    cluster.tell(&making.tenant.object).await?;
    drop(turn);
    Ok(Made { time, making, key })
}

/// A tenant in the making.
struct Making<'a> {
    world: &'a World,
    database: &'a Database,
    tenant: Tenant,
    wanted: Wanted,
    record: TenantRecordSpec,
}

impl<'a> Making<'a> {
    fn new(world: &'a World, database: &'a Database, tenant: Tenant) -> Result<Self> {
        let server = &database.object;
        let look = FirstLook {
            servers: vec![Candidate {
                name: server.metadata.name.clone().unwrap_or_default(),
                standing: Ok(database.system_identifier.clone()),
                capacity: server.spec.capacity.clone(),
                databases: 0,
                connections: 0,
                holds_tenant: false,
            }],
            store: world.store_facts.identity.clone(),
            bucket_mark: None,
            database_mark: None,
        };
        let domains = [world.class.spec.base_domain.clone()];
        let registry = Registry::default();
        let mut record = begin(&tenant, &world.installation, &look, &domains, &registry)?.record;
        record.storage.bucket_identity = Some(format!("{:032x}", rand::random::<u128>()));
        let port = world.store_object.spec.endpoint.rsplit_once(':');
        let wanted = Wanted {
            tenant: tenant.name.clone(),
            tenant_namespace: tenant.namespace.clone(),
            province: tenant.province().to_owned(),
            namespace: tenant_namespace(&tenant.name),
            class: world.class.spec.clone(),
            hosts: record.hosts.clone(),
            database_network: Endpoint {
                cidrs: server.spec.network.cidrs.clone(),
                port: server.spec.port,
            },
            storage_network: Endpoint {
                cidrs: world.store_object.spec.network.cidrs.clone(),
                port: port.and_then(|(_, port)| port.parse().ok()).unwrap_or(443),
            },
            open: true,
            officers: None,
        };
        Ok(Self {
            world,
            database,
            tenant,
            wanted,
            record,
        })
    }

    async fn apply(&self, child: Child) -> Result<()> {
        self.world
            .cluster
            .apply(&self.wanted.namespace, &child)
            .await
    }

    async fn all(&self, children: impl IntoIterator<Item = Child>) -> Result<()> {
        for child in children {
            self.apply(child).await?;
        }
        Ok(())
    }

    /// Secret first, then all statements; the one thing to be asked is the new database's identity.
    async fn database(&self) -> Result<(TenantLogin, i64)> {
        let (world, spec) = (self.world, &self.database.object.spec);
        let names = &self.record.database;
        let made = Credential::new(&names.login, rand::random(), rand::random());
        let location = DatabaseLocation {
            host: &spec.host,
            port: spec.port,
            database: &names.name,
            ca: Some(&world.ca),
        };
        let credential = DatabaseCredential {
            username: names.login.clone(),
            password: made.password().clone(),
            verifier: secrets::Verifier(made.verifier().expose().to_owned()),
        };
        let body = secrets::database(&self.wanted, &location, &credential);
        self.apply(Child::new(Kind::Secret, body)).await?;

        let desired = postgres::desired(
            &self.record,
            self.tenant.connection_limit,
            &names.login,
            made.verifier(),
            None,
            postgres::Access::Open,
        )?;
        let nothing = postgres::Observed {
            operator: eoffice_tests::parts::postgres::OPERATOR.into(),
            database: None,
            roles: Default::default(),
            auditors: Default::default(),
            inside: None,
        };
        let server = &self.database.server;
        for change in postgres::plan(&desired, &nothing)? {
            postgres::apply(server, &world.effects, &change.step).await?;
        }
        let found = postgres::observe(server, &world.effects, &desired).await?;
        let left = postgres::plan(&desired, &found)?;
        ensure!(left.is_empty(), "the database lacks: {}", left[0].step);
        let oid = found.database.context("the new database is gone")?.oid;
        let login = TenantLogin {
            server: names.server.clone(),
            host: spec.host.clone(),
            port: u16::try_from(spec.port)?,
            ca_pem: Some(world.ca.clone()),
            database: names.name.clone(),
            username: credential.username,
            password: credential.password,
        };
        Ok((login, oid.into()))
    }

    fn storage_desired(&self, key: Option<String>) -> objectstore::desired::Desired {
        // The identity that the record names is the one that the bucket gets.
        let identity = self.record.storage.bucket_identity.clone();
        let mut unseen = self.record.clone();
        if key.is_none() {
            unseen.storage.bucket_identity = None;
        }
        objectstore::desired::desired(
            &unseen,
            objectstore::desired::Circumstances {
                database: None,
                codes: &self.record.tenant_spec.agency.codes,
                access: objectstore::desired::Access::Open,
                current_key: key,
                capabilities: self.world.store_facts.capabilities,
                now: Timestamp::now(),
                fresh_identity: identity.unwrap_or_default(),
            },
        )
    }

    /// All requests to the store, and its key into the Secret.
    async fn storage(&self) -> Result<(Key, Tags)> {
        let (world, spec) = (self.world, &self.world.store_object.spec);
        let nothing = objectstore::observe::Observed::default();
        let (mut key, mut tags) = (None, Tags::new());
        for change in objectstore::plan::plan(&self.storage_desired(None), &nothing)? {
            let step = change.step;
            if let Step::CreateBucket { tags: first, .. } = &step {
                tags = first.clone();
            }
            let outcome = objectstore::apply::apply(&world.store, &world.effects, &step).await?;
            if let Outcome::Key(made) = outcome {
                let location = StorageLocation {
                    endpoint: &spec.endpoint,
                    region: &spec.region,
                    bucket: &self.record.storage.bucket,
                    ca: Some(&world.ca),
                };
                let in_secret = StorageKey {
                    access_key_id: made.access_key_id.clone(),
                    secret_access_key: made.secret_access_key.clone(),
                };
                let body = secrets::storage(&self.wanted, &location, &in_secret);
                self.apply(Child::new(Kind::Secret, body)).await?;
                key = Some(made);
            }
        }
        Ok((key.context("no key was made")?, tags))
    }

    /// Names the database in the bucket's tags, which could not be done before it was made.
    async fn tag(&self, tags: Tags) -> Result<()> {
        let bucket = self.record.storage.bucket.clone();
        let step = Step::PutTags {
            bucket,
            set: tags,
            remove: BTreeSet::new(),
        };
        objectstore::apply::apply(&self.world.store, &self.world.effects, &step).await?;
        Ok(())
    }

    /// Certificate, guards and ingress.
    async fn objects(&self) -> Result<()> {
        self.all(desired::certificates(&self.wanted)).await?;
        let guards = desired::guards(&self.wanted).into_iter();
        self.all(guards.filter(|child| child.key.kind != Kind::Namespace))
            .await?;
        self.all(desired::front(&self.wanted)).await
    }

    /// The operator's own proofs, with credentials that are at hand.
    async fn prove(&self, login: &TenantLogin, key: &Key) -> Result<()> {
        let (effects, store) = (&self.world.effects, &self.world.store);
        let canary = canary_name(&self.world.installation);
        let bucket = canary_bucket(&self.world.installation);
        let subject = objectstore::verify::Subject {
            bucket: &self.record.storage.bucket,
            canary: &bucket,
            versioning: self.record.frozen.versioning,
            retention: self.record.frozen.retention.is_some(),
        };
        let (database, storage, ingress) = tokio::join!(
            postgres::verify(effects, login, &canary),
            objectstore::verify::verify(store, effects, key, &subject),
            self.served(),
        );
        match database.and(storage).and(ingress) {
            Proof::Passed => Ok(()),
            Proof::Failed(why) | Proof::Inconclusive(why) => bail!("{why}"),
        }
    }

    /// The certificate at the ingress, which takes it up a moment after it was issued.
    async fn served(&self) -> Proof {
        let address = &self.wanted.class.ingress.probe_address;
        let ca = self.world.ca.as_bytes();
        let (tries, pause) = TRIES;
        let mut all = Proof::Passed;
        for host in &self.wanted.hosts {
            let mut served = ingress::verify(&self.world.effects, address, host, ca).await;
            for _ in 1..tries {
                if served.certificate == Proof::Passed {
                    break;
                }
                sleep(pause).await;
                served = ingress::verify(&self.world.effects, address, host, ca).await;
            }
            all = all.and(served.certificate);
        }
        all
    }

    /// The status of a tenant that is Ready, as the operator would write it.
    fn status(&self) -> EOfficeTenantStatus {
        let local = |name: &str| LocalRef {
            name: name.to_owned(),
        };
        let fine = |part: &ConditionType| (*part, Ok("made by the bare client".to_owned()));
        let record = &self.record;
        let parts = [
            ConditionType::NamespaceReady,
            ConditionType::DatabaseReady,
            ConditionType::StorageReady,
            ConditionType::CertificateReady,
            ConditionType::IngressReady,
            ConditionType::Verified,
        ];
        let findings = Findings {
            generation: self.tenant.object.metadata.generation.unwrap_or_default(),
            lifecycle: Lifecycle::Active,
            deleting: false,
            proved: true,
            gate: None,
            parts: parts.iter().map(fine).collect(),
            open: None,
            held: None,
            paused: None,
            approval: None,
            synced: Ok("nothing differs from what was asked".to_owned()),
            facts: Some(EOfficeTenantStatus {
                url: record.hosts.first().map(|host| format!("https://{host}")),
                namespace: Some(self.wanted.namespace.clone()),
                database: Some(TenantDatabaseStatus {
                    server: record.database.server.clone(),
                    name: record.database.name.clone(),
                    secret_ref: local(DATABASE_SECRET),
                }),
                storage: Some(TenantStorageStatus {
                    store: record.storage.store.clone(),
                    bucket: record.storage.bucket.clone(),
                    secret_ref: local(STORAGE_SECRET),
                }),
                certificate: Some(certificate(None)),
                applied: Some(AppliedClass {
                    class_generation: self.tenant.class.metadata.generation,
                    frozen: record.frozen.clone(),
                }),
                record_ref: Some(ObjectRef {
                    namespace: self.wanted.namespace.clone(),
                    name: RECORD_NAME.to_owned(),
                }),
                ..EOfficeTenantStatus::default()
            }),
        };
        status(&findings, &EOfficeTenantStatus::default(), Timestamp::now())
    }
}
