//! Kubeconfigs, and the clients made of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::KubeConfigOptions;
use serde_json::json;

use crate::pki::{Identity, write_private};

/// How to reach an API server, and as whom.
#[derive(Debug)]
pub struct Kubeconfig {
    /// The server's address.
    pub server: String,
    /// The authority of its certificate, as PEM.
    pub ca: String,
    /// Who asks.
    pub credential: Credential,
}

/// Who asks.
pub enum Credential {
    /// A client's certificate.
    Certificate(Identity),
    /// A ServiceAccount's token.
    Token(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate(_) => "Certificate",
            Self::Token(_) => "Token",
        })
    }
}

impl Kubeconfig {
    /// The file's text; JSON, which is YAML too.
    pub fn text(&self) -> String {
        let base64 = |pem: &str| STANDARD.encode(pem);
        let user = match &self.credential {
            Credential::Certificate(identity) => json!({
                "client-certificate-data": base64(&identity.cert),
                "client-key-data": base64(&identity.key),
            }),
            Credential::Token(token) => json!({ "token": token }),
        };
        let cluster = json!({
            "server": self.server,
            "certificate-authority-data": base64(&self.ca),
        });
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "sandbox", "cluster": cluster }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{ "name": "sandbox", "context": { "cluster": "sandbox", "user": "user" } }],
            "current-context": "sandbox",
        })
        .to_string()
    }

    /// Writes it into `folder`, for its owner alone.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let path = folder.join(name);
        write_private(&path, &self.text())?;
        Ok(path)
    }

    /// A client that tries once, so that a test sees what happened.
    pub async fn client(&self) -> Result<kube::Client> {
        let parsed = kube::config::Kubeconfig::from_yaml(&self.text())
            .context("read a kubeconfig just made")?;
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(parsed, &options)
            .await
            .context("configure a client")?;
        config.connect_timeout = Some(Duration::from_secs(5));
        config.default_retry = false;
        kube::Client::try_from(config).context("build a client")
    }
}

/// A client that asks as `user` of `groups`, in the way of an administrator whose kubeconfig this is.
pub async fn person(file: &Path, user: &str, groups: &[&str]) -> Result<kube::Client> {
    let parsed = kube::config::Kubeconfig::read_from(file)
        .with_context(|| format!("read {}", file.display()))?;
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(parsed, &options)
        .await
        .context("configure a client")?;
    config.default_retry = false;
    config.auth_info.impersonate = Some(user.into());
    let groups = groups.iter().map(|&group| group.into());
    config.auth_info.impersonate_groups = Some(groups.collect());
    kube::Client::try_from(config).context("build a client")
}

/// Longer than any sandbox lasts.
const TOKEN_SECONDS: i64 = 365 * 24 * 3600;

/// A token of the ServiceAccount, by the TokenRequest API.
pub(crate) async fn token(client: &kube::Client, namespace: &str, name: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .with_context(|| format!("ask for a token of ServiceAccount {namespace}/{name}"))?
        .status
        .and_then(|status| status.token)
        .with_context(|| format!("no token came for ServiceAccount {namespace}/{name}"))
}
