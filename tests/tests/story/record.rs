//! What is left of the agency: its record, and what the record says was destroyed.

use anyhow::{Context, Result, bail, ensure};
use eoffice_crds::{RECORD_NAME, Reason, RecordState};
use eoffice_tests::e2e::security::{ask, eventually};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

use crate::agency::{Agency, NAME, Person, merge};

const DECISION: &str = "NAT-2580-112";

impl Agency {
    pub async fn record_says(&self, state: RecordState) -> Result<()> {
        eventually(&format!("its record says {state:?}"), || async {
            let record = self.records().get(RECORD_NAME).await?;
            let (found, told) = (record.spec.state, record.status);
            ensure!(found == state, "it says {found:?}, and {told:?}");
            Ok(())
        })
        .await
    }

    pub async fn record_cannot_be_deleted(&self) -> Result<()> {
        let (records, usual) = (self.records(), DeleteParams::default());
        let refused = records.delete(RECORD_NAME, &usual).await.err();
        let refused = refused.context("its record was deleted")?;
        let said = refused.to_string();
        ensure!(said.contains("data"), "who deletes it is told: {said}");
        Ok(())
    }

    async fn order(&self, who: Person) -> Result<()> {
        let order = json!({"committeeReference": DECISION, "approvedBy": who.0});
        let records = self.records_of(who).await?;
        merge(&records, json!({"spec": {"purge": order}})).await
    }

    pub async fn purge_is_ordered_by(&self, who: Person) -> Result<()> {
        let ordered = self.order(who).await;
        ordered.with_context(|| format!("{who:?} orders the purge"))
    }

    pub async fn purge_cannot_be_ordered_by(&self, who: Person) -> Result<()> {
        ensure!(self.order(who).await.is_err(), "{who:?} ordered the purge");
        Ok(())
    }

    pub async fn purge_is_withdrawn_by(&self, who: Person) -> Result<()> {
        let records = self.records_of(who).await?;
        merge(&records, json!({"spec": {"purge": null}})).await?;
        eventually("nobody waits for it any more", || async {
            let record = self.records().get(RECORD_NAME).await?;
            let told = record.status.map(|status| status.conditions);
            ensure!(told.clone().unwrap_or_default().is_empty(), "{told:?}");
            Ok(())
        })
        .await
    }

    pub async fn purge_stands_at(&self, reason: Reason) -> Result<()> {
        eventually(&format!("the purge stands at {reason:?}"), || async {
            let record = self.records().get(RECORD_NAME).await?;
            let told = record.status.map(|status| status.conditions);
            let told = told.unwrap_or_default();
            let purged = told.iter().find(|it| it.type_ == "Purged");
            let Some(purged) = purged else {
                bail!("it is not told of");
            };
            ensure!(purged.reason == reason.as_str(), "it is {purged:?}");
            Ok(())
        })
        .await
    }

    /// The certificate names the decision, the approver and each thing that is gone, and was written in its time.
    pub async fn destruction_is_certified_for(&self, (user, _): Person) -> Result<()> {
        let record = self.records().get(RECORD_NAME).await?.spec;
        let [certificate] = record.destructions.as_slice() else {
            bail!("there are {} certificates", record.destructions.len());
        };
        ensure!(certificate.committee_reference.as_deref() == Some(DECISION));
        ensure!(certificate.approved_by == user);
        ensure!(certificate.agency == record.tenant_spec.agency.name_th);
        let left = record.retained_at.context("it never left")?;
        ensure!(left.0 < certificate.decided_at.0, "{certificate:?}");
        ensure!(certificate.decided_at.0 < certificate.destroyed_at.0);
        ensure!(certificate.destroyed_at.0 <= self.time());
        for (kind, name) in [
            ("database", &record.database.name),
            ("bucket", &record.storage.bucket),
            ("user", &record.storage.user),
            ("role", &record.database.role),
        ] {
            let named = |it: &&eoffice_crds::DestructionOf| it.kind == kind && it.name == *name;
            ensure!(
                certificate.objects.iter().any(|it| named(&it)),
                "the {kind} {name} is not certified: {certificate:?}"
            );
        }
        Ok(())
    }

    /// No database, role, bucket, user or key of it is left, and its namespace has nothing but the record.
    pub async fn has_nothing_left_but_its_record(&self) -> Result<()> {
        let sandbox = &self.platform.sandbox;
        let given = self.given()?;
        let (database, bucket) = (&given.database.name, &given.storage.bucket);
        let server = sandbox.postgres[0].connect("postgres").await?;
        let left = format!(
            "SELECT string_agg(name, ', ') FROM (SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles) \
             AS every(name) WHERE name LIKE '{database}%'"
        );
        let left = ask(&server, &left).await?;
        ensure!(left.is_none(), "PostgreSQL still has {left:?}");
        let buckets = sandbox.object_store.admin().list_buckets().send().await?;
        let still = buckets.buckets().iter().any(|it| it.name() == Some(bucket));
        ensure!(!still, "the bucket is still there");
        let user = bucket.trim_end_matches("-documents");
        let users = sandbox.object_store.iam_admin().list_users().send().await?;
        let still = users.users().iter().any(|it| it.user_name() == user);
        ensure!(!still, "the user is still there");

        let namespace = eoffice_crds::tenant_namespace(NAME);
        let namespace = namespace.as_str();
        eventually("the record is alone", || async {
            let all = ListParams::default();
            let secrets: Api<Secret> = self.platform.within(namespace);
            let ingresses: Api<Ingress> = self.platform.within(namespace);
            let policies: Api<NetworkPolicy> = self.platform.within(namespace);
            let mut names: Vec<String> = secrets
                .list(&all)
                .await?
                .iter()
                .map(ResourceExt::name_any)
                .collect();
            names.extend(
                ingresses
                    .list(&all)
                    .await?
                    .iter()
                    .map(ResourceExt::name_any),
            );
            names.extend(policies.list(&all).await?.iter().map(ResourceExt::name_any));
            ensure!(names.is_empty(), "there are {names:?}");
            Ok(())
        })
        .await?;
        let record = self.records().get(RECORD_NAME).await?;
        ensure!(record.metadata.deletion_timestamp.is_none());
        Ok(())
    }
}
