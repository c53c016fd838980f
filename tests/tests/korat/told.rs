//! What status, record and Secrets of a tenant in order say.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{
    ConditionType, DATABASE_SECRET, EOfficeTenant, EOfficeTenantStatus, RECORD_NAME, RecordState,
    STORAGE_SECRET, TLS_SECRET, TenantRecord, tenant_namespace,
};
use eoffice_tests::e2e::security::{Platform, condition, told};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::Value;

pub async fn as_the_api_says(platform: &Platform, name: &str) -> Result<()> {
    let tenant = platform.tenants().get(name).await?;
    status_is_complete(&tenant).with_context(|| told(&tenant))?;
    record_fits(platform, &tenant).await?;
    secrets_fit(platform, &tenant).await
}

async fn record_fits(platform: &Platform, tenant: &EOfficeTenant) -> Result<()> {
    let name = tenant.name_any();
    let records: Api<TenantRecord> = platform.within(&tenant_namespace(&name));
    let record = records.get(RECORD_NAME).await?.spec;
    let status = tenant.status.clone().unwrap_or_default();
    let (database, storage) = placed(&status)?;
    ensure!(record.state == RecordState::Live && record.verified_at.is_some());
    ensure!(Some(&record.tenant.uid) == tenant.uid().as_ref());
    ensure!(record.tenant_spec.agency.codes == tenant.spec.agency.codes);
    ensure!(record.database.server == database.server && record.database.name == database.name);
    ensure!(record.storage.store == storage.store && record.storage.bucket == storage.bucket);
    ensure!(record.storage.bucket_identity.is_some());
    // The oid is the server's own word.
    let server = platform.sandbox.server(&database.server)?;
    let superuser = server.connect("postgres").await?;
    let row = superuser
        .query_one(
            "SELECT oid::bigint FROM pg_database WHERE datname = $1",
            &[&database.name],
        )
        .await?;
    ensure!(record.database.oid == Some(row.get::<_, i64>(0)));
    Ok(())
}

async fn secrets_fit(platform: &Platform, tenant: &EOfficeTenant) -> Result<()> {
    const DATABASE: &[&str] = &[
        "ca.crt",
        "database",
        "host",
        "password",
        "port",
        "provider",
        "scram-verifier",
        "type",
        "uri",
        "username",
    ];
    const STORAGE: &[&str] = &[
        "AWS_ACCESS_KEY_ID",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "BUCKET_NAME",
        "ca.crt",
    ];
    let secrets: Api<Secret> = platform.within(&tenant_namespace(&tenant.name_any()));
    for (name, kind, keys) in [
        (DATABASE_SECRET, "servicebinding.io/postgresql", DATABASE),
        (STORAGE_SECRET, "Opaque", STORAGE),
    ] {
        let secret = secrets.get(name).await?;
        let data = secret.data.unwrap_or_default();
        let found: Vec<&str> = data.keys().map(String::as_str).collect();
        ensure!(found == keys, "{name} has the keys {found:?}");
        ensure!(
            secret.type_.as_deref() == Some(kind),
            "{name} is {:?}",
            secret.type_
        );
    }
    Ok(())
}

fn placed(
    status: &EOfficeTenantStatus,
) -> Result<(
    &eoffice_crds::TenantDatabaseStatus,
    &eoffice_crds::TenantStorageStatus,
)> {
    let database = status.database.as_ref().context("no status.database")?;
    let storage = status.storage.as_ref().context("no status.storage")?;
    Ok((database, storage))
}

fn status_is_complete(tenant: &EOfficeTenant) -> Result<()> {
    let name = tenant.name_any();
    let status = tenant.status.as_ref().context("no status")?;
    // Shown only where it is so.
    let exceptional = [
        ConditionType::Paused,
        ConditionType::Held,
        ConditionType::Purged,
    ];
    let regular = ConditionType::ALL
        .iter()
        .filter(|kind| !exceptional.contains(kind));
    for kind in regular.clone() {
        let found = condition(tenant, *kind).with_context(|| format!("no condition {kind}"))?;
        let still = [ConditionType::Reconciling, ConditionType::Stalled].contains(kind);
        let expected = if still { "False" } else { "True" };
        ensure!(
            found.status == expected && found.reason == "AsExpected",
            "{kind}"
        );
        ensure!(
            !found.message.is_empty() && found.observed_generation == tenant.metadata.generation
        );
    }
    let conditions = status.conditions.len();
    ensure!(conditions == regular.count(), "{conditions} conditions");
    ensure!(status.observed_generation == tenant.metadata.generation);

    let text = serde_json::to_value(status)?;
    let (database, storage) = placed(status)?;
    let namespace = tenant_namespace(&name);
    for (path, expected) in [
        ("/phase", "Active"),
        ("/url", &format!("https://{name}.eoffice.example")),
        ("/namespace", &namespace),
        ("/database/secretRef/name", DATABASE_SECRET),
        ("/storage/store", "objects"),
        ("/storage/secretRef/name", STORAGE_SECRET),
        ("/certificate/secretRef/name", TLS_SECRET),
        ("/applied/class", "standard"),
        ("/recordRef/namespace", &namespace),
        ("/recordRef/name", RECORD_NAME),
    ] {
        let found = text.pointer(path).and_then(Value::as_str);
        ensure!(found == Some(expected), "status{path} is {found:?}");
    }
    let ends = status
        .certificate
        .as_ref()
        .and_then(|it| it.not_after.clone());
    ensure!(ends.is_some_and(|ends| ends.0 > jiff::Timestamp::now()));
    // Neighbours can read these names.
    for shown in [&database.name, &storage.bucket] {
        let spoken = name
            .split('-')
            .any(|word| word.len() > 3 && shown.contains(word));
        ensure!(!spoken, "{shown} speaks of {name}");
    }
    Ok(())
}
