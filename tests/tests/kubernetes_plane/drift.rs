//! What people do to objects with kubectl: told of by field, value and manager, and put right.

use eoffice_crds::{Action, Reason};
use eoffice_operator::kubernetes::Kind;
use eoffice_operator::kubernetes::desired::{Child, Wanted};
use eoffice_operator::kubernetes::plan::{Step, plan};
use eoffice_operator::plan::{Change, Difference};
use serde_json::{Value, json};

use crate::ground::{NAMESPACE, World, desired, key, wanted};
use crate::rows::{By, ROWS, Row};

pub async fn told_and_put_right(world: &World) {
    let all = desired(&wanted());
    world.settle(all.clone()).await;
    for Row(by, object, told) in ROWS {
        match by {
            By::Kubectl(args) => world.kubectl(args).await.unwrap(),
            By::Apply(object) => {
                let args = [
                    "apply",
                    "--server-side",
                    "--force-conflicts",
                    "--filename=FILE",
                ];
                world.kubectl_with(&args, object).await.unwrap()
            }
            By::Edit(object, script) => world.edit(object, script).await.unwrap(),
        };
        let changes = world.changes(all.clone()).await.unwrap();
        let [change] = changes.as_slice() else {
            panic!("{object}: {changes:#?}");
        };
        for difference in &change.differences {
            assert_eq!(difference.object, *object);
            let actor = difference.actor.as_ref();
            assert!(
                actor.is_none_or(|actor| actor.at.is_some()),
                "{difference:?}"
            );
        }
        fn tell(it: &Difference) -> (&str, Option<&str>, Option<&str>, Option<&str>) {
            let actor = it.actor.as_ref().map(|actor| actor.name.as_str());
            (&it.field, it.before.as_deref(), it.after.as_deref(), actor)
        }
        let found: Vec<_> = change.differences.iter().map(tell).collect();
        assert_eq!(found, *told, "{object}");
        let step = change.step.clone();
        world.settle(all.clone()).await;
        // What was known then is old now: nothing differs.
        let again = world.cluster.examine(NAMESPACE, step).await.unwrap();
        assert_eq!(again, None, "{object}");
    }
    let surplus = desired(&Wanted {
        open: false,
        ..wanted()
    });
    let changes = world.changes(surplus).await.unwrap();
    let first = &changes[0].differences;
    assert_eq!(first[0].action, Action::Delete);
    let closes = |change: &&Change<Step>| change.differences[0].destructive;
    let closing = changes
        .iter()
        .filter(closes)
        .map(|change| change.step.to_string());
    assert_eq!(
        closing.collect::<Vec<_>>(),
        [
            "delete NetworkPolicy/allow-database",
            "delete NetworkPolicy/allow-dns",
            "delete NetworkPolicy/allow-ingress",
            "delete NetworkPolicy/allow-storage",
            "delete Ingress/eoffice",
        ]
    );
}

/// A value that the API server writes in another way is no difference, and hides none.
pub async fn what_the_server_rewrites(world: &World) {
    let mut wanted = wanted();
    let given = [
        "1000m", "0.5", "1024Mi", "1000", "1.5Gi", "0.5Gi", "2e3", "4096Ki", "1500000u", "+5",
        "05", "12000m", "0.1Gi", "1.50", "100000",
    ];
    for (place, value) in given.iter().enumerate() {
        let name = format!("requests.example.org/r{place}");
        wanted.class.resources.insert(name, (*value).into());
    }
    wanted.class.container_defaults.request_cpu = "0.05".into();
    let all = desired(&wanted);
    let mut guards = all.clone();
    guards.retain(|child| matches!(child.key.kind, Kind::ResourceQuota | Kind::LimitRange));
    world.settle(all.clone()).await;
    // One who was not there when it was written knows as well.
    let observed = world.cluster.index.objects(NAMESPACE);
    let kinds = [Kind::ResourceQuota, Kind::LimitRange];
    assert_eq!(plan(guards, &observed, &kinds, |_| None), []);
    let patch = r#"-p={"spec":{"hard":{"pods":"21"}}}"#;
    let args = ["patch", "quota/eoffice", "--type=merge", patch];
    world.kubectl(&args).await.unwrap();
    let changes = world.changes(all).await.unwrap();
    let fields = changes[0].differences.iter().map(|it| it.field.as_str());
    assert_eq!(fields.collect::<Vec<_>>(), ["spec.hard.pods"]);
    world.settle(desired(&crate::ground::wanted())).await;
}

/// Somebody else writes all the while: each write is whole or is tried again.
pub async fn changed_in_between(world: &World) {
    let all = desired(&wanted());
    let is_quota = |child: &&Child| child.key.kind == Kind::ResourceQuota;
    let quota = all.iter().find(is_quota).unwrap();
    let fights = async {
        for turn in 0..12 {
            let other = format!("turn=t{turn}");
            let args = ["label", "quota/eoffice", &other, "--overwrite"];
            world.kubectl(&args).await.unwrap();
        }
    };
    let applies = async {
        for _ in 0..60 {
            if let Err(problem) = world.cluster.apply(NAMESPACE, quota).await {
                assert_eq!(problem.reason, Reason::KubernetesError);
                assert!(problem.message.contains("tried again"), "{problem}");
            }
        }
    };
    tokio::join!(fights, applies);
    world.settle(all).await;
}

/// A binding that somebody made to another role gives way to ours, which nobody else can use in between.
pub async fn another_role(world: &World) {
    let all = desired(&wanted());
    world.settle(all.clone()).await;
    let name = eoffice_crds::OFFICERS_BINDING;
    let group = "--group=eoffice:province-30";
    for role in ["cluster-admin", "view"] {
        let role = format!("--clusterrole={role}");
        world
            .kubectl(&["delete", "rolebinding", name])
            .await
            .unwrap();
        world
            .kubectl(&["create", "rolebinding", name, &role, group])
            .await
            .unwrap();
        world
            .kubectl(&[
                "label",
                "rolebinding",
                name,
                "eoffice.gdcc.go.th/tenant=town-pak-chong-3021",
            ])
            .await
            .unwrap();
        let changes = world.changes(all.clone()).await.unwrap();
        let fields = changes[0].differences.iter().map(|it| it.field.as_str());
        assert!(fields.collect::<Vec<_>>().contains(&"roleRef.name"));
        world.settle(all.clone()).await;
    }
    // Where nobody is to look in, nobody does.
    world
        .settle(desired(&Wanted {
            officers: None,
            ..wanted()
        }))
        .await;
    let left = world
        .cluster
        .get(NAMESPACE, &key(Kind::RoleBinding, name))
        .await;
    assert_eq!(left.unwrap(), None);
    world.settle(all).await;
}

/// What cannot be put right is said plainly, with what to do.
pub async fn stuck_and_immutable(world: &World) {
    stuck(world).await;
    immutable(world).await;
}

async fn stuck(world: &World) {
    let all = desired(&wanted());
    let hold =
        |finalizers: Value| format!("-p={}", json!({"metadata": {"finalizers": finalizers}}));
    let held = hold(json!(["example.org/hold"]));
    let patch = ["patch", "ingress/eoffice", "--type=merge"];
    world
        .kubectl(&[&patch[..], &[held.as_str()]].concat())
        .await
        .unwrap();
    // A controller's hold is its own: it is no drift, and stays when the object is replaced.
    let annotate = ["annotate", "ingress/eoffice", "by=hand"];
    world.kubectl(&annotate).await.unwrap();
    world.settle(all.clone()).await;
    let delete = ["delete", "ingress/eoffice", "--wait=false"];
    world.kubectl(&delete).await.unwrap();
    let problem = world.changes(all.clone()).await.unwrap_err();
    let parts = [
        "Ingress/eoffice is being deleted since",
        "example.org/hold",
        "removes them",
    ];
    for part in parts {
        assert!(problem.message.contains(part), "{problem}");
    }
    let is_front = |child: &&Child| child.key.kind == Kind::Ingress;
    let front = all.iter().find(is_front).unwrap();
    let problem = world.cluster.apply(NAMESPACE, front).await.unwrap_err();
    assert!(problem.message.contains("example.org/hold"), "{problem}");
    let free = hold(Value::Null);
    world
        .kubectl(&[&patch[..], &[free.as_str()]].concat())
        .await
        .unwrap();
    world.settle(all).await;
}

async fn immutable(world: &World) {
    let secret = |value: &str| {
        let content = json!({"type": "Opaque", "data": {"host": value}});
        let body = wanted().object("v1", "Secret", "eoffice-database", content);
        Child::new(Kind::Secret, body)
    };
    let ours = secret("b25l");
    world.cluster.apply(NAMESPACE, &ours).await.unwrap();
    let patch = r#"-p={"immutable":true,"data":{"host":"dHdv"}}"#;
    let args = ["patch", "secret/eoffice-database", "--type=merge", patch];
    world.kubectl(&args).await.unwrap();
    let problem = world.cluster.apply(NAMESPACE, &ours).await.unwrap_err();
    let parts = [
        "Secret/eoffice-database",
        "immutable",
        "delete the object, and it is made anew",
    ];
    for part in parts {
        assert!(problem.message.contains(part), "{problem}");
    }
    for value in ["b25l", "dHdv"] {
        assert!(!problem.message.contains(value), "{problem}");
    }
    world.cluster.delete(NAMESPACE, &ours.key).await.unwrap();
    world.cluster.apply(NAMESPACE, &ours).await.unwrap();
}
