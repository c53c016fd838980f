//! `EOfficeTenant`: one agency.

mod status;

pub use self::status::*;
use crate::{DriftPolicies, rules};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One agency's tenant. It lives in the namespace of its province; what is made for it lives in
/// a namespace of its own, `eoffice-<name>`.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eoffice.gdcc.go.th",
    version = "v1alpha1",
    kind = "EOfficeTenant",
    plural = "eofficetenants",
    namespaced,
    shortname = "eot",
    category = "eoffice",
    status = "EOfficeTenantStatus",
    derive = "PartialEq",
    cel,
    doc = "One agency's e-Office tenant: its database, document storage, certificates and ingress. It lives in the namespace of its province.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Available", type_ = "string", json_path = r#".status.conditions[?(@.type=="Available")].status"#),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Class", type_ = "string", json_path = ".status.applied.class"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Province", type_ = "string", json_path = ".spec.agency.province", priority = "1"),
    printcolumn(name = "Users", type_ = "integer", json_path = ".spec.users", priority = "1"),
    printcolumn(name = "Server", type_ = "string", json_path = ".status.database.server", priority = "1"),
    printcolumn(name = "Drift", type_ = "string", json_path = r#".status.conditions[?(@.type=="Synced")].reason"#, priority = "1"),
    printcolumn(name = "Paused", type_ = "string", json_path = r#".status.conditions[?(@.type=="Paused")].status"#, priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40").message("the name of a tenant has at most 40 characters: choose a shorter slug such as town-pak-chong-3021"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("the name of a tenant is a DNS label: lower-case letters, digits and '-', beginning with a letter, without dots")
)]
#[serde(rename_all = "camelCase")]
pub struct EOfficeTenantSpec {
    /// The agency this tenant is for.
    pub agency: Agency,
    /// The TenantClass to run with. Absent: the class annotated as the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::label())]
    pub class_name: Option<String>,
    /// Declared number of users. It is reported and summed up; seats above it are the application's matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub users: Option<i64>,
    /// Declared number of signing certificates wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub signing_certificates: Option<i64>,
    /// Hosts of the agency's own, besides `<name>.<base domain of the class>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::no_wildcards(), validation = rules::hosts())]
    pub hosts: Vec<String>,
    /// Active: open. Suspended, Archived: every access is closed and all data kept.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// The approval, where the class requires one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What becomes of the data when this object is deleted: Retain keeps everything,
    /// Delete destroys it and is allowed only where the class has allowDelete.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Choices about the database, within the class's limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseOptions>,
    /// What is done about drift, plane by plane, where it is not what the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_policy: Option<DriftPolicies>,
    /// Auditors who may read the data of an Archived tenant, each until his time. Without effect in any other lifecycle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub audit_access: Vec<AuditAccess>,
    /// Namespace of the record whose data this tenant takes over, where the name or the agency differ: a merger, a
    /// renaming. Only for a tenant that has no data of its own yet; approvers alone may write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^eoffice-[a-z]([-a-z0-9]*[a-z0-9])?$')").message("this is the namespace of a record, such as eoffice-town-pak-chong-3021: see kubectl get tenantrecords -A"))]
    pub restore_from: Option<String>,
}

/// One auditor, and until when.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditAccess {
    /// Who: it names the auditor's Secret, `eoffice-audit-<name>`.
    #[schemars(length(max = 30))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("the name of an auditor has lower-case letters, digits and '-': give for example oag-somchai"))]
    pub name: String,
    /// When the access ends.
    pub until: Time,
}

/// A government body that gets one tenant.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.codes) || self.codes.all(code, code.scheme != 'dla' || code.value.size() != 7 || code.value.substring(1, 3) == self.province)").message("the dla code is of another province: its second and third digit are the province, so correct the code or spec.agency.province"))]
#[x_kube(validation = Rule::new("!has(oldSelf.codes) || oldSelf.codes.all(old, has(self.codes) && self.codes.exists(code, code.scheme == old.scheme && code.value == old.value))").message("a code once set never changes and is never taken away, because data is claimed by it: put it back, or make a tenant of another name for another agency"))]
pub struct Agency {
    /// Official name in Thai.
    #[schemars(length(max = 200))]
    #[x_kube(validation = rules::trimmed(), validation = Rule::new("self.matches('\\\\p{Thai}')").message("this is the official name in Thai: write it in Thai letters, and the English name in nameEn"))]
    pub name_th: String,
    /// Official name in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    #[x_kube(validation = rules::trimmed())]
    pub name_en: Option<String>,
    /// What kind of body it is. Never derived from a code: there are exceptions.
    pub kind: AgencyKind,
    /// Two-digit code of the province, that of the namespace's label. Immutable.
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::province(), validation = Rule::new("self == oldSelf").message("the province of a tenant never changes: make a tenant in the namespace of the other province"))]
    pub province: String,
    /// Codes in public registers, one for each scheme. May be added later; once set, a code never changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["scheme".into()]))]
    pub codes: Vec<AgencyCode>,
}

/// A code of an agency in one register.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("self.scheme != 'dla' || self.value.matches('^[0-9]{7}$')").message("a dla code has 7 digits: kind, province (2), district (2), number (2), such as 4302101"))]
#[x_kube(validation = Rule::new("self.scheme != 'tax-id' || self.value.matches('^[0-9]{13}$')").message("a tax-id has 13 digits: write them without blanks or '-'"))]
#[x_kube(validation = Rule::new("self.value.matches('^[0-9A-Za-z./-]+$')").message("a code has digits, letters, '.', '/' and '-' only: write it as the register does, without blanks"))]
pub struct AgencyCode {
    /// The register.
    pub scheme: CodeScheme,
    /// The code in it.
    #[schemars(length(max = 32))]
    pub value: String,
}

/// A register of agencies.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CodeScheme {
    /// Department of Local Administration: 7 digits, kind, province (2), district (2), number (2).
    Dla,
    /// Department of Provincial Administration.
    DopaRegistry,
    /// Tax identification number, 13 digits.
    TaxId,
    /// Comptroller General's Department.
    Cgd,
}

/// The kind of a government body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum AgencyKind {
    ProvincialAdministrativeOrganization,
    CityMunicipality,
    TownMunicipality,
    SubdistrictMunicipality,
    TambonAdministrativeOrganization,
    Province,
    District,
    ProvincialOffice,
    Hospital,
    Ministry,
    Department,
    StateEnterprise,
    Other,
}

/// Whether a tenant is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Lifecycle {
    /// Open.
    #[default]
    Active,
    /// Closed for now; the data stays.
    Suspended,
    /// Closed for good; the data stays.
    Archived,
}

/// Who let the agency in, and on which agreement.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.approvedAt) == has(self.approvedBy)").message("approvedBy and approvedAt go together: give both once it is approved, or neither"))]
pub struct Approval {
    /// Reference of the memorandum of understanding that the agency signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::trimmed())]
    pub mou_reference: Option<String>,
    /// User name of the approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::trimmed())]
    pub approved_by: Option<String>,
    /// When it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self > timestamp('2000-01-01T00:00:00Z') && self < timestamp('2400-01-01T00:00:00Z')").message("this is not a year of the common era between 2000 and 2400: write 2024 for 2567 of the Buddhist era"))]
    pub approved_at: Option<Time>,
    /// Fingerprint of what was approved, as status.approval.asked shows it. Absent: what the spec asks for when the
    /// approval is first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::trimmed())]
    pub fingerprint: Option<String>,
}

impl Approval {
    /// Whether nothing is missing from it.
    pub fn is_complete(&self) -> bool {
        self.mou_reference.is_some() && self.approved_by.is_some() && self.approved_at.is_some()
    }
}

/// What becomes of the data when the tenant is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Close it and keep everything.
    #[default]
    Retain,
    /// Destroy it, where the class allows that.
    Delete,
}

/// Choices about the database.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseOptions {
    /// Connections the tenant may hold open, at most the class's connectionLimit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub connection_limit: Option<i32>,
}
