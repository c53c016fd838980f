//! `kubectl eoffice plan`: what the operator would do, before anything happens.

mod ask;
mod question;
mod show;

use crate::client::Cluster;
use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::{Outcome, Output};
use ask::{Answer, ask};
use clap::Args;
use futures::stream::{self, StreamExt};
use question::Question;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Questions that wait for their answer at once.
const AT_ONCE: usize = 8;

/// What `plan` is asked.
#[derive(Args, Debug)]
#[group(id = "subject", required = true, multiple = false, args = ["tenant", "file"])]
pub struct Arguments {
    /// A tenant that exists: what would be done for it now
    #[arg(value_name = "TENANT")]
    tenant: Option<String>,
    /// EOfficeTenants and TenantClasses as they would be applied; - is stdin
    #[arg(short, long = "filename", value_name = "FILE")]
    file: Option<String>,
    /// What taking this class would mean for TENANT
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    class: Option<String>,
    /// How long to wait for each answer
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = crate::duration)]
    timeout: Duration,
    #[command(flatten)]
    output: Output,
}

/// Asks, shows the answers in the order of the questions, and leaves no question behind.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let questions = questions(cluster, console, arguments).await?;
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    let answers: Vec<(Question, Result<Answer>)> = stream::iter(questions)
        .map(|question| async {
            let answer = ask(cluster, &question, arguments.timeout, &stop).await;
            (question, answer)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    if arguments.output.is_json() {
        console.say_json(&as_json(&answers))?;
    } else {
        for (question, answer) in &answers {
            match answer {
                Ok(answer) => console.say(&show::answer(question, answer, console.style))?,
                Err(failure) => console.remark("error: ", &failure.to_string()),
            }
        }
    }
    Ok(outcome(&answers))
}

async fn questions(
    cluster: &Cluster,
    console: Console,
    arguments: &Arguments,
) -> Result<Vec<Question>> {
    if let Some(name) = &arguments.tenant {
        let tenant = cluster.tenant(name).await?;
        return Ok(vec![Question::existing(
            &tenant,
            arguments.class.as_deref(),
        )]);
    }
    let file = arguments.file.as_deref().unwrap_or("-");
    let documents = question::read(file)?;
    let questions = question::of_documents(cluster, console, &documents).await?;
    if questions.is_empty() {
        return Err(Failure::new(format!(
            "{file} holds neither an EOfficeTenant nor a TenantClass that a plan could be made for"
        )));
    }
    Ok(questions)
}

/// A failure weighs more than a change: what could not be asked might change anything.
fn outcome(answers: &[(Question, Result<Answer>)]) -> Outcome {
    let possible = |answer: &Result<Answer>| answer.as_ref().is_ok_and(Answer::is_possible);
    if !answers.iter().all(|(_, answer)| possible(answer)) {
        return Outcome::Wrong;
    }
    let changes =
        |answer: &Result<Answer>| answer.as_ref().is_ok_and(|answer| answer.changes() > 0);
    if answers.iter().any(|(_, answer)| changes(answer)) {
        return Outcome::WouldChange;
    }
    Outcome::Fine
}

fn as_json(answers: &[(Question, Result<Answer>)]) -> Value {
    let plans: Vec<Value> = answers
        .iter()
        .map(|(question, answer)| {
            let subject = json!({"namespace": question.namespace, "subject": question.subject});
            let told = match answer {
                Err(failure) => json!({"error": failure.to_string()}),
                Ok(answer) => json!({
                    "planned": answer.planned,
                    "changes": answer.changes(),
                    "destructive": answer.destructive(),
                    "steps": answer.status.steps,
                }),
            };
            merged(subject, told)
        })
        .collect();
    let given = || {
        answers
            .iter()
            .filter_map(|(_, answer)| answer.as_ref().ok())
    };
    json!({
        "plans": plans,
        "changes": given().map(Answer::changes).sum::<i64>(),
        "destructive": given().map(Answer::destructive).sum::<i64>(),
    })
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Some(one), Value::Object(other)) = (one.as_object_mut(), other) {
        one.extend(other);
    }
    one
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
