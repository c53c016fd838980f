//! Completion: scripts for a shell, and answers to kubectl's own.
//!
//! kubectl completes a plugin `eoffice` by running `kubectl_complete-eoffice` with the words so far. A link of that
//! name to this program is enough.

use crate::Outcome;
use crate::console::Console;
use crate::failure::Result;
use clap::{Args, Command};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The name under which kubectl asks.
const ASKED_AS: &str = "kubectl_complete-eoffice";
/// The program's own name, which the scripts complete.
const NAME: &str = "kubectl-eoffice";
/// The last line of an answer: no file names in place of what was offered.
const NO_FILES: &str = ":4";

/// What `completion` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Prints the script.
pub fn run(command: &mut Command, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let shell = match arguments.shell.as_str() {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, command, NAME, &mut script);
    console.say(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Fine)
}

/// Whether kubectl runs this program to complete a line.
pub fn is_asked_by_kubectl(arguments: &[OsString]) -> bool {
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    name.is_some_and(|name| name == ASKED_AS)
}

/// Answers kubectl: a candidate a line.
pub fn answer(command: &mut Command, arguments: &[OsString]) -> ExitCode {
    let words: Vec<String> = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut text = String::new();
    for candidate in candidates(command, &words) {
        text += &format!("{candidate}\n");
    }
    match Console::detect().say(&format!("{text}{NO_FILES}\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What may stand in the place of the last word: subcommands, options, or the values an option has.
fn candidates(command: &mut Command, words: &[String]) -> Vec<String> {
    command.build();
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let mut here: &Command = command;
    for word in before {
        here = here.find_subcommand(word).unwrap_or(here);
    }
    let named = |word: &str| {
        let long = word.strip_prefix("--");
        let short = word.strip_prefix('-').and_then(|word| word.chars().next());
        here.get_arguments().find(|it| {
            (long.is_some() && it.get_long() == long)
                || (short.is_some() && it.get_short() == short)
        })
    };
    let values = |argument: &clap::Arg| -> Vec<String> {
        argument
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect()
    };
    let option = before.last().and_then(|word| named(word));
    let mut offered: Vec<String> = match option.filter(|it| it.get_action().takes_values()) {
        Some(option) => values(option),
        None if last.starts_with('-') => here
            .get_arguments()
            .filter_map(|it| it.get_long().map(|long| format!("--{long}")))
            .collect(),
        None => {
            let subcommands = here.get_subcommands().map(|it| it.get_name().to_owned());
            let positionals = here.get_positionals().flat_map(values);
            subcommands.chain(positionals).collect()
        }
    };
    offered.retain(|candidate| candidate.starts_with(last));
    offered
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::Cli;
    use clap::CommandFactory;

    fn offered(words: &str) -> Vec<String> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        candidates(&mut Cli::command(), &words)
    }

    #[test]
    fn the_last_word_is_completed_in_its_place() {
        assert_eq!(offered("pl"), ["plan"]);
        assert_eq!(offered("res"), ["resume", "restore"]);
        assert_eq!(offered("class "), ["accept"]);
        assert_eq!(offered("completion "), ["bash", "zsh", "fish"]);
        assert_eq!(offered("status --prov"), ["--province"]);
        assert_eq!(offered("status -o "), ["json"]);
        assert_eq!(offered("-n province-30 dri"), ["drift"]);
        assert!(offered("status --context ").is_empty());
        assert!(offered("").contains(&"doctor".to_owned()));
    }

    #[test]
    fn every_shell_gets_a_script() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(
                script.contains("kubectl-eoffice") && script.contains("recover"),
                "{shell}"
            );
        }
    }
}
