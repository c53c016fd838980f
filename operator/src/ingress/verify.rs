//! Looks at the certificate that the ingress serves for a host.

use crate::effect::{Effects, Failure, Plane, Site};
use crate::proof::Proof;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const PROBE: Site = Site::read(Plane::Ingress, "probe");

/// What was found at the ingress for one host.
#[derive(Clone, Debug)]
pub struct Served {
    /// Whether the certificate is valid for the host and chains to the issuer.
    pub certificate: Proof,
    /// Whether the application behind it answers. For people; it holds nothing back.
    pub application: bool,
}

#[derive(Debug)]
enum Trouble {
    /// The ingress cannot be reached.
    Unreachable(std::io::Error),
    /// The certificate does not hold.
    Certificate(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "{error}"),
            Self::Certificate(why) => f.write_str(why),
        }
    }
}

/// Asks the ingress at `address` for `host`, trusting only the issuer's CA (PEM).
pub async fn verify(effects: &Effects, address: &str, host: &str, issuer_ca: &[u8]) -> Served {
    let answer = effects
        .call(PROBE, host, || probe(address, host, issuer_ca))
        .await;
    match answer {
        Ok(application) => Served {
            certificate: Proof::Passed,
            application,
        },
        Err(Failure::Call(Trouble::Certificate(why))) => refused(Proof::Failed(format!(
            "at {address} no certificate valid for {host} is served: {why}"
        ))),
        Err(failure) => refused(Proof::Inconclusive(format!(
            "the ingress at {address} (class ingress.probeAddress) cannot be asked for {host}: {failure}"
        ))),
    }
}

fn refused(certificate: Proof) -> Served {
    Served {
        certificate,
        application: false,
    }
}

async fn probe(address: &str, host: &str, issuer_ca: &[u8]) -> Result<bool, Trouble> {
    let mut roots = RootCertStore::empty();
    let trusted: Vec<_> = CertificateDer::pem_slice_iter(issuer_ca)
        .flatten()
        .collect();
    roots.add_parsable_certificates(trusted);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::Certificate(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Trouble::Certificate(format!("{host} is no host name")))?;
    let tcp = TcpStream::connect(address)
        .await
        .map_err(Trouble::Unreachable)?;
    let mut tls = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .map_err(trouble)?;
    Ok(application_answers(&mut tls, host).await.unwrap_or(false))
}

/// A certificate that does not hold is told from a way that is not there.
fn trouble(error: std::io::Error) -> Trouble {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => Trouble::Certificate(format!("{why:?}")),
        Some(other) => Trouble::Certificate(other.to_string()),
        None => Trouble::Unreachable(error),
    }
}

async fn application_answers<S>(stream: &mut S, host: &str) -> std::io::Result<bool>
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    let code = std::str::from_utf8(&head[9..12])
        .ok()
        .and_then(|text| text.parse::<u16>().ok());
    Ok(code.is_some_and(|code| code < 500 && code != 404))
}
