//! People of all offices, each with what the chart's roles give, and what they try.

use kube::Client;
use serde_json::Value;

use crate::admission::Askers;
use crate::world::{Handle, World, allowed, refused};

/// What RBAC says.
pub const NO_RIGHT: &str = "cannot patch resource";

/// Name and group.
#[derive(Clone, Copy, Debug)]
pub struct Person(pub &'static str, pub &'static str);

impl Person {
    /// Asks with a certificate that names him and his group, and has what is bound to either.
    pub async fn client(self, world: &World) -> Client {
        let Self(user, group) = self;
        let kubeconfig = world
            .control_plane
            .kubeconfig_of_member(user, group)
            .unwrap();
        kubeconfig.client().await.unwrap()
    }
}

/// May approve, as his colleague may.
pub const SOMCHAI: Person = Person("somchai", "eoffice:approvers");
pub const MALEE: Person = Person("malee", "eoffice:approvers");
/// Runs the platform.
pub const PIM: Person = Person("pim", "eoffice:platform-admins");
/// An officer of province 30.
pub const NOK: Person = Person("nok", "eoffice:province-30");
/// An auditor.
pub const AUM: Person = Person("aum", "eoffice:auditors");
/// The portal.
pub const PORTAL: Person = Person("portal", "eoffice:portals");

/// Those who ask. `admin` is a cluster admin, `anyone` has every right that RBAC gives.
pub struct People<'a> {
    pub somchai: Client,
    pub malee: Client,
    pub pim: Client,
    pub nok: Client,
    pub aum: Client,
    pub portal: Client,
    pub admin: &'a Client,
    pub anyone: &'a Client,
    /// An approver who has every right that RBAC gives besides.
    pub both: &'a Client,
    pub operator: &'a Client,
}

impl<'a> People<'a> {
    pub async fn of(world: &World, askers: &'a Askers) -> Self {
        Self {
            somchai: SOMCHAI.client(world).await,
            malee: MALEE.client(world).await,
            pim: PIM.client(world).await,
            nok: NOK.client(world).await,
            aum: AUM.client(world).await,
            portal: PORTAL.client(world).await,
            admin: &askers.admin,
            anyone: &askers.officer,
            both: &askers.approver,
            operator: &askers.operator,
        }
    }
}

/// What somebody tries to change, and the sentence that refuses it; none where it is let through.
pub type Row<'a> = (&'a str, &'a Client, Value, Option<&'a str>);

/// Tries each change of an object, in a dry run.
pub async fn each(object: &Value, rows: &[Row<'_>]) {
    for (what, who, patch, refusal) in rows {
        let handle = Handle::new(who, object).await;
        let attempt = || handle.try_patch(patch);
        match refusal {
            Some(sentence) => refused(what, sentence, attempt).await,
            None => allowed(what, attempt).await,
        }
    }
}
