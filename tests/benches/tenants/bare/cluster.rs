//! Writes to the API server, and the watch of certificates.

use std::collections::HashSet;
use std::fmt::Debug;

use anyhow::{Context, Result};
use eoffice_crds::{
    EOfficeTenant, EOfficeTenantStatus, FIELD_MANAGER, RECORD_NAME, TenantRecord, TenantRecordSpec,
    finalizers, labels, tenant_namespace,
};
use eoffice_operator::effect::{Effects, Plane, Site};
use eoffice_operator::kubernetes::Kind;
use eoffice_operator::kubernetes::desired::Child;
use futures::StreamExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;

const APPLY: Site = Site::write(Plane::Kubernetes, "apply");
const FINALIZER: Site = Site::write(Plane::Kubernetes, "patch_finalizers");
const STATUS: Site = Site::write(Plane::Kubernetes, "apply_status");
const CREATE_RECORD: Site = Site::write(Plane::Kubernetes, "create_record");
const REPLACE_RECORD: Site = Site::write(Plane::Kubernetes, "replace_record");
const EVENT: Site = Site::write(Plane::Kubernetes, "create_event");

/// The API server.
pub struct Cluster {
    client: Client,
    effects: Effects,
    recorder: Recorder,
    issued: watch::Receiver<HashSet<String>>,
}

impl Cluster {
    /// Works with this client, and begins to watch certificates.
    pub fn new(client: Client, effects: Effects) -> Self {
        let (issues, issued) = watch::channel(HashSet::new());
        tokio::spawn(follow_certificates(client.clone(), issues));
        let reporter = Reporter {
            controller: FIELD_MANAGER.into(),
            instance: Some("bench".into()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            effects,
            issued,
        }
    }

    /// Waits until the certificate in this namespace is issued.
    pub async fn issued(&self, namespace: &str) -> Result<()> {
        let mut issued = self.issued.clone();
        issued
            .wait_for(|namespaces| namespaces.contains(namespace))
            .await
            .context("the watch of the certificates ended")?;
        Ok(())
    }

    /// Server-side apply of one object.
    pub async fn apply(&self, namespace: &str, child: &Child) -> Result<()> {
        let resource = child.key.kind.api_resource();
        let api: Api<DynamicObject> = match child.key.kind {
            Kind::Namespace => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&child.body);
        self.effects
            .call(APPLY, namespace, || {
                api.patch(&child.key.name, &params, &patch)
            })
            .await
            .with_context(|| format!("apply {} in {namespace}", child.key))?;
        Ok(())
    }

    fn of<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Puts the finalizer on a tenant.
    pub async fn finalize(&self, tenant: &EOfficeTenant) -> Result<()> {
        let api: Api<EOfficeTenant> = self.of(&tenant.namespace().unwrap_or_default());
        let patch = Patch::Merge(json!({"metadata": {
            "finalizers": [finalizers::TENANT],
            "resourceVersion": tenant.resource_version(),
        }}));
        let (name, params) = (tenant.name_any(), PatchParams::default());
        self.effects
            .call(FINALIZER, &name, || api.patch(&name, &params, &patch))
            .await
            .context("put the finalizer on a tenant")?;
        Ok(())
    }

    /// Writes the status of a tenant, and an Event about it.
    pub async fn report(&self, tenant: &EOfficeTenant, status: &EOfficeTenantStatus) -> Result<()> {
        let api: Api<EOfficeTenant> = self.of(&tenant.namespace().unwrap_or_default());
        let name = tenant.name_any();
        let patch = Patch::Apply(json!({
            "apiVersion": EOfficeTenant::api_version(&()),
            "kind": EOfficeTenant::kind(&()),
            "metadata": {"name": name, "uid": tenant.uid()},
            "status": status,
        }));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.effects
            .call(STATUS, &name, || api.patch_status(&name, &params, &patch))
            .await
            .context("write a status")?;
        Ok(())
    }

    /// Tells that a tenant is there.
    pub async fn tell(&self, tenant: &EOfficeTenant) -> Result<()> {
        let event = Event {
            type_: EventType::Normal,
            reason: "Provisioned".to_owned(),
            note: Some("the tenant is ready".to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let reference = tenant.object_ref(&());
        self.effects
            .call(EVENT, &tenant.name_any(), || {
                self.recorder.publish(&event, &reference)
            })
            .await
            .context("write an Event")
    }

    /// Makes a tenant's record.
    pub async fn record(&self, spec: &TenantRecordSpec) -> Result<TenantRecord> {
        let mut record = TenantRecord::new(RECORD_NAME, spec.clone());
        record.labels_mut().extend(
            [
                (labels::TENANT, spec.tenant.name.as_str()),
                (labels::PROVINCE, &spec.tenant_spec.agency.province),
                (labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let api: Api<TenantRecord> = self.of(&tenant_namespace(&spec.tenant.name));
        let params = PostParams::default();
        self.effects
            .call(CREATE_RECORD, &spec.tenant.name, || {
                api.create(&params, &record)
            })
            .await
            .context("make a record")
    }

    /// Writes a record again, over the version given.
    pub async fn amend(&self, record: &TenantRecord) -> Result<()> {
        let api: Api<TenantRecord> = self.of(&record.namespace().unwrap_or_default());
        let params = PostParams::default();
        self.effects
            .call(REPLACE_RECORD, &record.spec.tenant.name, || {
                api.replace(RECORD_NAME, &params, record)
            })
            .await
            .context("write a record again")?;
        Ok(())
    }
}

async fn follow_certificates(client: Client, issues: watch::Sender<HashSet<String>>) {
    let resource = Kind::Certificate.api_resource();
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let config = watcher::Config::default();
    let mut seen = std::pin::pin!(watcher(api, config).default_backoff().applied_objects());
    while let Some(certificate) = seen.next().await {
        let Ok(certificate) = certificate else {
            continue;
        };
        let conditions = certificate.data["status"]["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        if ready && let Some(namespace) = certificate.namespace() {
            issues.send_modify(|namespaces| {
                namespaces.insert(namespace);
            });
        }
    }
}
