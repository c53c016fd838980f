//! HTTP over TLS that trusts the store's CA alone.

use super::StoreAddress;
use crate::plan::Problem;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use eoffice_crds::Reason;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(super) fn http_client(address: &StoreAddress) -> Result<SharedHttpClient, Problem> {
    let mut context = TlsContext::builder();
    if let Some(pem) = &address.ca_pem {
        check_ca(pem).map_err(|why| bad_ca(&address.name, &why))?;
        let trust = TrustStore::empty().with_pem_certificate(pem.clone());
        context = context.with_trust_store(trust);
    }
    let context = context
        .build()
        .map_err(|why| bad_ca(&address.name, &why.to_string()))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}

/// The HTTP client panics on certificates that it cannot read, so they are read here first.
fn check_ca(pem: &[u8]) -> Result<(), String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|why| why.to_string())?;
        roots.add(certificate).map_err(|why| why.to_string())?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    Ok(())
}

fn bad_ca(store: &str, why: &str) -> Problem {
    Problem::new(
        Reason::CredentialsInvalid,
        format!(
            "the CA of store {store} cannot be used: {why}; put PEM certificates into the key ca.crt of the Secret that the ObjectStore's caSecretRef names"
        ),
    )
}
