//! The table: each transition from one stage to its neighbour, and how it is asked for.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use eoffice_crds::{
    ConditionType, EOfficeTenant, Phase, RECORD_NAME, Reason, RecordState, TenantRecord,
    annotations, tenant_namespace,
};
use eoffice_tests::apply;
use eoffice_tests::e2e::security::{PROVINCE, Platform, is, is_ready, namespace_of, tenant};
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::api::{Api, DeleteParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It works.
    Active,
    /// Nobody gets in, and everything is there.
    Closed(Phase),
    /// It was deleted, and everything is there.
    Tombstone,
    /// It was deleted, and nothing is there.
    Destroyed,
    /// It was deleted, and nothing is there but the record that says so.
    Purged,
    /// It works as it was approved, and asks for something else.
    Outdated,
}

/// A tenant's name, and that of the one whose data it takes over, or which takes over its own.
#[derive(Clone, Debug)]
pub struct Names {
    pub own: String,
    pub other: String,
}

/// Asks for a transition.
pub type Ask = for<'a> fn(&'a Platform, &'a Names) -> BoxFuture<'a, Result<()>>;

/// A way from one stage to another.
pub struct Transition {
    pub name: &'static str,
    pub ask: Ask,
    pub to: Stage,
    /// It is the other's: what was its own is asked for by that.
    pub handed_over: bool,
}

/// Transitions that lead back to where they began, so that a tenant goes round until each was interrupted everywhere.
pub struct Cycle {
    /// How many tenants go round at once: about as their share of all points is.
    pub lanes: usize,
    /// Brings a tenant to where the first begins; absent where that is nothing.
    pub enter: Option<Ask>,
    pub transitions: &'static [Transition],
}

const fn to(to: Stage, name: &'static str, ask: Ask) -> Transition {
    Transition {
        name,
        ask,
        to,
        handed_over: false,
    }
}

const SUSPENDED: Stage = Stage::Closed(Phase::Suspended);
const ARCHIVED: Stage = Stage::Closed(Phase::Archived);

/// Made, destroyed, kept, closed and approved.
pub static COMING_AND_GOING: &[Cycle] = &[
    Cycle {
        lanes: 6,
        enter: None,
        transitions: &[
            to(Stage::Active, "made", |platform, names| {
                apply(platform, trial(&names.own))
            }),
            to(Stage::Destroyed, "destroyed by its deletion policy", delete),
        ],
    },
    Cycle {
        lanes: 5,
        enter: Some(make),
        transitions: &[
            to(Stage::Tombstone, "deleted", delete),
            to(Stage::Active, "restored", make),
        ],
    },
    Cycle {
        lanes: 4,
        enter: Some(make),
        transitions: &[
            to(SUSPENDED, "suspended", suspend),
            to(Stage::Active, "opened after it was suspended", open),
        ],
    },
    Cycle {
        lanes: 1,
        enter: Some(make_approved),
        transitions: &[
            to(Stage::Outdated, "grown without an approval", grow),
            to(Stage::Active, "approved as it has grown", approve),
        ],
    },
];

/// Archived, with other credentials, purged and taken over.
pub static KEPT_FOR_LONG: &[Cycle] = &[
    Cycle {
        lanes: 6,
        enter: Some(make),
        transitions: &[
            to(ARCHIVED, "archived, with an auditor", archive),
            to(SUSPENDED, "suspended although it was archived", suspend),
            to(ARCHIVED, "archived although it was suspended", archive),
            to(Stage::Active, "opened after it was archived", open),
        ],
    },
    Cycle {
        lanes: 5,
        enter: Some(make),
        transitions: &[
            to(Stage::Active, "rotated", |platform, names| {
                annotate(platform, names, annotations::ROTATE_REQUESTED_AT)
            }),
            to(Stage::Active, "rotated at once", |platform, names| {
                annotate(platform, names, annotations::ROTATE_NOW_REQUESTED_AT)
            }),
        ],
    },
    Cycle {
        lanes: 6,
        enter: Some(make),
        transitions: &[
            to(Stage::Tombstone, "deleted for good", delete),
            to(Stage::Purged, "purged", purge),
            to(Stage::Active, "made anew after it was purged", make),
        ],
    },
    Cycle {
        lanes: 4,
        enter: Some(make),
        transitions: &[
            to(Stage::Tombstone, "deleted for its successor", delete),
            Transition {
                name: "taken over",
                ask: take_over,
                to: Stage::Active,
                handed_over: true,
            },
        ],
    },
];

/// The class of most: what was rotated is taken away soon, and what was left is kept for a day.
pub const CLASS: &str = "swift";
/// The same for tenants that need an approval.
pub const APPROVED: &str = "approved";
/// What the classes say of rotation; nothing is old while the clock is put forward.
pub const ROTATION: [(&str, &str); 3] =
    [("maxAge", "876000h"), ("grace", "1s"), ("deadline", "60s")];
/// Approver, and whoever writes what only approvers may.
pub const CHAIR: &str = "chair";
/// Who may read what is archived.
pub const AUDITOR: &str = "oag";
/// After it what is kept for a day may be destroyed.
const RETENTION: Duration = Duration::from_secs(25 * 3600);

async fn chair(platform: &Platform) -> Result<Client> {
    let groups = ["eoffice:approvers", "system:masters"];
    platform.sandbox.person(CHAIR, &groups).await
}

fn make<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    apply(platform, of_class(&names.own, CLASS))
}

fn of_class(name: &str, class: &str) -> Value {
    let mut it = tenant(name);
    it["spec"]["className"] = json!(class);
    it
}

fn trial(name: &str) -> Value {
    let mut trial = of_class(name, "trial");
    trial["spec"]["deletionPolicy"] = json!("Delete");
    trial
}

fn apply(platform: &Platform, object: Value) -> BoxFuture<'_, Result<()>> {
    async move { platform.apply(&[object]).await }.boxed()
}

fn merge<'a>(platform: &'a Platform, names: &'a Names, patch: Value) -> BoxFuture<'a, Result<()>> {
    async move {
        platform
            .merge(platform.tenants(), &names.own, patch)
            .await?;
        Ok(())
    }
    .boxed()
}

/// Has this annotation say something new.
fn annotate<'a>(
    platform: &'a Platform,
    names: &'a Names,
    key: &'static str,
) -> BoxFuture<'a, Result<()>> {
    let now = jiff::Timestamp::now().to_string();
    merge(
        platform,
        names,
        json!({"metadata": {"annotations": {key: now}}}),
    )
}

fn suspend<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    merge(platform, names, json!({"spec": {"lifecycle": "Suspended"}}))
}

fn open<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    merge(platform, names, json!({"spec": {"lifecycle": "Active"}}))
}

/// Archived, with an auditor who may read.
fn archive<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    let auditor = json!({"name": AUDITOR, "until": "2399-01-01T00:00:00Z"});
    let spec = json!({"lifecycle": "Archived", "auditAccess": [auditor]});
    merge(platform, names, json!({ "spec": spec }))
}

/// Deletes the tenant.
pub fn delete<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let tenants = platform.tenants();
        tenants.delete(&names.own, &DeleteParams::default()).await?;
        Ok(())
    }
    .boxed()
}

/// A committee's decision, on the record.
fn purge<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let namespace = tenant_namespace(&names.own);
        let records: Api<TenantRecord> = Api::namespaced(chair(platform).await?, &namespace);
        let order = json!({"committeeReference": "12/2579", "approvedBy": CHAIR});
        let patch = json!({"spec": {"purge": order}});
        platform.merge(records, RECORD_NAME, patch).await?;
        Ok(())
    }
    .boxed()
}

/// A tenant of another name takes over what this one left.
fn take_over<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let mut heir = of_class(&names.own, CLASS);
        heir["spec"]["restoreFrom"] = json!(tenant_namespace(&names.other));
        apply::apply(&chair(platform).await?, &[heir]).await
    }
    .boxed()
}

fn make_approved<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let mut it = of_class(&names.own, APPROVED);
        it["spec"]["users"] = json!(100);
        it["spec"]["approval"] = json!({
            "mouReference": "MOU-1", "approvedBy": CHAIR, "approvedAt": "2026-01-01T00:00:00Z",
        });
        apply::apply(&chair(platform).await?, &[it]).await
    }
    .boxed()
}

/// As many users more as it has, or less again.
fn grow<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let users = platform.tenants().get(&names.own).await?.spec.users;
        let users = if users == Some(100) { 300 } else { 100 };
        merge(platform, names, json!({"spec": {"users": users}})).await
    }
    .boxed()
}

fn approve<'a>(platform: &'a Platform, names: &'a Names) -> BoxFuture<'a, Result<()>> {
    async move {
        let tenants: Api<EOfficeTenant> =
            Api::namespaced(chair(platform).await?, &namespace_of(PROVINCE));
        let status = tenants.get(&names.own).await?.status;
        let asked = status.and_then(|status| status.approval);
        let asked = asked.context("no approval is told of")?.asked;
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second())?.to_string();
        let approval = json!({"approvedBy": CHAIR, "approvedAt": now, "fingerprint": asked});
        let patch = json!({"spec": {"approval": approval}});
        platform.merge(tenants, &names.own, patch).await?;
        Ok(())
    }
    .boxed()
}

impl Transition {
    /// How far the clock is put forward before: what was left must be old enough to be destroyed. Nothing else waits
    /// for days, and certificates that a tenant keeps all the way would grow too old.
    pub fn time_passes(&self) -> Duration {
        match self.to {
            Stage::Purged => RETENTION,
            _ => Duration::ZERO,
        }
    }
}

impl Stage {
    /// Fails with what is told of the tenant until the operator has brought it here.
    pub async fn told(self, platform: &Platform, names: &Names) -> Result<()> {
        if self == Self::Purged {
            let namespace = tenant_namespace(&names.own);
            let records: Api<TenantRecord> = platform.within(&namespace);
            let record = records.get(RECORD_NAME).await?;
            let told = record.status.clone().unwrap_or_default().conditions;
            let told = told
                .iter()
                .any(|it| it.reason == Reason::Destroyed.as_str());
            ensure!(
                told && record.spec.state == RecordState::Destroyed,
                "it is {:?}, {:?}",
                record.spec.state,
                record.status
            );
            return Ok(());
        }
        let tenant = platform.tenants().get_opt(&names.own).await?;
        let there = match (self, &tenant) {
            (Self::Active, Some(it)) => {
                is_ready(it) && stands_at(it, Phase::Active) && is_renewed(it)
            }
            (Self::Outdated, Some(it)) => {
                let outdated = Reason::ApprovalOutdated;
                is(it, ConditionType::Ready, "False", outdated)
                    && is(it, ConditionType::Available, "True", outdated)
            }
            (Self::Closed(phase), Some(it)) => stands_at(it, phase),
            (Self::Tombstone | Self::Destroyed, it) => it.is_none(),
            _ => false,
        };
        let told = tenant.as_ref().map(eoffice_tests::e2e::security::told);
        there
            .then_some(())
            .with_context(|| anyhow!("it is\n{}", told.unwrap_or_else(|| "not there".into())))
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
