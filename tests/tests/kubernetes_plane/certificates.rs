//! What people do to a certificate's Secret: told of, and put right by whoever it is to put right.

use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use eoffice_operator::kubernetes::Kind;
use eoffice_operator::kubernetes::certificate::{Fault, FaultKind, Repair, faults, renewals};
use eoffice_operator::kubernetes::plan::Step;
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use serde_json::{Value, json};

use crate::ground::{HOST, NAMESPACE, World, desired, eventually, key, wanted};

const NAME: &str = "eoffice-tls";

impl World {
    async fn secret(&self) -> Result<Value> {
        let live = self
            .cluster
            .get(NAMESPACE, &key(Kind::Secret, NAME))
            .await?;
        live.ok_or_else(|| anyhow::anyhow!("there is no Secret"))
    }

    async fn faults(&self) -> Vec<Fault> {
        let key = key(Kind::Certificate, NAME);
        self.cluster
            .examine_certificate(NAMESPACE, &key)
            .await
            .unwrap()
    }

    async fn certificate_settles(&self) {
        eventually("the certificate is in order", || async {
            let faults = self.faults().await;
            ensure!(faults.is_empty(), "{faults:?}");
            self.watched().await;
            let objects = self.cluster.index.objects(NAMESPACE);
            let seen = eoffice_operator::kubernetes::certificate::faults(
                &wanted(),
                &objects,
                Timestamp::now(),
            );
            ensure!(seen.is_empty(), "{seen:?}");
            Ok(())
        })
        .await;
    }

    async fn put(&self, data: Value) {
        let patch = format!("-p={}", json!({"data": data}));
        self.kubectl(&["patch", "secret", NAME, "--type=merge", &patch])
            .await
            .unwrap();
    }
}

/// What PKCS#8 puts before a P-256 key as cert-manager writes it (SEC1, with its public half).
const PKCS8: [u8; 26] = [
    0x30, 0x81, 0x93, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
];
const CURVE_AND_LENGTH: [u8; 3] = [0x07, 0x04, 0x79];

/// Another certificate, signed by itself, over the key in the Secret.
fn forged(secret: &Value, host: &str) -> String {
    let pem = BASE64.decode(secret["data"]["tls.key"].as_str().unwrap());
    let sec1 = PrivateSec1KeyDer::from_pem_slice(&pem.unwrap()).unwrap();
    assert_eq!(sec1.secret_sec1_der().len(), 0x79);
    let der = [&PKCS8[..], &CURVE_AND_LENGTH, sec1.secret_sec1_der()].concat();
    let der = PrivatePkcs8KeyDer::from(der);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256).unwrap();
    let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    BASE64.encode(params.self_signed(&key).unwrap().pem())
}

pub async fn told_and_put_right(world: &World) {
    world.settle(desired(&wanted())).await;
    world.certificate_settles().await;
    ours(world).await;
    added(world).await;
    cert_managers(world).await;
}

/// What cert-manager does not see is issued anew at our word.
async fn ours(world: &World) {
    use FaultKind::{WrongContent, WrongNames};
    let ca = |value: Value| json!({"ca.crt": value});
    let rows = [
        (Some(HOST), Value::Null, vec![WrongContent]),
        (
            Some("evil.example"),
            Value::Null,
            vec![WrongContent, WrongNames],
        ),
        (
            None,
            ca(BASE64.encode("another").into()),
            vec![WrongContent],
        ),
        (None, ca(Value::Null), vec![WrongContent]),
    ];
    for (host, data, kinds) in rows {
        let data = match host {
            Some(host) => json!({"tls.crt": forged(&world.secret().await.unwrap(), host)}),
            None => data,
        };
        let removed = data == ca(Value::Null);
        world.put(data).await;
        let faults = mended(world, &Step::Renew(key(Kind::Certificate, NAME))).await;
        assert_eq!(faults.iter().map(|it| it.kind).collect::<Vec<_>>(), kinds);
        for fault in faults {
            let difference = fault.difference.unwrap();
            assert_eq!(difference.object, "Secret/eoffice-tls");
            let actor = difference.actor.as_ref().map(|actor| actor.name.as_str());
            assert_eq!(
                actor,
                (!removed).then_some("kubectl-patch"),
                "{difference:?}"
            );
        }
    }
}

/// What others add to the Secret is taken out, and the certificate stays.
async fn added(world: &World) {
    let before = world.secret().await.unwrap();
    world.put(json!({"extra": BASE64.encode("x")})).await;
    for (verb, what) in [("annotate", "example.org/copy=true"), ("label", "by=hand")] {
        world.kubectl(&[verb, "secret", NAME, what]).await.unwrap();
    }
    let faults = mended(world, &Step::Strip(key(Kind::Secret, NAME))).await;
    let told: Vec<_> = faults
        .iter()
        .map(|fault| {
            let difference = fault.difference.as_ref().unwrap();
            let actor = &difference.actor.as_ref().unwrap().name;
            (difference.field.as_str(), actor.as_str())
        })
        .collect();
    let expected = [
        ("data.extra", "kubectl-patch"),
        ("metadata.annotations[example.org/copy]", "kubectl-annotate"),
        ("metadata.labels[by]", "kubectl-label"),
    ];
    assert_eq!(told, expected);
    let after = world.secret().await.unwrap();
    assert_eq!(after["data"], before["data"]);
    for map in ["labels", "annotations"] {
        assert_eq!(after["metadata"][map], before["metadata"][map]);
    }
}

/// Finds what is wrong as the watches would, examines and carries out the one step for it; answers
/// with what was told.
async fn mended(world: &World, step: &Step) -> Vec<Fault> {
    world.watched().await;
    let objects = world.cluster.index.objects(NAMESPACE);
    let seen = faults(&wanted(), &objects, Timestamp::now());
    assert_eq!(renewals(&seen), std::slice::from_ref(step));
    let examined = world.cluster.examine(NAMESPACE, step.clone()).await;
    let change = examined.unwrap().unwrap();
    let told: Vec<_> = seen.iter().filter_map(|it| it.difference.clone()).collect();
    assert_eq!(change.differences, told);
    // Twice, as after a lost reply.
    for _ in 0..2 {
        world.cluster.carry_out(NAMESPACE, step).await.unwrap();
    }
    world.certificate_settles().await;
    let again = world.cluster.examine(NAMESPACE, step.clone()).await;
    assert_eq!(again.unwrap(), None);
    seen
}

/// What cert-manager sees it puts right by itself: we only tell of it.
async fn cert_managers(world: &World) {
    use FaultKind::{SecretMissing, WrongContent, WrongIssuer, WrongLabels};
    let other = || KeyPair::generate().unwrap().serialize_pem();
    let data = |data: Value| {
        let patch = format!("-p={}", json!({"data": data}));
        ["patch", "secret", NAME, "--type=merge", &patch]
            .map(str::to_owned)
            .to_vec()
    };
    let note = |note: &str| {
        let note = format!("cert-manager.io/{note}=other");
        ["annotate", "secret", NAME, &note, "--overwrite"]
            .map(str::to_owned)
            .to_vec()
    };
    let label = |label: &str| {
        let label = format!("eoffice.gdcc.go.th/{label}");
        ["label", "secret", NAME, &label, "--overwrite"]
            .map(str::to_owned)
            .to_vec()
    };
    let rows = [
        (label("province=31"), WrongLabels),
        (label("tenant-"), WrongLabels),
        (
            data(json!({"tls.key": BASE64.encode(other())})),
            WrongContent,
        ),
        (
            data(json!({"tls.crt": BASE64.encode("none")})),
            WrongContent,
        ),
        (data(json!({"tls.key": ""})), WrongContent),
        (note("issuer-name"), WrongIssuer),
        (note("issuer-kind"), WrongIssuer),
        (note("issuer-group"), WrongIssuer),
        (note("certificate-name"), WrongIssuer),
        (
            ["delete", "secret", NAME].map(str::to_owned).to_vec(),
            SecretMissing,
        ),
    ];
    for (args, kind) in rows {
        // It is quick: while it is away, what is wrong stays so.
        world.cert_manager.part.kill().await;
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        world.kubectl(&args).await.unwrap();
        let faults = world.faults().await;
        let told: Vec<_> = faults.iter().map(|it| (it.kind, it.repair)).collect();
        assert_eq!(told, [(kind, Repair::CertManager)], "{args:?}");
        assert_eq!(renewals(&faults), []);
        let difference = faults[0].difference.as_ref().unwrap();
        let actor = difference.actor.as_ref().map(|actor| actor.name.as_str());
        let expected = match args[0] {
            "patch" => Some("kubectl-patch"),
            "annotate" => Some("kubectl-annotate"),
            "label" if difference.before.is_some() => Some("kubectl-label"),
            _ => None,
        };
        assert_eq!(actor, expected, "{difference:?}");
        world.cert_manager.part.start().await.unwrap();
        world.certificate_settles().await;
    }
}
