//! Carries out steps.

use super::connection::Server;
use super::credential::Verifier;
use super::destroy::Target;
use super::error::Asked;
use super::ident::Ident;
use super::inside;
use super::sites;
use super::sql::{AWAIT_VERIFIER, COPY_VERIFIER, END_SESSIONS, statements};
use super::step::Step;
use crate::effect::{Effects, Site};
use crate::plan::Problem;
use futures::SinkExt;
use std::io::Cursor;
use std::pin::pin;

/// Carries out one step. A step that can destroy something first looks at the mark again.
pub async fn apply(server: &Server, effects: &Effects, step: &Step) -> Result<(), Problem> {
    if let Some(target) = Target::of(step) {
        return target
            .destroy((server, effects), step, None)
            .await
            .map(drop);
    }
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
        }
        | Step::CreateAuditor {
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
        Step::TakeWrites { .. } | Step::LetRead { .. } => {
            inside::put_right(server, effects, step).await
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

/// From where a step calls, and what it is about.
fn site(step: &Step) -> (Site, &Ident) {
    match step {
        Step::CreateRole { role, .. } => (sites::CREATE_ROLE, role),
        Step::CreateLogin { login, .. } | Step::CreateAuditor { login, .. } => {
            (sites::CREATE_LOGIN, login)
        }
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
        | Step::LimitTime { role, .. }
        | Step::ResetSettings { role, .. }
        | Step::RemovePassword { role }
        | Step::CloseLogin { role } => (sites::ALTER_ROLE, role),
        Step::Admit { login, .. } => (sites::GRANT, login),
        Step::TakeWrites { login, .. } | Step::LetRead { login, .. } => {
            (sites::GRANT_INSIDE, login)
        }
        Step::Confine { login }
        | Step::LimitConnections { login, .. }
        | Step::ActAs { login, .. }
        | Step::SetPassword { login, .. }
        | Step::OpenLogin { login } => (sites::ALTER_ROLE, login),
        Step::EndSessions { role } => (sites::END_SESSIONS, role),
        Step::DropDatabase { database, .. } => (sites::DROP_DATABASE, database),
        Step::DropRole { role, .. } => (sites::DROP_ROLE, role),
    }
}
