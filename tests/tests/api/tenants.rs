//! Who changes what of a tenant: an approver what he decides, and nobody has it deleted by giving it an owner.

use kube::Client;
use serde_json::{Value, json};

use crate::approvals::town;
use crate::people::{NO_RIGHT, People, Row, each};
use crate::world::{Handle, allowed, refused};

/// What admission says.
const NOTHING_ELSE: &str = "approvers decide about a tenant and change nothing else of it: leave ";
const OWNED: &str = "a tenant would be deleted with its owner, ConfigMap owner";

pub async fn all(people: &People<'_>) {
    decisions(people).await;
    owners(people).await;
}

fn spec(field: &str, value: Value) -> Value {
    json!({"spec": {field: value}})
}

fn metadata(field: &str, value: Value) -> Value {
    json!({"metadata": {field: value}})
}

fn note(key: &str, value: Value) -> Value {
    metadata("annotations", json!({key: value}))
}

/// Whoever may change tenants only to approve them.
async fn decisions(people: &People<'_>) {
    let People { somchai, both, .. } = people;
    let approval = json!({"mouReference": "MOU", "approvedBy": "somchai", "approvedAt": "2026-11-21T10:00:00Z"});
    let decided = [
        spec("approval", approval),
        spec("restoreFrom", json!("eoffice-merged-3021")),
        note("eoffice.gdcc.go.th/accept-class", json!("1/2")),
        note("eoffice.gdcc.go.th/accept-data-loss", json!("x/1")),
        note("eoffice.gdcc.go.th/take-over-from", json!("x")),
        note(
            "kubectl.kubernetes.io/last-applied-configuration",
            json!("{}"),
        ),
    ];
    for patch in decided {
        each(&town(), &[("a decision", somchai, patch, None)]).await;
    }
    let auditor = json!([{"name": "oag", "until": "2399-01-01T00:00:00Z"}]);
    let agency = json!({"kind": "CityMunicipality"});
    let code = json!({"a": "b"});
    let others = [
        ("users", spec("users", json!(170))),
        ("hosts", spec("hosts", Value::Null)),
        ("agency", spec("agency", agency)),
        ("className", spec("className", json!("trial"))),
        ("lifecycle", spec("lifecycle", json!("Archived"))),
        ("auditAccess", spec("auditAccess", auditor)),
        ("deletionPolicy", spec("deletionPolicy", json!("Delete"))),
        ("labels", metadata("labels", code)),
        (
            "eoffice.gdcc.go.th/paused",
            note("eoffice.gdcc.go.th/paused", json!("true")),
        ),
        ("note", note("note", json!("x"))),
        (
            "finalizers",
            metadata("finalizers", json!(["example.com/never"])),
        ),
    ];
    for (what, patch) in others {
        let sentence = format!("{NOTHING_ELSE}{what} as it is");
        let rows: [Row<'_>; 2] = [
            (what, somchai, patch.clone(), Some(&sentence)),
            (what, both, patch, None),
        ];
        each(&town(), &rows).await;
    }
    let (old, none) = (note("note", json!("old")), note("note", Value::Null));
    let by_both = Handle::new(both, &town()).await;
    by_both.patch(&old).await.unwrap();
    let sentence = format!("{NOTHING_ELSE}note as it is");
    let rows: [Row<'_>; 2] = [
        ("a note taken away", somchai, none.clone(), Some(&sentence)),
        (
            "a decision beside it",
            somchai,
            spec("restoreFrom", json!("eoffice-merged-3021")),
            None,
        ),
    ];
    each(&town(), &rows).await;
    by_both.patch(&none).await.unwrap();
}

fn owned(uid: &str) -> Value {
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}])
}

/// Kubernetes deletes what has an owner that is not there.
async fn owners(people: &People<'_>) {
    let People {
        somchai,
        pim,
        nok,
        aum,
        portal,
        admin,
        anyone,
        operator,
        ..
    } = people;
    let dangling = metadata("ownerReferences", owned("0"));
    let rows: [Row<'_>; 7] = [
        ("an officer", nok, dangling.clone(), Some(OWNED)),
        (
            "one with every right",
            anyone,
            dangling.clone(),
            Some(OWNED),
        ),
        (
            "an approver",
            somchai,
            dangling.clone(),
            Some("ownerReferences as it is"),
        ),
        ("an auditor", aum, dangling.clone(), Some(NO_RIGHT)),
        ("a platform admin", pim, dangling.clone(), None),
        ("a cluster admin", admin, dangling.clone(), None),
        ("the operator", operator, dangling, None),
    ];
    each(&town(), &rows).await;
    let made: [(&Client, Option<&str>); 4] = [
        (nok, Some(OWNED)),
        (portal, Some(OWNED)),
        (pim, None),
        (operator, None),
    ];
    for (who, refusal) in made {
        let tenant = json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
            "kind": "EOfficeTenant",
            "metadata": {"name": "tao-owned-3021", "namespace": "province-30", "ownerReferences": owned("0")},
            "spec": {"agency": {"nameTh": "วังหมี", "kind": "Other", "province": "30"}},
        });
        let handle = Handle::new(who, &tenant).await;
        let attempt = || handle.try_create();
        match refusal {
            Some(sentence) => refused("made with an owner", sentence, attempt).await,
            None => allowed("made with an owner", attempt).await,
        }
    }
    // One that a platform admin gave it, and that exists.
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": "province-30"}});
    let owner = Handle::new(admin, &owner).await;
    owner.create().await.unwrap();
    let uid = owner
        .api
        .get(&owner.name)
        .await
        .unwrap()
        .metadata
        .uid
        .unwrap();
    let by_pim = Handle::new(pim, &town()).await;
    by_pim
        .patch(&metadata("ownerReferences", owned(&uid)))
        .await
        .unwrap();
    let mut renamed = owned(&uid);
    renamed[0]["name"] = "gone".into();
    let none = metadata("ownerReferences", Value::Null);
    let rows: [Row<'_>; 4] = [
        ("a change beside it", nok, spec("users", json!(170)), None),
        (
            "another of that name",
            nok,
            metadata("ownerReferences", owned("0")),
            Some(OWNED),
        ),
        (
            "another name",
            nok,
            metadata("ownerReferences", renamed),
            Some("ConfigMap gone"),
        ),
        ("taken away", nok, none.clone(), None),
    ];
    each(&town(), &rows).await;
    by_pim.patch(&none).await.unwrap();
    owner.delete().await.unwrap();
}
