//! One look at the record of a tenant that has left: what is due about it, done.

mod bereft;
mod guard;
mod report;
mod witness;

pub use self::bereft::is_bereft;
pub use self::guard::is_open;
use self::report::{done, fails, report, say, say_again, tell_forced};
use crate::audit;
use crate::controller::world::World;
use crate::effect::{Plane, Site};
use crate::kubernetes::apply::problem;
use crate::objectstore::destroy::Halt;
use crate::plan::Problem;
use crate::tenant::destroy::{Warrant, certificate, condemn, destroy, is_untouched};
use crate::tenant::events::Told;
use crate::tenant::purge::{Circumstances, Next, Said, decide};
use crate::tenant::status::{Nature, nature};
use crate::tenant::store::{Tone, read_record, tell_of_record, write_record};
use crate::tenant::{sweep, takeover};
use eoffice_crds::{
    EOfficeTenant, Reason, RecordState, TenantRecord, TenantRecordSpec, finalizers,
    tenant_namespace,
};
use jiff::SignedDuration;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use std::time::Duration;

const LIVING: Site = Site::read(Plane::Kubernetes, "list_tenants_of_name");

/// How often a purge that the backends stand against is tried.
const NOW_AND_THEN: SignedDuration = SignedDuration::from_hours(1);

/// Whether a record bears our finalizer, or needs none.
pub fn is_kept(record: &TenantRecord) -> bool {
    !record.spec.state.holds_data()
        || record
            .finalizers()
            .iter()
            .any(|it| it == finalizers::RECORD)
}

/// Whether somebody deleted a record behind which data stands.
pub fn is_forced(record: &TenantRecord) -> bool {
    record.spec.state.holds_data() && record.metadata.deletion_timestamp.is_some()
}

/// Does what is due about a record; answers with when to look again.
pub async fn look(world: &World, name: &str) -> Result<Option<Duration>, Problem> {
    let Some(mut stored) = read_record(world, name).await? else {
        return Ok(None);
    };
    if is_forced(&stored) {
        tell_forced(world, &stored).await;
    } else if !is_kept(&stored) {
        let spec = stored.spec.clone();
        stored = write(world, &stored, &spec).await?;
    }
    match stored.spec.state {
        RecordState::Live => {
            report(world, &stored, None).await?;
            bereft::close(world, &stored).await
        }
        RecordState::Retained | RecordState::Purging => {
            guard::keep_shut(world, &stored).await?;
            let ordered = stored.spec.purge.is_some() || stored.spec.purge_accepted.is_some();
            match order(world, stored).await {
                Err(problem) if ordered => fails(world, name, problem).await,
                outcome => outcome,
            }
        }
        RecordState::Succeeded => {
            let stored = takeover::hand_on_hold(world, stored).await?;
            sweep::access(world, &tenant_namespace(name)).await?;
            report(world, &stored, None).await.map(|()| None)
        }
        RecordState::Destroyed => report(world, &stored, Some(&done(&stored.spec)))
            .await
            .map(|()| None),
    }
}

/// What is to be done about the order to destroy, if there is one.
async fn order(world: &World, stored: TenantRecord) -> Result<Option<Duration>, Problem> {
    let next = judge(world, &stored).await?;
    match next {
        Next::Rest if is_blank(&stored) => Ok(None),
        Next::Rest => stop(world, stored, None).await,
        Next::Stop(said) => stop(world, stored, Some(said)).await,
        Next::Accept(accepted) => {
            let order = &accepted.order;
            let note = format!(
                "decision {} of {} is carried out at {}; until then it can be withdrawn by removing spec.purge",
                order.committee_reference, order.approved_by, accepted.not_before.0
            );
            let spec = TenantRecordSpec {
                purge_accepted: Some(accepted.clone()),
                ..stored.spec.clone()
            };
            // The backends first: what only the record tells of does not stand.
            if let Some(said) = witness::write(world, &spec).await? {
                return say(world, &stored, &said).await;
            }
            let stored = write(world, &stored, &spec).await?;
            tell(world, &stored, Tone::Warning, "PurgeAccepted", &note).await;
            let said = Said {
                until: Some(accepted.not_before.0),
                ..Said::new(Reason::Cooling, note)
            };
            say(world, &stored, &said).await
        }
        Next::Cool(said) => say(world, &stored, &said).await,
        Next::Destroy => match purge(world, &stored).await {
            Ok(None) => Ok(None),
            Ok(Some(said)) => say_again(world, name_of(&stored), &said).await,
            Err(problem) => Err(problem),
        },
    }
}

fn is_blank(stored: &TenantRecord) -> bool {
    let told = stored.status.as_ref();
    stored.spec.state == RecordState::Retained
        && stored.spec.purge_accepted.is_none()
        && told.is_none_or(|status| status.conditions.is_empty())
}

/// What stands for or against the order, the living included.
async fn judge(world: &World, stored: &TenantRecord) -> Result<Next, Problem> {
    let namespace = stored.namespace().unwrap_or_default();
    let circumstances = Circumstances {
        namespace: &namespace,
        installation: world.installation(),
        cooling: world.settings.purge_cooling,
        now: world.clock.now(),
        witness: uuid::Uuid::new_v4().simple().to_string(),
    };
    let mut next = decide(&stored.spec, &circumstances);
    if next == Next::Destroy && !witness::stands(world, &stored.spec).await? {
        next = witness::void(&stored.spec, &circumstances);
    }
    if matches!(next, Next::Rest | Next::Stop(_)) {
        return Ok(next);
    }
    if let Some(who) = witness::double(world, &stored.spec).await? {
        let why = format!("nothing is destroyed: {who}");
        return Ok(Next::Stop(Said::new(Reason::PurgeRefused, why)));
    }
    if stored.spec.state == RecordState::Purging {
        return Ok(next);
    }
    Ok(match rival(world, &stored.spec).await? {
        None => next,
        Some(who) => Next::Stop(Said::new(
            Reason::PurgeRefused,
            format!("nothing is destroyed while {who}; the order is void until that has ended"),
        )),
    })
}

/// The tenant that stands against a purge: one of the record's name, or one that takes its data over.
async fn rival(world: &World, record: &TenantRecordSpec) -> Result<Option<String>, Problem> {
    let name = &record.tenant.name;
    if let Some(living) = living(world, name).await?.first() {
        let namespace = living.namespace().unwrap_or_default();
        return Ok(Some(format!(
            "a tenant {name} exists in namespace {namespace}"
        )));
    }
    let takes = |tenant: &str, namespace: &str| {
        format!("tenant {tenant} in namespace {namespace} asks to take it over (spec.restoreFrom)")
    };
    if let Some(by) = takeover::claimant(world, record).await? {
        return Ok(Some(takes(&by.name, &by.namespace)));
    }
    let from = tenant_namespace(name);
    let asks = |tenant: &&std::sync::Arc<EOfficeTenant>| {
        tenant.spec.restore_from.as_deref() == Some(from.as_str())
    };
    let all = world.tenants.state();
    Ok(all
        .iter()
        .find(asks)
        .map(|tenant| takes(&tenant.name_any(), &tenant.namespace().unwrap_or_default())))
}

/// The tenants of this name, read now.
async fn living(world: &World, name: &str) -> Result<Vec<EOfficeTenant>, Problem> {
    let api: Api<EOfficeTenant> = Api::all(world.client.clone());
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    let living = world
        .effects
        .call(LIVING, name, || api.list(&named))
        .await
        .map_err(|failure| problem("list the tenants named", name, &failure))?;
    Ok(living.items)
}

/// An order is not carried out: what was taken in of it is void. One that had begun goes back, if nothing was destroyed.
async fn stop(
    world: &World,
    stored: TenantRecord,
    said: Option<Said>,
) -> Result<Option<Duration>, Problem> {
    let mut spec = stored.spec.clone();
    let voided = spec.purge_accepted.take().is_some();
    if voided {
        // The backends first: a record that is put back from a backup finds no order there.
        witness::wipe(world, &spec).await?;
    }
    let mut said = said;
    if spec.state == RecordState::Purging {
        if is_untouched(world, &spec).await? {
            spec.state = RecordState::Retained;
            spec.condemned.clear();
        } else if said.is_none() {
            said = Some(Said::new(
                Reason::PurgeRefused,
                "the order was withdrawn after its beginning: part of the data is destroyed, and what is left is kept; see the audit log for what was destroyed",
            ));
        }
    }
    let stored = match spec == stored.spec {
        true => stored,
        false => write(world, &stored, &spec).await?,
    };
    if voided {
        let why = said.as_ref().map(|said| said.message.as_str());
        let note = why.unwrap_or("the order to destroy was withdrawn; nothing was destroyed");
        tell(world, &stored, Tone::Normal, "PurgeStopped", note).await;
    }
    match said {
        Some(said) => say(world, &stored, &said).await,
        None => report(world, &stored, None).await.map(|()| None),
    }
}

/// Carries the order out. What stands against it on the way is what it answers with.
async fn purge(world: &World, stored: &TenantRecord) -> Result<Option<Said>, Problem> {
    let record = match stored.spec.state {
        RecordState::Purging => stored.spec.clone(),
        _ => match begin(world, stored).await? {
            Ok(begun) => begun.spec,
            Err(halt) => return halted(world, halt).map(Some),
        },
    };
    let destroyed = match destroy(world, &record, &Warrant::Order).await {
        Ok(destroyed) => destroyed,
        Err(halt) => return halted(world, halt).map(Some),
    };
    Warrant::Order.stands(world, &record).await?;
    let now = world.clock.now();
    let certificate = certificate(&record, &Warrant::Order, now, destroyed);
    audit::destroyed(&record.tenant.name, &certificate);
    let mut spec = record.clone();
    spec.destructions.push(certificate);
    spec.condemned.clear();
    spec.state = RecordState::Destroyed;
    spec.purge_accepted = None;
    let Some(newest) = read_record(world, &record.tenant.name).await? else {
        return Ok(None);
    };
    let stored = write(world, &newest, &spec).await?;
    let said = done(&stored.spec);
    tell(world, &stored, Tone::Normal, "Destroyed", &said.message).await;
    // A tenant may wait for the name.
    world.push_all();
    report(world, &stored, Some(&said)).await?;
    Ok(None)
}

/// Writes that it begins, once the law of the bucket allows it, and with what there is to destroy. From then on nobody
/// takes the data back.
async fn begin(
    world: &World,
    stored: &TenantRecord,
) -> Result<Result<TenantRecord, Halt>, Problem> {
    let mut spec = TenantRecordSpec {
        state: RecordState::Purging,
        ..stored.spec.clone()
    };
    if let Err(halt) = condemn(world, &mut spec).await {
        return Ok(Err(halt));
    }
    let _alone = world.takeovers.lock().await;
    // Over exactly the version that was judged: a withdrawal or a claim meanwhile makes this write fail.
    match judge(world, stored).await? {
        Next::Destroy => {}
        _ => return Err(changed(&stored.spec)),
    }
    let begun = write(world, stored, &spec).await?;
    let note = "the data is being destroyed, as ordered";
    tell(world, &begun, Tone::Warning, "Purging", note).await;
    let said = Said::new(Reason::Purging, note);
    report(world, &begun, Some(&said)).await?;
    Ok(Ok(begun))
}

fn changed(record: &TenantRecordSpec) -> Problem {
    Problem::new(
        Reason::KubernetesError,
        format!(
            "what stands for and against the purge of {} changed while it was looked at; it is looked at again",
            record.tenant.name
        ),
    )
}

/// What a person can end is said, and looked at again now and then: it may end where nothing is watched. Anything else
/// is tried again by itself.
fn halted(world: &World, halt: Halt) -> Result<Said, Problem> {
    let Halt { problem, until } = halt;
    let reason = match (problem.reason, nature(problem.reason)) {
        (Reason::RetentionNotOver | Reason::LegalHold, _) => problem.reason,
        (_, Nature::Retry) | (Reason::Waiting, _) => return Err(problem),
        _ => Reason::PurgeRefused,
    };
    let again = world.clock.now().checked_add(NOW_AND_THEN).ok();
    Ok(Said {
        until: until.or(again),
        ..Said::new(reason, problem.message)
    })
}

fn name_of(stored: &TenantRecord) -> &str {
    &stored.spec.tenant.name
}

async fn write(
    world: &World,
    stored: &TenantRecord,
    spec: &TenantRecordSpec,
) -> Result<TenantRecord, Problem> {
    let written = write_record(world, Some(stored), spec).await?;
    world.records.settle(&spec.tenant.name, Some(&written));
    Ok(written)
}

async fn tell(world: &World, stored: &TenantRecord, tone: Tone, reason: &'static str, note: &str) {
    tell_of_record(world, stored, &Told::new(tone, reason, note)).await;
}
