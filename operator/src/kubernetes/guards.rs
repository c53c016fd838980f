//! Quota, limits, network policies, service account and officers: what keeps a tenant to itself.

use super::desired::Wanted;
use eoffice_crds::OFFICERS_BINDING;
use serde_json::{Value, json};

/// What the tenant may use at most. A closed tenant may run no pod.
pub fn resource_quota(wanted: &Wanted) -> Value {
    let mut hard = wanted.class.resources.clone();
    if !wanted.open {
        hard.insert("pods".into(), "0".into());
    }
    wanted.object(
        "v1",
        "ResourceQuota",
        "eoffice",
        json!({"spec": {"hard": hard}}),
    )
}

/// What a container gets that asks for nothing: without it the quota would refuse the pod.
pub fn limit_range(wanted: &Wanted) -> Value {
    let defaults = &wanted.class.container_defaults;
    wanted.object(
        "v1",
        "LimitRange",
        "eoffice",
        json!({"spec": {"limits": [{
            "type": "Container",
            "default": {"cpu": defaults.limit_cpu, "memory": defaults.limit_memory},
            "defaultRequest": {"cpu": defaults.request_cpu, "memory": defaults.request_memory},
        }]}}),
    )
}

/// The account the application runs with. It has no rights in the cluster, and no token is mounted.
pub fn service_account(wanted: &Wanted) -> Value {
    wanted.object(
        "v1",
        "ServiceAccount",
        "eoffice",
        json!({"automountServiceAccountToken": false}),
    )
}

/// The officers of the province may look in, whether the tenant is open or not; what they see is the role's matter.
pub fn officers(wanted: &Wanted) -> Option<Value> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let officers = wanted.officers.as_ref()?;
    Some(wanted.object(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        OFFICERS_BINDING,
        json!({
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": officers.role},
            "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": officers.group}],
        }),
    ))
}

/// Everything is denied; what the application needs is opened while the tenant is open.
pub fn network_policies(wanted: &Wanted) -> Vec<Value> {
    let mut policies = vec![policy(
        wanted,
        "default-deny",
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
    )];
    if !wanted.open {
        return policies;
    }
    policies.push(policy(wanted, "allow-dns", egress(
        json!([{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        }]),
        json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]),
    )));
    let backends = [
        ("allow-database", &wanted.database_network),
        ("allow-storage", &wanted.storage_network),
    ];
    for (name, network) in backends {
        // A rule without peers would open the port to everywhere.
        if !network.cidrs.is_empty() {
            policies.push(policy(
                wanted,
                name,
                egress(
                    blocks(&network.cidrs),
                    json!([{"port": network.port, "protocol": "TCP"}]),
                ),
            ));
        }
    }
    let from = ingress_peers(wanted);
    if from.as_array().is_some_and(|peers| !peers.is_empty()) {
        let port = wanted.class.ingress.service.port;
        policies.push(policy(
            wanted,
            "allow-ingress",
            json!({
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": from, "ports": [{"port": port, "protocol": "TCP"}]}],
            }),
        ));
    }
    policies
}

fn policy(wanted: &Wanted, name: &str, spec: Value) -> Value {
    wanted.object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        json!({"spec": spec}),
    )
}

fn egress(to: Value, ports: Value) -> Value {
    json!({
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": to, "ports": ports}],
    })
}

fn blocks(cidrs: &[String]) -> Value {
    cidrs
        .iter()
        .map(|cidr| json!({"ipBlock": {"cidr": cidr}}))
        .collect()
}

fn ingress_peers(wanted: &Wanted) -> Value {
    let controller = &wanted.class.ingress.controller;
    let mut peers = Vec::new();
    if let Some(selector) = &controller.namespace_selector {
        peers.push(json!({"namespaceSelector": selector}));
    }
    if let Value::Array(ranges) = blocks(&controller.cidrs) {
        peers.extend(ranges);
    }
    peers.into()
}
