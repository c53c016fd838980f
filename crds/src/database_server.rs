//! `DatabaseServer`: one PostgreSQL that holds tenants' databases.

use crate::{ObjectRef, rules, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One PostgreSQL server, 16 or later.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eoffice.gdcc.go.th",
    version = "v1alpha1",
    kind = "DatabaseServer",
    plural = "databaseservers",
    category = "eoffice",
    status = "DatabaseServerStatus",
    derive = "PartialEq",
    cel,
    doc = "One PostgreSQL (16 or later) that holds tenants' databases. Classes choose servers by label.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Databases", type_ = "integer", json_path = ".status.databases"),
    printcolumn(
        name = "Capacity",
        type_ = "integer",
        json_path = ".spec.capacity.databases"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.network) && has(self.network.cidrs) && self.network.cidrs.size() > 0").message("network.cidrs opens the tenants' network policies to this server and to nothing else: give its address ranges"))]
pub struct DatabaseServerSpec {
    /// Host name or address, as operator and tenants reach it. Its certificate must name it.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::server_host())]
    pub host: String,
    /// Port.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
    /// Secret with the keys `username` and `password` of the operator's role (not a superuser). Its annotation
    /// `eoffice.gdcc.go.th/send-only-to` has to name `host:port` as they are here: they are sent nowhere else.
    pub admin_secret_ref: ObjectRef,
    /// How the server proves who it is.
    #[serde(default)]
    pub tls: ServerTls,
    /// Where the server is on the network, for the tenants' network policies.
    #[serde(default)]
    pub network: BackendNetwork,
    /// How much it may hold.
    #[serde(default)]
    pub capacity: ServerCapacity,
}

fn default_port() -> i32 {
    5432
}

/// How a server proves who it is.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTls {
    /// How strictly its certificate is checked.
    #[serde(default)]
    pub mode: TlsMode,
    /// Secret with the key `ca.crt`, the CA of the server's certificate. Absent: the system's CAs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<ObjectRef>,
}

/// How strictly a certificate is checked. There is no weaker mode: passwords of thousands of agencies cross this line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// The chain and the name.
    #[default]
    VerifyFull,
}

/// Where a backend is on the network.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendNetwork {
    /// Its address ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 64)))]
    #[x_kube(validation = rules::cidrs())]
    pub cidrs: Vec<String>,
}

/// How much a server may hold.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerCapacity {
    /// Databases, retained ones included.
    #[schemars(range(min = 0, max = 100_000))]
    pub databases: i32,
    /// Connections the server can serve to tenants.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub connections: i32,
    /// How many times the connections may be promised: there is room while the sum of the
    /// tenants' limits is at most connections x overcommit.
    #[schemars(range(min = 1, max = 1_000))]
    pub overcommit: i32,
}

impl Default for ServerCapacity {
    fn default() -> Self {
        Self {
            databases: 800,
            connections: 2000,
            overcommit: 8,
        }
    }
}

/// How a server stands. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseServerStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Version of PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// PostgreSQL's system_identifier, pinned at the first contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// Tenants' databases on it, live and retained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<i64>,
    /// Of these, the retained ones, whose tenants have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<i64>,
    /// Sum of the tenants' connection limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<i64>,
    /// Databases and roles marked as a living tenant's that no record names; the first 20. They are never
    /// removed by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<String>,
    /// Ready: reachable, the pinned one, and able to take tenants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}
