//! The terminal, or whatever stands in its place.

use crate::failure::{Failure, Result};
use crate::table::{Style, WIDTH, wrap};
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdin, stdout};

/// Narrower than this nothing can be read.
const LEAST_WIDTH: usize = 40;

/// Where results go (stdout) and remarks (stderr).
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// How results are written.
    pub style: Style,
}

impl Console {
    /// Colours only on a terminal that wants them; 80 columns unless COLUMNS says otherwise.
    pub fn detect() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        Self {
            style: Style {
                width: width
                    .filter(|&columns| columns >= LEAST_WIDTH)
                    .unwrap_or(WIDTH),
                colours: stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            },
        }
    }

    /// Writes a result. Whoever has stopped reading (`| head`) is not told that as a failure.
    pub fn say(self, text: &str) -> Result<()> {
        let mut out = stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "the result cannot be written: {error}"
            ))),
            _ => Ok(()),
        }
    }

    /// Writes a sentence.
    pub fn tell(self, sentence: &str) -> Result<()> {
        self.say(&wrap("", sentence, self.style))
    }

    /// Writes a result as JSON.
    pub fn say_json(self, value: &Value) -> Result<()> {
        self.say(&format!("{value:#}\n"))
    }

    /// Asks a person, on stderr, and reads a line of stdin. None where nobody answers.
    pub fn ask(self, question: &str) -> Result<Option<String>> {
        let style = Style {
            colours: false,
            ..self.style
        };
        let question = wrap("", question, style);
        let _ = stderr().write_all(format!("{} ", question.trim_end()).as_bytes());
        let mut line = String::new();
        let read = stdin().read_line(&mut line).map_err(|error| {
            Failure::new(format!("the answer cannot be read from stdin: {error}"))
        })?;
        // A terminal shows the line that was typed, with its end.
        if read == 0 || !stdin().is_terminal() {
            let _ = stderr().write_all(b"\n");
        }
        Ok((read > 0).then(|| line.trim().to_owned()))
    }

    /// A remark, on stderr; where that cannot be written, there is nobody to tell.
    pub fn remark(self, head: &str, prose: &str) {
        let style = Style {
            colours: false,
            ..self.style
        };
        let _ = stderr().write_all(wrap(head, prose, style).as_bytes());
    }
}
