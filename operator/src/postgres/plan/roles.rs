//! What holds for a tenant's roles.

use super::{ident, words};
use crate::identity::Mark;
use crate::plan::{Change, Difference, Problem};
use crate::postgres::desired::{Access, Desired};
use crate::postgres::ident::Ident;
use crate::postgres::observe::{Membership, Observed, Role};
use crate::postgres::step::Step;

/// Ends the access of every such role that should have none.
pub(super) fn close(
    desired: &Desired,
    observed: &Observed,
    such: impl Fn(&&Role) -> bool,
    changes: &mut Vec<Change<Step>>,
) {
    let open = |name: &Ident| *name == desired.login && desired.access == Access::Open;
    for name in [&desired.login, &desired.idle, &desired.role] {
        let Some(role) = observed.role(name).filter(&such).filter(|_| !open(name)) else {
            continue;
        };
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
    if role.administered && !role.usable {
        let step = Step::Rejoin { role: name.clone() };
        let field = format!("member {}", observed.operator);
        let before = "without inherit or set";
        change(step, words::set(object(), field, before, words::MEMBER));
    }
    if name != desired.role {
        let limit = match name == desired.login {
            true => desired.connection_limit,
            false => 0,
        };
        if role.connection_limit != limit {
            let login = name.clone();
            let before = role.connection_limit;
            let limited = words::set(object(), "connectionLimit", before, limit);
            change(Step::LimitConnections { login, limit }, limited);
        }
    }
    let before = role.fingerprint.as_deref().map(words::fingerprint);
    if name == desired.role && before.is_some() {
        let step = Step::RemovePassword { role: name.clone() };
        change(step, words::update(object(), "password", before, None));
    } else if name == desired.login && changed_password(desired, role) {
        let step = Step::SetPassword {
            login: name.clone(),
            verifier: desired.verifier.clone(),
        };
        let after = Some(words::fingerprint(&desired.verifier_fingerprint));
        change(step, words::update(object(), "password", before, after));
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
        let acts = name == desired.login && place == Some(desired.database.as_str());
        if !acts {
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

/// The fingerprint of a role with a privilege is not shown: it is compared once the privilege is gone.
fn changed_password(desired: &Desired, role: &Role) -> bool {
    let hidden = |attribute: &String| ["CREATEDB", "CREATEROLE"].contains(&attribute.as_str());
    !role.attributes.iter().any(hidden)
        && role.fingerprint.as_ref() != Some(&desired.verifier_fingerprint)
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
    // A login's membership is seen from both ends; once is enough.
    let inward = role
        .members
        .iter()
        .filter(move |m| m.member != observed.operator && !logins.contains(&m.member.as_str()));
    out.chain(inward).filter(move |m| !expected(m))
}

/// What ties the login to role and database, and, at the very end, lets it in. Settings for a database go with it.
pub(super) fn let_in(
    desired: &Desired,
    observed: &Observed,
    database_stands: bool,
    changes: &mut Vec<Change<Step>>,
) {
    let (login, role) = (&desired.login, &desired.role);
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
    if desired.access == Access::Open && !found.is_some_and(|role| role.login) {
        let step = Step::OpenLogin {
            login: login.clone(),
        };
        changes.push(Change::new(
            step,
            words::set(object(), "login", false, true),
        ));
    }
}

/// In the tenant's database the login acts as the role, and has no other setting there.
fn acts_as(desired: &Desired, object: String, settings: &[String]) -> Option<Difference> {
    let acts = format!("role={}", desired.role.as_str());
    let missing = !settings.contains(&acts);
    let wrong = || settings.iter().map(String::as_str).filter(|s| *s != acts);
    if !missing && wrong().next().is_none() {
        return None;
    }
    let names = words::setting_names(wrong().chain(missing.then_some("role")));
    let field = field_of_settings(&names, Some(desired.database.as_str()));
    let before = words::setting_values(wrong());
    Some(words::update(
        object,
        field,
        before,
        missing.then_some(acts),
    ))
}

fn field_of_settings(names: &str, database: Option<&str>) -> String {
    match database {
        Some(database) => format!("setting {names} in {database}"),
        None => format!("setting {names}"),
    }
}
