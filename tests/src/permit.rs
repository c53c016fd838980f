//! Permits for what cannot be undone.

use eoffice_crds::Reason;
use eoffice_operator::plan::{Permit, Problem};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

/// It may always be done.
pub struct Permitted;

impl Permit for Permitted {
    fn stands(&self) -> BoxFuture<'_, Result<(), Problem>> {
        ready(Ok(())).boxed()
    }
}

/// It may not be done any more.
pub struct Withdrawn;

impl Permit for Withdrawn {
    fn stands(&self) -> BoxFuture<'_, Result<(), Problem>> {
        let problem = Problem::new(Reason::PurgeRefused, "it was withdrawn");
        ready(Err(problem)).boxed()
    }
}
