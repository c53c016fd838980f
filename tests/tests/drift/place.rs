//! One tenant, seen and changed from outside of the operator.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use eoffice_crds::{EOfficeTenant, annotations};
use eoffice_tests::e2e::security::Platform;
use serde_json::{Value, json};

use crate::bucket::{Portrait, Store};
use crate::objects::{EDITOR, Objects, same};
use crate::row::{Deed, Names, Row, Tally, tally};
use crate::sql::Sql;

/// A tenant.
pub struct Place<'a> {
    pub platform: &'a Platform,
    pub tenant: &'a str,
    pub objects: Objects<'a>,
    pub sql: Sql<'a>,
    pub store: Store<'a>,
}

/// Everything of a tenant that somebody decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    pub objects: BTreeMap<String, Value>,
    pub sql: String,
    pub store: Portrait,
}

impl<'a> Place<'a> {
    pub async fn of(platform: &'a Platform, tenant: &'a str) -> Result<Self> {
        Ok(Self {
            platform,
            tenant,
            objects: Objects::of(platform, tenant),
            sql: Sql::of(platform, tenant).await?,
            store: Store::of(platform, tenant).await?,
        })
    }

    pub async fn object(&self) -> Result<EOfficeTenant> {
        Ok(self.platform.tenants().get(self.tenant).await?)
    }

    /// The drift in its status.
    pub async fn tally(&self) -> Result<Tally> {
        Ok(tally(&self.object().await?))
    }

    /// What stands for the names in a row, as of now.
    pub async fn names(&self) -> Result<Names> {
        let mut names = self.sql.names();
        names.0.extend([
            ("ns", self.objects.namespace.clone()),
            ("bucket", self.store.bucket.clone()),
            ("user", self.store.user.clone()),
            ("key", self.store.current_key().await?),
        ]);
        Ok(names)
    }

    /// Asks for a look, and waits for the answer: what was under way before has come to its end.
    pub async fn looked_at(&self) -> Result<()> {
        let at = jiff::Timestamp::now().to_string();
        let ask = json!({"metadata": {"annotations": {annotations::RECONCILE_REQUESTED_AT: at}}});
        let tenants = self.platform.tenants();
        self.platform.merge(tenants, self.tenant, ask).await?;
        let answered = |it: &EOfficeTenant| {
            let status = it.status.as_ref();
            status.and_then(|it| it.last_handled_reconcile_at.as_ref()) == Some(&at)
        };
        self.platform
            .until(self.tenant, "looked at as asked", answered)
            .await?;
        Ok(())
    }

    /// Everything.
    pub async fn look(&self) -> Result<Whole> {
        Ok(Whole {
            objects: self.objects.look().await?,
            sql: self.sql.look().await?,
            store: self.store.look().await?,
        })
    }

    /// Does what a row says.
    pub async fn make(&self, row: &Row, names: &mut Names) -> Result<()> {
        match &row.does {
            Deed::Sql(_) | Deed::Tenant(_) => {
                self.sql.change(&row.does, &self.sql.look().await?).await
            }
            Deed::Store(deed) => {
                if let Some(stray) = self.store.change(deed).await? {
                    names.0.insert("stray", stray);
                }
                Ok(())
            }
            _ => {
                let object = names.put_in(&row.object);
                self.objects.change(&object, &row.does, EDITOR).await
            }
        }
    }
}

impl Whole {
    /// Wants all to be the same.
    pub fn is(&self, now: &Self) -> Result<()> {
        let all: Vec<&String> = self.objects.keys().collect();
        ensure!(
            all == now.objects.keys().collect::<Vec<_>>(),
            "other objects"
        );
        for (name, object) in &self.objects {
            let compared = same(object, &now.objects[name]);
            ensure!(compared.is_ok(), "{name}: {compared:?}");
        }
        ensure!(
            self.sql == now.sql,
            "it was\n{}\nand is\n{}",
            self.sql,
            now.sql
        );
        let (was, is) = (&self.store, &now.store);
        ensure!(was == is, "it was\n{was:?}\nand is\n{is:?}");
        Ok(())
    }
}
