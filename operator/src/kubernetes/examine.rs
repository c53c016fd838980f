//! The live look that a step gets before it is shown or carried out: what it would end, field by
//! field, and who made it so.

use super::apply::{Cluster, stays};
use super::canonical::{canonical, fingerprint};
use super::certificate::{Fault, Repair, faults_of};
use super::desired::Child;
use super::diff::differences;
use super::plan::Step;
use super::{Kind, ObjectKey};
use crate::plan::{Change, Difference, Problem, Step as _};
use jiff::Timestamp;
use serde_json::Value;

impl Cluster {
    /// What the step would end, read live; `None` where nothing differs any more, because what is
    /// known of the object was old.
    pub async fn examine(
        &self,
        namespace: &str,
        step: Step,
    ) -> Result<Option<Change<Step>>, Problem> {
        let mut differences = match &step {
            Step::Apply(child) => self.lacks(namespace, child).await?,
            Step::Delete(key) => self.surplus(namespace, key).await?,
            Step::Renew(key) => self.unfit(namespace, key, Repair::Renew).await?,
            Step::Strip(key) => self.unfit(namespace, key, Repair::Strip).await?,
        };
        for difference in &mut differences {
            difference.destructive = step.destructive();
        }
        Ok((!differences.is_empty()).then_some(Change { step, differences }))
    }

    async fn lacks(&self, namespace: &str, child: &Child) -> Result<Vec<Difference>, Problem> {
        let key = &child.key;
        let Some(live) = self.get(namespace, key).await? else {
            return Ok(vec![Difference::create(key.to_string())]);
        };
        self.index.insert(key.kind, &live);
        stays(&format!("{namespace}/{key}"), &live)?;
        if self.fits(child, fingerprint(&canonical(live.clone()))) {
            return Ok(Vec::new());
        }
        let all = differences(key, &child.body, &live);
        let rewritten = self.known(&child.fingerprint).map(|known| known.rewritten);
        let is_known = |difference: &Difference| {
            let mut known = rewritten.iter().flatten();
            known.any(|known| same(known, difference))
        };
        let found: Vec<_> = all.iter().filter(|it| !is_known(it)).cloned().collect();
        Ok(if found.is_empty() { all } else { found })
    }

    async fn surplus(&self, namespace: &str, key: &ObjectKey) -> Result<Vec<Difference>, Problem> {
        let Some(live) = self.get(namespace, key).await? else {
            self.index.forget(namespace, key);
            return Ok(Vec::new());
        };
        self.index.insert(key.kind, &live);
        let seen = super::observe::Seen::of(key.kind, &live);
        if !seen.ours || seen.deleting {
            return Ok(Vec::new());
        }
        Ok(vec![Difference::delete(key.to_string())])
    }

    /// What of a Certificate and its Secret, which have one name, this repair is for.
    async fn unfit(
        &self,
        namespace: &str,
        key: &ObjectKey,
        repair: Repair,
    ) -> Result<Vec<Difference>, Problem> {
        let certificate = ObjectKey {
            kind: Kind::Certificate,
            name: key.name.clone(),
        };
        let faults = self.examine_certificate(namespace, &certificate).await?;
        let ours = faults.into_iter().filter(|fault| fault.repair == repair);
        Ok(ours.filter_map(|fault| fault.difference).collect())
    }

    /// What is wrong with one certificate, read live: what the watches say of its three objects
    /// need not be of one moment.
    pub async fn examine_certificate(
        &self,
        namespace: &str,
        key: &ObjectKey,
    ) -> Result<Vec<Fault>, Problem> {
        let secret = ObjectKey {
            kind: Kind::Secret,
            name: key.name.clone(),
        };
        let mut certificate = self.get(namespace, key).await?;
        for _ in 0..LOOKS {
            let Some(first) = certificate else {
                return Ok(Vec::new());
            };
            let requests = self.list(Kind::CertificateRequest, namespace).await?;
            let secret = self.get(namespace, &secret).await?;
            certificate = self.get(namespace, key).await?;
            let version = |of: &Value| of["metadata"]["resourceVersion"].clone();
            if certificate.as_ref().map(version) != Some(version(&first)) {
                continue;
            }
            self.index.insert(Kind::Certificate, &first);
            for request in &requests {
                self.index.insert(Kind::CertificateRequest, request);
            }
            if let Some(secret) = &secret {
                self.index.insert(Kind::Secret, secret);
            }
            return Ok(faults_of(
                &first,
                secret.as_ref(),
                &requests,
                Timestamp::now(),
            ));
        }
        Ok(Vec::new())
    }
}

/// How often a Certificate is looked at that changes under the look. One that keeps changing is
/// being issued.
const LOOKS: usize = 3;

fn same(one: &Difference, other: &Difference) -> bool {
    one.field == other.field && one.before == other.before && one.after == other.after
}
