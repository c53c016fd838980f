//! A class change taken by many tenants: at a pace, awaited, and stopped where too many fail.

use std::time::{Duration, Instant};

use eoffice_crds::{EOfficeTenant, annotations};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::bed::{Bed, condition};

const NAMESPACE: &str = "province-32";

fn applied(class: &str) -> Value {
    json!({
        "class": class, "baseDomain": "eoffice.example", "store": "objects", "versioning": true, "allowDelete": false,
        "retain": {"days": 3650, "restore": "Automatic"},
    })
}

async fn waiting(bed: &Bed, class: &str, name: &str) {
    let status = json!({
        "phase": "Active", "applied": applied(class), "classChange": format!("{class}/5ab3"),
        "conditions": [condition("Ready", "False", "ClassChanged", "the frozen values of the class changed")],
    });
    bed.tenant(NAMESPACE, name, status).await;
}

/// The operator's part: what is accepted is taken, except by tenants whose name says otherwise.
fn take(tenant: &EOfficeTenant) -> Option<Value> {
    let change = tenant.status.as_ref()?.class_change.clone()?;
    let accepted = tenant.annotations().get(annotations::ACCEPT_CLASS)?;
    if *accepted != change || tenant.namespace().as_deref() != Some(NAMESPACE) {
        return None;
    }
    let class = change.split('/').next().unwrap();
    if tenant.name_any().starts_with("stuck") {
        let stalled = tenant
            .status
            .as_ref()?
            .conditions
            .iter()
            .any(|it| it.type_ == "Stalled");
        let message = "weaker retention is never taken";
        return (!stalled).then(
            || json!({"conditions": [condition("Stalled", "True", "ClassChanged", message)]}),
        );
    }
    Some(json!({
        "classChange": null, "applied": applied(class),
        "conditions": [condition("Ready", "True", "AsExpected", "as asked")],
    }))
}

async fn accepted(bed: &Bed, name: &str) -> Option<String> {
    let tenant = bed
        .within::<EOfficeTenant>(NAMESPACE)
        .get(name)
        .await
        .unwrap();
    tenant.annotations().get(annotations::ACCEPT_CLASS).cloned()
}

pub async fn all(bed: &Bed) {
    let _operator = bed.operator(take).await;
    let none = bed.run("class accept nothing").await.gave(0);
    assert_eq!(none, "No tenant waits for a change of class nothing.\n");
    one_and_the_rest(bed).await;
    paced(bed).await;
    stopped(bed).await;
    not_in_time(bed).await;
}

async fn one_and_the_rest(bed: &Bed) {
    for name in ["w1", "w2", "w3"] {
        waiting(bed, "wide", name).await;
    }
    waiting(bed, "other", "o1").await;
    let text = bed.run("class accept wide --tenant w2").await.gave(0);
    assert!(
        text.contains(&format!("1 of 1  ready     {NAMESPACE}/w2\n")),
        "{text}"
    );
    assert_eq!(accepted(bed, "w1").await, None);
    let text = bed.run("class accept wide").await.gave(0);
    assert!(
        text.starts_with("2 tenants to take the change of class wide.\n"),
        "{text}"
    );
    assert!(
        text.ends_with("2 took it and are Ready, 0 failed.\n"),
        "{text}"
    );
    assert_eq!(accepted(bed, "w1").await.as_deref(), Some("wide/5ab3"));
    assert_eq!(
        accepted(bed, "o1").await,
        None,
        "that of another class waits"
    );
}

async fn paced(bed: &Bed) {
    for name in ["p1", "p2", "p3", "p4"] {
        waiting(bed, "paced", name).await;
    }
    let begun = Instant::now();
    let text = bed.run("class accept paced --rate 120/min").await.gave(0);
    let took = begun.elapsed();
    assert!(
        text.ends_with("4 took it and are Ready, 0 failed.\n"),
        "{text}"
    );
    assert!(
        took >= Duration::from_millis(1_500),
        "three pauses of half a second: {took:?}"
    );
}

async fn stopped(bed: &Bed) {
    for name in ["stuck-1", "stuck-2", "t3", "t4", "t5"] {
        waiting(bed, "stops", name).await;
    }
    let text = bed
        .run("class accept stops --rate 12/min --max-failed 20%")
        .await
        .gave(1);
    assert!(
        text.contains(&format!("failed    {NAMESPACE}/stuck-1\n")),
        "{text}"
    );
    assert!(
        text.contains("ClassChanged: weaker retention is never taken"),
        "{text}"
    );
    assert!(
        text.contains("2 failed, 3 were not asked: too many failed"),
        "{text}"
    );
    for name in ["t3", "t4", "t5"] {
        assert_eq!(accepted(bed, name).await, None, "{name}");
    }
    // The same command goes on with the rest; what failed before is tried again.
    let text = bed
        .run("class accept stops --max-failed 50% --timeout 10s")
        .await
        .gave(1);
    assert!(text.contains("3 took it and are Ready, 2 failed"), "{text}");
}

async fn not_in_time(bed: &Bed) {
    // In a namespace in which nobody answers.
    let status = json!({"applied": applied("slow"), "classChange": "slow/5ab3"});
    bed.tenant("province-30", "slow-1", status).await;
    let text = bed.run("class accept slow --timeout 1s").await.gave(1);
    assert!(
        text.contains("failed    province-30/slow-1\n") && text.contains("not Ready in time"),
        "{text}"
    );
}
