//! Who approves, and in whose name: a tenant, a whole province, a takeover. Each row is what one person tries.

use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::admission::namespace;
use crate::people::{NO_RIGHT, People, Row, each};
use crate::world::{Handle, allowed, refused};

/// What admission says.
const APPROVERS_ONLY: &str = "only approvers write approvedBy, approvedAt of spec.approval";
const OWN_NAME: &str = "nobody approves in another's name";
const UNSEEN: &str = "has not been taken in yet";

pub async fn all(people: &People<'_>) {
    first(people).await;
    made_with_an_approval(people).await;
    given(people).await;
    takeovers(people).await;
    leavers(people).await;
    provinces(people).await;
}

pub fn town() -> Value {
    json!({"apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
           "metadata": {"name": "town-pak-chong-3021", "namespace": "province-30"}})
}

/// 10:00 in UTC.
const AT: &str = "2026-11-21T17:00:00+07:00";

fn approval(by: &str) -> Value {
    json!({"spec": {"approval": {"mouReference": "MOU 12/2569", "approvedBy": by, "approvedAt": AT}}})
}

fn part(field: &str, value: Value) -> Value {
    json!({"spec": {"approval": {field: value}}})
}

/// Nobody has approved yet.
async fn first(people: &People<'_>) {
    let People {
        somchai,
        pim,
        nok,
        aum,
        portal,
        admin,
        anyone,
        ..
    } = people;
    let late = json!({"spec": {"approval": {"mouReference": "MOU", "approvedBy": "somchai", "approvedAt": "2026-11-21T10:00:00.5Z"}}});
    #[rustfmt::skip]
    let rows: [Row<'_>; 17] = [
        ("an approver", somchai, approval("somchai"), None),
        ("for another", somchai, approval("malee"), Some(OWN_NAME)),
        ("half a second", somchai, late, Some("give whole seconds")),
        ("an officer", nok, approval("nok"), Some(APPROVERS_ONLY)),
        ("an officer as an approver", nok, approval("somchai"), Some(APPROVERS_ONLY)),
        ("a platform admin", pim, approval("pim"), Some(APPROVERS_ONLY)),
        ("a platform admin as an approver", pim, approval("somchai"), Some(APPROVERS_ONLY)),
        ("a cluster admin", admin, approval("admin"), Some(APPROVERS_ONLY)),
        ("one with every right", anyone, approval("officer"), Some(APPROVERS_ONLY)),
        ("an auditor", aum, approval("aum"), Some(NO_RIGHT)),
        ("the portal", portal, approval("portal"), Some(NO_RIGHT)),
        ("an officer's fingerprint", nok, part("fingerprint", json!("0")), Some("only approvers write fingerprint")),
        ("an admin's fingerprint", pim, part("fingerprint", json!("0")), Some("only approvers write fingerprint")),
        ("an approver's fingerprint", somchai, part("fingerprint", json!("0")), None),
        ("an officer's MOU", nok, part("mouReference", json!("MOU 12/2569")), None),
        ("an admin's MOU", pim, part("mouReference", json!("MOU 12/2569")), None),
        ("an officer's change", nok, json!({"spec": {"users": 170}}), None),
    ];
    each(&town(), &rows).await;
}

/// A tenant that is made comes without an approval, unless the operator makes it again as it was.
async fn made_with_an_approval(people: &People<'_>) {
    let made = |approval: Value| {
        json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
            "kind": "EOfficeTenant",
            "metadata": {"name": "tao-new-3021", "namespace": "province-30"},
            "spec": {"agency": {"nameTh": "วังหมี", "kind": "Other", "province": "30"}, "approval": approval},
        })
    };
    let mou = json!({"mouReference": "MOU 12/2569"});
    let by = |by: &str| json!({"mouReference": "MOU", "approvedBy": by, "approvedAt": AT});
    #[rustfmt::skip]
    let rows: [Row<'_>; 8] = [
        ("an officer", &people.nok, by("nok"), Some(APPROVERS_ONLY)),
        ("the portal", &people.portal, by("somchai"), Some(APPROVERS_ONLY)),
        ("a platform admin", &people.pim, by("pim"), Some(APPROVERS_ONLY)),
        ("an approver", &people.somchai, by("somchai"), Some("cannot create resource")),
        ("the operator", people.operator, by("somchai"), None),
        ("an officer, with the MOU", &people.nok, mou.clone(), None),
        ("the portal, with the MOU", &people.portal, mou.clone(), None),
        ("an auditor", &people.aum, mou, Some("cannot create resource")),
    ];
    for (what, who, approval, refusal) in rows {
        let handle = Handle::new(who, &made(approval)).await;
        let attempt = || handle.try_create();
        match refusal {
            Some(sentence) => refused(what, sentence, attempt).await,
            None => allowed(what, attempt).await,
        }
    }
}

/// What needs the approval: under one that was not seen yet, nobody but an approver puts another.
const ASKED_FOR: [(&str, &str); 6] = [
    (
        "agency",
        r#"{"agency": {"nameTh": "เทศบาลอื่น", "nameEn": null}}"#,
    ),
    ("agency", r#"{"agency": {"kind": "CityMunicipality"}}"#),
    ("className", r#"{"className": "trial"}"#),
    ("users", r#"{"users": 9000}"#),
    ("signingCertificates", r#"{"signingCertificates": 900}"#),
    (
        "database.connectionLimit",
        r#"{"database": {"connectionLimit": 19}}"#,
    ),
];

async fn given(people: &People<'_>) {
    let People {
        somchai,
        malee,
        pim,
        nok,
        both,
        operator,
        ..
    } = people;
    let by_somchai = Handle::new(somchai, &town()).await;
    by_somchai.patch(&approval("somchai")).await.unwrap();
    let later = json!("2026-11-22T10:00:00Z");
    let others = json!({"spec": {"approval": {"approvedBy": "malee", "approvedAt": later}}});
    let none = json!({"spec": {"approval": null}});
    #[rustfmt::skip]
    let rows: [Row<'_>; 14] = [
        ("an officer takes it away", nok, none.clone(), Some(APPROVERS_ONLY)),
        ("a platform admin takes it away", pim, none.clone(), Some(APPROVERS_ONLY)),
        ("an officer's time", nok, part("approvedAt", later.clone()), Some("only approvers write approvedAt")),
        ("an officer's own name", nok, part("approvedBy", json!("nok")), Some("only approvers write approvedBy")),
        ("the same again", nok, approval("somchai"), None),
        ("another MOU", nok, part("mouReference", json!("MOU 13/2569")), None),
        ("another's time in his name", malee, part("approvedAt", later), Some(OWN_NAME)),
        ("another's fingerprint in his name", malee, part("fingerprint", json!("0")), Some(OWN_NAME)),
        ("another approver", malee, others, None),
        ("another approver takes it away", malee, none.clone(), None),
        ("his own fingerprint", somchai, part("fingerprint", json!("0")), None),
        ("hosts", nok, json!({"spec": {"hosts": ["saraban.pakchong.go.th"]}}), None),
        ("lifecycle", nok, json!({"spec": {"lifecycle": "Suspended"}}), None),
        ("the operator", operator, json!({"spec": {"users": 9000}}), None),
    ];
    each(&town(), &rows).await;
    for (field, change) in ASKED_FOR {
        let patch = json!({ "spec": serde_json::from_str::<Value>(change).unwrap() });
        let sentence = format!("{UNSEEN}, and is for {field} as it was");
        let rows: [Row<'_>; 3] = [
            (field, nok, patch.clone(), Some(&sentence)),
            (field, pim, patch.clone(), Some(UNSEEN)),
            (field, both, patch, None),
        ];
        each(&town(), &rows).await;
    }
    // An earlier one that was taken in does not let anything through.
    taken_in(operator, "2026-11-20T10:00:00Z").await;
    let more = json!({"spec": {"users": 9000}});
    each(&town(), &[("too early", nok, more.clone(), Some(UNSEEN))]).await;
    taken_in(operator, "2026-11-21T10:00:00Z").await;
    for (field, change) in ASKED_FOR {
        let patch = json!({ "spec": serde_json::from_str::<Value>(change).unwrap() });
        each(&town(), &[(field, nok, patch, None)]).await;
    }
    by_somchai.patch(&none).await.unwrap();
    // One that says what it is for is for nothing else anyway.
    let bound = json!({"spec": {"approval": {"mouReference": "MOU", "approvedBy": "somchai", "approvedAt": "2026-11-23T10:00:00Z", "fingerprint": "0"}}});
    by_somchai.patch(&bound).await.unwrap();
    each(&town(), &[("bound", nok, more, None)]).await;
    by_somchai.patch(&none).await.unwrap();
}

/// The operator shows which approval it has taken in.
async fn taken_in(operator: &Client, at: &str) {
    let handle = Handle::new(operator, &town()).await;
    let approval =
        json!({"asked": "0", "approved": "0", "approvedBy": "somchai", "approvedAt": at});
    let status = Patch::Merge(json!({"status": {"approval": approval}}));
    let params = PatchParams::default();
    let written = handle.api.patch_status(&handle.name, &params, &status);
    written.await.unwrap();
}

async fn takeovers(people: &People<'_>) {
    let People {
        somchai,
        pim,
        nok,
        admin,
        anyone,
        operator,
        ..
    } = people;
    let from = |record: &str| json!({"spec": {"restoreFrom": record}});
    let none = json!({"spec": {"restoreFrom": null}});
    let theirs = "only approvers write spec.restoreFrom, which would give this tenant what is kept in eoffice-merged";
    let merged = from("eoffice-merged-3021");
    let rows: [Row<'_>; 6] = [
        ("an officer", nok, merged.clone(), Some(theirs)),
        ("a platform admin", pim, merged.clone(), Some(theirs)),
        ("a cluster admin", admin, merged.clone(), Some(theirs)),
        ("one with every right", anyone, merged.clone(), Some(theirs)),
        ("an approver", somchai, merged.clone(), None),
        ("the operator", operator, merged.clone(), None),
    ];
    each(&town(), &rows).await;
    let by_somchai = Handle::new(somchai, &town()).await;
    by_somchai.patch(&merged).await.unwrap();
    let other = from("eoffice-another-3021");
    let theirs = "only approvers write spec.restoreFrom";
    let rows: [Row<'_>; 5] = [
        ("an officer's other", nok, other.clone(), Some(theirs)),
        ("a platform admin's other", pim, other.clone(), Some(theirs)),
        ("an approver's other", somchai, other, None),
        (
            "a change beside it",
            nok,
            json!({"spec": {"users": 170}}),
            None,
        ),
        ("taken back", nok, none.clone(), None),
    ];
    each(&town(), &rows).await;
    by_somchai.patch(&none).await.unwrap();
}

async fn leavers(people: &People<'_>) {
    let People {
        somchai,
        pim,
        nok,
        admin,
        operator,
        ..
    } = people;
    let note =
        |who: Value| json!({"metadata": {"annotations": {"eoffice.gdcc.go.th/deleted-by": who}}});
    let own = "names who is about to delete this tenant: write your own user name, ";
    let rows: [Row<'_>; 7] = [
        ("himself", nok, note(json!("nok")), None),
        ("an officer for another", nok, note(json!("pim")), Some(own)),
        (
            "an approver for another",
            somchai,
            note(json!("nok")),
            Some(own),
        ),
        (
            "a platform admin for another",
            pim,
            note(json!("nok")),
            Some(own),
        ),
        (
            "a cluster admin for another",
            admin,
            note(json!("nok")),
            Some(own),
        ),
        ("a cluster admin", admin, note(json!("admin")), None),
        ("the operator", operator, note(json!("nok")), None),
    ];
    each(&town(), &rows).await;
    let by_nok = Handle::new(nok, &town()).await;
    by_nok.patch(&note(json!("nok"))).await.unwrap();
    let rows: [Row<'_>; 4] = [
        ("over another's", pim, note(json!("pim")), None),
        ("an empty name", pim, note(json!("")), Some(own)),
        (
            "a change beside it",
            pim,
            json!({"spec": {"users": 170}}),
            None,
        ),
        ("taken back", pim, note(Value::Null), None),
    ];
    each(&town(), &rows).await;
    by_nok.patch(&note(Value::Null)).await.unwrap();
}

fn agreement(mou: Value, by: Value) -> Value {
    json!({"metadata": {
        "labels": {"eoffice.gdcc.go.th/mou": mou},
        "annotations": {"eoffice.gdcc.go.th/mou-approved-by": by},
    }})
}

/// The MOU of a province approves all its tenants.
async fn provinces(people: &People<'_>) {
    let People {
        somchai,
        malee,
        pim,
        nok,
        aum,
        admin,
        anyone,
        operator,
        ..
    } = people;
    let province = namespace("province-32", json!({}));
    let by = |who: &str| agreement(json!("mou-12-2569"), json!(who));
    let label = json!({"metadata": {"labels": {"eoffice.gdcc.go.th/mou": "mou-12-2569"}}});
    let note =
        json!({"metadata": {"annotations": {"eoffice.gdcc.go.th/mou-approved-by": "somchai"}}});
    let theirs = "only approvers change eoffice.gdcc.go.th/mou, eoffice.gdcc.go.th/mou-approved-by";
    let team = json!({"metadata": {"labels": {"team": "x"}}});
    let lax = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    let moved = json!({"metadata": {"labels": {"eoffice.gdcc.go.th/province": "31"}}});
    let owned = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "0"}]}});
    let stuck = json!({"metadata": {"finalizers": ["example.com/never"]}});
    let nothing_else = "on a namespace approvers change nothing but the province's MOU";
    #[rustfmt::skip]
    let rows: [Row<'_>; 18] = [
        ("an approver", somchai, by("somchai"), None),
        ("an approver's owner", somchai, owned.clone(), Some(nothing_else)),
        ("an approver's finalizer", somchai, stuck.clone(), Some(nothing_else)),
        ("another's owner", anyone, owned, None),
        ("an approver for another", somchai, by("malee"), Some(OWN_NAME)),
        ("the label alone", somchai, label, Some("go together")),
        ("the annotation alone", somchai, note, Some("go together")),
        ("a platform admin", pim, by("pim"), Some(theirs)),
        ("a platform admin as an approver", pim, by("somchai"), Some(theirs)),
        ("a cluster admin", admin, by("admin"), Some(theirs)),
        ("one with every right", anyone, by("officer"), Some(theirs)),
        ("an officer", nok, by("nok"), Some(NO_RIGHT)),
        ("an auditor", aum, by("aum"), Some(NO_RIGHT)),
        ("an approver's other label", somchai, team.clone(), Some(nothing_else)),
        ("an approver's lax namespace", somchai, lax, Some(nothing_else)),
        ("an approver's province", somchai, moved.clone(), Some("only the operator and the platform admins change eoffice.gdcc.go.th/province")),
        ("a platform admin's other label", pim, team.clone(), None),
        ("a platform admin's province", pim, moved.clone(), None),
    ];
    each(&province, &rows).await;
    for other in ["plain", "eoffice-town"] {
        let other = namespace(other, json!({}));
        let sentence = "an MOU is written on the namespace of a province";
        let rows: [Row<'_>; 2] = [
            ("no province", somchai, by("somchai"), Some(sentence)),
            ("another's label", anyone, team.clone(), None),
        ];
        each(&other, &rows).await;
    }

    let by_somchai = Handle::new(somchai, &province).await;
    by_somchai.patch(&by("somchai")).await.unwrap();
    let none = agreement(Value::Null, Value::Null);
    let half = json!({"metadata": {"annotations": {"eoffice.gdcc.go.th/mou-approved-by": null}}});
    let other = json!({"metadata": {"labels": {"eoffice.gdcc.go.th/mou": "mou-13-2569"}}});
    let in_use = json!({"metadata": {"labels": {"eoffice.gdcc.go.th/in-use": "true"}}});
    #[rustfmt::skip]
    let rows: [Row<'_>; 10] = [
        ("a platform admin takes it away", pim, none.clone(), Some(theirs)),
        ("a cluster admin takes it away", admin, none.clone(), Some(theirs)),
        ("a platform admin moves it", pim, moved, Some("is not for another province")),
        ("half of it", somchai, half, Some("go together")),
        ("another MOU in his name", malee, other.clone(), Some(OWN_NAME)),
        ("another MOU in one's own", somchai, other, None),
        ("another approver", malee, by("malee"), None),
        ("another approver takes it away", malee, none.clone(), None),
        ("a label beside it", pim, team, None),
        ("the operator's label beside it", operator, in_use, None),
    ];
    each(&province, &rows).await;
    by_somchai.patch(&none).await.unwrap();
}
