//! Changes of a tenant's spec, and drifts of what it has, each made from outside on the real backends.

use anyhow::{Context, Result};
use eoffice_crds::{
    DATABASE_SECRET, OFFICERS_BINDING, STORAGE_SECRET, TenantRecord, tenant_namespace,
};
use eoffice_tests::e2e::core::resource;
use eoffice_tests::e2e::security::Platform;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

/// Gives each change its name and what it does.
macro_rules! changes {
    ($($name:ident => $do:expr,)+) => {
        /// Something that is changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Change { $($name,)+ }

        impl Change {
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            fn act(self) -> Act {
                match self { $(Self::$name => $do,)+ }
            }
        }
    };
}

enum Act {
    /// The tenant's own resource.
    Tenant(Value),
    /// An object in its namespace; no patch: it is deleted.
    Object(&'static str, &'static str, Option<Value>),
    /// SQL of a superuser, with the names of database, role and login.
    Sql(&'static str),
    /// Something in the store.
    Store(Store),
}

enum Store {
    Tag,
    Policy,
    UserPolicy,
    ExtraUserPolicy,
    Key,
}

changes! {
    ConnectionLimit => Act::Tenant(json!({"spec": {"database": {"connectionLimit": 7}}})),
    Users => Act::Tenant(json!({"spec": {"users": 321}})),
    Host => Act::Tenant(json!({"spec": {"hosts": ["{name}.example.org"]}})),
    QuotaPods => Act::Object("ResourceQuota", "eoffice", Some(json!({"spec": {"hard": {"pods": "999"}}}))),
    QuotaExtra => Act::Object("ResourceQuota", "eoffice", Some(json!({"spec": {"hard": {"configmaps": "5"}}}))),
    QuotaGone => Act::Object("ResourceQuota", "eoffice", None),
    Limits => Act::Object("LimitRange", "eoffice", Some(json!({"metadata": {"labels": {"by": "hand"}}}))),
    Policy => Act::Object("NetworkPolicy", "allow-dns", None),
    PolicyRule => Act::Object("NetworkPolicy", "default-deny", Some(json!({"spec": {"podSelector": {"matchLabels": {"no": "pod"}}}}))),
    Account => Act::Object("ServiceAccount", "eoffice", Some(json!({"automountServiceAccountToken": true}))),
    Officers => Act::Object("RoleBinding", OFFICERS_BINDING, Some(json!({"subjects": null}))),
    OfficersGone => Act::Object("RoleBinding", OFFICERS_BINDING, None),
    IngressAnnotation => Act::Object("Ingress", "eoffice", Some(json!({"metadata": {"annotations": {"traefik.ingress.kubernetes.io/router.tls": "false"}}}))),
    IngressGone => Act::Object("Ingress", "eoffice", None),
    IngressClass => Act::Object("Ingress", "eoffice", Some(json!({"spec": {"ingressClassName": "another"}}))),
    Certificate => Act::Object("Certificate", "eoffice-tls", Some(json!({"spec": {"revisionHistoryLimit": 7}}))),
    DatabaseSecret => Act::Object("Secret", DATABASE_SECRET, Some(json!({"stringData": {"host": "192.0.2.1"}}))),
    StorageSecret => Act::Object("Secret", STORAGE_SECRET, Some(json!({"stringData": {"more": "than asked"}}))),
    LoginLimit => Act::Sql("ALTER ROLE {login} CONNECTION LIMIT 3"),
    LoginClosed => Act::Sql("ALTER ROLE {login} NOLOGIN"),
    LoginSetting => Act::Sql("ALTER ROLE {login} SET work_mem TO '1MB'"),
    LoginPassword => Act::Sql("ALTER ROLE {login} PASSWORD 'guessed'"),
    RoleAttribute => Act::Sql("ALTER ROLE {role} CREATEDB"),
    PublicConnect => Act::Sql("GRANT CONNECT ON DATABASE {db} TO PUBLIC"),
    LimitedDatabase => Act::Sql("ALTER DATABASE {db} CONNECTION LIMIT 1"),
    RevokedRight => Act::Sql("REVOKE CREATE ON DATABASE {db} FROM {role}"),
    BucketTag => Act::Store(Store::Tag),
    BucketPolicy => Act::Store(Store::Policy),
    UserPolicy => Act::Store(Store::UserPolicy),
    ExtraUserPolicy => Act::Store(Store::ExtraUserPolicy),
    StrayKey => Act::Store(Store::Key),
}

impl Change {
    pub async fn make(self, platform: &Platform, tenant: &str) -> Result<()> {
        let made = match self.act() {
            Act::Tenant(patch) => {
                let patch = patch.to_string().replace("{name}", tenant);
                let patch = serde_json::from_str(&patch)?;
                platform
                    .merge(platform.tenants(), tenant, patch)
                    .await
                    .map(drop)
            }
            Act::Object(kind, name, patch) => object(platform, tenant, (kind, name), patch).await,
            Act::Sql(text) => sql(platform, tenant, text).await,
            Act::Store(what) => store(platform, tenant, what).await,
        };
        made.with_context(|| format!("{self:?}"))
    }
}

async fn object(
    platform: &Platform,
    tenant: &str,
    (kind, name): (&str, &str),
    patch: Option<Value>,
) -> Result<()> {
    let namespace = tenant_namespace(tenant);
    let api: Api<DynamicObject> =
        Api::namespaced_with(platform.sandbox.admin(), &namespace, &resource(kind)?);
    match patch {
        Some(patch) => {
            let params = PatchParams {
                field_manager: Some("a-person".into()),
                ..PatchParams::default()
            };
            // Another change of the same case may have deleted it.
            match api.patch(name, &params, &Patch::Merge(patch)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                patched => drop(patched?),
            }
        }
        None => drop(api.delete(name, &DeleteParams::default()).await?),
    }
    Ok(())
}

async fn record(platform: &Platform, tenant: &str) -> Result<TenantRecord> {
    let api: Api<TenantRecord> = platform.within(&tenant_namespace(tenant));
    Ok(api.get("record").await?)
}

async fn sql(platform: &Platform, tenant: &str, text: &str) -> Result<()> {
    let database = record(platform, tenant).await?.spec.database;
    let superuser = platform
        .sandbox
        .server(&database.server)?
        .connect("postgres")
        .await?;
    let text = text
        .replace("{db}", &database.name)
        .replace("{role}", &database.role)
        .replace("{login}", &database.login);
    Ok(superuser.batch_execute(&text).await?)
}

async fn store(platform: &Platform, tenant: &str, what: Store) -> Result<()> {
    use aws_sdk_s3::types::{Tag, Tagging};
    let storage = record(platform, tenant).await?.spec.storage;
    let (bucket, user) = (&storage.bucket, &storage.user);
    let objects = &platform.sandbox.object_store;
    let (s3, iam) = (objects.admin(), objects.iam_admin());
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*")}],
    });
    match what {
        Store::Tag => {
            let mut tags = s3.get_bucket_tagging().bucket(bucket).send().await?.tag_set;
            for tag in &mut tags {
                if tag.key == "eoffice-uid" {
                    tag.value = "another".into();
                }
            }
            tags.push(Tag::builder().key("somebody").value("else").build()?);
            let tagging = Tagging::builder().set_tag_set(Some(tags)).build()?;
            s3.put_bucket_tagging()
                .bucket(bucket)
                .tagging(tagging)
                .send()
                .await?;
        }
        Store::Policy => {
            let mut document = document;
            document["Statement"][0]["Principal"] = json!("*");
            let put = s3.put_bucket_policy().bucket(bucket);
            put.policy(document.to_string()).send().await?;
        }
        Store::UserPolicy => {
            let put = iam.put_user_policy().user_name(user).policy_name("bucket");
            put.policy_document(document.to_string()).send().await?;
        }
        Store::ExtraUserPolicy => {
            let put = iam.put_user_policy().user_name(user).policy_name("more");
            put.policy_document(document.to_string()).send().await?;
        }
        Store::Key => {
            iam.create_access_key().user_name(user).send().await?;
        }
    }
    Ok(())
}
