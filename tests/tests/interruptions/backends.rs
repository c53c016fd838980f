//! What stands for a tenant in its backends, by the names of its objects there.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};
use eoffice_tests::e2e::security::{Platform, ask};
use serde_json::{Value, json};

/// Databases, roles, memberships and settings, and what is within the database.
pub async fn postgres(platform: &Platform, stem: &str) -> Result<Value> {
    let server = &platform.sandbox.postgres[0];
    let session = server.connect("postgres").await?;
    let found = ask(&session, &POSTGRES.replace("<stem>", stem)).await?;
    let mut found: Value = serde_json::from_str(&found.unwrap_or_default())?;
    let database = format!("eo_{stem}");
    if found["databases"].is_null() {
        return Ok(found);
    }
    let session = server.connect(&database).await?;
    let within = ask(&session, WITHIN).await?;
    found["within"] = serde_json::from_str(&within.unwrap_or_default())?;
    Ok(found)
}

const POSTGRES: &str = "
SELECT json_build_object(
  'databases', (SELECT json_object_agg(datname, json_build_array(pg_get_userbyid(datdba), datallowconn, datconnlimit,
      datacl::text, shobj_description(oid, 'pg_database'))) FROM pg_database WHERE datname LIKE 'eo_<stem>%'),
  'roles', (SELECT json_object_agg(rolname, json_build_array(rolcanlogin, rolconnlimit, rolinherit, rolsuper, rolcreatedb,
      rolcreaterole, rolbypassrls, rolreplication, rolvaliduntil, rolconfig, shobj_description(oid, 'pg_authid')))
      FROM pg_roles WHERE rolname LIKE 'eo_<stem>%'),
  'members', (SELECT json_object_agg(r.rolname || ' ' || m.rolname || ' ' || pg_get_userbyid(a.grantor),
      json_build_array(a.admin_option, a.inherit_option, a.set_option))
      FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
      WHERE r.rolname LIKE 'eo_<stem>%' OR m.rolname LIKE 'eo_<stem>%'),
  'settings', (SELECT json_object_agg(coalesce(d.datname, '*') || ' ' || coalesce(r.rolname, '*'), s.setconfig)
      FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
      WHERE d.datname LIKE 'eo_<stem>%' OR r.rolname LIKE 'eo_<stem>%'))::text";

const WITHIN: &str = "
SELECT json_build_object(
  'schemas', (SELECT json_object_agg(nspname, json_build_array(pg_get_userbyid(nspowner), nspacl::text))
      FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'),
  'tables', (SELECT json_object_agg(relname, json_build_array(pg_get_userbyid(relowner), relacl::text, relkind))
      FROM pg_class WHERE relnamespace = 'public'::regnamespace))::text";

/// Buckets with what is in them, and users with what they may do.
pub async fn storage(platform: &Platform, stem: &str) -> Result<Value> {
    let store = &platform.sandbox.object_store;
    let (s3, iam) = (store.admin(), store.iam_admin());
    let mut buckets = BTreeMap::new();
    for bucket in s3.list_buckets().send().await?.buckets() {
        let name = bucket.name().unwrap_or_default();
        if name.contains(stem) {
            buckets.insert(name.to_owned(), bucket_of(&s3, name).await?);
        }
    }
    let mut users = BTreeMap::new();
    for user in iam.list_users().send().await?.users() {
        let name = user.user_name();
        if name.contains(stem) {
            users.insert(name.to_owned(), user_of(&iam, name).await?);
        }
    }
    Ok(json!({"buckets": buckets, "accounts": users}))
}

/// A proof that was interrupted leaves its upload, which the next proof ends.
const TRIAL: &str = ".eoffice/upload";

async fn bucket_of(s3: &aws_sdk_s3::Client, name: &str) -> Result<Value> {
    let tags = s3.get_bucket_tagging().bucket(name).send().await;
    let tags = tags.map(|it| it.tag_set).unwrap_or_default();
    let tags = tags.into_iter().map(|tag| (tag.key, tag.value));
    let tags: BTreeMap<_, _> = tags.collect();
    let versioning = s3.get_bucket_versioning().bucket(name).send().await?;
    let lock = s3.get_object_lock_configuration().bucket(name).send().await;
    let lock = lock.ok().and_then(|it| it.object_lock_configuration);
    let policy = s3.get_bucket_policy().bucket(name).send().await;
    let versions = s3.list_object_versions().bucket(name).send().await?;
    let keys = versions.versions().iter().filter_map(|it| it.key());
    let markers = versions.delete_markers().iter().filter_map(|it| it.key());
    let uploads = s3.list_multipart_uploads().bucket(name).send().await?;
    Ok(json!({
        "tags": tags,
        "versioning": versioning.status().map(|it| it.as_str().to_owned()),
        "lock": lock.map(|it| format!("{it:?}")),
        "policy": policy.ok().and_then(|it| it.policy),
        "versions": keys.collect::<Vec<_>>(),
        "markers": markers.collect::<Vec<_>>(),
        "uploads": uploads.uploads().iter().filter(|it| it.key() != Some(TRIAL)).count(),
    }))
}

async fn user_of(iam: &aws_sdk_iam::Client, name: &str) -> Result<Value> {
    let mut policies = BTreeMap::new();
    let list = iam.list_user_policies().user_name(name).send().await?;
    for policy in list.policy_names() {
        let found = iam.get_user_policy().user_name(name).policy_name(policy);
        let found = found.send().await?.policy_document;
        policies.insert(policy.clone(), found);
    }
    let keys = iam.list_access_keys().user_name(name).send().await?;
    let active = |key: &&AccessKeyMetadata| key.status() == Some(&StatusType::Active);
    // One that was taken away stays, inactive, until its place is needed.
    let keys = keys.access_key_metadata().iter().filter(active).count();
    Ok(json!({"policies": policies, "active keys": keys}))
}
