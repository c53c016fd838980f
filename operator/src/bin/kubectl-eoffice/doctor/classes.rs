//! Classes: what each one names has to be there.

use super::{Finding, Findings};
use crate::client::{Cluster, call, list};
use crate::failure::{Failure, Kind, Result};
use eoffice_crds::{DatabaseServer, IssuerRef, ObjectStore, TenantClass, annotations};
use k8s_openapi::api::networking::v1::IngressClass;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{Selector, SelectorExt};
use kube::{ResourceExt, discovery};
use std::collections::{BTreeMap, BTreeSet};

/// What classes may name.
#[derive(Default)]
struct World {
    /// Each server's labels.
    servers: Vec<BTreeMap<String, String>>,
    stores: BTreeSet<String>,
    ingress_classes: Option<BTreeSet<String>>,
    issuers: Vec<(IssuerRef, Issuer)>,
}

/// How an issuer was found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Issuer {
    Ready,
    Absent,
    /// Nothing serves its kind.
    Unserved,
    NotReady(String),
    Unknown(Failure),
}

/// Reads classes and all they name.
pub async fn check(cluster: &Cluster) -> Result<Findings> {
    let all = ListParams::default();
    let classes = list(
        "list the TenantClasses",
        &cluster.all::<TenantClass>(),
        &all,
    )
    .await?;
    let servers = list(
        "list the DatabaseServers",
        &cluster.all::<DatabaseServer>(),
        &all,
    )
    .await?;
    let stores = list("list the ObjectStores", &cluster.all::<ObjectStore>(), &all).await?;
    let ingress = list(
        "list the IngressClasses",
        &cluster.all::<IngressClass>(),
        &all,
    )
    .await;
    let mut findings = Findings::new();
    let ingress_classes = match ingress {
        Ok(classes) => Some(classes.iter().map(ResourceExt::name_any).collect()),
        Err(failure) => {
            findings.push(Finding::unknown(&failure));
            None
        }
    };
    let mut issuers: Vec<(IssuerRef, Issuer)> = Vec::new();
    for class in &classes {
        let reference = &class.spec.certificate.issuer_ref;
        if !issuers.iter().any(|(known, _)| known == reference) {
            issuers.push((reference.clone(), issuer(cluster, reference).await));
        }
    }
    let world = World {
        servers: servers.iter().map(|it| it.labels().clone()).collect(),
        stores: stores.iter().map(ResourceExt::name_any).collect(),
        ingress_classes,
        issuers,
    };
    findings.extend(judge(&classes, &world));
    if findings.is_empty() {
        let number = classes.len();
        findings.push(Finding::fine(format!(
            "{number} of TenantClass, and all that they name is there"
        )));
    }
    Ok(findings)
}

async fn issuer(cluster: &Cluster, reference: &IssuerRef) -> Issuer {
    let IssuerRef { group, kind, name } = reference;
    let doing = format!("read {kind} {name}");
    let found = call(&doing, async {
        let served = discovery::group(&cluster.client, group).await?;
        let Some((resource, _)) = served.recommended_kind(kind) else {
            return Ok(None);
        };
        let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource);
        api.get_opt(name).await.map(Some)
    })
    .await;
    match found {
        Ok(None) => Issuer::Unserved,
        Ok(Some(None)) => Issuer::Absent,
        Ok(Some(Some(object))) => readiness(&object),
        Err(failure) if failure.kind == Kind::NotFound => Issuer::Unserved,
        Err(failure) => Issuer::Unknown(failure),
    }
}

/// An issuer that says nothing of itself is taken to be ready.
fn readiness(object: &DynamicObject) -> Issuer {
    let conditions = object.data["status"]["conditions"].as_array();
    let ready = conditions.and_then(|all| all.iter().find(|it| it["type"] == "Ready"));
    match ready {
        Some(ready) if ready["status"] != "True" => Issuer::NotReady(
            ready["message"]
                .as_str()
                .unwrap_or("it does not say why")
                .into(),
        ),
        _ => Issuer::Ready,
    }
}

fn judge(classes: &[TenantClass], world: &World) -> Findings {
    if classes.is_empty() {
        let what = "there is no TenantClass: no tenant can be made";
        return vec![Finding::wrong(
            what,
            "describe one, as in examples/platform",
        )];
    }
    let mut findings: Findings = default_class(classes).into_iter().collect();
    for class in classes {
        findings.extend(server(class, world));
        findings.extend(store(class, world));
        findings.extend(ingress(class, world));
        findings.extend(certificate(class, world));
    }
    findings
}

fn default_class(classes: &[TenantClass]) -> Option<Finding> {
    let is_default = |class: &&TenantClass| {
        class
            .annotations()
            .get(annotations::DEFAULT_CLASS)
            .is_some_and(|it| it == "true")
    };
    let defaults: Vec<String> = classes
        .iter()
        .filter(is_default)
        .map(ResourceExt::name_any)
        .collect();
    let key = annotations::DEFAULT_CLASS;
    match defaults.len() {
        1 => None,
        0 => Some(Finding::wrong(
            "no class is the default one: tenants that name none are refused",
            format!("kubectl annotate tenantclass <name> {key}=true"),
        )),
        _ => Some(Finding::wrong(
            format!(
                "several classes are the default one: {}; tenants that name none are refused",
                defaults.join(", ")
            ),
            format!("kubectl annotate tenantclass <name> {key}- for all but one"),
        )),
    }
}

fn server(class: &TenantClass, world: &World) -> Option<Finding> {
    let name = class.name_any();
    let selector = Selector::try_from(class.spec.database.server_selector.clone()).ok();
    let matches = selector
        .is_some_and(|selector| world.servers.iter().any(|labels| selector.matches(labels)));
    (!matches).then(|| {
        Finding::wrong(
            format!("class {name}: database.serverSelector matches no DatabaseServer"),
            "label a server so that it matches, or correct the selector (kubectl get databaseservers --show-labels)",
        )
    })
}

fn store(class: &TenantClass, world: &World) -> Option<Finding> {
    let (name, store) = (class.name_any(), &class.spec.storage.store_name);
    (!world.stores.contains(store)).then(|| {
        Finding::wrong(
            format!("class {name}: there is no ObjectStore {store}"),
            "make it, or correct storage.storeName (kubectl get objectstores)",
        )
    })
}

fn ingress(class: &TenantClass, world: &World) -> Option<Finding> {
    let (name, wanted) = (class.name_any(), &class.spec.ingress.class_name);
    let missing = world
        .ingress_classes
        .as_ref()
        .is_some_and(|there| !there.contains(wanted));
    missing.then(|| {
        Finding::wrong(
            format!("class {name}: there is no IngressClass {wanted}: nobody serves its tenants"),
            "install the ingress controller, or correct ingress.className (kubectl get ingressclasses)",
        )
    })
}

fn certificate(class: &TenantClass, world: &World) -> Option<Finding> {
    let reference = &class.spec.certificate.issuer_ref;
    let (name, issuer) = (
        class.name_any(),
        format!("{} {}", reference.kind, reference.name),
    );
    let (_, found) = world.issuers.iter().find(|(known, _)| known == reference)?;
    match found {
        Issuer::Ready => None,
        Issuer::Absent => Some(Finding::wrong(
            format!("class {name}: there is no {issuer}: no certificate is issued"),
            "make it, or correct certificate.issuerRef",
        )),
        Issuer::Unserved => Some(Finding::wrong(
            format!(
                "class {name}: nothing serves {} of {}: no certificate is issued",
                reference.kind, reference.group
            ),
            "install cert-manager, or whatever brings this kind",
        )),
        Issuer::NotReady(why) => Some(Finding::wrong(
            format!("class {name}: {issuer} is not Ready: {why}"),
            format!(
                "kubectl describe {} {}",
                reference.kind.to_lowercase(),
                reference.name
            ),
        )),
        Issuer::Unknown(failure) => Some(Finding::unknown(failure)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(name: &str, default: bool) -> TenantClass {
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {annotations::DEFAULT_CLASS: default.to_string()}},
            "spec": {
                "baseDomain": "eoffice.example",
                "database": {"serverSelector": {"matchLabels": {"tier": "standard"}}},
                "storage": {"storeName": "objects"},
                "certificate": {"issuerRef": {"name": "gov"}},
                "ingress": {"className": "traefik", "probeAddress": "203.0.113.10:443"},
            },
        }))
        .unwrap()
    }

    fn world(issuer: Issuer) -> World {
        World {
            servers: vec![[("tier".to_owned(), "standard".to_owned())].into()],
            stores: ["objects".to_owned()].into(),
            ingress_classes: Some(["traefik".to_owned()].into()),
            issuers: vec![(class("any", true).spec.certificate.issuer_ref, issuer)],
        }
    }

    #[test]
    fn all_that_a_class_names_has_to_be_there() {
        let standard = [class("standard", true)];
        assert_eq!(judge(&standard, &world(Issuer::Ready)), []);
        let bare = World {
            issuers: world(Issuer::Absent).issuers,
            ingress_classes: Some(BTreeSet::new()),
            ..World::default()
        };
        let said: Vec<String> = judge(&standard, &bare)
            .into_iter()
            .map(|it| it.what)
            .collect();
        let words = [
            "matches no DatabaseServer",
            "no ObjectStore objects",
            "no IngressClass traefik",
            "no ClusterIssuer gov",
        ];
        assert_eq!(said.len(), words.len(), "{said:?}");
        for (said, words) in said.iter().zip(words) {
            assert!(said.contains(words), "{said}");
        }
        for (issuer, words) in [
            (Issuer::Unserved, "nothing serves ClusterIssuer"),
            (
                Issuer::NotReady("the key is missing".into()),
                "the key is missing",
            ),
        ] {
            let findings = judge(&standard, &world(issuer));
            assert!(
                findings.len() == 1 && findings[0].what.contains(words),
                "{findings:?}"
            );
        }
    }

    #[test]
    fn there_is_one_default_class() {
        let world = world(Issuer::Ready);
        assert!(
            judge(&[class("a", false)], &world)[0]
                .what
                .contains("no class is the default")
        );
        assert!(
            judge(&[class("a", true), class("b", true)], &world)[0]
                .what
                .contains("a, b")
        );
        assert_eq!(judge(&[class("a", true), class("b", false)], &world), []);
        assert!(judge(&[], &world)[0].what.contains("no TenantClass"));
    }
}
