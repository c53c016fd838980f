//! Data comes back to the tenant it belongs to, and to one that may take it over.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use eoffice_crds::{
    ConditionType, EOfficeTenant, Reason, RecordState, finalizers, tenant_namespace,
};
use eoffice_tests::e2e::security::{PROVINCE, ask, eventually, is, is_ready, namespace_of, says};
use eoffice_tests::proof;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::bed::{Bed, CHAIR, agency, reads, uid};

const RESTORED: &str = "town-restored-3021";
const EXPLICIT: &str = "town-explicit-3021";
const MERGED: &str = "tao-merged-3021";
const ALONE: &str = "town-alone-3021";
const CLAIMANTS: [&str; 2] = ["town-greater-3021", "town-rival-3021"];
const WITHIN: Duration = Duration::from_secs(30);

/// A restored backup of etcd: every object as it was, with another UID, while no operator ran.
pub async fn with_other_uids(bed: &Bed) -> Result<()> {
    let object = agency(RESTORED, "1");
    let before = bed.settle(&object).await?;
    let known = bed.record(RESTORED).await?.spec;
    let old = bed.credentials(RESTORED).await?;
    bed.resident.stop().await?;
    let tenants = bed.platform.tenants();
    tenants.delete(RESTORED, &DeleteParams::default()).await?;
    let free = json!({"metadata": {"finalizers": null}});
    bed.platform.merge(tenants.clone(), RESTORED, free).await?;
    bed.platform.apply(std::slice::from_ref(&object)).await?;
    bed.resident.start().await?;

    let began = Instant::now();
    let again = bed.platform.ready(RESTORED).await?;
    ensure!(uid(&again) != uid(&before));
    let took = began.elapsed();
    ensure!(took < WITHIN, "it took {took:?}");
    has_new_credentials(bed, RESTORED, &old).await?;
    let now = bed.record(RESTORED).await?.spec;
    ensure!(now.database == known.database && now.storage == known.storage);

    // A mistaken prune: closed, and made again by the pipeline.
    let old = bed.credentials(RESTORED).await?;
    bed.delete(RESTORED).await?;
    let record = bed.record(RESTORED).await?;
    let spec = &record.spec;
    ensure!(spec.deleted_by.as_deref() == Some(CHAIR));
    ensure!(
        record
            .finalizers()
            .iter()
            .any(|it| it == finalizers::RECORD)
    );
    let sizes = spec.sizes.clone().unwrap_or_default();
    ensure!(
        sizes.database_bytes > Some(1_000_000) && sizes.objects > Some(0),
        "{sizes:?}"
    );
    let began = Instant::now();
    bed.platform.apply(std::slice::from_ref(&object)).await?;
    bed.platform.ready(RESTORED).await?;
    let took = began.elapsed();
    ensure!(took < WITHIN, "it took {took:?}");
    has_new_credentials(bed, RESTORED, &old).await?;
    let spec = bed.record(RESTORED).await?.spec;
    ensure!(spec.deleted_by.is_none() && spec.sizes.is_none() && spec.retain_until.is_none());
    Ok(())
}

async fn has_new_credentials(bed: &Bed, tenant: &str, old: &proof::Credentials) -> Result<()> {
    let new = bed.credentials(tenant).await?;
    reads(&new, tenant).await?;
    ensure!(new.database.password != old.database.password);
    ensure!(new.storage.key.access != old.storage.key.access);
    let refused = old.database.log_in_at(&old.database).await?;
    ensure!(refused.is_err(), "the old password still works");
    let list = old.storage.client()?.list_objects_v2();
    let refused = list.bucket(&old.storage.bucket).send().await;
    ensure!(refused.is_err(), "the old key still works");
    Ok(())
}

pub async fn only_when_asked(bed: &Bed) -> Result<()> {
    let mut object = agency(EXPLICIT, "2");
    object["spec"]["className"] = json!("asked");
    let known = bed.leave_behind(&object).await?;
    bed.platform.apply(std::slice::from_ref(&object)).await?;
    let namespace = tenant_namespace(EXPLICIT);
    let refused = refused(bed, EXPLICIT).await?;
    says(&refused, ConditionType::Ready, &["restoreFrom", &namespace])?;
    bed.is_kept(&known).await?;
    object["spec"]["restoreFrom"] = json!(namespace);
    bed.approve(&[object]).await?;
    bed.platform.ready(EXPLICIT).await?;
    reads(&bed.credentials(EXPLICIT).await?, EXPLICIT).await
}

async fn refused(bed: &Bed, tenant: &str) -> Result<EOfficeTenant> {
    let told = |it: &EOfficeTenant| is(it, ConditionType::Ready, "False", Reason::RestoreRefused);
    bed.platform.until(tenant, "refused", told).await
}

/// A merger: two ask for what one left, and one has it.
pub async fn by_one_of_two(bed: &Bed) -> Result<()> {
    let mut merged = agency(MERGED, "3");
    merged["spec"]["hosts"] = json!(["eoffice.merged.example"]);
    let known = bed.leave_behind(&merged).await?;
    let from = tenant_namespace(MERGED);
    let claimants = CLAIMANTS.map(|name| {
        let mut claimant = agency(name, "3");
        claimant["spec"]["hosts"] = json!(["eoffice.merged.example"]);
        claimant["spec"]["restoreFrom"] = json!(from);
        claimant
    });
    bed.approve(&claimants).await?;
    let tenants = bed.platform.tenants();
    let (winner, loser) = eventually("one of two has it", || async {
        let one = tenants.get(CLAIMANTS[0]).await?;
        let other = tenants.get(CLAIMANTS[1]).await?;
        let refused =
            |it: &EOfficeTenant| is(it, ConditionType::Ready, "False", Reason::RestoreRefused);
        match (is_ready(&one), is_ready(&other)) {
            (true, false) if refused(&other) => Ok((one, other)),
            (false, true) if refused(&one) => Ok((other, one)),
            _ => anyhow::bail!(
                "{}\n{}",
                eoffice_tests::e2e::security::told(&one),
                eoffice_tests::e2e::security::told(&other)
            ),
        }
    })
    .await?;
    let (winner, loser) = (winner.name_any(), loser.name_any());
    says(
        &tenants.get(&loser).await?,
        ConditionType::Ready,
        &[&winner, &from],
    )?;
    reads(&bed.credentials(&winner).await?, MERGED).await?;
    let record = bed.record(&winner).await?.spec;
    ensure!(record.database == known.database || record.database.name == known.database.name);
    ensure!(
        record
            .hosts
            .iter()
            .any(|host| host == "eoffice.merged.example")
    );
    let old = bed.record(MERGED).await?;
    ensure!(old.spec.state == RecordState::Succeeded && old.finalizers().is_empty());
    ensure!(old.spec.successor.as_ref().map(|it| &it.name) == Some(&winner));
    let superuser = bed.platform.sandbox.server(&known.database.server)?;
    let superuser = superuser.connect("postgres").await?;
    let mark = format!(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{}'",
        known.database.name
    );
    let mark = ask(&superuser, &mark).await?.unwrap_or_default();
    ensure!(
        mark.contains(&record.fingerprint) && !mark.contains(&known.fingerprint),
        "{mark}"
    );

    // Who has data of its own takes over no other's; what it has goes on.
    bed.settle(&agency(ALONE, "4")).await?;
    let asks = json!({"spec": {"restoreFrom": from}});
    let approver: Api<EOfficeTenant> = Api::namespaced(bed.chair.clone(), &namespace_of(PROVINCE));
    bed.platform.merge(approver, ALONE, asks).await?;
    let told = refused(bed, ALONE).await?;
    says(&told, ConditionType::Ready, &["data of its own"])?;
    reads(&bed.credentials(ALONE).await?, ALONE).await?;

    // The old name is nobody's any more, and nobody else's.
    bed.platform.apply(&[merged]).await?;
    let taken = |it: &EOfficeTenant| is(it, ConditionType::Ready, "False", Reason::NameConflict);
    let told = bed
        .platform
        .until(MERGED, "told who took over", taken)
        .await?;
    says(&told, ConditionType::Ready, &[&winner])?;

    // The successor leaves and comes back as any tenant does.
    for name in [loser.as_str(), MERGED] {
        tenants.delete(name, &DeleteParams::default()).await?;
    }
    bed.delete(&winner).await?;
    let claimant = claimants
        .iter()
        .find(|it| it["metadata"]["name"] == winner.as_str());
    bed.approve(claimant.map(std::slice::from_ref).unwrap_or_default())
        .await?;
    bed.platform.ready(&winner).await?;
    reads(&bed.credentials(&winner).await?, MERGED).await
}
