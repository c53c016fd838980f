//! A record that was lost and is put back, and what is corrected in one that is kept: who may, and how far.

use kube::Client;
use serde_json::{Value, json};

use crate::people::{NO_RIGHT, People, Row, each};
use crate::records::{THE_OPERATORS, record};
use crate::world::{Handle, allowed, refused};

const NO_CREATE: &str = "cannot create resource";

pub async fn all(people: &People<'_>, town: &Value) {
    by_whom(people, town).await;
    with_what(people, town).await;
}

/// A record that is put back as it should be.
fn put_back(town: &Value) -> Value {
    let mut record = town.clone();
    record["spec"]["state"] = "retained".into();
    record["spec"]["legalHold"] = true.into();
    record["spec"]["retainedAt"] = "2026-11-21T10:00:00Z".into();
    record["spec"]["retainUntil"] = "2036-11-21T10:00:00Z".into();
    record
}

async fn each_made(rows: &[(&str, &Client, Value, Option<&str>)]) {
    for (what, who, record, refusal) in rows {
        let handle = Handle::new(who, record).await;
        let attempt = || handle.try_create();
        match refusal {
            Some(sentence) => refused(what, sentence, attempt).await,
            None => allowed(what, attempt).await,
        }
    }
}

/// Whoever has a record gets in without another approval, so only an approver puts one back.
async fn by_whom(people: &People<'_>, town: &Value) {
    let kept = put_back(town);
    let mut live = town.clone();
    live["spec"]["state"] = "live".into();
    #[rustfmt::skip]
    let rows = [
        ("a platform admin", &people.pim, kept.clone(), Some(NO_CREATE)),
        ("a cluster admin", people.admin, kept.clone(), Some(THE_OPERATORS)),
        ("a cluster admin, a live one", people.admin, live.clone(), Some(THE_OPERATORS)),
        ("one with every right", people.anyone, kept.clone(), Some(THE_OPERATORS)),
        ("an officer", &people.nok, kept.clone(), Some(NO_CREATE)),
        ("an auditor", &people.aum, kept.clone(), Some(NO_CREATE)),
        ("the portal", &people.portal, kept.clone(), Some(NO_CREATE)),
        ("an approver", &people.somchai, kept.clone(), None),
        ("an approver, a live one", &people.somchai, live, None),
        ("the operator", people.operator, kept, None),
    ];
    each_made(&rows).await;
}

/// What a record that is put back must not bring with it.
fn inherited() -> Value {
    let order = json!({"committeeReference": "1/2579", "approvedBy": "somchai"});
    json!({
        "approval": {"fingerprint": "1", "approvedBy": "somchai"},
        "predecessor": {"namespace": "eoffice-another", "fingerprint": "1"},
        "successor": {"namespace": "province-30", "name": "another", "uid": "1"},
        "condemned": [{"kind": "database", "name": "eo_0", "place": "pg-a"}],
        "purge": order,
        "purgeAccepted": {"committeeReference": "1/2579", "approvedBy": "somchai",
            "at": "2026-11-21T10:00:00Z", "notBefore": "2026-11-28T10:00:00Z"},
        "destructions": [],
    })
}

async fn with_what(people: &People<'_>, town: &Value) {
    let kept = put_back(town);
    let with = |key: &str, value: &Value| {
        let mut record = kept.clone();
        record["spec"][key] = value.clone();
        record
    };
    for (field, value) in inherited().as_object().unwrap() {
        let begins = format!("begins without {field}:");
        let record = with(field, value);
        let rows = [
            (
                field.as_str(),
                &people.somchai,
                record.clone(),
                Some(begins.as_str()),
            ),
            (field, people.admin, record.clone(), Some(THE_OPERATORS)),
            (field, people.operator, record, None),
        ];
        each_made(&rows).await;
    }
    let mut other_name = kept.clone();
    other_name["metadata"]["name"] = "another".into();
    let elsewhere = record("eoffice-other", "town");
    let mut doomed = kept.clone();
    doomed["spec"]["frozen"]["allowDelete"] = true.into();
    let its_place = Some("the record of tenant town is called record, in namespace eoffice-town");
    let held = Some("is live, or retained with legalHold: true");
    #[rustfmt::skip]
    let rows = [
        ("of another name", &people.somchai, other_name, its_place),
        ("elsewhere", &people.somchai, elsewhere.clone(), its_place),
        ("elsewhere, the operator", people.operator, elsewhere, None),
        ("without a hold", &people.somchai, with("legalHold", &json!(false)), held),
        ("being purged", &people.somchai, with("state", &json!("purging")), held),
        ("destroyed", &people.somchai, with("state", &json!("destroyed")), held),
        ("succeeded", &people.somchai, with("state", &json!("succeeded")), held),
        ("to be deleted without a wait", &people.somchai, doomed, Some("set spec.frozen.allowDelete to false")),
    ];
    each_made(&rows).await;
}

/// What no program foresees is corrected in a tombstone, and nowhere else.
pub async fn corrected(people: &People<'_>, town: &Value, state: &str) {
    let retained = state == "retained";
    let spec = |field: &str, value: Value| json!({"spec": {field: value}});
    let agency = spec(
        "tenantSpec",
        json!({"agency": {"codes": [{"scheme": "dla", "value": "4302101"}]}}),
    );
    let approvers = Some("only approvers correct spec.tenantSpec");
    let only_agency =
        Some("nothing is corrected but the agency, and only while the record is retained");
    let not_here = (!retained).then_some("nothing is corrected but the agency, and only while");
    let fewer = spec("hosts", json!(["town.eoffice.example"]));
    let admins = Some("only platform admins let go of hosts");
    let never_in = Some("and never put in");
    let still = (!retained).then_some("hosts are taken out of a record that is retained");
    #[rustfmt::skip]
    let rows: [Row<'_>; 9] = [
        ("an approver's agency", &people.somchai, agency.clone(), not_here),
        ("a platform admin's agency", &people.pim, agency.clone(), approvers),
        ("a cluster admin's agency", people.admin, agency.clone(), approvers),
        ("every right's agency", people.anyone, agency.clone(), approvers),
        ("an officer's agency", &people.nok, agency, Some(NO_RIGHT)),
        ("a platform admin's hosts", &people.pim, fewer.clone(), still),
        ("an approver's hosts", &people.somchai, fewer.clone(), admins),
        ("every right's hosts", people.anyone, fewer, admins),
        ("another's host", &people.pim, spec("hosts", json!(["eoffice.neighbour.go.th"])), never_in),
    ];
    each(town, &rows).await;
    // What a tenant that is made again would be given, or would lose its data by.
    let given = [
        (
            "approval",
            json!({"mouReference": "MOU", "approvedBy": "somchai", "approvedAt": "2026-11-21T10:00:00Z"}),
        ),
        ("restoreFrom", json!("eoffice-merged-3021")),
        ("deletionPolicy", json!("Delete")),
        ("users", json!(9000)),
        ("whatever", Value::Null),
    ];
    for (what, value) in given {
        let patch = spec("tenantSpec", json!({what: value}));
        let rows: [Row<'_>; 3] = [
            (what, &people.somchai, patch.clone(), only_agency),
            (what, &people.pim, patch.clone(), approvers),
            (what, people.operator, patch, None),
        ];
        each(town, &rows).await;
    }
}
