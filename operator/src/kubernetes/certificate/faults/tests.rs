use super::*;
use crate::kubernetes::certificate::tests::{Made, made_with, tls_secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rows::ROWS;
use serde_json::json;

#[path = "tests/rows.rs"]
mod rows;

const HOST: &str = "a.example";
/// Well before the renewal.
const NOW: &str = "2026-10-15T00:00:00Z";

/// A Certificate, its Secret and its CertificateRequests, as they are when all is well.
struct World {
    certificate: Value,
    secret: Option<Value>,
    requests: Vec<Value>,
    now: &'static str,
    issued: Made,
    key: KeyPair,
}

impl World {
    fn sound() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let issued = made_with(&key, &[HOST]);
        Self {
            certificate: json!({
                "metadata": {"name": "eoffice-tls", "generation": 1, "uid": "u"},
                "spec": {"dnsNames": [HOST], "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "gov"},
                    "secretTemplate": {"labels": crate::kubernetes::tests::wanted().labels()}},
                "status": {"revision": 1, "notAfter": "2026-12-30T00:00:00Z", "renewalTime": "2026-11-30T00:00:00Z",
                    "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1, "message": "is up to date"}]},
            }),
            secret: Some(tls_secret(&issued)),
            requests: vec![request(1, &issued, &issued)],
            now: NOW,
            issued,
            key,
        }
    }

    fn put(&mut self, key: &str, value: &str) {
        self.secret.as_mut().unwrap()["data"][key] = BASE64.encode(value).into();
    }

    fn annotate(&mut self, key: &str, value: &str) {
        self.secret.as_mut().unwrap()["metadata"]["annotations"][key] = value.into();
    }

    fn label(&mut self, key: &str, value: Value) {
        let labels = &mut self.secret.as_mut().unwrap()["metadata"]["labels"];
        match value {
            Value::Null => drop(labels.as_object_mut().unwrap().remove(key)),
            value => labels[key] = value,
        }
    }

    fn issuing(&mut self) {
        let all = self.certificate["status"]["conditions"]
            .as_array_mut()
            .unwrap();
        all.push(json!({"type": "Issuing", "status": "True"}));
    }

    fn not_ready(&mut self) {
        self.certificate["status"]["conditions"][0]["status"] = "False".into();
    }

    fn faults(&self) -> Vec<Fault> {
        let now = self.now.parse().unwrap();
        faults_of(&self.certificate, self.secret.as_ref(), &self.requests, now)
    }
}

/// A CertificateRequest that asks for one and was answered with another.
fn request(revision: i64, asked: &Made, answer: &Made) -> Value {
    json!({
        "metadata": {
            "annotations": {"cert-manager.io/certificate-revision": revision.to_string()},
            "ownerReferences": [{"kind": "Certificate", "controller": true, "uid": "u"}]},
        "spec": {"request": BASE64.encode(&asked.request),
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "gov"}},
        "status": {"certificate": BASE64.encode(&answer.certificate), "ca": BASE64.encode("the CA")},
    })
}

#[test]
fn what_is_wrong_and_who_puts_it_right() {
    for (case, change, expected) in ROWS {
        let mut world = World::sound();
        change(&mut world);
        let faults = world.faults();
        let found: Vec<_> = faults
            .iter()
            .map(|fault| {
                let field = fault
                    .difference
                    .as_ref()
                    .map_or("-", |it| it.field.as_str());
                (fault.kind, fault.repair, field)
            })
            .collect();
        assert_eq!(found, *expected, "{case}");
        for fault in &faults {
            assert!(
                fault.message.contains(HOST)
                    || matches!(fault.kind, FaultKind::WrongIssuer | FaultKind::WrongLabels)
                    || fault.message.contains("b.example"),
                "{}",
                fault.message
            );
            assert_eq!(fault.problem().message, fault.message);
        }
        assert_eq!(
            faults,
            world.faults(),
            "{case}: the same from one look to the next"
        );
        let has = |repair| expected.iter().any(|(_, known, _)| *known == repair);
        let steps = usize::from(has(Repair::Renew)) + usize::from(has(Repair::Strip));
        assert_eq!(renewals(&faults).len(), steps, "{case}");
    }
}

#[test]
fn a_difference_says_what_is_there_and_who_wrote_it() {
    let mut world = World::sound();
    world.put("ca.crt", "another");
    world.secret.as_mut().unwrap()["metadata"]["managedFields"] = json!([
        {"manager": "kubectl-patch", "operation": "Update", "time": NOW, "fieldsV1": {"f:data": {"f:ca.crt": {}}}}]);
    let found = world.faults().remove(0).difference.unwrap();
    assert_eq!(found.object, "Secret/eoffice-tls");
    let print = |text: &str| Some(crate::kubernetes::diff::fingerprint_of(text.as_bytes()));
    assert_eq!(
        (found.before, found.after),
        (print("another"), print("the CA"))
    );
    assert_eq!(found.actor.unwrap().name, "kubectl-patch");
}

#[test]
fn what_the_watches_have_seen_says_the_same() {
    use crate::kubernetes::observe::{Seen, locate};
    let wanted = crate::kubernetes::tests::wanted();
    let host = wanted.hosts[0].as_str();
    let mut world = World::sound();
    let issued = made_with(&world.key, &[host]);
    world.certificate["spec"]["dnsNames"] = json!([host]);
    world.requests = vec![request(1, &issued, &issued)];
    world.requests[0]["metadata"]["name"] = "eoffice-tls-1".into();
    world.secret = Some(tls_secret(&issued));
    for ca in ["the CA", "another"] {
        world.put("ca.crt", ca);
        let all = [
            (Kind::Certificate, &world.certificate),
            (Kind::Secret, world.secret.as_ref().unwrap()),
            (Kind::CertificateRequest, &world.requests[0]),
        ];
        let mut objects = Objects::new();
        for (kind, object) in all {
            let mut object = object.clone();
            object["metadata"]["namespace"] = wanted.namespace.as_str().into();
            objects.insert(locate(kind, &object).unwrap().1, Seen::of(kind, &object));
        }
        let seen = faults(&wanted, &objects, NOW.parse().unwrap());
        assert_eq!(seen, world.faults(), "{ca}");
        assert_eq!(seen.is_empty(), ca == "the CA");
    }
}

#[test]
fn it_is_asked_for_as_cmctl_does() {
    use crate::kubernetes::certificate::issuing;
    let mut world = World::sound();
    let now = "2026-10-15T00:00:00.123Z".parse().unwrap();
    let asked = issuing(&world.certificate, now).unwrap();
    let conditions = &asked["status"]["conditions"];
    assert_eq!(conditions[0], world.certificate["status"]["conditions"][0]);
    assert_eq!(conditions[1]["type"], "Issuing");
    assert_eq!(conditions[1]["status"], "True");
    assert_eq!(conditions[1]["lastTransitionTime"], "2026-10-15T00:00:00Z");
    assert_eq!(conditions[1]["observedGeneration"], 1);
    assert_eq!(asked["spec"], world.certificate["spec"]);
    world.issuing();
    assert_eq!(issuing(&world.certificate, now), None);
}
