//! Every place from which this plane calls PostgreSQL.

use crate::effect::{Plane, Site};
use std::time::Duration;

const fn read(verb: &'static str) -> Site {
    Site::read(Plane::Postgres, verb)
}

const fn write(verb: &'static str) -> Site {
    Site::write(Plane::Postgres, verb)
}

/// Making a durable database waits for a checkpoint.
const LONG: Duration = Duration::from_secs(60);

pub(super) const CONNECT: Site = read("connect");
pub(super) const CHECK_IDENTITY: Site = read("check_identity");
pub(super) const AUDIT: Site = read("audit").within(Duration::from_secs(30));
pub(super) const OBSERVE: Site = read("observe");
pub(super) const OBSERVE_SERVER: Site = read("observe_server");
pub(super) const LOOK_INSIDE: Site = read("look_inside").within(Duration::from_secs(60));
pub(super) const SIZE: Site = read("size").within(Duration::from_secs(30));
pub(super) const CHECK_MARK: Site = read("check_mark");
/// Undone as soon as it is done, so it counts as a look.
pub(super) const PROVE_USE: Site = read("prove_use").within(Duration::from_secs(20));
pub(super) const PROVE_REFUSAL: Site = read("prove_refusal");

pub(super) const CREATE_ROLE: Site = write("create_role");
pub(super) const CREATE_LOGIN: Site = write("create_login");
pub(super) const CREATE_DATABASE: Site = write("create_database").within(LONG);
pub(super) const MARK: Site = write("mark");
pub(super) const ALTER_ROLE: Site = write("alter_role");
pub(super) const ALTER_DATABASE: Site = write("alter_database");
pub(super) const GRANT: Site = write("grant");
pub(super) const REVOKE: Site = write("revoke");
pub(super) const GRANT_INSIDE: Site = write("grant_inside").within(LONG);
pub(super) const HAND_OVER_SCHEMA: Site = write("hand_over_schema").within(LONG);
pub(super) const END_SESSIONS: Site = write("end_sessions").within(Duration::from_secs(30));
/// The server ends it first, by its statement_timeout: whether it was done is known then.
pub(super) const DROP_DATABASE: Site = write("drop_database").within(Duration::from_secs(75));
pub(super) const DROP_ROLE: Site = write("drop_role");
pub(super) const CLAIM: Site = write("claim");

/// All of them, for tests that stop at each.
pub const ALL: &[Site] = &[
    CONNECT,
    CHECK_IDENTITY,
    AUDIT,
    OBSERVE,
    OBSERVE_SERVER,
    LOOK_INSIDE,
    SIZE,
    CHECK_MARK,
    PROVE_USE,
    PROVE_REFUSAL,
    CREATE_ROLE,
    CREATE_LOGIN,
    CREATE_DATABASE,
    MARK,
    ALTER_ROLE,
    ALTER_DATABASE,
    GRANT,
    REVOKE,
    GRANT_INSIDE,
    HAND_OVER_SCHEMA,
    END_SESSIONS,
    DROP_DATABASE,
    DROP_ROLE,
    CLAIM,
];
