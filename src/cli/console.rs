//! What the program prints: answers on standard output as text or JSON, everything else on standard error.

use std::io::{self, Write as _};

use owo_colors::{OwoColorize as _, Stream};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};

/// Where answers go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    pub(crate) json: bool,
}

impl Console {
    /// Prints an answer in the form that was asked for.
    pub(crate) fn answer(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Result<(), Failure> {
        let answer = if self.json { json().to_string() } else { text() };
        line(&answer)
    }

    /// Says why there is no answer, and gives the exit code.
    pub(crate) fn fail(self, failure: &Failure) -> Exit {
        if self.json {
            let answer = json!({ "error": failure.message, "problems": failure.details, "exit": failure.exit as u8 });
            // With nowhere to print to, the exit code still tells.
            let _ = line(&answer.to_string());
        }
        self.note(&format!("{} {}", red("error:"), failure.message));
        failure.exit
    }

    /// Tells people something beside the answer.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// One line on standard output, at once.
///
/// A reader that has gone (`hive-cli listen | head -1`) is no failure: the program has done what was wanted.
fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(Exit::Ok as i32),
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))),
    }
}

/// Red and bold on a terminal that has colours, unless `NO_COLOR` is set.
fn red(text: &str) -> String {
    text.if_supports_color(Stream::Stderr, |text| text.style(owo_colors::Style::new().red().bold())).to_string()
}

/// Bold on a terminal, for headings of answers.
pub(crate) fn bold(text: &str) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.bold()).to_string()
}
