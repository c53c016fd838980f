//! Somebody with all rights deletes records and namespaces: refused, and where he takes the refusal away, no data goes.

use anyhow::{Result, ensure};
use eoffice_crds::RECORD_NAME;
use eoffice_tests::e2e::security::{PROVINCE, eventually, namespace_of};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};

use crate::bed::{Bed, RETENTION, agency};
use crate::purged::is_gone;

const KEPT: &str = "town-kept-3021";
const LIVING: &str = "town-living-3021";

pub async fn by_an_admin(bed: &Bed) -> Result<()> {
    let known = bed.leave_behind(&agency(KEPT, "40")).await?;
    bed.settle(&agency(LIVING, "41")).await?;
    let living = bed.record(LIVING).await?.spec;
    let (own, province) = (known_namespace(), namespace_of(PROVINCE));
    let namespaces: Api<Namespace> = bed.platform.cluster();
    let delete = DeleteParams::default();
    for name in [&own, &province] {
        let refused = namespaces.delete(name, &delete).await;
        ensure!(refused.is_err(), "namespace {name} may be deleted");
    }

    ensure!(bed.lift(|_| true).await? > 1, "nothing refused it");
    for name in [&own, &province] {
        eventually("nothing refuses it any more", || async {
            namespaces.delete(name, &delete).await?;
            Ok(())
        })
        .await?;
    }
    // The tenants of the province leave, and leave everything behind.
    eventually("the tenant has left", || async {
        let record = bed.record(LIVING).await?.spec;
        ensure!(record.retained_at.is_some(), "it says {:?}", record.state);
        Ok(())
    })
    .await?;
    let record = bed.record(KEPT).await?;
    ensure!(record.metadata.deletion_timestamp.is_some());
    bed.is_kept(&known).await?;
    bed.is_kept(&living).await?;
    bed.resident.time.advance(RETENTION)?;
    bed.order(KEPT).await?;
    eventually("what was ordered is done, and the record goes", || async {
        let left = bed.records(KEPT).get_opt(RECORD_NAME).await?;
        ensure!(left.is_none(), "it says {:?}", left.map(|it| it.status));
        Ok(())
    })
    .await?;
    is_gone(bed, &known).await?;
    bed.is_kept(&living).await
}

fn known_namespace() -> String {
    eoffice_crds::tenant_namespace(KEPT)
}
