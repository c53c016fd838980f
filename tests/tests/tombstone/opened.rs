//! Somebody opens an access to what is kept.

use anyhow::{Context, Result, ensure};
use aws_sdk_iam::types::StatusType;
use eoffice_crds::RECORD_NAME;
use eoffice_tests::e2e::security::eventually;

use crate::bed::{Bed, agency, shut_out};

const OPENED: &str = "town-opened-3021";

/// A login that may log in again and a key that works again are ended by the operator, and it is told.
pub async fn by_an_admin_of_the_backends(bed: &Bed) -> Result<()> {
    bed.settle(&agency(OPENED, "50")).await?;
    let old = bed.credentials(OPENED).await?;
    bed.delete(OPENED).await?;
    let known = bed.record(OPENED).await?.spec;

    let superuser = bed.platform.sandbox.server(&known.database.server)?;
    let superuser = superuser.connect("postgres").await?;
    let open = format!("ALTER ROLE {} LOGIN", known.database.login);
    superuser.batch_execute(&open).await?;
    let iam = bed.platform.sandbox.object_store.iam_admin();
    let open = iam.update_access_key().user_name(&known.storage.user);
    let open = open.access_key_id(&old.storage.key.access);
    open.status(StatusType::Active).send().await?;

    eventually("both are closed again", || shut_out(&old)).await?;
    eventually("it is told", || async {
        let told = bed.events(RECORD_NAME).await?;
        ensure!(told.iter().any(|it| it == "AccessEnded"), "{told:?}");
        Ok(())
    })
    .await?;
    let said = bed.resident.said()?;
    let line = said.lines().find(|line| {
        line.contains(OPENED) && line.contains("drift") && line.contains(&known.database.login)
    });
    line.context("no line in the audit log")?;
    bed.is_kept(&known).await
}
