//! The whole life of one agency, from the memorandum it signs to the certificate that its records were destroyed.

#[path = "story/agency.rs"]
mod agency;
#[path = "story/record.rs"]
mod record;

use std::time::Duration;

use agency::{Agency, DAY};
use anyhow::Result;
use eoffice_crds::{Phase, Reason, RecordState};

const APPROVER: (&str, &str) = ("somsri", "eoffice:approvers");
const OFFICER: (&str, &str) = ("prasert", "eoffice:province-30");

/// What a tenant that is made again may take to find its data.
const RESTORED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::unwrap_used)]
async fn an_agency_lives_leaves_and_its_records_are_kept_until_a_committee_decides() {
    life().await.unwrap();
}

async fn life() -> Result<()> {
    let mut agency = Agency::of_a_sandbox().await?;

    // The TAO of Khanong Phra signs its MOU. Until somebody approves it, nothing is made.
    agency.asks_with_its_mou("MOU-2569-014").await?;
    agency.stands_at(Phase::AwaitingApproval).await?;
    agency.has_nothing_yet().await?;
    agency.cannot_be_approved_by(OFFICER, OFFICER.0).await?;
    agency.cannot_be_approved_by(APPROVER, "another").await?;
    agency.is_approved_by(APPROVER).await?;
    agency.stands_at(Phase::Active).await?;

    // It goes live.
    agency.stores_a_document().await?;
    agency.finds_its_document().await?;

    // Its credentials are renewed; those before are taken away.
    agency.asks_for_new_credentials().await?;
    agency.gets_new_credentials().await?;
    agency.finds_its_document().await?;
    agency.has_the_old_ones_taken_away().await?;

    // It is suspended, and comes back.
    agency.is_asked_to_be("Suspended").await?;
    agency.stands_at(Phase::Suspended).await?;
    agency.is_shut_out_and_its_document_kept().await?;
    agency.is_asked_to_be("Active").await?;
    agency.stands_at(Phase::Active).await?;
    agency.finds_its_document().await?;

    // A pipeline deletes it by mistake, and applies it again.
    agency.is_deleted().await?;
    agency.record_says(RecordState::Retained).await?;
    agency.is_shut_out_and_its_document_kept().await?;
    agency.record_cannot_be_deleted().await?;
    let began = std::time::Instant::now();
    agency.asks_with_its_mou("MOU-2569-014").await?;
    agency.stands_at(Phase::Active).await?;
    let took = began.elapsed();
    anyhow::ensure!(took < RESTORED_WITHIN, "it was restored after {took:?}");
    agency.is_still_approved_by(APPROVER).await?;
    agency.finds_its_document().await?;

    // It is merged into its neighbour, and leaves for good: its records are kept for ten years.
    agency.is_deleted().await?;
    agency.record_says(RecordState::Retained).await?;
    agency.is_shut_out_and_its_document_kept().await?;
    agency.purge_is_ordered_by(APPROVER).await?;
    agency.purge_stands_at(Reason::RetentionNotOver).await?;
    agency.purge_is_withdrawn_by(APPROVER).await?;
    agency.lets_time_pass(3660 * DAY).await?;

    // A committee decides. The order is an approver's, and can be withdrawn for a week.
    agency.purge_cannot_be_ordered_by(OFFICER).await?;
    agency.purge_is_ordered_by(APPROVER).await?;
    agency.purge_stands_at(Reason::Cooling).await?;
    agency.is_shut_out_and_its_document_kept().await?;
    agency.lets_time_pass(8 * DAY).await?;

    // Everything is destroyed, and that is certified; the record is left, alone.
    agency.record_says(RecordState::Destroyed).await?;
    agency.destruction_is_certified_for(APPROVER).await?;
    agency.has_nothing_left_but_its_record().await
}
