//! What is wrong with a configuration, for people and for programs.

use std::fmt;
use std::sync::Arc;

use eventhive_transport::settings::{Position, Problem};
use serde_json::json;
use zeroize::Zeroizing;

use super::mask::{Shown, mask};

/// The texts that were read, so that a message can show the line it is about.
#[derive(Clone, Default)]
pub(super) struct Documents(Vec<Arc<Document>>);

struct Document {
    name: String,
    text: Zeroizing<String>,
    shown: Vec<Shown>,
}

impl Documents {
    /// Notes a text and gives its number.
    pub(super) fn add(&mut self, name: impl Into<String>, text: &str) -> u32 {
        let shown = mask(text);
        self.0.push(Arc::new(Document { name: name.into(), text: Zeroizing::new(text.to_owned()), shown }));
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// What they are called.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|document| document.name.as_str())
    }

    /// The document of a position; none if it stands in no file.
    fn of(&self, at: Position) -> Option<&Document> {
        if at.line == 0 { None } else { self.0.get(usize::try_from(at.document).ok()?).map(|document| &**document) }
    }
}

/// Problems together with the texts they stand in.
///
/// `Display` gives, for each, a line `file:line:column: key.path: what is wrong and the fix`, then the source line with
/// a caret; secrets on that line are hidden. [`to_json`](Self::to_json) gives the same for programs.
#[derive(Clone, Default)]
pub struct Report {
    problems: Vec<Problem>,
    documents: Documents,
}

impl Report {
    pub(super) fn new(mut problems: Vec<Problem>, documents: Documents) -> Self {
        problems.sort_by_key(|problem| (problem.at.line == 0, problem.at));
        problems.dedup();
        Self { problems, documents }
    }

    /// The problems, in the order of the files' lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Each problem as an object with `file`, `line`, `column` (null if it stands in no file), `path` and `message`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let object = |problem: &Problem| {
            let document = self.documents.of(problem.at);
            json!({
                "file": document.map(|document| &document.name),
                "line": document.map(|_| problem.at.line),
                "column": document.map(|_| problem.at.column),
                "path": problem.path,
                "message": problem.message,
            })
        };
        self.problems.iter().map(object).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            match self.documents.of(problem.at) {
                Some(document) => document.show(f, problem)?,
                None => write!(f, "{problem}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.problems).finish()
    }
}

impl Document {
    fn show(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let Position { line, column, .. } = problem.at;
        write!(f, "{}:{line}:{column}: {problem}", self.name)?;
        let index = usize::try_from(line - 1).unwrap_or(usize::MAX);
        let Some(source) = self.text.lines().nth(index) else { return Ok(()) };
        let shown = self.shown.get(index).copied().flatten();
        // Tabs become one space each, so that the caret stands right.
        let visible: String = source.chars().take(shown.unwrap_or(usize::MAX)).map(printable).collect();
        let hidden = if shown.is_some() { "***" } else { "" };
        let start = usize::try_from(column - 1).unwrap_or(usize::MAX);
        let (visible, hidden, start) = window(&visible, hidden, start);
        write!(f, "\n{line:>5} | {visible}{hidden}")?;
        let length = token_length(&visible, start);
        if start <= visible.chars().count() {
            write!(f, "\n      | {:start$}{}", "", "^".repeat(length))?;
        }
        Ok(())
    }
}

/// The most characters of a line that are shown: a screen's width or two.
const WIDEST: usize = 160;

/// Of a line that is too long the part around the column, with what is behind it and the column in the part.
fn window<'a>(line: &str, hidden: &'a str, start: usize) -> (String, &'a str, usize) {
    let length = line.chars().count();
    if length <= WIDEST {
        return (line.to_owned(), hidden, start);
    }
    let from = start.saturating_sub(WIDEST / 2).min(length - WIDEST);
    let part: String = line.chars().skip(from).take(WIDEST).collect();
    let before = if from > 0 { "..." } else { "" };
    let behind = if from + WIDEST < length { "..." } else { hidden };
    (format!("{before}{part}"), behind, start - from + before.len())
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// How many characters the word or quoted text at `start` has, at least one.
fn token_length(line: &str, start: usize) -> usize {
    let mut rest = line.chars().skip(start);
    let more = match rest.next() {
        Some(quote @ ('"' | '\'')) => rest.take_while(|c| *c != quote).count() + 1,
        Some(_) => rest.take_while(|c| !c.is_whitespace() && !matches!(c, ':' | ',' | '}' | ']')).count(),
        None => 0,
    };
    (more + 1).min(line.chars().count().saturating_sub(start).max(1))
}

/// A configuration that cannot be used. `Display` shows every problem; see [`Report`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(Report);

impl ConfigError {
    pub(super) const fn new(report: Report) -> Self {
        Self(report)
    }

    /// All that is wrong.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.0
    }
}
