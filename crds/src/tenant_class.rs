//! `TenantClass`: what the platform offers, and the values of it that are frozen in a tenant.

use crate::{DriftPolicies, rules, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A plan that the platform team offers to tenants.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eoffice.gdcc.go.th",
    version = "v1alpha1",
    kind = "TenantClass",
    plural = "tenantclasses",
    category = "eoffice",
    status = "TenantClassStatus",
    derive = "PartialEq",
    cel,
    doc = "What the platform team offers to tenants: where their data goes, how much of it there may be, and how they are reached.",
    printcolumn(name = "Base-Domain", type_ = "string", json_path = ".spec.baseDomain"),
    printcolumn(name = "Store", type_ = "string", json_path = ".spec.storage.storeName"),
    printcolumn(name = "Tenants", type_ = "integer", json_path = ".status.tenants"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')").message("the name of a class is a DNS label: at most 63 lower-case letters, digits and '-', without dots")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.allowDelete && has(self.storage.retention))").message("allowDelete cannot be combined with storage.retention: records under retention are never destroyed with their tenant"))]
pub struct TenantClassSpec {
    /// Which province namespaces may use this class. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Every tenant gets the host `<name>.<baseDomain>`. Frozen in each tenant.
    #[schemars(length(max = 200))]
    #[x_kube(validation = rules::base_domain())]
    pub base_domain: String,
    /// The database each tenant gets.
    pub database: ClassDatabase,
    /// The storage each tenant gets.
    pub storage: ClassStorage,
    /// Where certificates come from.
    pub certificate: ClassCertificate,
    /// How tenants are reached.
    pub ingress: ClassIngress,
    /// Hard limits (ResourceQuota) of each tenant's namespace, such as `requests.cpu: "2"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::quota")]
    pub resources: BTreeMap<String, String>,
    /// What a container gets that names no resources of its own (LimitRange).
    #[serde(default)]
    #[x_kube(validation = Rule::new("[self.requestCpu, self.limitCpu, self.requestMemory, self.limitMemory].all(amount, isQuantity(amount) && quantity(amount).isGreaterThan(quantity('0')))").message("each of these is a quantity of Kubernetes above zero, such as 100m or 128Mi"))]
    #[x_kube(validation = Rule::new("![self.requestCpu, self.limitCpu, self.requestMemory, self.limitMemory].all(amount, isQuantity(amount)) || (quantity(self.requestCpu).compareTo(quantity(self.limitCpu)) <= 0 && quantity(self.requestMemory).compareTo(quantity(self.limitMemory)) <= 0)").message("a container cannot reserve more than its limit: raise the limit or lower the request"))]
    pub container_defaults: ContainerDefaults,
    /// Whether a tenant waits for a complete spec.approval before anything is made for it.
    #[serde(default)]
    pub approval_required: bool,
    /// How long data is kept after its tenant has left, and how it comes back. Frozen in each tenant.
    #[serde(default)]
    pub retain: Retain,
    /// Whether tenants may ask for deletionPolicy Delete. Never together with storage.retention. Frozen in each tenant.
    #[serde(default)]
    pub allow_delete: bool,
    /// What is done about drift, plane by plane. Absent: it is put right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_policy: Option<DriftPolicies>,
    /// When credentials are renewed, and how long those before them still work.
    #[serde(default)]
    #[x_kube(validation = rules::durations("[self.maxAge, self.grace, self.deadline]"))]
    pub rotation: RotationPolicy,
}

/// When credentials are renewed, and how long those before them still work. Each is a duration such as `24h`.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RotationPolicy {
    /// Age at which credentials are renewed at the latest; each tenant has its own time within the last quarter. Where
    /// that time has passed already when it is first looked at (this age was lowered, or nothing was renewed by age
    /// before), each is renewed at its own time within a quarter of this age from that look, or within a day where
    /// that is longer.
    #[schemars(length(max = 16))]
    pub max_age: String,
    /// How long the credentials before must not have been used to be taken away.
    #[schemars(length(max = 16))]
    pub grace: String,
    /// After how long they are taken away even if they are still used.
    #[schemars(length(max = 16))]
    pub deadline: String,
}

impl Default for RotationPolicy {
    fn default() -> Self {
        Self {
            max_age: "2160h".into(),
            grace: "24h".into(),
            deadline: "168h".into(),
        }
    }
}

/// The database each tenant of a class gets.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassDatabase {
    /// Which DatabaseServers are the pool for this class.
    #[schemars(schema_with = "schema::selector")]
    pub server_selector: LabelSelector,
    /// Connections a tenant may hold open at most.
    #[serde(default = "default_connection_limit")]
    #[schemars(range(min = 1, max = 10_000))]
    pub connection_limit: i32,
    /// Size that a tenant's database is reported against. PostgreSQL cannot enforce it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::amount())]
    pub size: Option<String>,
}

fn default_connection_limit() -> i32 {
    20
}

/// The storage each tenant of a class gets.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.retention) || self.versioning").message("storage.retention needs storage.versioning: true, because a lock holds versions of objects"))]
#[x_kube(validation = Rule::new("!has(oldSelf.retention) || has(self.retention)").message("retention is never taken away from a class: make another class for what needs none"))]
#[x_kube(validation = Rule::new("!has(oldSelf.retention) || !has(self.retention) || self.retention.days >= oldSelf.retention.days").message("retention.days may only grow: put the old value back, or make another class with fewer days"))]
#[x_kube(validation = Rule::new("!has(oldSelf.retention) || !has(self.retention) || oldSelf.retention.mode != 'Compliance' || self.retention.mode == 'Compliance'").message("Compliance is never weakened: put it back, or make another class with Governance"))]
pub struct ClassStorage {
    /// The ObjectStore. Frozen in each tenant.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::label())]
    pub store_name: String,
    /// Size that a tenant's storage is reported against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::amount())]
    pub size: Option<String>,
    /// Whether the bucket keeps old versions of objects. Frozen in each tenant.
    #[serde(default)]
    pub versioning: bool,
    /// For how long each object is locked. Frozen in each tenant; days may only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// A lock on each object of a bucket.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Governance: the platform can lift it. Compliance: nobody can.
    pub mode: RetentionMode,
    /// Days from the writing of an object.
    #[schemars(range(min = 1, max = 36_500))]
    pub days: i32,
}

/// Who can lift a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RetentionMode {
    /// The platform, with the right to bypass governance.
    Governance,
    /// Nobody before its time.
    Compliance,
}

/// Where a class's certificates come from.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassCertificate {
    /// The issuer that signs each host's certificate.
    pub issuer_ref: IssuerRef,
}

/// A cert-manager issuer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("self.group != 'cert-manager.io' || self.kind == 'ClusterIssuer'").message("an Issuer serves its own namespace only: name a ClusterIssuer"))]
pub struct IssuerRef {
    /// API group of the issuer.
    #[serde(default = "default_issuer_group")]
    #[schemars(length(min = 1, max = 253))]
    pub group: String,
    /// Kind of the issuer. It has to be reachable from every tenant's namespace, hence ClusterIssuer.
    #[serde(default = "default_issuer_kind")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the issuer.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}

fn default_issuer_group() -> String {
    "cert-manager.io".into()
}

fn default_issuer_kind() -> String {
    "ClusterIssuer".into()
}

/// How tenants of a class are reached.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.controller) && (has(self.controller.namespaceSelector) || (has(self.controller.cidrs) && self.controller.cidrs.size() > 0))").message("ingress.controller says where requests may come from: give its namespaceSelector or cidrs"))]
pub struct ClassIngress {
    /// Name of the IngressClass.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub class_name: String,
    /// Where the ingress controller's traffic comes from, for the network policies.
    #[serde(default)]
    pub controller: NetworkPeer,
    /// The Service of the tenant's application, in the tenant's namespace.
    #[serde(default)]
    pub service: ServiceRef,
    /// `host:port` at which the operator finds the ingress, to prove the certificate that is served there.
    #[schemars(length(max = 300))]
    #[x_kube(validation = rules::host_and_port())]
    pub probe_address: String,
}

/// Where traffic may come from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPeer {
    /// Pods of these namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// These address ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 64)))]
    #[x_kube(validation = rules::cidrs())]
    pub cidrs: Vec<String>,
}

/// A Service in the tenant's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRef {
    /// Its name.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::label())]
    pub name: String,
    /// Its port.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
}

impl Default for ServiceRef {
    fn default() -> Self {
        Self {
            name: "eoffice".into(),
            port: 8080,
        }
    }
}

/// What a container gets that names no resources of its own.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerDefaults {
    /// CPU that is reserved.
    #[schemars(length(max = 32))]
    pub request_cpu: String,
    /// Memory that is reserved.
    #[schemars(length(max = 32))]
    pub request_memory: String,
    /// CPU at most.
    #[schemars(length(max = 32))]
    pub limit_cpu: String,
    /// Memory at most.
    #[schemars(length(max = 32))]
    pub limit_memory: String,
}

impl Default for ContainerDefaults {
    fn default() -> Self {
        Self {
            request_cpu: "100m".into(),
            request_memory: "128Mi".into(),
            limit_cpu: "1".into(),
            limit_memory: "1Gi".into(),
        }
    }
}

/// How long data is kept after its tenant has left.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retain {
    /// Days, counted from the day the tenant left.
    #[schemars(range(min = 1, max = 36_500))]
    pub days: i32,
    /// How a tenant of the same agency, made again, gets its data back.
    pub restore: Restore,
}

impl Default for Retain {
    fn default() -> Self {
        Self {
            days: 3650,
            restore: Restore::Automatic,
        }
    }
}

/// How data comes back to a tenant that is made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Restore {
    /// By itself.
    #[default]
    Automatic,
    /// Only when asked.
    Explicit,
}

/// The values of a class that a tenant keeps from its first day, whatever becomes of the class.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrozenClass {
    /// Name of the class.
    pub class: String,
    /// Domain of the default host.
    pub base_domain: String,
    /// The ObjectStore.
    pub store: String,
    /// Whether the bucket keeps old versions.
    pub versioning: bool,
    /// The lock on each object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether deletionPolicy Delete may be asked for.
    pub allow_delete: bool,
    /// What happens to the data after the tenant has left.
    pub retain: Retain,
}

impl FrozenClass {
    /// The values that a new tenant of this class is given.
    pub fn of(class: &TenantClass) -> Self {
        let spec = &class.spec;
        Self {
            class: class.metadata.name.clone().unwrap_or_default(),
            base_domain: spec.base_domain.clone(),
            store: spec.storage.store_name.clone(),
            versioning: spec.storage.versioning,
            retention: spec.storage.retention.clone(),
            allow_delete: spec.allow_delete,
            retain: spec.retain.clone(),
        }
    }
}

/// How a class stands. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantClassStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Tenants that run with this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<i64>,
    /// Ready: the class can be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}
