//! The commands of examples/lifecycle in their order, each run by whom it is for.

use std::fs;
use std::path::{Path, PathBuf};

use eoffice_crds::EOfficeTenant;
use eoffice_tests::home::workspace;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::bed::{Bed, tenant};
use crate::tombstones::{record, take_in};

const PROVINCE: &str = "province-30";

pub async fn lifecycle(bed: &Bed) {
    let folder = workspace().join("examples/lifecycle");
    let approver = bed.approver("prasert").await;
    let officer = officer(bed).await;
    let platform_admin = bed.platform_admin("wirat").await;
    let _operator = bed.operator(take_up).await;
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    let files = files(&folder);
    assert!(files.len() > 15, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(
            index.contains(name),
            "{name} is not in the README of examples/lifecycle"
        );
        let text = fs::read_to_string(&file).unwrap();
        let who = text
            .lines()
            .find_map(|line| line.strip_prefix("# Who: "))
            .unwrap();
        let kubeconfig = match who {
            who if who.starts_with("approver") => approver.as_path(),
            who if who.starts_with("a province officer") => officer.as_path(),
            who if who.starts_with("a platform admin") || who.starts_with("platform admin") => {
                platform_admin.as_path()
            }
            other => panic!("{name} is for {other}, whom nobody knows"),
        };
        let run = run(bed, kubeconfig, &file);
        if name.ends_with("purge.sh") {
            tokio::join!(run, take_in(bed, "sm-khanong-phra-3021"));
        } else {
            run.await;
        }
        match name {
            "10-retire.sh" => left_behind(bed, "tao-khanong-phra-3021").await,
            "16-retire-for-good.sh" => left_behind(bed, "sm-khanong-phra-3021").await,
            _ => {}
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "yaml" || end == "sh")
        })
        .collect();
    files.sort();
    files
}

async fn run(bed: &Bed, kubeconfig: &Path, file: &Path) {
    let file = file.display().to_string();
    let script = match file.ends_with(".yaml") {
        true => format!("kubectl apply -f {file}"),
        false => file.clone(),
    };
    let ran = bed.shell(kubeconfig, &script).await;
    assert_eq!(ran.code, 0, "{file}: {ran:#?}");
}

/// An officer of the province, whose context is its namespace.
async fn officer(bed: &Bed) -> PathBuf {
    let officer = bed
        .person_of(
            "ClusterRole",
            "malee",
            "eoffice-operator-province-officer",
            PROVINCE,
        )
        .await;
    let text = fs::read_to_string(officer).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["contexts"][0]["context"]["namespace"] = PROVINCE.into();
    bed.file("malee.kubeconfig", &kubeconfig.to_string())
}

/// The operator's part: it says what the newest spec asks to have approved.
fn take_up(tenant: &EOfficeTenant) -> Option<Value> {
    let ours = tenant.name_any().ends_with("khanong-phra-3021");
    let generation = tenant.metadata.generation;
    let seen = tenant.status.as_ref().and_then(|it| it.observed_generation);
    (ours && seen != generation)
        .then(|| json!({"observedGeneration": generation, "approval": {"asked": "ab12cd34ef56"}}))
}

/// The operator's part: the record of a tenant that has left.
async fn left_behind(bed: &Bed, name: &str) {
    let was = json!({"namespace": PROVINCE, "name": name, "uid": "u"});
    let spec = &tenant(PROVINCE, name)["spec"];
    record(bed, name, json!({"tenant": was, "tenantSpec": spec})).await;
}
