//! Secrets, from where they are kept to where they are used.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use eventhive_transport::settings::{Node, Problem, Value};
use zeroize::Zeroizing;

/// The secrets of a connector: the first seals, all open. Never empty, and no secret in it is empty.
///
/// The memory is zeroed when the last clone goes. `Debug` shows only how many there are.
#[derive(Clone)]
pub struct Secrets(Arc<[Zeroizing<String>]>);

impl Secrets {
    /// One secret; `None` if the text is empty, which means "no secret".
    #[must_use]
    pub fn literal(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self([Zeroizing::new(text.to_owned())].into()))
    }

    /// The secret that seals.
    #[must_use]
    pub fn current(&self) -> &str {
        self.0.first().map_or("", |secret| secret.as_str())
    }

    /// Every secret that opens, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| secret.as_str())
    }

    /// All of them, the current one first.
    #[must_use]
    pub fn as_slice(&self) -> &[Zeroizing<String>] {
        &self.0
    }

    /// Reads the value of a `secret` key at `path`. Empty text is `None`.
    ///
    /// Text is the secret itself; `env:NAME` takes it from an environment variable, `file:PATH` from a file (one line
    /// break at its end is cut off; a relative path is of the working directory); `literal:` in front of a secret that
    /// happens to begin like one of these. A list of them is for rotation.
    pub(super) fn read(node: &Node, path: &str, env: &Environment) -> Result<Option<Self>, Vec<Problem>> {
        let items = match &node.value {
            Value::Text(text) if text.is_empty() => return Ok(None),
            Value::List(items) if !items.is_empty() => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut secrets = Vec::new();
        let mut problems = Vec::new();
        for item in items {
            match one(&item.value, env) {
                Ok(secret) => secrets.push(secret),
                Err(message) => problems.push(Problem { at: item.at, path: path.to_owned(), message }),
            }
        }
        if problems.is_empty() { Ok(Some(Self(secrets.into()))) } else { Err(problems) }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

/// Looks an environment variable up.
pub(super) type Environment = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

fn one(value: &Value, env: &Environment) -> Result<Zeroizing<String>, String> {
    let text = match value {
        Value::Text(text) => text.as_str(),
        Value::Null => return Err("the secret is missing: write it, or remove the key".to_owned()),
        Value::List(_) => return Err("a list of secrets must not be empty or nested".to_owned()),
        Value::Map(_) => return Err("expected text or a list of texts, found a mapping".to_owned()),
        other => return Err(format!("expected text, found {}: put it in quotes", other.describe())),
    };
    let secret = if let Some(name) = text.strip_prefix("env:") {
        from_env(name, env)?
    } else if let Some(path) = text.strip_prefix("file:") {
        from_file(path)?
    } else {
        Zeroizing::new(text.strip_prefix("literal:").unwrap_or(text).to_owned())
    };
    if secret.is_empty() {
        Err("the secret is empty: one in a list, or behind env:, file: or literal:, must not be".to_owned())
    } else {
        Ok(secret)
    }
}

fn from_env(name: &str, env: &Environment) -> Result<Zeroizing<String>, String> {
    let value = env(name).ok_or_else(|| format!("the environment variable `{name}` is not set: set it"))?;
    let secret = value.into_string().map_err(|_| format!("the environment variable `{name}` is not UTF-8"))?;
    Ok(Zeroizing::new(secret))
}

fn from_file(path: &str) -> Result<Zeroizing<String>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read the secret from `{path}`: {error}"))?;
    let text = Zeroizing::new(text);
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Zeroizing::new(secret.to_owned()))
}
