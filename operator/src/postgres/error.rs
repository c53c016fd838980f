//! What PostgreSQL and the way to it answer, as problems a person can act on.

use crate::effect::Failure;
use crate::plan::Problem;
use eoffice_crds::Reason;
use std::error::Error as _;
use std::fmt;
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// What was being done.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// To let the operator in.
    Connect,
    /// The audit, which needs the bootstrap's function.
    Audit,
    /// To drop something; in words.
    Drop(String),
    /// Something else, in words.
    To(String),
}

/// Where it was asked, for sentences: `server pg-a (10.0.0.5:5432)`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub name: String,
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {} ({}:{})", self.name, self.host, self.port)
    }
}

/// The problem behind a failed call.
pub(super) fn problem(place: &Place, asked: &Asked, failure: &Failure<Error>) -> Problem {
    match failure {
        Failure::Timeout(limit) => Problem::new(
            Reason::Unreachable,
            format!(
                "{place} gave no answer within {} s; see whether it is overloaded or the network drops packets",
                limit.as_secs()
            ),
        ),
        Failure::Injected => Problem::new(Reason::BackendError, format!("{place}: {failure}")),
        Failure::Call(error) => match error.as_db_error() {
            Some(answer) => refused(place, asked, answer.code(), answer.message()),
            None => unreachable(place, error),
        },
    }
}

fn refused(place: &Place, asked: &Asked, code: &SqlState, message: &str) -> Problem {
    let (reason, remedy) = match (asked, code) {
        (Asked::Connect, code)
            if [
                &SqlState::INVALID_PASSWORD,
                &SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            ]
            .contains(&code) =>
        {
            (
                Reason::CredentialsInvalid,
                "set username and password in the Secret of spec.adminSecretRef to those of the operator's role",
            )
        }
        (_, code)
            if [
                &SqlState::CANNOT_CONNECT_NOW,
                &SqlState::ADMIN_SHUTDOWN,
                &SqlState::CRASH_SHUTDOWN,
                &SqlState::TOO_MANY_CONNECTIONS,
            ]
            .contains(&code) =>
        {
            (
                Reason::Unreachable,
                "it is tried again; if it stays so, see the server's log",
            )
        }
        (Asked::Connect | Asked::Audit, _) => (
            Reason::Unsupported,
            "run examples/platform/bootstrap.sql there as a superuser, in the database postgres",
        ),
        (Asked::Drop(_), code)
            if [
                &SqlState::INSUFFICIENT_PRIVILEGE,
                &SqlState::OBJECT_IN_USE,
                &SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            ]
            .contains(&code) =>
        {
            (
                Reason::BackendError,
                "something that the operator cannot end stands in the way, such as a superuser's session (pg_stat_activity), a prepared transaction (pg_prepared_xacts), a replication slot, or what a role has elsewhere (pg_shdepend); have a superuser end it, and it is tried again",
            )
        }
        (Asked::To(_) | Asked::Drop(_), _) => (
            Reason::BackendError,
            "it is tried again; if it stays so, see the server's log",
        ),
    };
    let what = match asked {
        Asked::Connect => "let the operator in",
        Asked::Audit => "be looked at",
        Asked::To(what) | Asked::Drop(what) => what,
    };
    let code = code.code();
    Problem::new(
        reason,
        format!("{place} refused to {what}: {message} (SQLSTATE {code}); {remedy}"),
    )
}

/// What the driver calls every failure of authentication that is not the server's own refusal.
const AUTHENTICATION: &str = "authentication error";

fn unreachable(place: &Place, error: &Error) -> Problem {
    if let Some(why) = certificate_error(error) {
        return Problem::new(
            Reason::CredentialsInvalid,
            format!(
                "{place} shows a certificate that does not hold: {why}; put its CA into the Secret of spec.tls.caSecretRef, and see that the certificate names spec.host"
            ),
        );
    }
    let cause = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    if error.to_string() == AUTHENTICATION {
        return Problem::new(
            Reason::Unsupported,
            format!(
                "{place} does not ask for the password as a proof that is bound to the TLS channel: {cause}; have pg_hba.conf ask for scram-sha-256 over hostssl, set the role's password with password_encryption = scram-sha-256, and let no pooler end TLS before the server"
            ),
        );
    }
    Problem::new(
        Reason::Unreachable,
        format!(
            "{place} cannot be reached: {cause}; see whether it runs and the network lets the operator through"
        ),
    )
}

/// What TLS found wrong with the server's certificate, if that is what went wrong.
pub(super) fn certificate_error(error: &Error) -> Option<String> {
    let source = error.source()?.downcast_ref::<std::io::Error>()?;
    match source.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(why.to_string()),
        _ => None,
    }
}

/// Whether the session can be used after this answer.
pub(super) fn leaves_session_whole(failure: &Failure<Error>) -> bool {
    match failure {
        Failure::Call(error) => error
            .as_db_error()
            .is_some_and(|answer| answer.parsed_severity() == Some(Severity::Error)),
        Failure::Timeout(_) | Failure::Injected => false,
    }
}

/// An answer that cannot be understood.
pub(super) fn broken_answer(server: &str, why: &str) -> Problem {
    Problem::new(
        Reason::BackendError,
        format!(
            "PostgreSQL {server} answered what cannot be understood: {why}; see whether its version is supported"
        ),
    )
}
