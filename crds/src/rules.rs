//! CEL rules that several kinds share. Each refuses with a sentence that says what to do instead.
//!
//! A rule is only asked where lengths and numbers are within the schema's bounds, so these bounds
//! are wider than the rules wherever the rule's sentence is the better one.

use crate::PROVINCES;
use kube::core::Rule;

/// One label of a DNS name, in any case.
const LABEL: &str = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?";
/// The last label of a DNS name, which tells it from an address.
const LAST_LABEL: &str = "[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?";

fn rule(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message)
}

/// A code of one of the 77 provinces.
pub(crate) fn province() -> Rule {
    let set = PROVINCES.map(|code| format!("'{code}'")).join(", ");
    rule(
        format!("self in [{set}]"),
        "this is not the code of a province: give the two digits of ISO 3166-2:TH, such as \"30\" for Nakhon Ratchasima",
    )
}

/// A name of a Kubernetes object that is a DNS label.
pub(crate) fn label() -> Rule {
    rule(
        "self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
        "this is not an object's name: give lower-case letters, digits and '-', at most 63 characters, without dots",
    )
}

/// A name of a Kubernetes object that may have dots.
pub(crate) fn object_name() -> Rule {
    rule(
        "self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",
        "this is not an object's name: give lower-case letters, digits, '-' and '.'",
    )
}

/// Spans of time, each as whole hours, minutes, seconds or milliseconds.
pub(crate) fn durations(list: &str) -> Rule {
    rule(
        format!("{list}.all(span, span.matches('^[1-9][0-9]{{0,8}}(h|m|s|ms)$'))"),
        "each of these is a span of time: a whole number of h, m, s or ms, such as 24h",
    )
}

/// Text without blanks at its ends, and not blank.
pub(crate) fn trimmed() -> Rule {
    rule(
        "self.size() > 0 && self.trim() == self",
        "this is empty, or begins or ends with a blank: write the text alone, or leave the field out",
    )
}

/// A list of hosts, none a wildcard.
pub(crate) fn no_wildcards() -> Rule {
    rule(
        "!self.exists(host, host.contains('*'))",
        "a tenant has no use for a wildcard: list each host by its full name",
    )
}

/// A list of DNS names with at least one dot, in any case, with or without the final dot.
pub(crate) fn hosts() -> Rule {
    rule(
        format!(
            "self.all(host, host.contains('*') || host.matches('^({LABEL}\\\\.)+{LAST_LABEL}\\\\.?$'))"
        ),
        "each host is a full DNS name such as eoffice.pakchong.go.th: without scheme, port or path, and a Thai name in punycode (xn--...)",
    )
}

/// A domain under which hosts are given out.
pub(crate) fn base_domain() -> Rule {
    rule(
        "self.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\\\\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",
        "this is not a domain: give its full DNS name in lower case, such as eoffice.example, without '*.' and final dot",
    )
}

/// A host name or an address.
pub(crate) fn server_host() -> Rule {
    rule(
        format!("isIP(self) || self.matches('^({LABEL}\\\\.)*{LAST_LABEL}$')"),
        "this is not a host: give a DNS name or an IP address, without scheme, and the port in spec.port",
    )
}

/// `host:port`.
pub(crate) fn host_and_port() -> Rule {
    rule(
        "self.matches('^([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\]):[1-9][0-9]{0,4}$') && int(self.substring(self.lastIndexOf(':') + 1)) <= 65535",
        "this is not host:port: give a DNS name or an address (IPv6 in brackets) and a port, such as 203.0.113.10:443",
    )
}

/// The URL of a backend: TLS, no path, and no credentials in it.
pub(crate) fn endpoint() -> Rule {
    rule(
        "isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != '' && url(self).getEscapedPath() in ['', '/'] && url(self).getQuery().size() == 0 && !self.contains('@') && !self.contains('#')",
        "this is not an endpoint: give https:// with host and port only, such as https://s3.eoffice.example; credentials belong in adminSecretRef",
    )
}

/// A list of address ranges.
pub(crate) fn cidrs() -> Rule {
    rule(
        "self.all(range, isCIDR(range))",
        "each of these is an address range such as 10.20.0.0/16, or 10.20.0.11/32 for one address",
    )
}

/// An amount of something, more than nothing.
pub(crate) fn amount() -> Rule {
    rule(
        "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
        "this is not an amount: give a quantity of Kubernetes above zero, such as 10Gi, 500m or 2",
    )
}
