//! The API of the e-Office tenant operator, group `eoffice.gdcc.go.th`, version `v1alpha1`.
//!
//! One file for each kind. The same types are the operator's input, the source of the
//! CustomResourceDefinitions (see [`crds`] and the `crdgen` program) and what tests write.

#![allow(
    clippy::duplicated_attributes,
    reason = "printer columns repeat their keys"
)]

mod conditions;
mod database_server;
mod drift;
mod fleet_hold;
mod names;
mod object_store;
mod province;
mod rules;
mod schema;
mod tenant;
mod tenant_class;
mod tenant_plan;
mod tenant_record;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub use conditions::*;
pub use database_server::*;
pub use drift::*;
pub use fleet_hold::*;
pub use names::*;
pub use object_store::*;
pub use province::*;
pub use tenant::*;
pub use tenant_class::*;
pub use tenant_plan::*;
pub use tenant_record::*;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// Every CustomResourceDefinition of this API, in the order in which a person would read them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        EOfficeTenant::crd(),
        TenantClass::crd(),
        DatabaseServer::crd(),
        ObjectStore::crd(),
        TenantRecord::crd(),
        TenantPlan::crd(),
        FleetHold::crd(),
    ]
    .into_iter()
    .map(schema::finish)
    .collect()
}
