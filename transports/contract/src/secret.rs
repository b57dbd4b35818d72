//! Where secrets in settings come from.

use std::env;
use std::fs;

use zeroize::Zeroizing;

use crate::settings::{Node, Problem, Value};

/// The secrets in the value of a [`Secrets`](crate::KeyKind::Secrets) key at `path`: a text or a list of them.
///
/// Text is the secret itself; `env:NAME` takes it from an environment variable, `file:PATH` from a file (one line break at
/// its end is cut off; a relative path is of the working directory); `literal:` stands in front of a secret that happens
/// to begin like one of these.
///
/// # Errors
/// Every secret that cannot be had or is empty, and a list without any. The texts never hold a secret.
pub fn secrets(node: &Node, path: &str) -> Result<Vec<Zeroizing<String>>, Vec<Problem>> {
    let items = match &node.value {
        Value::List(items) if !items.is_empty() => items.as_slice(),
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

fn one(value: &Value) -> Result<Zeroizing<String>, String> {
    let text = match value {
        Value::Text(text) => text,
        Value::Null => return Err("the secret is missing: write it, or remove the key".to_owned()),
        Value::List(_) => return Err("a list of secrets must not be empty or nested".to_owned()),
        Value::Map(_) => return Err("expected text or a list of texts, found a mapping".to_owned()),
        other => return Err(format!("expected text, found {}: put it in quotes", other.describe())),
    };
    let secret = if let Some(name) = text.strip_prefix("env:") {
        from_env(name)?
    } else if let Some(path) = text.strip_prefix("file:") {
        from_file(path)?
    } else {
        Zeroizing::new(text.strip_prefix("literal:").unwrap_or(text).to_owned())
    };
    if secret.is_empty() { Err("the secret is empty".to_owned()) } else { Ok(secret) }
}

fn from_env(name: &str) -> Result<Zeroizing<String>, String> {
    // The error of a variable that is no UTF-8 would show what is in it.
    match env::var(name) {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(env::VarError::NotPresent) => Err(format!("the environment variable `{name}` is not set: set it")),
        Err(env::VarError::NotUnicode(_)) => Err(format!("the environment variable `{name}` is not UTF-8")),
    }
}

fn from_file(path: &str) -> Result<Zeroizing<String>, String> {
    let text = fs::read_to_string(path).map_err(|error| {
        let looked_at = std::path::absolute(path).unwrap_or_else(|_| path.into());
        format!("cannot read the secret from `{}`: {error}", looked_at.display())
    })?;
    let text = Zeroizing::new(text);
    let line = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Zeroizing::new(line.to_owned()))
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
        let found = secrets(&node, "x").unwrap();
        let texts: Vec<&str> = found.iter().map(|secret| secret.as_str()).collect();
        assert_eq!(texts, ["plain", "env:x", "from file", "eventhive-transport"]);
    }

    #[test]
    fn what_cannot_be_had_is_reported_all_at_once() {
        let list = Value::List(vec![text("env:EVENTHIVE_NO_SUCH"), text("file:/no/such"), text("literal:")]);
        assert_eq!(secrets(&Node { value: list, at: Position::default() }, "x").unwrap_err().len(), 3);
    }
}
