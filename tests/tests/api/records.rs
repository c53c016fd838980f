//! A record, field by field and state by state: who may write it, and that nobody ends it while data stands behind it.

use std::collections::BTreeSet;

use eoffice_crds::TenantRecord;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{CustomResourceExt, Error};
use serde_json::{Value, json};

use crate::admission::namespace;
use crate::people::{NO_RIGHT, People, Row, each};
use crate::restored;
use crate::world::{Handle, allowed, eventually, refused};

pub const THE_OPERATORS: &str = "records are written by the operator only";
const NOT_ENDED: &str = "data of tenant town stands behind this record, and nobody deletes it";

pub async fn all(people: &People<'_>) {
    let record = record("eoffice-town", "town");
    restored::all(people, &record).await;
    let by_operator = Handle::new(people.operator, &record).await;
    let finalizer = json!({"metadata": {"finalizers": ["eoffice.gdcc.go.th/data"]}});
    by_operator.create().await.unwrap();
    by_operator.patch(&finalizer).await.unwrap();
    fields(people, &record).await;
    for state in ["live", "retained", "purging", "destroyed", "succeeded"] {
        let patch = json!({"spec": {"state": state}});
        by_operator.patch(&patch).await.unwrap();
        legal_hold(people, &record).await;
        keeping(people, &record).await;
        restored::corrected(people, &record, state).await;
        orders(people, &record, state).await;
        endings(people, &record, state).await;
    }
    orders_given(people, &record).await;
    a_namespace_that_ends(people, &record).await;
}

pub fn record(namespace: &str, tenant: &str) -> Value {
    json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "TenantRecord",
        "metadata": {"name": "record", "namespace": namespace},
        "spec": {
            "installationId": "sandbox", "fingerprint": "0", "state": "live", "hosts": ["town.eoffice.example", "eoffice.town.go.th"],
            "tenant": {"namespace": "province-30", "name": tenant, "uid": "0"},
            "frozen": {"class": "standard", "baseDomain": "eoffice.example", "store": "objects", "versioning": true,
                       "allowDelete": false, "retain": {"days": 1, "restore": "Automatic"}},
            "database": {"server": "pg-a", "systemIdentifier": "1", "name": "eo_0", "role": "eo_0_owner", "login": "eo_0_a", "connectionLimit": 20},
            "storage": {"store": "objects", "storeIdentity": "1", "bucket": "eo-0-documents", "user": "eo-0"},
            "tenantSpec": {"agency": {"nameTh": "เทศบาล", "province": "30"}, "whatever": "is kept"},
        },
    })
}

/// A change of every field that is the operator's alone.
fn operators() -> Value {
    json!({
        "installationId": "another", "fingerprint": "1", "tenant": {"uid": "1"}, "state": "destroyed",
        "frozen": {"allowDelete": true}, "database": {"name": "eo_1"}, "storage": {"bucket": "eo-1-documents"},
        "settled": {"Namespace": "0"}, "verifiedAt": "2026-11-21T10:00:00Z", "retainedAt": "2016-11-21T10:00:00Z",
        "retainUntil": "2026-11-21T10:00:00Z", "deletedBy": "pim", "sizes": {"objects": 0},
        "approval": {"fingerprint": "1", "approvedBy": "pim"}, "rotation": {"issuedAt": "2026-11-21T10:00:00Z"},
        "purgeAccepted": {"committeeReference": "1", "approvedBy": "pim", "at": "2026-11-21T10:00:00Z", "notBefore": "2026-11-21T10:00:00Z"},
        "successor": {"namespace": "province-30", "name": "another", "uid": "1"},
        "predecessor": {"namespace": "eoffice-another", "fingerprint": "1"},
        "destructions": [], "condemned": [{"kind": "database", "name": "eo_0", "place": "pg-a"}],
    })
}

/// What a tombstone is kept by.
fn dates() -> [(&'static str, Value); 5] {
    [
        ("retainedAt", json!("2006-11-21T10:00:00Z")),
        ("retainedAt", Value::Null),
        ("retainUntil", json!("2006-11-21T10:00:00Z")),
        ("retainUntil", Value::Null),
        ("frozen", json!({"retain": {"days": 1}})),
    ]
}

/// Nobody but the operator changes what a tombstone is kept by.
async fn keeping(people: &People<'_>, record: &Value) {
    let by_operator = Handle::new(people.operator, record).await;
    let frozen = |days: u32| json!({"retain": {"days": days}});
    let left = json!({"retainedAt": "2016-11-21T10:00:00Z", "retainUntil": "2036-11-21T10:00:00Z", "frozen": frozen(3650)});
    by_operator.patch(&json!({"spec": left})).await.unwrap();
    for (field, value) in dates() {
        let patch = json!({"spec": {field: value}});
        let sentence = format!("{THE_OPERATORS}, and so is {field} of spec");
        let theirs = Some(sentence.as_str());
        let rows: [Row<'_>; 4] = [
            (field, &people.pim, patch.clone(), theirs),
            (field, &people.somchai, patch.clone(), theirs),
            (field, people.admin, patch.clone(), theirs),
            (field, people.operator, patch, None),
        ];
        each(record, &rows).await;
    }
    let none = json!({"retainedAt": null, "retainUntil": null, "frozen": frozen(1)});
    by_operator.patch(&json!({"spec": none})).await.unwrap();
}

async fn fields(people: &People<'_>, record: &Value) {
    let keys = |value: &Value| -> BTreeSet<String> {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|it| it.0.clone())
            .collect()
    };
    let definition = serde_json::to_value(TenantRecord::crd()).unwrap();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let people_write = json!({"legalHold": true, "purge": null, "hosts": [], "tenantSpec": {}});
    let known = [operators(), people_write];
    let known: BTreeSet<_> = known.iter().flat_map(keys).collect();
    assert_eq!(
        known,
        keys(definition.pointer(schema).unwrap()),
        "every field is tried here"
    );
    for (field, value) in operators().as_object().unwrap() {
        let patch = json!({"spec": {field: value}});
        let sentence = format!("{THE_OPERATORS}, and so is {field} of spec");
        let theirs = Some(sentence.as_str());
        let rows: [Row<'_>; 6] = [
            (field, &people.pim, patch.clone(), theirs),
            (field, people.admin, patch.clone(), theirs),
            (field, &people.somchai, patch.clone(), theirs),
            (field, people.anyone, patch.clone(), theirs),
            (field, &people.nok, patch.clone(), Some(NO_RIGHT)),
            (field, people.operator, patch, None),
        ];
        each(record, &rows).await;
    }
    metadata(people, record).await;
    status(people, record).await;
}

async fn metadata(people: &People<'_>, record: &Value) {
    let label = json!({"metadata": {"labels": {"eoffice.gdcc.go.th/tenant": "another"}}});
    let note = json!({"metadata": {"annotations": {"a": "b"}}});
    let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "0"}]}});
    let free = json!({"metadata": {"finalizers": null}});
    let kept = Some("the operator alone removes eoffice.gdcc.go.th/data");
    let owned = Some("a record has no owner");
    let labels = Some("the labels and annotations of a record are the operator's");
    let rows: [Row<'_>; 11] = [
        ("a label", &people.somchai, label.clone(), labels),
        ("a note", &people.somchai, note.clone(), labels),
        ("a label", people.anyone, label.clone(), labels),
        ("a label", &people.pim, label, None),
        ("a note", &people.pim, note, None),
        ("an owner", &people.pim, owner.clone(), owned),
        ("an owner", &people.somchai, owner, owned),
        ("its finalizer", &people.somchai, free.clone(), kept),
        ("its finalizer", &people.pim, free.clone(), kept),
        ("its finalizer", people.admin, free.clone(), kept),
        ("its finalizer", people.operator, free, None),
    ];
    each(record, &rows).await;
}

async fn status(people: &People<'_>, record: &Value) {
    let condition = json!({"type": "Purged", "status": "True", "reason": "Destroyed", "message": "forged",
        "lastTransitionTime": "2026-11-21T10:00:00Z"});
    let status = Patch::Merge(json!({"status": {"conditions": [condition]}}));
    let params = PatchParams::default().dry_run();
    let theirs = "the status of a record is written by the operator only";
    for who in [people.admin, people.anyone] {
        let handle = Handle::new(who, record).await;
        refused("a record's status", theirs, || async {
            let written = handle.api.patch_status(&handle.name, &params, &status);
            written.await.map(drop)
        })
        .await;
    }
    let handle = Handle::new(people.operator, record).await;
    allowed("the operator", || async {
        let written = handle.api.patch_status(&handle.name, &params, &status);
        written.await.map(drop)
    })
    .await;
}

async fn legal_hold(people: &People<'_>, record: &Value) {
    let hold = json!({"spec": {"legalHold": true}});
    let theirs = Some("only approvers and platform admins write spec.legalHold");
    let rows: [Row<'_>; 6] = [
        ("an approver", &people.somchai, hold.clone(), None),
        ("a platform admin", &people.pim, hold.clone(), None),
        ("one with every right", people.anyone, hold.clone(), theirs),
        ("an officer", &people.nok, hold.clone(), Some(NO_RIGHT)),
        ("an auditor", &people.aum, hold.clone(), Some(NO_RIGHT)),
        ("the portal", &people.portal, hold, Some(NO_RIGHT)),
    ];
    each(record, &rows).await;
}

fn order(by: &str) -> Value {
    json!({"spec": {"purge": {"committeeReference": "กก. 7/2579", "approvedBy": by}}})
}

/// A purge is an approver's to order, in his own name, of what is retained.
async fn orders(people: &People<'_>, record: &Value, state: &str) {
    let not_retained = format!("is ordered for what is retained, and this record is {state}");
    let own = (state != "retained").then_some(not_retained.as_str());
    let theirs = Some("only approvers write spec.purge");
    let another = Some("nobody orders a purge in another's name");
    let by_nok = order("nok");
    let rows: [Row<'_>; 8] = [
        (state, &people.somchai, order("somchai"), own),
        ("for another", &people.somchai, order("malee"), another),
        ("a platform admin", &people.pim, order("pim"), theirs),
        ("as an approver", &people.pim, order("somchai"), theirs),
        ("a cluster admin", people.admin, order("admin"), theirs),
        ("every right", people.anyone, order("officer"), theirs),
        ("an officer", &people.nok, by_nok, Some(NO_RIGHT)),
        ("an auditor", &people.aum, order("aum"), Some(NO_RIGHT)),
    ];
    each(record, &rows).await;
}

/// An order that was given, through every state: withdrawn while nothing is destroyed, and never afterwards.
async fn orders_given(people: &People<'_>, record: &Value) {
    let by_operator = Handle::new(people.operator, record).await;
    let state = |state: &str| json!({"spec": {"state": state}});
    by_operator.patch(&state("retained")).await.unwrap();
    let by_somchai = Handle::new(&people.somchai, record).await;
    by_somchai.patch(&order("somchai")).await.unwrap();
    let none = json!({"spec": {"purge": null}});
    let other = json!({"spec": {"purge": {"committeeReference": "กก. 8/2579"}}});
    for (now, withdrawn) in [
        ("live", None),
        ("retained", None),
        (
            "purging",
            Some("the purge has begun and cannot be withdrawn any more: spec.legalHold"),
        ),
        (
            "destroyed",
            Some("its order stays beside what it destroyed"),
        ),
        (
            "succeeded",
            Some("its order stays beside what it destroyed"),
        ),
    ] {
        by_operator.patch(&state(now)).await.unwrap();
        let theirs = Some("only approvers and platform admins withdraw a purge");
        let changed = match now {
            "retained" => None,
            _ => Some("a purge is ordered for what is retained"),
        };
        let rows: [Row<'_>; 8] = [
            ("an approver", &people.somchai, none.clone(), withdrawn),
            ("another approver", &people.malee, none.clone(), withdrawn),
            ("a platform admin", &people.pim, none.clone(), withdrawn),
            ("every right", people.anyone, none.clone(), theirs),
            ("an officer", &people.nok, none.clone(), Some(NO_RIGHT)),
            ("another order", &people.somchai, other.clone(), changed),
            (
                "another order in his name",
                &people.malee,
                other.clone(),
                Some("nobody orders a purge in another's name"),
            ),
            (
                "a hold beside it",
                &people.pim,
                json!({"spec": {"legalHold": true}}),
                None,
            ),
        ];
        each(record, &rows).await;
    }
    by_operator.patch(&none).await.unwrap();
}

async fn endings(people: &People<'_>, record: &Value, state: &str) {
    let over = ["destroyed", "succeeded"].contains(&state);
    let kept = (!over).then_some(NOT_ENDED);
    let rows = [
        ("a platform admin", &people.pim, kept),
        ("a cluster admin", people.admin, kept),
        (
            "every right",
            people.anyone,
            kept.or(Some("removed by the operator and the platform admins only")),
        ),
        (
            "an approver",
            &people.somchai,
            Some("cannot delete resource"),
        ),
        ("an officer", &people.nok, Some("cannot delete resource")),
        ("the operator", people.operator, None),
    ];
    for (who, client, refusal) in rows {
        let handle = Handle::new(client, record).await;
        let what = format!("{who} ends a record that is {state}");
        let attempt = || handle.try_delete();
        match refusal {
            Some(sentence) => refused(&what, sentence, attempt).await,
            None => allowed(&what, attempt).await,
        }
    }
    if let Some(sentence) = kept {
        let handle = Handle::new(people.admin, record).await;
        let (delete, all) = (DeleteParams::default().dry_run(), ListParams::default());
        refused("all records at once", sentence, || async {
            let ended = handle.api.delete_collection(&delete, &all);
            ended.await.map(drop)
        })
        .await;
    }
    // A tombstone's namespace is no easier to delete than a living tenant's.
    let town = namespace("eoffice-town", json!({}));
    for who in [&people.pim, people.admin, people.anyone] {
        let handle = Handle::new(who, &town).await;
        let sentence = "holds the record and the data of tenant town, also after that was deleted";
        refused("its namespace", sentence, || handle.try_delete()).await;
    }
}

/// Kubernetes empties a namespace that is being deleted, but for a record that has data behind it.
async fn a_namespace_that_ends(people: &People<'_>, record: &Value) {
    let by_operator = Handle::new(people.operator, record).await;
    let retained = json!({"spec": {"state": "retained"}});
    by_operator.patch(&retained).await.unwrap();
    let town = Handle::new(people.operator, &namespace("eoffice-town", json!({}))).await;
    town.delete().await.unwrap();
    eventually(|| async {
        let conditions = &town.api.get(&town.name).await?.data["status"]["conditions"];
        let refused = conditions.to_string().contains(NOT_ENDED);
        refused
            .then_some(())
            .ok_or_else(|| Error::Service(format!("not tried yet: {conditions}").into()))
    })
    .await;
    let kept = by_operator.api.get(&by_operator.name).await.unwrap();
    assert_eq!(kept.metadata.deletion_timestamp, None);

    let destroyed = json!({"metadata": {"finalizers": null}, "spec": {"state": "destroyed"}});
    by_operator.patch(&destroyed).await.unwrap();
    eventually(|| async {
        match town.api.get_opt(&town.name).await? {
            None => Ok(()),
            Some(left) => Err(Error::Service(
                format!("still there: {:?}", left.data["status"]).into(),
            )),
        }
    })
    .await;
}
