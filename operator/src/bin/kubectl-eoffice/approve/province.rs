//! The approval of a whole province: a label and an annotation on its namespace.

use crate::Outcome;
use crate::client::{Cluster, call, list, merge};
use crate::consent::Consent;
use crate::console::Console;
use crate::facts::Facts;
use crate::failure::{Failure, Kind, Result};
use crate::table::count;
use crate::tenant::{View, province_namespaces};
use eoffice_crds::{EOfficeTenant, Phase, annotations, labels};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

/// Characters of a label's value.
const LONGEST: usize = 63;

/// Approves all tenants of a province.
pub async fn approve(
    cluster: &Cluster,
    console: Console,
    place: &str,
    mou: &str,
    consent: Consent,
) -> Result<Outcome> {
    if !fits_a_label(mou) {
        return Err(Failure::new(format!(
            "{mou:?} cannot be written on a namespace: at most {LONGEST} letters, digits, '-', '_' and '.', with a \
             letter or digit first and last; write for example MOU-2567-001"
        )));
    }
    let namespace = read(cluster, place).await?;
    let name = namespace.name_any();
    let before = namespace.labels().get(labels::MOU);
    let by = namespace.annotations().get(annotations::MOU_APPROVED_BY);
    let user = cluster.user().await?;
    if before.is_some_and(|before| before == mou) && by.is_some() {
        let by = by.map(String::as_str).unwrap_or_default();
        console.tell(&format!(
            "namespace {name} is approved already: {mou}, by {by}."
        ))?;
        return Ok(Outcome::Fine);
    }
    let doing = format!("list the tenants of namespace {name}");
    let tenants: Vec<EOfficeTenant> =
        list(&doing, &cluster.within(&name), &ListParams::default()).await?;
    let waiting = tenants
        .iter()
        .filter(|it| it.seen().phase == Some(Phase::AwaitingApproval))
        .count();
    let facts = Facts::new(&name, console.style)
        .maybe("province", namespace.labels().get(labels::PROVINCE))
        .and(
            "tenants",
            format!("{}, {waiting} of them wait for an approval", tenants.len()),
        )
        .maybe("MOU was", before)
        .and("MOU", mou);
    console.say(&facts.render())?;
    let question = format!(
        "Approve all tenants of this namespace, those still to come and every later change of theirs included, as {user}?"
    );
    consent.ask(console, &question)?;
    write(cluster, &name, Some((mou, &user))).await?;
    console.tell(&format!(
        "{} in namespace {name}, and all that come: approved with {mou} by {user}.",
        count(tenants.len(), "tenant")
    ))?;
    console.tell(&format!(
        "kubectl eoffice approve --province {name} --withdraw takes it away again."
    ))?;
    Ok(Outcome::Fine)
}

/// Takes the approval of a province away again.
pub async fn withdraw(
    cluster: &Cluster,
    console: Console,
    place: &str,
    consent: Consent,
) -> Result<Outcome> {
    let namespace = read(cluster, place).await?;
    let name = namespace.name_any();
    let Some(mou) = namespace.labels().get(labels::MOU) else {
        console.tell(&format!(
            "namespace {name} bears no approval: nothing to withdraw."
        ))?;
        return Ok(Outcome::Fine);
    };
    consent.ask(console, &format!("Take {mou} away from namespace {name}?"))?;
    write(cluster, &name, None).await?;
    console.tell(&format!(
        "{mou} is withdrawn from namespace {name}. Tenants that run go on with what was approved; new ones and changes \
         wait for an approval of their own."
    ))?;
    Ok(Outcome::Fine)
}

/// The namespace of a province, by the province's code or its own name.
async fn read(cluster: &Cluster, place: &str) -> Result<Namespace> {
    let is_code = place.len() == 2 && place.bytes().all(|byte| byte.is_ascii_digit());
    let name = if is_code {
        let mut found = province_namespaces(cluster, Some(place)).await?;
        match (found.pop(), found.is_empty()) {
            (Some(name), true) => name,
            (Some(name), false) => {
                return Err(Failure::new(format!(
                    "province {place} has the namespaces {}, {name}: name one of them",
                    found.join(", ")
                )));
            }
            (None, _) => {
                return Err(Failure::of(
                    Kind::NotFound,
                    format!(
                        "province {place} has no namespace: see examples/platform/namespaces.yaml"
                    ),
                ));
            }
        }
    } else {
        place.to_owned()
    };
    let doing = format!("read namespace {name}");
    let namespace = call(&doing, cluster.all::<Namespace>().get(&name)).await?;
    let labels = namespace.labels();
    if !labels.contains_key(labels::PROVINCE) || labels.contains_key(labels::TENANT) {
        return Err(Failure::new(format!(
            "namespace {name} is no province's: it lacks the label {}, or belongs to one tenant",
            labels::PROVINCE
        )));
    }
    Ok(namespace)
}

async fn write(cluster: &Cluster, name: &str, approval: Option<(&str, &str)>) -> Result<()> {
    let (mou, by) = approval.unzip();
    let change = json!({"metadata": {
        "labels": {labels::MOU: mou},
        "annotations": {annotations::MOU_APPROVED_BY: by},
    }});
    let doing = format!("write the approval on namespace {name}");
    merge(&doing, &cluster.all::<Namespace>(), name, &change)
        .await
        .map(drop)
}

/// What Kubernetes takes as the value of a label.
pub(super) fn fits_a_label(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
