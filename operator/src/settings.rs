//! The program's arguments. Each can be given as an environment variable as well.

use crate::identity::InstallationId;
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::time::Duration;

/// Provisions e-Office tenants on shared backends and keeps them as they were asked for.
#[derive(Clone, Debug, Parser)]
#[command(name = "eoffice-operator", version, args_override_self = true)]
pub struct Settings {
    /// This installation's name: the same after a cluster is rebuilt, different for every other
    /// installation that shares a backend. It can never be changed.
    #[arg(long, env = "EOFFICE_INSTALLATION_ID")]
    pub installation_id: InstallationId,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "EOFFICE_BIND", default_value = "0.0.0.0:8080")]
    pub bind: SocketAddr,
    /// Namespace of the leader lease.
    #[arg(
        long,
        env = "EOFFICE_LEASE_NAMESPACE",
        default_value = "eoffice-system"
    )]
    pub lease_namespace: String,
    /// Name of the leader lease.
    #[arg(long, env = "EOFFICE_LEASE_NAME", default_value = "eoffice-operator")]
    pub lease_name: String,
    /// How long the lease is held without renewal.
    #[arg(long, env = "EOFFICE_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,
    /// Who this process is in the lease: the pod's name. Default: a random name.
    #[arg(long, env = "EOFFICE_IDENTITY")]
    pub identity: Option<String>,
    /// How often each PostgreSQL server is looked at.
    #[arg(long, env = "EOFFICE_POSTGRES_INTERVAL", default_value = "30s", value_parser = duration)]
    pub postgres_interval: Duration,
    /// How often each store's buckets and users are listed.
    #[arg(long, env = "EOFFICE_STORAGE_INTERVAL", default_value = "60s", value_parser = duration)]
    pub storage_interval: Duration,
    /// Within what time every tenant of a store is looked at closely.
    #[arg(long, env = "EOFFICE_STORAGE_PASS", default_value = "600s", value_parser = duration)]
    pub storage_pass: Duration,
    /// How often each tenant's credentials are tried.
    #[arg(long, env = "EOFFICE_VERIFY_INTERVAL", default_value = "3600s", value_parser = duration)]
    pub verify_interval: Duration,
    /// With more tenants than this, or the share below where that is more, that would be closed, deleted, moved or
    /// lose a credential within the window, all wait for a person.
    #[arg(long, env = "EOFFICE_BREAKER_LIMIT", default_value_t = 5)]
    pub breaker_limit: u16,
    /// The same as a share of all tenants, in percent.
    #[arg(long, env = "EOFFICE_BREAKER_PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=100))]
    pub breaker_percent: u16,
    /// Within what time they are counted.
    #[arg(long, env = "EOFFICE_BREAKER_WINDOW", default_value = "10m", value_parser = duration)]
    pub breaker_window: Duration,
    /// How long a deletion, or a change that comes from a class, a server or a store, waits after it was seen.
    #[arg(long, env = "EOFFICE_BREAKER_DELAY", default_value = "30s", value_parser = duration)]
    pub breaker_delay: Duration,
    /// How long an answered TenantPlan is kept.
    #[arg(long, env = "EOFFICE_PLAN_KEPT", default_value = "1h", value_parser = duration)]
    pub plan_kept: Duration,
    /// How many new tenants are made at once.
    #[arg(long, env = "EOFFICE_WAVE_SIZE", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub wave_size: u16,
    /// With more than this share of the newest wave failing, in percent, no further tenants are begun.
    #[arg(long, env = "EOFFICE_WAVE_FAILED_PERCENT", default_value_t = 30, value_parser = clap::value_parser!(u16).range(0..=100))]
    pub wave_failed_percent: u16,
    /// Whoever is in the making for longer than this counts as failing, and another tenant is begun.
    #[arg(long, env = "EOFFICE_WAVE_PATIENCE", default_value = "10m", value_parser = duration)]
    pub wave_patience: Duration,
    /// How long an order to destroy what a record keeps can be withdrawn before it is carried out.
    #[arg(long, env = "EOFFICE_PURGE_COOLING", default_value = "168h", value_parser = duration)]
    pub purge_cooling: Duration,
    /// How long access stays open where a tenant's resource went without having been closed (its finalizer was taken
    /// away, or records came back before tenants) and could be made again.
    #[arg(long, env = "EOFFICE_BEREFT_GRACE", default_value = "10m", value_parser = duration)]
    pub bereft_grace: Duration,
    /// The officers of a province are the members of the group of this name with the province's two digits after it.
    #[arg(
        long,
        env = "EOFFICE_OFFICER_GROUP_PREFIX",
        default_value = "eoffice:province-"
    )]
    pub officer_group_prefix: String,
    /// ClusterRole that the officers of a province get in its tenants' namespaces. Empty: none.
    #[arg(long, env = "EOFFICE_OFFICER_ROLE", default_value = "")]
    pub officer_role: String,
    /// How many tenants are worked on at once.
    #[arg(long, env = "EOFFICE_CONCURRENCY", default_value_t = 16)]
    pub concurrency: u16,
    /// Format of the log.
    #[arg(long, env = "EOFFICE_LOG_FORMAT", default_value = "auto")]
    pub log_format: LogFormat,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A duration such as `500ms`, `15s`, `10m` or `1h`. Fails on anything else, and on zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text:?} is no duration; write for example 60s"))?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        _ => {
            return Err(format!(
                "{text:?} has no unit of time; write ms, s, m or h after the number"
            ));
        }
    };
    if duration.is_zero() {
        return Err("a duration of zero would never rest; write for example 60s".into());
    }
    Ok(duration)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "60", "s", "1d", "-1s", "0s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
