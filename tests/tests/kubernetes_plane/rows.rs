//! What people do to objects with kubectl, and what is told of it.

use crate::ground::{HOST, NAMESPACE};

/// How somebody changes an object.
pub enum By {
    /// kubectl with these arguments.
    Kubectl(&'static [&'static str]),
    /// `kubectl apply --server-side` of this.
    Apply(&'static str),
    /// `kubectl edit` of the object, with this sed script.
    Edit(&'static str, &'static str),
}

/// What is done, of which object it is, and field, before, after and actor of what is told.
pub type Told = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);
pub struct Row(pub By, pub &'static str, pub &'static [Told]);

const PATCH: Option<&str> = Some("kubectl-patch");

pub const ROWS: &[Row] = &[
    Row(
        By::Edit("quota/eoffice", "s/pods:.*/pods: \"999\"/"),
        "ResourceQuota/eoffice",
        &[(
            "spec.hard.pods",
            Some("999"),
            Some("20"),
            Some("kubectl-edit"),
        )],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "quota/eoffice",
            "--type=merge",
            r#"-p={"spec":{"hard":{"configmaps":"5","requests.cpu":null}}}"#,
        ]),
        "ResourceQuota/eoffice",
        &[
            ("spec.hard.configmaps", Some("5"), None, PATCH),
            ("spec.hard[requests.cpu]", None, Some("2"), None),
        ],
    ),
    Row(
        By::Apply(
            r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"eoffice"},"spec":{"hard":{"pods":"30","secrets":"9"}}}"#,
        ),
        "ResourceQuota/eoffice",
        &[
            ("spec.hard.pods", Some("30"), Some("20"), Some("kubectl")),
            ("spec.hard.secrets", Some("9"), None, Some("kubectl")),
        ],
    ),
    Row(
        By::Kubectl(&[
            "label",
            "limits/eoffice",
            "by=hand",
            "eoffice.gdcc.go.th/province=31",
            "--overwrite",
        ]),
        "LimitRange/eoffice",
        &[
            (
                "metadata.labels[by]",
                Some("hand"),
                None,
                Some("kubectl-label"),
            ),
            (
                "metadata.labels[eoffice.gdcc.go.th/province]",
                Some("31"),
                Some("30"),
                Some("kubectl-label"),
            ),
        ],
    ),
    Row(
        By::Kubectl(&["label", "limits/eoffice", "eoffice.gdcc.go.th/province-"]),
        "LimitRange/eoffice",
        &[(
            "metadata.labels[eoffice.gdcc.go.th/province]",
            None,
            Some("30"),
            None,
        )],
    ),
    Row(
        By::Kubectl(&[
            "annotate",
            "ingress/eoffice",
            "traefik.ingress.kubernetes.io/router.tls=false",
        ]),
        "Ingress/eoffice",
        &[(
            "metadata.annotations[traefik.ingress.kubernetes.io/router.tls]",
            Some("false"),
            None,
            Some("kubectl-annotate"),
        )],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "ingress/eoffice",
            "--type=merge",
            r#"-p={"spec":{"ingressClassName":"another","tls":null}}"#,
        ]),
        "Ingress/eoffice",
        &[
            (
                "spec.ingressClassName",
                Some("another"),
                Some("traefik"),
                PATCH,
            ),
            (
                "spec.tls",
                None,
                Some(
                    r#"[{"hosts":["town-pak-chong-3021.eoffice.example"],"secretName":"eoffice-tls"}]"#,
                ),
                None,
            ),
        ],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "ingress/eoffice",
            "--type=json",
            r#"-p=[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/name","value":"mine"}]"#,
        ]),
        "Ingress/eoffice",
        &[(
            "spec.rules[0].http.paths[0].backend.service.name",
            Some("mine"),
            Some("eoffice"),
            PATCH,
        )],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "networkpolicy/allow-dns",
            "--type=merge",
            r#"-p={"spec":{"egress":[{}]}}"#,
        ]),
        "NetworkPolicy/allow-dns",
        &[
            (
                "spec.egress[0].ports",
                None,
                Some(r#"[{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"}]"#),
                PATCH,
            ),
            (
                "spec.egress[0].to",
                None,
                Some(
                    r#"[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"kube-system"}}}]"#,
                ),
                PATCH,
            ),
        ],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "networkpolicy/default-deny",
            "--type=merge",
            r#"-p={"spec":{"podSelector":{"matchLabels":{"no":"pod"}}}}"#,
        ]),
        "NetworkPolicy/default-deny",
        &[("spec.podSelector.matchLabels[no]", Some("pod"), None, PATCH)],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "serviceaccount/eoffice",
            "--type=merge",
            r#"-p={"automountServiceAccountToken":true,"secrets":[{"name":"another"}]}"#,
        ]),
        "ServiceAccount/eoffice",
        &[
            (
                "automountServiceAccountToken",
                Some("true"),
                Some("false"),
                PATCH,
            ),
            ("secrets", Some(r#"[{"name":"another"}]"#), None, PATCH),
        ],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "rolebinding/eoffice-officers",
            "--type=merge",
            r#"-p={"subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"eoffice:province-31"}]}"#,
        ]),
        "RoleBinding/eoffice-officers",
        &[
            (
                "subjects[eoffice:province-30].apiGroup",
                None,
                Some("rbac.authorization.k8s.io"),
                PATCH,
            ),
            (
                "subjects[eoffice:province-30].kind",
                None,
                Some("Group"),
                PATCH,
            ),
            (
                "subjects[eoffice:province-30].name",
                None,
                Some("eoffice:province-30"),
                PATCH,
            ),
            (
                "subjects[eoffice:province-31].apiGroup",
                Some("rbac.authorization.k8s.io"),
                None,
                PATCH,
            ),
            (
                "subjects[eoffice:province-31].kind",
                Some("Group"),
                None,
                PATCH,
            ),
            (
                "subjects[eoffice:province-31].name",
                Some("eoffice:province-31"),
                None,
                PATCH,
            ),
        ],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "limits/eoffice",
            "--type=json",
            r#"-p=[{"op":"add","path":"/spec/limits/0/max","value":{"cpu":"64"}}]"#,
        ]),
        "LimitRange/eoffice",
        &[("spec.limits[0].max.cpu", Some("64"), None, PATCH)],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "certificate/eoffice-tls",
            "--type=merge",
            r#"-p={"spec":{"revisionHistoryLimit":7}}"#,
        ]),
        "Certificate/eoffice-tls",
        &[("spec.revisionHistoryLimit", Some("7"), None, PATCH)],
    ),
    Row(
        By::Kubectl(&[
            "patch",
            "certificate/eoffice-tls",
            "--type=merge",
            r#"-p={"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"kube-root-ca.crt","uid":"0"}]}}"#,
        ]),
        "Certificate/eoffice-tls",
        &[(
            "metadata.ownerReferences",
            Some(r#"[{"apiVersion":"v1","kind":"ConfigMap","name":"kube-root-ca.crt","uid":"0"}]"#),
            None,
            PATCH,
        )],
    ),
    Row(
        By::Kubectl(&[
            "label",
            "namespace",
            NAMESPACE,
            "pod-security.kubernetes.io/enforce=privileged",
            "--overwrite",
        ]),
        "Namespace/eoffice-town-pak-chong-3021",
        &[(
            "metadata.labels[pod-security.kubernetes.io/enforce]",
            Some("privileged"),
            Some("restricted"),
            Some("kubectl-label"),
        )],
    ),
    Row(
        By::Kubectl(&[
            "annotate",
            "namespace",
            NAMESPACE,
            "eoffice.gdcc.go.th/hosts=www.else.example",
            "--overwrite",
        ]),
        "Namespace/eoffice-town-pak-chong-3021",
        &[(
            "metadata.annotations[eoffice.gdcc.go.th/hosts]",
            Some("www.else.example"),
            Some(HOST),
            Some("kubectl-annotate"),
        )],
    ),
    Row(
        By::Kubectl(&["delete", "limits/eoffice"]),
        "LimitRange/eoffice",
        &[("", None, None, None)],
    ),
];
