//! Where secrets in settings come from.

use std::env;
use std::fs;

use crate::settings::{Node, Problem, Value};

/// The secrets in the value of a [`Secrets`](crate::KeyKind::Secrets) key at `path`: a text or a list of them.
///
/// Text is the secret itself; `env:NAME` takes it from an environment variable, `file:PATH` from a file (one line break at
/// its end is cut off); `literal:` stands in front of a secret that happens to begin like one of these.
///
/// # Errors
/// Every secret that cannot be had or is empty. The texts never hold a secret.
pub fn secrets(node: &Node, path: &str) -> Result<Vec<String>, Vec<Problem>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for item in items {
        match one(&item.value) {
            Ok(secret) => found.push(secret),
            Err(message) => problems.push(Problem { at: item.at, path: path.to_owned(), message }),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn one(value: &Value) -> Result<String, String> {
    let Value::Text(text) = value else { return Err(format!("expected text, found {}", value.describe())) };
    let secret = if let Some(name) = text.strip_prefix("env:") {
        env::var(name).map_err(|error| format!("the environment variable `{name}` is of no use: {error}"))?
    } else if let Some(path) = text.strip_prefix("file:") {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot read a secret from `{path}`: {error}"))?;
        let line = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
        line.to_owned()
    } else {
        text.strip_prefix("literal:").unwrap_or(text).to_owned()
    };
    if secret.is_empty() { Err("the secret is empty".to_owned()) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::Position;

    fn text(text: &str) -> Node {
        Node { value: Value::Text(text.to_owned()), at: Position::default() }
    }

    #[test]
    fn secrets_are_literal_or_from_a_file_or_the_environment() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"from file\r\n").unwrap();
        let path = format!("file:{}", file.path().display());
        let list = Value::List(vec![text("plain"), text("literal:env:x"), text(&path), text("env:CARGO_PKG_NAME")]);
        let node = Node { value: list, at: Position::default() };
        assert_eq!(secrets(&node, "x").unwrap(), ["plain", "env:x", "from file", "eventhive-transport"]);
    }

    #[test]
    fn what_cannot_be_had_is_reported_all_at_once() {
        let list = Value::List(vec![text("env:EVENTHIVE_NO_SUCH"), text("file:/no/such"), text("literal:")]);
        assert_eq!(secrets(&Node { value: list, at: Position::default() }, "x").unwrap_err().len(), 3);
    }
}
