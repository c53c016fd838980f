//! `kubectl eoffice doctor`: what of the platform is missing or wrong, each with its remedy.

mod backends;
mod classes;
mod definitions;
mod fleet;
mod operator;
mod policies;
mod rights;

use crate::Outcome;
use crate::client::Cluster;
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::table::{Paint, Style, count, wrap};
use clap::Args;
use std::fmt;
use std::str::FromStr;
use unicode_width::UnicodeWidthStr;

/// What `doctor` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Where the operator is
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        default_value = "eoffice-system/eoffice-operator"
    )]
    operator: Operator,
}

/// Where the operator is: where its lease is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Namespace of its lease.
    pub namespace: String,
    /// Name of its lease.
    pub name: String,
}

impl FromStr for Operator {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(Self {
                namespace: namespace.into(),
                name: name.into(),
            }),
            _ => Err("give namespace and name, such as eoffice-system/eoffice-operator".into()),
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    /// As it should be.
    Fine,
    /// Worth knowing, and nothing is wrong.
    Note,
    /// It could not be looked at.
    Unknown,
    /// Missing or wrong.
    Wrong,
}

impl Grade {
    const fn shown(self) -> (&'static str, Paint) {
        match self {
            Self::Fine => ("ok", Paint::Good),
            Self::Note => ("note", Paint::Dim),
            Self::Unknown => ("?", Paint::Warn),
            Self::Wrong => ("WRONG", Paint::Bad),
        }
    }
}

/// What was found, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    grade: Grade,
    what: String,
    remedy: Option<String>,
}

impl Finding {
    fn fine(what: impl fmt::Display) -> Self {
        Self {
            grade: Grade::Fine,
            what: what.to_string(),
            remedy: None,
        }
    }

    fn wrong(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self {
            grade: Grade::Wrong,
            what: what.to_string(),
            remedy: Some(remedy.to_string()),
        }
    }

    fn note(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self {
            grade: Grade::Note,
            ..Self::wrong(what, remedy)
        }
    }

    /// What could not be looked at may be wrong: whoever has the rights should look.
    fn unknown(failure: &Failure) -> Self {
        let remedy = match failure.kind {
            Kind::Forbidden => "have somebody run doctor who may, such as a platform admin",
            Kind::NotFound => "install what serves it, then run doctor again",
            Kind::Conflict | Kind::Passing | Kind::Final => {
                "see whether the API server is well, then run doctor again"
            }
        };
        Self {
            grade: Grade::Unknown,
            ..Self::wrong(format!("not looked at: {failure}"), remedy)
        }
    }
}

/// What a check found, or why it could not look.
type Findings = Vec<Finding>;

/// Findings, or the one that nothing could be found out.
fn or_unknown(found: Result<Findings>) -> Findings {
    found.unwrap_or_else(|failure| vec![Finding::unknown(&failure)])
}

/// Looks at everything, and says what was found area by area.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    // Without an API server there is nothing to say of anything.
    let clock = operator::Clock::read(cluster).await?;
    let operator = &arguments.operator;
    let (definitions, policies, operators, backends, classes, fleet, rights) = tokio::join!(
        definitions::check(cluster),
        policies::check(cluster),
        operator::check(cluster, operator, clock),
        backends::check(cluster),
        classes::check(cluster),
        fleet::check(cluster),
        rights::check(cluster, operator),
    );
    let areas = [
        ("definitions", or_unknown(definitions)),
        ("admission", or_unknown(policies)),
        ("operator", operators),
        ("backends", or_unknown(backends)),
        ("classes", or_unknown(classes)),
        ("fleet", fleet),
        ("rights", rights),
    ];
    console.say(&report(&areas, console.style))?;
    let well = areas
        .iter()
        .flat_map(|(_, findings)| findings)
        .all(|it| it.grade <= Grade::Note);
    Ok(if well { Outcome::Fine } else { Outcome::Wrong })
}

fn report(areas: &[(&str, Findings)], style: Style) -> String {
    let mut text = String::new();
    for (area, findings) in areas {
        for finding in findings {
            let (word, paint) = finding.grade.shown();
            let plain = format!("{word:<5}  {area:<11}  ");
            let indent = " ".repeat(plain.width());
            let entry = wrap(&plain, &finding.what, style);
            let rest = entry.strip_prefix(word).unwrap_or_default();
            text += &style.paint(paint, word);
            text += rest;
            if let Some(remedy) = &finding.remedy {
                text += &wrap(&format!("{indent}-> "), remedy, style);
            }
        }
    }
    let number = |grade| {
        let findings = areas.iter().flat_map(|(_, findings)| findings);
        findings.filter(|it| it.grade == grade).count()
    };
    let wrong = match number(Grade::Wrong) {
        0 => "Nothing is wrong".into(),
        number => format!("{} wrong", count(number, "thing")),
    };
    let unknown = match number(Grade::Unknown) {
        0 => String::new(),
        number => format!(", {number} could not be looked at"),
    };
    text + &format!("{wrong}{unknown}.\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
