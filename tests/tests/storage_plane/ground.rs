//! A real store, a tenant's record, and the passes that the operator makes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{AgencyCode, StoreCapabilities, TenantRecordSpec};
use eoffice_operator::effect::{Effects, Fault, Site, Verdict};
use eoffice_operator::identity::{BackendNames, Claim, fingerprint};
use eoffice_operator::objectstore::apply::{Outcome, apply};
use eoffice_operator::objectstore::auditors::{Auditor, auditor_user};
use eoffice_operator::objectstore::desired::{Access, Circumstances, Desired, desired};
use eoffice_operator::objectstore::observe::{self, Observed};
use eoffice_operator::objectstore::plan::{plan, plan_close};
use eoffice_operator::objectstore::verify::{Subject, verify};
use eoffice_operator::objectstore::{Key, Step, Store, StoreAddress, store};
use eoffice_operator::plan::{Problem, closed_at_least};
use eoffice_operator::proof::Proof;
use eoffice_tests::parts::object_store::{self, ObjectStore, REGION};
use eoffice_tests::{Ground, Progress};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret;
use serde_json::json;

pub const INSTALLATION: &str = "storage-plane";

pub struct World {
    pub part: ObjectStore,
    pub store: Store,
    pub capabilities: StoreCapabilities,
    /// The store's identity. Empty where the operator has never been.
    identity: String,
    ca: String,
    // The last to go.
    _ground: Ground,
}

impl World {
    pub async fn start() -> Self {
        let mut world = Self::untouched().await;
        let facts = world.visit(&claim()).await.unwrap();
        world.capabilities = facts.capabilities;
        world.identity = facts.identity;
        world
    }

    /// A store on which the operator has never been.
    pub async fn untouched() -> Self {
        let ground = Ground::prepare(&Progress::lines()).await.unwrap();
        let part = ObjectStore::new(&ground).unwrap();
        part.start().await.unwrap();
        let ca = ground.tls.cert();
        let store = Store::new(&address(&part, &ca)).unwrap();
        Self {
            part,
            store,
            capabilities: StoreCapabilities::default(),
            identity: String::new(),
            ca,
            _ground: ground,
        }
    }

    pub fn address(&self) -> StoreAddress {
        address(&self.part, &self.ca)
    }

    pub async fn visit(&self, claim: &Claim) -> Result<store::Facts, Problem> {
        store::visit(&self.store, &door(), claim, &random(), None).await
    }

    pub fn client(&self, key: &Key) -> aws_sdk_s3::Client {
        self.part.client(&object_store::Key {
            access: key.access_key_id.clone(),
            secret: key.secret_access_key.expose_secret().into(),
        })
    }
}

fn address(part: &ObjectStore, ca: &str) -> StoreAddress {
    StoreAddress {
        name: "objects".into(),
        endpoint: part.endpoint().into(),
        iam_endpoint: part.iam_endpoint().into(),
        region: REGION.into(),
        path_style: true,
        access_key: part.key().access.clone(),
        secret_key: part.key().secret.clone().into(),
        ca_pem: Some(ca.into()),
    }
}

pub fn claim() -> Claim {
    Claim {
        installation: INSTALLATION.parse().unwrap(),
        cluster_uid: "cluster-1".into(),
        pinned: None,
        accept_identity: None,
        take_over_from: None,
    }
}

pub fn door() -> Effects {
    Effects::new(&mut Registry::default())
}

pub fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Makes one thing happen at the call of this number, and counts the calls.
pub struct AtCall {
    number: usize,
    verdict: Verdict,
    seen: AtomicUsize,
}

impl AtCall {
    pub fn new(number: usize, verdict: Verdict) -> Arc<Self> {
        Arc::new(Self {
            number,
            verdict,
            seen: AtomicUsize::new(0),
        })
    }

    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Fault for AtCall {
    fn at(&self, _site: &Site, _object: &str) -> Verdict {
        match self.seen.fetch_add(1, Ordering::SeqCst) == self.number {
            true => self.verdict,
            false => Verdict::Proceed,
        }
    }
}

/// A tenant with its record and Secret, which survive what happens to the operator.
pub struct Tenant {
    pub record: TenantRecordSpec,
    pub codes: Vec<AgencyCode>,
    pub access: Access,
    pub secret: Option<Key>,
    /// Its auditors, each with the key in his Secret.
    pub auditors: BTreeMap<String, Option<Key>>,
    /// Until when they may read.
    pub until: Timestamp,
}

impl Tenant {
    pub fn new(name: &str, retention: bool) -> Self {
        Self {
            record: record(name, retention),
            codes: Vec::new(),
            access: Access::Open,
            secret: None,
            auditors: BTreeMap::new(),
            until: Timestamp::now() + SignedDuration::from_hours(1),
        }
    }

    pub fn desired(&self, world: &World) -> Desired {
        let circumstances = Circumstances {
            database: None,
            codes: &self.codes,
            access: self.access,
            current_key: self.secret.as_ref().map(|key| key.access_key_id.clone()),
            capabilities: world.capabilities,
            now: Timestamp::now(),
            fresh_identity: random(),
        };
        let auditors = self.auditors.iter().map(|(name, key)| Auditor {
            user: self.auditor_user(name),
            until: self.until,
            current_key: key.as_ref().map(|key| key.access_key_id.clone()),
        });
        desired(&self.record, circumstances).with_auditors(auditors.collect())
    }

    pub fn auditor_user(&self, name: &str) -> String {
        auditor_user(self.user(), name)
    }

    pub fn bucket(&self) -> &str {
        &self.record.storage.bucket
    }

    pub fn user(&self) -> &str {
        &self.record.storage.user
    }

    pub async fn observe(&self, world: &World) -> Observed {
        self.look(world, &door()).await.unwrap()
    }

    async fn look(&self, world: &World, effects: &Effects) -> Result<Observed, Problem> {
        observe::audited_tenant(&world.store, effects, &self.record).await
    }

    /// One pass as the operator makes it: look, plan, carry out, write down.
    pub async fn pass(&mut self, world: &World, effects: &Effects) -> Result<Vec<Step>, Problem> {
        self.record.storage.store_identity = world.identity.clone();
        let observed = self.look(world, effects).await?;
        let desired = self.desired(world);
        let close = || plan_close(&desired, &observed);
        let (changes, problem) = closed_at_least(plan(&desired, &observed), close);
        let steps: Vec<_> = changes.into_iter().map(|change| change.step).collect();
        for step in &steps {
            if let Outcome::Key(key) = apply(&world.store, effects, step).await? {
                let Step::CreateKey { user } = step else {
                    panic!("{step} made a key")
                };
                *self.secret_of(user) = Some(key);
            }
        }
        if let Some(problem) = problem {
            return Err(problem);
        }
        let observed = self.look(world, effects).await?;
        let identity = observed.bucket.and_then(|b| b.identity().map(Into::into));
        self.record.storage.bucket_identity = identity;
        Ok(steps)
    }

    /// A pass that must be enough: another finds nothing to do.
    pub async fn settle(&mut self, world: &World) -> Vec<String> {
        let steps = self.pass(world, &door()).await.unwrap();
        assert_eq!(self.pass(world, &door()).await.unwrap(), []);
        steps.iter().map(ToString::to_string).collect()
    }

    /// The Secret of whoever has this user.
    fn secret_of(&mut self, user: &str) -> &mut Option<Key> {
        let tenant = self.user().to_owned();
        if user == tenant {
            return &mut self.secret;
        }
        let mut auditors = self.auditors.iter_mut();
        let found = auditors.find(|(name, _)| auditor_user(&tenant, name) == user);
        found.unwrap().1
    }

    pub fn key(&self) -> &Key {
        self.secret.as_ref().unwrap()
    }

    pub async fn verify(&self, world: &World) -> Proof {
        let canary = store::canary_bucket(&claim().installation);
        let retention = self.record.frozen.retention.is_some();
        let subject = Subject {
            bucket: self.bucket(),
            canary: &canary,
            versioning: self.record.frozen.versioning || retention,
            retention,
        };
        verify(&world.store, &door(), self.key(), &subject).await
    }
}

fn record(name: &str, retention: bool) -> TenantRecordSpec {
    let names = BackendNames::first(&INSTALLATION.parse().unwrap(), name);
    let mut frozen = json!({
        "class": "standard", "baseDomain": "eoffice.example", "store": "objects",
        "versioning": retention, "allowDelete": !retention,
        "retain": {"days": 3650, "restore": "Automatic"},
    });
    if retention {
        frozen["retention"] = json!({"mode": "Governance", "days": 3650});
    }
    serde_json::from_value(json!({
        "installationId": INSTALLATION,
        "fingerprint": fingerprint(name, "30"),
        "tenant": {"namespace": "province-30", "name": name, "uid": "uid-1"},
        "state": "live",
        "frozen": frozen,
        "hosts": [format!("{name}.eoffice.example")],
        "database": {
            "server": "pg-a", "systemIdentifier": "1", "name": names.database,
            "role": names.role, "login": names.login, "oid": 16384, "connectionLimit": 20,
        },
        "storage": {
            "store": "objects", "storeIdentity": "one",
            "bucket": names.bucket, "user": names.user,
        },
        "tenantSpec": {
            "agency": {"nameTh": "เทศบาลเมืองปากช่อง", "nameEn": "Pak Chong", "kind": "TownMunicipality", "province": "30"},
            "users": 1,
        },
    }))
    .unwrap()
}

pub async fn versions(world: &World, bucket: &str) -> usize {
    let listed = world.part.admin().list_object_versions().bucket(bucket);
    let listed = listed.send().await.unwrap();
    listed.versions().len() + listed.delete_markers().len()
}

pub async fn uploads(world: &World, bucket: &str) -> usize {
    let listed = world.part.admin().list_multipart_uploads().bucket(bucket);
    listed.send().await.unwrap().uploads().len()
}

pub async fn put(client: &aws_sdk_s3::Client, bucket: &str, key: &str) {
    let body = ByteStream::from_static(b"a document");
    let request = client.put_object().bucket(bucket).key(key).body(body);
    request.send().await.unwrap();
}
