//! Objects under a tenant's expected names that are not ours.

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{ConditionType, EOfficeTenant, Reason, tenant_namespace};
use eoffice_operator::identity::BackendNames;
use eoffice_tests::e2e::security::{Platform, Scenario, ask, eventually, holds, is, says, tenant};
use eoffice_tests::operator::INSTALLATION;
use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams};
use serde_json::json;

use super::calls;
use ConditionType::{
    CertificateReady, DatabaseReady, IngressReady, NamespaceReady, Ready, Stalled, StorageReady,
};

pub fn what_is_not_ours(platform: &Platform) -> Vec<Scenario<'_>> {
    vec![
        (
            "a foreign database is left alone",
            a_foreign_database(platform).boxed(),
        ),
        (
            "a foreign role is left alone",
            a_foreign_role(platform, "role").boxed(),
        ),
        (
            "a foreign login is left alone",
            a_foreign_role(platform, "login").boxed(),
        ),
        (
            "a foreign bucket is left alone",
            a_foreign_bucket(platform).boxed(),
        ),
        (
            "a foreign IAM user is left alone",
            a_foreign_user(platform).boxed(),
        ),
        (
            "a foreign namespace is left alone",
            a_foreign_namespace(platform).boxed(),
        ),
    ]
}

fn names(tenant: &str) -> Result<BackendNames> {
    Ok(BackendNames::first(&INSTALLATION.parse()?, tenant))
}

/// Awaits that a plane says it found something foreign, and that the others go on.
async fn only_it_fails(
    platform: &Platform,
    name: &str,
    plane: ConditionType,
    word: &str,
) -> Result<EOfficeTenant> {
    platform.apply(&[tenant(name)]).await?;
    let others = [
        NamespaceReady,
        DatabaseReady,
        StorageReady,
        CertificateReady,
        IngressReady,
    ];
    let foreign = |it: &EOfficeTenant| {
        is(it, plane, "False", Reason::ForeignObject)
            && is(it, Ready, "False", Reason::ForeignObject)
            && others
                .iter()
                .all(|other| *other == plane || holds(it, *other))
    };
    let found = platform
        .until(name, "refused for a foreign object alone", foreign)
        .await?;
    says(&found, plane, &[word])?;
    ensure!(holds(&found, Stalled));
    // It looks again and again, and still touches nothing.
    let looked = calls(platform, "audit").await?;
    eventually("the operator looks again", || async {
        ensure!(calls(platform, "audit").await? >= looked + 2);
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn a_foreign_database(platform: &Platform) -> Result<()> {
    let name = "tao-foreign-database-3021";
    let database = names(name)?.database;
    let server = platform.sandbox.server("pg-a")?;
    let superuser = server.connect("postgres").await?;
    superuser
        .simple_query(&format!("CREATE DATABASE {database}"))
        .await?;
    let comment = format!("COMMENT ON DATABASE {database} IS 'payroll'");
    superuser.simple_query(&comment).await?;
    let inside = server.connect(&database).await?;
    inside
        .batch_execute("CREATE TABLE salaries AS SELECT 1 AS one")
        .await?;
    let state = format!(
        "select json_build_array(oid, datdba, datacl::text, datconnlimit, datallowconn,
            shobj_description(oid, 'pg_database'))::text from pg_database where datname = '{database}'"
    );
    let before = ask(&superuser, &state).await?;
    only_it_fails(platform, name, DatabaseReady, &database).await?;
    ensure!(ask(&superuser, &state).await? == before);
    ensure!(ask(&inside, "select one from salaries").await?.as_deref() == Some("1"));
    ensure!(
        ask(
            &inside,
            "select nspacl::text || nspowner from pg_namespace where nspname = 'public'"
        )
        .await?
            == ask(
                &superuser,
                "select nspacl::text || nspowner from pg_namespace where nspname = 'public'"
            )
            .await?
    );
    drop(inside);
    superuser
        .simple_query(&format!("DROP DATABASE {database} WITH (FORCE)"))
        .await?;
    platform.ready(name).await.context("once it is gone")?;
    Ok(())
}

async fn a_foreign_role(platform: &Platform, which: &str) -> Result<()> {
    let name = format!("tao-foreign-{which}-3021");
    let names = names(&name)?;
    let role = if which == "role" {
        names.role
    } else {
        names.login
    };
    let server = platform.sandbox.server("pg-a")?;
    let superuser = server.connect("postgres").await?;
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD 'another-program' CONNECTION LIMIT 3");
    superuser.simple_query(&create).await?;
    let comment = format!("COMMENT ON ROLE {role} IS 'backup job'");
    superuser.simple_query(&comment).await?;
    let state = format!(
        "select json_build_array(to_jsonb(a), shobj_description(oid, 'pg_authid'), (select json_agg(to_jsonb(m))
            from pg_auth_members m where roleid = a.oid or member = a.oid))::text
         from pg_authid a where rolname = '{role}'"
    );
    let before = ask(&superuser, &state).await?;
    only_it_fails(platform, &name, DatabaseReady, &role).await?;
    ensure!(
        ask(&superuser, &state).await? == before,
        "the role was touched"
    );
    superuser.simple_query(&format!("DROP ROLE {role}")).await?;
    platform.ready(&name).await.context("once it is gone")?;
    Ok(())
}

async fn a_foreign_bucket(platform: &Platform) -> Result<()> {
    let name = "tao-foreign-bucket-3021";
    let bucket = names(name)?.bucket;
    let s3 = platform.sandbox.object_store.admin();
    s3.create_bucket().bucket(&bucket).send().await?;
    let put = s3.put_object().bucket(&bucket).key("payroll");
    put.body(ByteStream::from_static(b"salaries"))
        .send()
        .await?;
    let state = || async {
        let policy = s3.get_bucket_policy().bucket(&bucket).send().await;
        let tags = s3.get_bucket_tagging().bucket(&bucket).send().await;
        let versioning = s3.get_bucket_versioning().bucket(&bucket).send().await?;
        let objects = s3.list_objects_v2().bucket(&bucket).send().await?;
        let keys: Vec<_> = objects
            .contents()
            .iter()
            .map(|it| (it.key(), it.e_tag()))
            .collect();
        anyhow::Ok(format!(
            "{:?} {:?} {:?} {keys:?}",
            policy.ok().and_then(|it| it.policy),
            tags.ok().map(|it| it.tag_set),
            versioning.status()
        ))
    };
    let before = state().await?;
    only_it_fails(platform, name, StorageReady, &bucket).await?;
    ensure!(state().await? == before, "the bucket was touched");
    s3.delete_object()
        .bucket(&bucket)
        .key("payroll")
        .send()
        .await?;
    s3.delete_bucket().bucket(&bucket).send().await?;
    platform.ready(name).await.context("once it is gone")?;
    Ok(())
}

async fn a_foreign_user(platform: &Platform) -> Result<()> {
    let name = "tao-foreign-user-3021";
    let user = names(name)?.user;
    let iam = platform.sandbox.object_store.iam_admin();
    iam.create_user()
        .user_name(&user)
        .path("/backup/")
        .send()
        .await?;
    let key = iam.create_access_key().user_name(&user).send().await?;
    let key = key
        .access_key()
        .context("a key")?
        .access_key_id()
        .to_owned();
    let state = || async {
        let found = iam.get_user().user_name(&user).send().await?;
        let keys = iam.list_access_keys().user_name(&user).send().await?;
        let policies = iam.list_user_policies().user_name(&user).send().await?;
        let keys: Vec<_> = keys
            .access_key_metadata()
            .iter()
            .map(|it| (it.access_key_id().map(str::to_owned), it.status().cloned()))
            .collect();
        let path = found.user().map(|it| it.path().to_owned());
        anyhow::Ok(format!("{path:?} {keys:?} {:?}", policies.policy_names()))
    };
    let before = state().await?;
    only_it_fails(platform, name, StorageReady, &user).await?;
    ensure!(state().await? == before, "the user was touched");
    iam.delete_access_key()
        .user_name(&user)
        .access_key_id(key)
        .send()
        .await?;
    iam.delete_user().user_name(&user).send().await?;
    platform.ready(name).await.context("once it is gone")?;
    Ok(())
}

async fn a_foreign_namespace(platform: &Platform) -> Result<()> {
    let name = "tao-foreign-namespace-3021";
    let namespace = tenant_namespace(name);
    let theirs = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": "payroll"}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": namespace}}),
    ];
    platform.apply(&theirs).await?;
    let namespaces: Api<Namespace> = platform.cluster();
    let content: Api<ConfigMap> = platform.within(&namespace);
    // Kubernetes' own controller adds its own in its own time.
    eventually("its root CA is there", || async {
        Ok(content.get("kube-root-ca.crt").await?)
    })
    .await?;
    let state = || async {
        let found = namespaces.get(&namespace).await?;
        let content = content.list(&Default::default()).await?;
        let names: Vec<_> = content
            .items
            .into_iter()
            .map(|it| it.metadata.name)
            .collect();
        anyhow::Ok((found.metadata.resource_version, names))
    };
    let before = state().await?;
    platform.apply(&[tenant(name)]).await?;
    let foreign = |it: &EOfficeTenant| is(it, Ready, "False", Reason::ForeignObject);
    let found = platform
        .until(name, "refused for a foreign namespace", foreign)
        .await?;
    says(&found, Ready, &[&namespace])?;
    ensure!(holds(&found, Stalled));
    ensure!(state().await? == before, "the namespace was touched");
    // It has no place to remember it by, so nothing was made elsewhere.
    let superuser = platform.sandbox.server("pg-a")?.connect("postgres").await?;
    let names = names(name)?;
    let made = format!(
        "select count(*) from pg_roles where rolname = '{}'",
        names.role
    );
    ensure!(ask(&superuser, &made).await?.as_deref() == Some("0"));
    let bucket = platform.sandbox.object_store.admin();
    ensure!(
        bucket
            .head_bucket()
            .bucket(names.bucket)
            .send()
            .await
            .is_err()
    );
    namespaces
        .delete(&namespace, &DeleteParams::default())
        .await?;
    platform.ready(name).await.context("once it is gone")?;
    Ok(())
}
