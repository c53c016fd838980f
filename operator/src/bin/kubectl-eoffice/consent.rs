//! A person's word before something is done that closes, opens or destroys.

use crate::console::Console;
use crate::failure::{Failure, Result};
use clap::Args;

/// Whether a person is asked first.
#[derive(Args, Clone, Copy, Debug)]
pub struct Consent {
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
}

impl Consent {
    /// Goes on only with a yes.
    pub fn ask(self, console: Console, question: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        match console.ask(&format!("{question} [y/N]"))?.as_deref() {
            Some("y" | "Y" | "yes" | "Yes" | "YES") => Ok(()),
            Some(_) => Err(Failure::new("nothing was done")),
            None => Err(Failure::new(
                "nothing was done: nobody answered on stdin, and --yes was not given",
            )),
        }
    }
}

/// The name of what is destroyed, which a person types: a yes is given too easily.
#[derive(Args, Clone, Debug)]
pub struct Typed {
    /// The tenant's name once more, instead of being asked for it
    #[arg(long, value_name = "TENANT")]
    pub confirm: Option<String>,
}

impl Typed {
    /// Goes on only with this very name.
    pub fn ask(&self, console: Console, name: &str) -> Result<()> {
        let typed = match &self.confirm {
            Some(typed) => Some(typed.clone()),
            None => console.ask("Type the tenant's name to go on:")?,
        };
        match typed {
            Some(typed) if typed == name => Ok(()),
            Some(typed) => Err(Failure::new(format!(
                "nothing was done: {typed:?} is not {name}"
            ))),
            None => Err(Failure::new(
                "nothing was done: nobody answered on stdin, and --confirm was not given",
            )),
        }
    }
}
