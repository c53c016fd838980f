//! Who may do what, as RBAC sees it.

use crate::world::{OPERATOR, World};

/// The operator's account: what it may, and what it must never be able to do.
const OPERATORS: [(&str, bool); 30] = [
    (
        "patch eofficetenants.eoffice.gdcc.go.th --subresource=status -A",
        true,
    ),
    ("patch databaseservers.eoffice.gdcc.go.th", true),
    ("create tenantrecords.eoffice.gdcc.go.th -A", true),
    ("create eofficetenants.eoffice.gdcc.go.th -A", true),
    ("create fleetholds.eoffice.gdcc.go.th", true),
    (
        "update fleetholds.eoffice.gdcc.go.th --subresource=status",
        true,
    ),
    ("delete tenantplans.eoffice.gdcc.go.th -A", true),
    (
        "patch tenantplans.eoffice.gdcc.go.th --subresource=status -A",
        true,
    ),
    ("create tenantplans.eoffice.gdcc.go.th -A", false),
    (
        "patch tenantrecords.eoffice.gdcc.go.th --subresource=status -A",
        true,
    ),
    ("patch deployments.apps -A", true),
    ("patch daemonsets.apps -A", true),
    ("delete statefulsets.apps -A", false),
    ("create rolebindings.rbac.authorization.k8s.io -A", true),
    (
        "bind clusterroles.rbac.authorization.k8s.io/eoffice-operator-officer-look",
        true,
    ),
    (
        "bind clusterroles.rbac.authorization.k8s.io/eoffice-operator-platform-admin",
        false,
    ),
    ("escalate clusterroles.rbac.authorization.k8s.io", false),
    ("create roles.rbac.authorization.k8s.io -A", false),
    ("create namespaces", true),
    ("create secrets -A", true),
    ("patch ingresses.networking.k8s.io -A", true),
    ("deletecollection pods -A", true),
    ("create events.events.k8s.io -A", true),
    (
        "update leases.coordination.k8s.io/eoffice-operator -n eoffice-system",
        true,
    ),
    ("update leases.coordination.k8s.io -n kube-system", false),
    ("delete eofficetenants.eoffice.gdcc.go.th -A", false),
    ("create databaseservers.eoffice.gdcc.go.th", false),
    (
        "create clusterrolebindings.rbac.authorization.k8s.io",
        false,
    ),
    ("create pods -A", false),
    (
        "delete customresourcedefinitions.apiextensions.k8s.io",
        false,
    ),
];

/// Whoever may decide about batches, as far as RBAC is concerned.
const DECIDERS: [(&str, bool); 5] = [
    ("watch fleetholds.eoffice.gdcc.go.th", true),
    ("patch fleetholds.eoffice.gdcc.go.th", true),
    (
        "patch fleetholds.eoffice.gdcc.go.th --subresource=status",
        false,
    ),
    ("create fleetholds.eoffice.gdcc.go.th", false),
    ("delete fleetholds.eoffice.gdcc.go.th", false),
];

/// Somebody with the built-in role in one namespace.
const WITH_ROLE: [(&str, &str, bool); 11] = [
    ("viewer", "list eofficetenants.eoffice.gdcc.go.th", true),
    ("viewer", "get tenantrecords.eoffice.gdcc.go.th", true),
    ("viewer", "patch eofficetenants.eoffice.gdcc.go.th", false),
    ("viewer", "watch tenantplans.eoffice.gdcc.go.th", true),
    ("viewer", "create tenantplans.eoffice.gdcc.go.th", false),
    ("editor", "create tenantplans.eoffice.gdcc.go.th", true),
    ("editor", "delete tenantplans.eoffice.gdcc.go.th", true),
    ("editor", "update tenantplans.eoffice.gdcc.go.th", false),
    ("editor", "create eofficetenants.eoffice.gdcc.go.th", true),
    (
        "editor",
        "patch eofficetenants.eoffice.gdcc.go.th --subresource=status",
        false,
    ),
    ("editor", "update tenantrecords.eoffice.gdcc.go.th", false),
];

async fn can(world: &World, who: &str, what: &str) -> bool {
    let who = format!("--as={who}");
    let mut args = vec!["auth", "can-i", &who];
    args.extend(what.split(' '));
    // kubectl answers no with words and a failure.
    match world.kubectl(&args).await {
        Ok(answer) => answer.trim() == "yes",
        Err(error) => {
            let error = format!("{error:#}");
            assert!(error.contains("exit status: 1"), "{what}: {error}");
            false
        }
    }
}

pub async fn all(world: &World) {
    for (what, expected) in OPERATORS {
        assert_eq!(can(world, OPERATOR, what).await, expected, "{what}");
    }
    world.apply(ROLES).await;
    for (what, expected) in DECIDERS {
        assert_eq!(can(world, "decider", what).await, expected, "{what}");
    }
    for (who, what, expected) in WITH_ROLE {
        let there = format!("{what} -n province-30");
        assert_eq!(can(world, who, &there).await, expected, "{who}: {what}");
        let elsewhere = format!("{what} -n plain");
        assert!(
            !can(world, who, &elsewhere).await,
            "{who}: {what} elsewhere"
        );
    }
}

const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: decider}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: eoffice-operator-decider}
subjects: [{kind: User, name: decider, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewer, namespace: province-30}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: User, name: viewer, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editor, namespace: province-30}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: User, name: editor, apiGroup: rbac.authorization.k8s.io}]
";
