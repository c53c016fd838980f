//! What tenants left behind: shown, given back, taken over, held, ordered away and not.

use std::path::Path;

use eoffice_crds::{EOfficeTenant, RECORD_NAME, TenantRecord};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::bed::{Bed, one_line, seen, tenant};
use crate::people::is_refused;

const PROVINCE: &str = "province-34";
const OVER: &str = "2026-01-01T00:00:00Z";
const APPROVER: &str = "somsak";

pub async fn all(bed: &Bed) {
    let approver = bed.approver(APPROVER).await;
    prepare(bed).await;
    retained(bed).await;
    restore(bed).await;
    take_over(bed, &approver).await;
    explicit(bed, &approver).await;
    hold(bed).await;
    refused(bed, &approver).await;
    purge(bed, &approver).await;
}

/// A record, as the operator would have left it, with these fields put into its spec.
pub async fn record(bed: &Bed, name: &str, fields: Value) {
    let namespace = format!("eoffice-{name}");
    bed.apply(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})])
        .await;
    let mut record = json!({
        "metadata": {"name": RECORD_NAME},
        "spec": {
            "installationId": "sandbox", "fingerprint": "f", "state": "retained", "hosts": [],
            "tenant": {"namespace": PROVINCE, "name": name, "uid": "u"},
            "frozen": {
                "class": "standard", "baseDomain": "eoffice.example", "store": "objects", "versioning": true,
                "allowDelete": false, "retain": {"days": 3650, "restore": "Automatic"},
            },
            "database": {"server": "pg-a", "systemIdentifier": "7", "name": format!("eo_{name}"), "role": "r",
                         "login": "l", "connectionLimit": 20},
            "storage": {"store": "objects", "storeIdentity": "s", "bucket": format!("eo-{name}"), "user": "u"},
            "tenantSpec": tenant(PROVINCE, name)["spec"],
            "retainedAt": "2016-01-01T00:00:00Z", "retainUntil": OVER, "deletedBy": "argocd",
            "sizes": {"databaseBytes": 3_i64 << 30, "storageBytes": 0, "objects": 12},
        },
    });
    let spec = record["spec"].as_object_mut().unwrap();
    spec.extend(fields.as_object().unwrap().clone());
    let records = Api::<TenantRecord>::namespaced(bed.as_operator().await, &namespace);
    let record = serde_json::from_value(record).unwrap();
    records
        .create(&PostParams::default(), &record)
        .await
        .unwrap();
}

async fn now(bed: &Bed, name: &str) -> TenantRecord {
    let records = bed.within::<TenantRecord>(&format!("eoffice-{name}"));
    records.get(RECORD_NAME).await.unwrap()
}

async fn prepare(bed: &Bed) {
    record(bed, "t-kept", json!({})).await;
    record(
        bed,
        "t-young",
        json!({"retainUntil": "2099-01-01T00:00:00Z"}),
    )
    .await;
    // Its tenant went without being closed.
    record(bed, "t-open", json!({"state": "live", "retainUntil": null})).await;
    record(
        bed,
        "t-purging",
        json!({
            "state": "purging", "purge": {"committeeReference": "NAT-1", "approvedBy": APPROVER},
        }),
    )
    .await;
    let frozen = json!({
        "class": "careful", "baseDomain": "eoffice.example", "store": "objects", "versioning": true,
        "allowDelete": false, "retain": {"days": 3650, "restore": "Explicit"},
    });
    record(bed, "t-explicit", json!({"frozen": frozen})).await;
}

async fn retained(bed: &Bed) {
    let text = bed.run(&format!("retained -n {PROVINCE}")).await.gave(0);
    for words in [
        "TENANT ",
        "t-kept ",
        "3.0 GiB 2099-01-01",
        "purging",
        "5 tenants: 3 kept, 1 gone without being closed, with access open yet (restore makes it again), 1 being \
         destroyed",
    ] {
        assert!(one_line(&text).contains(words), "{words}: {text}");
    }
    let told = one_line(&bed.run("doctor").await.gave(1));
    assert!(
        told.contains("tenant t-open is gone without having been closed"),
        "{told}"
    );
    let text = bed.run("retained -o name").await.gave(0);
    assert!(text.contains("t-kept\n"), "{text}");
    let text = one_line(&bed.run("retained t-kept").await.gave(0));
    for words in [
        "deleted by argocd",
        "kept until 2026-01-01 00:00 UTC",
        "12 versions of objects",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let json = bed.run(&format!("retained -n {PROVINCE} -o json")).await;
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(told["retained"].as_array().unwrap().len(), 5);
    assert_eq!(told["retained"][0]["name"], "t-explicit");
    let viewer = bed.person("onlooker", "view", PROVINCE).await;
    let told = bed.run_as(&viewer, "retained").await.refused();
    assert!(
        told.contains("kubectl eoffice retained TENANT looks at one"),
        "{told}"
    );
    let told = bed.run("retained nobody").await.refused();
    assert!(
        told.contains("there is no record of a tenant nobody"),
        "{told}"
    );
}

async fn restore(bed: &Bed) {
    let told = bed.run("restore t-kept t-open t-purging").await;
    assert_eq!(told.code, 1, "{told:#?}");
    for name in ["t-kept", "t-open"] {
        let again = format!("tenant {PROVINCE}/{name} is made again.");
        assert!(told.out.contains(&again), "{told:#?}");
    }
    let why = one_line(&told.err);
    assert!(
        why.contains("tenant t-purging is not made again: its data is being destroyed"),
        "{why}"
    );
    let made = bed
        .within::<EOfficeTenant>(PROVINCE)
        .get("t-kept")
        .await
        .unwrap();
    let before = now(bed, "t-kept").await.spec.tenant_spec;
    assert_eq!(made.spec, before);
    for name in ["t-kept", "t-open"] {
        let told = bed.run(&format!("restore {name}")).await.refused();
        assert!(told.contains("is there already"), "{told}");
    }
    let text = bed.run("retained -o name").await.gave(0);
    assert!(!text.contains("t-open"), "{text}");
    // Nobody makes its status; with one that is Ready, who waits is told.
    let ready = json!({"observedGeneration": 1, "conditions": [crate::bed::condition("Ready", "True", "AsExpected", "")]});
    bed.run("retire t-kept -y --wait").await.gave(0);
    let tenants = bed.within::<EOfficeTenant>(PROVINCE);
    let (told, ()) = tokio::join!(bed.run("restore t-kept --wait"), async {
        seen(tenants, "t-kept", |_| true).await;
        bed.says::<EOfficeTenant>(Some(PROVINCE), "t-kept", ready)
            .await;
    });
    assert!(told.gave(0).contains("t-kept is Ready."));
    bed.run("retire t-kept -y --wait").await.gave(0);
}

async fn take_over(bed: &Bed, approver: &Path) {
    let heir = "t-heir";
    bed.apply(&[tenant(PROVINCE, heir)]).await;
    let restored_from = async || {
        let tenants = bed.within::<EOfficeTenant>(PROVINCE);
        tenants.get(heir).await.unwrap().spec.restore_from
    };
    let claim = json!({"spec": {"restoreFrom": "eoffice-t-young"}});
    is_refused(&bed.within::<EOfficeTenant>(PROVINCE), heir, &claim).await;
    let words = format!("restore {heir} --from eoffice-t-young -y");
    let told = bed.run(&words).await.refused();
    assert!(
        told.contains("only approvers write spec.restoreFrom"),
        "{told}"
    );
    let told = bed
        .run_as(approver, &format!("restore {heir} --from eoffice-t-open"))
        .await;
    assert!(
        told.refused()
            .contains("eoffice-t-open is live: only what a tenant has left")
    );
    let script = format!("printf 'n\\n' | kubectl eoffice restore {heir} --from eoffice-t-young");
    let told = bed.shell(approver, &script).await;
    assert!(told.out.contains("deleted by   argocd"), "{told:#?}");
    assert!(told.refused().contains("nothing was done"));
    assert_eq!(restored_from().await, None);
    bed.run_as(approver, &words).await.gave(0);
    assert_eq!(restored_from().await.as_deref(), Some("eoffice-t-young"));
}

/// Who may make a tenant need not be who gives it the data.
async fn explicit(bed: &Bed, approver: &Path) {
    let next = "kubectl eoffice restore t-explicit --from eoffice-t-explicit";
    let told = bed.run("restore t-explicit").await.refused();
    assert!(
        told.contains("is made again") && told.contains(next),
        "{told}"
    );
    let words = "restore t-explicit --from eoffice-t-explicit -y";
    bed.run_as(approver, words).await.gave(0);
    let made = bed
        .within::<EOfficeTenant>(PROVINCE)
        .get("t-explicit")
        .await
        .unwrap();
    assert_eq!(
        made.spec.restore_from.as_deref(),
        Some("eoffice-t-explicit")
    );
}

async fn hold(bed: &Bed) {
    for (words, held) in [
        ("legal-hold t-kept", true),
        ("legal-hold t-kept --release -y", false),
        ("legal-hold t-kept", true),
    ] {
        bed.run(words).await.gave(0);
        assert_eq!(now(bed, "t-kept").await.spec.legal_hold, held, "{words}");
    }
    let told = one_line(&bed.run("legal-hold t-kept").await.gave(0));
    assert!(told.contains("nothing to change"), "{told}");
    let admin = bed.control_plane.admin_kubeconfig();
    let script = "kubectl eoffice legal-hold t-kept --release < /dev/null";
    assert!(
        bed.shell(admin, script)
            .await
            .refused()
            .contains("nobody answered")
    );
}

async fn refused(bed: &Bed, approver: &Path) {
    for (words, said) in [
        ("t-kept --committee NAT-2", "it is under a legal hold"),
        (
            "t-young --committee NAT-2",
            "it is kept until 2099-01-01 00:00 UTC",
        ),
        (
            "t-open --committee NAT-2",
            "kubectl eoffice retire t-open comes first",
        ),
        ("t-purging --committee NAT-2", "that is under way"),
        (
            "t-purging --withdraw",
            "kubectl eoffice legal-hold t-purging stops",
        ),
    ] {
        let told = bed
            .run_as(approver, &format!("purge {words}"))
            .await
            .refused();
        assert!(told.contains(said), "{words}: {told}");
    }
    bed.run("legal-hold t-kept --release -y").await.gave(0);
    let order = json!({"spec": {"purge": {"committeeReference": "NAT-2", "approvedBy": "x"}}});
    is_refused(
        &bed.within::<TenantRecord>("eoffice-t-kept"),
        RECORD_NAME,
        &order,
    )
    .await;
    let words = "purge t-kept --committee NAT-2 --confirm t-kept";
    let told = bed.run(words).await.refused();
    assert!(told.contains("only approvers write spec.purge"), "{told}");
    let told = bed
        .run_as(approver, "purge t-kept --committee NAT-2 --confirm t-young")
        .await;
    assert!(told.refused().contains("\"t-young\" is not t-kept"));
    assert_eq!(now(bed, "t-kept").await.spec.purge, None);
}

async fn purge(bed: &Bed, approver: &Path) {
    let order = json!({"committeeReference": "NAT-2", "approvedBy": APPROVER});
    let script = "echo t-kept | kubectl eoffice purge t-kept --committee NAT-2";
    let (ran, ()) = tokio::join!(bed.shell(approver, script), take_in(bed, "t-kept"));
    let text = one_line(&ran.gave(0));
    for words in [
        "ALL DATA named here is to be destroyed on NAT-2, by somsak",
        "NAT-2 is ordered by somsak. Nothing is destroyed before 2026-11-28 10:00 UTC.",
        "purge t-kept --withdraw",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(json!(now(bed, "t-kept").await.spec.purge), order);
    let told = one_line(
        &bed.run_as(approver, "purge t-kept --committee NAT-2")
            .await
            .gave(0),
    );
    assert!(told.contains("is ordered already"), "{told}");
    for said in ["NAT-2 is withdrawn", "no destruction is ordered"] {
        let told = one_line(
            &bed.run_as(approver, "purge t-kept --withdraw")
                .await
                .gave(0),
        );
        assert!(told.contains(said), "{told}");
        assert_eq!(now(bed, "t-kept").await.spec.purge, None);
    }
}

/// The operator's part: an order that is written is taken in.
pub async fn take_in(bed: &Bed, name: &str) {
    let namespace = format!("eoffice-{name}");
    let records = bed.within::<TenantRecord>(&namespace);
    let ordered = seen(records, RECORD_NAME, |it| it.spec.purge.is_some()).await;
    let mut accepted = json!(ordered.spec.purge);
    accepted["at"] = json!("2026-11-21T10:00:00Z");
    accepted["notBefore"] = json!("2026-11-28T10:00:00Z");
    let change = json!({"spec": {"purgeAccepted": accepted}});
    let records = Api::<TenantRecord>::namespaced(bed.as_operator().await, &namespace);
    let params = PatchParams::default();
    let change = Patch::Merge(change);
    records.patch(RECORD_NAME, &params, &change).await.unwrap();
}
