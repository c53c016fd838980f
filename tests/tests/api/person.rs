//! What a person sees: the examples as they are, explanations, columns.

use std::fs;

use eoffice_tests::apply;
use eoffice_tests::home::workspace;
use kube::Error;
use serde_json::Value;

use crate::world::{World, eventually};

fn examples(folder: &str) -> Vec<Value> {
    let mut objects = Vec::new();
    for entry in fs::read_dir(workspace().join("examples").join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            objects.extend(apply::parse(&fs::read_to_string(path).unwrap()).unwrap());
        }
    }
    objects
}

pub async fn examples_are_accepted(world: &World) {
    let mut platform = examples("platform");
    // cert-manager is not installed here.
    platform.retain(|object| object["kind"] != "ClusterIssuer");
    apply::apply(&world.admin(), &platform).await.unwrap();
    let korat = examples("korat");
    assert_eq!(korat.len(), 20);
    apply::apply(&world.admin(), &korat).await.unwrap();
    for object in examples("gitops") {
        assert!(object["kind"].is_string(), "{object}");
    }
}

/// The list of all kinds, by which kubectl finds short names, follows the definitions in its own time.
async fn kinds_are_listed(world: &World) {
    let list = [
        "api-resources",
        "--api-group=eoffice.gdcc.go.th",
        "--cached=false",
        "-o",
        "name",
    ];
    eventually(|| async {
        let listed = world.kubectl(&list).await.unwrap_or_default();
        let whole = listed.lines().count() == eoffice_crds::crds().len();
        whole
            .then_some(())
            .ok_or_else(|| Error::Service(listed.into()))
    })
    .await;
}

/// Fields, and words of their explanation.
const EXPLAINED: [(&str, &str); 7] = [
    ("eot", "One agency's e-Office tenant"),
    ("eot.spec.agency.province", "Two-digit code of the province"),
    ("eot.spec.agency.codes.scheme", "The register"),
    (
        "eot.status.applied.retain.days",
        "Days, counted from the day the tenant left",
    ),
    (
        "tenantclass.spec.ingress.probeAddress",
        "at which the operator finds the ingress",
    ),
    (
        "databaseserver.spec.capacity.overcommit",
        "How many times the connections may be promised",
    ),
    (
        "objectstore.status.capabilities.objectLock",
        "Locks versions of objects",
    ),
];

pub async fn explanations_and_columns(world: &World) {
    kinds_are_listed(world).await;
    for (field, words) in EXPLAINED {
        let text = world.kubectl(&["explain", field]).await.unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{field}: {text}");
    }
    let header = async |args: &[&str]| {
        let text = world.kubectl(args).await.unwrap();
        let first = text.lines().next().unwrap_or_default();
        first
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let columns = ["NAME", "READY", "AVAILABLE", "PHASE", "CLASS", "URL"];
    let narrow = header(&["get", "eot", "-n", "province-30"]).await;
    assert_eq!(narrow, [&columns[..], &["AGE"]].concat());
    let mut wide = header(&["get", "eot", "-n", "province-30", "-o", "wide"]).await;
    let mut expected = [
        &columns[..],
        &["AGE", "PROVINCE", "USERS", "SERVER", "DRIFT", "PAUSED"],
    ]
    .concat();
    wide.sort();
    expected.sort_unstable();
    assert_eq!(wide, expected);
    let all = world
        .kubectl(&["get", "eoffice", "-A", "-o", "name"])
        .await
        .unwrap();
    for name in [
        "eofficetenant.eoffice.gdcc.go.th/town-pak-chong-3021",
        "tenantclass.eoffice.gdcc.go.th/standard",
        "databaseserver.eoffice.gdcc.go.th/pg-a",
        "objectstore.eoffice.gdcc.go.th/objects",
    ] {
        assert!(all.contains(name), "{all}");
    }
}

pub async fn a_misspelt_field_is_refused(world: &World) {
    let mut tenant = examples("korat").swap_remove(0);
    tenant["spec"]["colour"] = "green".into();
    let file = world
        .ground
        .home
        .folder("kubectl")
        .unwrap()
        .join("misspelt.json");
    fs::write(&file, tenant.to_string()).unwrap();
    let file = file.display().to_string();
    let error = world
        .kubectl(&["apply", "--dry-run=server", "-f", &file])
        .await
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains(r#"unknown field "spec.colour""#), "{error}");
}
