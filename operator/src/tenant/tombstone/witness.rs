//! What stands against a record that tells of an order to destroy: the marks in the backends, and other records.
//!
//! A record can be put back from a backup, or be made by hand. An order counts only while the marks of what it would
//! destroy name it, too.

use crate::audit::Cause;
use crate::controller::world::World;
use crate::identity::{Mark, Order};
use crate::plan::Problem;
use crate::tenant::purge::{Circumstances, Next, Said, decide};
use crate::tenant::store::read_record;
use crate::tenant::takeover::gave;
use crate::tenant::{database, storage};
use eoffice_crds::{
    Reason, RecordState, TENANT_NAMESPACE_PREFIX, TenantRecordSpec, tenant_namespace,
};

/// Whether the marks of all that stands name the order that the record says was taken in, read live.
pub(super) async fn stands(world: &World, record: &TenantRecordSpec) -> Result<bool, Problem> {
    let accepted = record.purge_accepted.as_ref();
    let witness = accepted.map(|accepted| accepted.witness.as_str());
    let marks = marks(world, record).await?;
    Ok(marks.iter().all(|mark| mark.order.as_deref() == witness))
}

/// What becomes of an order that the marks do not name: before its beginning it is taken in anew, and cools for its
/// whole time.
pub(super) fn void(record: &TenantRecordSpec, circumstances: &Circumstances<'_>) -> Next {
    match record.state {
        RecordState::Purging => Next::Stop(Said::new(
            Reason::PurgeRefused,
            "nothing is destroyed: the marks in the backends do not name this order, so it was withdrawn after this record was written, or the record was put back from a backup",
        )),
        _ => decide(
            &TenantRecordSpec {
                purge_accepted: None,
                ..record.clone()
            },
            circumstances,
        ),
    }
}

/// Writes the order into the marks. Answers with what is said where one of them is not this tenant's any more.
pub(super) async fn write(
    world: &World,
    record: &TenantRecordSpec,
) -> Result<Option<Said>, Problem> {
    let accepted = record.purge_accepted.as_ref();
    mark(world, record, accepted.map(|it| it.witness.clone())).await?;
    let refused = || {
        let (database, storage) = (&record.database, &record.storage);
        Said::new(
            Reason::PurgeRefused,
            format!(
                "nothing is destroyed: the marks of database {} on {} and of bucket {} in store {} cannot be made to name the order, so one of them is not this tenant's any more; find out who changed it",
                database.name, database.server, storage.bucket, storage.store
            ),
        )
    };
    Ok((!stands(world, record).await?).then(refused))
}

/// Takes whatever order they name out of the marks.
pub(super) async fn wipe(world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
    mark(world, record, None).await
}

async fn mark(
    world: &World,
    record: &TenantRecordSpec,
    order: Option<String>,
) -> Result<(), Problem> {
    let order = Order::Is(order);
    database::shut(world, record, Cause::Deletion, order.clone()).await?;
    storage::shut(world, record, Cause::Deletion, order).await?;
    Ok(())
}

/// Another record of the same data, or a predecessor that did not give it: then one of the two was made by hand.
pub(super) async fn double(
    world: &World,
    record: &TenantRecordSpec,
) -> Result<Option<String>, Problem> {
    let same = |other: &TenantRecordSpec| {
        let database = (&other.database.server, &other.database.name)
            == (&record.database.server, &record.database.name);
        let bucket = (&other.storage.store, &other.storage.bucket)
            == (&record.storage.store, &record.storage.bucket);
        other.tenant.name != record.tenant.name && other.state.holds_data() && (database || bucket)
    };
    let other = world.records.with(|registry| {
        let other = registry.records().find(|other| same(other));
        other.map(|other| tenant_namespace(&other.tenant.name))
    });
    if let Some(namespace) = other {
        return Ok(Some(format!(
            "the record in namespace {namespace} names the same database or bucket; one of the two was made by hand and has to go"
        )));
    }
    let Some(before) = &record.predecessor else {
        return Ok(None);
    };
    let name = before.namespace.strip_prefix(TENANT_NAMESPACE_PREFIX);
    let stored = match name {
        Some(name) => read_record(world, name).await?,
        None => None,
    };
    let given = match &stored {
        Some(stored) => gave(&stored.spec, record),
        // It may have been removed since: then the marks were rewritten long ago.
        None => marks(world, record)
            .await?
            .iter()
            .all(|mark| mark.fingerprint == record.fingerprint),
    };
    Ok((!given).then(|| {
        format!(
            "the record says that it took its data over from namespace {}, and neither the record there nor the marks in the backends say so",
            before.namespace
        )
    }))
}

/// The marks of what stands, read live.
async fn marks(world: &World, record: &TenantRecordSpec) -> Result<Vec<Mark>, Problem> {
    let marks = [
        database::live_mark(world, record).await?,
        storage::live_mark(world, record).await?,
    ];
    Ok(marks.into_iter().flatten().collect())
}
