//! The API as the real API server serves it: definitions, rules, admission policies, and what a person sees of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "api/admission.rs"]
mod admission;
#[path = "api/approvals.rs"]
mod approvals;
#[path = "api/authority.rs"]
mod authority;
#[path = "api/people.rs"]
mod people;
#[path = "api/person.rs"]
mod person;
#[path = "api/records.rs"]
mod records;
#[path = "api/restored.rs"]
mod restored;
#[path = "api/rights.rs"]
mod rights;
#[path = "api/roles.rs"]
mod roles;
#[path = "api/table.rs"]
mod table;
#[path = "api/tenants.rs"]
mod tenants;
#[path = "api/world.rs"]
mod world;

use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_holds_what_the_chart_installs() {
    let world = World::start().await;
    table::good_objects_are_accepted(&world).await;
    table::bad_objects_are_refused(&world).await;
    person::examples_are_accepted(&world).await;
    person::explanations_and_columns(&world).await;
    person::a_misspelt_field_is_refused(&world).await;
    rights::all(&world).await;
    roles::all(&world).await;
    admission::all(&world).await;
}
