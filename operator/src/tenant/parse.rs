//! From the resource to a tenant that can be worked on, or to the reason why it cannot. Pure.

use crate::plan::Problem;
use crate::tenant::approval::Standing;
use data_encoding::HEXLOWER;
use eoffice_crds::{
    DeletionPolicy, EOfficeTenant, FrozenClass, Lifecycle, Reason, Retention, RetentionMode,
    TenantClass, TenantRecordSpec, annotations, labels, tenant_namespace,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tenant that passed every check which needs no backend.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its resource.
    pub object: Arc<EOfficeTenant>,
    /// The class it runs with, or is to run with where that was accepted.
    pub class: Arc<TenantClass>,
    /// Name, unique in the installation.
    pub name: String,
    /// Namespace of its province.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Connections it may hold open.
    pub connection_limit: i32,
    /// Frozen values of the class that this tenant does not have.
    pub class_change: Option<ClassChange>,
    /// Why nothing may be changed.
    pub paused: Option<Problem>,
    /// How it stands with its approval.
    pub approval: Standing,
    /// Why its spec is not taken as it is: it goes on as it was taken last, and closes where that is asked.
    pub misfit: Option<Problem>,
}

/// A class, or values of it, that a tenant takes only when they are accepted.
#[derive(Clone, Debug)]
pub struct ClassChange {
    /// What the annotation accept-class has to say.
    pub token: String,
    /// The values.
    pub frozen: FrozenClass,
    /// Why they wait, or cannot be taken at all.
    pub problem: Problem,
    /// Whether they can be taken at all.
    pub possible: bool,
    /// Whether they are accepted, and can be taken.
    pub accepted: bool,
}

impl Tenant {
    /// Two-digit code of the province.
    pub fn province(&self) -> &str {
        &self.object.spec.agency.province
    }

    /// Namespace of its own objects.
    pub fn own_namespace(&self) -> String {
        tenant_namespace(&self.name)
    }

    /// Whether access is to be open.
    pub fn wants_open(&self) -> bool {
        self.object.spec.lifecycle == Lifecycle::Active
            && self.object.metadata.deletion_timestamp.is_none()
    }
}

/// Labels of a namespace or server.
pub type Labels = BTreeMap<String, String>;

/// Checks a tenant against its province's namespace and its class.
pub fn parse(
    object: Arc<EOfficeTenant>,
    namespace_labels: &Labels,
    record: Option<&TenantRecordSpec>,
    classes: &[Arc<TenantClass>],
) -> Result<Tenant, Problem> {
    let spec = &object.spec;
    let namespace = object.namespace().unwrap_or_default();
    check_province(&spec.agency.province, &namespace, namespace_labels)?;
    let asked = spec.class_name.as_deref();
    let class_change = record.and_then(|record| class_change(&object, record, classes));
    let accepted = class_change.as_ref().filter(|change| change.accepted);
    let class = match (record, accepted) {
        (Some(_), Some(change)) => named(classes, &change.frozen.class)?,
        (Some(record), None) => named(classes, &record.frozen.class)?,
        (None, _) => match asked {
            Some(name) => named(classes, name)?,
            None => default_class(classes)?,
        },
    };
    if !matches(class.spec.namespace_selector.as_ref(), namespace_labels)? {
        return Err(Problem::new(
            Reason::ClassNotAllowed,
            format!(
                "spec.className: class {} may not be used from namespace {namespace}; choose another class, or have the platform team widen the class's namespaceSelector",
                class.name_any()
            ),
        ));
    }
    let limit = class.spec.database.connection_limit;
    let connection_limit = spec
        .database
        .as_ref()
        .and_then(|database| database.connection_limit)
        .unwrap_or(limit);
    if connection_limit > limit {
        return Err(Problem::new(
            Reason::InvalidSpec,
            format!(
                "spec.database.connectionLimit: {connection_limit} is more than the {limit} that class {} allows; lower it, or choose a larger class",
                class.name_any()
            ),
        ));
    }
    let allow_delete = record.map_or(class.spec.allow_delete, |record| record.frozen.allow_delete);
    if spec.deletion_policy == DeletionPolicy::Delete && !allow_delete {
        return Err(Problem::new(
            Reason::DeleteNotAllowed,
            format!(
                "spec.deletionPolicy: class {} does not allow Delete; set it to Retain",
                class.name_any()
            ),
        ));
    }
    Ok(Tenant {
        paused: paused(&object, Some(&class)),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        namespace,
        connection_limit,
        class_change,
        class,
        object,
        approval: Standing::default(),
        misfit: None,
    })
}

/// Whether a person stopped changes, and where.
pub fn paused(tenant: &EOfficeTenant, class: Option<&TenantClass>) -> Option<Problem> {
    let is = |object: &BTreeMap<String, String>| {
        object.get(annotations::PAUSED).map(String::as_str) == Some("true")
    };
    let class = class.filter(|class| is(class.annotations()));
    let whose = match (is(tenant.annotations()), class) {
        (true, _) => "this tenant".to_owned(),
        (false, Some(class)) => format!("TenantClass {}", class.name_any()),
        (false, None) => return None,
    };
    Some(Problem::new(
        Reason::Paused,
        format!(
            "changes are stopped by the annotation {} on {whose}; remove it to go on",
            annotations::PAUSED
        ),
    ))
}

fn check_province(
    province: &str,
    namespace: &str,
    namespace_labels: &Labels,
) -> Result<(), Problem> {
    match namespace_labels.get(labels::PROVINCE) {
        Some(label) if label == province => Ok(()),
        label => Err(Problem::new(
            Reason::ProvinceMismatch,
            format!(
                "spec.agency.province: {province} is not the province of namespace {namespace} (label {} is {}); create the tenant in its province's namespace, or have the platform team correct the label",
                labels::PROVINCE,
                label.map_or("not set", String::as_str)
            ),
        )),
    }
}

fn named(classes: &[Arc<TenantClass>], name: &str) -> Result<Arc<TenantClass>, Problem> {
    classes
        .iter()
        .find(|class| class.name_any() == name)
        .cloned()
        .ok_or_else(|| {
            Problem::new(
                Reason::ClassNotFound,
                format!(
                    "spec.className: there is no TenantClass {name}; see kubectl get tenantclasses"
                ),
            )
        })
}

fn default_class(classes: &[Arc<TenantClass>]) -> Result<Arc<TenantClass>, Problem> {
    let mut defaults = classes.iter().filter(|class| {
        class
            .annotations()
            .get(annotations::DEFAULT_CLASS)
            .map(String::as_str)
            == Some("true")
    });
    match (defaults.next(), defaults.next()) {
        (Some(class), None) => Ok(Arc::clone(class)),
        (None, _) => Err(Problem::new(
            Reason::ClassNotFound,
            "spec.className: it is not set, and no TenantClass is the default one; name a class",
        )),
        (Some(_), Some(_)) => Err(Problem::new(
            Reason::ClassNotFound,
            "spec.className: it is not set, and several TenantClasses are annotated as the default one; name a class",
        )),
    }
}

/// Whether labels match a selector. No selector matches everything.
pub fn matches(selector: Option<&LabelSelector>, labels: &Labels) -> Result<bool, Problem> {
    let Some(selector) = selector else {
        return Ok(true);
    };
    Selector::try_from(selector.clone())
        .map(|selector| selector.matches(labels))
        .map_err(|error| {
            Problem::new(
                Reason::ClassInvalid,
                format!("a label selector of the class cannot be read: {error}; have the platform team correct it"),
            )
        })
}

/// The frozen values that are asked for and that the tenant does not run with.
pub(super) fn class_change(
    tenant: &EOfficeTenant,
    record: &TenantRecordSpec,
    classes: &[Arc<TenantClass>],
) -> Option<ClassChange> {
    let kept = &record.frozen;
    let asked = tenant.spec.class_name.as_ref().unwrap_or(&kept.class);
    let class = named(classes, asked).ok()?;
    let frozen = FrozenClass::of(&class);
    if frozen == *kept {
        return None;
    }
    let token = format!("{asked}/{}", hash(&frozen));
    let what = match *asked == kept.class {
        true => format!("frozen values of class {asked} changed after the tenant was made"),
        false => format!(
            "the tenant runs with class {} and asks for {asked}",
            kept.class
        ),
    };
    let problem = |rest: String| Problem::new(Reason::ClassChanged, format!("{what}; {rest}"));
    let (problem, possible) = match forbidden(kept, &frozen) {
        Some(why) => (
            problem(format!(
                "this cannot be taken at all, for {why}; it keeps the values of status.applied"
            )),
            false,
        ),
        None => (
            problem(format!(
                "it keeps the values of status.applied until an approver writes the annotation {}: {token}",
                annotations::ACCEPT_CLASS
            )),
            true,
        ),
    };
    let says = tenant.annotations().get(annotations::ACCEPT_CLASS);
    Some(ClassChange {
        possible,
        accepted: possible && says == Some(&token),
        token,
        frozen,
        problem,
    })
}

/// What an acceptance never does: move data, loosen a lock, or have data kept for less long than was agreed.
fn forbidden(kept: &FrozenClass, next: &FrozenClass) -> Option<&'static str> {
    [
        (
            next.store != kept.store,
            "the documents would have to move to another store",
        ),
        (
            kept.versioning && !next.versioning,
            "old versions of documents would not be kept any more",
        ),
        (
            is_weaker(kept.retention.as_ref(), next.retention.as_ref()),
            "its retention would be weaker",
        ),
        (
            next.retain.days < kept.retain.days,
            "what it leaves would be kept for less long",
        ),
        (
            next.allow_delete && !kept.allow_delete,
            "its data could be deleted without a committee's decision",
        ),
    ]
    .into_iter()
    .find_map(|(is_so, why)| is_so.then_some(why))
}

fn is_weaker(old: Option<&Retention>, new: Option<&Retention>) -> bool {
    let Some(old) = old else { return false };
    new.is_none_or(|new| {
        new.days < old.days
            || (old.mode == RetentionMode::Compliance && new.mode != RetentionMode::Compliance)
    })
}

/// Hash of frozen values: 12 hexadecimal digits.
fn hash(frozen: &FrozenClass) -> String {
    let text = serde_json::to_string(frozen).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(text)[..6])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
