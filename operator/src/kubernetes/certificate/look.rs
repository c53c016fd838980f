//! The look at one certificate: each rule by which something is wrong with it. Pure.

use super::faults::{Fault, FaultKind, Repair, secret_of};
use super::state::{CERTIFICATE_NAME, CertificateState, Issued, Issuer};
use super::tls::{ISSUER, Leaf, TlsState, data, label, note};
use crate::kubernetes::ObjectKey;
use crate::plan::Difference;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How long cert-manager may be late before its renewal counts as missed, and how long after a
/// failure it is asked again.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// The last part of its life in which a certificate should have been renewed: one in so many.
const LAST_PART: i32 = 10;

/// All that is known of the certificate of one host.
pub(super) struct Look<'a> {
    pub(super) host: &'a str,
    pub(super) certificate: ObjectKey,
    pub(super) issuer: &'a Issuer,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) state: &'a CertificateState,
    pub(super) tls: Option<&'a TlsState>,
    pub(super) issued: Vec<&'a Issued>,
    pub(super) now: Timestamp,
}

impl Look<'_> {
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut found = match self.tls {
            Some(tls) => [
                self.content(tls),
                self.names(tls),
                self.notes(tls),
                self.renewal(tls),
                self.labels(tls),
                self.surplus(tls),
            ]
            .concat(),
            None => self.missing(),
        };
        if found.is_empty() && !self.state.ready {
            found.push(Fault {
                certificate: self.certificate.clone(),
                kind: FaultKind::NotIssued,
                repair: Repair::CertManager,
                difference: None,
                message: format!(
                    "the certificate of {} is not issued: {}",
                    self.host, self.state.message
                ),
            });
        }
        found
    }

    /// What the newest revision was answered with, if that is still known.
    fn witness(&self) -> Option<&Issued> {
        let revision = self.state.revision?;
        let mut issued = self.issued.iter();
        issued.find(|it| it.revision == revision).copied()
    }

    /// Whether any revision from the newest finished one on has it so: the Secret is written before
    /// the Certificate says that it was.
    fn some_has(&self, it: impl Fn(&Issued) -> bool) -> bool {
        let newest = self.state.revision.unwrap_or_default();
        self.issued
            .iter()
            .any(|issued| issued.revision >= newest && it(issued))
    }

    fn missing(&self) -> Vec<Fault> {
        if self.state.revision.is_none() && self.state.not_after.is_none() {
            return Vec::new();
        }
        let object = self.secret();
        let message = format!(
            "{object} with the certificate of {} is gone; cert-manager issues it anew",
            self.host
        );
        vec![self.fault(
            FaultKind::SecretMissing,
            Repair::CertManager,
            Difference::create(object),
            message,
        )]
    }

    fn content(&self, tls: &TlsState) -> Vec<Fault> {
        let Some(witness) = self.witness() else {
            return self.unwitnessed(tls);
        };
        let rows = [
            (
                "tls.crt",
                &tls.certificate,
                Some(witness.certificate.clone()),
            ),
            ("tls.key", &tls.key, witness.key.clone()),
            ("ca.crt", &tls.ca, witness.ca.clone()),
        ];
        let as_issued = |key: &str, is: &Option<String>| match key {
            "tls.crt" => self.some_has(|it| Some(&it.certificate) == is.as_ref()),
            "tls.key" => self.some_has(|it| it.key.is_none() || it.key == *is),
            _ => self.some_has(|it| it.ca.is_none() || it.ca == *is),
        };
        rows.into_iter()
            .filter(|(key, is, _)| !as_issued(key, is))
            .map(|(key, is, should)| self.not_as_issued(tls, key, is, should))
            .collect()
    }

    /// Without a witness only what does not belong together is seen.
    fn unwitnessed(&self, tls: &TlsState) -> Vec<Fault> {
        if tls.fits() {
            return Vec::new();
        }
        let should = tls.leaf.as_ref().map(|leaf| leaf.key.clone());
        let (key, is) = match tls.leaf {
            Some(_) => ("tls.key", &tls.key),
            None => ("tls.crt", &tls.certificate),
        };
        vec![self.not_as_issued(tls, key, is, should)]
    }

    fn not_as_issued(
        &self,
        tls: &TlsState,
        key: &str,
        is: &Option<String>,
        should: Option<String>,
    ) -> Fault {
        let mut difference = Difference::update(self.secret(), data(key).to_string());
        difference.before.clone_from(is);
        difference.after = should;
        let message = format!(
            "{key} in {} is not what was issued for {}",
            self.secret(),
            self.host
        );
        self.written(
            tls,
            FaultKind::WrongContent,
            self.who_mends(tls),
            difference,
            message,
        )
    }

    /// cert-manager looks at the key, and whether the certificate is one for it.
    fn who_mends(&self, tls: &TlsState) -> Repair {
        let requested = self.witness().and_then(|it| it.key.as_ref());
        if tls.fits() && (requested.is_none() || requested == tls.key.as_ref()) {
            self.renew()
        } else {
            Repair::CertManager
        }
    }

    /// Asks for it, unless cert-manager is at it or has just failed at it.
    fn renew(&self) -> Repair {
        let failed = self.state.failed_at;
        if self.state.issuing || failed.is_some_and(|at| self.now.duration_since(at) < PATIENCE) {
            return Repair::CertManager;
        }
        Repair::Renew
    }

    fn names(&self, tls: &TlsState) -> Vec<Fault> {
        let Some(leaf) = tls.leaf.as_ref().filter(|it| it.names != [self.host]) else {
            return Vec::new();
        };
        let repair = match self.witness() {
            // The host is another than it was: cert-manager is on its way there.
            Some(witness) if witness.names != [self.host] => return Vec::new(),
            Some(_) if self.some_has(|it| Some(&it.certificate) == tls.certificate.as_ref()) => {
                Repair::Person
            }
            Some(_) => self.who_mends(tls),
            None => Repair::CertManager,
        };
        let is = leaf.names.join(", ");
        let message = match repair {
            Repair::Person => format!(
                "the issuer {} issued a certificate for {is} where one for {} was asked for; have the issuer corrected, or name another in the class",
                self.issuer.name, self.host
            ),
            _ => format!(
                "the certificate in {} is for {is}, and not for {}",
                self.secret(),
                self.host
            ),
        };
        let mut difference = Difference::update(self.secret(), "dnsNames")
            .before(&is)
            .after(self.host);
        difference.actor = tls.writers.get(&data("tls.crt").to_string()).cloned();
        vec![self.fault(FaultKind::WrongNames, repair, difference, message)]
    }

    /// What cert-manager noted on the Secret. Where it was asked of another issuer, it is on its way.
    fn notes(&self, tls: &TlsState) -> Vec<Fault> {
        let asked = self.issuer;
        if self
            .witness()
            .is_some_and(|witness| witness.issuer != *asked)
        {
            return Vec::new();
        }
        let [name, kind, group] = ISSUER;
        let certificate = self.certificate.name.as_str();
        let noted = tls.certificate_name.as_deref().unwrap_or(certificate);
        [
            (name, tls.issuer.name.as_str(), asked.name.as_str()),
            (kind, &tls.issuer.kind, &asked.kind),
            (group, &tls.issuer.group, &asked.group),
            (CERTIFICATE_NAME, noted, certificate),
        ]
        .into_iter()
        .filter(|(_, is, should)| is != should)
        .map(|(key, is, should)| {
            let mut difference =
                Difference::update(self.secret(), note(key).to_string()).after(should);
            difference.before = (!is.is_empty()).then(|| is.to_owned());
            let message = format!(
                "{} is noted as {is} in {key}, and should be as {should}; cert-manager issues it anew",
                self.secret()
            );
            let kind = FaultKind::WrongIssuer;
            self.written(tls, kind, Repair::CertManager, difference, message)
        })
        .collect()
    }

    fn renewal(&self, tls: &TlsState) -> Vec<Fault> {
        let Some(leaf) = tls.leaf.as_ref().filter(|leaf| self.is_late(leaf)) else {
            return Vec::new();
        };
        let mut difference = Difference::update(self.certificate.to_string(), "status.notAfter")
            .before(leaf.not_after);
        difference.after = Some("renewed".into());
        let message = format!(
            "the certificate of {} ends on {} and was not renewed; see the events of {} and the logs of cert-manager",
            self.host, leaf.not_after, self.certificate
        );
        vec![self.fault(FaultKind::NotRenewed, self.renew(), difference, message)]
    }

    /// The template's labels, which cert-manager puts back.
    fn labels(&self, tls: &TlsState) -> Vec<Fault> {
        let wrong = |(key, should): (&String, &String)| {
            let is = tls.labels.get(key);
            let mut difference =
                Difference::update(self.secret(), label(key).to_string()).after(should);
            difference.before = is.cloned();
            let message = format!(
                "{} lacks the label {key}={should}; cert-manager puts it back",
                self.secret()
            );
            let kind = FaultKind::WrongLabels;
            (is != Some(should))
                .then(|| self.written(tls, kind, Repair::CertManager, difference, message))
        };
        self.labels.iter().filter_map(wrong).collect()
    }

    /// What cert-manager leaves in place, for it is not its own.
    fn surplus(&self, tls: &TlsState) -> Vec<Fault> {
        let added = |(field, shown): (&String, &String)| {
            let difference = Difference::update(self.secret(), field).before(shown);
            let message = format!(
                "{field} was added to {} with the certificate of {}",
                self.secret(),
                self.host
            );
            self.written(tls, FaultKind::Surplus, Repair::Strip, difference, message)
        };
        tls.surplus.iter().map(added).collect()
    }

    fn is_late(&self, leaf: &Leaf) -> bool {
        let life = leaf.not_after.duration_since(leaf.not_before);
        let left = leaf.not_after.duration_since(self.now);
        // What the Certificate says of another certificate than this is from before its renewal.
        let missed = self.state.not_after == Some(leaf.not_after)
            && self
                .state
                .renewal_time
                .is_some_and(|due| self.now.duration_since(due) > PATIENCE);
        missed || left * LAST_PART <= life
    }

    fn secret(&self) -> String {
        secret_of(&self.certificate).to_string()
    }

    fn written(
        &self,
        tls: &TlsState,
        kind: FaultKind,
        repair: Repair,
        mut difference: Difference,
        message: String,
    ) -> Fault {
        difference.actor = tls.writers.get(&difference.field).cloned();
        self.fault(kind, repair, difference, message)
    }

    fn fault(
        &self,
        kind: FaultKind,
        repair: Repair,
        difference: Difference,
        message: String,
    ) -> Fault {
        Fault {
            certificate: self.certificate.clone(),
            kind,
            repair,
            difference: Some(difference),
            message,
        }
    }
}
