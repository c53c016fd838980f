//! What every outage asks of the platform.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, DatabaseServer, EOfficeTenant, ObjectStore, tenant_namespace};
use eoffice_tests::e2e::faults::{prove_all, record};
use eoffice_tests::e2e::security::{Platform, ask, eventually, holds, is_ready, told};
use eoffice_tests::parts::postgres::Postgres;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

pub fn servers(platform: &Platform) -> Api<DatabaseServer> {
    platform.cluster()
}

pub fn stores(platform: &Platform) -> Api<ObjectStore> {
    platform.cluster()
}

pub async fn server_of<'a>(platform: &'a Platform, name: &str) -> Result<&'a Postgres> {
    let record = record(&platform.sandbox, name).await?;
    platform.sandbox.server(&record.database.server)
}

pub async fn identity(server: &Postgres) -> Result<String> {
    let admin = server.connect("postgres").await?;
    let asked = ask(&admin, "select system_identifier from pg_control_system()");
    asked.await?.context("a server has an identity")
}

pub fn said_since(log: &Path, from: u64) -> Result<String> {
    let mut file = std::fs::File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut said = Vec::new();
    file.read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Awaits that the operator has come to a server so many times more, by that server's log.
pub async fn is_asked_again(server: &Postgres, times: usize) -> Result<()> {
    let from = std::fs::metadata(server.part.log())?.len();
    let question = "system_identifier";
    eventually("the operator asks the server who it is", || async {
        let said = said_since(server.part.log(), from)?;
        let asked = said.matches(question).count();
        ensure!(asked >= times, "it asked {asked} times");
        Ok(())
    })
    .await
}

pub fn others_hold(found: &EOfficeTenant, parts: &[ConditionType]) -> Result<()> {
    for part in parts {
        ensure!(holds(found, *part), "{part} suffers:\n{}", told(found));
    }
    Ok(())
}

/// A tenant whom the outage does not concern is Ready, and works.
pub async fn is_left_in_peace(platform: &Platform, name: &str) -> Result<()> {
    let found = platform.tenants().get(name).await?;
    ensure!(is_ready(&found), "{name} suffers:\n{}", told(&found));
    prove_all(&platform.sandbox, &[name]).await
}

/// Everyone is Ready again, and what was there before still is: each tenant's own Secrets open it.
pub async fn heals(platform: &Platform, names: &[&str]) -> Result<()> {
    for name in names {
        platform.ready(name).await?;
    }
    prove_all(&platform.sandbox, names).await
}

/// A quota that somebody deletes comes back.
pub async fn kubernetes_goes_on(platform: &Platform, name: &str) -> Result<()> {
    let quotas: Api<ResourceQuota> = platform.within(&tenant_namespace(name));
    let all = ListParams::default();
    let before = quotas.list(&all).await?.items.pop();
    let before = before.context("a tenant has a quota")?;
    quotas
        .delete(&before.name_any(), &DeleteParams::default())
        .await?;
    eventually("the quota comes back", || async {
        let now = quotas.get(&before.name_any()).await?;
        ensure!(now.uid() != before.uid(), "the old one is still there");
        Ok(())
    })
    .await
}

/// A connection limit that somebody loosens comes back.
pub async fn postgres_goes_on(platform: &Platform, name: &str) -> Result<()> {
    let login = record(&platform.sandbox, name).await?.database.login;
    let admin = server_of(platform, name).await?.connect("postgres").await?;
    let limit = format!("select rolconnlimit from pg_roles where rolname = '{login}'");
    let before = ask(&admin, &limit).await?;
    admin
        .batch_execute(&format!("alter role {login} connection limit 77"))
        .await?;
    eventually("the connection limit comes back", || async {
        let now = ask(&admin, &limit).await?;
        ensure!(now == before, "it is {now:?} instead of {before:?}");
        Ok(())
    })
    .await
}

/// A policy that somebody deletes comes back.
pub async fn storage_goes_on(platform: &Platform, name: &str) -> Result<()> {
    let user = record(&platform.sandbox, name).await?.storage.user;
    let iam = platform.sandbox.object_store.iam_admin();
    let policies = || async {
        let list = iam.list_user_policies().user_name(&user).send().await;
        anyhow::Ok(list.context("list the user's policies")?.policy_names)
    };
    let before = policies().await?;
    let policy = before.first().context("a user has a policy")?;
    let delete = iam.delete_user_policy().user_name(&user);
    delete.policy_name(policy).send().await?;
    eventually("the policy comes back", || async {
        let now = policies().await?;
        ensure!(now == before, "there are {now:?}");
        Ok(())
    })
    .await
}
