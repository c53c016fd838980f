//! A platform whose cluster can be put back, with an operator whose clock can be put forward.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{EOfficeTenant, RECORD_NAME, TenantRecord, tenant_namespace};
use eoffice_operator::identity::BackendNames;
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{PROVINCE, Platform, eventually, namespace_of, tenant};
use eoffice_tests::operator::INSTALLATION;
use eoffice_tests::parts::etcd::Backup;
use eoffice_tests::proof::Credentials;
use eoffice_tests::{OperatorOptions, Options, Resident};
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use crate::access::store_document;

/// For so long an order can be withdrawn here: the clock is put forward past it.
pub const COOLING: Duration = Duration::from_secs(60 * 60);
/// The class keeps what is left for a day.
pub const RETENTION: Duration = Duration::from_secs(25 * 60 * 60);
/// Who decides here, with all rights besides.
const CHAIR: &str = "chair";
/// The class of all.
const CLASS: &str = "day";

/// It is begun once for all.
pub struct Bed {
    // It ends before what it works on.
    pub resident: Resident,
    pub platform: Platform,
    /// An approver and platform admin.
    chair: kube::Client,
}

impl Bed {
    pub async fn start() -> Result<Self> {
        let options = Options {
            servers: vec!["pg-a".into()],
            ..Options::default()
        };
        let platform = Platform::prepare(options, OperatorOptions::default()).await?;
        class(&platform, CLASS, |spec| {
            spec["retain"] = json!({"days": 1, "restore": "Automatic"});
            spec["rotation"] = json!({"maxAge": "876000h", "grace": "1s", "deadline": "60s"});
        })
        .await?;
        let options = OperatorOptions {
            args: vec![format!("--purge-cooling={}s", COOLING.as_secs())],
            ..OperatorOptions::default()
        };
        let resident = platform.resident(options).await?;
        resident.start().await?;
        let groups = ["eoffice:approvers", "system:masters"];
        Ok(Self {
            chair: platform.sandbox.person(CHAIR, &groups).await?,
            platform,
            resident,
        })
    }

    /// A backup of the cluster as it is now.
    pub async fn backup(&self) -> Result<Backup> {
        self.resident.stop().await?;
        let backup = self.platform.sandbox.backup().await?;
        self.resident.start().await?;
        Ok(backup)
    }

    /// Puts the cluster back, with another operator.
    pub async fn restore(&self, backup: &Backup) -> Result<()> {
        self.resident.stop().await?;
        self.platform.sandbox.restore(backup).await?;
        self.resident.start().await
    }

    /// Asks for a tenant.
    pub async fn ask(&self, name: &str) -> Result<()> {
        let mut asked = tenant(name);
        asked["spec"]["className"] = json!(CLASS);
        self.platform.apply(&[asked]).await
    }

    /// Asks, as an approver, for a tenant that takes over what another left.
    pub async fn ask_for_heir(&self, name: &str, of: &str) -> Result<()> {
        let mut heir = tenant(name);
        heir["spec"]["className"] = json!(CLASS);
        heir["spec"]["restoreFrom"] = json!(tenant_namespace(of));
        eoffice_tests::apply::apply(&self.chair, &[heir]).await
    }

    /// Makes a tenant that has a table and a document.
    pub async fn settle(&self, name: &str) -> Result<()> {
        self.ask(name).await?;
        self.platform.ready(name).await?;
        store_document(&self.credentials(name).await?).await
    }

    pub async fn credentials(&self, name: &str) -> Result<Credentials> {
        Credentials::read(&self.platform.sandbox.admin(), name).await
    }

    /// Deletes a tenant, and awaits that it has left.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let tenants: Api<EOfficeTenant> =
            Api::namespaced(self.chair.clone(), &namespace_of(PROVINCE));
        tenants.delete(name, &DeleteParams::default()).await?;
        eventually(&format!("{name} leaves"), || async {
            ensure!(tenants.get_opt(name).await?.is_none());
            Ok(())
        })
        .await
    }

    pub async fn record(&self, name: &str) -> Result<TenantRecord> {
        let records: Api<TenantRecord> = self.platform.within(&tenant_namespace(name));
        let record = records.get(RECORD_NAME).await;
        record.with_context(|| format!("read the record of {name}"))
    }

    /// Changes what an approver may change of a record.
    pub async fn write_record(&self, name: &str, spec: Value) -> Result<()> {
        let records: Api<TenantRecord> =
            Api::namespaced(self.chair.clone(), &tenant_namespace(name));
        let patch = json!({ "spec": spec });
        self.platform.merge(records, RECORD_NAME, patch).await?;
        Ok(())
    }

    /// Gives the order to destroy what a tenant left.
    pub async fn order(&self, name: &str) -> Result<()> {
        let order = json!({"committeeReference": "12/2579", "approvedBy": CHAIR});
        self.write_record(name, json!({ "purge": order })).await
    }

    /// Awaits what becomes of a record.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&TenantRecord) -> bool,
    ) -> Result<TenantRecord> {
        eventually(&format!("the record of {name} is {what}"), || async {
            let record = self.record(name).await?;
            ensure!(
                holds(&record),
                "it is {:?}, accepted {:?}, {:?}",
                record.spec.state,
                record.spec.purge_accepted,
                record.status
            );
            Ok(record)
        })
        .await
    }
}

/// The reason of what people are told of a purge.
pub fn purged(record: &TenantRecord) -> Option<&str> {
    let told = &record.status.as_ref()?.conditions;
    told.first().map(|it| it.reason.as_str())
}

/// In the names of a tenant's backend objects.
pub fn stem(name: &str) -> Result<String> {
    let user = BackendNames::first(&INSTALLATION.parse()?, name).user;
    Ok(user.trim_start_matches("eo-").to_owned())
}
