//! The kinds of object that a tenant consists of.

use kube::core::ApiResource;
use std::fmt;

/// A kind of object made for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Namespace,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    ServiceAccount,
    RoleBinding,
    Secret,
    Certificate,
    /// Made by cert-manager: what it was asked for, and what the issuer answered.
    CertificateRequest,
    Ingress,
}

impl Kind {
    /// Every kind, in the order in which objects are made.
    pub const ALL: [Self; 10] = [
        Self::Namespace,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::ServiceAccount,
        Self::RoleBinding,
        Self::Secret,
        Self::Certificate,
        Self::CertificateRequest,
        Self::Ingress,
    ];

    /// Whether the cluster may lack the kind: cert-manager need not be installed yet.
    pub const fn may_be_absent(self) -> bool {
        matches!(self, Self::Certificate | Self::CertificateRequest)
    }

    /// Whether the API server refuses to change what objects of the kind are about: a binding's role.
    pub const fn is_fixed(self) -> bool {
        matches!(self, Self::RoleBinding)
    }

    /// Group, version, kind and plural.
    const fn row(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::ResourceQuota => ("", "v1", "ResourceQuota", "resourcequotas"),
            Self::LimitRange => ("", "v1", "LimitRange", "limitranges"),
            Self::NetworkPolicy => (
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::RoleBinding => (
                "rbac.authorization.k8s.io",
                "v1",
                "RoleBinding",
                "rolebindings",
            ),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::Certificate => ("cert-manager.io", "v1", "Certificate", "certificates"),
            Self::CertificateRequest => (
                "cert-manager.io",
                "v1",
                "CertificateRequest",
                "certificaterequests",
            ),
            Self::Ingress => ("networking.k8s.io", "v1", "Ingress", "ingresses"),
        }
    }

    /// How the API server names it.
    pub fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.row();
        let api_version = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        ApiResource {
            group: group.into(),
            version: version.into(),
            api_version,
            kind: kind.into(),
            plural: plural.into(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)
    }
}

/// One object: its kind and name. The namespace is the tenant's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
