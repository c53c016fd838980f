//! From the resource to a tenant that can be worked on, or to the reason why it cannot. Pure.

use crate::plan::Problem;
use eoffice_crds::{
    DeletionPolicy, EOfficeTenant, FrozenClass, Lifecycle, Reason, TenantClass, TenantRecordSpec,
    annotations, labels, tenant_namespace,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tenant that passed every check which needs no backend.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its resource.
    pub object: Arc<EOfficeTenant>,
    /// Its class.
    pub class: Arc<TenantClass>,
    /// Name, unique in the installation.
    pub name: String,
    /// Namespace of its province.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Connections it may hold open.
    pub connection_limit: i32,
    /// Whether the class asks for frozen values that this tenant does not have.
    pub class_changed: Option<Problem>,
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
    let class = match record {
        Some(record) => named(classes, &record.frozen.class)?,
        None => match asked {
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
        class_changed: record.and_then(|record| class_changed(asked, record, &class)),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        namespace,
        connection_limit,
        class: Arc::clone(&class),
        object,
    })
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

fn class_changed(
    asked: Option<&str>,
    record: &TenantRecordSpec,
    class: &TenantClass,
) -> Option<Problem> {
    let kept = &record.frozen;
    let message = match asked {
        Some(asked) if asked != kept.class => format!(
            "the tenant runs with class {}; spec.className {asked} is not taken until the change is accepted",
            kept.class
        ),
        _ if FrozenClass::of(class) != *kept => format!(
            "frozen values of class {} changed after the tenant was made; it keeps those of status.applied until the change is accepted",
            kept.class
        ),
        _ => return None,
    };
    Some(Problem::new(Reason::ClassChanged, message))
}
