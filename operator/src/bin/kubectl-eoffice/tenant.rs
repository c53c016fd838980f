//! What is read off a tenant, and which tenants are meant.

use crate::client::{Cluster, call, list};
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::table::Paint;
use clap::Args;
use eoffice_crds::{
    ConditionType, EOfficeTenant, EOfficeTenantStatus, Reason, annotations, labels,
};
use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::ListParams;

/// Namespaces that are asked at once.
const AT_ONCE: usize = 8;

/// Which tenants: one, those of a namespace, of a province, or all.
#[derive(Args, Clone, Debug)]
pub struct Selection {
    /// One tenant, by its name
    #[arg(value_name = "TENANT", conflicts_with_all = ["all", "province"])]
    pub tenant: Option<String>,
    /// All tenants of the cluster
    #[arg(short = 'A', long = "all-namespaces", conflicts_with = "province")]
    pub all: bool,
    /// The tenants of a province, by its two-digit code
    #[arg(long, value_name = "CODE", value_parser = province)]
    pub province: Option<String>,
}

/// A code such as `30`.
fn province(text: &str) -> std::result::Result<String, String> {
    let code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    code.then(|| text.to_owned())
        .ok_or_else(|| "a province is given by its two-digit code, such as 30".into())
}

impl Selection {
    /// The tenants, by namespace and name.
    pub async fn find(&self, cluster: &Cluster, console: Console) -> Result<Vec<EOfficeTenant>> {
        let mut tenants = if let Some(name) = &self.tenant {
            vec![cluster.tenant(name).await?]
        } else if self.all {
            list(
                "list the tenants of all namespaces",
                &cluster.all(),
                &ListParams::default(),
            )
            .await?
        } else if let Some(code) = &self.province {
            of_province(cluster, console, code).await?
        } else {
            of_namespace(cluster, &cluster.namespace).await?
        };
        tenants.sort_by_key(|tenant| (tenant.namespace(), tenant.name_any()));
        Ok(tenants)
    }

    /// Whether the tenants may be of several namespaces.
    pub fn is_wide(&self) -> bool {
        self.all || self.province.is_some()
    }

    /// Where nothing was found: where that was.
    pub fn nowhere(&self, cluster: &Cluster) -> String {
        match (&self.province, self.all) {
            (Some(code), _) => format!("no tenants in the namespaces of province {code}"),
            (None, true) => "no tenants in any namespace".into(),
            (None, false) => format!(
                "no tenants in namespace {}; -A shows all, -n or --province those of a province",
                cluster.namespace
            ),
        }
    }
}

async fn of_namespace(cluster: &Cluster, namespace: &str) -> Result<Vec<EOfficeTenant>> {
    let doing = format!("list the tenants of namespace {namespace}");
    list(&doing, &cluster.within(namespace), &ListParams::default()).await
}

async fn of_province(
    cluster: &Cluster,
    console: Console,
    code: &str,
) -> Result<Vec<EOfficeTenant>> {
    let namespaces = match province_namespaces(cluster, Some(code)).await {
        Ok(namespaces) => namespaces,
        // An officer of a province may not see namespaces, and knows the name of his own.
        Err(failure) if failure.kind == Kind::Forbidden => {
            let guess = if cluster.chosen {
                cluster.namespace.clone()
            } else {
                format!("province-{code}")
            };
            console.remark(
                "",
                &format!(
                    "You may not list namespaces: only {guess} is looked at; -n names another."
                ),
            );
            vec![guess]
        }
        Err(failure) => return Err(failure),
    };
    let found: Vec<Vec<EOfficeTenant>> = stream::iter(&namespaces)
        .map(|namespace| of_namespace(cluster, namespace))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// The namespaces of a province, or of all.
pub async fn province_namespaces(cluster: &Cluster, code: Option<&str>) -> Result<Vec<String>> {
    // Tenants' own namespaces carry their province as well.
    let label = match code {
        Some(code) => format!("{}={code},!{}", labels::PROVINCE, labels::TENANT),
        None => format!("{},!{}", labels::PROVINCE, labels::TENANT),
    };
    let params = ListParams::default().labels(&label);
    let found = call(
        "list the namespaces of provinces",
        cluster.all::<Namespace>().list(&params),
    )
    .await?;
    Ok(found.iter().map(ResourceExt::name_any).collect())
}

/// A tenant as a person looks at it.
pub trait View {
    /// A condition.
    fn condition(&self, kind: ConditionType) -> Option<&Condition>;
    /// Whether a condition is True.
    fn holds(&self, kind: ConditionType) -> bool {
        self.condition(kind).is_some_and(|it| it.status == "True")
    }
    /// Its status, empty before the operator has seen it.
    fn seen(&self) -> EOfficeTenantStatus;
    /// `namespace/name`.
    fn path(&self) -> String;
    /// Whether a person stopped changes to it.
    fn is_paused(&self) -> bool;
    /// What a person has to decide before it goes on. A short delay passes by itself.
    fn held(&self) -> Option<&str> {
        self.condition(ConditionType::Held)
            .filter(|it| it.status == "True" && it.reason == Reason::Held.as_str())
            .map(|it| it.message.as_str())
    }
    /// Whether something differs from what was asked.
    fn has_open_drift(&self) -> bool {
        self.condition(ConditionType::Synced)
            .is_some_and(|it| it.status == "False")
    }
}

impl View for EOfficeTenant {
    fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        let conditions = &self.status.as_ref()?.conditions;
        conditions.iter().find(|it| it.type_ == kind.as_str())
    }

    fn seen(&self) -> EOfficeTenantStatus {
        self.status.clone().unwrap_or_default()
    }

    fn path(&self) -> String {
        format!(
            "{}/{}",
            self.namespace().unwrap_or_default(),
            self.name_any()
        )
    }

    fn is_paused(&self) -> bool {
        self.holds(ConditionType::Paused)
            || self
                .annotations()
                .get(annotations::PAUSED)
                .is_some_and(|it| it == "true")
    }
}

/// How a condition is to be taken: some are good when True, some when not.
pub fn judge(condition: &Condition) -> Paint {
    let good_when = !matches!(
        condition.type_.as_str(),
        "Paused" | "Held" | "Reconciling" | "Stalled"
    );
    match (condition.status.as_str(), good_when) {
        ("True", true) | ("False", false) => Paint::Good,
        ("Unknown", _) => Paint::Warn,
        (_, false) if condition.type_ != "Stalled" => Paint::Warn,
        _ => Paint::Bad,
    }
}

/// The tenant's namespace of its own, as its status says.
pub fn own_namespace(tenant: &EOfficeTenant) -> Result<String> {
    tenant.seen().namespace.ok_or_else(|| {
        Failure::new(format!(
            "tenant {} has no namespace of its own yet: kubectl eoffice status {} says what it waits for",
            tenant.path(),
            tenant.name_any()
        ))
    })
}
