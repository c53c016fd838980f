//! Everything that stands for a tenant, outside of the operator: a text of paths and values, which is the same for two
//! tenants that stand alike.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use eoffice_crds::{EOfficeTenant, RECORD_NAME, TenantRecord, tenant_namespace};
use eoffice_operator::identity::auditor_hash;
use eoffice_tests::e2e::security::Platform;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use crate::asks::AUDITOR;
use crate::backends::{postgres, storage};
use crate::certificate::certificate;
use crate::transitions::Names;

/// What differs from one time to the next, and from one tenant to another: times, identities, versions. Identities
/// are compared by themselves: they may not change.
const LEFT_OUT: &[&str] = &[
    "approved",
    "approvedAt",
    "asked",
    "at",
    "bucketIdentity",
    "bytes",
    "creationTimestamp",
    "dueAt",
    "eoffice-identity",
    "eoffice-retention-since",
    "eoffice-twin",
    "eoffice.gdcc.go.th/credentials-digest",
    "fingerprint",
    "generation",
    "handled",
    "handledNow",
    "issuedAt",
    "lastHandledRotateAt",
    "lastHandledRotateNowAt",
    "lastTransitionTime",
    "managedFields",
    "notBefore",
    "notAfter",
    "observedGeneration",
    "oid",
    "resourceVersion",
    "restoreFrom",
    "retainUntil",
    "retainedAt",
    "sizes",
    "uid",
    "users",
    "verifiedAt",
];

/// Fingerprints of what each plane was brought to: that there are any is compared, not which.
const FINGERPRINTS: &str = "settled";

/// Kinds in a tenant's namespace that the operator makes, or would leave behind. What cert-manager and Kubernetes
/// themselves put there is theirs.
const KINDS: &[(&str, &str, &str)] = &[
    ("", "v1", "Secret"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "ResourceQuota"),
    ("", "v1", "LimitRange"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("cert-manager.io", "v1", "Certificate"),
    ("eoffice.gdcc.go.th", "v1alpha1", "TenantRecord"),
];

/// What must be the same thing afterwards: nothing was made a second time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub oid: Option<i64>,
    pub bucket: Option<String>,
    pub namespace: Option<String>,
}

impl Identity {
    /// Whether what was there is the same thing in the other; what was not is free.
    pub fn lives_on_in(&self, now: &Self) -> bool {
        fn same<T: PartialEq>(before: &Option<T>, now: &Option<T>) -> bool {
            before.is_none() || before == now
        }
        same(&self.oid, &now.oid)
            && same(&self.bucket, &now.bucket)
            && same(&self.namespace, &now.namespace)
    }
}

/// What stands, as paths and values.
pub type State = BTreeSet<String>;

/// All that stands for a tenant, and which ones these things are.
pub async fn look(
    platform: &Platform,
    Names { own: tenant, other }: &Names,
    names: &str,
) -> Result<(State, Identity)> {
    let (objects, others, tenant_object, record, namespace, postgres, storage) = tokio::try_join!(
        objects(platform, tenant),
        objects(platform, other),
        async { Ok(platform.tenants().get_opt(tenant).await?) },
        record(platform, tenant),
        namespace(platform, tenant),
        postgres(platform, names),
        storage(platform, names),
    )?;
    let identity = Identity {
        oid: record.as_ref().and_then(|it| it.spec.database.oid),
        bucket: record
            .as_ref()
            .and_then(|it| it.spec.storage.bucket_identity.clone()),
        namespace: namespace.as_ref().and_then(ResourceExt::uid),
    };
    let auditor = auditor_hash(&format!("eo-{names}"), AUDITOR);
    let mut own = own_names(
        &[tenant, other, names, &auditor],
        tenant_object.as_ref(),
        record.as_ref(),
    );
    if let Some(record) = &record {
        let login = &record.spec.database.login;
        let turns = [("_a", "_b"), ("_b", "_a")].iter();
        let other =
            turns.filter_map(|(this, other)| Some(login.strip_suffix(this)?.to_owned() + other));
        own.extend(other.map(|other| (other, RETIRED.to_owned())));
        own.push((login.clone(), "login".into()));
        // Before the names that are in them.
        own.rotate_right(2);
        // And before the name of the first login, which it begins with.
        own.insert(0, (format!("eo_{names}_audit"), "auditor".into()));
    }
    let all = json!({
        "tenant": tenant_object.as_ref().map(asked_and_told),
        "namespace": namespace.map(|it| it.metadata),
        "objects": objects,
        "others": others,
        "postgres": postgres,
        "storage": storage,
        "certificate": record.as_ref().and_then(certificate),
    });
    let mut state = State::new();
    flatten("", &all, &own, &mut state);
    // Of two logins one is in use. The other is there once there was a rotation, and opens nothing; a certificate tells
    // of both.
    let opens = format!("/postgres/roles/{RETIRED}/0 = true");
    let told = |line: &str| line == opens || line.starts_with("/certificate/");
    state.retain(|line| !line.contains(RETIRED) || told(line));
    Ok((state, identity))
}

/// How a login that is not in use is called here.
const RETIRED: &str = "retired-login";

/// What is in one and not in the other.
pub fn difference(expected: &State, found: &State) -> String {
    let missing = expected.difference(found).map(|line| format!("- {line}"));
    let more = found.difference(expected).map(|line| format!("+ {line}"));
    missing.chain(more).collect::<Vec<_>>().join("\n")
}

/// Texts that are one tenant's alone, the longest first, each with what stands for it.
fn own_names(
    names: &[&str],
    object: Option<&EOfficeTenant>,
    record: Option<&TenantRecord>,
) -> Vec<(String, String)> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.extend(object.and_then(ResourceExt::uid));
    let status = object.and_then(|object| object.status.as_ref());
    if let Some(approval) = status.and_then(|status| status.approval.as_ref()) {
        names.push(approval.asked.clone());
        names.extend(approval.approved.clone());
    }
    if let Some(record) = record {
        names.extend([
            record.spec.fingerprint.clone(),
            record.spec.tenant.uid.clone(),
        ]);
        names.extend(record.spec.storage.bucket_identity.clone());
        let accepted = record.spec.purge_accepted.as_ref();
        names.extend(accepted.map(|it| it.witness.clone()));
    }
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
        .into_iter()
        .map(|name| (name, "~".to_owned()))
        .collect()
}

fn asked_and_told(tenant: &EOfficeTenant) -> Value {
    json!({
        "finalizers": tenant.finalizers(),
        "spec": tenant.spec,
        "status": tenant.status,
    })
}

/// Its record, if there is one.
pub async fn record(platform: &Platform, tenant: &str) -> Result<Option<TenantRecord>> {
    let records: Api<TenantRecord> = platform.within(&tenant_namespace(tenant));
    Ok(records.get_opt(RECORD_NAME).await?)
}

/// One that is going is left to Kubernetes, with all that is in it.
async fn namespace(platform: &Platform, tenant: &str) -> Result<Option<Namespace>> {
    let namespaces: Api<Namespace> = platform.cluster();
    let namespace = namespaces.get_opt(&tenant_namespace(tenant)).await?;
    Ok(namespace.filter(|it| it.meta().deletion_timestamp.is_none()))
}

async fn objects(platform: &Platform, tenant: &str) -> Result<BTreeMap<String, Value>> {
    if namespace(platform, tenant).await?.is_none() {
        return Ok(BTreeMap::new());
    }
    let namespace = tenant_namespace(tenant);
    let lists = KINDS.iter().map(|(group, version, kind)| {
        let kind = kube::core::GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(platform.sandbox.admin(), &namespace, &resource);
        async move {
            let found = api.list(&ListParams::default()).await;
            let found = found.with_context(|| format!("list every {}", kind.kind))?;
            anyhow::Ok(found.items.into_iter().filter_map(move |object| {
                let name = object.name_any();
                let ours = kind.kind == "TenantRecord"
                    || object
                        .labels()
                        .keys()
                        .any(|key| key.starts_with("eoffice.gdcc.go.th/"));
                ours.then(|| (format!("{} {name}", kind.kind), content(object)))
            }))
        }
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// An object without what other controllers say of it, and without what is secret.
fn content(object: DynamicObject) -> Value {
    let mut content = json!({"metadata": object.metadata});
    if let (Value::Object(content), Value::Object(data)) = (&mut content, object.data) {
        content.extend(data.into_iter().filter(|(key, _)| key != "status"));
    }
    if let Some(spec) = content["spec"].as_object_mut() {
        // The newest is looked at by itself, and those before stay.
        spec.remove("destructions");
    }
    if let Some(data) = content["data"].as_object_mut() {
        // Their worth is proved by use.
        data.values_mut().for_each(|value| *value = json!("..."));
    }
    content
}

/// Each value with its path; texts that are JSON are gone into.
fn flatten(path: &str, value: &Value, own: &[(String, String)], into: &mut State) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{path}/{}", neutral(key, own));
                match value {
                    _ if LEFT_OUT.contains(&key.as_str()) => {}
                    Value::Object(planes) if key == FINGERPRINTS => {
                        into.extend(planes.keys().map(|plane| format!("{path}/{plane}")));
                    }
                    value => flatten(&path, value, own, into),
                }
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                let at = value["type"].as_str().map_or(at.to_string(), str::to_owned);
                flatten(&format!("{path}/{at}"), value, own, into);
            }
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => flatten(path, &inner, own, into),
            _ => drop(into.insert(format!("{path} = {}", neutral(text, own)))),
        },
        Value::Null => {}
        other => drop(into.insert(format!("{path} = {other}"))),
    }
}

fn neutral(text: &str, own: &[(String, String)]) -> String {
    let named = own.iter().fold(text.to_owned(), |text, (name, stands)| {
        text.replace(name, stands)
    });
    // A time in a sentence.
    match named.parse::<jiff::Timestamp>() {
        Ok(_) => "a time".into(),
        Err(_) => named,
    }
}
