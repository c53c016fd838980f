//! Plans: asked by name, by file and by stdin; answered, refused and not answered; and never left behind.

use eoffice_crds::TenantPlan;
use eoffice_tests::apply;
use eoffice_tests::home::workspace;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::{Value, json};

use crate::bed::{Bed, condition, names, one_line, tenant};

const PLANNED: &str = "town-planned-3021";

pub async fn all(bed: &Bed) {
    bed.tenant("province-30", PLANNED, json!({"phase": "Active"}))
        .await;
    unanswered(bed).await;
    let _operator = bed.operator(answer).await;
    by_name(bed).await;
    by_file(bed).await;
    class_change(bed).await;
    refused(bed).await;
    in_a_pipeline(bed).await;
    let all: Api<TenantPlan> = Api::all(bed.admin.clone());
    assert!(names(&all).await.is_empty(), "a question is left behind");
}

/// The operator's part: three steps for a new tenant or another class, none for one that is as asked, and a refusal.
fn answer(plan: &TenantPlan) -> Option<Value> {
    if plan.status.is_some() {
        return None;
    }
    let spec = &plan.spec;
    let name = match (&spec.tenant, &spec.tenant_name, &spec.class_change) {
        (Some(tenant), ..) => tenant.name.clone(),
        (_, Some(name), _) => name.clone(),
        _ => "tao-of-the-class-3001".into(),
    };
    let step = |action: &str, plane: &str, object: &str, destructive: bool| {
        json!({"tenant": name, "plane": plane, "object": object, "action": action, "destructive": destructive,
               "field": "", "before": "20", "after": "40"})
    };
    let steps = vec![
        step("Create", "Namespace", "Namespace/eoffice-town", false),
        step("Update", "Database", "role eo_ab_a", false),
        step("Delete", "Ingress", "Ingress/eoffice", true),
    ];
    let (status, reason, message, steps) = if name.starts_with("conflict") {
        (
            "False",
            "HostConflict",
            "spec.hosts[0] is granted to tenant tao-a-3001: choose another host",
            vec![],
        )
    } else if spec.tenant_name.is_some() && spec.class_name.is_none() {
        ("True", "Planned", "the plan is answered", vec![])
    } else {
        ("True", "Planned", "the plan is answered", steps)
    };
    Some(json!({
        "observedGeneration": plan.metadata.generation, "changes": steps.len(),
        "destructive": steps.iter().filter(|step| step["destructive"] == true).count(),
        "steps": steps, "conditions": [condition("Planned", status, reason, message)],
    }))
}

async fn unanswered(bed: &Bed) {
    let told = bed.run(&format!("plan {PLANNED} --timeout 1s")).await;
    assert_eq!(told.code, 1, "{told:#?}");
    let words = one_line(&told.err);
    assert!(
        words.contains("nothing came of it within 1 s") && words.contains("doctor"),
        "{words}"
    );
    assert!(
        names(&bed.within::<TenantPlan>("province-30"))
            .await
            .is_empty(),
        "it is taken away all the same"
    );
    // Ctrl-C takes it away as well.
    let admin = bed.control_plane.admin_kubeconfig();
    let script = format!(
        "kubectl eoffice plan {PLANNED} & plan=$!; \
         until kubectl get tenantplans -n province-30 -o name | grep -q {PLANNED}; do :; done; kill -INT $plan; wait $plan"
    );
    let told = bed.shell(admin, &script).await;
    assert!(
        told.code == 1 && told.err.contains("interrupted"),
        "{told:#?}"
    );
    assert!(
        names(&bed.within::<TenantPlan>("province-30"))
            .await
            .is_empty()
    );
}

async fn by_name(bed: &Bed) {
    let text = bed.run(&format!("plan {PLANNED}")).await.gave(0);
    assert_eq!(
        text,
        format!("tenant {PLANNED} in province-30: nothing would change\n")
    );
    let text = bed
        .run(&format!("plan {PLANNED} --class trial"))
        .await
        .gave(2);
    assert!(text.contains("with class trial in province-30"), "{text}");
    for words in [
        "3 changes, 1 of them DESTRUCTIVE (!)",
        "2 ~  Database     role eo_ab_a",
        "20 -> 40",
        "3 -! Ingress",
    ] {
        assert!(
            one_line(&text).contains(&one_line(words)),
            "{words}: {text}"
        );
    }
}

async fn by_file(bed: &Bed) {
    let new = tenant("province-30", "tao-new-3021");
    let file = bed.file("new.json", &new.to_string());
    let file = file.display().to_string();
    assert!(
        bed.run(&format!("plan -f {file}"))
            .await
            .gave(2)
            .contains("tenant tao-new-3021")
    );
    let admin = bed.control_plane.admin_kubeconfig();
    let ran = bed
        .shell(
            admin,
            &format!("kubectl eoffice plan -f - -o json < {file}"),
        )
        .await;
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &told["changes"], &told["destructive"]),
        (2, &json!(3), &json!(1))
    );
    assert_eq!(told["plans"][0]["steps"][1]["object"], "role eo_ab_a");
    // Several documents; what is no tenant is left out, and one that cannot be decides the exit code.
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}});
    let conflict = tenant("province-30", "conflict-3021");
    let file = bed.file(
        "many.yaml",
        &[&new, &other, &conflict]
            .map(|it| it.to_string())
            .join("\n---\n"),
    );
    let ran = bed.run(&format!("plan -f {}", file.display())).await;
    assert!(
        ran.err
            .contains("Document 2 is left out: no plan is made for a ConfigMap."),
        "{ran:#?}"
    );
    let text = one_line(&ran.gave(1));
    assert!(
        text.contains("it cannot be carried out HostConflict: spec.hosts[0] is granted to"),
        "{text}"
    );
    let told = bed
        .run(&format!("plan -f {} -n province-31", file.display()))
        .await
        .refused();
    assert!(
        told.contains("document 1 is of namespace province-30, and -n says province-31"),
        "{told}"
    );
}

async fn class_change(bed: &Bed) {
    let text =
        std::fs::read_to_string(workspace().join("examples/platform/tenantclass-trial.yaml"));
    let file = bed.file("class.yaml", &text.unwrap());
    let text = bed
        .run(&format!("plan -f {}", file.display()))
        .await
        .gave(2);
    assert!(
        text.contains("class trial in province-30") && text.contains("class trial in province-31"),
        "{text}"
    );
    assert!(text.contains("\n  tao-of-the-class-3001\n"), "{text}");
    let text = bed
        .run(&format!("plan -f {} -n province-31", file.display()))
        .await
        .gave(2);
    assert!(!text.contains("province-30"), "{text}");
}

/// What the API server refuses is no plan: a field that does not exist, a spec against the rules, a right that is missing.
async fn refused(bed: &Bed) {
    let mut misspelt = tenant("province-30", "tao-new-3021");
    misspelt["spec"]["colour"] = "green".into();
    let mut broken = tenant("province-30", "tao-new-3021");
    broken["spec"]["hosts"] = json!(["*.go.th"]);
    for (name, object, words) in [
        (
            "misspelt.json",
            misspelt,
            r#"unknown field "spec.tenant.spec.colour""#,
        ),
        ("broken.json", broken, "spec.tenant.spec.hosts"),
    ] {
        let file = bed.file(name, &object.to_string());
        let told = bed
            .run(&format!("plan -f {}", file.display()))
            .await
            .refused();
        assert!(told.contains(words), "{told}");
    }
    let viewer = bed.person("planner", "view", "province-30").await;
    let told = bed
        .run_as(&viewer, &format!("plan {PLANNED} -n province-30"))
        .await
        .refused();
    assert!(
        told.contains("cannot create resource \"tenantplans\""),
        "{told}"
    );
    assert!(
        told.contains("Ask for a role in namespace province-30"),
        "{told}"
    );
    let existing = bed.within::<eoffice_crds::EOfficeTenant>("province-30");
    assert_eq!(existing.get(PLANNED).await.unwrap().name_any(), PLANNED);
}

/// The script of examples/gitops, as the account it is for, with nothing but kubectl.
async fn in_a_pipeline(bed: &Bed) {
    let text =
        std::fs::read_to_string(workspace().join("examples/gitops/plan-in-ci.yaml")).unwrap();
    let objects = apply::parse(&text).unwrap();
    let role: Vec<Value> = objects
        .iter()
        .filter(|it| it["kind"] == "Role")
        .cloned()
        .collect();
    bed.apply(&role).await;
    let account = bed
        .person_of("Role", "pipeline", "plan-tenants", "province-30")
        .await;
    let step = &objects[0]["spec"]["steps"][0];
    assert_eq!(step["name"], "ask");
    let folder = bed.ground.home.folder("results").unwrap();
    let script = ["changes", "destructive"].iter().fold(
        step["script"].as_str().unwrap().to_owned(),
        |script, name| {
            script.replace(
                &format!("$(results.{name}.path)"),
                &folder.join(name).display().to_string(),
            )
        },
    );
    let script = bed.file("ask.sh", &script);
    let run = async |name: &str| {
        let file = bed.file("asked.json", &tenant("province-30", name).to_string());
        let line = format!(
            "FILE={} NAMESPACE=province-30 sh {}",
            file.display(),
            script.display()
        );
        bed.shell(&account, &line).await
    };
    let ran = run("tao-asked-3021").await;
    assert!(
        ran.code == 0 && ran.out.contains("Database Update role eo_ab_a  20 -> 40"),
        "{ran:#?}"
    );
    let result = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(
        (result("changes"), result("destructive")),
        ("3".into(), "1".into())
    );
    let ran = run("conflict-asked-3021").await;
    assert!(
        ran.code == 1
            && ran
                .out
                .contains("Planned False: spec.hosts[0] is granted to"),
        "{ran:#?}"
    );
}
