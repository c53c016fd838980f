//! No secret is anywhere but in Secrets: not in logs, Events, objects, metrics, nor in what the backends write down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use eoffice_crds::{ConditionType, EOfficeTenant, Reason, tenant_namespace};
use eoffice_tests::e2e::security::{Platform, eventually, is, tenant, texts};
use eoffice_tests::{OperatorOptions, Options};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};
use kube::discovery::{Discovery, verbs};
use serde_json::json;

const TENANTS: [&str; 3] = [
    "tao-quiet-one-3021",
    "tao-quiet-two-3021",
    "tao-quiet-three-3021",
];

/// Entries of Secrets that are no secrets.
const PUBLIC: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "BUCKET_NAME",
    "ca.crt",
    "database",
    "host",
    "port",
    "provider",
    "tls.crt",
    "type",
    "username",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_anywhere_but_in_secrets() {
    let options = Options {
        servers: vec!["pg-a".into()],
        log_statements: true,
        ..Options::default()
    };
    let operator = OperatorOptions {
        args: vec!["--verify-interval=3s".into()],
        env: vec![("RUST_LOG".into(), "trace".into())],
        ..OperatorOptions::default()
    };
    let platform = Platform::start(options, operator).await.unwrap();
    let mut known = Known::default();
    known.backends(&platform);
    live_a_life(&platform, &mut known).await.unwrap();
    known.cluster(&platform).await.unwrap();

    let places = places(&platform).await.unwrap();
    the_search_finds_what_is_there(&places, &known);
    let mut found = Vec::new();
    for (place, text) in &places {
        for (secret, form) in known.in_text(text) {
            found.push(format!(
                "{place}: {secret}, as {form}, near\n    {}",
                near(text, &known.0[&secret])
            ));
        }
    }
    println!(
        "{} secrets looked for in {} places",
        known.0.len(),
        places.len()
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Everything that generates, uses, changes or removes a credential.
async fn live_a_life(platform: &Platform, known: &mut Known) -> Result<()> {
    platform.apply(&TENANTS.map(tenant)).await?;
    for name in TENANTS {
        platform.ready(name).await?;
    }
    known.cluster(platform).await?;
    let [drifted, suspended, deleted] = TENANTS;

    // A password that a tenant has changed is set back; so is a Secret that somebody edited.
    let server = platform.sandbox.server("pg-a")?;
    let credentials = platform.credentials(drifted).await?;
    let sql = format!("ALTER ROLE {} PASSWORD NULL", credentials.login());
    server.connect("postgres").await?.simple_query(&sql).await?;
    eventually("the password is set back", || credentials.sql(server)).await?;
    let secrets: Api<Secret> = platform.within(&tenant_namespace(drifted));
    let edited = json!({"stringData": {"password": "edited-by-hand", "AWS_SECRET_ACCESS_KEY": "edited-by-hand"}});
    for secret in [eoffice_crds::DATABASE_SECRET, eoffice_crds::STORAGE_SECRET] {
        platform
            .merge(secrets.clone(), secret, edited.clone())
            .await?;
        eventually("the Secret is put right", || async {
            let now = texts(&secrets.get(secret).await?);
            ensure!(
                !now.values().any(|value| value == "edited-by-hand"),
                "it is as edited"
            );
            Ok(())
        })
        .await?;
        known.cluster(platform).await?;
    }
    platform.ready(drifted).await?;

    for (lifecycle, reason) in [
        ("Suspended", Reason::Suspended),
        ("Active", Reason::AsExpected),
    ] {
        let patch = json!({"spec": {"lifecycle": lifecycle}});
        platform.merge(platform.tenants(), suspended, patch).await?;
        let reached = |it: &EOfficeTenant| is(it, ConditionType::Ready, "True", reason);
        platform.until(suspended, lifecycle, reached).await?;
    }

    platform
        .tenants()
        .delete(deleted, &DeleteParams::default())
        .await?;
    eventually("the deleted tenant has left", || async {
        let left = platform.tenants().get_opt(deleted).await?;
        ensure!(left.is_none(), "it is there still");
        Ok(())
    })
    .await?;

    // Failures are where secrets slip out: an outage of each backend, and admins' credentials that are wrong.
    server.part.kill().await;
    platform.sandbox.object_store.s3.kill().await;
    let fails = |it: &EOfficeTenant| !is(it, ConditionType::Ready, "True", Reason::AsExpected);
    platform.until(drifted, "troubled", fails).await?;
    server.part.start().await?;
    platform.sandbox.object_store.s3.start().await?;
    platform.ready(drifted).await?;
    let admins: Api<Secret> = platform.within("eoffice-system");
    platform.operator.part.stop().await;
    let mut right = Vec::new();
    for (secret, key) in [
        ("pg-a-admin", "password"),
        ("objects-admin", "AWS_SECRET_ACCESS_KEY"),
    ] {
        let value = texts(&admins.get(secret).await?)[key].clone();
        let wrong = format!("wrong-{value}");
        known.add(format!("a wrong {secret}"), &wrong);
        let patch = json!({"stringData": { key: wrong }});
        platform.merge(admins.clone(), secret, patch).await?;
        right.push((secret, json!({"stringData": { key: value }})));
    }
    platform.operator.part.start().await?;
    platform.until(drifted, "troubled", fails).await?;
    for (secret, patch) in right {
        platform.merge(admins.clone(), secret, patch).await?;
    }
    platform.ready(drifted).await?;
    Ok(())
}

/// Secret values by what they are.
#[derive(Default)]
struct Known(BTreeMap<String, String>);

impl Known {
    fn add(&mut self, what: String, value: &str) {
        // What is shorter is no secret that anybody generated.
        if value.len() >= 12 {
            self.0.insert(what, value.to_owned());
        }
    }

    /// What the sandbox itself generated.
    fn backends(&mut self, platform: &Platform) {
        for server in &platform.sandbox.postgres {
            self.add(
                format!("the superuser of {}", server.name()),
                server.password(),
            );
            self.add(
                format!("the operator of {}", server.name()),
                server.operator_password(),
            );
        }
        let key = platform.sandbox.object_store.key();
        self.add("the admin's secret key".into(), &key.secret);
    }

    /// What all Secrets hold now, besides what they held before.
    async fn cluster(&mut self, platform: &Platform) -> Result<()> {
        let secrets: Api<Secret> = Api::all(platform.sandbox.admin());
        for secret in secrets.list(&Default::default()).await? {
            let place = format!(
                "{}/{}",
                secret.namespace().unwrap_or_default(),
                secret.name_any()
            );
            let version = secret.resource_version().unwrap_or_default();
            for (key, value) in texts(&secret) {
                if PUBLIC.contains(&key.as_str()) {
                    continue;
                }
                self.add(format!("{key} of {place} ({version})"), &value);
            }
        }
        let config = platform.sandbox.operator_kubeconfig().await?;
        let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(config)?)?;
        let token = config["users"][0]["user"]["token"]
            .as_str()
            .context("a token")?;
        self.add("the operator's token".into(), token);
        Ok(())
    }

    /// Those that are in a text, as they are, encoded, or escaped.
    fn in_text(&self, text: &str) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        for (what, value) in &self.0 {
            for (form, value) in forms(value) {
                if text.contains(&value) {
                    found.push((what.clone(), form));
                }
            }
        }
        found
    }
}

/// How a value can look in a log.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let json = json!(value).to_string();
    let mut forms = vec![
        ("it is", value.to_owned()),
        ("base64", BASE64.encode(value)),
        ("JSON", json.trim_matches('"').to_owned()),
        (
            "bytes",
            format!("{:?}", value.as_bytes())
                .trim_matches(['[', ']'])
                .to_owned(),
        ),
    ];
    // A verifier's salt, and each of its keys, are in it behind a '$' or a ':'.
    if value.starts_with("SCRAM-SHA-256$") {
        let keys = value.rsplit('$').next().unwrap_or_default();
        forms.extend(
            keys.split(':')
                .map(|key| ("a key of the verifier", key.to_owned())),
        );
    }
    forms
}

/// Where nothing must be found: a name, and all that is there.
async fn places(platform: &Platform) -> Result<Vec<(String, String)>> {
    let sandbox = &platform.sandbox;
    let mut places = vec![
        ("the operator's log".to_owned(), platform.operator.said()?),
        (
            "the operator's metrics".to_owned(),
            platform.operator.metrics().await?,
        ),
    ];
    let mut log = |name: &str, path: &Path| -> Result<()> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        places.push((
            format!("the log of {name}"),
            String::from_utf8_lossy(&bytes).into_owned(),
        ));
        Ok(())
    };
    for server in &sandbox.postgres {
        log(server.name(), server.part.log())?;
    }
    for part in [
        &sandbox.object_store.s3,
        &sandbox.object_store.iam,
        &sandbox.cert_manager.part,
        &sandbox.traefik.part,
    ] {
        log(part.name(), part.log())?;
    }
    places.extend(all_objects(&sandbox.admin()).await?);
    Ok(places)
}

/// Every object of every kind but Secrets, Events among them.
async fn all_objects(client: &Client) -> Result<Vec<(String, String)>> {
    let discovery = Discovery::new(client.clone()).run().await?;
    let mut objects = Vec::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if resource.kind == "Secret" || !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            objects.extend(objects_of(client, &resource).await?);
        }
    }
    Ok(objects)
}

async fn objects_of(client: &Client, resource: &ApiResource) -> Result<Vec<(String, String)>> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let list = api.list(&Default::default()).await;
    let list = list.with_context(|| format!("list {}", resource.plural))?;
    list.items
        .into_iter()
        .map(|object| {
            let place = format!(
                "{} {}/{}",
                resource.kind,
                object.namespace().unwrap_or_default(),
                object.name_any()
            );
            Ok((place, serde_json::to_string(&object)?))
        })
        .collect()
}

/// The search is no use where it finds nothing that is known to be there, or where a place is empty.
fn the_search_finds_what_is_there(places: &[(String, String)], known: &Known) {
    let place = |name: &str| {
        let found = places.iter().find(|(place, _)| place == name);
        &found.unwrap_or_else(|| panic!("{name} was not searched")).1
    };
    let log = place("the operator's log");
    assert!(
        log.contains("TRACE") && log.contains("audit"),
        "the log is not one of traces"
    );
    assert!(place("the operator's metrics").contains("eoffice_external_calls_total"));
    assert!(
        place("the log of pg-a").contains("COMMENT ON DATABASE"),
        "statements are logged"
    );
    for kind in [
        "Event ",
        "EOfficeTenant ",
        "TenantRecord ",
        "ConfigMap ",
        "DatabaseServer ",
    ] {
        assert!(
            places.iter().any(|(place, _)| place.starts_with(kind)),
            "no {kind}"
        );
    }
    for kind in [
        "password of eoffice-tao",
        "scram-verifier of eoffice-tao",
        "AWS_SECRET_ACCESS_KEY of eoffice-tao",
        "tls.key of eoffice-tao",
        "uri of eoffice-tao",
    ] {
        assert!(
            known.0.keys().any(|what| what.starts_with(kind)),
            "no {kind} is known"
        );
    }
    for (what, value) in &known.0 {
        let text = format!("some text {value} and more");
        assert!(known.in_text(&text).iter().any(|(found, _)| found == what));
    }
}

/// What stands before a secret in a text, without it.
fn near<'a>(text: &'a str, value: &str) -> &'a str {
    let at = forms(value)
        .into_iter()
        .find_map(|(_, form)| text.find(&form));
    let at = at.unwrap_or_default();
    let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
    let start = (line.max(at.saturating_sub(300))..=at).find(|it| text.is_char_boundary(*it));
    &text[start.unwrap_or(at)..at]
}
