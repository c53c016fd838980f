//! Data that bears the mark of a tenant without a record under other names than its first: it took that over, and the
//! record that told of it is lost. Nothing is made beside it.

use crate::controller::world::World;
use crate::identity::{BackendNames, Mark, fingerprint};
use crate::objectstore::observe::tenant as observe;
use crate::plan::Problem;
use crate::postgres::mark_of;
use crate::tenant::parse::Tenant;
use eoffice_crds::{Reason, TenantRecordSpec, tenant_namespace};
use kube::ResourceExt;

/// Refuses a tenant that has such data, on any server or in any store. What the last audits saw is looked at again:
/// it may have been destroyed since.
pub(in crate::tenant::ledger) async fn nothing_elsewhere(
    world: &World,
    tenant: &Tenant,
) -> Result<(), Problem> {
    let owner = fingerprint(&tenant.name, tenant.province());
    let own = BackendNames::first(world.installation(), &tenant.name);
    for server in world.servers.state() {
        let server = server.name_any();
        if let Some(name) = database(world, &server, &owner, &own).await? {
            let at =
                |it: &TenantRecordSpec| it.database.server == server && it.database.name == name;
            let what = format!("database {name} on DatabaseServer {server}");
            return Err(lost(&what, keeper(world, at).as_deref()));
        }
    }
    for store in world.stores.state() {
        let store = store.name_any();
        if let Some(name) = bucket(world, &store, &owner, &own).await? {
            let at = |it: &TenantRecordSpec| it.storage.store == store && it.storage.bucket == name;
            let what = format!("bucket {name} in ObjectStore {store}");
            return Err(lost(&what, keeper(world, at).as_deref()));
        }
    }
    Ok(())
}

async fn database(
    world: &World,
    server: &str,
    owner: &str,
    own: &BackendNames,
) -> Result<Option<String>, Problem> {
    let Some(backend) = world.databases.get(server) else {
        return Ok(None);
    };
    let seen = backend.audit().into_iter();
    let seen = seen.flat_map(|audit| audit.databases_of(world.installation(), owner));
    for name in seen.filter(|name| *name != own.database) {
        let stands = match backend.usable() {
            Ok((server, _)) => mark_of(server, &world.effects, name)
                .await?
                .is_some_and(|mark| is_ours(world, owner, &mark)),
            Err(_) => true,
        };
        if stands {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// A bucket that a record names is not looked for here: its database is found.
async fn bucket(
    world: &World,
    store: &str,
    owner: &str,
    own: &BackendNames,
) -> Result<Option<String>, Problem> {
    let Some(backend) = world.storage.get(store) else {
        return Ok(None);
    };
    for name in backend
        .strange_buckets_of(world.installation(), owner)
        .filter(|name| *name != own.bucket)
    {
        let stands = match backend.usable() {
            Ok((store, _)) => observe(store, &world.effects, name, &own.user)
                .await?
                .bucket
                .and_then(|bucket| bucket.mark())
                .is_some_and(|mark| is_ours(world, owner, &mark)),
            Err(_) => true,
        };
        if stands {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

fn is_ours(world: &World, owner: &str, mark: &Mark) -> bool {
    mark.installation == world.installation().as_str() && mark.fingerprint == owner
}

/// Namespace of the record that names it, if there is one.
fn keeper(world: &World, names_it: impl Fn(&TenantRecordSpec) -> bool) -> Option<String> {
    world.records.with(|registry| {
        let keeper = registry.records().find(|record| names_it(record));
        keeper.map(|keeper| tenant_namespace(&keeper.tenant.name))
    })
}

fn lost(what: &str, keeper: Option<&str>) -> Problem {
    let back = match keeper {
        Some(namespace) => format!(
            "the record in namespace {namespace} names it, so have an approver set spec.restoreFrom: {namespace}"
        ),
        None => "have an approver put that record back from a backup".to_owned(),
    };
    Problem::new(
        Reason::RestoreRefused,
        format!(
            "{what} bears this tenant's mark, so the tenant took it over from another, and the record that told of it is lost; nothing is made beside it: {back}"
        ),
    )
}
