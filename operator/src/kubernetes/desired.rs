//! What a tenant's objects should be. Pure.

use super::canonical::{Fingerprint, canonical, fingerprint};
use super::{Kind, ObjectKey, certificate, guards, ingress, namespace};
use eoffice_crds::{TLS_SECRET, TenantClassSpec, labels};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// On a tenant's namespace: the hosts granted, comma-separated, to which an admission policy
/// holds the Ingresses in it.
pub const HOSTS_ANNOTATION: &str = "eoffice.gdcc.go.th/hosts";

/// What decides about a tenant's objects.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name of the tenant.
    pub tenant: String,
    /// Namespace of its EOfficeTenant.
    pub tenant_namespace: String,
    /// Code of its province.
    pub province: String,
    /// Namespace of its objects.
    pub namespace: String,
    /// Its class's live values.
    pub class: TenantClassSpec,
    /// Hosts granted, the default one first.
    pub hosts: Vec<String>,
    /// Where its database server is.
    pub database_network: Endpoint,
    /// Where its store is.
    pub storage_network: Endpoint,
    /// Whether it is open, or closed as a suspended tenant is.
    pub open: bool,
    /// Who of its province may look into its namespace, where anybody may.
    pub officers: Option<Officers>,
}

/// The officers of a province, and what they may do in its tenants' namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Officers {
    /// Their group.
    pub group: String,
    /// The ClusterRole that says what they may do.
    pub role: String,
}

/// Where a backend is on the network.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// Address ranges.
    pub cidrs: Vec<String>,
    /// Port.
    pub port: i32,
}

impl Wanted {
    /// Labels of every object of the tenant.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
            (labels::TENANT, &self.tenant),
            (labels::TENANT_NAMESPACE, &self.tenant_namespace),
            (labels::PROVINCE, &self.province),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// Secret and Certificate of a host. The default host's name is part of the API.
    pub fn tls_secret(&self, host: &str) -> String {
        if self.hosts.first().is_some_and(|first| first == host) {
            return TLS_SECRET.to_owned();
        }
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(host)[..6]);
        format!("{TLS_SECRET}-{digest}")
    }

    /// An object in the tenant's namespace: `body` holds what stands beside its metadata.
    pub fn object(&self, api_version: &str, kind: &str, name: &str, mut body: Value) -> Value {
        body["apiVersion"] = api_version.into();
        body["kind"] = kind.into();
        body["metadata"] = json!({
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(),
        });
        body
    }
}

/// One object as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Which object.
    pub key: ObjectKey,
    /// Its whole content.
    pub body: Value,
    /// Fingerprint of that content.
    pub fingerprint: Fingerprint,
}

impl Child {
    /// The child with this content.
    pub fn new(kind: Kind, body: Value) -> Self {
        let name = body["metadata"]["name"].as_str().unwrap_or_default().into();
        Self {
            key: ObjectKey { kind, name },
            fingerprint: fingerprint(&canonical(body.clone())),
            body,
        }
    }
}

/// 16 hexadecimal digits that stand for all that is asked of these children, in whatever order.
pub fn asked(children: &[Child]) -> String {
    let mut sorted: Vec<_> = children.iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    let mut sha = Sha256::new();
    for child in sorted {
        let key = child.key.to_string();
        sha.update(key.len().to_be_bytes());
        sha.update(key);
        sha.update(child.fingerprint.bytes());
    }
    data_encoding::HEXLOWER.encode(&sha.finalize()[..8])
}

/// The namespace alone: the record needs it before all else.
pub fn ground(wanted: &Wanted) -> Child {
    Child::new(Kind::Namespace, namespace::namespace(wanted))
}

/// Namespace, quota, limits, service account, officers and network policies.
pub fn guards(wanted: &Wanted) -> Vec<Child> {
    let mut children = vec![
        ground(wanted),
        Child::new(Kind::ResourceQuota, guards::resource_quota(wanted)),
        Child::new(Kind::LimitRange, guards::limit_range(wanted)),
        Child::new(Kind::ServiceAccount, guards::service_account(wanted)),
    ];
    children.extend(guards::officers(wanted).map(|binding| Child::new(Kind::RoleBinding, binding)));
    children.extend(
        guards::network_policies(wanted)
            .into_iter()
            .map(|policy| Child::new(Kind::NetworkPolicy, policy)),
    );
    children
}

/// A Certificate for each host.
pub fn certificates(wanted: &Wanted) -> Vec<Child> {
    wanted
        .hosts
        .iter()
        .map(|host| Child::new(Kind::Certificate, certificate::certificate(wanted, host)))
        .collect()
}

/// The Ingress, unless the tenant is closed.
pub fn front(wanted: &Wanted) -> Vec<Child> {
    if wanted.open {
        vec![Child::new(Kind::Ingress, ingress::ingress(wanted))]
    } else {
        Vec::new()
    }
}
