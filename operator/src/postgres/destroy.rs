//! Destroys all that a tenant has on its server, one step at a time: whoever composes it looks between the steps
//! whether it may go on.

use super::apply::apply;
use super::connection::{Server, Session};
use super::desired::Desired;
use super::error::{Asked, broken_answer};
use super::ident::Ident;
use super::observe::observe;
use super::owner::Owner;
use super::plan::plan_drop;
use super::sites;
use super::sql::statements;
use super::step::Step;
use crate::effect::{Effects, Failure, Site};
use crate::identity::Mark;
use crate::plan::{Change, Permit, Problem};
use eoffice_crds::{DestructionOf, Reason};
use tokio_postgres::{Error, Row};

/// What is to be done next, seen live, so that nothing of the tenant is left; nothing where nothing is left.
pub async fn next_removal(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
) -> Result<Option<Change<Step>>, Problem> {
    let observed = observe(server, effects, desired).await?;
    Ok(plan_drop(desired, &observed)?.into_iter().next())
}

/// What stands of the tenant and may be destroyed, each with its identity, and the database with its size.
pub async fn standing(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
) -> Result<Vec<DestructionOf>, Problem> {
    let observed = observe(server, effects, desired).await?;
    let removals = plan_drop(desired, &observed)?;
    let bytes = size(server, effects, desired).await?;
    let targets = removals.iter().filter_map(|it| Target::of(&it.step));
    let told = targets.map(|it| match it.kind {
        Kind::Database => DestructionOf {
            bytes,
            ..it.told(server)
        },
        Kind::Role => it.told(server),
    });
    Ok(told.collect())
}

/// Does it, and says what was destroyed, if something was. Server, identity and mark of what is to be destroyed are read
/// once more in the same session, and then it is asked whether it may be destroyed yet.
pub async fn destroy(
    server: &Server,
    effects: &Effects,
    step: &Step,
    permit: &dyn Permit,
) -> Result<Option<DestructionOf>, Problem> {
    match Target::of(step) {
        Some(target) => target.destroy((server, effects), step, Some(permit)).await,
        None => {
            permit.stands().await?;
            apply(server, effects, step).await.map(|()| None)
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Database,
    Role,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Role => "role",
        }
    }

    /// Which server answers, and what stands there under the name in `$1`: its oid, its comment, whether dropping it
    /// was begun, and its size in bytes.
    fn look(self) -> &'static str {
        match self {
            Self::Database => {
                "SELECT s.system_identifier::pg_catalog.text, d.oid, c.description, d.datconnlimit = -2, \
                   CASE WHEN d.datconnlimit <> -2 THEN pg_catalog.pg_database_size(d.oid) END \
                 FROM pg_catalog.pg_control_system() s \
                   LEFT JOIN pg_catalog.pg_database d ON d.datname = $1 \
                   LEFT JOIN pg_catalog.pg_shdescription c \
                     ON c.objoid = d.oid AND c.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass"
            }
            Self::Role => {
                "SELECT s.system_identifier::pg_catalog.text, r.oid, c.description, false, NULL::pg_catalog.int8 \
                 FROM pg_catalog.pg_control_system() s \
                   LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $1 \
                   LEFT JOIN pg_catalog.pg_shdescription c \
                     ON c.objoid = r.oid AND c.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass"
            }
        }
    }
}

/// What is to be destroyed.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    kind: Kind,
    name: &'a Ident,
    oid: u32,
    owner: &'a Owner,
}

/// What stands there, and is what was meant.
struct Standing {
    half_dropped: bool,
    bytes: Option<i64>,
}

/// Why it was not destroyed.
enum Stopped {
    /// A call failed; what it was to do.
    Failed(Failure<Error>, String),
    /// It is not what was meant.
    Refused(Problem),
}

impl<'a> Target<'a> {
    /// What a step destroys, if it destroys something.
    pub fn of(step: &'a Step) -> Option<Self> {
        let (kind, name, oid, owner) = match step {
            Step::DropDatabase {
                database,
                oid,
                owner,
            } => (Kind::Database, database, oid, owner),
            Step::DropRole { role, oid, owner } => (Kind::Role, role, oid, owner),
            _ => return None,
        };
        Some(Self {
            kind,
            name,
            oid: *oid,
            owner,
        })
    }

    pub async fn destroy(
        self,
        (server, effects): (&Server, &Effects),
        step: &Step,
        permit: Option<&dyn Permit>,
    ) -> Result<Option<DestructionOf>, Problem> {
        let session = server.session(effects).await?;
        let outcome = self.within((server, effects), &session, step, permit).await;
        let asked = Asked::Drop(self.what("drop"));
        match outcome {
            Ok(destroyed) => session.settle(Ok(destroyed), &asked),
            Err(Stopped::Failed(failure, what)) => session.settle(Err(failure), &Asked::Drop(what)),
            Err(Stopped::Refused(problem)) => {
                session.settle(Ok(()), &asked)?;
                Err(problem)
            }
        }
    }

    async fn within(
        self,
        (server, effects): (&Server, &Effects),
        session: &Session,
        step: &Step,
        permit: Option<&dyn Permit>,
    ) -> Result<Option<DestructionOf>, Stopped> {
        let Some(found) = self.check(server, effects, session).await? else {
            return Ok(None);
        };
        let drop = match self.kind {
            Kind::Role => sites::DROP_ROLE,
            Kind::Database => sites::DROP_DATABASE,
        };
        asked(permit).await?;
        if matches!(self.kind, Kind::Database) && !found.half_dropped {
            // Nobody comes in any more while those who are in are sent away.
            let shut = format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name);
            self.run(effects, session, sites::ALTER_DATABASE, &shut)
                .await?;
            if self.check(server, effects, session).await?.is_none() {
                return Ok(None);
            }
            asked(permit).await?;
        }
        self.run(effects, session, drop, &statements(step)).await?;
        Ok(Some(DestructionOf {
            bytes: found.bytes,
            ..self.told(server)
        }))
    }

    /// For a certificate.
    fn told(self, server: &Server) -> DestructionOf {
        DestructionOf {
            kind: self.kind.word().to_owned(),
            name: self.name.as_str().to_owned(),
            place: format!(
                "DatabaseServer {} (system identifier {})",
                server.name(),
                self.owner.system_identifier
            ),
            identity: Some(self.oid.to_string()),
            bytes: None,
        }
    }

    async fn run(
        self,
        effects: &Effects,
        session: &Session,
        site: Site,
        sql: &str,
    ) -> Result<(), Stopped> {
        effects
            .call(site, self.name.as_str(), || session.batch_execute(sql))
            .await
            .map_err(|failure| Stopped::Failed(failure, self.what("drop")))
    }

    /// What stands there, if it is still there, and is what was meant.
    async fn check(
        self,
        server: &Server,
        effects: &Effects,
        session: &Session,
    ) -> Result<Option<Standing>, Stopped> {
        let name = self.name.as_str();
        let row = effects
            .call(sites::CHECK_MARK, name, || async {
                session.query_one(self.kind.look(), &[&name]).await
            })
            .await
            .map_err(|failure| Stopped::Failed(failure, self.what("look again at")))?;
        let seen = Seen::read(&row)
            .map_err(|error| Stopped::Refused(broken_answer(server.name(), &error.to_string())))?;
        self.judge(server.name(), seen).map_err(Stopped::Refused)
    }

    fn judge(self, server: &str, seen: Seen) -> Result<Option<Standing>, Problem> {
        let what = self.what("");
        let expected = &self.owner.system_identifier;
        if seen.system_identifier != *expected {
            return Err(Problem::new(
                Reason::IdentityChanged,
                format!(
                    "{server} answers as another server (system identifier {}) than the one that the record names ({expected}); {what} is not dropped",
                    seen.system_identifier
                ),
            ));
        }
        let Some(oid) = seen.oid else {
            return Ok(None);
        };
        if oid != self.oid {
            return Err(self.left(format!(
                "{what} on {server} has the oid {oid} instead of {}: it was replaced",
                self.oid
            )));
        }
        let mark = seen.comment.as_deref().and_then(Mark::from_comment);
        if let (Kind::Database, Some(mark)) = (self.kind, &mark)
            && mark.order != self.owner.order
        {
            return Err(self.left(format!(
                "the mark of {what} on {server} does not name the order on which it would be dropped"
            )));
        }
        match mark {
            Some(mark) if self.owner.may_destroy(&mark) => Ok(Some(Standing {
                half_dropped: seen.half_dropped,
                bytes: seen.bytes,
            })),
            Some(mark) if self.owner.owns(&mark) => Err(self.left(format!(
                "the mark of {what} on {server} does not say that this tenant has left: it says {:?}, and the UID {}",
                mark.state, mark.uid
            ))),
            _ => Err(self.left(format!(
                "{what} on {server} does not bear this tenant's mark any more"
            ))),
        }
    }

    fn left(self, why: String) -> Problem {
        Problem::new(
            Reason::ForeignObject,
            format!(
                "{why}; it is left as it is. Find out who changed it and what it holds; it is dropped when record and mark agree again"
            ),
        )
    }

    /// `drop database eo_1`.
    fn what(self, verb: &str) -> String {
        format!("{verb} {} {}", self.kind.word(), self.name.as_str())
            .trim_start()
            .to_owned()
    }
}

async fn asked(permit: Option<&dyn Permit>) -> Result<(), Stopped> {
    match permit {
        Some(permit) => permit.stands().await.map_err(Stopped::Refused),
        None => Ok(()),
    }
}

/// One answer.
struct Seen {
    system_identifier: String,
    oid: Option<u32>,
    comment: Option<String>,
    half_dropped: bool,
    bytes: Option<i64>,
}

impl Seen {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            system_identifier: row.try_get(0)?,
            oid: row.try_get(1)?,
            comment: row.try_get(2)?,
            half_dropped: row.try_get::<_, Option<bool>>(3)?.unwrap_or_default(),
            bytes: row.try_get(4)?,
        })
    }
}

const SIZE: &str = "SELECT pg_catalog.pg_database_size(d.oid) FROM pg_catalog.pg_database d \
     WHERE d.datname = $1 AND d.datconnlimit <> -2";

/// Bytes that the tenant's database takes; none where there is no database. It costs a walk over its files.
pub async fn size(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
) -> Result<Option<i64>, Problem> {
    let name = desired.database.as_str();
    let session = server.session(effects).await?;
    let answer = effects
        .call(sites::SIZE, name, || async {
            session.query_opt(SIZE, &[&name]).await
        })
        .await;
    let row = session.settle(answer, &Asked::To(format!("tell the size of {name}")))?;
    Ok(row.and_then(|row| row.try_get(0).ok()))
}
