//! A client of each tenant: one session that keeps writing, and knows whether it was ever cut off.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::security::eventually;
use eoffice_tests::proof::Credentials;
use tokio::task::JoinHandle;

/// Between one query and the next.
const PACE: Duration = Duration::from_millis(50);

/// What a client has seen so far.
#[derive(Clone, Debug, Default)]
struct Seen {
    answers: i64,
    backends: BTreeSet<i32>,
    cut_off: Option<String>,
}

impl Seen {
    fn note(&mut self, answer: Result<i32>) {
        match answer {
            Ok(backend) => {
                self.answers += 1;
                self.backends.insert(backend);
            }
            Err(error) => self.cut_off = Some(format!("{error:#}")),
        }
    }
}

/// An application that uses its database all the time, over one connection.
pub struct Client {
    credentials: Credentials,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Connects, and begins to write letters.
    pub async fn connect(credentials: Credentials) -> Result<Self> {
        let session = credentials.database.connect().await?;
        session
            .batch_execute("CREATE TABLE letters (number bigint PRIMARY KEY)")
            .await
            .context("make a table")?;
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let answer = write(&session).await;
                let cut_off = answer.is_err();
                noted
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .note(answer);
                if cut_off {
                    return;
                }
                tokio::time::sleep(PACE).await;
            }
        });
        Ok(Self {
            credentials,
            seen,
            task,
        })
    }

    fn seen(&self) -> Seen {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// It still works over the connection it began with, and everything it ever wrote is there.
    pub async fn works_on(&self) -> Result<()> {
        let tenant = &self.credentials.tenant;
        let before = self.seen().answers;
        eventually(&format!("the client of {tenant} works on"), || async {
            let seen = self.seen();
            if let Some(error) = seen.cut_off {
                return Ok(Err(anyhow::anyhow!("the client of {tenant}: {error}")));
            }
            ensure!(seen.answers > before, "no answer came since");
            Ok(Ok(()))
        })
        .await??;
        let seen = self.seen();
        ensure!(
            seen.backends.len() == 1,
            "the client of {tenant} was on {} connections",
            seen.backends.len()
        );
        let session = self.credentials.database.connect().await?;
        let row = session
            .query_one("SELECT count(*) FROM public.letters", &[])
            .await?;
        let kept: i64 = row.get(0);
        ensure!(
            kept >= seen.answers,
            "{tenant} has {kept} of {} letters",
            seen.answers
        );
        Ok(())
    }

    /// Its connection was ended, as its tenant was closed.
    pub async fn is_cut_off(&self) -> Result<()> {
        let tenant = &self.credentials.tenant;
        eventually(&format!("the client of {tenant} is cut off"), || async {
            ensure!(self.seen().cut_off.is_some());
            Ok(())
        })
        .await
    }

    /// The Secrets say what they said when it connected.
    pub async fn has_the_same_credentials(&self, admin: &kube::Client) -> Result<()> {
        let mine = &self.credentials;
        let now = Credentials::read(admin, &mine.tenant).await?;
        ensure!(
            now.database.password == mine.database.password
                && now.database.username == mine.database.username
                && now.database.name == mine.database.name
                && now.storage.key.access == mine.storage.key.access
                && now.storage.key.secret == mine.storage.key.secret
                && now.storage.bucket == mine.storage.bucket,
            "{} has other credentials than before",
            mine.tenant
        );
        Ok(())
    }
}

/// Writes one letter, and tells which backend process wrote it.
async fn write(session: &tokio_postgres::Client) -> Result<i32> {
    let row = session
        .query_one(
            "INSERT INTO public.letters SELECT coalesce(max(number), 0) + 1 FROM public.letters RETURNING pg_backend_pid()",
            &[],
        )
        .await?;
    Ok(row.get(0))
}
