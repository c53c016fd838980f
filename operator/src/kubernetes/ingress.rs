//! The Ingress: every granted host leads to the tenant's Service.

use super::desired::Wanted;
use serde_json::{Value, json};

/// The Ingress v1 of the tenant, without a controller's annotations.
pub fn ingress(wanted: &Wanted) -> Value {
    let class = &wanted.class.ingress;
    let service = json!({"name": class.service.name, "port": {"number": class.service.port}});
    let rule = |host: &String| {
        json!({"host": host, "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": service}},
        ]}})
    };
    let tls = |host: &String| json!({"hosts": [host], "secretName": wanted.tls_secret(host)});
    wanted.object(
        "networking.k8s.io/v1",
        "Ingress",
        "eoffice",
        json!({"spec": {
            "ingressClassName": class.class_name,
            "rules": wanted.hosts.iter().map(rule).collect::<Vec<_>>(),
            "tls": wanted.hosts.iter().map(tls).collect::<Vec<_>>(),
        }}),
    )
}
