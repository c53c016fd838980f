//! What only the cluster can know to be wrong becomes a condition with a reason and a sentence; what stands stays, and
//! nobody else is held up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "bad_input/addresses.rs"]
mod addresses;
#[path = "bad_input/claims.rs"]
mod claims;
#[path = "bad_input/unreadable.rs"]
mod unreadable;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use eoffice_crds::{
    ConditionType, DatabaseServer, EOfficeTenant, Phase, Reason, TenantClass, labels,
    tenant_namespace,
};
use eoffice_tests::e2e::security::{
    Platform, Scenario, ask, eventually, holds, is, is_ready, namespace_of, says, tenant, until,
};
use eoffice_tests::{OperatorOptions, Options};
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use ConditionType::{
    Available, DatabaseReady, IngressReady, Ready, Reconciling, Stalled, StorageReady, Synced,
};

use claims::served;

const FIRST: &str = "town-first-3021";
const FIRSTS_HOST: &str = "eoffice.first.go.th";
const FIRSTS_CODE: &str = "4302101";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_and_holds_up_nobody_else() {
    let options = OperatorOptions::default();
    let platform = Platform::start(Options::default(), options).await.unwrap();
    prepare(&platform).await.unwrap();
    platform.all(scenarios(&platform)).await.unwrap();
    // These two touch what the others stand on.
    let broken = a_broken_admin_secret_stops_its_own_server_only(&platform).boxed();
    let name = "a broken admin Secret stops its own server only";
    platform.all(vec![(name, broken)]).await.unwrap();
    let on_it = "tao-tight-one-3021";
    let elsewhere = addresses::credentials_go_nowhere_else(&platform, on_it).boxed();
    let name = "credentials are sent only where their own Secret allows it";
    platform.all(vec![(name, elsewhere)]).await.unwrap();
    let told = addresses::no_password_is_told(&platform, on_it).boxed();
    let name = "a server that wants the password itself does not get it";
    platform.all(vec![(name, told)]).await.unwrap();
    let unreadable = unreadable::stops_no_other(&platform).boxed();
    let name = "an object that cannot be read stops no other";
    platform.all(vec![(name, unreadable)]).await.unwrap();
}

fn scenarios(platform: &Platform) -> Vec<Scenario<'_>> {
    vec![
        (
            "a host that is granted to another is refused, and nothing else is",
            claims::a_granted_host_stays_with_the_first(platform).boxed(),
        ),
        (
            "an agency code that another tenant has is refused",
            claims::a_code_is_in_one_tenant_only(platform).boxed(),
        ),
        (
            "a host under the base domain belongs to the tenant of that name",
            claims::a_host_under_the_base_domain_is_refused(platform).boxed(),
        ),
        (
            "an unknown class is named, and taken once it is there",
            an_unknown_class_is_awaited(platform).boxed(),
        ),
        (
            "a full pool is queued for, until it has room",
            a_full_pool_is_queued_for(platform).boxed(),
        ),
        (
            "a province's label that changes later holds its tenants and takes nothing from them",
            a_changed_province_takes_nothing(platform).boxed(),
        ),
        (
            "more connections than the class allows are refused",
            too_many_connections_are_refused(platform).boxed(),
        ),
        (
            "a tenant keeps the frozen values of a class that changes or is to go",
            frozen_values_stay(platform).boxed(),
        ),
    ]
}

/// The first tenant, and a class and a server of its own for what is tight.
async fn prepare(platform: &Platform) -> Result<()> {
    let tight = json!({
        "metadata": {"labels": {"tier": "tight"}},
        "spec": {"capacity": {"databases": 1}},
    });
    let servers: Api<DatabaseServer> = platform.cluster();
    platform.merge(servers, "pg-b", tight).await?;
    class(platform, "tight", |spec| {
        spec["database"]["serverSelector"]["matchLabels"]["tier"] = json!("tight");
    })
    .await?;
    let mut first = tenant(FIRST);
    first["spec"]["hosts"] = json!([FIRSTS_HOST]);
    first["spec"]["agency"]["codes"] = json!([{"scheme": "dla", "value": FIRSTS_CODE}]);
    platform.apply(&[first]).await?;
    platform.ready(FIRST).await?;
    Ok(())
}

/// Makes a class like `standard`, under a domain of its own, that differs in what `change` does.
async fn class(platform: &Platform, name: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
    let classes: Api<TenantClass> = platform.cluster();
    let standard = classes.get("standard").await?;
    let mut spec = serde_json::to_value(&standard.spec)?;
    spec["baseDomain"] = json!(format!("{name}.example"));
    change(&mut spec);
    let class = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "TenantClass",
        "metadata": {"name": name},
        "spec": spec,
    });
    platform.apply(&[class]).await
}

async fn change(platform: &Platform, name: &str, spec: Value) -> Result<EOfficeTenant> {
    let patch = json!({"spec": spec});
    platform.merge(platform.tenants(), name, patch).await
}

async fn namespace_exists(platform: &Platform, name: &str) -> Result<bool> {
    let namespaces: Api<Namespace> = platform.cluster();
    Ok(namespaces.get_opt(&tenant_namespace(name)).await?.is_some())
}

async fn an_unknown_class_is_awaited(platform: &Platform) -> Result<()> {
    let name = "town-golden-3021";
    let mut golden = tenant(name);
    golden["spec"]["className"] = json!("gold");
    platform.apply(&[golden]).await?;
    let refused = |it: &EOfficeTenant| is(it, Ready, "False", Reason::ClassNotFound);
    let golden = platform.until(name, "refused the class", refused).await?;
    says(&golden, Ready, &["spec.className", "gold"])?;
    ensure!(holds(&golden, Stalled));
    ensure!(!namespace_exists(platform, name).await?);
    class(platform, "gold", |_| {}).await?;
    platform.ready(name).await?;
    Ok(())
}

async fn a_full_pool_is_queued_for(platform: &Platform) -> Result<()> {
    let (one, other) = ("tao-tight-one-3021", "tao-tight-two-3021");
    let in_pool = |name: &str| {
        let mut tenant = tenant(name);
        tenant["spec"]["className"] = json!("tight");
        tenant
    };
    platform.apply(&[in_pool(one)]).await?;
    let made = platform.ready(one).await?;
    platform.apply(&[in_pool(other)]).await?;
    let queued = |it: &EOfficeTenant| is(it, Ready, "Unknown", Reason::Queued);
    let waits = platform.until(other, "queued", queued).await?;
    says(&waits, Ready, &["DatabaseServer", "full"])?;
    ensure!(waits.status.as_ref().and_then(|it| it.phase) == Some(Phase::Queued));
    ensure!(holds(&waits, Reconciling) && !holds(&waits, Stalled));
    ensure!(!namespace_exists(platform, other).await?);
    let room = json!({"spec": {"capacity": {"databases": 2}}});
    let servers: Api<DatabaseServer> = platform.cluster();
    platform.merge(servers, "pg-b", room).await?;
    platform.ready(other).await?;
    let still = platform.tenants().get(one).await?;
    ensure!(still.resource_version() == made.resource_version());
    Ok(())
}

async fn a_changed_province_takes_nothing(platform: &Platform) -> Result<()> {
    let (name, province) = ("off-moved-1000", "10");
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace_of(province), "labels": {labels::PROVINCE: province}},
    });
    let mut moved = tenant(name);
    moved["metadata"]["namespace"] = json!(namespace_of(province));
    moved["spec"]["agency"]["province"] = json!(province);
    platform.apply(&[namespace, moved]).await?;
    let tenants: Api<EOfficeTenant> = platform.within(&namespace_of(province));
    until(&tenants, name, "Ready", is_ready).await?;

    let relabel = |label: Value| async move {
        let patch = json!({"metadata": {"labels": {labels::PROVINCE: label}}});
        let namespaces: Api<Namespace> = platform.cluster();
        platform
            .merge(namespaces, &namespace_of(province), patch)
            .await
    };
    for label in [json!("11"), Value::Null] {
        relabel(label.clone()).await?;
        let mismatch = |it: &EOfficeTenant| is(it, Ready, "False", Reason::ProvinceMismatch);
        let held = until(&tenants, name, "held for its province", mismatch).await?;
        let shown = label.as_str().unwrap_or("not set");
        says(&held, Ready, &["spec.agency.province", province, shown])?;
        ensure!(holds(&held, Available), "the agency could go on working");
        let credentials = platform.credentials(name).await?;
        let session = credentials.sql(platform.sandbox.server("pg-a")?).await?;
        ask(&session, "select 1").await?;
        let host = format!("{name}.eoffice.example");
        ensure!(served(platform).await?.contains_key(&host));
        relabel(json!(province)).await?;
        until(&tenants, name, "Ready again", is_ready).await?;
    }
    Ok(())
}

async fn too_many_connections_are_refused(platform: &Platform) -> Result<()> {
    let (greedy, modest) = ("tao-greedy-3021", "tao-modest-3021");
    let mut wants_more = tenant(greedy);
    wants_more["spec"]["database"] = json!({"connectionLimit": 21});
    platform.apply(&[wants_more, tenant(modest)]).await?;
    let refused = |it: &EOfficeTenant| is(it, Ready, "False", Reason::InvalidSpec);
    let held = platform.until(greedy, "refused", refused).await?;
    let words = ["spec.database.connectionLimit", "21", "20", "standard"];
    says(&held, Ready, &words)?;
    ensure!(!namespace_exists(platform, greedy).await?);

    platform.ready(modest).await?;
    let server = platform.sandbox.server("pg-a")?.connect("postgres").await?;
    let login = platform.credentials(modest).await?.login().to_owned();
    let limit = format!("select rolconnlimit from pg_roles where rolname = '{login}'");
    ensure!(ask(&server, &limit).await?.as_deref() == Some("20"));
    change(
        platform,
        modest,
        json!({"database": {"connectionLimit": 50}}),
    )
    .await?;
    let held = platform.until(modest, "refused", refused).await?;
    ensure!(holds(&held, Available), "the agency could go on working");
    ensure!(ask(&server, &limit).await?.as_deref() == Some("20"));
    change(
        platform,
        modest,
        json!({"database": {"connectionLimit": 5}}),
    )
    .await?;
    platform.ready(modest).await?;
    ensure!(ask(&server, &limit).await?.as_deref() == Some("5"));
    Ok(())
}

async fn frozen_values_stay(platform: &Platform) -> Result<()> {
    let name = "tao-keeper-3021";
    class(platform, "bronze", |_| {}).await?;
    let mut keeper = tenant(name);
    keeper["spec"]["className"] = json!("bronze");
    platform.apply(&[keeper]).await?;
    let made = platform.ready(name).await?;
    let url = |it: &EOfficeTenant| it.status.as_ref().and_then(|status| status.url.clone());
    ensure!(url(&made).as_deref() == Some("https://tao-keeper-3021.bronze.example"));

    let changed =
        |it: &EOfficeTenant| is(it, Synced, "False", Reason::ClassChanged) && holds(it, Available);
    let classes: Api<TenantClass> = platform.cluster();
    let moved = json!({"spec": {"baseDomain": "silver.example"}});
    platform.merge(classes.clone(), "bronze", moved).await?;
    let shown = platform.until(name, "told of the change", changed).await?;
    says(&shown, Synced, &["bronze", "status.applied"])?;
    ensure!(url(&shown) == url(&made), "the frozen domain stays");
    ensure!(
        served(platform)
            .await?
            .contains_key("tao-keeper-3021.bronze.example")
    );
    ensure!(
        !served(platform)
            .await?
            .contains_key("tao-keeper-3021.silver.example")
    );
    let back = json!({"spec": {"baseDomain": "bronze.example"}});
    platform.merge(classes.clone(), "bronze", back).await?;
    platform.ready(name).await?;

    change(platform, name, json!({"className": "standard"})).await?;
    let shown = platform.until(name, "told of the change", changed).await?;
    says(&shown, Synced, &["bronze", "standard"])?;
    ensure!(
        url(&shown) == url(&made),
        "the class is not changed silently"
    );
    change(platform, name, json!({"className": "bronze"})).await?;
    platform.ready(name).await?;

    classes.delete("bronze", &DeleteParams::default()).await?;
    eventually("the class says that it is in use", || async {
        let class = classes.get("bronze").await?;
        let status = class.status.context("no status")?;
        let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
        match ready {
            Some(it) if it.reason == "InUse" && it.message.contains('1') => Ok(()),
            _ => bail!("its condition is {ready:?}"),
        }
    })
    .await?;
    ensure!(is_ready(&platform.tenants().get(name).await?));
    Ok(())
}

async fn a_broken_admin_secret_stops_its_own_server_only(platform: &Platform) -> Result<()> {
    let server = platform.sandbox.server("pg-b")?;
    let on_it = "tao-tight-one-3021";
    let superuser = server.connect("postgres").await?;
    let secrets: Api<Secret> = platform.within("eoffice-system");
    let put = |data: Value| platform.merge(secrets.clone(), "pg-b-admin", json!({ "data": data }));
    // The password was changed on the server, and not in the Secret.
    let rotate = "alter role eoffice_operator password 'another-password'; select
        pg_terminate_backend(pid) from pg_stat_activity where usename = 'eoffice_operator'";
    superuser.batch_execute(rotate).await?;
    let refused = says_why(platform, &["pg-b", "spec.adminSecretRef"]).await?;
    ensure!(!refused.contains(server.operator_password()), "{refused}");
    let stuck = |it: &EOfficeTenant| !holds(it, DatabaseReady);
    let held = platform.until(on_it, "told of it", stuck).await?;
    says(&held, DatabaseReady, &["pg-b"])?;
    ensure!(holds(&held, StorageReady) && holds(&held, IngressReady));
    let credentials = platform.credentials(on_it).await?;
    ask(&credentials.sql(server).await?, "select 1").await?;
    let other = "tao-elsewhere-3021";
    platform.apply(&[tenant(other)]).await?;
    platform.ready(other).await?;

    put(json!({ "password": null })).await?;
    says_why(platform, &["eoffice-system/pg-b-admin", "no key password"]).await?;
    put(json!({"password": BASE64.encode("another-password")})).await?;
    platform.ready(on_it).await?;
    Ok(())
}

/// Awaits that the server says why the operator's credentials are of no use.
async fn says_why(platform: &Platform, words: &[&str]) -> Result<String> {
    let servers: Api<DatabaseServer> = platform.cluster();
    eventually("the server says what is wrong", || async {
        let status = servers.get("pg-b").await?.status.context("no status")?;
        let ready = status.conditions.into_iter().find(|it| it.type_ == "Ready");
        let ready = ready.context("no condition Ready")?;
        ensure!(
            ready.status == "False"
                && ready.reason == Reason::CredentialsInvalid.as_str()
                && words.iter().all(|word| ready.message.contains(word)),
            "{ready:?}"
        );
        Ok(ready.message)
    })
    .await
}
