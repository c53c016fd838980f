//! One agency, as those around it meet it: with their own rights, and with the credentials they are given.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{EOfficeTenant, Phase, TenantRecord, annotations, tenant_namespace};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, ask, eventually, is_ready, namespace_of, tenant};
use eoffice_tests::proof::Credentials;
use eoffice_tests::{OperatorOptions, Options, Resident};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

/// A day of the operator's clock.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

pub const NAME: &str = "tao-khanong-phra-3021";
const CLASS: &str = "municipal";
const DOCUMENT: &str = "2569/001";
const TEXT: &str = "หนังสือรับ";

/// A person's name and group.
pub type Person = (&'static str, &'static str);

/// The agency on its platform.
pub struct Agency {
    // It ends before what it works on.
    operator: Resident,
    pub platform: Platform,
    /// What its application was given last.
    credentials: Option<Credentials>,
    /// What it was given before, as long as that may work.
    before: Option<Credentials>,
}

impl Agency {
    /// A platform whose class wants an approval, and lets credentials that were replaced go soon.
    pub async fn of_a_sandbox() -> Result<Self> {
        let options = Options {
            servers: vec!["pg-a".into()],
            ..Options::default()
        };
        let platform = Platform::prepare(options, OperatorOptions::default()).await?;
        let binding = |role: &str, group: &str| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": {"name": role},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                            "name": format!("eoffice-operator-{role}")},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
            })
        };
        let officers = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "officers", "namespace": namespace_of("30")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "eoffice-operator-province-officer"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "eoffice:province-30"}],
        });
        let approvers = binding("approver", "eoffice:approvers");
        platform.apply(&[approvers, officers]).await?;
        class(&platform, CLASS, |spec| {
            spec["approvalRequired"] = json!(true);
            spec["rotation"] = json!({"maxAge": "2160h", "grace": "2s", "deadline": "60s"});
        })
        .await?;
        let operator = platform.resident(OperatorOptions::default()).await?;
        operator.start().await?;
        Ok(Self {
            operator,
            platform,
            credentials: None,
            before: None,
        })
    }

    /// Applies what its manifest says.
    pub async fn asks_with_its_mou(&self, reference: &str) -> Result<()> {
        let mut asks = tenant(NAME);
        asks["spec"]["className"] = json!(CLASS);
        asks["spec"]["users"] = json!(32);
        asks["spec"]["approval"] = json!({"mouReference": reference});
        self.platform.apply(&[asks]).await
    }

    /// Awaits that it has come to this phase, and works as that means.
    pub async fn stands_at(&self, phase: Phase) -> Result<()> {
        let stands = |it: &EOfficeTenant| {
            let status = it.status.as_ref();
            status.is_some_and(|status| {
                status.phase == Some(phase) && status.observed_generation == it.metadata.generation
            }) && (phase != Phase::Active || is_ready(it))
        };
        self.platform.until(NAME, phase.as_str(), stands).await?;
        Ok(())
    }

    /// There is no namespace, no database and no bucket for it.
    pub async fn has_nothing_yet(&self) -> Result<()> {
        let namespaces: Api<Namespace> = self.platform.cluster();
        let namespace = namespaces.get_opt(&tenant_namespace(NAME)).await?;
        ensure!(namespace.is_none(), "its namespace is made already");
        let server = self.platform.sandbox.postgres[0]
            .connect("postgres")
            .await?;
        let own = "SELECT count(*) FROM pg_database WHERE datname LIKE 'eo\\_%' AND datname NOT LIKE '%\\_canary'";
        let databases = ask(&server, own).await?;
        ensure!(databases.as_deref() == Some("0"), "there are databases");
        Ok(())
    }

    async fn as_seen_by(&self, (user, group): Person) -> Result<Api<EOfficeTenant>> {
        let client = self.platform.sandbox.person(user, &[group]).await?;
        Ok(Api::namespaced(client, &namespace_of("30")))
    }

    async fn approve(&self, who: Person, in_the_name_of: &str, dry_run: bool) -> Result<()> {
        let at = json!({"approvedBy": in_the_name_of, "approvedAt": "2026-02-01T09:00:00Z"});
        let patch = Patch::Merge(json!({"spec": {"approval": at}}));
        let tenants = self.as_seen_by(who).await?;
        let params = PatchParams {
            dry_run,
            ..PatchParams::default()
        };
        tenants.patch(NAME, &params, &patch).await?;
        Ok(())
    }

    pub async fn cannot_be_approved_by(&self, who: Person, in_the_name_of: &str) -> Result<()> {
        // A dry run: the API server takes admission policies up in its own time.
        eventually("who may not approve is refused", || async {
            let Err(error) = self.approve(who, in_the_name_of, true).await else {
                anyhow::bail!("{who:?} approved it in the name of {in_the_name_of}");
            };
            let said = format!("{error:#}");
            ensure!(said.contains("approv"), "{who:?} is told: {said}");
            Ok(())
        })
        .await
    }

    pub async fn is_approved_by(&self, who: Person) -> Result<()> {
        let approved = self.approve(who, who.0, false).await;
        approved.with_context(|| format!("{who:?} approves it"))
    }

    /// It runs on an approval that nobody had to give again.
    pub async fn is_still_approved_by(&self, (user, _): Person) -> Result<()> {
        let status = self.platform.tenants().get(NAME).await?.status;
        let approval = status.and_then(|status| status.approval);
        let by = approval.as_ref().and_then(|it| it.approved_by.as_deref());
        ensure!(by == Some(user), "its approval is {approval:?}");
        Ok(())
    }

    /// Its application puts a row into its database, and a document into its bucket.
    pub async fn stores_a_document(&mut self) -> Result<()> {
        let given = Credentials::read(&self.platform.sandbox.admin(), NAME).await?;
        let session = given.database.connect().await?;
        let table =
            format!("CREATE TABLE letters (text text); INSERT INTO letters VALUES ('{TEXT}')");
        session.batch_execute(&table).await?;
        let put = given.storage.client()?.put_object();
        let put = put.bucket(&given.storage.bucket).key(DOCUMENT);
        put.body(ByteStream::from_static(TEXT.as_bytes()))
            .send()
            .await?;
        self.credentials = Some(given);
        Ok(())
    }

    /// Its application, with what its Secrets say now, reads what it wrote.
    pub async fn finds_its_document(&mut self) -> Result<()> {
        let given = Credentials::read(&self.platform.sandbox.admin(), NAME).await?;
        let session = given.database.connect().await?;
        let text = ask(&session, "SELECT text FROM letters").await?;
        ensure!(text.as_deref() == Some(TEXT), "the table says {text:?}");
        document(&given.storage.client()?, &given.storage.bucket).await?;
        self.credentials = Some(given);
        Ok(())
    }

    pub async fn asks_for_new_credentials(&self) -> Result<()> {
        let asks =
            json!({"metadata": {"annotations": {annotations::ROTATE_REQUESTED_AT: "2026-03-01"}}});
        let tenants = self.platform.tenants();
        self.platform.merge(tenants, NAME, asks).await?;
        Ok(())
    }

    /// Both Secrets have others; those before are remembered.
    pub async fn gets_new_credentials(&mut self) -> Result<()> {
        let before = self.credentials.take().context("it never had any")?;
        let client = self.platform.sandbox.admin();
        let given = eventually("it has new credentials", || async {
            let given = Credentials::read(&client, NAME).await?;
            ensure!(given.database.username != before.database.username);
            ensure!(given.storage.key.access != before.storage.key.access);
            Ok(given)
        })
        .await?;
        (self.credentials, self.before) = (Some(given), Some(before));
        Ok(())
    }

    pub async fn has_the_old_ones_taken_away(&mut self) -> Result<()> {
        let before = self.before.take().context("it has no older ones")?;
        eventually("the old ones are refused", || refused(&before)).await
    }

    pub async fn is_asked_to_be(&self, lifecycle: &str) -> Result<()> {
        let patch = json!({"spec": {"lifecycle": lifecycle}});
        let tenants = self.platform.tenants();
        self.platform.merge(tenants, NAME, patch).await?;
        Ok(())
    }

    /// Nothing that it was ever given opens anything, and what it wrote is there.
    pub async fn is_shut_out_and_its_document_kept(&self) -> Result<()> {
        let given = self.credentials.as_ref().context("it never had any")?;
        refused(given).await?;
        let sandbox = &self.platform.sandbox;
        let session = sandbox.postgres[0].connect(&given.database.name).await?;
        let text = ask(&session, "SELECT text FROM public.letters").await?;
        ensure!(text.as_deref() == Some(TEXT), "the table says {text:?}");
        document(&sandbox.object_store.admin(), &given.storage.bucket).await
    }

    pub async fn is_deleted(&self) -> Result<()> {
        let tenants = self.platform.tenants();
        tenants.delete(NAME, &DeleteParams::default()).await?;
        eventually("it leaves", || async {
            ensure!(tenants.get_opt(NAME).await?.is_none(), "it is still there");
            Ok(())
        })
        .await
    }

    /// The operator of that later day is another process.
    pub async fn lets_time_pass(&self, time: Duration) -> Result<()> {
        self.operator.stop().await?;
        self.operator.time.advance(time)?;
        self.operator.start().await
    }

    pub fn records(&self) -> Api<TenantRecord> {
        self.platform.within(&tenant_namespace(NAME))
    }

    /// Its record as this person may see and change it.
    pub async fn records_of(&self, (user, group): Person) -> Result<Api<TenantRecord>> {
        let client = self.platform.sandbox.person(user, &[group]).await?;
        Ok(Api::namespaced(client, &tenant_namespace(NAME)))
    }

    /// What it was given last.
    pub fn given(&self) -> Result<&Credentials> {
        self.credentials.as_ref().context("it never had any")
    }

    pub fn time(&self) -> jiff::Timestamp {
        self.operator.time.now()
    }
}

async fn document(s3: &aws_sdk_s3::Client, bucket: &str) -> Result<()> {
    let get = s3.get_object().bucket(bucket).key(DOCUMENT).send().await;
    let body = get.context("read the document")?.body.collect().await?;
    ensure!(body.into_bytes().as_ref() == TEXT.as_bytes());
    Ok(())
}

async fn refused(credentials: &Credentials) -> Result<()> {
    let database = &credentials.database;
    let login = database.log_in_at(database).await?;
    ensure!(login.is_err(), "{} still logs in", database.username);
    let storage = &credentials.storage;
    let list = storage.client()?.list_objects_v2().bucket(&storage.bucket);
    ensure!(list.send().await.is_err(), "its key still opens the bucket");
    Ok(())
}

/// Merges into an object, as a person does.
pub async fn merge(api: &Api<TenantRecord>, patch: Value) -> Result<()> {
    let params = PatchParams::default();
    let name = eoffice_crds::RECORD_NAME;
    api.patch(name, &params, &Patch::Merge(patch)).await?;
    Ok(())
}
