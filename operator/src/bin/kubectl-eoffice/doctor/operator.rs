//! The operator: that it works, that the clocks agree, that it has looked at every backend lately.

use super::{Finding, Findings, Operator};
use crate::client::{Cluster, call, follow, list};
use crate::failure::{Failure, Kind, Result};
use crate::table::age;
use eoffice_crds::{DatabaseServer, ObjectStore, annotations};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{GetParams, ListParams, Request};
use kube::client::Body;
use std::collections::BTreeMap;
use std::time::Duration;

/// Clocks further apart than this are wrong.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Three times the ten minutes within which everything is looked at.
const TOO_OLD: SignedDuration = SignedDuration::from_mins(30);
/// A lease of 15 s is renewed every 5 s: whoever lives is heard of within that.
const A_RENEWAL: Duration = Duration::from_secs(7);

/// This machine's time and the API server's, at the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    ours: Timestamp,
    servers: Timestamp,
}

impl Clock {
    /// Asks the API server for the time, as every answer of it has it.
    pub async fn read(cluster: &Cluster) -> Result<Self> {
        let doing = "ask the API server for its version";
        let unusable = || Failure::new(format!("{doing}: the answer has no date"));
        let request = Request::new("")
            .get("version", &GetParams::default())
            .map_err(|_| unusable())?;
        let asked = Timestamp::now();
        let answer = call(doing, cluster.client.send(request.map(Body::from))).await?;
        let took = Timestamp::now().duration_since(asked);
        let date = answer
            .headers()
            .get("date")
            .and_then(|date| date.to_str().ok());
        let servers = date
            .and_then(|date| rfc2822::parse(date).ok())
            .ok_or_else(unusable)?;
        Ok(Self {
            ours: asked + took / 2,
            servers: servers.timestamp(),
        })
    }
}

/// Reads the lease, and the backends that it should tell of.
pub async fn check(cluster: &Cluster, operator: &Operator, clock: Clock) -> Findings {
    let mut findings = vec![clocks(clock)];
    let Operator { namespace, name } = operator;
    let doing = format!("read the lease {name} in namespace {namespace}");
    let api = cluster.within::<Lease>(namespace);
    match call(&doing, api.get_opt(name)).await {
        Err(failure) => findings.push(Finding::unknown(&failure)),
        Ok(None) => findings.push(Finding::wrong(
            format!("there is no lease {namespace}/{name}: the operator has never worked here"),
            format!("see kubectl get pods -n {namespace}; if it is installed elsewhere, name it with --operator"),
        )),
        Ok(Some(lease)) => {
            let renewed = match Held::of(&lease, clock) {
                Held::Expired { .. } => renewed(cluster, operator, &lease).await,
                _ => false,
            };
            findings.push(leading(&lease, clock, renewed, operator));
            match backends(cluster).await {
                Ok(backends) => findings.extend(audits(&lease, &backends, clock.servers)),
                Err(failure) => findings.push(Finding::unknown(&failure)),
            }
        }
    }
    findings
}

fn clocks(clock: Clock) -> Finding {
    let apart = clock.servers.duration_since(clock.ours);
    if apart.abs() <= SKEW {
        return Finding::fine("this machine's clock is the API server's");
    }
    let which = if apart.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let seconds = apart.abs().as_secs();
    Finding::wrong(
        format!("the API server's clock is {seconds} s {which} this machine's"),
        "set up NTP on both; certificates and leases go by the time",
    )
}

/// How the lease stands by the API server's clock.
#[derive(Debug, PartialEq, Eq)]
enum Held {
    Nobody,
    Now,
    Future(SignedDuration),
    Expired { since: Timestamp },
}

impl Held {
    fn of(lease: &Lease, clock: Clock) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let (Some(renewed), false) = (spec.renew_time, holder.is_empty()) else {
            return Self::Nobody;
        };
        let seconds = i64::from(spec.lease_duration_seconds.unwrap_or_default());
        let until = renewed.0 + SignedDuration::from_secs(seconds);
        let ahead = renewed.0.duration_since(clock.servers);
        if ahead > SKEW {
            return Self::Future(ahead);
        }
        // The date in an answer has no fractions of a second.
        if clock.servers > until + SignedDuration::from_secs(1) {
            return Self::Expired { since: until };
        }
        Self::Now
    }
}

/// Whether a lease that looks expired is renewed all the same: then its holder's clock is behind.
async fn renewed(cluster: &Cluster, operator: &Operator, seen: &Lease) -> bool {
    let version = seen.resource_version();
    let api = cluster.within::<Lease>(&operator.namespace);
    let changed = |lease: Option<&Lease>| {
        lease
            .filter(|lease| lease.resource_version() != version)
            .map(|_| ())
    };
    follow("watch the lease", api, &operator.name, A_RENEWAL, changed)
        .await
        .is_ok()
}

fn leading(lease: &Lease, clock: Clock, renewed: bool, operator: &Operator) -> Finding {
    let Operator { namespace, .. } = operator;
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.unwrap_or_default();
    let look = format!("kubectl get pods -n {namespace} and the log of the operator say why");
    match Held::of(lease, clock) {
        Held::Now => Finding::fine(format!("{holder} leads")),
        Held::Nobody => Finding::wrong(
            "nobody leads: no operator works, nothing is put right",
            look,
        ),
        Held::Future(ahead) => Finding::wrong(
            format!(
                "the clock of {holder}, which leads, is {} s ahead of the API server's",
                ahead.as_secs()
            ),
            "set up NTP on the operator's node",
        ),
        Held::Expired { since } if renewed => Finding::wrong(
            format!(
                "the clock of {holder}, which leads, is behind the API server's: {} or more",
                age(since, clock.servers)
            ),
            "set up NTP on the operator's node",
        ),
        Held::Expired { since } => Finding::wrong(
            format!(
                "{holder} led until {} ago, and nobody leads now: nothing is put right",
                age(since, clock.servers)
            ),
            look,
        ),
    }
}

/// Each backend's name, with the time it was made.
type Backends = BTreeMap<String, Option<Timestamp>>;

async fn backends(cluster: &Cluster) -> Result<Backends> {
    let all = ListParams::default();
    let servers = list(
        "list the DatabaseServers",
        &cluster.all::<DatabaseServer>(),
        &all,
    )
    .await?;
    let stores = list("list the ObjectStores", &cluster.all::<ObjectStore>(), &all).await?;
    let named = |name: String, made: Option<_>| (name, made);
    let servers = servers
        .iter()
        .map(|it| named(it.name_any(), it.creation_timestamp().map(|made| made.0)));
    let stores = stores
        .iter()
        .map(|it| named(it.name_any(), it.creation_timestamp().map(|made| made.0)));
    Ok(servers.chain(stores).collect())
}

/// Which backends the operator has not looked at as a whole for too long.
fn audits(lease: &Lease, backends: &Backends, now: Timestamp) -> Findings {
    let told = lease.annotations().get(annotations::AUDITS);
    let told: BTreeMap<String, Timestamp> = match told.map(|told| serde_json::from_str(told)) {
        Some(Ok(told)) => told,
        Some(Err(_)) => {
            return vec![Finding::unknown(&Failure::of(
                Kind::Final,
                format!(
                    "the lease's annotation {} is not of this version's form",
                    annotations::AUDITS
                ),
            ))];
        }
        None => BTreeMap::new(),
    };
    let mut findings = Findings::new();
    for (name, made) in backends {
        let remedy = format!(
            "see whether {name} is Ready, and the operator's log for what it says of {name}"
        );
        match told.get(name) {
            Some(&last) if now.duration_since(last) > TOO_OLD => findings.push(Finding::wrong(
                format!(
                    "{name} was last audited as a whole {} ago: drift there goes unseen",
                    age(last, now)
                ),
                remedy,
            )),
            Some(_) => {}
            None if made.is_some_and(|made| now.duration_since(made) <= TOO_OLD) => {
                findings.push(Finding::note(
                    format!("{name} is new and not audited yet"),
                    "it is within half an hour",
                ));
            }
            None => findings.push(Finding::wrong(
                format!("{name} was never audited as a whole: drift there goes unseen"),
                remedy,
            )),
        }
    }
    if findings.is_empty() && !backends.is_empty() {
        findings.push(Finding::fine(
            "every backend was audited within half an hour",
        ));
    }
    findings
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
