//! Data that is gone or was replaced is never made anew as if it were empty, nor taken silently: a person says what it
//! is, for this one loss, and the rest of the tenant stays as it is meanwhile.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{
    ConditionType, EOfficeTenant, RECORD_NAME, Reason, TenantRecord, annotations, tenant_namespace,
};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{condition, eventually, is_ready, says};
use eoffice_tests::proof;
use serde_json::json;

use crate::place::Place;

/// Its database goes.
pub const DROPPED: &str = "town-dropped-3021";
/// Its bucket goes.
pub const EMPTIED: &str = "tao-emptied-3021";

const RESTORED: &str = annotations::ACCEPT_RESTORED;
const LOST: &str = annotations::ACCEPT_DATA_LOSS;

/// A superuser makes one of the tenant's name, and what a backup would have is put into it.
const RESTORE: &str = "
ALTER SCHEMA public OWNER TO {role};
SET ROLE {role};
CREATE TABLE public.letters AS SELECT 'restored'::text AS letter";

/// What a table in the tenant's database holds, as the tenant reads it with the credentials that it always had.
async fn letter(place: &Place<'_>) -> Result<String> {
    let client = place.sql.database.connect().await?;
    let row = client.query_one("SELECT letter FROM letters", &[]).await?;
    Ok(row.get(0))
}

pub async fn database(place: &Place<'_>) -> Result<()> {
    let client = place.sql.database.connect().await?;
    client
        .batch_execute("CREATE TABLE letters AS SELECT 'first'::text AS letter")
        .await?;
    drop(client);
    let first = place.sql.oid().await?.context("there is no database")?;
    let db = place.sql.database.name.clone();

    replaced(place, &first).await?;
    dropped_for_good(place, &first).await?;

    // The acceptance is still written there, and accepts no second loss.
    let second = place.sql.oid().await?.context("there is no database")?;
    place.sql.run("DROP DATABASE {db} WITH (FORCE)").await?;
    lost(
        place,
        ConditionType::DatabaseReady,
        &[&format!("{LOST}: {db}/{second}")],
    )
    .await?;
    looked_again(place.platform, 3, 1).await?;
    ensure!(place.sql.oid().await?.is_none(), "an empty one was made");

    restored(place, &second).await
}

/// Another of the same name is not touched, and when the right one is there again all is well.
async fn replaced(place: &Place<'_>, first: &str) -> Result<()> {
    let sound = place.sql.look().await?;
    let objects = place.objects.look().await?;
    eventually("the database is renamed", || async {
        place
            .sql
            .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{db}'")
            .await?;
        place
            .sql
            .run("ALTER DATABASE {db} RENAME TO laid_aside")
            .await
    })
    .await?;
    place
        .sql
        .run("CREATE DATABASE {db} TEMPLATE template0")
        .await?;
    let other = place.sql.oid().await?.context("there is no database")?;
    lost(place, ConditionType::DatabaseReady, &[first, &other]).await?;
    let before = place.sql.look().await?;
    looked_again(place.platform, 3, 1).await?;
    ensure!(
        place.sql.look().await? == before,
        "another's database was touched"
    );
    ensure!(
        place.objects.look().await? == objects,
        "the rest did not stay as it is"
    );
    place.sql.run("DROP DATABASE {db}").await?;
    eventually("the database is back", || {
        place.sql.run("ALTER DATABASE laid_aside RENAME TO {db}")
    })
    .await?;
    place.platform.ready(place.tenant).await?;
    ensure!(
        place.sql.look().await? == sound,
        "it is another than before"
    );
    ensure!(letter(place).await? == "first");
    Ok(())
}

/// The loss of another accepts nothing, and of this one gives an empty database.
async fn dropped_for_good(place: &Place<'_>, first: &str) -> Result<()> {
    let db = &place.sql.database.name;
    let (objects, store) = (place.objects.look().await?, place.store.look().await?);
    place.sql.run("DROP DATABASE {db} WITH (FORCE)").await?;
    let accept = format!("{LOST}: {db}/{first}");
    lost(place, ConditionType::DatabaseReady, &[db, &accept]).await?;
    accepts(place, LOST, &format!("{db}/1")).await?;
    looked_again(place.platform, 3, 1).await?;
    ensure!(place.sql.oid().await?.is_none(), "an empty one was made");
    ensure!(
        place.objects.look().await? == objects,
        "the rest did not stay as it is"
    );
    ensure!(
        place.store.look().await? == store,
        "the rest did not stay as it is"
    );
    proof::s3(&proof::Storage::read(&place.platform.sandbox.admin(), place.tenant).await?).await?;

    accepts(place, LOST, &format!("{db}/{first}")).await?;
    place
        .platform
        .until(place.tenant, "Ready with an empty database", is_ready)
        .await?;
    ensure!(place.sql.oid().await?.as_deref() != Some(first));
    proof::sql(&place.sql.database).await?;
    ensure!(letter(place).await.is_err(), "it is not empty");
    let superseded = record(place).await?.spec.database.superseded;
    ensure!(
        superseded
            .iter()
            .map(ToString::to_string)
            .eq([first.to_owned()]),
        "{superseded:?}"
    );
    Ok(())
}

/// Restored under a new identity it is taken up with its data, once a person says that it is this one.
async fn restored(place: &Place<'_>, second: &str) -> Result<()> {
    let db = &place.sql.database.name;
    place
        .sql
        .run("CREATE DATABASE {db} OWNER eoffice_operator TEMPLATE template0")
        .await?;
    place.sql.run_in(db, RESTORE).await?;
    let third = place.sql.oid().await?.context("there is no database")?;
    let accept = format!("{RESTORED}: {db}/{third}");
    lost(place, ConditionType::DatabaseReady, &[second, &accept]).await?;
    let before = place.sql.look().await?;
    looked_again(place.platform, 3, 1).await?;
    ensure!(
        place.sql.look().await? == before,
        "it was taken without a word"
    );
    accepts(place, RESTORED, &format!("{db}/{third}")).await?;
    place
        .platform
        .until(place.tenant, "Ready with the restored database", is_ready)
        .await?;
    ensure!(place.sql.oid().await? == Some(third));
    ensure!(letter(place).await? == "restored");
    let now = place.sql.look().await?;
    ensure!(
        now.contains("\"comment\" : \"eoffice"),
        "it bears no mark: {now}"
    );
    ensure!(!now.contains("PUBLIC"), "it is open to all: {now}");
    proof::sql(&place.sql.database).await
}

pub async fn bucket(place: &Place<'_>) -> Result<()> {
    let storage = proof::Storage::read(&place.platform.sandbox.admin(), place.tenant).await?;
    let name = &place.store.bucket;
    proof::s3(&storage).await?;
    let first = record(place)
        .await?
        .spec
        .storage
        .bucket_identity
        .context("no identity")?;
    let (objects, sql) = (place.objects.look().await?, place.sql.look().await?);
    place.store.remove_bucket().await?;
    let accept = format!("{LOST}: {name}/{first}");
    lost(place, ConditionType::StorageReady, &[name, &accept]).await?;
    accepts(place, LOST, &format!("{name}/0123456789abcdef")).await?;
    looked_again(place.platform, 3, 1).await?;
    ensure!(!place.store.exists().await?, "an empty one was made");
    ensure!(
        place.objects.look().await? == objects,
        "the rest did not stay as it is"
    );
    ensure!(
        place.sql.look().await? == sql,
        "the rest did not stay as it is"
    );

    accepts(place, LOST, &format!("{name}/{first}")).await?;
    place
        .platform
        .until(place.tenant, "Ready with an empty bucket", is_ready)
        .await?;
    proof::s3(&storage).await?;
    let second = record(place)
        .await?
        .spec
        .storage
        .bucket_identity
        .context("no identity")?;
    ensure!(
        second != first,
        "it has the identity of the one that was lost"
    );

    // The acceptance is still written there, and accepts no second loss.
    place.store.remove_bucket().await?;
    lost(
        place,
        ConditionType::StorageReady,
        &[&format!("{LOST}: {name}/{second}")],
    )
    .await?;
    looked_again(place.platform, 3, 1).await?;
    ensure!(!place.store.exists().await?, "an empty one was made");

    place.store.make_bucket("letters/1", "restored").await?;
    let told = lost(
        place,
        ConditionType::StorageReady,
        &[&format!("{RESTORED}: {name}/")],
    )
    .await?;
    looked_again(place.platform, 3, 1).await?;
    ensure!(
        place.store.tags().await?.is_empty(),
        "it was taken without a word"
    );
    let identity = named(&told, &format!("{RESTORED}: {name}/"))?;
    accepts(place, RESTORED, &format!("{name}/{identity}")).await?;
    place
        .platform
        .until(place.tenant, "Ready with the restored bucket", is_ready)
        .await?;
    let kept = record(place).await?.spec.storage.bucket_identity;
    ensure!(kept.as_ref() == Some(&identity), "the record has {kept:?}");
    let letter = storage
        .client()?
        .get_object()
        .bucket(name)
        .key("letters/1")
        .send()
        .await?;
    ensure!(letter.body.collect().await?.into_bytes().as_ref() == b"restored");
    proof::s3(&storage).await
}

/// What the sentence has behind these words, up to the next blank or punctuation.
fn named(tenant: &EOfficeTenant, words: &str) -> Result<String> {
    let told = condition(tenant, ConditionType::StorageReady).context("no condition")?;
    let (_, rest) = told.message.split_once(words).context("it does not say")?;
    Ok(rest
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect())
}

async fn lost(place: &Place<'_>, plane: ConditionType, words: &[&str]) -> Result<EOfficeTenant> {
    let stuck = |it: &EOfficeTenant| {
        let is = |kind, status: &str| {
            condition(it, kind)
                .is_some_and(|it| it.status == status && it.reason == Reason::DataMissing.as_str())
        };
        is(plane, "False")
            && is(ConditionType::Ready, "False")
            && is(ConditionType::Synced, "False")
            && is(ConditionType::Stalled, "True")
            && says(it, plane, words).is_ok()
    };
    let what = format!("told of the loss with {words:?}");
    place.platform.until(place.tenant, &what, stuck).await
}

async fn accepts(place: &Place<'_>, key: &str, value: &str) -> Result<()> {
    let annotation = json!({"metadata": {"annotations": {key: value}}});
    place
        .platform
        .merge(place.platform.tenants(), place.tenant, annotation)
        .await?;
    Ok(())
}

async fn record(place: &Place<'_>) -> Result<TenantRecord> {
    let records = place
        .platform
        .within::<TenantRecord>(&tenant_namespace(place.tenant));
    Ok(records.get(RECORD_NAME).await?)
}
