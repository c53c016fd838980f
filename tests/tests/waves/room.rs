//! Room that becomes free on a full server.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, DatabaseServer, Reason, TenantRecord};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, ask as sql, eventually, is, is_ready, told, until};
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

const ALL: [Asked; 4] = [
    of("tao-narrow-1-3021"),
    of("tao-narrow-2-3021"),
    of("tao-narrow-3-3021"),
    of("tao-narrow-4-3021"),
];

/// One place after the other becomes free: an orphan is dropped, a tenant destroyed, a server enlarged. Each is taken by
/// one of those who wait.
pub async fn is_taken(platform: &Platform) -> Result<()> {
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

    drop_orphan(platform).await?;
    let first = made(platform, &ALL, 1).await?;
    delete(platform, first[0]).await?;
    let left: Vec<Asked> = ALL
        .into_iter()
        .filter(|it| it.name != first[0].name)
        .collect();
    made(platform, &left, 1).await?;
    let wider = capacity(taken + 2);
    platform.merge(servers.clone(), SERVER, wider).await?;
    made(platform, &left, 2).await?;
    let as_before = capacity(enough.into());
    platform.merge(servers.clone(), SERVER, as_before).await?;
    made(platform, &left, 3).await?;
    counts(platform, 0, 0, false).await
}

/// Awaits that so many of these are Ready; the others wait on. Answers with who is.
async fn made<'a>(platform: &Platform, of: &'a [Asked], count: usize) -> Result<Vec<&'a Asked>> {
    let tenants = api(platform, "30");
    eventually(&format!("{count} have room"), || async {
        let mut made = Vec::new();
        for asked in of {
            let tenant = tenants.get(asked.name).await?;
            if is_ready(&tenant) {
                made.push(asked);
            } else {
                let waits = is(&tenant, ConditionType::Ready, "Unknown", Reason::Queued);
                ensure!(waits, "{}", told(&tenant));
            }
        }
        ensure!(made.len() == count, "{made:?}");
        Ok(made)
    })
    .await
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
