//! `TenantPlan`: what the operator would do, asked for by a person or a pipeline and never carried out.

use crate::{Action, EOfficeTenantSpec, Plane, TenantClassSpec, rules, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A question: what would be done for a tenant. It answers in its status, and removes itself after an hour.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eoffice.gdcc.go.th",
    version = "v1alpha1",
    kind = "TenantPlan",
    plural = "tenantplans",
    namespaced,
    category = "eoffice",
    status = "TenantPlanStatus",
    derive = "PartialEq",
    cel,
    doc = "A question in the namespace of a province: what would the operator do. The answer is in its status; nothing is carried out, and it removes itself after an hour.",
    printcolumn(
        name = "Planned",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Planned")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Planned")].reason"#
    ),
    printcolumn(name = "Changes", type_ = "integer", json_path = ".status.changes"),
    printcolumn(
        name = "Destructive",
        type_ = "integer",
        json_path = ".status.destructive"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a plan answers one question: make another TenantPlan for another one"))]
#[x_kube(validation = Rule::new("[has(self.tenant), has(self.tenantName), has(self.classChange)].filter(given, given).size() == 1").message("ask one question: a tenant inline (tenant), one that exists (tenantName), or a change of a class (classChange)"))]
#[x_kube(validation = Rule::new("!has(self.className) || has(self.tenantName)").message("className asks what another class would mean for tenantName: give both"))]
pub struct TenantPlanSpec {
    /// A tenant as it would be applied in this namespace, new or existing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<PlannedTenant>,
    /// The name of a tenant in this namespace: what would be done for it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::label())]
    pub tenant_name: Option<String>,
    /// What taking another class, or the present one's frozen values anew, would mean for tenantName.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::label())]
    pub class_name: Option<String>,
    /// A class as it would be applied: what would be done for its tenants in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_change: Option<PlannedClass>,
}

/// A tenant as it would be applied.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTenant {
    /// Its name.
    #[schemars(length(max = 40))]
    #[x_kube(validation = rules::label())]
    pub name: String,
    /// Its spec.
    pub spec: EOfficeTenantSpec,
}

/// A class as it would be applied.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedClass {
    /// Its name.
    #[schemars(length(max = 63))]
    #[x_kube(validation = rules::label())]
    pub name: String,
    /// Its spec.
    pub spec: TenantClassSpec,
}

/// The answer. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantPlanStatus {
    /// Generation of the spec that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many steps would be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<i64>,
    /// How many of them can destroy data or close access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<i64>,
    /// The steps in order; the first 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub steps: Vec<PlannedStep>,
    /// When this plan removes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Planned: True once it is answered; False with the reason where it cannot be carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// One change that would be made.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// The tenant.
    pub tenant: String,
    /// The plane.
    pub plane: Plane,
    /// The object, such as `ResourceQuota/eoffice` or `role eo_3f9c_a`.
    pub object: String,
    /// What of it would change; empty for the whole object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What would be done.
    pub action: Action,
    /// Whether it can destroy data or close access.
    pub destructive: bool,
    /// What is there; a fingerprint where it is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What would be there; a fingerprint where it is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Why it would not be carried out all the same: the policy Report, a pause, a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}
