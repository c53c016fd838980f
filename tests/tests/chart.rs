//! The chart without a cluster: what Helm makes of values, good and bad.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use clap::Parser;
use eoffice_operator::settings::Settings;
use eoffice_tests::helm::{chart, helm};
use eoffice_tests::operator::OFFICER_ROLE;
use eoffice_tests::{Ground, Progress, apply};
use serde_json::{Value, json};

/// Everything that can be switched on.
const ALL: &str = "installationId=korat,\
    imagePullSecrets[0].name=registry,\
    serviceAccount.name=operator,\
    serviceAccount.annotations.a=b,\
    image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000,\
    podLabels.a=b,podAnnotations.a=b,priorityClassName=high,nodeSelector.a=b,\
    admission.approvers.users[0]=somchai,\
    metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.labels.a=b,\
    metrics.prometheusRule.enabled=true,metrics.prometheusRule.labels.a=b";

/// Values that are refused, and what Helm says of them.
const REFUSED: [(&str, &str); 18] = [
    ("", "missing property 'installationId'"),
    (
        "installationId=",
        "at '/installationId': '' does not match pattern",
    ),
    (
        "installationId=Korat",
        "at '/installationId': 'Korat' does not match pattern",
    ),
    (
        "installationId=korat,replica=2",
        "additional properties 'replica' not allowed",
    ),
    (
        "installationId=korat,replicas=many",
        "at '/replicas': got string, want integer",
    ),
    (
        "installationId=korat,replicas=-1",
        "at '/replicas': minimum: got -1, want 0",
    ),
    (
        "installationId=korat,image.name=x",
        "at '/image': additional properties 'name' not allowed",
    ),
    (
        "installationId=korat,image.digest=abc",
        "at '/image/digest': 'abc' does not match pattern",
    ),
    (
        "installationId=korat,image.pullPolicy=Sometimes",
        "at '/image/pullPolicy': value must be one of",
    ),
    (
        "installationId=korat,intervals.postgres=often",
        "at '/intervals/postgres': 'often' does not match pattern",
    ),
    (
        "installationId=korat,intervals.postgres=0s",
        "at '/intervals/postgres': '0s' does not match pattern",
    ),
    (
        "installationId=korat,logFormat=xml",
        "at '/logFormat': value must be one of",
    ),
    (
        "installationId=korat,admission.approvers.group=x",
        "at '/admission/approvers': additional properties 'group' not allowed",
    ),
    (
        "installationId=korat,waves.size=0",
        "at '/waves/size': minimum: got 0, want 1",
    ),
    (
        "installationId=korat,waves.failedPercent=101",
        "at '/waves/failedPercent': maximum: got 101, want 100",
    ),
    (
        "installationId=korat,purge.cooling=7d",
        "at '/purge/cooling': '7d' does not match pattern",
    ),
    (
        "installationId=korat,roles.officerGroupPrefix=a b",
        "at '/roles/officerGroupPrefix': 'a b' does not match pattern",
    ),
    (
        "installationId=korat,service.port=0",
        "at '/service/port': minimum: got 0, want 1",
    ),
];

async fn ground() -> Ground {
    Ground::prepare(&Progress::lines()).await.unwrap()
}

async fn render(ground: &Ground, set: &str) -> anyhow::Result<Vec<Value>> {
    let chart = chart().display().to_string();
    let set = format!("--set={set}");
    let namespace = "--namespace=eoffice-system";
    let text = helm(ground, ["template", "eoffice", &chart, namespace, &set]).await?;
    apply::parse(&text)
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

#[tokio::test]
async fn the_chart_is_well_made() {
    let ground = ground().await;
    let chart = chart().display().to_string();
    helm(
        &ground,
        ["lint", "--strict", &chart, "--set=installationId=korat"],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn wrong_values_are_refused_with_their_place() {
    let ground = ground().await;
    for (set, expected) in REFUSED {
        let error = render(&ground, set).await.expect_err(set);
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{set}: {error}");
    }
}

#[tokio::test]
async fn every_object_is_whole_and_is_labelled_as_the_releases() {
    let ground = ground().await;
    for set in ["installationId=korat", ALL] {
        let objects = render(&ground, set).await.unwrap();
        assert!(objects.len() > 20, "{set}");
        for object in &objects {
            let name = &object["metadata"]["name"];
            assert!(
                name.is_string() && object["apiVersion"].is_string(),
                "{object}"
            );
            if object["kind"] == "CustomResourceDefinition" {
                assert_eq!(
                    object["metadata"]["annotations"]["helm.sh/resource-policy"], "keep",
                    "{name}"
                );
            } else {
                assert_eq!(
                    object["metadata"]["labels"]["app.kubernetes.io/instance"], "eoffice",
                    "{name}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_optional_is_off_until_asked_for() {
    let ground = ground().await;
    let few = render(&ground, "installationId=korat,replicas=0,admission.enabled=false,rbac.aggregateToDefaultRoles=false")
        .await
        .unwrap();
    let all = render(&ground, ALL).await.unwrap();
    for kind in [
        "PodDisruptionBudget",
        "ServiceMonitor",
        "PrometheusRule",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ] {
        assert_eq!(of_kind(&few, kind).count(), 0, "{kind}");
        assert!(of_kind(&all, kind).count() > 0, "{kind}");
    }
    assert_eq!(
        of_kind(&few, "Deployment").next().unwrap()["spec"]["replicas"],
        0
    );
}

#[tokio::test]
async fn the_pod_meets_the_restricted_standard() {
    let ground = ground().await;
    let objects = render(&ground, "installationId=korat").await.unwrap();
    let pod = &of_kind(&objects, "Deployment").next().unwrap()["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    assert_eq!(
        container["securityContext"]["allowPrivilegeEscalation"],
        false
    );
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(
        container["securityContext"]["capabilities"]["drop"][0],
        "ALL"
    );
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
    }
}

/// The operator's arguments in a deployment with these values.
async fn args(ground: &Ground, set: &str) -> Vec<String> {
    let objects = render(ground, set).await.unwrap();
    let deployment = of_kind(&objects, "Deployment").next().unwrap();
    let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    serde_json::from_value(args.clone()).unwrap()
}

#[tokio::test]
async fn the_operator_is_told_what_the_values_say_and_understands_it() {
    let ground = ground().await;
    let usual = args(&ground, "installationId=korat").await;
    let others = "installationId=korat,waves.size=3,waves.failedPercent=50,purge.cooling=1h,roles.officerGroupPrefix=korat:p-";
    let others = args(&ground, others).await;
    let nobody = args(&ground, "installationId=korat,roles.officerGroupPrefix=").await;
    let read = |args: &[String]| {
        // What the pod's own variables stand for.
        let args = args
            .iter()
            .map(|arg| arg.replace("$(", "").replace(')', ""));
        let program = ["eoffice-operator".to_owned()];
        Settings::try_parse_from(program.into_iter().chain(args)).unwrap()
    };
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let rows = [
        (&usual, 10, 30, days(7), "eoffice:province-", OFFICER_ROLE),
        (&others, 3, 50, days(1) / 24, "korat:p-", OFFICER_ROLE),
        (&nobody, 10, 30, days(7), "eoffice:province-", ""),
    ];
    for (args, size, percent, cooling, prefix, role) in rows {
        let settings = read(args);
        assert_eq!(settings.wave_size, size);
        assert_eq!(settings.wave_failed_percent, percent);
        assert_eq!(settings.purge_cooling, cooling);
        assert_eq!(settings.officer_group_prefix, prefix);
        assert_eq!(settings.officer_role, role);
    }
}

#[tokio::test]
async fn policies_and_roles_are_for_those_who_are_named() {
    let ground = ground().await;
    let set = "installationId=korat,fullnameOverride=eo,leaderElection.leaseName=eo-lease,admission.approvers.users[0]=somchai,\
        admission.approvers.groups[0]=korat:approvers,admission.platformAdmins.groups[0]=korat:admins";
    let objects = render(&ground, set).await.unwrap();
    let named = |kind, name: &str| {
        let found = of_kind(&objects, kind).find(|it| it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("{kind} {name}")).to_string()
    };
    for policy in ["approvals", "records", "namespace-labels", "acceptances"] {
        let text = named("ValidatingAdmissionPolicy", &format!("eo-{policy}"));
        for name in ["'somchai'", "'korat:approvers'"] {
            assert!(text.contains(name), "{policy} does not know {name}");
        }
        assert!(!text.contains("eoffice:approvers"), "{policy}");
    }
    for role in [
        "platform-admin",
        "approver",
        "province-officer",
        "officer-look",
        "auditor",
        "portal",
        "decider",
    ] {
        let text = named("ClusterRole", &format!("eo-{role}"));
        for never in [
            r#""secrets""#,
            "pods/exec",
            "pods/attach",
            "pods/portforward",
            "pods/ephemeralcontainers",
            "serviceaccounts/token",
        ] {
            assert!(!text.contains(never), "{role} has {never}");
        }
    }
    let queue = named("Role", "eo-queue");
    for part in [
        r#""namespace":"eoffice-system""#,
        r#""rules":[{"apiGroups":["coordination.k8s.io"],"resources":["leases"],"resourceNames":["eo-lease"],"verbs":["get"]}]"#,
    ] {
        assert!(queue.contains(part), "{part}: {queue}");
    }
    let own = named("ClusterRole", "eo-binder");
    assert!(
        own.contains(r#""resourceNames":["eo-officer-look"]"#),
        "{own}"
    );
}

#[tokio::test]
async fn rights_name_what_they_are_for() {
    let ground = ground().await;
    let objects = render(&ground, "installationId=korat").await.unwrap();
    let roles = ["ClusterRole", "Role"].map(|kind| of_kind(&objects, kind));
    for role in roles.into_iter().flatten() {
        for rule in role["rules"].as_array().unwrap() {
            for part in ["apiGroups", "resources", "verbs"] {
                let words = rule[part].as_array().unwrap();
                assert!(!words.is_empty() && !words.contains(&"*".into()), "{role}");
            }
            let verbs = rule["verbs"].as_array().unwrap();
            for verb in ["escalate", "impersonate"] {
                assert!(!verbs.contains(&verb.into()), "{role}");
            }
            // The operator hands on one role, which is named, and nobody else hands on any.
            if verbs.contains(&"bind".into()) {
                assert_eq!(role["metadata"]["name"], "eoffice-operator-binder");
                assert_eq!(rule["resourceNames"], json!([OFFICER_ROLE]), "{role}");
            }
        }
    }
}
