//! Whose matter it is that a new tenant is not Ready.

use eoffice_crds::Reason;

/// Whose matter it is that a new tenant is not Ready, by the reason that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// Nobody's yet: it is on its way. What it waits for, the platform has to give it in time.
    Underway,
    /// The platform's: whoever comes next would fail for the same. It counts as failing.
    Platform,
    /// This tenant's alone: a mistake in what it asks for, or a person's decision about it. It is set aside, and says
    /// nothing about the others.
    Tenant,
}

/// Whose matter each reason is.
pub fn matter(reason: Reason) -> Matter {
    match reason {
        Reason::AsExpected
        | Reason::Progressing
        | Reason::NotIssued
        | Reason::Waiting
        | Reason::Corrected
        | Reason::Suspended
        | Reason::Archived
        | Reason::Closing
        // Told before it had its turn: by now it has one.
        | Reason::AwaitingApproval
        | Reason::AwaitingTurn
        | Reason::Queued
        // Never said of a tenant.
        | Reason::Planned
        | Reason::InUse
        | Reason::Cooling
        | Reason::Purging
        | Reason::PurgeRefused
        | Reason::RetentionNotOver
        | Reason::LegalHold
        | Reason::Destroyed
        | Reason::Succeeded => Matter::Underway,
        // The class.
        Reason::ClassInvalid
        | Reason::NoServerMatches
        | Reason::StoreNotFound
        // Servers and stores.
        | Reason::BackendError
        | Reason::Unreachable
        | Reason::BackendNotReady
        | Reason::IdentityChanged
        | Reason::HeldByOtherCluster
        | Reason::Unsupported
        | Reason::CredentialsInvalid
        | Reason::DataMissing
        // The cluster, its issuer, its ingress, and whoever else writes there.
        | Reason::KubernetesError
        | Reason::CertificateInvalid
        | Reason::ProofFailed
        | Reason::ProofInconclusive
        | Reason::Drifted
        | Reason::Contested => Matter::Platform,
        // What it asks for.
        Reason::InvalidSpec
        | Reason::ProvinceMismatch
        | Reason::ClassNotFound
        | Reason::ClassNotAllowed
        | Reason::ClassChanged
        | Reason::DeleteNotAllowed
        | Reason::RestoreRefused
        // What others have already.
        | Reason::NameConflict
        | Reason::OtherAgency
        | Reason::CodeConflict
        | Reason::HostConflict
        | Reason::ForeignObject
        // What a person decides.
        | Reason::ApprovalOutdated
        | Reason::Paused
        | Reason::Held
        | Reason::Delayed => Matter::Tenant,
    }
}
