//! The stages of a tenant that lives: approved, given new credentials, closed and opened, read by an auditor, retired.

use std::path::Path;

use eoffice_crds::{DeletionPolicy, EOfficeTenant, Lifecycle, annotations, finalizers, labels};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::bed::{Bed, one_line, tenant};
use crate::people::is_refused;

const PROVINCE: &str = "province-33";
const APPROVER: &str = "somsri";
const ASKED: &str = "ab12cd34ef56";

pub async fn all(bed: &Bed) {
    let approver = bed.approver(APPROVER).await;
    approve(bed, &approver).await;
    approve_a_province(bed, &approver).await;
    rotate(bed).await;
    close_and_reopen(bed).await;
    auditors(bed).await;
    retire(bed).await;
}

async fn now(bed: &Bed, name: &str) -> EOfficeTenant {
    let tenants = bed.within::<EOfficeTenant>(PROVINCE);
    tenants.get(name).await.unwrap()
}

async fn approve(bed: &Bed, approver: &Path) {
    let name = "awaiting";
    let status =
        json!({"observedGeneration": 1, "phase": "AwaitingApproval", "approval": {"asked": ASKED}});
    bed.tenant(PROVINCE, name, status).await;
    let words = format!("approve {name} --mou MOU-1");
    let told = bed.run(&format!("approve {name}")).await.refused();
    assert!(told.contains("give its reference with --mou"), "{told}");
    for (answer, said) in [
        ("printf 'n\\n'", "[y/N] error: nothing was done"),
        (":", "nobody answered on stdin"),
    ] {
        let script = format!("{answer} | kubectl eoffice {words}");
        let ran = bed.shell(approver, &script).await;
        assert!(
            one_line(&ran.out).contains("agency เทศบาลเมืองปากช่อง"),
            "{ran:#?}"
        );
        assert!(ran.refused().contains(said));
    }
    let forged =
        json!({"spec": {"approval": {"approvedBy": "x", "approvedAt": "2026-11-21T10:00:00Z"}}});
    is_refused(&bed.within::<EOfficeTenant>(PROVINCE), name, &forged).await;
    // Neither who may edit tenants nor who runs the platform lets an agency in.
    let editor = bed.person("editor", "edit", PROVINCE).await;
    let admin = bed.control_plane.admin_kubeconfig().to_owned();
    for other in [editor, admin] {
        let told = bed
            .run_as(&other, &format!("{words} -n {PROVINCE} -y"))
            .await;
        let told = told.refused();
        assert!(told.contains("only approvers write approvedBy"), "{told}");
    }
    assert_eq!(now(bed, name).await.spec.approval, None);

    let script = format!("printf 'y\\n' | kubectl eoffice {words}");
    let told = one_line(&bed.shell(approver, &script).await.gave(0));
    let words = format!("is approved as {ASKED} by {APPROVER}");
    assert!(told.contains(&words), "{told}");
    let approval = now(bed, name).await.spec.approval.unwrap();
    let age = Timestamp::now().duration_since(approval.approved_at.unwrap().0);
    assert!(age < SignedDuration::from_mins(1), "{age}");
    assert_eq!(approval.approved_by.as_deref(), Some(APPROVER));
    assert_eq!(approval.mou_reference.as_deref(), Some("MOU-1"));
    assert_eq!(approval.fingerprint.as_deref(), Some(ASKED));

    // What the operator has not taken up yet is not approved; here it has, and nothing is left to approve.
    let taken_in = json!({
        "observedGeneration": now(bed, name).await.metadata.generation,
        "approval": {"asked": ASKED, "approved": ASKED, "approvedBy": APPROVER, "mouReference": "MOU-1"},
    });
    bed.says::<EOfficeTenant>(Some(PROVINCE), name, taken_in)
        .await;
    let told = one_line(
        &bed.run_as(approver, &format!("approve {name}"))
            .await
            .gave(0),
    );
    assert!(told.contains("is approved already: by somsri"), "{told}");

    bed.tenant(PROVINCE, "free", json!({"observedGeneration": 1}))
        .await;
    let told = one_line(&bed.run_as(approver, "approve free --mou M").await.gave(0));
    assert!(told.contains("needs no approval"), "{told}");
}

async fn approve_a_province(bed: &Bed, approver: &Path) {
    let namespaces: Api<Namespace> = Api::all(bed.admin.clone());
    let approval = async || {
        let namespace = namespaces.get("province-34").await.unwrap();
        let mou = namespace.labels().get(labels::MOU).cloned();
        let by = namespace.annotations().get(annotations::MOU_APPROVED_BY);
        mou.zip(by.cloned())
    };
    let forged = json!({"metadata": {"labels": {labels::MOU: "M"}, "annotations": {annotations::MOU_APPROVED_BY: "x"}}});
    is_refused(&namespaces, "province-34", &forged).await;
    let words = "approve --province 34 --mou MOU-2567-34 -y";
    let told = bed.run(words).await.refused();
    assert!(told.contains("approvers"), "{told}");
    assert_eq!(approval().await, None);
    for _ in 0..2 {
        let told = one_line(&bed.run_as(approver, words).await.gave(0));
        assert!(told.contains("approved"), "{told}");
        let expected = ("MOU-2567-34".into(), APPROVER.into());
        assert_eq!(approval().await, Some(expected));
    }
    let told = bed
        .run_as(approver, "approve --province province-34 --withdraw -y")
        .await;
    assert!(told.gave(0).contains("is withdrawn"));
    assert_eq!(approval().await, None);
    for (words, said) in [
        (
            "--province 34 --mou 'MOU 34'",
            "cannot be written on a namespace",
        ),
        ("--province 99 --mou M", "province 99 has no namespace"),
        ("--province kube-system --mou M", "is no province's"),
    ] {
        let told = bed
            .run_as(approver, &format!("approve {words}"))
            .await
            .refused();
        assert!(told.contains(said), "{words}: {told}");
    }
}

/// The operator's part: what is asked for is done, except for tenants whose name says otherwise.
fn renew(tenant: &EOfficeTenant) -> Option<Value> {
    if tenant.namespace().as_deref() != Some(PROVINCE) || tenant.name_any().starts_with("deaf") {
        return None;
    }
    let known = tenant
        .status
        .as_ref()?
        .credentials
        .clone()
        .unwrap_or_default();
    let asked = |key| tenant.annotations().get(key).cloned();
    let (soon, now) = (
        asked(annotations::ROTATE_REQUESTED_AT),
        asked(annotations::ROTATE_NOW_REQUESTED_AT),
    );
    let credentials = if now != known.last_handled_rotate_now_at {
        json!({"lastHandledRotateNowAt": now, "rotation": null})
    } else if soon != known.last_handled_rotate_at {
        json!({
            "lastHandledRotateAt": soon, "issuedAt": "2026-11-21T10:00:01Z",
            "rotation": {"cause": "Asked", "since": "2026-11-21T10:00:00Z", "deadline": "2026-11-28T10:00:00Z",
                         "loginRetired": false, "keyRetired": false},
        })
    } else {
        return None;
    };
    Some(json!({"credentials": credentials}))
}

async fn rotate(bed: &Bed) {
    for name in ["r1", "r2", "deaf-1"] {
        bed.tenant(PROVINCE, name, json!({"observedGeneration": 1}))
            .await;
    }
    let _operator = bed.operator(renew).await;
    let text = one_line(&bed.run("rotate r1 r2 --wait").await.gave(0));
    for name in ["r1", "r2"] {
        let words = format!(
            "tenant {PROVINCE}/{name}: the new credentials are in its Secrets; those before end when nothing uses \
             them any more, at the latest 2026-11-28 10:00 UTC."
        );
        assert!(text.contains(&words), "{text}");
    }
    let text = one_line(&bed.run("rotate r1 --now --wait").await.gave(0));
    assert!(text.contains("those before are cut off"), "{text}");
    let before = now(bed, "r1").await.annotations().clone();
    let told = bed.run("rotate r1 nobody").await.refused();
    assert!(told.contains("there is no tenant nobody"), "{told}");
    assert_eq!(
        now(bed, "r1").await.annotations(),
        &before,
        "none is rotated"
    );
    let told = bed.run("rotate deaf-1 --wait --timeout 1s").await.refused();
    assert!(told.contains("nothing came of it within 1 s"), "{told}");
}

async fn close_and_reopen(bed: &Bed) {
    let name = "closes";
    bed.tenant(PROVINCE, name, json!({"observedGeneration": 1}))
        .await;
    let admin = bed.control_plane.admin_kubeconfig();
    let script = format!("printf 'no\\n' | kubectl eoffice suspend {name}");
    let told = bed.shell(admin, &script).await.refused();
    assert!(
        told.contains("เทศบาลเมืองปากช่อง: Close it for now?"),
        "{told}"
    );
    for (words, lifecycle) in [
        ("suspend closes -y", Lifecycle::Suspended),
        ("reopen closes", Lifecycle::Active),
        ("archive closes --yes", Lifecycle::Archived),
    ] {
        let told = one_line(&bed.run(words).await.gave(0));
        assert!(told.contains("will be"), "{told}");
        assert_eq!(now(bed, name).await.spec.lifecycle, lifecycle);
        let told = one_line(&bed.run(words).await.gave(0));
        assert!(told.contains("already"), "{told}");
    }
}

async fn auditors(bed: &Bed) {
    // Archived by the test before.
    let words = |rest: &str| format!("audit-access closes {rest}");
    let auditors = async || {
        let list = now(bed, "closes").await.spec.audit_access;
        let told = list.iter().map(|it| format!("{} {}", it.name, it.until.0));
        told.collect::<Vec<_>>()
    };
    let told = one_line(
        &bed.run(&words("--name oag --until 2036-01-31"))
            .await
            .gave(0),
    );
    assert!(
        told.contains("Secret eoffice-audit-oag in namespace eoffice-closes"),
        "{told}"
    );
    bed.run(&words("--name nacc --until 2036-02-01T09:00:00Z"))
        .await
        .gave(0);
    bed.run(&words("--name oag --until 2036-03-31"))
        .await
        .gave(0);
    assert_eq!(
        auditors().await,
        ["nacc 2036-02-01T09:00:00Z", "oag 2036-04-01T00:00:00Z"]
    );
    let told = one_line(&bed.run(&words("")).await.gave(0));
    assert!(
        told.contains("nacc 2036-02-01 09:00 UTC eoffice-audit-nacc"),
        "{told}"
    );
    let told = bed
        .run(&words("--name oag --until 2020-01-01"))
        .await
        .refused();
    assert!(told.contains("is over"), "{told}");
    let told = bed
        .run(&words("--name Oag --until 2036-01-31"))
        .await
        .refused();
    assert!(told.contains("lower-case letters"), "{told}");
    bed.run(&words("--name nacc --remove")).await.gave(0);
    assert_eq!(auditors().await, ["oag 2036-04-01T00:00:00Z"]);
    bed.run("reopen closes").await.gave(0);
    let told = one_line(
        &bed.run(&words("--name oag --until 2036-01-31"))
            .await
            .gave(0),
    );
    assert!(
        told.contains("Without effect until the tenant is archived"),
        "{told}"
    );
}

async fn retire(bed: &Bed) {
    let mut leaver = tenant(PROVINCE, "leaves");
    leaver["metadata"]["finalizers"] = json!([finalizers::TENANT]);
    let mut careless = tenant(PROVINCE, "careless");
    careless["spec"]["deletionPolicy"] = json!(DeletionPolicy::Delete);
    bed.apply(&[leaver, careless]).await;
    let admin = bed.control_plane.admin_kubeconfig();
    let kept = bed
        .shell(admin, "kubectl eoffice retire leaves < /dev/null")
        .await;
    assert!(kept.refused().contains("nobody answered"));
    assert_eq!(now(bed, "leaves").await.metadata.deletion_timestamp, None);
    // Who may not delete it is not named when somebody else does.
    let officer = "eoffice-operator-province-officer";
    let officer = bed
        .person_of("ClusterRole", "wichai", officer, PROVINCE)
        .await;
    let told = bed
        .run_as(&officer, &format!("retire leaves -y -n {PROVINCE}"))
        .await;
    assert!(
        told.refused().contains("delete tenant"),
        "nobody refused it"
    );
    let stays = now(bed, "leaves").await;
    assert_eq!(stays.metadata.deletion_timestamp, None);
    assert_eq!(stays.annotations().get(annotations::DELETED_BY), None);
    let told = one_line(&bed.run("retire leaves -y").await.gave(0));
    assert!(told.contains("kubectl eoffice restore leaves"), "{told}");
    let leaving = now(bed, "leaves").await;
    assert!(leaving.metadata.deletion_timestamp.is_some());
    let whoami = bed
        .shell(
            admin,
            "kubectl auth whoami -o jsonpath='{.status.userInfo.username}'",
        )
        .await;
    assert_eq!(
        leaving.annotations().get(annotations::DELETED_BY),
        Some(&whoami.out)
    );
    let told = one_line(&bed.run("retire leaves -y").await.gave(0));
    assert!(told.contains("being deleted already"), "{told}");
    // Closed, the operator lets it go; who waits is told.
    let tenants = Api::<EOfficeTenant>::namespaced(bed.as_operator().await, PROVINCE);
    let change = json!({"metadata": {"finalizers": null}});
    tenants
        .patch("leaves", &PatchParams::default(), &Patch::Merge(change))
        .await
        .unwrap();

    // What is destroyed is named, not nodded to.
    let told = bed
        .shell(admin, "kubectl eoffice retire careless -y < /dev/null")
        .await;
    assert!(told.out.contains("ALL DATA IS DESTROYED"), "{told:#?}");
    assert!(told.refused().contains("nobody answered"));
    let told = bed.run("retire careless --confirm leaves").await.refused();
    assert!(told.contains("\"leaves\" is not careless"), "{told}");
    let told = one_line(
        &bed.run("retire careless --confirm careless --wait")
            .await
            .gave(0),
    );
    assert!(told.contains("has left"), "{told}");
    let tenants = bed.within::<EOfficeTenant>(PROVINCE);
    assert_eq!(tenants.get_opt("careless").await.unwrap(), None);
}
