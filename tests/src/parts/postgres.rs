//! PostgreSQL, over TLS alone.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::ground::Ground;
use crate::home::give_to_unprivileged;
use crate::net::free_port;
use crate::part::Part;
use crate::pki::write_private;
use crate::process::Spec;
use crate::random;

/// The name of the superuser.
pub const SUPERUSER: &str = "postgres";

/// The name of the operator's role.
pub const OPERATOR: &str = "eoffice_operator";

/// The only way in: over TLS, with a password.
const ACCESS: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";

/// Held against what a test does with hundreds of databases.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("max_connections", "300"),
    ("ssl", "on"),
    ("password_encryption", "scram-sha-256"),
    ("timezone", "UTC"),
    // In files below its data, which go with that, also after a kill.
    ("dynamic_shared_memory_type", "mmap"),
    ("log_line_prefix", "%m [%p] %u@%d "),
];

/// What is committed survives a kill of the server still, only not of the machine.
const HASTY: &[(&str, &str)] = &[("fsync", "off"), ("full_page_writes", "off")];

const TALKATIVE: &[(&str, &str)] = &[
    ("log_statement", "all"),
    ("log_connections", "all"),
    ("log_error_verbosity", "verbose"),
];

/// What differs from one server to another.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostgresOptions {
    /// Every commit reaches the disk.
    pub durable: bool,
    /// Every statement is in its log, for a test that looks for secrets there.
    pub log_statements: bool,
}

/// One PostgreSQL server.
pub struct Postgres {
    /// The process.
    pub part: Part,
    name: String,
    login: Login,
    operator_password: String,
    initdb: PathBuf,
    folder: PathBuf,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("name", &self.name)
            .field("port", &self.login.port)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Makes an empty server called `name`, to be started by [`Part::start`].
    pub async fn new(ground: &Ground, name: &str, options: PostgresOptions) -> Result<Self> {
        let folder = ground.home.folder(name)?;
        give_to_unprivileged(&folder)?;
        let port = free_port()?;
        let files = ground
            .tls
            .server(&["127.0.0.1", "localhost", name])?
            .write(&folder, "server")?;
        give_to_unprivileged(&files.key)?;
        let access = folder.join("pg_hba.conf");
        fs::write(&access, ACCESS).with_context(|| format!("write {}", access.display()))?;

        let mut args = vec!["-D".to_owned(), data(&folder).display().to_string()];
        let mut set =
            |name: &str, value: &str| args.extend(["-c".into(), format!("{name}={value}")]);
        let hasty = if options.durable { &[] } else { HASTY };
        let talkative = if options.log_statements {
            TALKATIVE
        } else {
            &[]
        };
        for (name, value) in SETTINGS.iter().chain(hasty).chain(talkative) {
            set(name, value);
        }
        set("port", &port.to_string());
        set("hba_file", &access.display().to_string());
        set("ssl_cert_file", &files.cert.display().to_string());
        set("ssl_key_file", &files.key.display().to_string());

        let login = Login {
            port,
            password: random::password(),
            tls: Arc::new(ground.tls.tls_client()?),
        };
        let programs = &ground.tools.postgres;
        let command = move |spec: Spec| {
            // SIGINT has it end without waiting for its clients to leave.
            spec.args(&args).unprivileged().stop_signal(Signal::SIGINT)
        };
        let asking = login.clone();
        let probe = move || {
            let login = asking.clone();
            async move { login.connect(SUPERUSER, None, "postgres").await }
        };
        let server = Self {
            part: Part::new(ground, name, programs.join("postgres"), command, probe),
            name: name.to_owned(),
            login,
            operator_password: random::password(),
            initdb: programs.join("initdb"),
            folder,
        };
        server.initdb().await?;
        Ok(server)
    }

    async fn initdb(&self) -> Result<()> {
        let password = self.folder.join("password");
        write_private(&password, &self.login.password)?;
        give_to_unprivileged(&password)?;
        let log = self.part.log().with_extension("initdb.log");
        let process = Spec::new("initdb", &self.initdb)
            .arg("--pgdata")
            .arg(data(&self.folder))
            .args(["--username", SUPERUSER, "--auth", "scram-sha-256"])
            .arg(format!("--pwfile={}", password.display()))
            .args(["--encoding", "UTF8", "--no-sync", "--no-instructions"])
            .args([
                "--locale-provider",
                "builtin",
                "--builtin-locale",
                "C.UTF-8",
                "--locale",
                "C",
            ])
            .unprivileged()
            // It runs PostgreSQL itself, several times.
            .family()
            .spawn(&log)?;
        let status = process.wait().await;
        fs::remove_file(&password).context("remove initdb's password file")?;
        if !status.success() {
            bail!(
                "initdb for {} failed ({status}){}",
                self.name,
                process.last_lines()
            );
        }
        Ok(())
    }

    /// Puts another, empty server at the same address, with the same superuser; the first one's data is laid aside.
    pub async fn replace_with_another(&self) -> Result<()> {
        self.part.stop().await;
        fs::rename(data(&self.folder), aside(&self.folder)).context("lay the data aside")?;
        self.initdb().await?;
        self.part.start().await
    }

    /// Brings back what [`Postgres::replace_with_another`] laid aside.
    pub async fn bring_back(&self) -> Result<()> {
        self.part.stop().await;
        fs::remove_dir_all(data(&self.folder)).context("remove the other server's data")?;
        fs::rename(aside(&self.folder), data(&self.folder)).context("bring the data back")?;
        self.part.start().await
    }

    /// A connection as superuser.
    pub async fn connect(&self, database: &str) -> Result<tokio_postgres::Client> {
        self.login.connect(SUPERUSER, None, database).await
    }

    /// A connection as `user`.
    pub async fn connect_as(
        &self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<tokio_postgres::Client> {
        self.login.connect(user, Some(password), database).await
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address it listens at.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.login.port
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.login.password
    }

    /// The password of the operator's role, once [`Postgres::bootstrap`] has made that.
    pub fn operator_password(&self) -> &str {
        &self.operator_password
    }

    /// Makes the operator's role as an administrator does once: by `sql`, and then a password.
    pub async fn bootstrap(&self, sql: &str) -> Result<()> {
        let superuser = self.connect("postgres").await?;
        let called = || format!("prepare PostgreSQL {} for the operator", self.name);
        superuser.batch_execute(sql).await.with_context(called)?;
        // A verifier, so that the password is in no log.
        let verifier =
            postgres_protocol::password::scram_sha_256(self.operator_password.as_bytes());
        superuser
            .batch_execute(&format!("ALTER ROLE {OPERATOR} PASSWORD '{verifier}'"))
            .await
            .with_context(called)
    }

    /// A connection URI for the superuser, for `psql`; `ca` is the file of the sandbox's authority.
    pub fn url(&self, ca: &Path) -> String {
        format!(
            "postgres://{SUPERUSER}:{}@{}:{}/postgres?sslmode=verify-full&sslrootcert={}",
            self.password(),
            self.host(),
            self.port(),
            ca.display()
        )
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn aside(folder: &Path) -> PathBuf {
    folder.join("data.aside")
}

#[derive(Clone)]
struct Login {
    port: u16,
    password: String,
    tls: Arc<rustls::ClientConfig>,
}

impl Login {
    async fn connect(
        &self,
        user: &str,
        password: Option<&str>,
        database: &str,
    ) -> Result<tokio_postgres::Client> {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .password(password.unwrap_or(&self.password))
            .dbname(database)
            .ssl_mode(tokio_postgres::config::SslMode::Require)
            .connect_timeout(std::time::Duration::from_secs(5));
        let tls = MakeRustlsConnect::new((*self.tls).clone());
        let (client, connection) = config
            .connect(tls)
            .await
            .with_context(|| format!("connect to {database} at port {} as {user}", self.port))?;
        // It ends with the client; what goes wrong before, the client's next call says.
        tokio::spawn(connection);
        Ok(client)
    }
}
