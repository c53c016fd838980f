//! Where a tenant stands, and whether the operator has brought it there.

use anyhow::{Context, Result, anyhow, ensure};
use eoffice_crds::{
    ConditionType, EOfficeTenant, Phase, RECORD_NAME, Reason, RecordState, TenantRecord,
    annotations, tenant_namespace,
};
use eoffice_tests::e2e::security::{Platform, is, is_ready};
use kube::ResourceExt;
use kube::api::Api;

use crate::transitions::Names;

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was asked for, and nothing is there: nobody approved it yet.
    Waiting,
    /// It works.
    Active,
    /// Nobody gets in, and everything is there.
    Closed(Phase),
    /// It was deleted, and everything is there.
    Tombstone,
    /// The same, and it was ordered to be destroyed: that can still be withdrawn.
    Cooling,
    /// It was deleted, and nothing is there.
    Destroyed,
    /// It was deleted, and nothing is there but the record that says so.
    Purged,
    /// It works as it was approved, and asks for something else.
    Outdated,
}

pub const SUSPENDED: Stage = Stage::Closed(Phase::Suspended);
pub const ARCHIVED: Stage = Stage::Closed(Phase::Archived);

impl Stage {
    /// Fails with what is told of the tenant until the operator has brought it here.
    pub async fn told(self, platform: &Platform, names: &Names) -> Result<()> {
        let tenant = platform.tenants().get_opt(&names.own).await?;
        let there = match (self, &tenant) {
            (Self::Waiting, Some(it)) => stands_at(it, Phase::AwaitingApproval),
            (Self::Active, Some(it)) => {
                is_ready(it) && stands_at(it, Phase::Active) && is_renewed(it)
            }
            (Self::Outdated, Some(it)) => {
                let outdated = Reason::ApprovalOutdated;
                is(it, ConditionType::Ready, "False", outdated)
                    && is(it, ConditionType::Available, "True", outdated)
            }
            (Self::Closed(phase), Some(it)) => stands_at(it, phase),
            (Self::Destroyed, None) => true,
            (Self::Tombstone | Self::Cooling | Self::Purged, None) => {
                let namespace = tenant_namespace(&names.own);
                let records: Api<TenantRecord> = platform.within(&namespace);
                let record = records.get(RECORD_NAME).await?;
                let told = record.status.clone().unwrap_or_default().conditions;
                let (state, accepted) = (record.spec.state, &record.spec.purge_accepted);
                let found = (
                    state,
                    accepted.is_some(),
                    told.first().map(|it| it.reason.as_str()),
                );
                ensure!(
                    Some(found) == self.of_record(),
                    "it is {state:?}, accepted {accepted:?}, {told:?}"
                );
                true
            }
            _ => false,
        };
        let told = tenant.as_ref().map(eoffice_tests::e2e::security::told);
        there
            .then_some(())
            .with_context(|| anyhow!("it is\n{}", told.unwrap_or_else(|| "not there".into())))
    }

    /// State of the record, whether an order is taken in, and what people are told of it.
    fn of_record(self) -> Option<(RecordState, bool, Option<&'static str>)> {
        match self {
            Self::Tombstone => Some((RecordState::Retained, false, None)),
            Self::Cooling => Some((RecordState::Retained, true, Some(Reason::Cooling.as_str()))),
            Self::Purged => Some((
                RecordState::Destroyed,
                false,
                Some(Reason::Destroyed.as_str()),
            )),
            _ => None,
        }
    }
}

/// Whether new credentials were given whenever they were asked for, and those before taken away.
fn is_renewed(tenant: &EOfficeTenant) -> bool {
    let status = tenant.status.as_ref();
    let told = status.and_then(|status| status.credentials.clone());
    let told = told.unwrap_or_default();
    let asked = |key| tenant.annotations().get(key).cloned();
    told.rotation.is_none()
        && told.last_handled_rotate_at == asked(annotations::ROTATE_REQUESTED_AT)
        && told.last_handled_rotate_now_at == asked(annotations::ROTATE_NOW_REQUESTED_AT)
}

fn stands_at(tenant: &EOfficeTenant, phase: Phase) -> bool {
    let status = tenant.status.as_ref();
    status.is_some_and(|status| {
        status.phase == Some(phase) && status.observed_generation == tenant.metadata.generation
    })
}
