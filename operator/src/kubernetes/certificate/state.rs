//! What is kept of a Certificate, and of a CertificateRequest that was answered.

use super::tls::{decoded, key_of_request, names_of_request};
use crate::kubernetes::diff::fingerprint_of;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The revision of a Certificate that a CertificateRequest is for.
const REVISION: &str = "cert-manager.io/certificate-revision";
/// The Certificate that a Secret is of.
pub(super) const CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";

/// Who issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Name.
    pub name: String,
    /// Kind; cert-manager takes none for `Issuer`.
    pub kind: String,
    /// API group; cert-manager takes none for its own.
    pub group: String,
}

impl Issuer {
    /// The issuer of this reference.
    pub fn new(name: Option<&str>, kind: Option<&str>, group: Option<&str>) -> Self {
        let or = |value: Option<&str>, default: &str| {
            let given = value.filter(|value| !value.is_empty());
            given.unwrap_or(default).to_owned()
        };
        Self {
            name: or(name, ""),
            kind: or(kind, "Issuer"),
            group: or(group, "cert-manager.io"),
        }
    }

    /// The issuer that the spec of a Certificate or CertificateRequest names.
    pub fn of(spec: &Value) -> Self {
        let text = |key: &str| spec["issuerRef"][key].as_str();
        Self::new(text("name"), text("kind"), text("group"))
    }
}

/// How a Certificate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateState {
    /// Its UID.
    pub uid: String,
    /// Whether cert-manager says that it is ready.
    pub ready: bool,
    /// What it says.
    pub message: String,
    /// When it ends.
    pub not_after: Option<Timestamp>,
    /// When cert-manager means to renew it.
    pub renewal_time: Option<Timestamp>,
    /// Whether cert-manager is issuing it.
    pub issuing: bool,
    /// How often it was issued; absent where it never was.
    pub revision: Option<i64>,
    /// When issuing it failed last, if it was not issued since.
    pub failed_at: Option<Timestamp>,
}

impl CertificateState {
    /// How this Certificate stands.
    pub fn of(object: &Value) -> Self {
        let status = &object["status"];
        let generation = &object["metadata"]["generation"];
        let time = |key: &str| status[key].as_str().and_then(|at| at.parse().ok());
        let ready = condition(object, "Ready");
        Self {
            uid: text(&object["metadata"]["uid"]),
            ready: ready.is_some_and(|condition| {
                condition["status"] == "True" && condition["observedGeneration"] == *generation
            }),
            message: ready
                .and_then(|condition| condition["message"].as_str())
                .unwrap_or("cert-manager has not looked at it yet")
                .to_owned(),
            not_after: time("notAfter"),
            renewal_time: time("renewalTime"),
            issuing: is_issuing(object),
            revision: status["revision"].as_i64(),
            failed_at: time("lastFailureTime"),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// UID of the Certificate that has it.
fn owner(object: &Value) -> Option<String> {
    object["metadata"]["ownerReferences"]
        .as_array()?
        .iter()
        .find(|owner| owner["kind"] == "Certificate" && owner["controller"] == true)
        .map(|owner| text(&owner["uid"]))
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
}

fn is_issuing(object: &Value) -> bool {
    condition(object, "Issuing").is_some_and(|condition| condition["status"] == "True")
}

/// The live Certificate with the condition that has cert-manager issue it anew; `None` where it is
/// issuing it already.
pub fn issuing(live: &Value, now: Timestamp) -> Option<Value> {
    if is_issuing(live) {
        return None;
    }
    let mut asked = live.clone();
    let others = live["status"]["conditions"].as_array().cloned();
    let mut conditions = others.unwrap_or_default();
    conditions.retain(|condition| condition["type"] != "Issuing");
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    conditions.push(json!({
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "eoffice-operator asked for it: what is in the Secret is not what was issued, or was not renewed in time",
        "lastTransitionTime": second.to_string(),
        "observedGeneration": live["metadata"]["generation"],
    }));
    asked["status"]["conditions"] = conditions.into();
    Some(asked)
}

/// What was issued at the request of a Certificate: the witness of what its Secret should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// UID of the Certificate: anybody may make a request that bears its name.
    pub owner: String,
    /// Which of its revisions this is.
    pub revision: i64,
    /// Fingerprint of the certificate and its chain.
    pub certificate: String,
    /// Fingerprint of the issuer's CA, where it gave one.
    pub ca: Option<String>,
    /// Fingerprint of the public key it was asked for.
    pub key: Option<String>,
    /// Names it was asked for, sorted.
    pub names: Vec<String>,
    /// Who was asked.
    pub issuer: Issuer,
}

impl Issued {
    /// What this CertificateRequest was answered with, if it was.
    pub fn of(object: &Value) -> Option<Self> {
        let annotations = &object["metadata"]["annotations"];
        let bytes = |value: &Value| decoded(value.as_str()?);
        let request = bytes(&object["spec"]["request"]).unwrap_or_default();
        Some(Self {
            owner: owner(object)?,
            revision: annotations[REVISION].as_str()?.parse().ok()?,
            certificate: fingerprint_of(&bytes(&object["status"]["certificate"])?),
            ca: bytes(&object["status"]["ca"]).map(|ca| fingerprint_of(&ca)),
            key: key_of_request(&request),
            names: names_of_request(&request),
            issuer: Issuer::of(&object["spec"]),
        })
    }
}
