//! The audit of each server as the operator makes it, beside its query alone.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eoffice_crds::{TenantRecord, TenantRecordSpec};
use eoffice_operator::effect::Effects;
use eoffice_operator::identity::{Claim, InstallationId};
use eoffice_operator::postgres::{
    AUDIT, Audit, Server, ServerAddress, audit, recorded_names, visit,
};
use eoffice_tests::Sandbox;
use eoffice_tests::operator::INSTALLATION;
use eoffice_tests::parts::postgres::{OPERATOR, Postgres};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::Api;
use prometheus_client::registry::Registry;

/// Pairs of a query and an audit, of which the middle ones count.
const PAIRS: usize = 41;

/// What the audit of one server costs.
pub struct Cost {
    /// The server.
    pub server: String,
    /// Tenants on it.
    pub tenants: usize,
    /// The bare query, until its answer is there; the middle of all.
    pub query: Duration,
    /// The audit: query, answer put together, compared with the last one, orphans looked for; the middle of all.
    pub audit: Duration,
    /// The middle of what each audit took of the query beside it.
    pub ratio: f64,
    /// The same with the questions which server it is and who holds it, which precede each audit.
    pub whole_ratio: f64,
}

/// Measures every server, one after the other.
pub async fn compare(sandbox: &Sandbox) -> Result<Vec<Cost>> {
    let namespaces: Api<Namespace> = Api::all(sandbox.admin());
    let claim = Claim {
        installation: INSTALLATION.parse()?,
        cluster_uid: namespaces
            .get("kube-system")
            .await?
            .uid()
            .unwrap_or_default(),
        pinned: None,
        accept_identity: None,
        take_over_from: None,
    };
    let records: Api<TenantRecord> = Api::all(sandbox.admin());
    let records = records.list(&Default::default()).await?.items;
    let ca = sandbox.ground().tls.cert();
    let mut costs = Vec::new();
    for part in &sandbox.postgres {
        let here = |record: &&TenantRecord| record.spec.database.server == part.name();
        let records: Vec<_> = (records.iter().filter(here))
            .map(|it| it.spec.clone())
            .collect();
        costs.push(of_server(part, ca.clone(), &claim, &records).await?);
    }
    Ok(costs)
}

async fn of_server(
    part: &Postgres,
    ca: String,
    claim: &Claim,
    records: &[TenantRecordSpec],
) -> Result<Cost> {
    let effects = Effects::new(&mut Registry::default());
    let server = Server::new(ServerAddress {
        name: part.name().into(),
        host: part.host().into(),
        port: part.port(),
        username: OPERATOR.into(),
        password: part.operator_password().into(),
        ca_pem: Some(ca),
    })?;
    let session = part
        .connect_as(OPERATOR, part.operator_password(), "postgres")
        .await?;
    let statement = session.prepare(AUDIT).await.context("the bare query")?;
    let query = async || {
        let begun = Instant::now();
        session
            .query_one(&statement, &[&None::<Vec<&str>>])
            .await
            .context("the bare query")?;
        anyhow::Ok(begun.elapsed())
    };
    visit(&server, &effects, claim).await?;
    let mut before = audit(&server, &effects).await?;
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        // By turns, so that neither profits from the other.
        let first = if pair % 2 == 0 {
            Some(query().await?)
        } else {
            None
        };
        let begun = Instant::now();
        visit(&server, &effects, claim).await?;
        let known = begun.elapsed();
        let now = audit(&server, &effects).await?;
        unchanged(&before, &now, records, &claim.installation)?;
        let whole = begun.elapsed();
        before = now;
        let query = match first {
            Some(time) => time,
            None => query().await?,
        };
        pairs.push((query, whole - known, whole));
    }
    let of = |what: &dyn Fn(&(Duration, Duration, Duration)) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(what).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Ok(Cost {
        server: part.name().into(),
        tenants: records.len(),
        query: Duration::from_secs_f64(of(&|pair| pair.0.as_secs_f64())),
        audit: Duration::from_secs_f64(of(&|pair| pair.1.as_secs_f64())),
        ratio: of(&|pair| pair.1.as_secs_f64() / pair.0.as_secs_f64()),
        whole_ratio: of(&|pair| pair.2.as_secs_f64() / pair.0.as_secs_f64()),
    })
}

/// Does what the operator does with an audit. Nobody changes anything here, and none of it is a stranger's.
fn unchanged(
    before: &Audit,
    now: &Audit,
    records: &[TenantRecordSpec],
    installation: &InstallationId,
) -> Result<()> {
    let changed = records
        .iter()
        .find(|it| before.recorded(it).at_rest() != now.recorded(it).at_rest());
    ensure!(
        changed.is_none(),
        "the audit sees a change: {:?}",
        changed.map(|it| &it.tenant.name)
    );
    let known: HashSet<String> = records.iter().flat_map(recorded_names).collect();
    let orphans = now.orphans(installation, |name| known.contains(name));
    ensure!(orphans.is_empty(), "the audit sees orphans: {orphans:?}");
    let live = now.counts(installation).live;
    ensure!(
        usize::try_from(live)? == records.len(),
        "the audit sees {live} tenants of {}",
        records.len()
    );
    Ok(())
}
