//! What is kept of a Secret with a certificate: parsed once for each of its changes.

use super::state::{CERTIFICATE_NAME, Issuer};
use crate::kubernetes::diff::{fingerprint_of, shown};
use crate::kubernetes::path::{Path, Segment};
use crate::kubernetes::{Kind, actor};
use crate::plan::Actor;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use eoffice_crds::{TLS_SECRET, labels};
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::parse_x509_certificate;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

/// The annotations by which cert-manager tells who issued what is in a Secret.
pub(super) const ISSUER: [&str; 3] = [
    "cert-manager.io/issuer-name",
    "cert-manager.io/issuer-kind",
    "cert-manager.io/issuer-group",
];
/// The keys of a Secret with a certificate.
pub(super) const KEYS: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

/// The labels that its template and cert-manager give a Secret.
const LABELS: [&str; 5] = [
    labels::MANAGED_BY,
    labels::TENANT,
    labels::TENANT_NAMESPACE,
    labels::PROVINCE,
    CERT_MANAGERS_LABEL,
];
/// The label by which cert-manager knows its Secrets.
const CERT_MANAGERS_LABEL: &str = "controller.cert-manager.io/fao";
/// The maps of a Secret to which others may add.
const MAPS: [&[&str]; 3] = [
    &["data"],
    &["metadata", "annotations"],
    &["metadata", "labels"],
];

/// What is kept of a Secret with a certificate. It holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsState {
    /// Fingerprint of the certificate and its chain.
    pub certificate: Option<String>,
    /// Fingerprint of the CA.
    pub ca: Option<String>,
    /// What the certificate says, if it can be read.
    pub leaf: Option<Leaf>,
    /// Fingerprint of the public half of the private key, if it can be read.
    pub key: Option<String>,
    /// Who issued it, as cert-manager notes it.
    pub issuer: Issuer,
    /// The Certificate it is of, as cert-manager notes it.
    pub certificate_name: Option<String>,
    /// The labels that its template gives it, as far as it has them.
    pub labels: BTreeMap<String, String>,
    /// What is neither of the Certificate nor of cert-manager: by its path, as it may be shown.
    pub surplus: BTreeMap<String, String>,
    /// Who but cert-manager wrote last to a field, by its path.
    pub writers: BTreeMap<String, Actor>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Every name it is for, sorted.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Fingerprint of its public key.
    pub key: String,
}

impl TlsState {
    /// What is kept of this Secret; `None` for one that is no host's.
    pub fn of(object: &Value) -> Option<Self> {
        let name = object["metadata"]["name"].as_str()?;
        let digest = name.strip_prefix(TLS_SECRET)?;
        if !(digest.is_empty() || digest.starts_with('-')) {
            return None;
        }
        let data = |key: &str| decoded(object["data"][key].as_str()?).filter(|it| !it.is_empty());
        let note = |key: &str| object["metadata"]["annotations"][key].as_str();
        let certificate = data("tls.crt");
        let [name, kind, group] = ISSUER;
        Some(Self {
            leaf: certificate.as_deref().and_then(leaf),
            certificate: certificate.as_deref().map(fingerprint_of),
            ca: data("ca.crt").as_deref().map(fingerprint_of),
            key: data("tls.key").as_deref().and_then(public_half),
            issuer: Issuer::new(note(name), note(kind), note(group)),
            certificate_name: note(CERTIFICATE_NAME).map(str::to_owned),
            labels: LABELS
                .into_iter()
                .filter(|key| *key != CERT_MANAGERS_LABEL)
                .filter_map(|key| {
                    Some((
                        key.to_owned(),
                        label(key).look(object)?.as_str()?.to_owned(),
                    ))
                })
                .collect(),
            surplus: surplus(object)
                .filter_map(|path| {
                    Some((
                        path.to_string(),
                        shown(Kind::Secret, &path, path.look(object)?),
                    ))
                })
                .collect(),
            writers: writers(object),
        })
    }

    /// Whether certificate and key can be read and belong together.
    pub fn fits(&self) -> bool {
        let leaf = self.leaf.as_ref().map(|leaf| &leaf.key);
        leaf.is_some() && leaf == self.key.as_ref()
    }
}

/// Path of a key of the Secret.
pub(super) fn data(key: &str) -> Path {
    Path::of(["data", key])
}

/// Path of an annotation.
pub(super) fn note(key: &str) -> Path {
    Path::of(["metadata", "annotations", key])
}

/// Path of a label.
pub(super) fn label(key: &str) -> Path {
    Path::of(["metadata", "labels", key])
}

/// Whether a key belongs where it stands in the Secret.
fn belongs(within: &[&str], key: &str) -> bool {
    match within {
        ["data"] => KEYS.contains(&key),
        [_, "labels"] => LABELS.contains(&key),
        _ => key.starts_with("cert-manager.io/"),
    }
}

/// Paths of what is neither of the Certificate nor of cert-manager.
fn surplus(object: &Value) -> impl Iterator<Item = Path> {
    MAPS.into_iter().flat_map(move |within| {
        let map = Path::of(within.iter().copied());
        let keys = map.look(object).and_then(Value::as_object);
        keys.into_iter()
            .flat_map(|map| map.keys())
            .filter(move |key| !belongs(within, key))
            .map(move |key| map.then(Segment::Field(key.clone())))
    })
}

/// The live Secret without what is neither of the Certificate nor of cert-manager; `None` where
/// there is nothing of the kind.
pub fn stripped(live: &Value) -> Option<Value> {
    surplus(live).next()?;
    let mut stripped = live.clone();
    for within in MAPS {
        let pointer = format!("/{}", within.join("/"));
        if let Some(Value::Object(map)) = stripped.pointer_mut(&pointer) {
            map.retain(|key, _| belongs(within, key));
        }
    }
    Some(stripped)
}

fn writers(object: &Value) -> BTreeMap<String, Actor> {
    let notes = ISSUER.into_iter().chain([CERTIFICATE_NAME]).map(note);
    KEYS.into_iter()
        .map(data)
        .chain(notes)
        .chain(LABELS.into_iter().map(label))
        .chain(surplus(object))
        .filter_map(|path| {
            let keeper = |manager: &str| manager == eoffice_crds::FIELD_MANAGER;
            let writer = actor::but_for(object, &path, is_cert_manager, keeper)?;
            Some((path.to_string(), writer))
        })
        .collect()
}

/// cert-manager's controllers write under names that begin with its own. What another wrote they
/// write again beside him, so that he is not alone with it.
fn is_cert_manager(manager: &str) -> bool {
    manager.starts_with("cert-manager")
}

pub(super) fn decoded(base64: &str) -> Option<Vec<u8>> {
    BASE64.decode(base64).ok()
}

fn leaf(pem: &[u8]) -> Option<Leaf> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let (_, certificate) = parse_x509_certificate(&pem.contents).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let validity = certificate.validity();
    Some(Leaf {
        names: sorted(names.map_or(&[], |names| &names.value.general_names)),
        not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        key: fingerprint_of(certificate.public_key().raw),
    })
}

/// Fingerprint of the public half of a private key.
fn public_half(pem: &[u8]) -> Option<String> {
    let der = PrivateKeyDer::from_pem_slice(pem).ok()?;
    let key = rustls::crypto::ring::sign::any_supported_type(&der).ok()?;
    Some(fingerprint_of(key.public_key()?.as_ref()))
}

fn request<T>(pem: &[u8], read: impl FnOnce(&X509CertificationRequest<'_>) -> T) -> Option<T> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    Some(read(&request))
}

/// Fingerprint of the public key that a certificate is requested for.
pub(super) fn key_of_request(pem: &[u8]) -> Option<String> {
    request(pem, |request| {
        fingerprint_of(request.certification_request_info.subject_pki.raw)
    })
}

/// The names that a certificate is requested for, sorted.
pub(super) fn names_of_request(pem: &[u8]) -> Vec<String> {
    let names = request(pem, |request| {
        let mut extensions = request.requested_extensions().into_iter().flatten();
        extensions.find_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(sorted(&names.general_names)),
            _ => None,
        })
    });
    names.flatten().unwrap_or_default()
}

fn sorted(names: &[GeneralName<'_>]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(written).collect();
    names.sort();
    names.dedup();
    names
}

fn written(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            (*name).to_owned()
        }
        GeneralName::IPAddress(bytes) => {
            match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                (Ok(v4), _) => IpAddr::from(v4).to_string(),
                (_, Ok(v6)) => IpAddr::from(v6).to_string(),
                _ => "an unreadable address".to_owned(),
            }
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "tls/tests.rs"]
mod tests;
