//! Ways to a server: a few shared admin sessions, and sessions of their own for one purpose.

use super::error::{Asked, Place, leaves_session_whole, problem};
use super::ident::Ident;
use super::sites;
use crate::effect::{Effects, Failure};
use crate::plan::Problem;
use eoffice_crds::Reason;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Where the operator works on a server; the bootstrap's function is in it.
pub(super) const MAINTENANCE: &str = "postgres";

const SYSTEM_IDENTIFIER: &str =
    "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()";

/// Admin sessions at once.
const ADMIN_SESSIONS: usize = 4;

/// Databases being made at once: they serialise within a server, and more would only keep sessions busy.
const CREATIONS: usize = 2;

/// `search_path` keeps functions of whoever owns the database out of reach, the self-grant lets the
/// operator act as the roles it makes, and the timeouts end what nobody waits for any more.
const ADMIN_OPTIONS: &str = "-c search_path=pg_catalog -c createrole_self_grant=set,inherit \
     -c statement_timeout=60s -c lock_timeout=20s -c idle_in_transaction_session_timeout=20s";

/// How a DatabaseServer is reached.
#[derive(Clone)]
pub struct ServerAddress {
    /// Name of the DatabaseServer.
    pub name: String,
    /// Host name or address, which the server's certificate must name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The operator's role.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// The CA of the server's certificate, as PEM; absent: the system's.
    pub ca_pem: Option<String>,
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAddress")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The operator's handle to one server. Cheap to clone; sessions are opened when needed and kept.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    place: Place,
    username: String,
    password: SecretString,
    tls: MakeRustlsConnect,
    sessions: Arc<Semaphore>,
    creations: Arc<Semaphore>,
    idle: Mutex<Vec<Client>>,
    pinned: OnceLock<String>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.0.place).finish()
    }
}

impl Server {
    /// A handle to the server at this address. Nothing is opened yet.
    pub fn new(address: ServerAddress) -> Result<Self, Problem> {
        Ok(Self(Arc::new(Inner {
            tls: tls(&address.name, address.ca_pem.as_deref())?,
            place: Place {
                name: address.name,
                host: address.host,
                port: address.port,
            },
            username: address.username,
            password: address.password,
            sessions: Arc::new(Semaphore::new(ADMIN_SESSIONS)),
            creations: Arc::new(Semaphore::new(CREATIONS)),
            idle: Mutex::default(),
            pinned: OnceLock::new(),
        })))
    }

    /// Name of the DatabaseServer.
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// From now on only a server of this identity is worked with: every new session asks for it
    /// first, so that one which took over the address is never touched.
    pub fn pin(&self, system_identifier: &str) {
        self.0.pinned.get_or_init(|| system_identifier.to_owned());
    }

    async fn check_pin(&self, effects: &Effects, client: &Client) -> Result<(), Problem> {
        let Some(pinned) = self.0.pinned.get() else {
            return Ok(());
        };
        let row = effects
            .call(sites::CHECK_IDENTITY, self.name(), || {
                client.query_one(SYSTEM_IDENTIFIER, &[])
            })
            .await
            .map_err(|failure| problem(&self.0.place, &Asked::Connect, &failure))?;
        let found: String = row.try_get(0).unwrap_or_default();
        if found == *pinned {
            return Ok(());
        }
        Err(Problem::new(
            Reason::IdentityChanged,
            format!(
                "the address of PostgreSQL {} answers with another server: system identifier {found} instead of {pinned}; nothing is done there",
                self.name()
            ),
        ))
    }

    /// A session in the maintenance database, of those that are kept.
    pub(super) async fn session(&self, effects: &Effects) -> Result<Session, Problem> {
        let permit = self.permit(&self.0.sessions).await?;
        let client = match self.take_idle() {
            Some(client) => client,
            None => self.connect_checked(effects, MAINTENANCE).await?,
        };
        Ok(Session {
            server: self.clone(),
            client,
            kept: true,
            _permit: permit,
        })
    }

    /// A session in another database, for one purpose; there are few of these at once.
    pub(super) async fn session_in(
        &self,
        effects: &Effects,
        database: &Ident,
    ) -> Result<Session, Problem> {
        let permit = self.creation().await?;
        Ok(Session {
            server: self.clone(),
            client: self.connect_checked(effects, database.as_str()).await?,
            kept: false,
            _permit: permit,
        })
    }

    /// Waits for its turn to make a database.
    pub(super) async fn creation(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.permit(&self.0.creations).await
    }

    async fn permit(&self, semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
        // The semaphores are never closed.
        Arc::clone(semaphore)
            .acquire_owned()
            .await
            .map_err(|error| Problem::new(Reason::BackendError, error.to_string()))
    }

    fn take_idle(&self) -> Option<Client> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|client| !client.is_closed());
        idle.pop()
    }

    fn keep(&self, client: Client) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(client);
    }

    async fn connect(&self, effects: &Effects, database: &str) -> Result<Client, Problem> {
        let config = config(
            &self.0.place,
            &self.0.username,
            &self.0.password,
            database,
            ADMIN_OPTIONS,
        );
        effects
            .call(sites::CONNECT, self.name(), || open(&config, &self.0.tls))
            .await
            .map_err(|failure| problem(&self.0.place, &Asked::Connect, &failure))
    }

    async fn connect_checked(&self, effects: &Effects, database: &str) -> Result<Client, Problem> {
        let client = self.connect(effects, database).await?;
        self.check_pin(effects, &client).await?;
        Ok(client)
    }
}

/// One session. Unless [`Session::settle`] finds it whole it is closed when dropped, so a session that was
/// left in the middle of something is never used again.
pub(super) struct Session {
    server: Server,
    client: Client,
    kept: bool,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    /// Ends the use of the session with the answer it gave.
    pub(super) fn settle<T>(
        self,
        answer: Result<T, Failure<Error>>,
        asked: &Asked,
    ) -> Result<T, Problem> {
        let Self {
            server,
            client,
            kept,
            _permit,
        } = self;
        if kept && answer.as_ref().err().is_none_or(leaves_session_whole) {
            server.keep(client);
        }
        answer.map_err(|failure| problem(&server.0.place, asked, &failure))
    }

    /// Closes a session that failed within a transaction.
    pub(super) fn abandon(self, failure: &Failure<Error>, asked: &Asked) -> Problem {
        problem(&self.server.0.place, asked, failure)
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// TLS that checks chain and name.
pub(super) fn tls(server: &str, ca_pem: Option<&str>) -> Result<MakeRustlsConnect, Problem> {
    let unusable = |why: String| {
        Problem::new(
            Reason::CredentialsInvalid,
            format!(
                "the CA for PostgreSQL {server} cannot be used: {why}; put the PEM of the CA under ca.crt of the Secret that spec.tls.caSecretRef names"
            ),
        )
    };
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| unusable(error.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(unusable("there is no certificate in it".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

pub(super) fn config(
    place: &Place,
    username: &str,
    password: &SecretString,
    database: &str,
    options: &str,
) -> Config {
    let mut config = Config::new();
    config
        .host(&place.host)
        .port(place.port)
        .user(username)
        .password(password.expose_secret())
        .dbname(database)
        .options(options)
        .application_name("eoffice-operator")
        .ssl_mode(SslMode::Require)
        // Whoever answers gets a proof that he knows the password, for this very line, and never the password.
        .channel_binding(ChannelBinding::Require)
        .connect_timeout(Duration::from_secs(5))
        .tcp_user_timeout(Duration::from_secs(30))
        .keepalives_idle(Duration::from_secs(30));
    config
}

pub(super) async fn open(config: &Config, tls: &MakeRustlsConnect) -> Result<Client, Error> {
    let (client, connection) = config.connect(tls.clone()).await?;
    // It ends with the client; what goes wrong before, the client's next call says.
    tokio::spawn(connection);
    Ok(client)
}
