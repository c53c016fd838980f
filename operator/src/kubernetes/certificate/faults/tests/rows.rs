//! What happens to certificates, and what is then said of them.

use super::*;
use crate::kubernetes::certificate::tests::{made, made_with, tls_secret};
use serde_json::json;

/// What has happened, and what is told of it: kind, who mends, field.
pub type Row = (
    &'static str,
    fn(&mut World),
    &'static [(FaultKind, Repair, &'static str)],
);

use FaultKind::{
    NotIssued, NotRenewed, SecretMissing, Surplus, WrongContent, WrongIssuer, WrongLabels,
    WrongNames,
};
use Repair::{CertManager, Person, Renew, Strip};

pub const ROWS: &[Row] = &[
    ("all is well", |_| {}, &[]),
    (
        "it was never issued",
        |world| {
            world.certificate["status"] = json!({});
            world.secret = None;
            world.requests.clear();
        },
        &[(NotIssued, CertManager, "-")],
    ),
    (
        "the spec is newer than what cert-manager has seen",
        |world| world.certificate["metadata"]["generation"] = 2.into(),
        &[(NotIssued, CertManager, "-")],
    ),
    (
        "the Secret was deleted",
        |world| world.secret = None,
        &[(SecretMissing, CertManager, "")],
    ),
    (
        "another certificate over the right key",
        |world| {
            let other = made_with(&world.key, &[HOST]);
            world.put("tls.crt", &other.certificate);
        },
        &[(WrongContent, Renew, "data[tls.crt]")],
    ),
    (
        "another certificate over the right key, for another name",
        |world| {
            let other = made_with(&world.key, &["evil.example"]);
            world.put("tls.crt", &other.certificate);
        },
        &[
            (WrongContent, Renew, "data[tls.crt]"),
            (WrongNames, Renew, "dnsNames"),
        ],
    ),
    (
        "another certificate with its own key",
        |world| {
            let other = made(&[HOST]);
            world.put("tls.crt", &other.certificate);
            world.put("tls.key", &other.key);
        },
        &[
            (WrongContent, CertManager, "data[tls.crt]"),
            (WrongContent, CertManager, "data[tls.key]"),
        ],
    ),
    (
        "a key that is not the certificate's",
        |world| world.put("tls.key", &made(&[HOST]).key),
        &[(WrongContent, CertManager, "data[tls.key]")],
    ),
    (
        "no key",
        |world| world.put("tls.key", ""),
        &[(WrongContent, CertManager, "data[tls.key]")],
    ),
    (
        "no certificate",
        |world| world.put("tls.crt", ""),
        &[(WrongContent, CertManager, "data[tls.crt]")],
    ),
    (
        "another CA",
        |world| world.put("ca.crt", "another"),
        &[(WrongContent, Renew, "data[ca.crt]")],
    ),
    (
        "no CA",
        |world| world.put("ca.crt", ""),
        &[(WrongContent, Renew, "data[ca.crt]")],
    ),
    (
        "another CA, and cert-manager is at it",
        |world| {
            world.put("ca.crt", "another");
            world.issuing();
        },
        &[(WrongContent, CertManager, "data[ca.crt]")],
    ),
    (
        "another CA, and issuing failed lately",
        |world| {
            world.put("ca.crt", "another");
            world.certificate["status"]["lastFailureTime"] = "2026-10-14T23:30:00Z".into();
        },
        &[(WrongContent, CertManager, "data[ca.crt]")],
    ),
    (
        "another CA, and issuing failed long ago",
        |world| {
            world.put("ca.crt", "another");
            world.certificate["status"]["lastFailureTime"] = "2026-10-14T22:30:00Z".into();
        },
        &[(WrongContent, Renew, "data[ca.crt]")],
    ),
    (
        "the Secret is written, and the Certificate does not say so yet",
        |world| {
            let next = made(&[HOST]);
            world.requests.push(request(2, &next, &next));
            world.secret = Some(tls_secret(&next));
            world.issuing();
        },
        &[],
    ),
    (
        "the Secret is not written yet, and the next answer is there",
        |world| {
            let next = made(&[HOST]);
            world.requests.push(request(2, &next, &next));
            world.issuing();
        },
        &[],
    ),
    (
        "what was issued before the last",
        |world| {
            let next = made(&[HOST]);
            world.requests.push(request(2, &next, &next));
            world.certificate["status"]["revision"] = 2.into();
        },
        &[
            (WrongContent, CertManager, "data[tls.crt]"),
            (WrongContent, CertManager, "data[tls.key]"),
        ],
    ),
    (
        "somebody made a request of his own in its name",
        |world| {
            let other = made(&[HOST]);
            let mut forged = request(1, &other, &other);
            forged["metadata"]["ownerReferences"][0]["uid"] = "another".into();
            world.requests.insert(0, forged);
        },
        &[],
    ),
    (
        "nobody knows any more what was issued",
        |world| world.requests.clear(),
        &[],
    ),
    (
        "nobody knows what was issued, and the key is not the certificate's",
        |world| {
            world.requests.clear();
            world.put("tls.key", &made(&[HOST]).key);
        },
        &[(WrongContent, CertManager, "data[tls.key]")],
    ),
    (
        "nobody knows what was issued, and the name is another",
        |world| {
            world.requests.clear();
            world.secret = Some(tls_secret(&made(&["evil.example"])));
        },
        &[(WrongNames, CertManager, "dnsNames")],
    ),
    (
        "the issuer added a name",
        |world| {
            let answer = made_with(&world.key, &[HOST, "www.a.example"]);
            world.requests = vec![request(1, &world.issued, &answer)];
            world.put("tls.crt", &answer.certificate);
        },
        &[(WrongNames, Person, "dnsNames")],
    ),
    (
        "the host is another than it was when this was issued",
        |world| {
            world.certificate["spec"]["dnsNames"] = json!(["b.example"]);
            world.not_ready();
        },
        &[(NotIssued, CertManager, "-")],
    ),
    (
        "the class names another issuer, and cert-manager is on its way",
        |world| {
            world.certificate["spec"]["issuerRef"]["name"] = "other".into();
            world.not_ready();
        },
        &[(NotIssued, CertManager, "-")],
    ),
    (
        "the note of the issuer was changed",
        |world| world.annotate("cert-manager.io/issuer-name", "other"),
        &[(
            WrongIssuer,
            CertManager,
            "metadata.annotations[cert-manager.io/issuer-name]",
        )],
    ),
    (
        "the note of the issuer's kind was changed",
        |world| world.annotate("cert-manager.io/issuer-kind", ""),
        &[(
            WrongIssuer,
            CertManager,
            "metadata.annotations[cert-manager.io/issuer-kind]",
        )],
    ),
    (
        "the note of the Certificate was changed",
        |world| world.annotate("cert-manager.io/certificate-name", "another"),
        &[(
            WrongIssuer,
            CertManager,
            "metadata.annotations[cert-manager.io/certificate-name]",
        )],
    ),
    (
        "keys, labels and notes that cert-manager leaves in place were added",
        |world| {
            world.put("extra", "x");
            world.annotate("reflector.example/allowed", "true");
            world.label("by", json!("hand"));
            world.label("controller.cert-manager.io/fao", json!("true"));
        },
        &[
            (Surplus, Strip, "data.extra"),
            (
                Surplus,
                Strip,
                "metadata.annotations[reflector.example/allowed]",
            ),
            (Surplus, Strip, "metadata.labels[by]"),
        ],
    ),
    (
        "labels of the template were changed and removed",
        |world| {
            world.label("eoffice.gdcc.go.th/province", json!("31"));
            world.label("eoffice.gdcc.go.th/tenant", Value::Null);
        },
        &[
            (
                WrongLabels,
                CertManager,
                "metadata.labels[eoffice.gdcc.go.th/province]",
            ),
            (
                WrongLabels,
                CertManager,
                "metadata.labels[eoffice.gdcc.go.th/tenant]",
            ),
        ],
    ),
    (
        "the renewal is late, but not by much",
        |world| world.now = "2026-11-30T00:59:00Z",
        &[],
    ),
    (
        "the renewal was missed",
        |world| world.now = "2026-11-30T01:01:00Z",
        &[(NotRenewed, Renew, "status.notAfter")],
    ),
    (
        "the renewal was missed, and is being made",
        |world| {
            world.now = "2026-11-30T01:01:00Z";
            world.issuing();
        },
        &[(NotRenewed, CertManager, "status.notAfter")],
    ),
    (
        "it was renewed, and the Certificate does not say so yet",
        |world| {
            world.now = "2026-11-30T01:01:00Z";
            world.certificate["status"]["notAfter"] = "2026-10-01T00:00:00Z".into();
        },
        &[],
    ),
    (
        "the last tenth of its life has begun",
        |world| {
            world.now = "2026-12-21T00:00:00Z";
            world.certificate["status"]["renewalTime"] = Value::Null;
        },
        &[(NotRenewed, Renew, "status.notAfter")],
    ),
    (
        "it has ended",
        |world| {
            world.now = "2027-01-01T00:00:00Z";
            world.not_ready();
        },
        &[(NotRenewed, Renew, "status.notAfter")],
    ),
];
