//! Tenants that are deleted: kept and taken up again, or destroyed; and an end that has to wait.

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{
    ConditionType, EOfficeTenant, Phase, RECORD_NAME, Reason, RecordState, TenantRecord,
    TenantRecordSpec, labels, tenant_namespace,
};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{
    Platform, ask, eventually, holds, is, namespace_of, says, tenant, until,
};
use eoffice_tests::proof::{self, Credentials};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::{delete, events, has_left, is_closed, leaves};

const KEPT: &str = "town-kept-3021";
const DESTROYED: &str = "tao-destroyed-3021";
const DELAYED: &str = "town-delayed-3021";
/// It stands beside those that leave.
pub const STAYS: &str = "town-stays-3021";
const OTHER_PROVINCE: &str = "31";

/// A class on a server that is taken down, and one that stays.
pub async fn prepare(platform: &Platform) -> Result<()> {
    for (name, server) in [("on-a", "pg-a"), ("on-b", "pg-b")] {
        let servers: Api<eoffice_crds::DatabaseServer> = platform.cluster();
        let label = json!({"metadata": {"labels": {"only": server}}});
        platform.merge(servers, server, label).await?;
        class(platform, name, |spec| {
            spec["database"]["serverSelector"] = json!({"matchLabels": {"only": server}});
        })
        .await?;
    }
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": namespace_of(OTHER_PROVINCE),
            "labels": {labels::PROVINCE: OTHER_PROVINCE},
        },
    });
    let mut stays = tenant(STAYS);
    stays["spec"]["className"] = json!("on-a");
    platform.apply(&[namespace, stays]).await?;
    platform.ready(STAYS).await?;
    Ok(())
}

fn kept() -> Value {
    let mut kept = tenant(KEPT);
    kept["spec"]["agency"]["codes"] = json!([{"scheme": "dla", "value": "4302192"}]);
    kept
}

async fn record(platform: &Platform, tenant: &str) -> Result<TenantRecordSpec> {
    let records: Api<TenantRecord> = platform.within(&tenant_namespace(tenant));
    Ok(records.get(RECORD_NAME).await?.spec)
}

pub async fn retained(platform: &Platform) -> Result<()> {
    platform.apply(&[kept()]).await?;
    let first = platform.ready(KEPT).await?;
    let client = platform.sandbox.admin();
    let before = Credentials::read(&client, KEPT).await?;
    write(&before).await?;
    let known = record(platform, KEPT).await?;

    leaves(platform, KEPT).await?;
    closed_and_kept(platform, &known).await?;
    eventually("people are told", || async {
        let told = events(platform, KEPT).await?;
        ensure!(told.iter().any(|it| it == "Retained"), "{told:?}");
        Ok(())
    })
    .await?;

    as_another_agency(platform, &known).await?;

    platform.apply(&[kept()]).await?;
    let again = platform.ready(KEPT).await?;
    ensure!(again.uid() != first.uid());
    let now = record(platform, KEPT).await?;
    ensure!(now.state == RecordState::Live && now.retained_at.is_none());
    ensure!(Some(&now.tenant.uid) == again.uid().as_ref());
    ensure!(now.database == known.database && now.storage == known.storage);
    let after = Credentials::read(&client, KEPT).await?;
    read(&after).await?;
    proof::prove(&platform.sandbox, KEPT).await?;
    eventually("people are told", || async {
        let told = events(platform, KEPT).await?;
        ensure!(told.iter().any(|it| it == "Restored"), "{told:?}");
        Ok(())
    })
    .await
}

async fn write(credentials: &Credentials) -> Result<()> {
    let session = credentials.database.connect().await?;
    session
        .batch_execute("CREATE TABLE letters (word text); INSERT INTO letters VALUES ('kept')")
        .await?;
    let put = credentials.storage.client()?.put_object();
    let put = put.bucket(&credentials.storage.bucket).key("letters/1");
    put.body(ByteStream::from_static(b"kept")).send().await?;
    Ok(())
}

async fn read(credentials: &Credentials) -> Result<()> {
    let session = credentials.database.connect().await?;
    let row = session.query_one("SELECT word FROM letters", &[]).await?;
    ensure!(row.get::<_, &str>(0) == "kept");
    let get = credentials.storage.client()?.get_object();
    let get = get.bucket(&credentials.storage.bucket).key("letters/1");
    let body = get.send().await?.body.collect().await?;
    ensure!(body.into_bytes().as_ref() == b"kept");
    Ok(())
}

/// The tenant has left: nobody gets in, and everything is there, marked as retained.
async fn closed_and_kept(platform: &Platform, known: &TenantRecordSpec) -> Result<()> {
    is_closed(platform, KEPT).await?;
    let now = record(platform, KEPT).await?;
    ensure!(now.state == RecordState::Retained);
    ensure!(now.retained_at.is_some() && now.retain_until > now.retained_at);
    ensure!(now.database == known.database && now.storage == known.storage);
    let superuser = platform.sandbox.server(&known.database.server)?;
    let superuser = superuser.connect("postgres").await?;
    let mark = format!(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{}'",
        known.database.name
    );
    let mark = ask(&superuser, &mark).await?.unwrap_or_default();
    ensure!(mark.contains("retained"), "the database's mark is {mark}");
    let store = platform.sandbox.object_store.admin();
    let tags = store.get_bucket_tagging().bucket(&known.storage.bucket);
    let tags = tags.send().await?.tag_set;
    let state = tags.iter().find(|tag| tag.key == "eoffice-state");
    ensure!(
        state.is_some_and(|tag| tag.value == "retained"),
        "the bucket's tags are {tags:?}"
    );
    Ok(())
}

/// Other codes, no codes, another province: each is refused, and changes nothing by coming and going.
async fn as_another_agency(platform: &Platform, known: &TenantRecordSpec) -> Result<()> {
    let secrets: Api<Secret> = platform.within(&tenant_namespace(KEPT));
    let before = secrets.list(&ListParams::default()).await?.items;
    let mut other_code = kept();
    other_code["spec"]["agency"]["codes"] = json!([{"scheme": "dla", "value": "4302193"}]);
    let no_code = tenant(KEPT);
    let mut other_province = tenant(KEPT);
    other_province["metadata"]["namespace"] = json!(namespace_of(OTHER_PROVINCE));
    other_province["spec"]["agency"]["province"] = json!(OTHER_PROVINCE);
    other_province["spec"]["agency"]["codes"] = json!([{"scheme": "cgd", "value": "4302192"}]);
    for intruder in [other_code, no_code, other_province] {
        let namespace = intruder["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default();
        let tenants: Api<EOfficeTenant> = platform.within(namespace);
        platform.apply(std::slice::from_ref(&intruder)).await?;
        let refused = |it: &EOfficeTenant| {
            is(it, ConditionType::Ready, "False", Reason::OtherAgency)
                && holds(it, ConditionType::Stalled)
                && !holds(it, ConditionType::Available)
        };
        let told = until(&tenants, KEPT, "refused as another agency", refused).await?;
        says(&told, ConditionType::Ready, &["another agency", KEPT])?;
        let status = told.status.unwrap_or_default();
        ensure!(
            status.database.is_none() && status.storage.is_none(),
            "it is told too much"
        );
        closed_and_kept(platform, known).await?;

        tenants.delete(KEPT, &DeleteParams::default()).await?;
        eventually("the other agency leaves", || async {
            ensure!(tenants.get_opt(KEPT).await?.is_none());
            Ok(())
        })
        .await?;
        closed_and_kept(platform, known).await?;
    }
    let after = secrets.list(&ListParams::default()).await?.items;
    ensure!(
        before == after,
        "the Secrets of the tenant that left were touched"
    );
    Ok(())
}

pub async fn destroyed(platform: &Platform) -> Result<()> {
    let mut trial = tenant(DESTROYED);
    trial["spec"]["className"] = json!("trial");
    trial["spec"]["deletionPolicy"] = json!("Delete");
    platform.apply(&[trial]).await?;
    platform.ready(DESTROYED).await?;
    let credentials = Credentials::read(&platform.sandbox.admin(), DESTROYED).await?;
    write(&credentials).await?;
    let _held = credentials.database.connect().await?;
    let known = record(platform, DESTROYED).await?;

    leaves(platform, DESTROYED).await?;
    let superuser = platform.sandbox.server(&known.database.server)?;
    let superuser = superuser.connect("postgres").await?;
    let left = format!(
        "SELECT string_agg(name, ', ') FROM (SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles) \
         AS every(name) WHERE name LIKE '{}%'",
        known.database.name
    );
    let left = ask(&superuser, &left).await?;
    ensure!(left.is_none(), "PostgreSQL still has {left:?}");
    let store = &platform.sandbox.object_store;
    let bucket = store.admin().head_bucket().bucket(&known.storage.bucket);
    let bucket = bucket
        .send()
        .await
        .err()
        .context("the bucket is still there")?;
    ensure!(bucket.into_service_error().is_not_found());
    let user = store.iam_admin().get_user().user_name(&known.storage.user);
    let user = user.send().await.err().context("the user is still there")?;
    ensure!(user.into_service_error().is_no_such_entity_exception());
    let namespaces: Api<Namespace> = platform.cluster();
    eventually("its namespace goes", || async {
        let namespace = namespaces.get_opt(&tenant_namespace(DESTROYED)).await?;
        ensure!(
            namespace.is_none(),
            "it is {:?}",
            namespace.and_then(|it| it.status)
        );
        Ok(())
    })
    .await?;
    let told = events(platform, DESTROYED).await?;
    ensure!(told.iter().any(|it| it == "Destroyed"), "{told:?}");
    proof::prove(&platform.sandbox, STAYS).await
}

/// The server or the store is down while a tenant leaves.
pub async fn delayed(platform: &Platform) -> Result<()> {
    let (server, store) = (
        &platform.sandbox.server("pg-b")?.part,
        &platform.sandbox.object_store.s3,
    );
    for (part, backend) in [(server, "pg-b"), (store, "objects")] {
        let mut delayed = tenant(DELAYED);
        delayed["spec"]["className"] = json!("on-b");
        platform.apply(&[delayed]).await?;
        platform.ready(DELAYED).await?;
        part.kill().await;
        delete(platform, DELAYED).await?;
        let waits = |it: &EOfficeTenant| {
            it.status.as_ref().and_then(|it| it.phase) == Some(Phase::Closing)
                && !holds(it, ConditionType::Available)
                && holds(it, ConditionType::Reconciling)
                && says(it, ConditionType::Ready, &[backend]).is_ok()
        };
        let told = platform
            .until(DELAYED, "told of what delays its end", waits)
            .await?;
        ensure!(told.metadata.deletion_timestamp.is_some());
        ensure!(record(platform, DELAYED).await?.state == RecordState::Live);
        part.start().await?;
        has_left(platform, DELAYED).await?;
        ensure!(record(platform, DELAYED).await?.state == RecordState::Retained);
        platform.ready(STAYS).await?;
    }
    Ok(())
}
