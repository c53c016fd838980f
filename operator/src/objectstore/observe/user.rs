//! Looks at one IAM user.

use super::User;
use crate::effect::Effects;
use crate::objectstore::client::{Refusal, Store};
use crate::objectstore::{policy, sites};
use std::collections::BTreeMap;

const NO_SUCH_ENTITY: &[&str] = &["NoSuchEntity"];

/// A user's IAM path. None: there is no such user.
pub(in crate::objectstore) async fn user_path(
    store: &Store,
    effects: &Effects,
    name: &str,
) -> Result<Option<String>, Refusal> {
    let found = store
        .call(effects, sites::GET_USER, name, || {
            store.iam.get_user().user_name(name).send()
        })
        .await;
    match found {
        Ok(found) => Ok(found.user.map(|user| user.path)),
        Err(refusal) if refusal.is(NO_SUCH_ENTITY) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Looks at a user, whose path may be known from a list.
pub(in crate::objectstore) async fn user(
    store: &Store,
    effects: &Effects,
    name: &str,
    path: Option<&String>,
) -> Result<Option<User>, Refusal> {
    let path = match path {
        Some(path) => Some(path.clone()),
        None => user_path(store, effects, name).await?,
    };
    let Some(path) = path else {
        return Ok(None);
    };
    let policies = async {
        let listed = store
            .call(effects, sites::LIST_USER_POLICIES, name, || {
                store.iam.list_user_policies().user_name(name).send()
            })
            .await?;
        let mut policies = BTreeMap::new();
        for policy_name in listed.policy_names {
            let found = store
                .call(effects, sites::GET_USER_POLICY, name, || {
                    let request = store.iam.get_user_policy().user_name(name);
                    request.policy_name(&policy_name).send()
                })
                .await?;
            policies.insert(policy_name, policy::parse(&found.policy_document));
        }
        Ok(policies)
    };
    let keys = async {
        let listed = store
            .call(effects, sites::LIST_ACCESS_KEYS, name, || {
                store.iam.list_access_keys().user_name(name).send()
            })
            .await?;
        Ok(listed
            .access_key_metadata
            .into_iter()
            .filter_map(|key| {
                let active = key.status == Some(aws_sdk_iam::types::StatusType::Active);
                Some((key.access_key_id?, active))
            })
            .collect())
    };
    let look = futures::future::try_join3(policies, keys, attached(store, effects, name));
    match look.await {
        Ok((policies, keys, attached)) => Ok(Some(User {
            path,
            policies,
            attached,
            keys,
        })),
        // It was removed while we looked.
        Err(refusal) if refusal.is(NO_SUCH_ENTITY) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

async fn attached(store: &Store, effects: &Effects, name: &str) -> Result<Vec<String>, Refusal> {
    if !store.attaches_policies() {
        return Ok(Vec::new());
    }
    let listed = store
        .call(effects, sites::LIST_ATTACHED_POLICIES, name, || {
            let request = store.iam.list_attached_user_policies();
            request.user_name(name).send()
        })
        .await;
    match listed {
        Ok(listed) => Ok(listed
            .attached_policies
            .unwrap_or_default()
            .into_iter()
            .filter_map(|policy| policy.policy_arn)
            .collect()),
        Err(refusal) if refusal.is_unknown_call() => {
            store.forget_attached_policies();
            Ok(Vec::new())
        }
        Err(refusal) => Err(refusal),
    }
}
