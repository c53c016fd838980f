//! Looks, plans and acts until nothing is left to be done.

use super::apply::apply;
use super::auditor::ends_auditor;
use super::connection::Server;
use super::desired::Desired;
use super::observe::{Observed, observe};
use super::plan::{beyond_our_rights, plan, plan_close, plan_drop};
use super::step::Step;
use crate::effect::Effects;
use crate::plan::{Change, Difference, Gate, Problem, closed_at_least};
use eoffice_crds::Reason;

/// How often [`converge`] looks again. A plan is whole, so the second look finds nothing to do unless
/// somebody else is changing the same things.
const ROUNDS: usize = 4;

/// What one tenant has on its server, and what is to be changed there.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What was found.
    pub observed: Observed,
    /// What would be done, in this order.
    pub changes: Vec<Change<Step>>,
}

/// A tenant whose part of the server is as it should be, apart from what the gate refused.
#[derive(Clone, Debug)]
pub struct Converged {
    /// What was found in the end.
    pub observed: Observed,
    /// What was done.
    pub done: Vec<Difference>,
}

/// Looks at one tenant's objects afresh, and plans. Nothing is changed.
pub async fn survey(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
) -> Result<Survey, Problem> {
    let observed = observe(server, effects, desired).await?;
    let changes = plan(desired, &observed)?;
    Ok(Survey { observed, changes })
}

/// Makes the server have what the tenant should have, as far as the gate allows: looks, plans, acts, and looks again.
/// Where that cannot be planned, access that should end is ended first.
pub async fn converge(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
    gate: &dyn Gate,
) -> Result<Converged, Problem> {
    let converged = repeat(server, effects, desired, gate, plan).await?;
    // Told although changes that the gate refused are left.
    beyond_our_rights(desired, &converged.observed)?;
    Ok(converged)
}

/// Removes all the tenant has on the server, its data included, as far as the gate allows.
pub async fn remove(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
    gate: &dyn Gate,
) -> Result<Converged, Problem> {
    repeat(server, effects, desired, gate, plan_drop).await
}

type Rules = fn(&Desired, &Observed) -> Result<Vec<Change<Step>>, Problem>;

async fn repeat(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
    gate: &dyn Gate,
    plan: Rules,
) -> Result<Converged, Problem> {
    let mut done = Vec::new();
    for _ in 0..ROUNDS {
        let observed = observe(server, effects, desired).await?;
        let before = done.len();
        let mut refused: Vec<Step> = Vec::new();
        let (changes, problem) =
            closed_at_least(plan(desired, &observed), || plan_close(desired, &observed));
        for Change { step, differences } in changes {
            if refused.iter().any(|other| step.needs(other)) {
                gate.skipped(&differences);
                refused.push(step);
                continue;
            }
            let may = match ends_auditor(&step) {
                true => gate.may_end(&differences),
                false => gate.allows(&differences),
            };
            if !may {
                refused.push(step);
                continue;
            }
            apply(server, effects, &step).await?;
            gate.made(&differences);
            done.extend(differences);
        }
        if done.len() == before {
            return problem.map_or(Ok(Converged { observed, done }), Err);
        }
    }
    Err(Problem::new(
        Reason::BackendError,
        format!(
            "database {} on {} does not stay as it is set; see who else changes it",
            desired.database.as_str(),
            desired.server
        ),
    ))
}
