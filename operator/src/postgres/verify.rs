//! Tries a tenant's own credentials, where they should work and where they should not.

use super::connection::{MAINTENANCE, config, open, tls};
use super::error::{Place, certificate_error};
use super::ident::Ident;
use super::sites;
use crate::effect::{Effects, Failure};
use crate::proof::Proof;
use secrecy::SecretString;
use std::error::Error as _;
use std::fmt;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

/// The operator is no application of the tenant's: nothing of the tenant's runs by its name alone.
const TENANT_OPTIONS: &str =
    "-c search_path=pg_catalog -c statement_timeout=15s -c lock_timeout=5s";

/// What a tenant's Secret says of its database.
#[derive(Clone)]
pub struct TenantLogin {
    /// Name of the DatabaseServer, for sentences.
    pub server: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The CA of the server's certificate, as PEM; absent: the system's.
    pub ca_pem: Option<String>,
    /// The database.
    pub database: String,
    /// The login.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

impl fmt::Debug for TenantLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantLogin")
            .field("server", &self.server)
            .field("database", &self.database)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Logs in, makes, writes, reads and drops a table; and is refused at the canary and at `postgres`.
/// Nothing is left behind.
pub async fn verify(effects: &Effects, login: &TenantLogin, canary: &str) -> Proof {
    let mut proof = use_it(effects, login).await;
    for forbidden in [canary, MAINTENANCE] {
        proof = proof.and(refused(effects, login, forbidden).await);
    }
    proof
}

/// A tenant that is closed cannot log in.
pub async fn closed(effects: &Effects, login: &TenantLogin) -> Proof {
    let expected = SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    attempt(effects, login, &login.database, &expected).await
}

/// Connecting there is refused for want of rights, and for nothing else.
async fn refused(effects: &Effects, login: &TenantLogin, database: &str) -> Proof {
    attempt(effects, login, database, &SqlState::INSUFFICIENT_PRIVILEGE).await
}

async fn attempt(
    effects: &Effects,
    login: &TenantLogin,
    database: &str,
    expected: &SqlState,
) -> Proof {
    let here = format!(
        "{} at database {database} on PostgreSQL {}",
        login.username, login.server
    );
    let way = match Way::to(login, database) {
        Ok(way) => way,
        Err(why) => return Proof::Inconclusive(why),
    };
    let answer = effects
        .call(sites::PROVE_REFUSAL, database, || async {
            // The refusal that is hoped for is no failure of the call.
            match way.open().await {
                Ok(_) => Ok(None),
                Err(error) if error.code().is_some() => Ok(error.code().cloned()),
                Err(error) => Err(error),
            }
        })
        .await;
    match answer {
        Ok(None) => Proof::Failed(format!("{here}: was let in, and must not be")),
        Ok(Some(code)) if code == *expected => Proof::Passed,
        Ok(Some(code)) => Proof::Inconclusive(format!(
            "{here}: was refused, but with SQLSTATE {} instead of {}",
            code.code(),
            expected.code()
        )),
        Err(failure) => Proof::Inconclusive(format!("{here}: {}", cause(&failure))),
    }
}

async fn use_it(effects: &Effects, login: &TenantLogin) -> Proof {
    let here = format!(
        "{} in database {} on PostgreSQL {}",
        login.username, login.database, login.server
    );
    let way = match Way::to(login, &login.database) {
        Ok(way) => way,
        Err(why) => return Proof::Inconclusive(why),
    };
    let answer = effects
        .call(sites::PROVE_USE, &login.database, || probe(&way))
        .await;
    match answer {
        Ok(true) => Proof::Passed,
        Ok(false) => Proof::Failed(format!("{here}: what was written was not what was read")),
        Err(failure) => {
            let sentence = format!("{here}: {}", cause(&failure));
            match &failure {
                Failure::Call(error) if conclusive(error) => Proof::Failed(sentence),
                _ => Proof::Inconclusive(sentence),
            }
        }
    }
}

/// All in one transaction, so that nothing is left whatever happens.
async fn probe(way: &Way) -> Result<bool, Error> {
    let value = Uuid::new_v4().simple().to_string();
    let mut client = way.open().await?;
    let transaction = client.transaction().await?;
    let table = format!("public.eoffice_probe_{value}");
    transaction
        .batch_execute(&format!("CREATE TABLE {table} (value pg_catalog.text)"))
        .await?;
    let insert = format!("INSERT INTO {table} (value) VALUES ($1)");
    transaction.execute(&insert, &[&value]).await?;
    let select = format!("SELECT value FROM {table}");
    let read: String = transaction.query_one(&select, &[]).await?.try_get(0)?;
    transaction
        .batch_execute(&format!("DROP TABLE {table}"))
        .await?;
    transaction.commit().await?;
    Ok(read == value)
}

/// Whether the failure speaks of the credentials and rights rather than of the moment.
fn conclusive(error: &Error) -> bool {
    match error.code() {
        Some(code) => !["53", "57", "58", "XX", "40", "55"]
            .iter()
            .any(|class| code.code().starts_with(class)),
        None => certificate_error(error).is_some(),
    }
}

fn cause(failure: &Failure<Error>) -> String {
    let Failure::Call(error) = failure else {
        return failure.to_string();
    };
    if let Some(answer) = error.as_db_error() {
        let code = answer.code().code();
        return format!("{} (SQLSTATE {code})", answer.message());
    }
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// A way into a database as the tenant.
struct Way {
    config: tokio_postgres::Config,
    tls: tokio_postgres_rustls::MakeRustlsConnect,
}

impl Way {
    fn to(login: &TenantLogin, database: &str) -> Result<Self, String> {
        let tls = tls(&login.server, login.ca_pem.as_deref()).map_err(|problem| problem.message)?;
        // A name that would be cut off would lead into another database.
        let database = Ident::new(database).map_err(|why| why.to_string())?;
        let place = Place {
            name: login.server.clone(),
            host: login.host.clone(),
            port: login.port,
        };
        let config = config(
            &place,
            &login.username,
            &login.password,
            database.as_str(),
            TENANT_OPTIONS,
        );
        Ok(Self { config, tls })
    }

    async fn open(&self) -> Result<tokio_postgres::Client, Error> {
        open(&self.config, &self.tls).await
    }
}
