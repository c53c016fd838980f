//! A plan for a person to read.

use super::ask::Answer;
use super::question::Question;
use crate::table::{Paint, Style, count, cut, harmless, wrap};
use eoffice_crds::{Action, PlannedStep};
use unicode_width::UnicodeWidthStr;

/// Where the second line of a step begins.
const INDENT: usize = 8;
/// Between the value that is there and the one that would be.
const ARROW: &str = " -> ";

/// The steps in order, under a line that sums them up.
pub fn answer(question: &Question, answer: &Answer, style: Style) -> String {
    let Question {
        subject, namespace, ..
    } = question;
    let head = format!("{subject} in {namespace}: {}", verdict(answer));
    let mut text = wrap("", &head, style);
    if let Some(planned) = answer.planned.as_ref().filter(|_| !answer.is_possible()) {
        text += &wrap(
            "  ",
            &format!("{}: {}", planned.reason, planned.message),
            style,
        );
    }
    let mut tenant = "";
    let several = answer
        .status
        .steps
        .iter()
        .any(|step| step.tenant != question.name);
    for (at, step) in answer.status.steps.iter().enumerate() {
        if several && step.tenant != tenant {
            tenant = &step.tenant;
            text += &format!(
                "  {}\n",
                style.paint(Paint::Bold, &cut(tenant, style.width.saturating_sub(2)))
            );
        }
        text += &self::step(at + 1, step, style);
    }
    let shown = i64::try_from(answer.status.steps.len()).unwrap_or(i64::MAX);
    if answer.changes() > shown {
        text += &format!("  and {} more\n", answer.changes() - shown);
    }
    text
}

fn verdict(answer: &Answer) -> String {
    let number = |number: i64| usize::try_from(number).unwrap_or_default();
    let (changes, destructive) = (number(answer.changes()), number(answer.destructive()));
    if !answer.is_possible() && changes == 0 {
        return "it cannot be carried out".into();
    }
    if changes == 0 {
        return "nothing would change".into();
    }
    let changes = count(changes, "change");
    match destructive {
        0 => format!("{changes}, none of them destructive"),
        // What can destroy data or close access is to be read before all else.
        destructive => format!("{changes}, {destructive} of them DESTRUCTIVE (!)"),
    }
}

/// `  3 ~!Database     role eo_ab_a  connectionLimit`, and below it what there is and what would be.
fn step(number: usize, step: &PlannedStep, style: Style) -> String {
    let (sign, paint) = match step.action {
        Action::Create => ("+", Paint::Good),
        Action::Update => ("~", Paint::Warn),
        Action::Delete => ("-", Paint::Bad),
    };
    let mark = if step.destructive { "!" } else { " " };
    let paint = if step.destructive { Paint::Bad } else { paint };
    let what = harmless(&format!("{} {}", step.object, step.field));
    let what = format!("{:<11}  {}", step.plane.as_str(), what.trim_end());
    let mut text = format!(
        "{number:>4} {}{} {}\n",
        style.paint(paint, sign),
        style.paint(paint, mark),
        cut(&what, style.width.saturating_sub(INDENT))
    );
    if let Some(values) = values(step, style) {
        text += &format!("{:INDENT$}{:13}{values}\n", "", "");
    }
    if let Some(withheld) = &step.withheld {
        text += &wrap(
            &format!("{:INDENT$}{:13}", "", ""),
            &format!("not done: {withheld}"),
            style,
        );
    }
    text
}

/// `20 -> 40`, each side cut to its half where both do not fit.
fn values(step: &PlannedStep, style: Style) -> Option<String> {
    let room = style.width.saturating_sub(INDENT + 13);
    let (before, after) = (
        step.before.as_deref().map(harmless),
        step.after.as_deref().map(harmless),
    );
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) => Some(cut(&after, room)),
        (Some(before), None) => Some(cut(&format!("{before}{ARROW}nothing"), room)),
        (Some(before), Some(after)) => {
            let both = room.saturating_sub(ARROW.width());
            let half = both / 2;
            let left = before
                .width()
                .min(both.saturating_sub(after.width()).max(half));
            let before = cut(&before, left);
            let after = cut(&after, both.saturating_sub(before.width()));
            Some(format!("{before}{ARROW}{after}"))
        }
    }
}
