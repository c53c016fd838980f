//! One Certificate for each host, so that one that fails holds back no other.

use super::desired::Wanted;
use serde_json::{Value, json};

/// The Certificate of one host.
pub fn certificate(wanted: &Wanted, host: &str) -> Value {
    let name = wanted.tls_secret(host);
    let issuer = &wanted.class.certificate.issuer_ref;
    wanted.object(
        "cert-manager.io/v1",
        "Certificate",
        &name,
        json!({"spec": {
            "secretName": name,
            "dnsNames": [host],
            "issuerRef": {"group": issuer.group, "kind": issuer.kind, "name": issuer.name},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["digital signature", "key encipherment", "server auth"],
            "secretTemplate": {"labels": wanted.labels()},
        }}),
    )
}
