//! The way to the API server: whose kubeconfig, which namespace, and how long to wait for an answer.

use crate::failure::{Failure, Kind, Result};
use clap::Args;
use eoffice_crds::EOfficeTenant;
use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Who the API server records as the writer of what this program changes.
pub const FIELD_MANAGER: &str = "kubectl-eoffice";
/// How long one call may take.
const CALL: Duration = Duration::from_secs(30);
/// Objects in one answer of a list.
const PAGE: u32 = 500;

/// Where to, and as whom: the same words as kubectl's.
#[derive(Args, Clone, Debug, Default)]
pub struct Connection {
    /// Namespace of a province; default: that of the context
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Connection"
    )]
    pub namespace: Option<String>,
    /// Context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub context: Option<String>,
    /// File to use instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub kubeconfig: Option<PathBuf>,
}

/// A cluster, as its user may see it.
#[derive(Clone)]
pub struct Cluster {
    /// Its client.
    pub client: Client,
    /// The namespace asked for, or that of the context.
    pub namespace: String,
    /// Whether the namespace was asked for by name.
    pub chosen: bool,
}

impl Cluster {
    /// Reads the kubeconfig; nothing is asked of the API server yet.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        let unusable = |why: String| Failure::new(format!("the kubeconfig cannot be used: {why}"));
        let options = KubeConfigOptions {
            context: connection.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = match &connection.kubeconfig {
            Some(path) => {
                let file =
                    Kubeconfig::read_from(path).map_err(|error| unusable(error.to_string()))?;
                Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(|error| unusable(error.to_string()))?
            }
            // A pipeline in the cluster has no kubeconfig, and its pod's account instead.
            None => match Config::from_kubeconfig(&options).await {
                Ok(config) => config,
                Err(error) if connection.context.is_some() => {
                    return Err(unusable(error.to_string()));
                }
                Err(error) => Config::incluster().map_err(|_| unusable(error.to_string()))?,
            },
        };
        // Its own retries go on for minutes without a word.
        config.default_retry = false;
        let namespace = connection.namespace.clone();
        let (chosen, context) = (namespace.is_some(), config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            client,
            namespace: namespace.unwrap_or(context),
            chosen,
        })
    }

    /// Objects of a kind that has no namespace.
    pub fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// Objects of a kind in one namespace.
    pub fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The user's own name, as the API server knows it.
    pub async fn user(&self) -> Result<String> {
        let doing = "ask the API server who you are";
        let api = self.all::<SelfSubjectReview>();
        let question = SelfSubjectReview::default();
        let answer = call(doing, api.create(&PostParams::default(), &question)).await?;
        let user = answer.status.and_then(|status| status.user_info);
        user.and_then(|user| user.username)
            .ok_or_else(|| Failure::new(format!("{doing}: it does not say")))
    }

    /// The tenant of this name: in the namespace asked for, or in that of the context, or wherever it is.
    pub async fn tenant(&self, name: &str) -> Result<EOfficeTenant> {
        let doing = format!("read tenant {name}");
        let here = call(
            &doing,
            self.within::<EOfficeTenant>(&self.namespace).get_opt(name),
        )
        .await;
        match here {
            Ok(Some(tenant)) => return Ok(tenant),
            Ok(None) if self.chosen => {
                return Err(Failure::of(
                    Kind::NotFound,
                    format!("there is no tenant {name} in namespace {}", self.namespace),
                ));
            }
            Err(failure) if self.chosen || failure.kind != Kind::Forbidden => return Err(failure),
            Ok(None) | Err(_) => {}
        }
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = call(&doing, self.all::<EOfficeTenant>().list(&params)).await;
        match found.map(|found| found.items) {
            Ok(mut tenants) if tenants.len() == 1 => Ok(tenants.remove(0)),
            Ok(tenants) if tenants.is_empty() => Err(Failure::of(
                Kind::NotFound,
                format!("there is no tenant {name} in any namespace"),
            )),
            Ok(tenants) => {
                let namespaces: Vec<_> =
                    tenants.iter().filter_map(ResourceExt::namespace).collect();
                Err(Failure::new(format!(
                    "there are tenants {name} in the namespaces {}: choose one with -n",
                    namespaces.join(", ")
                )))
            }
            Err(failure) if failure.kind == Kind::Forbidden => Err(Failure::of(
                Kind::Forbidden,
                format!(
                    "tenant {name} is not in namespace {}, or you may not see it there, and you may not look in all \
                     namespaces: give that of its province with -n",
                    self.namespace
                ),
            )),
            Err(failure) => Err(failure),
        }
    }
}

/// Makes one call, and says why where it fails.
pub async fn call<T>(doing: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T> {
    match timeout(CALL, call).await {
        Ok(answer) => answer.map_err(|error| Failure::from_call(doing, &error)),
        Err(_) => Err(Failure::of(
            Kind::Passing,
            format!(
                "{doing}: no answer of the API server within {} s",
                CALL.as_secs()
            ),
        )),
    }
}

/// All objects, page by page.
pub async fn list<K>(doing: &str, api: &Api<K>, params: &ListParams) -> Result<Vec<K>>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut params = params.clone().limit(PAGE);
    let mut objects = Vec::new();
    loop {
        let page = call(doing, api.list(&params)).await?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(objects),
        }
    }
}

/// Merges a change into an object.
pub async fn merge<K>(doing: &str, api: &Api<K>, name: &str, change: &Value) -> Result<K>
where
    K: Clone + Debug + DeserializeOwned,
{
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    call(doing, api.patch(name, &params, &Patch::Merge(change))).await
}

/// Follows an object (None: it is not there) until `seen` makes something of it. A passing failure is waited out.
pub async fn follow<K, T>(
    doing: &str,
    api: Api<K>,
    name: &str,
    within: Duration,
    mut seen: impl FnMut(Option<&K>) -> Option<T>,
) -> Result<T>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let deadline = Instant::now() + within;
    let mut objects = pin!(watch_object(api, name).default_backoff());
    let mut last = None;
    while let Ok(Some(object)) = timeout_at(deadline, objects.next()).await {
        match object {
            Ok(object) => {
                if let Some(made) = seen(object.as_ref()) {
                    return Ok(made);
                }
                last = None;
            }
            Err(error) => {
                let failure = Failure::from_watch(doing, &error);
                if failure.kind != Kind::Passing {
                    return Err(failure);
                }
                last = Some(failure);
            }
        }
    }
    let meanwhile = last.map_or(String::new(), |last| format!(". What failed last: {last}"));
    Err(Failure::of(
        Kind::Passing,
        format!(
            "{doing}: nothing came of it within {} s: see whether the operator works (kubectl eoffice doctor), \
             or give it more time with --timeout{meanwhile}",
            within.as_secs()
        ),
    ))
}
