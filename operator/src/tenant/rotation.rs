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
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A due time that passed longer ago than this was missed: whoever missed it gets another, so that a fleet that is
/// found old is not renewed at once.
const MISSED: Duration = Duration::from_secs(3600);
/// The least time over which those are spread that missed theirs.
const LEAST_SPREAD: Duration = Duration::from_secs(24 * 3600);

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
/// it, so that tenants that were made together are not renewed together ever after; later where that was missed.
pub fn due_at(record: &TenantRecordSpec, times: &Times) -> Option<Timestamp> {
    let issued = record.rotation.issued_at.as_ref();
    let issued = issued.or(record.verified_at.as_ref())?.0;
    let share = 0.75 + 0.25 * own_share(record);
    let due = after(issued, times.max_age.mul_f64(share))?;
    let postponed = record.rotation.postponed_to.as_ref();
    Some(postponed.map_or(due, |at| due.max(at.0)))
}

/// When credentials are renewed whose time was missed: each tenant at its own time within a quarter of the age, or
/// within a day where that is longer, from now on. None where theirs is not over, or has just come.
pub fn postponed_to(record: &TenantRecordSpec, times: &Times, now: Timestamp) -> Option<Timestamp> {
    let begun = record.rotation.under_way.is_some() || record.verified_at.is_none();
    due_at(record, times).filter(|due| !begun && is_missed(*due, now))?;
    let window = (times.max_age / 4).max(LEAST_SPREAD);
    after(now, window.mul_f64(own_share(record)))
}

fn is_missed(due: Timestamp, now: Timestamp) -> bool {
    after(due, MISSED).is_some_and(|last| last < now)
}

/// In whole seconds, which is what is kept of a time: the same before it was written and after it was read.
fn after(time: Timestamp, wait: Duration) -> Option<Timestamp> {
    Timestamp::from_second(time.as_second().checked_add_unsigned(wait.as_secs())?).ok()
}

/// Which part of a span of time is the tenant's own: from 0 to 1, the same whenever it is asked.
fn own_share(record: &TenantRecordSpec) -> f64 {
    let digest = Sha256::digest(&record.tenant.name);
    let number = digest.iter().take(4).fold(0u32, |number, byte| {
        number.wrapping_shl(8) | u32::from(*byte)
    });
    f64::from(number) / f64::from(u32::MAX)
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
    let due = due_at(record, times)?;
    (due <= now && !is_missed(due, now)).then_some(RotationCause::Age)
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

/// Login and access key id in the tenant's Secrets; each absent where its Secret is gone or was edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InSecrets {
    /// Login.
    pub login: Option<String>,
    /// Access key id.
    pub key: Option<String>,
}

/// Which of the new login and the new key is in its Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedIn {
    /// The login.
    pub login: bool,
    /// The key.
    pub key: bool,
}

impl HandedIn {
    /// As these Secrets say.
    pub fn of(record: &TenantRecordSpec, under_way: &RotationUnderWay, has: &InSecrets) -> Self {
        Self {
            login: has.login.as_ref() == Some(&record.database.login),
            key: has.key.is_some() && has.key != under_way.key,
        }
    }

    /// Whether both are.
    pub fn all(self) -> bool {
        self.login && self.key
    }
}

/// The record with a rotation begun. What is in the Secrets is replaced; in the midst of another rotation, whatever of
/// that one has not come so far goes on: login and key each by itself. What it had replaced is nobody's any more, and
/// the planes take it away before they make anything in its place.
pub fn begun(
    tenant: &EOfficeTenant,
    record: &TenantRecordSpec,
    cause: RotationCause,
    has: InSecrets,
    times: &Times,
    now: Timestamp,
) -> TenantRecordSpec {
    let mut begun = record.clone();
    let before = begun.rotation.under_way.take();
    let goes_on = before.filter(|it| has.login.as_ref() == Some(&it.login));
    let (login, login_retired_at) = match goes_on {
        Some(before) => (before.login, before.login_retired_at),
        None => {
            let login = std::mem::take(&mut begun.database.login);
            begun.database.login = other_login(&login);
            (login, None)
        }
    };
    answer(tenant, cause, &mut begun.rotation);
    begun.rotation.under_way = Some(RotationUnderWay {
        cause,
        since: Time(now),
        deadline: Time(now.checked_add(times.deadline).unwrap_or(Timestamp::MAX)),
        login,
        key: has.key,
        handed_out_at: None,
        login_retired_at,
        key_retired_at: None,
    });
    begun
}

/// What of a rotation whose new credentials have not all come ends nevertheless: in an emergency as soon as its own
/// successor is in its Secret, else at the deadline. What asks for it is restarted then.
pub fn cut_off(rotation: &RecordedRotation, has: HandedIn, now: Timestamp) -> RecordedRotation {
    let mut cut = rotation.clone();
    let Some(under_way) = &mut cut.under_way else {
        return cut;
    };
    if under_way.cause == RotationCause::Emergency || under_way.deadline.0 <= now {
        for (handed_in, retired_at) in [
            (has.login, &mut under_way.login_retired_at),
            (has.key, &mut under_way.key_retired_at),
        ] {
            if handed_in && retired_at.is_none() {
                *retired_at = Some(Time(now));
                cut.restart_at = Some(Time(now));
            }
        }
    }
    cut
}

/// Notes that both Secrets have the new credentials: what asks for it is restarted, unless it was with the end of those
/// before.
pub fn handed_out(rotation: &mut RecordedRotation, now: Timestamp) {
    let Some(under_way) = &mut rotation.under_way else {
        return;
    };
    under_way.handed_out_at = Some(Time(now));
    if under_way.login_retired_at.is_none() || under_way.key_retired_at.is_none() {
        rotation.restart_at = Some(under_way.since.clone());
    }
    rotation.issued_at = Some(Time(now));
    rotation.postponed_to = None;
}

/// Notes that the tenant has new credentials: whatever was asked is answered by them.
pub fn issued(tenant: &EOfficeTenant, rotation: &mut RecordedRotation, now: Timestamp) {
    answer(tenant, RotationCause::Emergency, rotation);
    rotation.issued_at = Some(Time(now));
    rotation.postponed_to = None;
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
