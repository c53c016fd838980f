//! One thing changed by hand in each of three planes, before the eyes of whoever looks on, and put right.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eoffice_crds::{Drift, DriftAction, EOfficeTenant, Plane, TenantRecord, tenant_namespace};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

use crate::progress::Progress;
use crate::sandbox::Sandbox;

/// Within that time a drift is put right, or the demo has failed.
const WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at the status.
const PAUSE: Duration = Duration::from_millis(50);

/// How often the operator looks at the backends in a demo: nobody wants to wait for what costs nothing in an hour.
pub(super) const LOOKS: &[&str] = &[
    "--postgres-interval=1s",
    "--storage-interval=1s",
    "--storage-pass=2s",
];

/// Changes something in each of three planes of this tenant, one after the other, and awaits its repair.
pub(super) async fn make(
    sandbox: &Sandbox,
    tenant: &EOfficeTenant,
    progress: &Progress,
) -> Result<Vec<String>> {
    let name = tenant
        .metadata
        .name
        .as_deref()
        .context("a tenant without a name")?;
    let records: Api<TenantRecord> = Api::namespaced(sandbox.admin(), &tenant_namespace(name));
    let record = records.get("record").await?.spec;
    let mut told = Vec::new();
    for plane in [Plane::Namespace, Plane::Database, Plane::Storage] {
        let task = progress.task("drift");
        let what = match plane {
            Plane::Namespace => {
                let quotas: Api<ResourceQuota> =
                    Api::namespaced(sandbox.admin(), &tenant_namespace(name));
                let by = PatchParams {
                    field_manager: Some("a-careless-hand".into()),
                    ..PatchParams::default()
                };
                let patch = Patch::Merge(json!({"spec": {"hard": {"pods": "999"}}}));
                quotas.patch("eoffice", &by, &patch).await?;
                "a hand sets the quota's pods to 999".to_owned()
            }
            Plane::Database => {
                let server = sandbox.server(&record.database.server)?;
                let superuser = server.connect("postgres").await?;
                let login = &record.database.login;
                let sql = format!("ALTER ROLE \"{login}\" CONNECTION LIMIT 999");
                superuser.batch_execute(&sql).await?;
                "a superuser runs ALTER ROLE ... CONNECTION LIMIT 999".to_owned()
            }
            _ => {
                let bucket = &record.storage.bucket;
                let policy = json!({
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "s3:GetObject",
                        "Resource": format!("arn:aws:s3:::{bucket}/*"),
                    }],
                });
                let put = sandbox.object_store.admin().put_bucket_policy();
                put.bucket(bucket).policy(policy.to_string()).send().await?;
                "an admin of the store opens the bucket to the world".to_owned()
            }
        };
        task.step(&what);
        let began = Instant::now();
        let drift = corrected(sandbox, tenant, plane)
            .await
            .context(what.clone())?;
        let took = began.elapsed().as_secs_f64();
        task.done(format_args!("{what}; put right after {took:.1} s"));
        told.push(line(&drift));
    }
    Ok(told)
}

/// As the tenant's status tells of it.
fn line(drift: &Drift) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    format!(
        "{} {} {}: {} instead of {}, by {}: {}",
        drift.plane,
        drift.object,
        drift.field,
        value(&drift.observed),
        value(&drift.expected),
        drift.actor,
        drift.action
    )
}

/// Awaits that the tenant's status tells of a correction in this plane.
async fn corrected(sandbox: &Sandbox, tenant: &EOfficeTenant, plane: Plane) -> Result<Drift> {
    let namespace = tenant.metadata.namespace.clone().unwrap_or_default();
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let tenants: Api<EOfficeTenant> = Api::namespaced(sandbox.admin(), &namespace);
    let deadline = Instant::now() + WITHIN;
    loop {
        let status = tenants.get(&name).await?.status.unwrap_or_default();
        let told = status
            .drift
            .into_iter()
            .find(|drift| drift.plane == plane && drift.action == DriftAction::Corrected);
        match told {
            Some(drift) => return Ok(drift),
            None if Instant::now() >= deadline => {
                bail!("{name} was not put right within {} s", WITHIN.as_secs())
            }
            None => sleep(PAUSE).await,
        }
    }
}
