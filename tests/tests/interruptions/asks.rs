//! What people do to a tenant, to have it come to another stage.

use anyhow::{Context, Result};
use eoffice_crds::{EOfficeTenant, RECORD_NAME, TenantRecord, tenant_namespace};
use eoffice_tests::apply;
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{PROVINCE, Platform, namespace_of, tenant};
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::Client;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use crate::transitions::Names;

/// The class of most: what was rotated is taken away soon, and what was left is kept for a day.
const CLASS: &str = "swift";
/// The same for tenants that need an approval.
const APPROVED: &str = "approved";
/// The same for tenants whose data is given back only when that is asked for.
const ASKED: &str = "asked";
/// For tenants that need an approval, and go with their data.
const GUEST: &str = "guest";
/// What the classes say of rotation; nothing is old while the clock is put forward.
const ROTATION: [(&str, &str); 3] = [("maxAge", "876000h"), ("grace", "1s"), ("deadline", "60s")];
/// Approver, and whoever writes what only approvers may.
const CHAIR: &str = "chair";
/// Who may read what is archived.
pub const AUDITOR: &str = "oag";
/// Makes the classes.
pub async fn classes(platform: &Platform) -> Result<()> {
    for (name, restore, approval, goes) in [
        (CLASS, "Automatic", false, false),
        (APPROVED, "Automatic", true, false),
        (ASKED, "Explicit", false, false),
        (GUEST, "Automatic", true, true),
    ] {
        class(platform, name, |spec| {
            spec["rotation"] = ROTATION.into_iter().collect();
            spec["retain"] = json!({"days": 1, "restore": restore});
            spec["approvalRequired"] = json!(approval);
            if let Some(storage) = spec["storage"].as_object_mut().filter(|_| goes) {
                storage.remove("retention");
                spec["allowDelete"] = json!(true);
            }
        })
        .await?;
    }
    Ok(())
}

async fn chair(platform: &Platform) -> Result<Client> {
    let groups = ["eoffice:approvers", "system:masters"];
    platform.sandbox.person(CHAIR, &groups).await
}

/// Asks for it, or for what it left.
pub fn make<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    apply(platform, of_class(&names.own, CLASS))
}

fn of_class(name: &str, class: &str) -> Value {
    let mut it = tenant(name);
    it["spec"]["className"] = json!(class);
    it
}

/// One that goes with its data.
fn passing(name: &str, class: &str) -> Value {
    let mut it = of_class(name, class);
    it["spec"]["deletionPolicy"] = json!("Delete");
    it
}

pub fn make_trial<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    apply(platform, passing(&names.own, "trial"))
}

/// Asks for one that nobody has approved.
pub fn ask_for<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    let mut it = passing(&names.own, GUEST);
    it["spec"]["approval"] = json!({"mouReference": "MOU-1"});
    apply(platform, it)
}

pub fn make_asked<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    apply(platform, of_class(&names.own, ASKED))
}

/// Asks for what it left, where that has to be said.
pub fn ask_back<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let mut it = of_class(&names.own, ASKED);
        it["spec"]["restoreFrom"] = json!(tenant_namespace(&names.own));
        apply::apply(&chair(platform).await?, &[it]).await
    }
    .boxed()
}

/// As a backup does that is restored object by object, while no operator runs.
pub fn make_again_unseen<'a>(
    platform: &'a Platform,
    names: &'a Names,
) -> BoxFuture<'a, Result<()>> {
    async move {
        delete(platform, names).await?;
        let free = json!({"metadata": {"finalizers": null}});
        merge(platform, names, free).await?;
        make(platform, names).await
    }
    .boxed()
}

fn apply(platform: &Platform, object: Value) -> BoxFuture<'_, Result<()>> {
    async move { platform.apply(&[object]).await }.boxed()
}

fn merge<'a>(platform: &'a Platform, names: &'a Names, patch: Value) -> BoxFuture<'a, Result<()>> {
    async move {
        platform
            .merge(platform.tenants(), &names.own, patch)
            .await?;
        Ok(())
    }
    .boxed()
}

/// Has this annotation say something new.
pub fn annotate<'a>(
    platform: &'a Platform,
    names: &'a Names,
    key: &'static str,
) -> BoxFuture<'a, Result<()>> {
    let now = jiff::Timestamp::now().to_string();
    merge(
        platform,
        names,
        json!({"metadata": {"annotations": {key: now}}}),
    )
}

pub fn suspend<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    merge(platform, names, json!({"spec": {"lifecycle": "Suspended"}}))
}

pub fn open<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    merge(platform, names, json!({"spec": {"lifecycle": "Active"}}))
}

/// Archived, with an auditor who may read.
pub fn archive<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    let auditor = json!({"name": AUDITOR, "until": "2399-01-01T00:00:00Z"});
    let spec = json!({"lifecycle": "Archived", "auditAccess": [auditor]});
    merge(platform, names, json!({ "spec": spec }))
}

/// Deletes the tenant.
pub fn delete<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let tenants = platform.tenants();
        tenants.delete(&names.own, &DeleteParams::default()).await?;
        Ok(())
    }
    .boxed()
}

/// A committee's decision, on the record.
pub fn order<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    let order = json!({"committeeReference": "12/2579", "approvedBy": CHAIR});
    write_order(platform, names, order)
}

/// The decision is taken back.
pub fn withdraw<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    write_order(platform, names, Value::Null)
}

fn write_order<'a>(
    platform: &'a Platform,
    names: &'a Names,
    order: Value,
) -> BoxFuture<'a, Result<()>> {
    async move {
        let namespace = tenant_namespace(&names.own);
        let records: Api<TenantRecord> = Api::namespaced(chair(platform).await?, &namespace);
        let patch = json!({"spec": {"purge": order}});
        platform.merge(records, RECORD_NAME, patch).await?;
        Ok(())
    }
    .boxed()
}

/// A tenant of another name takes over what this one left.
pub fn take_over<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let mut heir = of_class(&names.own, CLASS);
        heir["spec"]["restoreFrom"] = json!(tenant_namespace(&names.other));
        apply::apply(&chair(platform).await?, &[heir]).await
    }
    .boxed()
}

pub fn make_approved<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let mut it = of_class(&names.own, APPROVED);
        it["spec"]["users"] = json!(100);
        it["spec"]["approval"] = json!({
            "mouReference": "MOU-1", "approvedBy": CHAIR, "approvedAt": "2026-01-01T00:00:00Z",
        });
        apply::apply(&chair(platform).await?, &[it]).await
    }
    .boxed()
}

/// As many users more as it has, or less again.
pub fn grow<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let users = platform.tenants().get(&names.own).await?.spec.users;
        let users = if users == Some(100) { 300 } else { 100 };
        merge(platform, names, json!({"spec": {"users": users}})).await
    }
    .boxed()
}

pub fn approve<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let tenants: Api<EOfficeTenant> =
            Api::namespaced(chair(platform).await?, &namespace_of(PROVINCE));
        let status = tenants.get(&names.own).await?.status;
        let asked = status.and_then(|status| status.approval);
        let asked = asked.context("no approval is told of")?.asked;
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second())?.to_string();
        let approval = json!({"approvedBy": CHAIR, "approvedAt": now, "fingerprint": asked});
        let patch = json!({"spec": {"approval": approval}});
        platform.merge(tenants, &names.own, patch).await?;
        Ok(())
    }
    .boxed()
}
