//! Host names: one form for each, and who may have which. Pure.

use crate::plan::Problem;
use crate::tenant::registry::Registry;
use eoffice_crds::Reason;

/// A host in the one form in which hosts are compared: lower case, punycode, no final dot.
pub fn normalise(host: &str) -> Result<String, Problem> {
    let trimmed = host.strip_suffix('.').unwrap_or(host);
    let ascii = idna::domain_to_ascii_strict(trimmed).ok();
    ascii
        .filter(|name| name.contains('.') && name.len() <= 253)
        .ok_or_else(|| {
            Problem::new(
                Reason::InvalidSpec,
                format!(
                    "spec.hosts: {host:?} is no host name; write a full name such as eoffice.pakchong.go.th"
                ),
            )
        })
}

/// What became of the hosts a tenant asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Hosts it has, the default one first.
    pub hosts: Vec<String>,
    /// Why it does not have all it asked for.
    pub refused: Option<Problem>,
}

/// Grants what nobody else holds. `base_domains` are those of every class.
pub fn grant(
    tenant: &str,
    base_domain: &str,
    asked: &[String],
    base_domains: &[String],
    registry: &Registry,
) -> Grant {
    let mut hosts = vec![format!("{tenant}.{base_domain}").to_lowercase()];
    let mut refused = None;
    for host in asked {
        match claim(tenant, host, base_domains, registry) {
            Ok(host) if hosts.contains(&host) => {}
            Ok(host) => hosts.push(host),
            Err(problem) => refused = refused.or(Some(problem)),
        }
    }
    Grant { hosts, refused }
}

fn claim(
    tenant: &str,
    host: &str,
    base_domains: &[String],
    registry: &Registry,
) -> Result<String, Problem> {
    let host = normalise(host)?;
    let conflict = |message: String| Err(Problem::new(Reason::HostConflict, message));
    if let Some(domain) = base_domains.iter().find(|domain| is_under(&host, domain)) {
        if host == format!("{tenant}.{domain}").to_lowercase() {
            return Ok(host);
        }
        return conflict(format!(
            "spec.hosts: {host} is under the platform's domain {domain}, where a host belongs to the tenant of that name; remove it from spec.hosts"
        ));
    }
    match registry.holder_of_host(&host, tenant) {
        Some(holder) => conflict(format!(
            "spec.hosts: {host} is granted to tenant {holder}; remove it here, or have that tenant give it up first"
        )),
        None => Ok(host),
    }
}

fn is_under(host: &str, domain: &str) -> bool {
    let domain = domain.to_lowercase();
    host == domain
        || host
            .strip_suffix(&domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_in_one_form() {
        for (written, expected) in [
            ("EOffice.PakChong.go.th", "eoffice.pakchong.go.th"),
            ("eoffice.pakchong.go.th.", "eoffice.pakchong.go.th"),
            ("ปากช่อง.ไทย", "xn--12cmi0eue1a0n.xn--o3cw4h"),
        ] {
            assert_eq!(normalise(written).unwrap(), expected);
        }
        for bad in ["", "localhost", "a b.example", "*.pakchong.go.th", "a..b"] {
            assert_eq!(
                normalise(bad).unwrap_err().reason,
                Reason::InvalidSpec,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_host_under_a_base_domain_belongs_to_the_tenant_of_that_name() {
        let asked = |host: &str| {
            grant(
                "a",
                "eoffice.example",
                &[host.to_owned()],
                &["eoffice.example".into(), "trial.example".into()],
                &Registry::default(),
            )
        };
        assert_eq!(
            asked("b.eoffice.example").refused.unwrap().reason,
            Reason::HostConflict
        );
        assert_eq!(
            asked("eoffice.example").refused.unwrap().reason,
            Reason::HostConflict
        );
        assert_eq!(
            asked("x.a.trial.example").refused.unwrap().reason,
            Reason::HostConflict
        );
        assert_eq!(
            asked("a.trial.example").hosts,
            ["a.eoffice.example", "a.trial.example"]
        );
        assert_eq!(asked("noteoffice.example").hosts.len(), 2);
    }
}
