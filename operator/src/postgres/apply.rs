//! Carries out steps.

use super::connection::Server;
use super::credential::Verifier;
use super::error::Asked;
use super::ident::Ident;
use super::observe::named;
use super::sites;
use super::sql::{AWAIT_VERIFIER, COPY_VERIFIER, END_SESSIONS, statements};
use super::step::Step;
use crate::effect::{Effects, Site};
use crate::identity::Mark;
use crate::plan::Problem;
use eoffice_crds::Reason;
use futures::SinkExt;
use std::io::Cursor;
use std::pin::pin;

/// Carries out one step. A step that can destroy something first looks at the mark again.
pub async fn apply(server: &Server, effects: &Effects, step: &Step) -> Result<(), Problem> {
    match step {
        Step::CreateDatabase { .. } => {
            let _turn = server.creation().await?;
            run(server, effects, step, &statements(step)).await
        }
        Step::HandOverSchema { database, .. } => {
            let session = server.session_in(effects, database).await?;
            let sql = statements(step);
            let answer = effects
                .call(sites::HAND_OVER_SCHEMA, database.as_str(), || {
                    session.batch_execute(&sql)
                })
                .await;
            session.settle(answer, &Asked::To(step.to_string()))
        }
        Step::CreateLogin {
            login, verifier, ..
        } => {
            run(server, effects, step, &statements(step)).await?;
            let password = Step::SetPassword {
                login: login.clone(),
                verifier: verifier.clone(),
            };
            set_password(server, effects, &password, verifier).await
        }
        Step::SetPassword { verifier, .. } => set_password(server, effects, step, verifier).await,
        Step::EndSessions { role } => end_sessions(server, effects, step, role).await,
        Step::DropDatabase {
            database,
            oid,
            mark,
        } => drop_database(server, effects, step, database, *oid, mark).await,
        Step::DropRole { role, mark } => {
            let found = named(server, effects, sites::CHECK_MARK, role.as_str(), &[role]).await?;
            match found.role(role.as_str()) {
                None => Ok(()),
                Some(found) if bears(found.mark(), mark) => {
                    run(server, effects, step, &statements(step)).await
                }
                Some(_) => Err(changed(server, role)),
            }
        }
        _ => run(server, effects, step, &statements(step)).await,
    }
}

async fn run(server: &Server, effects: &Effects, step: &Step, sql: &str) -> Result<(), Problem> {
    let (site, object) = site(step);
    let session = server.session(effects).await?;
    let answer = effects
        .call(site, object.as_str(), || session.batch_execute(sql))
        .await;
    session.settle(answer, &Asked::To(step.to_string()))
}

async fn set_password(
    server: &Server,
    effects: &Effects,
    step: &Step,
    verifier: &Verifier,
) -> Result<(), Problem> {
    let (site, login) = site(step);
    let take = statements(step);
    let session = server.session(effects).await?;
    let answer = effects
        .call(site, login.as_str(), || async {
            session.batch_execute(AWAIT_VERIFIER).await?;
            let mut copy = pin!(session.copy_in(COPY_VERIFIER).await?);
            copy.send(Cursor::new(format!("{}\n", verifier.expose())))
                .await?;
            copy.finish().await?;
            session.batch_execute(&take).await
        })
        .await;
    let asked = Asked::To(step.to_string());
    match answer {
        Ok(()) => session.settle(Ok(()), &asked),
        // The transaction is still open: the session ends with it.
        Err(failure) => Err(session.abandon(&failure, &asked)),
    }
}

async fn end_sessions(
    server: &Server,
    effects: &Effects,
    step: &Step,
    role: &Ident,
) -> Result<(), Problem> {
    let session = server.session(effects).await?;
    let name = role.as_str();
    let answer = effects
        .call(sites::END_SESSIONS, name, || async {
            session.execute(END_SESSIONS, &[&name]).await
        })
        .await;
    session
        .settle(answer, &Asked::To(step.to_string()))
        .map(|_| ())
}

async fn drop_database(
    server: &Server,
    effects: &Effects,
    step: &Step,
    database: &Ident,
    oid: u32,
    mark: &Mark,
) -> Result<(), Problem> {
    let name = database.as_str();
    let audit = named(server, effects, sites::CHECK_MARK, name, &[database]).await?;
    let Some(found) = audit.database(name) else {
        return Ok(());
    };
    if found.oid != oid || !bears(found.mark(), mark) {
        return Err(changed(server, database));
    }
    if !found.half_dropped() {
        let shut = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false");
        let session = server.session(effects).await?;
        let answer = effects
            .call(sites::ALTER_DATABASE, name, || session.batch_execute(&shut))
            .await;
        session.settle(answer, &Asked::To(format!("shut database {database}")))?;
    }
    run(server, effects, step, &statements(step)).await
}

fn bears(found: Option<Mark>, expected: &Mark) -> bool {
    found.is_some_and(|found| found.same_owner(expected))
}

fn changed(server: &Server, object: &Ident) -> Problem {
    Problem::new(
        Reason::ForeignObject,
        format!(
            "{} on {} was replaced or lost its mark while it was about to be dropped; it is left as it is",
            object.as_str(),
            server.name()
        ),
    )
}

/// From where a step calls, and what it is about.
fn site(step: &Step) -> (Site, &Ident) {
    match step {
        Step::CreateRole { role, .. } => (sites::CREATE_ROLE, role),
        Step::CreateLogin { login, .. } => (sites::CREATE_LOGIN, login),
        Step::CreateDatabase { database } => (sites::CREATE_DATABASE, database),
        Step::MarkDatabase { database, .. } => (sites::MARK, database),
        Step::MarkRole { role, .. } => (sites::MARK, role),
        Step::RevokePublic { database }
        | Step::Revoke { database, .. }
        | Step::RevokeGrantOption { database, .. } => (sites::REVOKE, database),
        Step::OpenDatabase { database } => (sites::ALTER_DATABASE, database),
        Step::HandOverSchema { database, .. } => (sites::HAND_OVER_SCHEMA, database),
        Step::Grant { database, .. } => (sites::GRANT, database),
        Step::Join { member, .. } => (sites::GRANT, member),
        Step::Rejoin { role } => (sites::GRANT, role),
        Step::Leave { member, .. } => (sites::REVOKE, member),
        Step::ResetAttributes { role }
        | Step::ResetSettings { role, .. }
        | Step::RemovePassword { role }
        | Step::CloseLogin { role } => (sites::ALTER_ROLE, role),
        Step::LimitConnections { login, .. }
        | Step::ActAs { login, .. }
        | Step::SetPassword { login, .. }
        | Step::OpenLogin { login } => (sites::ALTER_ROLE, login),
        Step::EndSessions { role } => (sites::END_SESSIONS, role),
        Step::DropDatabase { database, .. } => (sites::DROP_DATABASE, database),
        Step::DropRole { role, .. } => (sites::DROP_ROLE, role),
    }
}
