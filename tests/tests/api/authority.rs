//! What only the operator, approvers and platform admins may write.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::admission::{Askers, namespace};
use crate::world::{Handle, allowed, refused};

pub async fn our_labels_on_namespaces_are_the_operators(
    Askers {
        admin,
        officer,
        operator,
        ..
    }: &Askers,
) {
    let patches = [
        json!({"labels": {"eoffice.gdcc.go.th/province": null}}),
        json!({"labels": {"eoffice.gdcc.go.th/province": "31"}}),
        json!({"annotations": {"eoffice.gdcc.go.th/hosts": "eoffice.neighbour.go.th"}}),
        json!({"annotations": {"eoffice.gdcc.go.th/hosts": null}}),
    ];
    let town = namespace("eoffice-town", json!({}));
    for patch in patches {
        let patch = json!({ "metadata": patch });
        let handle = Handle::new(officer, &town).await;
        refused(
            "a label of ours",
            "only the operator and the platform admins change eoffice.gdcc.go.th/",
            || handle.try_patch(&patch),
        )
        .await;
        for who in [admin, operator] {
            let handle = Handle::new(who, &town).await;
            allowed("a label of ours", || handle.try_patch(&patch)).await;
        }
    }
    let theirs = json!({"metadata": {"labels": {"team": "x"}, "annotations": {"note": "y"}}});
    let handle = Handle::new(officer, &town).await;
    allowed("a label of theirs", || handle.try_patch(&theirs)).await;
    let forged = Handle::new(
        officer,
        &namespace("forged", json!({"eoffice.gdcc.go.th/province": "30"})),
    )
    .await;
    refused(
        "a forged province",
        "only the operator and the platform admins",
        || forged.try_create(),
    )
    .await;
}

pub async fn acceptances_are_an_approvers(
    Askers {
        admin,
        officer,
        approver,
        ..
    }: &Askers,
) {
    let annotate = |key: &str, value: Value| {
        let key = format!("eoffice.gdcc.go.th/{key}");
        json!({"metadata": {"annotations": {key: value}}})
    };
    let subjects = [
        (
            json!({"apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant", "metadata": {"name": "town-pak-chong-3021", "namespace": "province-30"}}),
            &["accept-class", "accept-restored", "accept-data-loss"][..],
        ),
        (
            json!({"apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "DatabaseServer", "metadata": {"name": "pg-a"}}),
            &["accept-identity", "take-over-from"][..],
        ),
        (
            json!({"apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "ObjectStore", "metadata": {"name": "objects"}}),
            &["accept-identity", "take-over-from"][..],
        ),
    ];
    for (subject, keys) in &subjects {
        let by_officer = Handle::new(officer, subject).await;
        for key in *keys {
            let patch = annotate(key, "x/1".into());
            refused(key, "only approvers and platform admins may write", || {
                by_officer.try_patch(&patch)
            })
            .await;
            for who in [admin, approver] {
                let handle = Handle::new(who, subject).await;
                allowed(key, || handle.try_patch(&patch)).await;
            }
        }
        let (key, other) = (keys[0], annotate("is-something-else", "x".into()));
        let by_approver = Handle::new(approver, subject).await;
        by_approver
            .patch(&annotate(key, "x/1".into()))
            .await
            .unwrap();
        allowed("another annotation beside an acceptance", || {
            by_officer.try_patch(&other)
        })
        .await;
        let (changed, none) = (annotate(key, "x/2".into()), annotate(key, Value::Null));
        refused("a changed acceptance", "only approvers", || {
            by_officer.try_patch(&changed)
        })
        .await;
        allowed("taking an acceptance away", || by_officer.patch(&none)).await;
    }
}

pub async fn finalizers_are_the_operators(
    Askers {
        officer, operator, ..
    }: &Askers,
) {
    let town = json!({"apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant", "metadata": {"name": "town-pak-chong-3021", "namespace": "province-30"}});
    let by_operator = Handle::new(operator, &town).await;
    by_operator
        .patch(&json!({"metadata": {"finalizers": ["eoffice.gdcc.go.th/close"]}}))
        .await
        .unwrap();
    let by_officer = Handle::new(officer, &town).await;
    let users = json!({"spec": {"users": 170}});
    let without = json!({"metadata": {"finalizers": null}});
    refused(
        "a finalizer",
        "the operator alone removes eoffice.gdcc.go.th/close",
        || by_officer.try_patch(&without),
    )
    .await;
    allowed("a change beside it", || by_officer.try_patch(&users)).await;
    allowed("the operator", || by_operator.patch(&without)).await;
}

pub async fn batches_are_the_operators_and_decisions_an_approvers(
    Askers {
        admin,
        officer,
        approver,
        operator,
    }: &Askers,
) {
    let batch = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "FleetHold",
        "metadata": {"name": "batch-20261121.101502"},
        "spec": {},
    });
    let by_operator = Handle::new(operator, &batch).await;
    let theirs = "batches are made, written and removed by the operator only";
    for who in [officer, approver, admin] {
        let handle = Handle::new(who, &batch).await;
        refused("a batch", theirs, || handle.try_create()).await;
    }
    by_operator.create().await.unwrap();
    let status = |state: &str| {
        let status = json!({"apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "FleetHold", "status": {"state": state}});
        Patch::Merge(status)
    };
    let params = PatchParams::default();
    by_operator
        .api
        .patch_status(&by_operator.name, &params, &status("Held"))
        .await
        .unwrap();
    let dry_run = PatchParams::default().dry_run();
    let decide = |decision: &str| json!({"spec": {"decision": decision}});
    for who in [officer, approver, admin] {
        let handle = Handle::new(who, &batch).await;
        refused("a batch's end", theirs, || handle.try_delete()).await;
        let forged = status("Watching");
        refused("a batch's state", theirs, || async {
            let written = handle.api.patch_status(&handle.name, &dry_run, &forged);
            written.await.map(drop)
        })
        .await;
    }
    let by_officer = Handle::new(officer, &batch).await;
    for decision in ["Resume", "Recover"] {
        let decided = decide(decision);
        let sentence = "only approvers and platform admins may decide about a batch";
        refused("a decision", sentence, || by_officer.try_patch(&decided)).await;
        for who in [approver, admin] {
            let handle = Handle::new(who, &batch).await;
            allowed("a decision", || handle.try_patch(&decided)).await;
        }
    }
    let by_approver = Handle::new(approver, &batch).await;
    by_approver.patch(&decide("Recover")).await.unwrap();
    let (other, none) = (decide("Resume"), json!({"spec": {"decision": Value::Null}}));
    for again in [other, none] {
        refused("another decision", "a batch is decided once", || {
            by_approver.try_patch(&again)
        })
        .await;
    }
    by_operator.delete().await.unwrap();
}
