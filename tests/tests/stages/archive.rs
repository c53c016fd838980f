//! Auditors of a tenant that was archived.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{Phase, tenant_namespace};
use eoffice_tests::e2e::security::{Platform, eventually, tenant};
use eoffice_tests::proof::{self, Credentials, Database, Storage};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use serde_json::json;

const NAME: &str = "town-archived-3021";
const SECRET: &str = "eoffice-audit-oag";

pub async fn auditor(platform: &Platform) -> Result<()> {
    platform.apply(&[tenant(NAME)]).await?;
    platform.ready(NAME).await?;
    let client = platform.sandbox.admin();
    let own = Credentials::read(&client, NAME).await?;
    let session = own.database.connect().await?;
    session
        .batch_execute("CREATE TABLE letters (word text); INSERT INTO letters VALUES ('kept')")
        .await?;
    let put = own.storage.client()?.put_object();
    put.bucket(&own.storage.bucket)
        .key("letter")
        .body(b"kept".to_vec().into())
        .send()
        .await?;

    let until = Timestamp::now().checked_add(SignedDuration::from_secs(45))?;
    let archived = json!({"spec": {"lifecycle": "Archived", "auditAccess": [{"name": "oag", "until": until.to_string()}]}});
    platform.merge(platform.tenants(), NAME, archived).await?;
    platform
        .until(NAME, "Archived", |it| {
            it.status.as_ref().and_then(|status| status.phase) == Some(Phase::Archived)
        })
        .await?;
    let database = Database::read_from(&client, NAME, SECRET).await?;
    let storage = Storage::read_from(&client, NAME, SECRET).await?;
    let auditor = database.connect().await?;
    let row = auditor
        .query_one("SELECT word FROM public.letters", &[])
        .await?;
    ensure!(row.get::<_, &str>(0) == "kept");
    for write in [
        "INSERT INTO public.letters VALUES ('forged')",
        "SET default_transaction_read_only = off; DELETE FROM public.letters",
        "CREATE TABLE public.more (word text)",
    ] {
        ensure!(
            auditor.batch_execute(write).await.is_err(),
            "an auditor may {write}"
        );
    }
    let s3 = storage.client()?;
    let read = s3
        .get_object()
        .bucket(&storage.bucket)
        .key("letter")
        .send()
        .await;
    let read = read
        .context("the auditor reads a document")?
        .body
        .collect()
        .await?;
    ensure!(read.into_bytes().as_ref() == b"kept");
    let put = s3
        .put_object()
        .bucket(&storage.bucket)
        .key("more")
        .body(b"x".to_vec().into());
    ensure!(put.send().await.is_err(), "an auditor may write documents");
    let delete = s3.delete_object().bucket(&storage.bucket).key("letter");
    ensure!(
        delete.send().await.is_err(),
        "an auditor may delete documents"
    );
    ensure!(
        own.database.log_in_at(&own.database).await?.is_err(),
        "the tenant itself gets in"
    );

    eventually("his time ends", || async {
        ensure!(database.log_in_at(&database).await?.is_err(), "his login");
        ensure!(
            auditor.simple_query("SELECT 1").await.is_err(),
            "his session"
        );
        let get = s3.get_object().bucket(&storage.bucket).key("letter").send();
        ensure!(get.await.is_err(), "his key");
        let secrets: Api<Secret> = platform.within(&tenant_namespace(NAME));
        ensure!(secrets.get_opt(SECRET).await?.is_none(), "his Secret");
        Ok(())
    })
    .await?;
    ensure!(Timestamp::now() >= until, "it ended before his time");

    platform
        .merge(
            platform.tenants(),
            NAME,
            json!({"spec": {"lifecycle": "Active"}}),
        )
        .await?;
    platform.ready(NAME).await?;
    proof::prove(&platform.sandbox, NAME).await
}
