//! What is looked at before a tenant gets its first record.

mod elsewhere;

pub(super) use self::elsewhere::nothing_elsewhere;
use crate::controller::world::World;
use crate::identity::Mark;
use crate::plan::Problem;
use crate::tenant::parse::{Tenant, matches};
use crate::tenant::placement::Candidate;
use crate::tenant::record::FirstLook;
use crate::tenant::registry::Registry;
use crate::tenant::{database, storage};
use kube::ResourceExt;

/// What was found on the backends for a tenant without a record.
pub(super) struct First {
    pool: Vec<Candidate>,
    store: String,
    bucket_mark: Option<Mark>,
    database_mark: Option<Mark>,
}

impl First {
    /// Whether something of the tenant's name stands in the backends.
    pub(super) fn finds_data(&self) -> bool {
        self.bucket_mark.is_some() || self.database_mark.is_some()
    }

    /// The same, with what the records promise of each server by now.
    pub(super) fn promised(&self, registry: &Registry) -> FirstLook {
        let mut servers = self.pool.clone();
        for server in &mut servers {
            let promised = registry.promised(&server.name);
            server.databases = server.databases.max(promised.databases);
            server.connections = server.connections.max(promised.connections);
        }
        FirstLook {
            servers,
            store: self.store.clone(),
            bucket_mark: self.bucket_mark.clone(),
            database_mark: self.database_mark.clone(),
        }
    }
}

/// Looks at every server of the class's pool, and at its store.
pub(super) async fn first_look(world: &World, tenant: &Tenant) -> Result<First, Problem> {
    let selector = &tenant.class.spec.database.server_selector;
    let mut pool = Vec::new();
    let mut database_mark = None;
    for server in world.servers.state() {
        if matches(Some(selector), server.labels())? {
            let (candidate, mark) = database::candidate(world, &server, tenant).await?;
            database_mark = database_mark.or(mark);
            pool.push(candidate);
        }
    }
    let (store, bucket_mark) = storage::first_look(world, tenant).await?;
    Ok(First {
        pool,
        store,
        bucket_mark,
        database_mark,
    })
}
