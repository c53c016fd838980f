//! One Certificate for each host, so that one that fails holds back no other; and what of it, of
//! its Secret and of what was issued is not as it should be.

mod faults;
mod look;
mod state;
mod tls;

pub use faults::{Fault, FaultKind, Repair, faults, faults_of, renewals};
pub use state::{CertificateState, Issued, Issuer, issuing};
pub use tls::{Leaf, TlsState, stripped};

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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
mod tests;
