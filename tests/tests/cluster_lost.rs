//! The whole cluster is lost and an empty one takes its place: nothing is done to the backends until an admin lets it take
//! over, and then everyone finds what they had.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{DatabaseServer, ObjectStore, Reason, annotations};
use eoffice_tests::e2e::faults::{
    Census, backend, cluster_uid, looks_again, prove_all, record, says_of_ready,
};
use eoffice_tests::e2e::security::{Platform, ask, is_ready, tenant, told};
use eoffice_tests::proof::Credentials;
use eoffice_tests::{OperatorOptions, Options};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

/// Enough that each server has several.
const TENANTS: [&str; 4] = [
    "town-first-3021",
    "town-second-3021",
    "town-third-3021",
    "town-fourth-3021",
];
const STORE: &str = "objects";
const KEY: &str = "letters/1";

#[tokio::test(flavor = "multi_thread")]
async fn with_the_cluster_lost_every_tenant_is_found_again_once_an_admin_lets_it() {
    let options = OperatorOptions::default();
    let mut platform = Platform::start(Options::default(), options).await.unwrap();
    let outcome = lost_and_found(&mut platform).await;
    if outcome.is_err() {
        let tenants = platform.tenants().list(&ListParams::default()).await;
        for tenant in tenants.unwrap() {
            println!("{}\n{}", tenant.name_any(), told(&tenant));
        }
    }
    outcome.unwrap();
}

async fn lost_and_found(platform: &mut Platform) -> Result<()> {
    platform.apply(&TENANTS.map(tenant)).await?;
    let mut before = Vec::new();
    for name in TENANTS {
        platform.ready(name).await?;
        let mine = Credentials::read(&platform.sandbox.admin(), name).await?;
        leave_something(&mine).await?;
        let server = record(&platform.sandbox, name).await?.database.server;
        before.push((mine, server));
    }
    let servers: Vec<&String> = before.iter().map(|(_, server)| server).collect();
    for server in &platform.sandbox.postgres {
        ensure!(
            servers.iter().any(|it| *it == server.name()),
            "{} has no tenant",
            server.name()
        );
    }
    let backends = Census::backends(&platform.sandbox).await?;
    let old = cluster_uid(&platform.sandbox).await?;

    platform.operator.part.kill().await;
    platform.sandbox.lose_cluster().await?;
    ensure!(cluster_uid(&platform.sandbox).await? != old);
    platform.sandbox.install_chart(&json!({})).await?;
    platform.sandbox.connect_backends().await?;
    // It has a token of the new cluster in the file of the old one.
    platform.sandbox.operator_kubeconfig().await?;
    platform.operator.part.start().await?;
    platform.apply(&TENANTS.map(tenant)).await?;

    nothing_is_done(platform, &old).await?;
    // An acceptance is for one cluster, never for any.
    let another = "00000000-0000-4000-8000-000000000000";
    take_over(platform, another).await?;
    looks_again(&platform.operator).await?;
    nothing_is_done(platform, &old).await?;
    same(&backends, &Census::backends(&platform.sandbox).await?)?;

    take_over(platform, &old).await?;
    let ready = ("True", Reason::AsExpected);
    for server in &platform.sandbox.postgres {
        backend(&servers_of(platform), server.name(), ready, &[]).await?;
    }
    backend(&stores_of(platform), STORE, ready, &[]).await?;
    for (mine, server) in &before {
        platform.ready(&mine.tenant).await?;
        let record = record(&platform.sandbox, &mine.tenant).await?;
        ensure!(
            record.database.server == *server,
            "{} was on {server} and is on {}",
            mine.tenant,
            record.database.server
        );
        found_again(platform, mine).await?;
    }
    let now = Census::backends(&platform.sandbox).await?;
    backends.lives_on_in(&now)?;
    ensure!(
        now.keys.len() == backends.keys.len(),
        "there were the keys {:#?}, and are {:#?}",
        backends.keys,
        now.keys
    );
    same(
        &Census {
            keys: now.keys.clone(),
            ..backends
        },
        &now,
    )?;
    prove_all(&platform.sandbox, &TENANTS).await
}

/// A row and an object, written with the tenant's own credentials.
async fn leave_something(mine: &Credentials) -> Result<()> {
    let client = mine.database.connect().await?;
    let letter = format!(
        "create table letters (of text); insert into letters values ('{}')",
        mine.tenant
    );
    client.batch_execute(&letter).await?;
    let put = mine.storage.client()?.put_object();
    let put = put.bucket(&mine.storage.bucket).key(KEY);
    let body = ByteStream::from(mine.tenant.clone().into_bytes());
    put.body(body).send().await.context("write an object")?;
    Ok(())
}

/// The row and the object are there for the new credentials, and closed to the old ones.
async fn found_again(platform: &Platform, old: &Credentials) -> Result<()> {
    let new = Credentials::read(&platform.sandbox.admin(), &old.tenant).await?;
    let client = new.database.connect().await?;
    let letter = ask(&client, "select of from letters").await?;
    ensure!(letter.as_deref() == Some(old.tenant.as_str()));
    let get = new.storage.client()?.get_object();
    let object = get.bucket(&new.storage.bucket).key(KEY).send().await;
    let object = object
        .context("read the old object")?
        .body
        .collect()
        .await?;
    ensure!(object.into_bytes().as_ref() == old.tenant.as_bytes());

    ensure!(new.database.password != old.database.password);
    let refused = old.database.log_in_to(&old.database.name).await?;
    ensure!(
        refused.is_err(),
        "the lost password still opens the database"
    );
    ensure!(new.storage.key.access != old.storage.key.access);
    let get = old.storage.client()?.get_object();
    let refused = get.bucket(&old.storage.bucket).key(KEY).send().await;
    ensure!(refused.is_err(), "the lost key still opens the bucket");
    Ok(())
}

/// Every backend says who holds it and what an admin can do, and every tenant waits.
async fn nothing_is_done(platform: &Platform, old: &str) -> Result<()> {
    let held = ("False", Reason::HeldByOtherCluster);
    let words = [old, annotations::TAKE_OVER_FROM];
    for server in &platform.sandbox.postgres {
        backend(&servers_of(platform), server.name(), held, &words).await?;
    }
    backend(&stores_of(platform), STORE, held, &words).await?;
    for name in TENANTS {
        let waits = |it: &_| !is_ready(it) && says_of_ready(it, &[old]).is_ok();
        let what = "one that waits for the takeover";
        platform.until(name, what, waits).await?;
    }
    Ok(())
}

/// An admin writes whom this cluster takes over from.
async fn take_over(platform: &Platform, from: &str) -> Result<()> {
    let patch: Value = json!({"metadata": {"annotations": {annotations::TAKE_OVER_FROM: from}}});
    for server in &platform.sandbox.postgres {
        let servers = servers_of(platform);
        platform
            .merge(servers, server.name(), patch.clone())
            .await?;
    }
    platform.merge(stores_of(platform), STORE, patch).await?;
    Ok(())
}

fn servers_of(platform: &Platform) -> Api<DatabaseServer> {
    platform.cluster()
}

fn stores_of(platform: &Platform) -> Api<ObjectStore> {
    platform.cluster()
}

fn same(before: &Census, now: &Census) -> Result<()> {
    ensure!(before == now, "there was\n{before:#?}\nand is\n{now:#?}");
    Ok(())
}
