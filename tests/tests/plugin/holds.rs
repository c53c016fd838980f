//! Batches that are held: let happen, and undone.

use eoffice_crds::{Decision, FleetHold, HoldState};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::bed::{Bed, one_line};

const RESUMED: &str = "batch-20261121.101502";
const LEFT: &str = "batch-20261121.111502";
const RECOVERED: &str = "batch-20261121.121502";

/// Three tenants, of which so many are done.
fn tenants(done: usize) -> Vec<Value> {
    let mut tenants: Vec<Value> = ["a", "b", "c"]
        .map(|name| {
            json!({
                "namespace": "province-30", "name": format!("tao-{name}-3021"), "uid": name, "impact": "Delete",
                "cause": "the EOfficeTenant is being deleted", "seenAt": "2026-11-21T10:15:02Z",
            })
        })
        .into();
    for tenant in tenants.iter_mut().take(done) {
        tenant["doneAt"] = "2026-11-21T10:20:00Z".into();
    }
    tenants
}

pub async fn all(bed: &Bed) {
    for name in [RESUMED, LEFT, RECOVERED] {
        let hold = json!({"metadata": {"name": name}, "spec": {}});
        let holds: Api<FleetHold> = Api::all(bed.as_operator().await);
        holds
            .create(
                &PostParams::default(),
                &serde_json::from_value(hold).unwrap(),
            )
            .await
            .unwrap();
        let status = json!({"state": "Held", "count": 3, "limit": 2, "tenants": tenants(0)});
        bed.says::<FleetHold>(None, name, status).await;
    }
    resume(bed).await;
    recover(bed).await;
}

async fn resume(bed: &Bed) {
    let holds: Api<FleetHold> = Api::all(bed.admin.clone());
    for _ in 0..2 {
        let told = bed.run(&format!("resume {RESUMED}")).await.gave(0);
        assert_eq!(
            told,
            format!("batch {RESUMED} of 3 tenants (3 Delete) goes ahead.\n")
        );
        assert_eq!(
            holds.get(RESUMED).await.unwrap().spec.decision,
            Some(Decision::Resume)
        );
    }
    let told = bed.run(&format!("recover {RESUMED}")).await.refused();
    assert!(
        told.contains("was decided before: Resume. A batch is decided once"),
        "{told}"
    );
    let told = bed.run("resume batch-1.2").await.refused();
    assert!(
        told.contains("fleetholds.eoffice.gdcc.go.th \"batch-1.2\" not found"),
        "{told}"
    );
}

async fn recover(bed: &Bed) {
    // Decided, and not taken up: the wait ends with what is not undone.
    let told = bed.run(&format!("recover {LEFT} --timeout 1s")).await;
    assert_eq!(told.code, 1, "{told:#?}");
    let words = one_line(&told.err);
    assert!(
        words.contains("Not undone yet: province-30/tao-a-3021, province-30/tao-b-3021"),
        "{words}"
    );
    // One tenant after the other, each in answer to the one before.
    let _operator = bed
        .operator(|hold: &FleetHold| {
            let status = hold.status.as_ref()?;
            let done = status
                .tenants
                .iter()
                .filter(|it| it.done_at.is_some())
                .count();
            let decided = hold.spec.decision == Some(Decision::Recover);
            let next = json!({"state": HoldState::Recovered, "tenants": tenants(done + 1)});
            (decided && done < 3).then_some(next)
        })
        .await;
    let text = bed.run(&format!("recover {RECOVERED}")).await.gave(0);
    let lines = ["a", "b", "c"].map(|name| format!("of 3  province-30/tao-{name}-3021\n"));
    assert!(lines.iter().all(|line| text.contains(line)), "{text}");
    assert!(
        text.ends_with("3 tenants undone: all is as it was.\n"),
        "{text}"
    );
    // Asked again, it says what is so.
    let text = bed.run(&format!("recover {RECOVERED}")).await.gave(0);
    assert!(text.contains("3 of them were done before"), "{text}");
}
