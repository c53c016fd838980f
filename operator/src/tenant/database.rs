//! The tenant's database: Secret first, then roles and database on its server.

use crate::controller::backends::DatabaseBackend;
use crate::controller::world::World;
use crate::identity::{BackendNames, Mark, fingerprint};
use crate::kubernetes::desired::{Child, Wanted};
use crate::kubernetes::secrets::{self, DatabaseCredential, DatabaseLocation};
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::Problem;
use crate::postgres::{
    self, Access, Credential, Desired, Server, TenantLogin, Verifier, canary_name, converge,
    desired, observe, plan,
};
use crate::proof::Proof;
use crate::tenant::open::Pass;
use crate::tenant::parse::Tenant;
use crate::tenant::placement::Candidate;
use crate::tenant::storage;
use eoffice_crds::{DATABASE_SECRET, DatabaseServer, Reason, TenantRecordSpec};
use kube::ResourceExt;
use std::sync::Arc;

/// What bringing the database to order found.
pub struct Found {
    /// The database's identity, once it exists.
    pub oid: Option<i64>,
    /// Whether anything was changed.
    pub changed: bool,
}

/// Brings the tenant's database to what is asked.
pub async fn bring(pass: &Pass<'_>) -> Result<Found, Problem> {
    let (world, record) = (pass.world, &pass.record);
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    let (verifier, rewritten) = verifier(world, &pass.wanted, record, &backend).await?;
    let access = if pass.wanted.open {
        Access::Open
    } else {
        Access::Closed
    };
    let bucket = storage::mark(world, record);
    let limit = pass.tenant.connection_limit;
    let desired = desired(
        record,
        limit,
        &record.database.login,
        &verifier,
        bucket.as_ref(),
        access,
    )?;
    if let Some(seen) = backend.observed(record)
        && plan(&desired, &seen).is_ok_and(|steps| steps.is_empty())
    {
        let oid = seen.database.map(|database| database.oid.into());
        return Ok(Found {
            oid,
            changed: rewritten,
        });
    }
    let converged = converge(server, &world.effects, &desired).await?;
    let oid = converged
        .observed
        .database
        .as_ref()
        .map(|database| database.oid.into());
    let changed = rewritten || !converged.done.is_empty();
    backend.saw(record, converged.observed);
    Ok(Found { oid, changed })
}

/// The server that the record names, if it is the one that it means.
fn backend(world: &World, record: &TenantRecordSpec) -> Result<Arc<DatabaseBackend>, Problem> {
    let name = &record.database.server;
    let backend = world
        .databases
        .get(name)
        .ok_or_else(|| not_looked_at(name))?;
    let (_, facts) = backend.usable()?;
    if facts.system_identifier != record.database.system_identifier {
        return Err(Problem::new(
            Reason::IdentityChanged,
            format!(
                "DatabaseServer {name} is now another server ({}) than the one that holds this tenant's database ({}); nothing is done to it",
                facts.system_identifier, record.database.system_identifier
            ),
        ));
    }
    Ok(backend)
}

fn not_looked_at(server: &str) -> Problem {
    Problem::new(
        Reason::BackendNotReady,
        format!("DatabaseServer {server} has not been looked at yet"),
    )
}

/// The verifier in the tenant's Secret. Where that is missing, was edited or says anything else
/// than it should, it is written first: the server follows.
async fn verifier(
    world: &World,
    wanted: &Wanted,
    record: &TenantRecordSpec,
    backend: &DatabaseBackend,
) -> Result<(Verifier, bool), Problem> {
    let spec = backend.spec();
    let location = DatabaseLocation {
        host: &spec.host,
        port: spec.port,
        database: &record.database.name,
        ca: backend.ca.as_deref(),
    };
    let render = |credential: &DatabaseCredential| secrets::database(wanted, &location, credential);
    let login = &record.database.login;
    let key = ObjectKey {
        kind: Kind::Secret,
        name: DATABASE_SECRET.into(),
    };
    let seen = world.cluster.index.objects(&wanted.namespace).remove(&key);
    let expected = secrets::state(&render(&DatabaseCredential::blank())).map(|state| state.rest);
    if let Some(state) = seen.and_then(|seen| seen.secret)
        && Some(state.rest) == expected
        && state.digest.is_some()
        && state.username == *login
        && let Some(verifier) = state.verifier
    {
        return Ok((Verifier::known(verifier.0), false));
    }
    let live = world.cluster.get(&wanted.namespace, &key).await?;
    let kept = live
        .as_ref()
        .and_then(secrets::database_credential)
        .filter(|kept| kept.username == *login);
    let kept = kept.unwrap_or_else(|| {
        let made = Credential::new(login, rand::random(), rand::random());
        DatabaseCredential {
            username: login.clone(),
            password: made.password().clone(),
            verifier: secrets::Verifier(made.verifier().expose().to_owned()),
        }
    });
    let child = Child::new(Kind::Secret, render(&kept));
    world.cluster.apply(&wanted.namespace, &child).await?;
    Ok((Verifier::known(kept.verifier.0), true))
}

/// What the record of a tenant says should be on its server when all access is closed.
fn shut_down(world: &World, record: &TenantRecordSpec) -> Result<Desired, Problem> {
    let key = ObjectKey {
        kind: Kind::Secret,
        name: DATABASE_SECRET.into(),
    };
    let namespace = eoffice_crds::tenant_namespace(&record.tenant.name);
    let seen = world.cluster.index.objects(&namespace).remove(&key);
    let login = &record.database.login;
    let verifier = match seen.and_then(|seen| seen.secret?.verifier) {
        Some(verifier) => Verifier::known(verifier.0),
        // Whoever made away with the Secret is locked out as well.
        None => Credential::new(login, rand::random(), rand::random())
            .verifier()
            .clone(),
    };
    let bucket = storage::mark(world, record);
    let limit = record.database.connection_limit;
    desired(
        record,
        limit,
        login,
        &verifier,
        bucket.as_ref(),
        Access::Closed,
    )
}

/// Closes every access, and writes the record's state into the marks.
pub async fn shut(world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    let desired = shut_down(world, record)?;
    if !stands(world, server, &desired).await? {
        return Ok(());
    }
    match converge(server, &world.effects, &desired).await {
        Ok(converged) => {
            backend.saw(record, converged.observed);
            Ok(())
        }
        Err(problem) => unless_not_ours(problem),
    }
}

/// Tries the tenant's own credential.
pub async fn prove(
    world: &World,
    record: &TenantRecordSpec,
    credential: DatabaseCredential,
) -> Result<Proof, Problem> {
    let backend = backend(world, record)?;
    let spec = backend.spec();
    let login = TenantLogin {
        server: record.database.server.clone(),
        host: spec.host.clone(),
        port: u16::try_from(spec.port).unwrap_or(5432),
        ca_pem: backend.ca.clone(),
        database: record.database.name.clone(),
        username: credential.username,
        password: credential.password,
    };
    Ok(postgres::verify(&world.effects, &login, &canary_name(world.installation())).await)
}

/// Destroys database and roles.
pub async fn raze(world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    let desired = shut_down(world, record)?;
    postgres::remove(server, &world.effects, &desired)
        .await
        .map(drop)
}

async fn stands(world: &World, server: &Server, desired: &Desired) -> Result<bool, Problem> {
    let found = observe(server, &world.effects, desired).await?;
    Ok(found.database.is_some() || !found.roles.is_empty())
}

/// What is gone or somebody else's holds no access of this tenant, and does not keep it from leaving.
pub fn unless_not_ours(problem: Problem) -> Result<(), Problem> {
    match problem.reason {
        Reason::DataMissing | Reason::ForeignObject => {
            tracing::warn!(%problem, "the tenant leaves all the same");
            Ok(())
        }
        _ => Err(problem),
    }
}

/// The mark on the tenant's database, as last seen.
pub fn mark(world: &World, record: &TenantRecordSpec) -> Option<Mark> {
    let backend = world.databases.get(&record.database.server)?;
    backend.observed(record)?.database?.mark()
}

/// A server as a place for a tenant without a record, and the mark of the database of its name there.
pub fn candidate(
    world: &World,
    object: &DatabaseServer,
    tenant: &Tenant,
) -> (Candidate, Option<Mark>) {
    let name = object.name_any();
    let backend = world.databases.get(&name);
    let standing = backend.as_ref().map_or_else(
        || Err(not_looked_at(&name)),
        |backend| {
            backend
                .usable()
                .map(|(_, facts)| facts.system_identifier.clone())
        },
    );
    let audit = backend.as_ref().and_then(|backend| backend.audit());
    let counts = audit
        .map(|audit| audit.counts(world.installation()))
        .unwrap_or_default();
    let database = BackendNames::first(world.installation(), &tenant.name).database;
    let owner = fingerprint(&tenant.name, tenant.province());
    let mark = audit
        .and_then(|audit| audit.database(&database)?.mark())
        .filter(|mark| {
            mark.installation == world.installation().as_str() && mark.fingerprint == owner
        });
    let candidate = Candidate {
        name,
        standing,
        capacity: object.spec.capacity.clone(),
        databases: counts.live + counts.retained,
        connections: counts.connections,
        holds_tenant: mark.is_some(),
    };
    (candidate, mark)
}
