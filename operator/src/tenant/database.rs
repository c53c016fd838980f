//! The tenant's database: roles and database on its server, then the Secret.

mod destroy;
mod leave;
mod secret;

pub use self::destroy::{raze, size, standing};
pub use self::leave::{is_open, leaving, live_mark, shut};
pub use self::secret::fresh_credential;
use self::secret::{Held, SecretAt, Successor, secret_key};
use crate::controller::backends::DatabaseBackend;
use crate::controller::world::World;
use crate::identity::{BackendNames, Mark, fingerprint};
use crate::kubernetes::secrets::{self, DatabaseCredential};
use crate::plan::{Gate, Problem};
use crate::postgres::{
    self, Access, Desired, Observed, Server, TenantLogin, Verifier, beyond, canary_name, converge,
    desired, loss, observe, plan,
};
use crate::proof::Proof;
use crate::tenant::acceptance::{self, identity_of, tell_accepted};
use crate::tenant::keeper::Keeper;
use crate::tenant::parse::Tenant;
use crate::tenant::pass::{Brought, Pass, hash};
use crate::tenant::placement::Candidate;
use crate::tenant::rotation::Use;
use crate::tenant::storage;
use eoffice_crds::{DatabaseServer, Plane, Reason, RecordedDatabase, TenantRecordSpec};
use kube::ResourceExt;
use std::sync::Arc;

/// What bringing the database to order found.
pub struct Found {
    /// What the record should say of it.
    pub recorded: RecordedDatabase,
    /// Whether a person's acceptance was taken: the plane is to be brought to it.
    pub accepted: bool,
}

/// Brings the tenant's database to what is asked.
pub async fn bring(pass: &Pass<'_>) -> Brought<Found> {
    let (world, record) = (pass.world, &pass.record);
    let prepared = backend(world, record).and_then(|backend| {
        let secret = SecretAt::new(world, &pass.wanted, record, &backend);
        let blank = desired_of(pass, &Verifier::known(String::new()))?;
        let asked = hash(&[&blank.asked(), &secret.asked()]);
        Ok((backend, asked))
    });
    let (backend, asked) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => return Brought::failed(problem),
    };
    if let Err(problem) = pass.ask_about_move(Plane::Database, &asked).await {
        return Brought::failed(problem);
    }
    let keeper = pass.keeper(Plane::Database, &asked);
    let result = work(pass, &backend, &keeper).await;
    Brought {
        asked,
        notes: keeper.notes(),
        result,
    }
}

async fn work(
    pass: &Pass<'_>,
    backend: &DatabaseBackend,
    gate: &Keeper<'_>,
) -> Result<Found, Problem> {
    let (server, _) = backend.usable()?;
    let secret = SecretAt::new(pass.world, &pass.wanted, &pass.record, backend);
    let held = match secret.look(pass, gate).await? {
        Held::Successor(successor) => {
            match succeed(pass, (server, &secret), gate, &successor).await {
                Err(problem) if problem.reason == Reason::DataMissing => {
                    let blank = desired_of(pass, &Verifier::known(String::new()))?;
                    return accepted(pass, server, &blank, gate, problem).await;
                }
                made => Some(made?),
            }
        }
        Held::Current(verifier) => Some(verifier),
        Held::Nothing => None,
        Held::Planned(differences) => {
            let outcome = settle(pass, backend, gate, None).await;
            gate.allows(&differences);
            return outcome;
        }
    };
    settle(pass, backend, gate, held).await
}

/// Brings roles and database to order, with the password of the Secret where that is known.
async fn settle(
    pass: &Pass<'_>,
    backend: &DatabaseBackend,
    gate: &Keeper<'_>,
    held: Option<Verifier>,
) -> Result<Found, Problem> {
    let (world, record) = (pass.world, &pass.record);
    let (server, _) = backend.usable()?;
    let mut desired = desired_of(
        pass,
        held.as_ref().unwrap_or(&Verifier::known(String::new())),
    )?;
    if held.is_none() {
        // The Secret tells of no password, and must not be written: the server's stays as it is.
        let seen = observe(server, &world.effects, &desired).await?;
        let login = seen.roles.get(&record.database.login);
        if let Some(fingerprint) = login.and_then(|login| login.fingerprint.clone()) {
            desired.verifier_fingerprint = fingerprint;
        }
    }
    let recorded = |seen: &Observed| {
        let oid = seen.database.as_ref().map(|database| database.oid.into());
        Found {
            accepted: false,
            recorded: RecordedDatabase {
                oid: oid.or(record.database.oid),
                ..record.database.clone()
            },
        }
    };
    if !pass.fresh
        && let Some(seen) = backend.observed(record)
        && seen.is_enough(&desired)
        && plan(&desired, &seen).is_ok_and(|changes| changes.is_empty())
    {
        return Ok(recorded(&seen));
    }
    match converge(server, &world.effects, &desired, gate).await {
        Ok(converged) => {
            let found = recorded(&converged.observed);
            backend.saw(record, converged.observed);
            Ok(found)
        }
        Err(problem) if problem.reason == Reason::Drifted => {
            let seen = observe(server, &world.effects, &desired).await?;
            for difference in beyond(&desired, &seen) {
                gate.leave(&difference, false, &problem);
            }
            Err(problem)
        }
        Err(problem) if problem.reason == Reason::DataMissing => {
            accepted(pass, server, &desired, gate, problem).await
        }
        Err(problem) => Err(problem),
    }
}

/// Makes the credential that is to come into the Secret, and only then puts it there: at no moment is there a Secret that
/// does not work.
async fn succeed(
    pass: &Pass<'_>,
    (server, secret): (&Server, &SecretAt<'_>),
    gate: &Keeper<'_>,
    successor: &Successor,
) -> Result<Verifier, Problem> {
    if let Some(predecessor) = &successor.predecessor {
        let before = before(pass, predecessor)?;
        brought(pass, server, &before, gate).await?;
    }
    let verifier = Verifier::known(successor.credential.verifier.0.clone());
    let desired = desired_of(pass, &verifier)?;
    let seen = brought(pass, server, &desired, gate).await?;
    let login = seen.roles.get(&pass.record.database.login);
    let works = login.is_some_and(|login| {
        (login.login || !pass.wanted.open)
            && login.fingerprint.as_ref() == Some(&desired.verifier_fingerprint)
    });
    // Without a predecessor the gate was asked before the server was changed.
    let allowed = || successor.predecessor.is_none() || gate.allows(&successor.differences);
    if (works || gate.is_planning()) && allowed() {
        let read = successor.read.as_ref();
        secret.write(&successor.credential, read).await?;
        gate.made(&successor.differences);
    }
    Ok(verifier)
}

/// What only a superuser can put right holds up no successor: it is told of afterwards.
async fn brought(
    pass: &Pass<'_>,
    server: &Server,
    desired: &Desired,
    gate: &Keeper<'_>,
) -> Result<Observed, Problem> {
    let effects = &pass.world.effects;
    match converge(server, effects, desired, gate).await {
        Ok(converged) => Ok(converged.observed),
        Err(problem) if problem.reason == Reason::Drifted => {
            observe(server, effects, desired).await
        }
        Err(problem) => Err(problem),
    }
}

/// What is asked until there is a successor: its login is shut, and no session outlives what its password was before.
fn before(pass: &Pass<'_>, predecessor: &Verifier) -> Result<Desired, Problem> {
    let mut record = pass.record.clone();
    if let Some(under_way) = record.rotation.under_way.take() {
        record.database.login = under_way.login;
    }
    desired_for(pass, &record, predecessor)
}

/// What a person accepted about data that is missing: it goes into the record before anything is done.
async fn accepted(
    pass: &Pass<'_>,
    server: &Server,
    desired: &Desired,
    gate: &Keeper<'_>,
    problem: Problem,
) -> Result<Found, Problem> {
    let seen = observe(server, &pass.world.effects, desired).await?;
    let loss = loss(desired, &seen).ok_or_else(|| problem.clone())?;
    let accepted = acceptance::of(&pass.tenant.object, &loss).filter(|_| !gate.stops_all());
    let Some(accepted) = accepted else {
        gate.leave(&identity_of("database", &loss), false, &problem);
        return Err(problem);
    };
    if !gate.is_planning() {
        tell_accepted(
            &pass.tenant.name,
            Plane::Database,
            "database",
            &loss,
            &accepted,
        );
    }
    Ok(Found {
        accepted: true,
        recorded: accepted.of_database(&pass.record.database, &loss),
    })
}

fn desired_of(pass: &Pass<'_>, verifier: &Verifier) -> Result<Desired, Problem> {
    desired_for(pass, &pass.record, verifier)
}

fn desired_for(
    pass: &Pass<'_>,
    record: &TenantRecordSpec,
    verifier: &Verifier,
) -> Result<Desired, Problem> {
    let access = if pass.wanted.open {
        Access::Open
    } else {
        Access::Closed
    };
    let bucket = storage::mark(pass.world, record);
    let desired = desired(
        record,
        pass.tenant.connection_limit,
        &record.database.login,
        verifier,
        bucket.as_ref(),
        access,
    )?;
    pass.with_logins(desired)
}

/// The login in the tenant's Secret, as the API server has it now.
pub async fn login_in_use(pass: &Pass<'_>) -> Result<Option<String>, Problem> {
    let namespace = &pass.wanted.namespace;
    let live = pass.world.cluster.get(namespace, &secret_key()).await?;
    let credential = live.as_ref().and_then(secrets::database_credential);
    Ok(credential.map(|credential| credential.username))
}

/// What is known of the use of a login of the tenant.
pub fn last_use(pass: &Pass<'_>, login: &str) -> Result<Use, Problem> {
    let known = backend(pass.world, &pass.record)?.login_use(login);
    Ok(Use::NotSince(
        known.last_seen.unwrap_or(known.watched_since),
    ))
}

/// The server that the record names, if it is the one that it means.
pub fn backend(world: &World, record: &TenantRecordSpec) -> Result<Arc<DatabaseBackend>, Problem> {
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
        ca_pem: backend.ca().map(str::to_owned),
        database: record.database.name.clone(),
        username: credential.username,
        password: credential.password,
    };
    Ok(postgres::verify(&world.effects, &login, &canary_name(world.installation())).await)
}

/// What is gone or somebody else's does not keep a tenant from leaving: its own access has ended before this is told.
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
pub async fn candidate(
    world: &World,
    object: &DatabaseServer,
    tenant: &Tenant,
) -> Result<(Candidate, Option<Mark>), Problem> {
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
    let counts = backend.as_ref().and_then(|backend| backend.counts());
    let counts = counts.unwrap_or_default();
    let database = BackendNames::first(world.installation(), &tenant.name).database;
    let owner = fingerprint(&tenant.name, tenant.province());
    let mut mark = audit.and_then(|audit| audit.database(&database)?.mark());
    if mark.is_some()
        && let Some(Ok((server, _))) = backend.as_ref().map(|backend| backend.usable())
    {
        // It may have been destroyed since the audit: what it was the twin of is not to be looked for.
        mark = postgres::mark_of(server, &world.effects, &database).await?;
    }
    let mark = mark.filter(|mark| {
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
    Ok((candidate, mark))
}
