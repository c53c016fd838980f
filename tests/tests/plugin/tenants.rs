//! How tenants stand, what differs, and that changes are stopped and go on.

use eoffice_crds::{EOfficeTenant, TenantClass, annotations};
use kube::api::Api;
use serde_json::{Value, json};

use crate::bed::{Bed, condition, one_line};

const TOWN: &str = "town-pak-chong-3021";
const LOST: &str = "tao-nong-nam-daeng-yai-3021";

pub async fn all(bed: &Bed) {
    prepare(bed).await;
    status(bed).await;
    officer(bed).await;
    drift(bed).await;
    pause_and_resume(bed).await;
}

async fn prepare(bed: &Bed) {
    let fine = ["Ready", "Available", "Verified", "Synced"]
        .map(|kind| condition(kind, "True", "AsExpected", "as asked"));
    let status = json!({
        "observedGeneration": 1, "phase": "Active", "conditions": fine, "namespace": "eoffice-town-pak-chong-3021",
        "url": "https://town-pak-chong-3021.eoffice.example",
        "database": {"server": "pg-a", "name": "eo_3f9c", "secretRef": {"name": "eoffice-database"}},
    });
    bed.tenant("province-30", TOWN, status).await;
    let lost = "database eo_77aa is gone from pg-a. Restore it and write the annotation \
                eoffice.gdcc.go.th/accept-restored, or name the loss";
    let difference = |action: &str, object: &str| {
        json!({
            "plane": "Database", "object": object, "field": "connectionLimit", "expected": "20", "observed": "500",
            "actor": "unknown", "firstSeen": "2026-11-21T09:00:00Z", "lastSeen": "2026-11-21T10:00:00Z", "count": 4,
            "action": action,
        })
    };
    let status = json!({
        "observedGeneration": 1, "phase": "Failed",
        "conditions": [
            condition("Ready", "False", "DataMissing", lost), condition("Stalled", "True", "DataMissing", lost),
            condition("Synced", "False", "Drifted", "1 difference is only reported"),
        ],
        "drift": [difference("Reported", "role eo_77aa_a"), difference("Corrected", "role eo_77aa_b")],
    });
    bed.tenant("province-31", LOST, status).await;
}

async fn status(bed: &Bed) {
    let text = bed.run("status -n province-30").await.gave(0);
    assert!(text.starts_with("NAME "), "{text}");
    assert!(
        text.contains(&format!("{TOWN}  เทศบาลเมืองปากช่อง  True   Active")),
        "{text}"
    );
    let text = bed.run("status --province 31").await.gave(0);
    assert!(
        text.contains("DataMissing") && text.contains('…') && text.contains(LOST),
        "{text}"
    );
    let text = bed.run("status -A").await.gave(0);
    assert!(
        text.contains("province-30") && text.contains("province-31"),
        "{text}"
    );
    // Found without -n, wherever it is.
    let text = one_line(&bed.run(&format!("status {LOST}")).await.gave(0));
    assert!(text.contains(&format!("province-31/{LOST}")), "{text}");
    assert!(
        text.contains(
            "Restore it and write the annotation eoffice.gdcc.go.th/accept-restored, or name"
        ),
        "{text}"
    );
    let json = bed.run(&format!("status {TOWN} -o json")).await;
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(told["tenants"][0]["ready"], "True");
    assert_eq!(
        told["tenants"][0]["conditions"].as_array().unwrap().len(),
        4
    );
    let told = bed.run("status nobody").await.refused();
    assert_eq!(told, "error: there is no tenant nobody in any namespace");
    let empty = bed.run("status -n kube-system").await;
    assert!(
        empty.code == 0 && empty.err.contains("no tenants in namespace kube-system"),
        "{empty:#?}"
    );
}

/// Somebody who may look into his own province only.
async fn officer(bed: &Bed) {
    let officer = bed.person("somchai", "view", "province-30").await;
    let told = bed.run_as(&officer, "status -A").await.refused();
    assert!(
        told.contains("you lack the right: ") && told.contains("cannot list resource"),
        "{told}"
    );
    let ran = bed.run_as(&officer, "status --province 30").await;
    assert!(
        ran.err.contains("only province-30 is looked at"),
        "{ran:#?}"
    );
    assert!(ran.gave(0).contains(TOWN));
    let told = bed
        .run_as(&officer, &format!("status {LOST}"))
        .await
        .refused();
    assert!(told.contains("give that of its province with -n"), "{told}");
    let told = bed
        .run_as(&officer, &format!("pause {TOWN} -n province-30"))
        .await
        .refused();
    assert!(told.contains("cannot patch resource"), "{told}");
}

async fn drift(bed: &Bed) {
    let text = one_line(&bed.run(&format!("drift {LOST}")).await.gave(1));
    for words in [
        "Synced False (Drifted): 1 difference is only reported",
        "Reported Database role eo_77aa_a connectionLimit expected 20 found 500 by unknown, 4 times",
        "Corrected Database role eo_77aa_b",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = bed.run(&format!("drift {TOWN}")).await.gave(0);
    assert!(text.contains("Nobody else has changed anything"), "{text}");
    let text = bed.run("drift -n province-31").await.gave(1);
    assert!(
        text.starts_with("TENANT ") && text.contains("1 tenant with something open"),
        "{text}"
    );
    let json = bed.run("drift -n province-31 -o json").await;
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (json.code, &told["tenants"][0]["drift"][0]["observed"]),
        (1, &json!("500"))
    );
}

async fn pause_and_resume(bed: &Bed) {
    let tenants = bed.within::<EOfficeTenant>("province-30");
    let classes: Api<TenantClass> = Api::all(bed.admin.clone());
    let paused = |notes: &Option<std::collections::BTreeMap<String, String>>| {
        notes
            .as_ref()
            .and_then(|notes| notes.get(annotations::PAUSED).cloned())
    };
    let told = bed.run(&format!("pause {TOWN}")).await.gave(0);
    assert!(
        told.contains(&format!("tenant province-30/{TOWN} is paused")),
        "{told}"
    );
    let now = tenants.get(TOWN).await.unwrap();
    assert_eq!(paused(&now.metadata.annotations).as_deref(), Some("true"));
    let text = bed.run("status -n province-30").await.gave(0);
    assert!(
        text.contains("Paused") && text.contains("1 paused"),
        "{text}"
    );
    bed.run(&format!("resume {TOWN}")).await.gave(0);
    let now = tenants.get(TOWN).await.unwrap();
    assert_eq!(paused(&now.metadata.annotations), None);
    bed.run("pause class/trial").await.gave(0);
    let now = classes.get("trial").await.unwrap();
    assert_eq!(paused(&now.metadata.annotations).as_deref(), Some("true"));
    bed.run("resume class/trial").await.gave(0);
    let now = classes.get("trial").await.unwrap();
    assert_eq!(paused(&now.metadata.annotations), None);
    let told = bed.run("pause class/nothing").await.refused();
    assert!(
        told.contains("tenantclasses.eoffice.gdcc.go.th \"nothing\" not found"),
        "{told}"
    );
}
