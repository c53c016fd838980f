//! What holds for a tenant's roles.

use super::auditors::audits;
use super::{ident, words};
use crate::identity::Mark;
use crate::plan::{Change, Difference, Problem};
use crate::postgres::auditor::AUDITOR_SESSIONS;
use crate::postgres::credential::Verifier;
use crate::postgres::desired::{Access, Desired};
use crate::postgres::ident::Ident;
use crate::postgres::observe::{Membership, Observed, Role};
use crate::postgres::step::Step;
use jiff::Timestamp;

/// Ends the access of every such role that should have none.
pub(super) fn close(
    desired: &Desired,
    observed: &Observed,
    such: impl Fn(&&Role) -> bool,
    changes: &mut Vec<Change<Step>>,
) {
    let open = |name: &Ident| desired.serves(name) && desired.access == Access::Open;
    for name in [&desired.login, &desired.idle, &desired.role] {
        if let Some(role) = observed.role(name).filter(&such).filter(|_| !open(name)) {
            shut(role, name, changes);
        }
    }
}

/// Ends the access of one.
pub(super) fn shut(role: &Role, name: &Ident, changes: &mut Vec<Change<Step>>) {
    let object = || words::role(&role.name);
    if role.login {
        let step = Step::CloseLogin { role: name.clone() };
        let closed = words::set(object(), "login", true, false).destructive();
        changes.push(Change::new(step, closed));
    }
    if role.login || role.sessions > 0 {
        let step = Step::EndSessions { role: name.clone() };
        // Not their number, which is another at each look.
        let ended = Difference::update(object(), "sessions").before("open");
        changes.push(Change::new(step, ended.destructive()));
    }
}

/// Makes those that are missing.
pub(super) fn create(
    desired: &Desired,
    observed: &Observed,
    mark: &Mark,
    changes: &mut Vec<Change<Step>>,
) {
    let (role, limit) = (&desired.role, desired.connection_limit);
    if observed.role(role).is_none() {
        let step = Step::CreateRole {
            role: role.clone(),
            mark: mark.clone(),
        };
        let made = Difference::create(words::role(role.as_str())).after("cannot log in");
        changes.push(Change::new(step, made));
    }
    if observed.role(&desired.login).is_none() {
        let step = Step::CreateLogin {
            login: desired.login.clone(),
            role: role.clone(),
            mark: mark.clone(),
            verifier: desired.verifier.clone(),
            connection_limit: limit,
        };
        let made = Difference::create(words::role(desired.login.as_str())).after(format!(
            "member of {}, connectionLimit {limit}",
            role.as_str()
        ));
        changes.push(Change::new(step, made));
    }
}

/// What holds for every role of the tenant.
pub(super) fn repair(
    desired: &Desired,
    observed: &Observed,
    role: &Role,
    mark: &Mark,
    changes: &mut Vec<Change<Step>>,
) -> Result<(), Problem> {
    let name = ident(&role.name)?;
    let object = || words::role(&role.name);
    let mut change = |step, difference| changes.push(Change::new(step, difference));
    if role.mark().as_ref() != Some(mark) {
        let step = Step::MarkRole {
            role: name.clone(),
            mark: mark.clone(),
        };
        let before = role.comment.as_deref().map(words::text);
        let after = Some(mark.to_comment());
        change(step, words::update(object(), "mark", before, after));
    }
    if !role.attributes.is_empty() {
        let step = Step::ResetAttributes { role: name.clone() };
        let odd = Difference::update(object(), "attributes").before(role.attributes.join(", "));
        change(step, odd);
    }
    if let Some((until, wrong)) = time(desired, role, &name) {
        let role = name.clone();
        change(Step::LimitTime { role, until }, wrong);
    }
    if role.administered && !role.usable {
        let step = Step::Rejoin { role: name.clone() };
        let field = format!("member {}", observed.operator);
        let before = "without inherit or set";
        change(step, words::set(object(), field, before, words::MEMBER));
    }
    if name != desired.role {
        let limit = match desired.auditor(&role.name) {
            Some(_) => AUDITOR_SESSIONS,
            None if desired.serves(&name) => desired.connection_limit,
            None => 0,
        };
        if role.connection_limit != limit {
            let login = name.clone();
            let before = role.connection_limit;
            let limited = words::set(object(), "connectionLimit", before, limit);
            change(Step::LimitConnections { login, limit }, limited);
        }
    }
    let before = || role.fingerprint.as_deref().map(words::fingerprint);
    if name == desired.role && role.fingerprint.is_some() {
        let step = Step::RemovePassword { role: name.clone() };
        change(step, words::update(object(), "password", before(), None));
    }
    let password = password(desired, &name).filter(|(_, wanted)| changed_password(wanted, role));
    if let Some((verifier, wanted)) = password {
        let step = Step::SetPassword {
            login: name.clone(),
            verifier: verifier.clone(),
        };
        let after = Some(words::fingerprint(wanted));
        change(step, words::update(object(), "password", before(), after));
    }
    for extra in extras(desired, observed, role) {
        // Another's grant is beyond the operator's rights.
        if extra.grantor == observed.operator {
            let step = Step::Leave {
                role: ident(&extra.role)?,
                member: ident(&extra.member)?,
            };
            change(step, words::left(role, extra));
        }
    }
    for setting in &role.settings {
        let place = setting.database.as_deref();
        let own = match desired.auditor(&role.name) {
            Some(_) => place.is_none(),
            None => desired.serves(&name) && place == Some(desired.database.as_str()),
        };
        if !own {
            let step = Step::ResetSettings {
                role: name.clone(),
                database: place.map(ident).transpose()?,
            };
            let values = || setting.values.iter().map(String::as_str);
            let field = field_of_settings(&words::setting_names(values()), place);
            let before = words::setting_values(values());
            change(step, words::update(object(), field, before, None));
        }
    }
    Ok(())
}

/// Until when the role should be able to log in, where it is another time: an auditor until his time, the tenant's own
/// always. What an auditor has who is not wanted any more gives him nothing.
fn time(desired: &Desired, role: &Role, name: &Ident) -> Option<(Option<Timestamp>, Difference)> {
    let until = desired.auditor(&role.name).map(|auditor| auditor.until);
    let own = [&desired.role, &desired.login, &desired.idle].contains(&name);
    let found = role.valid_until.as_ref();
    let right = match until {
        Some(until) => found.and_then(|found| found.parse().ok()) == Some(until),
        None => !own || found.is_none(),
    };
    let after = || until.map(|until| until.to_string());
    let wrong = || {
        words::update(
            words::role(&role.name),
            "validUntil",
            found.cloned(),
            after(),
        )
    };
    (!right).then(|| (until, wrong()))
}

/// The verifier that a login should have, with its fingerprint, where that is known.
fn password<'a>(desired: &'a Desired, name: &Ident) -> Option<(&'a Verifier, &'a String)> {
    if *name == desired.login {
        return Some((&desired.verifier, &desired.verifier_fingerprint));
    }
    let auditor = desired.auditor(name.as_str())?;
    Some((&auditor.verifier, &auditor.verifier_fingerprint))
}

/// The fingerprint of a role with a privilege is not shown: it is compared once the privilege is gone.
fn changed_password(wanted: &String, role: &Role) -> bool {
    let hidden = |attribute: &String| ["CREATEDB", "CREATEROLE"].contains(&attribute.as_str());
    !role.attributes.iter().any(hidden) && role.fingerprint.as_ref() != Some(wanted)
}

/// Memberships that should not be: of a tenant's role in others, and of others in it.
pub(super) fn extras<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    role: &'a Role,
) -> impl Iterator<Item = &'a Membership> {
    let logins = [desired.login.as_str(), desired.idle.as_str()];
    let expected = move |membership: &Membership| {
        membership.role == desired.role.as_str()
            && logins.contains(&membership.member.as_str())
            && membership.grantor == observed.operator
    };
    let out = role.memberships.iter();
    // A membership of the tenant's own is seen from both ends; once is enough.
    let own = move |member: &str| {
        logins.contains(&member) || audits(desired, observed).any(|role| role.name == member)
    };
    let inward =
        (role.members.iter()).filter(move |m| m.member != observed.operator && !own(&m.member));
    out.chain(inward).filter(move |m| !expected(m))
}

/// What ties logins to role and database, and, at the very end, lets the current one in. The other is let in no more
/// once it was shut out.
pub(super) fn let_in(
    desired: &Desired,
    observed: &Observed,
    database_stands: bool,
    changes: &mut Vec<Change<Step>>,
) {
    let login = &desired.login;
    if desired.serves(&desired.idle) && observed.role(&desired.idle).is_some() {
        tie(desired, observed, &desired.idle, database_stands, changes);
    }
    tie(desired, observed, login, database_stands, changes);
    if desired.access == Access::Open && !observed.role(login).is_some_and(|role| role.login) {
        let step = Step::OpenLogin {
            login: login.clone(),
        };
        let opened = words::set(words::role(login.as_str()), "login", false, true);
        changes.push(Change::new(step, opened));
    }
}

/// Settings for a database go with it.
fn tie(
    desired: &Desired,
    observed: &Observed,
    login: &Ident,
    database_stands: bool,
    changes: &mut Vec<Change<Step>>,
) {
    let role = &desired.role;
    let object = || words::role(login.as_str());
    let found = observed.role(login);
    // A login that is still to be made is made a member in the same transaction.
    if let Some(found) = found {
        let joined = (found.memberships.iter())
            .find(|m| m.role == role.as_str() && m.grantor == observed.operator)
            .map(words::membership);
        if joined != Some(words::MEMBER) {
            let step = Step::Join {
                role: role.clone(),
                member: login.clone(),
            };
            let field = format!("member of {}", role.as_str());
            let (before, after) = (joined.map(str::to_owned), words::MEMBER.to_owned());
            changes.push(Change::new(
                step,
                words::update(object(), field, before, Some(after)),
            ));
        }
    }
    let settings = found.filter(|_| database_stands).map_or(&[][..], |role| {
        let here = |place: &Option<String>| place.as_deref() == Some(desired.database.as_str());
        (role.settings.iter().find(|setting| here(&setting.database)))
            .map_or(&[], |setting| &setting.values)
    });
    if let Some(acts) = acts_as(desired, object(), settings) {
        let step = Step::ActAs {
            login: login.clone(),
            database: desired.database.clone(),
            role: role.clone(),
        };
        changes.push(Change::new(step, acts));
    }
}

/// In the tenant's database the login acts as the role, and has no other setting there.
fn acts_as(desired: &Desired, object: String, settings: &[String]) -> Option<Difference> {
    let acts = [format!("role={}", desired.role.as_str())];
    exactly(&acts, settings, object, Some(desired.database.as_str()))
}

/// The settings at a place are these, and no other.
pub(super) fn exactly(
    wanted: &[String],
    found: &[String],
    object: String,
    place: Option<&str>,
) -> Option<Difference> {
    let without = |some: &[String], others: &[String]| {
        let mut left = some.to_vec();
        left.retain(|setting| !others.contains(setting));
        left
    };
    let (missing, wrong) = (without(wanted, found), without(found, wanted));
    if missing.is_empty() && wrong.is_empty() {
        return None;
    }
    let texts = |settings: &[String]| words::setting_values(settings.iter().map(String::as_str));
    let names = words::setting_names(wrong.iter().chain(&missing).map(String::as_str));
    let field = field_of_settings(&names, place);
    Some(words::update(object, field, texts(&wrong), texts(&missing)))
}

fn field_of_settings(names: &str, database: Option<&str>) -> String {
    match database {
        Some(database) => format!("setting {names} in {database}"),
        None => format!("setting {names}"),
    }
}
