//! Room that becomes free on a full server.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, DatabaseServer, Reason, TenantRecord};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, ask as sql, eventually, is, is_ready, until};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::ask::{Asked, api, ask_with, delete};
use crate::told::counts;

/// A class with a server that is soon full, whose tenants are destroyed with their resource.
const NARROW: &str = "narrow";
const SERVER: &str = "pg-b";
/// It bears a mark of this installation, and is in no record.
const ORPHAN: &str = "eo_orphan";

const fn of(name: &'static str) -> Asked {
    Asked {
        province: "30",
        manager: "pipeline",
        name,
        class: NARROW,
    }
}

/// In the order in which they are asked for.
const ALL: [Asked; 4] = [
    of("tao-narrow-1-3021"),
    of("tao-narrow-2-3021"),
    of("tao-narrow-3-3021"),
    of("tao-narrow-4-3021"),
];

/// One place after the other becomes free: an orphan is dropped, a tenant destroyed, a server enlarged. Each is the next
/// one's, and those who wait on do not even try.
pub async fn is_the_next_one_s(platform: &Platform) -> Result<()> {
    class(platform, NARROW, |spec| {
        spec["database"]["serverSelector"] = json!({"matchLabels": {"pool": NARROW}});
        spec["storage"]["retention"] = json!(null);
        spec["allowDelete"] = json!(true);
    })
    .await?;
    let servers: Api<DatabaseServer> = platform.cluster();
    let taken = recorded(platform).await?;
    let labelled = json!({"metadata": {"labels": {"pool": NARROW}}});
    platform.merge(servers.clone(), SERVER, labelled).await?;
    make_orphan(platform).await?;
    eventually("the orphan is counted", || async {
        let counted = databases(platform).await?;
        ensure!(counted == taken + 1, "{counted} instead of {taken} and one");
        Ok(())
    })
    .await?;
    let capacity = |databases: i64| json!({"spec": {"capacity": {"databases": databases}}});
    let enough = servers.get(SERVER).await?.spec.capacity.databases;
    let full = capacity(taken + 1);
    platform.merge(servers.clone(), SERVER, full).await?;
    let destroyed = json!({"deletionPolicy": "Delete"});
    for asked in &ALL {
        ask_with(platform, asked, &destroyed).await?;
        let waits = |it: &_| is(it, ConditionType::Ready, "Unknown", Reason::Queued);
        until(&api(platform, "30"), asked.name, "Queued", waits).await?;
    }

    next_is_made(platform, &ALL, drop_orphan(platform)).await?;
    next_is_made(platform, &ALL[1..], delete(platform, &ALL[0])).await?;
    let one_more = async {
        let wider = capacity(taken + 2);
        platform.merge(servers.clone(), SERVER, wider).await?;
        Ok(())
    };
    next_is_made(platform, &ALL[2..], one_more).await?;
    let as_before = capacity(enough.into());
    platform.merge(servers.clone(), SERVER, as_before).await?;
    let tenants = api(platform, "30");
    until(&tenants, ALL[3].name, "Ready", is_ready).await?;
    counts(platform, 0, 0, false).await
}

/// Awaits the first of them once a place is free; nothing is written of the others meanwhile.
async fn next_is_made(
    platform: &Platform,
    waiting: &[Asked],
    free: impl Future<Output = Result<()>>,
) -> Result<()> {
    let tenants = api(platform, "30");
    let versions = || async {
        let mut versions = Vec::new();
        for asked in &waiting[1..] {
            versions.push(tenants.get(asked.name).await?.resource_version());
        }
        anyhow::Ok(versions)
    };
    let before = versions().await?;
    free.await?;
    until(&tenants, waiting[0].name, "Ready", is_ready).await?;
    let after = versions().await?;
    ensure!(before == after, "the others were written: {waiting:?}");
    Ok(())
}

/// How many tenants have theirs on the server.
async fn recorded(platform: &Platform) -> Result<i64> {
    let records: Api<TenantRecord> = Api::all(platform.sandbox.admin());
    let records = records.list(&ListParams::default()).await?.items;
    let there = records
        .iter()
        .filter(|it| it.spec.database.server == SERVER && it.spec.state.holds_data());
    Ok(i64::try_from(there.count())?)
}

/// How many databases the server is said to have.
async fn databases(platform: &Platform) -> Result<i64> {
    let servers: Api<DatabaseServer> = platform.cluster();
    let status = servers.get(SERVER).await?.status;
    let databases = status.and_then(|status| status.databases);
    databases.context("the server's databases are not counted yet")
}

async fn make_orphan(platform: &Platform) -> Result<()> {
    let admin = admin(platform).await?;
    let mark = "SELECT shobj_description(oid, 'pg_database') FROM pg_database \
                WHERE datname ~ '^eo_[0-9a-f]+$' AND shobj_description(oid, 'pg_database') LIKE '%live%' LIMIT 1";
    let mark = sql(&admin, mark).await?.context("no tenant's database")?;
    admin
        .batch_execute(&format!("CREATE DATABASE {ORPHAN}"))
        .await?;
    let comment = format!("COMMENT ON DATABASE {ORPHAN} IS '{mark}'");
    Ok(admin.batch_execute(&comment).await?)
}

async fn drop_orphan(platform: &Platform) -> Result<()> {
    let dropped = format!("DROP DATABASE {ORPHAN}");
    Ok(admin(platform).await?.batch_execute(&dropped).await?)
}

async fn admin(platform: &Platform) -> Result<tokio_postgres::Client> {
    let mut servers = platform.sandbox.postgres.iter();
    let server = servers.find(|it| it.name() == SERVER);
    server.context("no such server")?.connect("postgres").await
}
