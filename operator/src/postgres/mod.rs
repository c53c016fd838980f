//! The PostgreSQL plane: one tenant's roles and database on a shared server.
//!
//! [`desired`] says what should be, [`audit`] and [`observe`] what is, [`plan()`] what to change, and
//! [`apply()`] changes it; [`converge`] does all four for one tenant, as far as a gate allows, and [`survey`] all but
//! the last. [`visit`] looks at a whole server and claims it, [`verify`] tries a tenant's own credentials.
//!
//! A tenant has a role that owns its objects and cannot log in, a login that is a member of it, and a
//! database that belongs to the operator. Marks are in the comments of all three.
//! A tenant's database is hostile ground: the operator enters it once, before the tenant can, and again only while
//! somebody is to audit it. [`next_removal`] and [`destroy`] destroy all of it, one step at a time.

mod apply;
mod auditor;
mod connection;
mod converge;
mod credential;
mod desired;
mod destroy;
mod error;
mod ident;
mod inside;
mod observe;
mod owner;
mod plan;
mod server;
mod sites;
mod sql;
mod step;
mod verify;

pub use apply::apply;
pub use auditor::{Auditor, audited_by, auditor_login};
pub use connection::{Server, ServerAddress};
pub use converge::{Converged, Survey, converge, remove, survey};
pub use credential::{Credential, Verifier};
pub use desired::{Access, Desired, Witness, desired, other_login, recorded_names};
pub use destroy::{destroy, next_removal, size, standing};
pub use ident::{Ident, Literal, Unquotable};
pub use inside::Inside;
pub use observe::{
    Audit, Counts, Database, Grant, Membership, Observed, Role, Setting, audit, mark_of, observe,
};
pub use owner::Owner;
pub use plan::{beyond, loss, plan, plan_close, plan_drop};
pub use server::{Facts, canary_name, visit};
pub use sites::ALL as SITES;
pub use sql::AUDIT;
pub use step::Step;
pub use verify::{TenantLogin, closed, verify};
