//! Whether what a tombstone keeps may be destroyed now: a table of what stands against it. Pure.

use crate::identity::{InstallationId, fingerprint};
use eoffice_crds::{
    AcceptedPurge, PurgeOrder, Reason, RecordState, TenantRecordSpec, tenant_namespace,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// What is to be done about a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// No order was given.
    Rest,
    /// Nothing, for this reason. What was taken in of an order is void: its time begins anew.
    Stop(Said),
    /// The order is taken in; from then on it can be withdrawn for a time.
    Accept(AcceptedPurge),
    /// The order can still be withdrawn.
    Cool(Said),
    /// It is carried out.
    Destroy,
}

/// What people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The reason of the condition.
    pub reason: Reason,
    /// The sentence.
    pub message: String,
    /// When it is worth another look.
    pub until: Option<Timestamp>,
}

impl Said {
    /// Something that only a person, or a change, can end.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            until: None,
        }
    }

    fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }
}

/// What a decision is made from besides the record.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// Namespace of the record.
    pub namespace: &'a str,
    /// The installation.
    pub installation: &'a InstallationId,
    /// For how long an order can be withdrawn.
    pub cooling: Duration,
    /// The time.
    pub now: Timestamp,
    /// A word, made at random, for an order that is taken in.
    pub witness: String,
}

/// What is to be done about a tombstone, so far as its record tells.
pub fn decide(record: &TenantRecordSpec, circumstances: &Circumstances<'_>) -> Next {
    let Some(order) = &record.purge else {
        return Next::Rest;
    };
    let against = unfit(record, circumstances)
        .or_else(|| unsigned(order))
        .or_else(|| held(record))
        .or_else(|| kept(record, circumstances.now));
    if let Some(said) = against {
        return Next::Stop(said);
    }
    let cooling = signed(circumstances.cooling);
    let accepted = record.purge_accepted.as_ref();
    let Some(accepted) = accepted.filter(|accepted| accepted.order == *order) else {
        return Next::Accept(AcceptedPurge {
            order: order.clone(),
            at: Time(circumstances.now),
            witness: circumstances.witness.clone(),
            not_before: Time(later(circumstances.now, cooling)),
        });
    };
    let not_before = accepted.not_before.0.max(later(accepted.at.0, cooling));
    if circumstances.now < not_before {
        return Next::Cool(cools(order, not_before));
    }
    Next::Destroy
}

/// What shows that the record was edited by hand, or is in no state to be purged.
fn unfit(record: &TenantRecordSpec, circumstances: &Circumstances<'_>) -> Option<Said> {
    let tenant = &record.tenant;
    let owner = fingerprint(&tenant.name, &record.tenant_spec.agency.province);
    let why = match record.state {
        RecordState::Live => Some("its tenant lives"),
        RecordState::Succeeded => Some("another tenant took its data over"),
        RecordState::Destroyed => Some("what it kept is destroyed already"),
        RecordState::Retained | RecordState::Purging => None,
    };
    let edited = [
        (
            record.installation_id != circumstances.installation.as_str(),
            "it names another installation",
        ),
        (
            tenant_namespace(&tenant.name) != circumstances.namespace,
            "it names a tenant of another namespace",
        ),
        (
            record.fingerprint != owner,
            "its fingerprint is not that of its tenant and province",
        ),
        (
            record.retained_at.is_none(),
            "it does not say when its tenant left",
        ),
        (
            record.retained_at > Some(Time(circumstances.now)),
            "its tenant would have left at a time to come",
        ),
    ];
    let edited = edited.iter().find(|(is, _)| *is).map(|(_, why)| *why);
    let edited = edited.map(|why| {
        format!(
            "the record was edited by hand ({why}): put back what the operator wrote, from a backup"
        )
    });
    let why = why.map(str::to_owned).or(edited)?;
    Some(Said::new(
        Reason::PurgeRefused,
        format!("nothing is destroyed: {why}"),
    ))
}

fn unsigned(order: &PurgeOrder) -> Option<Said> {
    let blank = |text: &str| text.trim().is_empty();
    (blank(&order.committee_reference) || blank(&order.approved_by)).then(|| {
        Said::new(
            Reason::PurgeRefused,
            "nothing is destroyed: spec.purge needs committeeReference and approvedBy",
        )
    })
}

fn held(record: &TenantRecordSpec) -> Option<Said> {
    record.legal_hold.then(|| {
        Said::new(
            Reason::LegalHold,
            "nothing is destroyed while spec.legalHold is true; once it is lifted, the order can be withdrawn for its whole time again",
        )
    })
}

fn kept(record: &TenantRecordSpec, now: Timestamp) -> Option<Said> {
    let left = record.retained_at.as_ref()?.0;
    let counted = kept_until(left, record);
    let until = record.retain_until.as_ref();
    let until = until.map_or(counted, |until| until.0.max(counted));
    (now < until).then(|| {
        Said::new(
            Reason::RetentionNotOver,
            format!(
                "nothing is destroyed before {until}: the data is kept for {} days from the day the tenant left",
                record.frozen.retain.days
            ),
        )
        .until(until)
    })
}

fn cools(order: &PurgeOrder, not_before: Timestamp) -> Said {
    Said::new(
        Reason::Cooling,
        format!(
            "decision {} of {} is carried out at {not_before}; until then it can be withdrawn by removing spec.purge",
            order.committee_reference, order.approved_by
        ),
    )
    .until(not_before)
}

/// Until when the data of a tenant that leaves at this time is kept at least.
pub fn kept_until(left: Timestamp, record: &TenantRecordSpec) -> Timestamp {
    let days = i64::from(record.frozen.retain.days);
    later(left, SignedDuration::from_hours(24 * days))
}

/// Where a time is too far away to be told, it is the last one there is.
fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
