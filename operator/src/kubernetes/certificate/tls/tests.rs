use super::*;
use crate::kubernetes::certificate::tests::{Made, made, tls_secret};
use serde_json::json;

#[test]
fn a_secret_with_a_certificate_is_read() {
    let it = made(&["b.example", "a.example"]);
    let state = TlsState::of(&tls_secret(&it)).unwrap();
    let leaf = state.leaf.as_ref().unwrap();
    assert_eq!(leaf.names, ["a.example", "b.example"]);
    assert!(leaf.not_before < leaf.not_after);
    assert!(state.fits());
    assert_eq!(state.key, key_of_request(it.request.as_bytes()));
    assert_eq!(
        state.certificate,
        Some(fingerprint_of(it.certificate.as_bytes()))
    );
    assert_eq!(names_of_request(it.request.as_bytes()), leaf.names);
    assert_eq!(
        state.issuer,
        Issuer::new(Some("gov"), Some("ClusterIssuer"), None)
    );
    assert!(state.writers.is_empty());
    let all = format!("{state:?}");
    assert!(
        !all.contains("PRIVATE") && !all.contains(&it.key[40..60]),
        "{all}"
    );
}

#[test]
fn what_does_not_belong_together_or_cannot_be_read() {
    let it = made(&["a.example"]);
    let other = made(&["a.example"]);
    let of = |certificate: &str, key: &str| {
        TlsState::of(&tls_secret(&Made {
            certificate: certificate.into(),
            key: key.into(),
            ..made(&["a.example"])
        }))
        .unwrap()
    };
    assert!(!of(&it.certificate, &other.key).fits());
    for broken in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let state = of(broken, &it.key);
        assert!(state.leaf.is_none() && !state.fits(), "{broken}");
        assert!(of(&it.certificate, broken).key.is_none(), "{broken}");
    }
    assert_eq!(of("", &it.key).certificate, None);
}

#[test]
fn addresses_and_the_like_are_names_too() {
    let it = made(&["a.example", "192.0.2.1"]);
    let leaf = TlsState::of(&tls_secret(&it)).unwrap().leaf.unwrap();
    assert_eq!(leaf.names, ["192.0.2.1", "a.example"]);
}

#[test]
fn only_the_secrets_of_hosts() {
    let named = |name: &str| TlsState::of(&json!({"metadata": {"name": name}})).is_some();
    assert!(named("eoffice-tls") && named("eoffice-tls-0123456789ab"));
    assert!(!named("eoffice-tlsx") && !named("eoffice-database") && !named("x"));
}

#[test]
fn who_wrote_to_it_but_for_cert_manager() {
    let mut secret = tls_secret(&made(&["a.example"]));
    let entry = |manager: &str, set: Value| json!({"manager": manager, "operation": "Update", "time": "2026-11-21T09:00:00Z", "fieldsV1": set});
    secret["metadata"]["managedFields"] = json!([
        entry(
            "cert-manager-certificates-issuing",
            json!({"f:data": {"f:tls.crt": {}, "f:tls.key": {}, "f:ca.crt": {}}})
        ),
        entry("kubectl-edit", json!({"f:data": {"f:tls.crt": {}}})),
        entry(
            "kubectl-annotate",
            json!({"f:metadata": {"f:annotations": {"f:cert-manager.io/issuer-name": {}}}})
        ),
    ]);
    let writers = TlsState::of(&secret).unwrap().writers;
    let names: Vec<_> = writers
        .iter()
        .map(|(at, who)| (at.as_str(), who.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("data[tls.crt]", "kubectl-edit"),
            (
                "metadata.annotations[cert-manager.io/issuer-name]",
                "kubectl-annotate"
            ),
        ]
    );
}

#[test]
fn what_others_added_is_taken_out_and_nothing_else() {
    let sound = tls_secret(&made(&["a.example"]));
    assert_eq!(stripped(&sound), None);
    let mut added = sound.clone();
    added["data"]["extra"] = BASE64.encode("hunter2").into();
    let applied = r#"{"data":{"tls.key":"hunter2"}}"#;
    added["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
        applied.into();
    let surplus = TlsState::of(&added).unwrap().surplus;
    let shown: Vec<_> = surplus
        .iter()
        .map(|(at, it)| (at.as_str(), it.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            // printf hunter2 | sha256sum | cut -c-16
            ("data.extra", "f52fbd32b2b3b86f"),
            (
                "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
                "(hidden)"
            ),
        ]
    );
    assert_eq!(stripped(&added), Some(sound));
}
