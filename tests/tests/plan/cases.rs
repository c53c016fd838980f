//! A hundred cases, each some changes of a tenant's spec and some drifts at once: generated, and the same in each run.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRng, TestRunner};

use crate::change::Change;

/// Tenants that the cases are spread over.
pub const TENANTS: usize = 20;
/// Cases of each.
const CASES: usize = 5;

/// What is changed at once.
#[derive(Clone, Debug)]
pub struct Case(pub Vec<Change>);

/// The cases of each tenant. No change comes twice for one tenant, for a third time would be a fight.
pub fn generate() -> Vec<Vec<Case>> {
    let config = Config::default();
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let sizes = prop::collection::vec(1..=4usize, CASES);
    let tenant = (Just(Change::ALL.to_vec()).prop_shuffle(), sizes).prop_map(|(all, sizes)| {
        let mut all = all.into_iter();
        let case = |size: usize| Case(all.by_ref().take(size).collect());
        sizes.into_iter().map(case).collect::<Vec<_>>()
    });
    let tree = prop::collection::vec(tenant, TENANTS).new_tree(&mut runner);
    tree.map(|tree| tree.current()).unwrap_or_default()
}
