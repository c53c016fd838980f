//! Labels, annotations, finalizers and fixed object names that are part of the API.

/// The API group of every kind here.
pub const GROUP: &str = "eoffice.gdcc.go.th";
/// The field manager of every server-side apply of the operator.
pub const FIELD_MANAGER: &str = "eoffice-operator";
/// Prefix of the namespace that holds one tenant's objects.
pub const TENANT_NAMESPACE_PREFIX: &str = "eoffice-";
/// Name of the TenantRecord in the tenant's namespace.
pub const RECORD_NAME: &str = "record";
/// Secret with the tenant's database credentials.
pub const DATABASE_SECRET: &str = "eoffice-database";
/// Secret with the tenant's storage credentials.
pub const STORAGE_SECRET: &str = "eoffice-storage";
/// Secret with the certificate of the tenant's default host.
pub const TLS_SECRET: &str = "eoffice-tls";

/// Prefix of the Secret with one auditor's credentials.
pub const AUDIT_SECRET_PREFIX: &str = "eoffice-audit-";
/// RoleBinding in a tenant's namespace that lets the officers of its province look into it.
pub const OFFICERS_BINDING: &str = "eoffice-officers";

/// Labels.
pub mod labels {
    /// On a province's namespace: the two-digit code. On a tenant's objects: its province.
    pub const PROVINCE: &str = "eoffice.gdcc.go.th/province";
    /// On every object made for a tenant: the tenant's name, by which watches find it.
    pub const TENANT: &str = "eoffice.gdcc.go.th/tenant";
    /// On every object made for a tenant: the namespace of its EOfficeTenant.
    pub const TENANT_NAMESPACE: &str = "eoffice.gdcc.go.th/tenant-namespace";
    /// On a province's namespace: `"true"` while tenants are in it, which keeps it from being deleted.
    pub const IN_USE: &str = "eoffice.gdcc.go.th/in-use";
    /// On a province's namespace: reference of the memorandum of understanding that approves all its tenants.
    pub const MOU: &str = "eoffice.gdcc.go.th/mou";
    /// On a Deployment, StatefulSet or DaemonSet in a tenant's namespace: `"true"` has it restarted when credentials
    /// were renewed.
    pub const RESTART_ON_ROTATION: &str = "eoffice.gdcc.go.th/restart-on-rotation";
    /// On every object the operator made.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// Value of [`MANAGED_BY`].
    pub const MANAGED_BY_VALUE: &str = "eoffice-operator";
}

/// Annotations.
pub mod annotations {
    /// On a TenantClass: `"true"` makes it the class of tenants that name none.
    pub const DEFAULT_CLASS: &str = "eoffice.gdcc.go.th/is-default-class";
    /// On a DatabaseServer or ObjectStore: the UID of the cluster that held the installation before.
    pub const TAKE_OVER_FROM: &str = "eoffice.gdcc.go.th/take-over-from";
    /// On a DatabaseServer or ObjectStore: the backend identity an admin accepts instead of the pinned one.
    pub const ACCEPT_IDENTITY: &str = "eoffice.gdcc.go.th/accept-identity";
    /// On the Secret of an adminSecretRef: the addresses its credentials may be sent to, divided by commas, as the
    /// DatabaseServer (`host:port`) or the ObjectStore (both endpoints) has them. Whoever may write the Secret writes
    /// it; who may only name the Secret sends it nowhere else.
    pub const SEND_ONLY_TO: &str = "eoffice.gdcc.go.th/send-only-to";
    /// On an EOfficeTenant: a frozen class change accepted, `<class>/<hash>`.
    pub const ACCEPT_CLASS: &str = "eoffice.gdcc.go.th/accept-class";
    /// On an EOfficeTenant or TenantClass: `"true"` stops every change; observing goes on.
    pub const PAUSED: &str = "eoffice.gdcc.go.th/paused";
    /// On an EOfficeTenant: looked at and proved afresh whenever its value changes. Answered in
    /// status.lastHandledReconcileAt.
    pub const RECONCILE_REQUESTED_AT: &str = "eoffice.gdcc.go.th/reconcile-requested-at";
    /// On the operator's lease: a JSON object with the time of the last full audit of each server and store.
    pub const AUDITS: &str = "eoffice.gdcc.go.th/audits";
    /// On the operator's lease: a JSON object with the length and pace of the queue of new tenants.
    pub const QUEUE: &str = "eoffice.gdcc.go.th/queue";
    /// On an EOfficeTenant: credentials are renewed whenever its value changes. Answered in
    /// status.credentials.lastHandledRotateAt.
    pub const ROTATE_REQUESTED_AT: &str = "eoffice.gdcc.go.th/rotate-requested-at";
    /// On an EOfficeTenant: credentials are renewed, and those before cut off at once, whenever its value changes.
    /// Answered in status.credentials.lastHandledRotateNowAt.
    pub const ROTATE_NOW_REQUESTED_AT: &str = "eoffice.gdcc.go.th/rotate-now-requested-at";
    /// On an EOfficeTenant: user name of the person who is about to delete it. Admission lets nobody write another's.
    pub const DELETED_BY: &str = "eoffice.gdcc.go.th/deleted-by";
    /// On a province's namespace: user name of the approver who wrote the label mou.
    pub const MOU_APPROVED_BY: &str = "eoffice.gdcc.go.th/mou-approved-by";
    /// On an EOfficeTenant: restored data accepted, `<name>/<new identity>`.
    pub const ACCEPT_RESTORED: &str = "eoffice.gdcc.go.th/accept-restored";
    /// On an EOfficeTenant: a loss of data accepted, `<name>/<lost identity>`.
    pub const ACCEPT_DATA_LOSS: &str = "eoffice.gdcc.go.th/accept-data-loss";
}

/// Finalizers.
pub mod finalizers {
    /// On an EOfficeTenant: it leaves only after access to its data was closed and recorded.
    pub const TENANT: &str = "eoffice.gdcc.go.th/close";
    /// On a TenantClass, DatabaseServer or ObjectStore: it stays while tenants or records use it.
    pub const IN_USE: &str = "eoffice.gdcc.go.th/in-use";
    /// On a TenantRecord: it stays while data stands behind it.
    pub const RECORD: &str = "eoffice.gdcc.go.th/data";
}

/// The namespace that holds the objects of the tenant of this name.
pub fn tenant_namespace(tenant: &str) -> String {
    format!("{TENANT_NAMESPACE_PREFIX}{tenant}")
}
