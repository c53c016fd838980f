//! The sandbox's private certificate authority.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// A certificate authority with its key.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both as PEM.
pub struct Identity {
    /// The certificate.
    pub cert: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl Authority {
    /// Makes an authority called `name`.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("make the authority's key")?;
        let issuer = CertifiedIssuer::self_signed(params, key)
            .context("make the authority's certificate")?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate, as PEM.
    pub fn cert(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's own certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// The authority's private key as PEM: what cert-manager signs with.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A server's certificate for `names`: host names and addresses.
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone())
            .with_context(|| format!("names for a certificate: {names:?}"))?;
        if let Some(first) = names.first() {
            params
                .distinguished_name
                .push(DnType::CommonName, first.as_str());
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A client's certificate, as Kubernetes reads it: a user, and the group it is in.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("make a key")?;
        let cert = params
            .signed_by(&key, &self.issuer)
            .context("sign a certificate")?;
        Ok(Identity {
            cert: cert.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A TLS client that trusts this authority and nothing else.
    pub fn tls_client(&self) -> Result<rustls::ClientConfig> {
        tls_client([self.der()])
    }

    /// An HTTP client that trusts this authority and nothing else.
    pub fn http_client(&self) -> Result<reqwest::Client> {
        http_client_builder(self.tls_client()?)
            .build()
            .context("build an HTTP client")
    }
}

/// A TLS client that trusts the authorities of a PEM text and nothing else.
pub fn tls_client_of(ca: &str) -> Result<rustls::ClientConfig> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(ca.as_bytes())
        .collect::<Result<_, _>>()
        .context("read the certificate of an authority")?;
    tls_client(certificates)
}

fn tls_client(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).context("trust an authority")?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A builder of HTTP clients that ignore the user's proxies: all they talk to is on this machine.
pub(crate) fn http_client_builder(tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .timeout(std::time::Duration::from_secs(10))
}

/// A key that signs tokens, with its public half, both as PEM.
pub(crate) fn signing_key() -> Result<(String, String)> {
    let key = KeyPair::generate().context("make a key")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Where an [`Identity`] has been written.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file, for its owner alone.
    pub key: PathBuf,
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key` into `dir`.
    pub fn write(&self, dir: &Path, name: &str) -> Result<IdentityFiles> {
        let files = IdentityFiles {
            cert: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        };
        fs::write(&files.cert, &self.cert)
            .with_context(|| format!("write {}", files.cert.display()))?;
        write_private(&files.key, &self.key)?;
        Ok(files)
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, "")
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn certificates_carry_names_groups_and_issuer() {
        let authority = Authority::new("Sandbox CA").unwrap();
        let server = authority.server(&["localhost", "127.0.0.1"]).unwrap();
        let client = authority.client("someone", Some("system:masters")).unwrap();
        let parsed = |pem: &str| {
            let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
            let cert = pem.parse_x509().unwrap();
            (
                cert.issuer().to_string(),
                cert.subject().to_string(),
                cert.subject_alternative_name()
                    .unwrap()
                    .map_or(0, |names| names.value.general_names.len()),
            )
        };
        assert_eq!(
            parsed(&server.cert),
            ("CN=Sandbox CA".into(), "CN=localhost".into(), 2)
        );
        let (issuer, subject, _) = parsed(&client.cert);
        assert_eq!(issuer, "CN=Sandbox CA");
        assert!(subject.contains("CN=someone") && subject.contains("O=system:masters"));
    }

    #[test]
    fn keys_are_private_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Authority::new("CA").unwrap().server(&["a"]).unwrap();
        let files = identity.write(dir.path(), "a").unwrap();
        let mode = fs::metadata(files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format!("{identity:?}"), "Identity");
    }
}
