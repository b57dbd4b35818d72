//! What the program prints: answers on standard output as text or JSON, everything else on standard error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use eventhive::config::Report;
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
        // JSON may have characters such as U+009B, which some terminals obey; escaped it means the same.
        let answer = if self.json { visible(&json().to_string()).into_owned() } else { text() };
        line(&answer)
    }

    /// Says why there is no answer, and gives the exit code.
    pub(crate) fn fail(self, failure: &Failure) -> Exit {
        if self.json {
            // Programs have the problems one by one.
            let has_problems = failure.keys.iter().any(|(key, _)| *key == "problems");
            let short = failure.message.lines().next().filter(|_| has_problems);
            let error = short.unwrap_or(&failure.message);
            let mut answer = json!({ "error": error, "problems": null, "exit": failure.exit as u8 });
            failure.keys.iter().for_each(|(key, value)| answer[*key] = value.clone());
            // With nowhere to print to, the exit code still tells.
            let _ = line(&visible(&answer.to_string()));
        }
        let _ = writeln!(io::stderr().lock(), "{} {}", red("error:"), lines_visible(&failure.message));
        failure.exit
    }

    /// Tells people something beside the answer.
    pub(crate) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", lines_visible(text));
    }

    /// Tells people what is doubtful in a configuration.
    pub(crate) fn warn(self, doubts: &Report) {
        if !doubts.is_empty() {
            self.note(&warnings(doubts));
        }
    }
}

/// Doubts as text. The source lines that they show are indented.
pub(crate) fn warnings(doubts: &Report) -> String {
    let prefixed = |line: &str| if line.starts_with(' ') { line.to_owned() } else { format!("warning: {line}") };
    doubts.to_string().lines().map(prefixed).collect::<Vec<_>>().join("\n")
}

/// A text of strangers, such as an event's name, with everything escaped as in JSON that a terminal would obey: control
/// characters, and those that turn the direction of writing.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 5);
    for c in text.chars() {
        if is_obeyed(c) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
}

/// As [`visible`], of a text of several lines.
fn lines_visible(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(visible("hive/w/ä 🐝"), "hive/w/ä 🐝");
        assert_eq!(visible("a\u{1b}]0;x\u{7}b\u{9b}2J\u{202e}\r\n"), r"a\u001b]0;x\u0007b\u009b2J\u202e\u000d\u000a");
        assert_eq!(lines_visible("one\ntwo\u{7f}"), "one\ntwo\\u007f");
    }
}
