//! A platform with an operator whose clock can be put forward, and tenants that leave something.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{
    ConditionType, EOfficeTenant, RECORD_NAME, RecordState, TenantRecord, TenantRecordSpec,
    annotations, tenant_namespace,
};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{PROVINCE, Platform, ask, eventually, namespace_of, tenant};
use eoffice_tests::proof::Credentials;
use eoffice_tests::{OperatorOptions, Options, Resident};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

/// For so long an order can be withdrawn here.
pub const COOLING: Duration = Duration::from_secs(4);
/// For so long access stays open here after a tenant went without being closed.
pub const BEREFT: Duration = Duration::from_secs(3);
/// The class keeps what is left for a day.
pub const RETENTION: Duration = Duration::from_secs(25 * 60 * 60);
/// Who decides here, with all rights besides.
pub const CHAIR: &str = "chair";

/// It is begun once for all.
pub struct Bed {
    pub platform: Platform,
    /// An approver and platform admin.
    pub chair: kube::Client,
    pub resident: Resident,
}

impl Bed {
    pub async fn start() -> Result<Self> {
        let platform = Platform::prepare(Options::default(), OperatorOptions::default()).await?;
        let options = OperatorOptions {
            args: vec![
                format!("--purge-cooling={}s", COOLING.as_secs()),
                format!("--bereft-grace={}s", BEREFT.as_secs()),
            ],
            ..OperatorOptions::default()
        };
        let resident = platform.resident(options).await?;
        class(&platform, "day", |spec| {
            spec["retain"] = json!({"days": 1, "restore": "Automatic"});
        })
        .await?;
        class(&platform, "asked", |spec| {
            spec["retain"] = json!({"days": 1, "restore": "Explicit"});
        })
        .await?;
        class(&platform, "locked", |spec| {
            spec["retain"] = json!({"days": 1, "restore": "Automatic"});
            spec["storage"]["versioning"] = json!(true);
            spec["storage"]["retention"] = json!({"mode": "Compliance", "days": 3});
        })
        .await?;
        resident.start().await?;
        let groups = ["eoffice:approvers", "system:masters"];
        Ok(Self {
            chair: platform.sandbox.person(CHAIR, &groups).await?,
            platform,
            resident,
        })
    }

    /// Makes a tenant that has a table and a document.
    pub async fn settle(&self, object: &Value) -> Result<EOfficeTenant> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.platform.apply(std::slice::from_ref(object)).await?;
        let ready = self.platform.ready(name).await?;
        write(&self.credentials(name).await?, name).await?;
        Ok(ready)
    }

    /// The same, and it has left.
    pub async fn leave_behind(&self, object: &Value) -> Result<TenantRecordSpec> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.settle(object).await?;
        self.delete(name).await?;
        let record = self.record(name).await?;
        ensure!(record.spec.state == RecordState::Retained);
        Ok(record.spec)
    }

    pub async fn delete(&self, name: &str) -> Result<()> {
        let says = json!({"metadata": {"annotations": {annotations::DELETED_BY: CHAIR}}});
        let tenants: Api<EOfficeTenant> =
            Api::namespaced(self.chair.clone(), &namespace_of(PROVINCE));
        self.platform.merge(tenants.clone(), name, says).await?;
        tenants.delete(name, &DeleteParams::default()).await?;
        eventually(&format!("{name} leaves"), || async {
            ensure!(tenants.get_opt(name).await?.is_none());
            Ok(())
        })
        .await
    }

    pub async fn credentials(&self, tenant: &str) -> Result<Credentials> {
        Credentials::read(&self.platform.sandbox.admin(), tenant).await
    }

    pub fn records(&self, tenant: &str) -> Api<TenantRecord> {
        self.platform.within(&tenant_namespace(tenant))
    }

    pub async fn record(&self, tenant: &str) -> Result<TenantRecord> {
        let record = self.records(tenant).get(RECORD_NAME).await;
        record.with_context(|| format!("read the record of {tenant}"))
    }

    /// Changes what people may change of a record.
    pub async fn write_record(&self, tenant: &str, spec: Value) -> Result<TenantRecord> {
        let patch = json!({ "spec": spec });
        let records: Api<TenantRecord> =
            Api::namespaced(self.chair.clone(), &tenant_namespace(tenant));
        self.platform.merge(records, RECORD_NAME, patch).await
    }

    /// Applies tenants in the name of an approver.
    pub async fn approve(&self, objects: &[Value]) -> Result<()> {
        eoffice_tests::apply::apply(&self.chair, objects).await
    }

    /// Takes away what refuses; answers with how many there were.
    pub async fn lift(&self, policies: impl Fn(&str) -> bool) -> Result<usize> {
        let bindings: Api<ValidatingAdmissionPolicyBinding> = self.platform.cluster();
        let mut lifted = 0;
        for binding in bindings.list(&ListParams::default()).await? {
            let name = binding.name_any();
            if policies(&name) {
                bindings.delete(&name, &DeleteParams::default()).await?;
                lifted += 1;
            }
        }
        Ok(lifted)
    }

    /// Gives the order to destroy what a tenant left.
    pub async fn order(&self, tenant: &str) -> Result<()> {
        let order = json!({"committeeReference": "12/2579", "approvedBy": CHAIR});
        self.write_record(tenant, json!({ "purge": order })).await?;
        Ok(())
    }

    /// Awaits what becomes of a record.
    pub async fn until<F>(&self, tenant: &str, what: &str, holds: F) -> Result<TenantRecord>
    where
        F: Fn(&TenantRecord) -> bool,
    {
        eventually(&format!("the record of {tenant} is {what}"), || async {
            let record = self.record(tenant).await?;
            ensure!(
                holds(&record),
                "it is {:?}, accepted {:?}, {:?}",
                record.spec.state,
                record.spec.purge_accepted,
                record.status
            );
            Ok(record)
        })
        .await
    }

    /// Awaits that people are told of a purge with this reason; answers with the sentence.
    pub async fn told(&self, tenant: &str, reason: &str) -> Result<String> {
        let told = |record: &TenantRecord| purged(record).is_some_and(|(it, _)| it == reason);
        let record = self.until(tenant, reason, told).await?;
        Ok(purged(&record).map(|(_, says)| says).unwrap_or_default())
    }

    /// Wants the database and the bucket of a record to be as they were left.
    pub async fn is_kept(&self, record: &TenantRecordSpec) -> Result<()> {
        let name = &record.database.name;
        ensure!(self.has_database(record).await?, "database {name} is gone");
        let superuser = self.platform.sandbox.server(&record.database.server)?;
        let inside = superuser.connect(name).await?;
        let word = ask(&inside, "SELECT word FROM letters").await?;
        ensure!(word.as_deref() == Some(record.tenant.name.as_str()));
        let store = self.platform.sandbox.object_store.admin();
        let bucket = &record.storage.bucket;
        let get = store.get_object().bucket(bucket).key("letters/1");
        let body = get.send().await?.body.collect().await?.into_bytes();
        ensure!(body.as_ref() == record.tenant.name.as_bytes());
        Ok(())
    }

    pub async fn has_database(&self, record: &TenantRecordSpec) -> Result<bool> {
        let left = self.left_on_server(record).await?;
        Ok(left.split(',').any(|name| name == record.database.name))
    }

    /// The databases and roles that are left of a record's.
    pub async fn left_on_server(&self, record: &TenantRecordSpec) -> Result<String> {
        let superuser = self.platform.sandbox.server(&record.database.server)?;
        let superuser = superuser.connect("postgres").await?;
        let left = format!(
            "SELECT string_agg(name, ',') FROM (SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles) \
             AS every(name) WHERE name LIKE '{}%'",
            record.database.name
        );
        Ok(ask(&superuser, &left).await?.unwrap_or_default())
    }

    pub async fn has_bucket(&self, record: &TenantRecordSpec) -> Result<bool> {
        let store = self.platform.sandbox.object_store.admin();
        let head = store.head_bucket().bucket(&record.storage.bucket);
        match head.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_not_found()) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn has_user(&self, record: &TenantRecordSpec) -> Result<bool> {
        let iam = self.platform.sandbox.object_store.iam_admin();
        let users = iam.list_users().send().await?.users;
        Ok(users.iter().any(|it| it.user_name == record.storage.user))
    }

    /// The reasons of all Events about objects of this name.
    pub async fn events(&self, name: &str) -> Result<Vec<String>> {
        let all: Api<Event> = Api::all(self.platform.sandbox.admin());
        let all = all.list(&ListParams::default()).await?.items.into_iter();
        let about = all.filter(|event| event.involved_object.name.as_deref() == Some(name));
        Ok(about.filter_map(|event| event.reason).collect())
    }
}

/// Reason and sentence of what people are told of a purge.
pub fn purged(record: &TenantRecord) -> Option<(String, String)> {
    let conditions = &record.status.as_ref()?.conditions;
    let found = conditions
        .iter()
        .find(|it| it.type_ == ConditionType::Purged.as_str())?;
    Some((found.reason.clone(), found.message.clone()))
}

/// A tenant of the class that keeps for a day, with a code of its own.
pub fn agency(name: &str, code: &str) -> Value {
    let mut tenant = tenant(name);
    tenant["spec"]["className"] = json!("day");
    tenant["spec"]["agency"]["codes"] = json!([{"scheme": "cgd", "value": code}]);
    tenant
}

async fn write(credentials: &Credentials, word: &str) -> Result<()> {
    let session = credentials.database.connect().await?;
    let table = format!("CREATE TABLE letters (word text); INSERT INTO letters VALUES ('{word}')");
    session.batch_execute(&table).await?;
    let put = credentials.storage.client()?.put_object();
    let put = put.bucket(&credentials.storage.bucket).key("letters/1");
    let body = ByteStream::from(word.as_bytes().to_vec());
    put.body(body).send().await?;
    Ok(())
}

/// Wants what `word` wrote to be read with these credentials.
pub async fn reads(credentials: &Credentials, word: &str) -> Result<()> {
    let session = credentials.database.connect().await?;
    let row = session.query_one("SELECT word FROM letters", &[]).await?;
    ensure!(row.get::<_, &str>(0) == word);
    let get = credentials.storage.client()?.get_object();
    let get = get.bucket(&credentials.storage.bucket).key("letters/1");
    let body = get.send().await?.body.collect().await?.into_bytes();
    ensure!(body.as_ref() == word.as_bytes());
    Ok(())
}

/// Wants neither database nor bucket to be opened by these credentials.
pub async fn shut_out(old: &Credentials) -> Result<()> {
    let login = old.database.log_in_at(&old.database).await?;
    ensure!(login.is_err(), "the password still opens the database");
    let list = old.storage.client()?.list_objects_v2();
    let list = list.bucket(&old.storage.bucket).send().await;
    ensure!(list.is_err(), "the key still opens the bucket");
    Ok(())
}

/// Does something while something else goes on without a failure.
pub async fn while_goes_on<T>(
    work: impl Future<Output = Result<T>>,
    goes_on: impl Future<Output = Result<()>>,
) -> Result<T> {
    tokio::select! {
        done = work => done,
        ended = goes_on => {
            ended?;
            anyhow::bail!("what should go on ended")
        }
    }
}

/// UIDs are what tells an object from one made again.
pub fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}
