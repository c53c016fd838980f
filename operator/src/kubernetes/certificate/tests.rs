//! Certificates as an issuer and cert-manager make them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

/// A certificate with its key, and the request for it; all PEM.
#[derive(Clone)]
pub struct Made {
    pub certificate: String,
    pub key: String,
    pub request: String,
}

/// A certificate for these names, with a key of its own.
pub fn made(names: &[&str]) -> Made {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    made_with(&key, names)
}

/// A certificate for these names over this key, valid from 2026-10-01 to 2026-12-30: 90 days.
pub fn made_with(key: &KeyPair, names: &[&str]) -> Made {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 10, 1);
    params.not_after = rcgen::date_time_ymd(2026, 12, 30);
    Made {
        certificate: params.self_signed(key).unwrap().pem(),
        key: key.serialize_pem(),
        request: params.serialize_request(key).unwrap().pem().unwrap(),
    }
}

/// The Secret that cert-manager makes of it.
pub fn tls_secret(made: &Made) -> Value {
    json!({
        "metadata": {"name": "eoffice-tls", "labels": crate::kubernetes::tests::wanted().labels(), "annotations": {
            "cert-manager.io/certificate-name": "eoffice-tls",
            "cert-manager.io/issuer-name": "gov",
            "cert-manager.io/issuer-kind": "ClusterIssuer",
            "cert-manager.io/issuer-group": "cert-manager.io"}},
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": BASE64.encode(&made.certificate),
            "tls.key": BASE64.encode(&made.key),
            "ca.crt": BASE64.encode("the CA")},
    })
}
