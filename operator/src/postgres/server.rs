//! A whole server: is it the one we know, can it take tenants, and is it ours to use?

use super::connection::Server;
use super::error::{Asked, broken_answer};
use super::ident::{Ident, Literal};
use super::observe::{Database, named};
use super::sites;
use crate::effect::Effects;
use crate::identity::{Claim, InstallationId, installation_stem};
use crate::plan::Problem;
use eoffice_crds::{Reason, annotations};
use serde::{Deserialize, Serialize};
use tokio_postgres::Error;

/// The oldest version in which CREATEROLE gives power over nothing but the roles one has made.
const OLDEST: i32 = 16;

/// What is known of a server that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Version of PostgreSQL, such as `18.4`.
    pub version: String,
    /// PostgreSQL's system_identifier.
    pub system_identifier: String,
}

/// What a server says of itself and of the operator's role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Answer {
    version: String,
    version_number: i32,
    system_identifier: String,
    standby: bool,
    operator: String,
    superuser: bool,
    create_database: bool,
    create_role: bool,
    fingerprints: bool,
    public_may_enter: bool,
}

const OBSERVE: &str = "
SELECT pg_catalog.json_build_object(
  'version', pg_catalog.current_setting('server_version'),
  'version_number', pg_catalog.current_setting('server_version_num')::int / 10000,
  'system_identifier', (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
  'standby', pg_catalog.pg_is_in_recovery(),
  'operator', r.rolname,
  'superuser', r.rolsuper,
  'create_database', r.rolcreatedb,
  'create_role', r.rolcreaterole,
  'fingerprints', coalesce(pg_catalog.has_function_privilege(
      pg_catalog.to_regprocedure('eoffice.password_fingerprints(name[])')::oid, 'EXECUTE'), false),
  'public_may_enter', EXISTS (
      SELECT FROM pg_catalog.pg_database d,
          pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
      WHERE d.datname = 'postgres' AND a.grantee = 0 AND a.privilege_type = 'CONNECT')
)::text
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// Name of the database the operator keeps on each server: it records which cluster holds the
/// installation there, and is where tenants' credentials must be refused.
pub fn canary_name(installation: &InstallationId) -> String {
    format!("eo_{}_canary", installation_stem(installation))
}

/// The canary's comment. Neighbours can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    installation: String,
    cluster: String,
}

const HOLDER_PREFIX: &str = "eoffice-holder:";

impl Holder {
    fn to_comment(&self) -> String {
        let body = serde_json::to_string(self).unwrap_or_default();
        format!("{HOLDER_PREFIX}{body}")
    }

    fn from_comment(comment: &str) -> Option<Self> {
        serde_json::from_str(comment.strip_prefix(HOLDER_PREFIX)?).ok()
    }
}

/// Looks at a server, claims it for this cluster, and keeps its canary. An error means that nothing may
/// be done on it; nothing was.
pub async fn visit(server: &Server, effects: &Effects, claim: &Claim) -> Result<Facts, Problem> {
    let answer = ask(server, effects).await?;
    judge(server.name(), &answer, claim)?;
    hold(server, effects, claim).await?;
    Ok(Facts {
        version: answer.version,
        system_identifier: answer.system_identifier,
    })
}

async fn ask(server: &Server, effects: &Effects) -> Result<Answer, Problem> {
    let session = server.session(effects).await?;
    let answer = effects
        .call(sites::OBSERVE_SERVER, server.name(), || {
            session.query_one(OBSERVE, &[])
        })
        .await;
    let row = session.settle(answer, &Asked::To("tell about itself".into()))?;
    let text: String = row
        .try_get(0)
        .map_err(|_| broken_answer(server.name(), "no text"))?;
    serde_json::from_str(&text).map_err(|error| broken_answer(server.name(), &error.to_string()))
}

/// Whether a server that answers so may be used.
fn judge(name: &str, answer: &Answer, claim: &Claim) -> Result<(), Problem> {
    identity(name, &answer.system_identifier, claim)?;
    let operator = &answer.operator;
    let rules = [
        (
            answer.version_number < OLDEST,
            format!("runs PostgreSQL {}, and {OLDEST} is the oldest that keeps tenants apart; upgrade it", answer.version),
        ),
        (
            answer.standby,
            "is a standby, which cannot be written to; point spec.host at the primary".into(),
        ),
        (
            answer.superuser,
            format!("lets the operator in as the superuser {operator}; use the role that examples/platform/bootstrap.sql makes"),
        ),
        (
            !answer.create_database || !answer.create_role,
            format!("has not given CREATEDB and CREATEROLE to {operator}; run examples/platform/bootstrap.sql there as a superuser"),
        ),
        (
            !answer.fingerprints,
            format!("lacks the function eoffice.password_fingerprints, or {operator} may not call it; run examples/platform/bootstrap.sql there as a superuser, in the database postgres"),
        ),
        (
            answer.public_may_enter,
            "lets everybody connect to the database postgres; run examples/platform/bootstrap.sql there as a superuser".into(),
        ),
    ];
    match rules.into_iter().find(|(broken, _)| *broken) {
        Some((_, sentence)) => Err(Problem::new(
            Reason::Unsupported,
            format!("PostgreSQL {name} {sentence}"),
        )),
        None => Ok(()),
    }
}

fn identity(name: &str, found: &str, claim: &Claim) -> Result<(), Problem> {
    let known = claim.pinned.as_deref().is_none_or(|pinned| pinned == found);
    if known || claim.accept_identity.as_deref() == Some(found) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::IdentityChanged,
        format!(
            "the address of PostgreSQL {name} answers with another server: system identifier {found} instead of {pinned}. Nothing is done there. Put the old server back; or, if this one holds its data, annotate the DatabaseServer {key}={found}",
            pinned = claim.pinned.as_deref().unwrap_or_default(),
            key = annotations::ACCEPT_IDENTITY
        ),
    ))
}

/// What to do about the canary next. Each is one change, after which it is looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    Create,
    /// Write the comment, if it still is `from`.
    Claim {
        from: Option<String>,
    },
    Shut,
    Open,
    Nothing,
}

fn next(
    server: &str,
    operator: &str,
    name: &str,
    found: Option<&Database>,
    claim: &Claim,
) -> Result<Next, Problem> {
    let Some(found) = found else {
        return Ok(Next::Create);
    };
    let unmarked = found.comment.is_none() && !found.open && !found.occupied;
    let holder = found.comment.as_deref().and_then(Holder::from_comment);
    let ours = match &holder {
        Some(holder) => holder.installation == claim.installation.as_str(),
        None => unmarked,
    };
    if !ours || found.owner != operator {
        return Err(Problem::new(
            Reason::ForeignObject,
            format!(
                "database {name} on PostgreSQL {server} has the name of the operator's canary and is not the operator's; have its owner rename it"
            ),
        ));
    }
    match holder {
        Some(holder) if holder.cluster != claim.cluster_uid => {
            if claim.take_over_from.as_deref() == Some(holder.cluster.as_str()) {
                return Ok(Next::Claim {
                    from: found.comment.clone(),
                });
            }
            return Err(Problem::new(
                Reason::HeldByOtherCluster,
                format!(
                    "PostgreSQL {server} is held for installation {installation} by the cluster {cluster}. Nothing is done there. If that cluster is gone for good, annotate the DatabaseServer {key}={cluster}; if it lives, give this cluster an installation id of its own",
                    installation = claim.installation,
                    cluster = holder.cluster,
                    key = annotations::TAKE_OVER_FROM
                ),
            ));
        }
        None => return Ok(Next::Claim { from: None }),
        Some(_) => {}
    }
    Ok(if !found.grants.is_empty() {
        Next::Shut
    } else if !found.open {
        Next::Open
    } else {
        Next::Nothing
    })
}

/// More changes than a canary can need.
const ROUNDS: usize = 8;

async fn hold(server: &Server, effects: &Effects, claim: &Claim) -> Result<(), Problem> {
    let unquotable = |why: super::ident::Unquotable| {
        Problem::new(Reason::BackendError, format!("the canary's name: {why}"))
    };
    let name = Ident::new(canary_name(&claim.installation)).map_err(unquotable)?;
    for _ in 0..ROUNDS {
        let audit = named(server, effects, sites::OBSERVE, name.as_str(), &[&name]).await?;
        let found = audit.database(name.as_str());
        let (site, sql) = match next(server.name(), audit.operator(), name.as_str(), found, claim)?
        {
            Next::Nothing => return Ok(()),
            Next::Claim { from } => {
                take(server, effects, claim, &name, from.as_deref()).await?;
                continue;
            }
            Next::Create => (
                sites::CREATE_DATABASE,
                format!("CREATE DATABASE {name} TEMPLATE template0 ALLOW_CONNECTIONS false"),
            ),
            // Its owner needs no right on it either: nobody goes in.
            Next::Shut => {
                let mut sql = format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC CASCADE");
                for grant in found.into_iter().flat_map(|found| &found.grants) {
                    if let Some(grantee) = &grant.grantee {
                        let grantee = Ident::new(grantee.as_str()).map_err(unquotable)?;
                        sql += &format!("; REVOKE ALL ON DATABASE {name} FROM {grantee} CASCADE");
                    }
                }
                (sites::REVOKE, sql)
            }
            Next::Open => (
                sites::ALTER_DATABASE,
                format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
            ),
        };
        let session = server.session(effects).await?;
        let answer = effects
            .call(site, name.as_str(), || session.batch_execute(&sql))
            .await;
        session.settle(answer, &Asked::To(format!("keep the canary {name}")))?;
    }
    Err(Problem::new(
        Reason::BackendError,
        format!(
            "the canary {} on PostgreSQL {} does not stay as it is set; see who else changes it",
            name.as_str(),
            server.name()
        ),
    ))
}

/// Writes this cluster into the canary's comment, under a lock, and only if it still says `from`: of two
/// clusters that claim at once, one sees the other's claim.
async fn take(
    server: &Server,
    effects: &Effects,
    claim: &Claim,
    name: &Ident,
    from: Option<&str>,
) -> Result<(), Problem> {
    let holder = Holder {
        installation: claim.installation.to_string(),
        cluster: claim.cluster_uid.clone(),
    };
    let comment = Literal::new(holder.to_comment())
        .map_err(|why| Problem::new(Reason::BackendError, why.to_string()))?;
    let write = format!("COMMENT ON DATABASE {name} IS {comment}");
    let session = server.session(effects).await?;
    let answer = effects
        .call(sites::CLAIM, name.as_str(), || async {
            session
                .batch_execute("BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(1701737318)")
                .await?;
            let row = session
                .query_one(
                    "SELECT pg_catalog.shobj_description(oid, 'pg_database') \
                     FROM pg_catalog.pg_database WHERE datname = $1",
                    &[&name.as_str()],
                )
                .await?;
            let current: Option<String> = row.try_get(0)?;
            if current.as_deref() == from {
                session.batch_execute(&write).await?;
            }
            session.batch_execute("COMMIT").await?;
            Ok::<(), Error>(())
        })
        .await;
    match answer {
        Ok(()) => session.settle(Ok(()), &Asked::Audit),
        // The transaction is still open: the session ends with it.
        Err(failure) => Err(session.abandon(&failure, &Asked::To("take the claim".into()))),
    }
}

#[cfg(test)]
mod tests;
