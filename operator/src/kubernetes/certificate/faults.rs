//! What is wrong with a tenant's certificates, and who puts it right. Pure.
//!
//! cert-manager itself issues anew where the Secret is gone, incomplete or unreadable, where key and
//! certificate do not belong together, where the key is not the one last requested, where its notes
//! name another issuer or Certificate, where the request does not fit the spec, and when it is time
//! to renew. It does not see a certificate of another make over the right key, nor another CA: those
//! are told from what it was last answered with, and it is asked to issue anew. What others add to
//! the Secret it leaves in place: we take it out. What an issuer issued otherwise than asked is no
//! better the next time: that is told, and nothing is done.

use super::look::Look;
use super::state::{CertificateState, Issued, Issuer};
use super::tls::TlsState;
use crate::kubernetes::desired::Wanted;
use crate::kubernetes::observe::Objects;
use crate::kubernetes::plan::Step;
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::{Difference, Problem};
use eoffice_crds::Reason;
use jiff::Timestamp;
use serde_json::Value;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not issued yet, or not to the newest spec.
    NotIssued,
    /// The Secret is gone although it was issued.
    SecretMissing,
    /// What is in the Secret is not what was issued.
    WrongContent,
    /// The certificate is for other names.
    WrongNames,
    /// It is noted as issued by another.
    WrongIssuer,
    /// It is about to expire and was not renewed.
    NotRenewed,
    /// The Secret has not the labels by which it is known to be the tenant's.
    WrongLabels,
    /// Somebody added to the Secret.
    Surplus,
}

/// Who puts it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The operator, by having it issued anew.
    Renew,
    /// The operator, by taking it out of the Secret.
    Strip,
    /// cert-manager, by itself.
    CertManager,
    /// A person: issued anew it would be the same.
    Person,
}

/// One thing that is wrong with the certificate of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The Certificate.
    pub certificate: ObjectKey,
    /// What is wrong.
    pub kind: FaultKind,
    /// Who puts it right.
    pub repair: Repair,
    /// In what it differs; absent where it is only not issued yet.
    pub difference: Option<Difference>,
    /// Of which host, and what about it, in a sentence.
    pub message: String,
}

impl Fault {
    /// The problem that a condition shows.
    pub fn problem(&self) -> Problem {
        let reason = match self.kind {
            FaultKind::NotIssued => Reason::NotIssued,
            _ => Reason::CertificateInvalid,
        };
        Problem::new(reason, self.message.clone())
    }
}

/// What is wrong with the certificates of the hosts, host by host, as far as is known of the objects.
/// A Certificate that is missing or edited is not among it: that is the plan's.
pub fn faults(wanted: &Wanted, objects: &Objects, now: Timestamp) -> Vec<Fault> {
    let reference = &wanted.class.certificate.issuer_ref;
    let issuer = Issuer::new(
        Some(&reference.name),
        Some(&reference.kind),
        Some(&reference.group),
    );
    let labels = wanted.labels();
    let of_host = |host: &String| {
        let name = wanted.tls_secret(host);
        let key = |kind| ObjectKey {
            kind,
            name: name.clone(),
        };
        let certificate = objects.get(&key(Kind::Certificate));
        let Some(state) = certificate.and_then(|seen| seen.certificate.as_ref()) else {
            return Vec::new();
        };
        let tls = objects.get(&key(Kind::Secret));
        let issued = objects.values().filter_map(|seen| seen.issued.as_deref());
        let look = Look {
            host,
            certificate: key(Kind::Certificate),
            issuer: &issuer,
            labels: &labels,
            state,
            tls: tls.and_then(|seen| seen.tls.as_deref()),
            issued: issued.filter(|it| it.owner == state.uid).collect(),
            now,
        };
        look.faults()
    };
    wanted.hosts.iter().flat_map(of_host).collect()
}

/// The same for one Certificate, read live with its Secret and its CertificateRequests.
pub fn faults_of(
    certificate: &Value,
    secret: Option<&Value>,
    requests: &[Value],
    now: Timestamp,
) -> Vec<Fault> {
    let name = certificate["metadata"]["name"].as_str().unwrap_or_default();
    let spec = &certificate["spec"];
    let state = CertificateState::of(certificate);
    let tls = secret.and_then(TlsState::of);
    let template = spec["secretTemplate"]["labels"].clone();
    let issued: Vec<_> = requests.iter().filter_map(Issued::of).collect();
    let look = Look {
        host: spec["dnsNames"][0].as_str().unwrap_or_default(),
        certificate: ObjectKey {
            kind: Kind::Certificate,
            name: name.to_owned(),
        },
        issuer: &Issuer::of(spec),
        labels: &serde_json::from_value(template).unwrap_or_default(),
        state: &state,
        tls: tls.as_ref(),
        issued: issued.iter().filter(|it| it.owner == state.uid).collect(),
        now,
    };
    look.faults()
}

/// The steps that put right what is the operator's to put right.
pub fn renewals(faults: &[Fault]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for fault in faults {
        let step = match fault.repair {
            Repair::Renew => Step::Renew(fault.certificate.clone()),
            Repair::Strip => Step::Strip(secret_of(&fault.certificate)),
            Repair::CertManager | Repair::Person => continue,
        };
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

/// The Secret of a Certificate: they have one name.
pub(super) fn secret_of(certificate: &ObjectKey) -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        name: certificate.name.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "faults/tests.rs"]
mod tests;
