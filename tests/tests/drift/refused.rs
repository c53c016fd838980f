//! What would take away a tenant's memory, or lead a host's users elsewhere, is refused to people at once: it never
//! becomes drift.

use anyhow::{Context, Result, ensure};
use eoffice_crds::RECORD_NAME;
use eoffice_tests::e2e::core::kubectl;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::objects::EDITOR;
use crate::place::Place;
use crate::row::Deed;

pub async fn at_once(place: &Place<'_>) -> Result<()> {
    let namespaces: Api<Namespace> = place.platform.cluster();
    let namespace = &place.objects.namespace;
    let answer = namespaces.delete(namespace, &DeleteParams::default()).await;
    let said = answer
        .err()
        .context("the namespace could be deleted")?
        .to_string();
    ensure!(
        said.contains("Delete the EOfficeTenant to close it"),
        "{said}"
    );
    for deed in [
        &["delete", "tenantrecord", RECORD_NAME][..],
        &["label", "tenantrecord", RECORD_NAME, "by=hand"],
    ] {
        let who = [
            "--as=somchai",
            "--as-group=system:authenticated",
            "--namespace",
            namespace,
        ];
        ensure!(
            kubectl(&place.platform.sandbox, &[deed, &who].concat())
                .await
                .is_err(),
            "{deed:?}"
        );
    }
    let elsewhere = [(
        "/spec/rules/0/host".to_owned(),
        json!("www.another.example"),
    )];
    let answer = place
        .objects
        .change("Ingress/eoffice", &Deed::Set(elsewhere.into()), EDITOR)
        .await;
    let said = answer
        .err()
        .context("the Ingress could take another host")?
        .to_string();
    ensure!(said.contains("www.another.example"), "{said}");
    Ok(())
}
