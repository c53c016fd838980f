//! Condition types, reasons and phases: every word a status can use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An enum whose variants are exactly the words that appear in the API.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every word, in the order of its declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word as it stands in a status.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => stringify!($variant),)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words! {
    /// The type of a condition.
    ConditionType {
        /// The world is as the spec asks, and was proved so by use at least once.
        Ready,
        /// The agency can work now.
        Available,
        /// Namespace, quota, limits, network policies and service account stand.
        NamespaceReady,
        /// Database, roles and their Secret stand.
        DatabaseReady,
        /// Bucket, user, policy, key and their Secret stand.
        StorageReady,
        /// Every host has a valid certificate.
        CertificateReady,
        /// The ingress stands.
        IngressReady,
        /// The tenant's own credentials were tried, and work where they should and nowhere else.
        Verified,
        /// Nothing differs from what was asked.
        Synced,
        /// Changes are stopped by a person; observing goes on.
        Paused,
        /// Something that would close, delete or move it waits, with others like it, for a person.
        Held,
        /// What became of an order to destroy what stands behind a record.
        Purged,
        /// The operator is at work on it (kstatus).
        Reconciling,
        /// Only a person can help (kstatus).
        Stalled,
    }
}

words! {
    /// The reason of a condition.
    Reason {
        /// As it should be.
        AsExpected,
        /// Work is under way.
        Progressing,
        /// The class wants an approval that is not complete.
        AwaitingApproval,
        /// No server has room, or one that must be asked first cannot be reached.
        Queued,
        /// Closed because the spec says Suspended.
        Suspended,
        /// Closed because the spec says Archived.
        Archived,
        /// Being deleted: access is being closed.
        Closing,
        /// A call to the backend failed and is retried.
        BackendError,
        /// The backend cannot be reached.
        Unreachable,
        /// The backend is not ready, as its own object says.
        BackendNotReady,
        /// Kubernetes refused or failed a call, which is retried.
        KubernetesError,
        /// No class of that name, or no default class.
        ClassNotFound,
        /// The class may not be used from this namespace.
        ClassNotAllowed,
        /// The class itself cannot be used.
        ClassInvalid,
        /// The frozen values of the class changed and wait for acceptance.
        ClassChanged,
        /// No DatabaseServer matches the class's selector.
        NoServerMatches,
        /// The ObjectStore of the class does not exist.
        StoreNotFound,
        /// The namespace's province is not the tenant's.
        ProvinceMismatch,
        /// Another tenant has this name.
        NameConflict,
        /// The record under this name belongs to another agency.
        OtherAgency,
        /// Another tenant has one of these agency codes.
        CodeConflict,
        /// A host is granted to another tenant, or is under a base domain.
        HostConflict,
        /// Something stands under the expected name without our mark.
        ForeignObject,
        /// Data that the record or its twin names is gone or is another's.
        DataMissing,
        /// The address answers with another backend than the one pinned.
        IdentityChanged,
        /// Another cluster holds this installation id on the backend.
        HeldByOtherCluster,
        /// The backend lacks what is needed of it.
        Unsupported,
        /// The backend's admin Secret or CA is missing or unusable.
        CredentialsInvalid,
        /// The certificate is not issued yet.
        NotIssued,
        /// The certificate does not fit what was asked.
        CertificateInvalid,
        /// A proof failed.
        ProofFailed,
        /// A proof could not be made.
        ProofInconclusive,
        /// A plane this one needs is not ready.
        Waiting,
        /// Something differed and was put right.
        Corrected,
        /// Something differs and is not put right.
        Drifted,
        /// Another writer keeps changing the same thing back.
        Contested,
        /// A person stopped changes.
        Paused,
        /// It waits in a batch for a person's decision.
        Held,
        /// It waits a short time, so that a mass of the same would be seen before the first is done.
        Delayed,
        /// The spec cannot be carried out.
        InvalidSpec,
        /// It cannot leave: others use it.
        InUse,
        /// The deletion policy is not allowed by the class.
        DeleteNotAllowed,
        /// A plan is answered.
        Planned,
        /// What it asks for now is not approved; it runs with what was approved last.
        ApprovalOutdated,
        /// It waits for its turn: only so many new tenants are made at once.
        AwaitingTurn,
        /// What the spec takes data over from cannot be had.
        RestoreRefused,
        /// The data is kept until a day that has not come.
        RetentionNotOver,
        /// A legal hold stands against it.
        LegalHold,
        /// An order to destroy can still be withdrawn.
        Cooling,
        /// Data is being destroyed, as ordered.
        Purging,
        /// The data was destroyed, as ordered.
        Destroyed,
        /// The order to destroy cannot be carried out as it stands.
        PurgeRefused,
        /// Another tenant took the data over.
        Succeeded,
    }
}

words! {
    /// Where in its life a tenant is, in one word for people.
    Phase {
        /// Waits for an approval.
        AwaitingApproval,
        /// Waits for capacity.
        Queued,
        /// Is being made.
        Provisioning,
        /// Works.
        Active,
        /// Worked, and a plane fails.
        Degraded,
        /// Only a person can help.
        Failed,
        /// Is being closed.
        Closing,
        /// Closed as asked.
        Suspended,
        /// Closed as asked, for good.
        Archived,
    }
}
