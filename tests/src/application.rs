//! Stands for the agencies' applications: no pod runs here, so an EndpointSlice leads to this process.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::apply::apply;
use crate::net::{free_port, host_address};

/// A web server that answers every request with 200 and the first label of the host asked for, which is the tenant's
/// name at its default host. It ends when dropped.
#[derive(Debug)]
pub struct Application {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Application {
    /// Starts it on this machine's own address: an EndpointSlice takes no loopback one.
    pub async fn start() -> Result<Self> {
        let address: (Ipv4Addr, u16) = (host_address()?, free_port()?);
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen on {}:{}", address.0, address.1))?;
        let router = Router::new().fallback(answer);
        let server = tokio::spawn(async move {
            // It only ends with the listener.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address: address.into(),
            server,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts it behind the Service `name` of `namespace`, on that Service's `port`.
    pub async fn publish(
        &self,
        client: &kube::Client,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Result<()> {
        let objects = [
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"ports": [{"port": port}]},
            }),
            json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": format!("{name}-sandbox"),
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": [self.address.ip()], "conditions": {"ready": true}}],
                "ports": [{"port": self.address.port()}],
            }),
        ];
        apply(client, &objects).await
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(headers: HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.and_then(|host| host.split('.').next());
    format!("{}\n", name.unwrap_or_default())
}
