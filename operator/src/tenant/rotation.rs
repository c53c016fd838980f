//! When credentials are renewed, and when those before them are taken away. Pure.

use crate::postgres::other_login;
use crate::settings::duration;
use eoffice_crds::{
    CredentialsStatus, EOfficeTenant, RecordedRotation, RotationCause, RotationPolicy,
    RotationStatus, RotationUnderWay, TenantRecordSpec, annotations,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::time::Duration;

/// The times of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Age at which credentials are renewed at the latest.
    pub max_age: Duration,
    /// How long those before must not have been used.
    pub grace: Duration,
    /// After how long those before are taken away in any case.
    pub deadline: Duration,
}

impl Times {
    /// What a class says; what cannot be read is the default.
    pub fn of(policy: &RotationPolicy) -> Self {
        let default = RotationPolicy::default();
        let read = |says: &str, else_: &str| {
            duration(says)
                .or_else(|_| duration(else_))
                .unwrap_or(Duration::MAX)
        };
        Self {
            max_age: read(&policy.max_age, &default.max_age),
            grace: read(&policy.grace, &default.grace),
            deadline: read(&policy.deadline, &default.deadline),
        }
    }
}

/// When the credentials of a tenant are renewed by their age: each tenant in its own time within the last quarter of
/// it, so that tenants that were made together are not renewed together ever after.
pub fn due_at(record: &TenantRecordSpec, times: &Times) -> Option<Timestamp> {
    let issued = record.rotation.issued_at.as_ref();
    let issued = issued.or(record.verified_at.as_ref())?.0;
    let hash = record.tenant.name.bytes().fold(17u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let share = 0.75 + 0.25 * f64::from(hash % 1000) / 1000.0;
    // In whole seconds, which is what is kept of a time: the same before it was written and after it was read.
    let age = times.max_age.mul_f64(share).as_secs();
    Timestamp::from_second(issued.as_second().checked_add_unsigned(age)?).ok()
}

/// Whether a rotation begins now, and why.
pub fn begins(
    tenant: &EOfficeTenant,
    record: &TenantRecordSpec,
    times: &Times,
    now: Timestamp,
) -> Option<RotationCause> {
    // What was never proved has new credentials.
    record.verified_at.as_ref()?;
    let rotation = &record.rotation;
    let asks = |key, handled: &Option<String>| {
        let asked = tenant.annotations().get(key);
        asked.is_some() && asked != handled.as_ref()
    };
    if asks(annotations::ROTATE_NOW_REQUESTED_AT, &rotation.handled_now) {
        return Some(RotationCause::Emergency);
    }
    if rotation.under_way.is_some() {
        return None;
    }
    if asks(annotations::ROTATE_REQUESTED_AT, &rotation.handled) {
        return Some(RotationCause::Asked);
    }
    let due = due_at(record, times);
    due.is_some_and(|due| due <= now)
        .then_some(RotationCause::Age)
}

/// Whether an emergency was asked for and is not over.
pub fn is_urgent(tenant: &EOfficeTenant, record: &TenantRecordSpec) -> bool {
    let asked = tenant
        .annotations()
        .get(annotations::ROTATE_NOW_REQUESTED_AT);
    let under_way = record.rotation.under_way.as_ref();
    (asked.is_some() && asked != record.rotation.handled_now.as_ref())
        || under_way.is_some_and(|it| it.cause == RotationCause::Emergency)
}

/// The record with a rotation begun. `key` is the access key in use.
pub fn begun(
    tenant: &EOfficeTenant,
    record: &TenantRecordSpec,
    cause: RotationCause,
    key: Option<String>,
    times: &Times,
    now: Timestamp,
) -> TenantRecordSpec {
    let mut begun = record.clone();
    let login = std::mem::take(&mut begun.database.login);
    begun.database.login = other_login(&login);
    answer(tenant, cause, &mut begun.rotation);
    begun.rotation.under_way = Some(RotationUnderWay {
        cause,
        since: Time(now),
        deadline: Time(now.checked_add(times.deadline).unwrap_or(Timestamp::MAX)),
        login,
        key,
        handed_out_at: None,
        login_retired_at: None,
        key_retired_at: None,
    });
    begun
}

/// Notes that the tenant has new credentials: whatever was asked is answered by them.
pub fn issued(tenant: &EOfficeTenant, rotation: &mut RecordedRotation, now: Timestamp) {
    answer(tenant, RotationCause::Emergency, rotation);
    rotation.issued_at = Some(Time(now));
}

/// Notes what of the tenant's annotations a rotation answers. An emergency answers what was asked without haste, too.
pub fn answer(tenant: &EOfficeTenant, cause: RotationCause, rotation: &mut RecordedRotation) {
    let says = |key| tenant.annotations().get(key).cloned();
    if cause == RotationCause::Emergency {
        rotation.handled_now = says(annotations::ROTATE_NOW_REQUESTED_AT);
    }
    if cause != RotationCause::Age {
        rotation.handled = says(annotations::ROTATE_REQUESTED_AT);
    }
}

/// What is known of the use of credentials that were replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// They were not used since then, as far as can be seen.
    NotSince(Timestamp),
    /// Nothing tells.
    NotTold,
}

/// When credentials that were replaced may be taken away: not seen in use for the grace time, or at the deadline.
pub fn retires_at(under_way: &RotationUnderWay, seen: Use, times: &Times) -> Timestamp {
    let deadline = under_way.deadline.0;
    let Use::NotSince(seen) = seen else {
        return deadline;
    };
    let handed_out = under_way.handed_out_at.as_ref().map_or(seen, |at| at.0);
    let rest = seen
        .max(handed_out)
        .checked_add(times.grace)
        .unwrap_or(Timestamp::MAX);
    rest.min(deadline)
}

/// What people are told of the credentials.
pub fn shown(record: &TenantRecordSpec, times: &Times) -> CredentialsStatus {
    let rotation = &record.rotation;
    let under_way = rotation.under_way.as_ref().map(|it| RotationStatus {
        cause: it.cause,
        since: it.since.clone(),
        deadline: it.deadline.clone(),
        login_retired: it.login_retired_at.is_some(),
        key_retired: it.key_retired_at.is_some(),
    });
    CredentialsStatus {
        issued_at: rotation
            .issued_at
            .clone()
            .or_else(|| record.verified_at.clone()),
        due_at: due_at(record, times).map(Time),
        rotation: under_way,
        last_handled_rotate_at: rotation.handled.clone(),
        last_handled_rotate_now_at: rotation.handled_now.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
