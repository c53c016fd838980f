//! One change on a server.

use super::credential::Verifier;
use super::ident::Ident;
use super::owner::Owner;
use crate::identity::Mark;
use crate::plan;
use jiff::Timestamp;
use std::fmt;

/// One change on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the role that owns the tenant's objects, marked.
    CreateRole {
        /// The role.
        role: Ident,
        /// Its mark.
        mark: Mark,
    },
    /// Make a login, marked, that cannot log in yet.
    CreateLogin {
        /// The login.
        login: Ident,
        /// The role it becomes a member of.
        role: Ident,
        /// Its mark.
        mark: Mark,
        /// Its verifier.
        verifier: Verifier,
        /// Connections it may hold at once.
        connection_limit: i32,
    },
    /// Make an empty database that nobody can connect to.
    CreateDatabase {
        /// The database.
        database: Ident,
    },
    /// Write the mark on the database.
    MarkDatabase {
        /// The database.
        database: Ident,
        /// The mark.
        mark: Mark,
    },
    /// Write the mark on a role.
    MarkRole {
        /// The role.
        role: Ident,
        /// The mark.
        mark: Mark,
    },
    /// Take from PUBLIC every right on the database.
    RevokePublic {
        /// The database.
        database: Ident,
    },
    /// Take every right on the database from a role that should have none.
    Revoke {
        /// The database.
        database: Ident,
        /// The role.
        from: Ident,
    },
    /// Take the right to pass rights on.
    RevokeGrantOption {
        /// The database.
        database: Ident,
        /// The role.
        from: Ident,
    },
    /// Let those who have the right connect, drop limits and template flag of the database.
    OpenDatabase {
        /// The database.
        database: Ident,
    },
    /// Give the empty database's schema `public` to the tenant's role.
    HandOverSchema {
        /// The database.
        database: Ident,
        /// The tenant's role.
        role: Ident,
    },
    /// Give the tenant's role its rights on the database.
    Grant {
        /// The database.
        database: Ident,
        /// The tenant's role.
        role: Ident,
    },
    /// Make a login a member of the tenant's role, as it should be.
    Join {
        /// The role.
        role: Ident,
        /// Who becomes a member of it.
        member: Ident,
    },
    /// Let the operator act as a role that it administers.
    Rejoin {
        /// The role.
        role: Ident,
    },
    /// End a membership.
    Leave {
        /// The role.
        role: Ident,
        /// The member.
        member: Ident,
    },
    /// Take from a role the attributes no tenant has.
    ResetAttributes {
        /// The role.
        role: Ident,
    },
    /// Limit the time for which a role can log in.
    LimitTime {
        /// The role.
        role: Ident,
        /// Until when; none: always.
        until: Option<Timestamp>,
    },
    /// Limit a login's connections.
    LimitConnections {
        /// The login.
        login: Ident,
        /// Connections it may hold at once.
        limit: i32,
    },
    /// Remove a role's own settings, everywhere or in one database.
    ResetSettings {
        /// The role.
        role: Ident,
        /// In this database only.
        database: Option<Ident>,
    },
    /// Have the login act as the tenant's role in the database, and remove its other settings there.
    ActAs {
        /// The login.
        login: Ident,
        /// The database.
        database: Ident,
        /// The tenant's role.
        role: Ident,
    },
    /// Set a login's password.
    SetPassword {
        /// The login.
        login: Ident,
        /// The password's verifier.
        verifier: Verifier,
    },
    /// Remove the password of a role that does not log in.
    RemovePassword {
        /// The role.
        role: Ident,
    },
    /// Let a login log in.
    OpenLogin {
        /// The login.
        login: Ident,
    },
    /// Let a role log in no more. Its sessions stay.
    CloseLogin {
        /// The role.
        role: Ident,
    },
    /// End all sessions of a role.
    EndSessions {
        /// The role.
        role: Ident,
    },
    /// Drop the database with everything in it.
    DropDatabase {
        /// The database.
        database: Ident,
        /// The identity it must have.
        oid: u32,
        /// Whose it must be.
        owner: Owner,
    },
    /// Drop a role.
    DropRole {
        /// The role.
        role: Ident,
        /// The identity it must have.
        oid: u32,
        /// Whose it must be.
        owner: Owner,
    },
    /// Make an auditor's login, marked and confined to reading, that cannot log in yet.
    CreateAuditor {
        /// The login.
        login: Ident,
        /// Its mark.
        mark: Mark,
        /// Its verifier.
        verifier: Verifier,
        /// Until when it can log in.
        until: Timestamp,
    },
    /// Give an auditor's login the settings of one who reads, and no other.
    Confine {
        /// The login.
        login: Ident,
    },
    /// Let an auditor connect to the database.
    Admit {
        /// The database.
        database: Ident,
        /// The login.
        login: Ident,
    },
    /// Take from an auditor, and from PUBLIC, what would let the auditor write in the database. Those whom objects
    /// belong to get what PUBLIC had.
    TakeWrites {
        /// The database.
        database: Ident,
        /// The login.
        login: Ident,
        /// Whoever objects in it belong to.
        owners: [Ident; 3],
    },
    /// Let an auditor read all there is in the database, and all that will be.
    LetRead {
        /// The database.
        database: Ident,
        /// The login.
        login: Ident,
        /// Whoever objects in it belong to.
        owners: [Ident; 3],
    },
}

impl plan::Step for Step {
    fn destructive(&self) -> bool {
        matches!(self, Self::DropDatabase { .. } | Self::DropRole { .. })
    }
}

impl Step {
    /// Whether it cannot be done, or would be unsafe, while another step that comes before it in a plan is not done.
    pub(super) fn needs(&self, other: &Self) -> bool {
        match other {
            Self::CreateRole { role: name, .. }
            | Self::CreateLogin { login: name, .. }
            | Self::CreateAuditor { login: name, .. }
            | Self::CreateDatabase { database: name } => self.names().contains(&name),
            // A role is not dropped while it owns something, and a remnant stands in the way of another.
            Self::DropDatabase { .. } => {
                matches!(self, Self::DropRole { .. } | Self::CreateDatabase { .. })
            }
            // Nobody is let in before the mark stands and PUBLIC is out, and nothing is dropped without the mark.
            Self::MarkDatabase { .. } | Self::RevokePublic { .. } => matches!(
                self,
                Self::OpenDatabase { .. } | Self::HandOverSchema { .. } | Self::DropDatabase { .. }
            ),
            Self::OpenDatabase { .. } => matches!(self, Self::HandOverSchema { .. }),
            Self::HandOverSchema { .. } => matches!(self, Self::Grant { .. }),
            // Sessions come back as long as the login is open.
            Self::CloseLogin { role } => {
                matches!(self, Self::EndSessions { role: of } if of == role)
            }
            // Nobody is let in with another's password, beyond his time, or to more than reading.
            Self::SetPassword { login, .. }
            | Self::LimitTime { role: login, .. }
            | Self::Confine { login }
            | Self::TakeWrites { login, .. } => {
                matches!(self, Self::OpenLogin { login: of } if of == login)
            }
            _ => false,
        }
    }

    /// What must exist for it, apart from what it makes.
    fn names(&self) -> Vec<&Ident> {
        match self {
            Self::CreateRole { .. } | Self::CreateDatabase { .. } | Self::CreateAuditor { .. } => {
                vec![]
            }
            Self::CreateLogin { role, .. } => vec![role],
            Self::MarkDatabase { database, .. }
            | Self::RevokePublic { database }
            | Self::OpenDatabase { database }
            | Self::DropDatabase { database, .. } => vec![database],
            Self::Revoke { database, from } | Self::RevokeGrantOption { database, from } => {
                vec![database, from]
            }
            Self::HandOverSchema { database, role } | Self::Grant { database, role } => {
                vec![database, role]
            }
            Self::Join { role, member } | Self::Leave { role, member } => vec![role, member],
            Self::ActAs {
                login,
                database,
                role,
            } => vec![login, database, role],
            Self::MarkRole { role, .. }
            | Self::Rejoin { role }
            | Self::ResetAttributes { role }
            | Self::LimitTime { role, .. }
            | Self::ResetSettings { role, .. }
            | Self::RemovePassword { role }
            | Self::CloseLogin { role }
            | Self::EndSessions { role }
            | Self::DropRole { role, .. } => vec![role],
            Self::LimitConnections { login, .. }
            | Self::SetPassword { login, .. }
            | Self::Confine { login }
            | Self::OpenLogin { login } => vec![login],
            Self::Admit { database, login }
            | Self::TakeWrites {
                database, login, ..
            }
            | Self::LetRead {
                database, login, ..
            } => vec![database, login],
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateRole { role, .. } => write!(f, "create role {role}"),
            Self::CreateLogin { login, .. } => write!(f, "create login {login}"),
            Self::CreateDatabase { database } => write!(f, "create database {database}"),
            Self::MarkDatabase { database, .. } => write!(f, "mark database {database}"),
            Self::MarkRole { role, .. } => write!(f, "mark role {role}"),
            Self::RevokePublic { database } => {
                write!(f, "revoke all rights on database {database} from PUBLIC")
            }
            Self::Revoke { database, from } => {
                write!(f, "revoke all rights on database {database} from {from}")
            }
            Self::RevokeGrantOption { database, from } => {
                write!(f, "revoke grant options on database {database} from {from}")
            }
            Self::OpenDatabase { database } => write!(f, "open database {database}"),
            Self::HandOverSchema { database, role } => {
                write!(f, "give schema public of database {database} to {role}")
            }
            Self::Grant { database, role } => {
                write!(f, "grant rights on database {database} to {role}")
            }
            Self::Join { role, member } => write!(f, "make {member} a member of {role}"),
            Self::Rejoin { role } => write!(f, "let the operator act as {role}"),
            Self::Leave { role, member } => write!(f, "end {member}'s membership of {role}"),
            Self::ResetAttributes { role } => write!(f, "reset the attributes of role {role}"),
            Self::LimitTime { role, until } => match until {
                Some(until) => write!(f, "let {role} log in until {until} only"),
                None => write!(f, "let {role} log in at any time"),
            },
            Self::LimitConnections { login, limit } => {
                write!(f, "limit {login} to {limit} connections")
            }
            Self::ResetSettings { role, database } => match database {
                Some(database) => write!(f, "reset the settings of {role} in database {database}"),
                None => write!(f, "reset the settings of {role}"),
            },
            Self::ActAs {
                login,
                database,
                role,
            } => write!(f, "have {login} act as {role} in database {database}"),
            Self::SetPassword { login, .. } => write!(f, "set the password of {login}"),
            Self::RemovePassword { role } => write!(f, "remove the password of {role}"),
            Self::OpenLogin { login } => write!(f, "let {login} log in"),
            Self::CloseLogin { role } => write!(f, "let {role} log in no more"),
            Self::EndSessions { role } => write!(f, "end the sessions of {role}"),
            Self::DropDatabase { database, oid, .. } => {
                write!(f, "drop database {database} (oid {oid})")
            }
            Self::DropRole { role, .. } => write!(f, "drop role {role}"),
            Self::CreateAuditor { login, .. } => write!(f, "create auditor's login {login}"),
            Self::Confine { login } => write!(f, "confine {login} to reading"),
            Self::Admit { database, login } => {
                write!(f, "let {login} connect to database {database}")
            }
            Self::TakeWrites {
                database, login, ..
            } => write!(
                f,
                "take from {login} all but reading in database {database}"
            ),
            Self::LetRead {
                database, login, ..
            } => write!(f, "let {login} read all of database {database}"),
        }
    }
}
