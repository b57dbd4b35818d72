//! The `ldap` block of a door: its keys, and what they mean.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::Uri;
use eventhive_transport::settings::{Entry, Node, Position, Value};
use eventhive_transport::{Problem, Settings};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::name::Name;
use super::template::{FilterTemplate, NameTemplate};
use crate::access::Rights;

/// How a directory is asked.
#[derive(Clone)]
pub(super) struct LdapConfig {
    /// Asked in turn, from the first on, until one can be reached.
    pub(super) servers: Vec<Server>,
    pub(super) user_dn: NameTemplate,
    pub(super) base: String,
    pub(super) filters: Vec<FilterTemplate>,
    pub(super) groups: Groups,
    /// For one server.
    pub(super) connect_timeout: Duration,
    /// For all that one login needs of a server, and for waiting until it has its turn.
    pub(super) timeout: Duration,
    pub(super) retry: Duration,
    pub(super) connections: usize,
    pub(super) idle: Duration,
    pub(super) cache: Duration,
    pub(super) refusal_cache: Duration,
    pub(super) cache_entries: usize,
    pub(super) recheck: Duration,
}

/// One server.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
}

/// What keeps passwords from those who listen.
#[derive(Clone)]
pub(super) enum Security {
    Nothing,
    Tls(TlsConnector, ServerName<'static>),
    /// Turned on before anything else is said.
    StartTls(TlsConnector, ServerName<'static>),
}

/// What the members of groups may.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(HashMap<Name, Rights>);

/// Times are no longer than this, so that adding them to now is always possible.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl LdapConfig {
    /// From settings that passed [`KEYS`](super::KEYS). Reads certificates.
    ///
    /// # Errors
    /// Everything that the table cannot see.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let servers = servers(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let user_dn = NameTemplate::parse(settings.text("user_dn").unwrap_or_default());
        let user_dn = user_dn.map_err(|what| problems.push(settings.problem("user_dn", what)));
        let filters = filters(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let groups = groups(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let Ok(user_dn) = user_dn else { return Err(problems) };
        if !problems.is_empty() {
            return Err(problems);
        }
        let time = |name| settings.seconds(name).unwrap_or(LONGEST).min(LONGEST);
        let size = |name| settings.size(name).unwrap_or(1);
        Ok(Self {
            servers,
            user_dn,
            base: settings.text("base_scope").unwrap_or_default().to_owned(),
            filters,
            groups,
            connect_timeout: time("connect_timeout_secs"),
            timeout: time("timeout_secs"),
            retry: time("retry_secs"),
            connections: size("connections"),
            idle: time("idle_secs"),
            cache: time("cache_secs"),
            refusal_cache: time("refusal_cache_secs"),
            cache_entries: size("cache_entries"),
            recheck: time("recheck_secs"),
        })
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if matches!(self.security, Security::Tls(..)) { "ldaps" } else { "ldap" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl Groups {
    /// The group of this name, if it has any rights.
    pub(super) fn get(&self, name: &str) -> Option<(&Name, &Rights)> {
        self.0.get_key_value(&Name::parse(name)?)
    }
}

fn servers(settings: &Settings) -> Result<Vec<Server>, Vec<Problem>> {
    let uris: Vec<&str> = settings.texts("uri").into_iter().flat_map(str::split_whitespace).collect();
    let start_tls = settings.flag("starttls");
    let encrypts = start_tls || uris.iter().any(|uri| uri.to_ascii_lowercase().starts_with("ldaps:"));
    let tls = match settings.text("tls_ca") {
        Some(_) if !encrypts => {
            let message = "`tls_ca` has no effect without `ldaps://` or `starttls: true`";
            return Err(vec![settings.problem("tls_ca", message)]);
        }
        file if encrypts => {
            let key = if file.is_some() { "tls_ca" } else { "uri" };
            let client = eventhive_tls::client(file, "tls_ca").map_err(|what| vec![settings.problem(key, what)])?;
            Some(TlsConnector::from(client))
        }
        _ => None,
    };
    if uris.is_empty() {
        return Err(vec![settings.problem("uri", "it names no server: write `ldaps://ldap.example.org`")]);
    }
    let made = uris.iter().map(|uri| server(uri, tls.as_ref(), start_tls));
    made.collect::<Result<_, _>>().map_err(|what: String| vec![settings.problem("uri", what)])
}

fn server(uri: &str, tls: Option<&TlsConnector>, start_tls: bool) -> Result<Server, String> {
    let form = || format!("`{uri}` is no server: write it as `ldaps://ldap.example.org` or `ldap://10.0.0.1:389`");
    let parts: Uri = uri.parse().map_err(|_| form())?;
    let host = parts.host().filter(|host| !host.is_empty()).ok_or_else(form)?.trim_matches(['[', ']']).to_owned();
    if !matches!(parts.path(), "" | "/") || parts.query().is_some() {
        return Err(format!("`{uri}` has more than a server: where to search is said by `base_scope`"));
    }
    let is_ldaps = match parts.scheme_str().map(str::to_ascii_lowercase).as_deref() {
        Some("ldap") => false,
        Some("ldaps") => true,
        _ => return Err(form()),
    };
    if is_ldaps && start_tls {
        return Err(format!("`{uri}` is encrypted from the start: `starttls` is for `ldap://`"));
    }
    let name = ServerName::try_from(host.clone()).map_err(|_| form())?;
    let security = match tls {
        Some(tls) if is_ldaps => Security::Tls(tls.clone(), name),
        Some(tls) if start_tls => Security::StartTls(tls.clone(), name),
        _ => {
            warn_of_plain_passwords(uri, &host);
            Security::Nothing
        }
    };
    let port = parts.port_u16().unwrap_or(if is_ldaps { 636 } else { 389 });
    Ok(Server { host, port, security })
}

fn warn_of_plain_passwords(uri: &str, host: &str) {
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !is_here {
        tracing::warn!(uri, "passwords go to this LDAP server unencrypted: use `ldaps://` or `starttls: true`");
    }
}

fn filters(settings: &Settings) -> Result<Vec<FilterTemplate>, Vec<Problem>> {
    let place = format!("{}.membership_patterns", settings.path());
    let items = match settings.get("membership_patterns") {
        None | Some(Node { value: Value::Null, .. }) => return Ok(Vec::new()),
        Some(Node { value: Value::List(items), .. }) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let filter = |item: &Node| {
        let text = pattern(&item.value).ok_or_else(|| format!("expected text, found {}", item.value.describe()));
        text.and_then(FilterTemplate::parse).map_err(|what| problem(item.at, &place, what))
    };
    all(items.iter().map(filter))
}

/// A pattern that ends in a colon is a mapping to YAML; PyPubSub's own sample has one.
fn pattern(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Map(entries) => match entries.as_slice() {
            [Entry { key, node: Node { value: Value::Null, .. }, .. }] => Some(key),
            _ => None,
        },
        _ => None,
    }
}

fn groups(settings: &Settings) -> Result<Groups, Vec<Problem>> {
    let Some(Node { value: Value::Map(entries), .. }) = settings.get("acl") else { return Ok(Groups::default()) };
    let place = format!("{}.acl", settings.path());
    let group = |entry: &Entry| {
        let path = format!("{place}.{}", entry.key);
        let name = Name::parse(&entry.key).ok_or_else(|| {
            let what = "this is no name of a group: write it as `cn=staff,ou=groups,dc=example,dc=org`";
            vec![problem(entry.key_at, &path, what)]
        });
        match (name, rights(&entry.node, &path)) {
            (Ok(name), Ok(rights)) => Ok((name, rights)),
            (name, rights) => Err(name.err().into_iter().chain(rights.err()).flatten().collect()),
        }
    };
    let mut groups: HashMap<Name, Rights> = HashMap::new();
    let found: Vec<(Name, Rights)> = all(entries.iter().map(group)).map_err(|found: Vec<Vec<_>>| found.concat())?;
    // Two spellings of one name are one group.
    for (name, rights) in found {
        let group = groups.entry(name).or_default();
        group.segments.extend(rights.segments);
        group.topics.extend(rights.topics);
    }
    Ok(Groups(groups))
}

/// A mapping of segments, with the secured topics under `topics`; or a list, which is one segment.
fn rights(node: &Node, path: &str) -> Result<Rights, Vec<Problem>> {
    match &node.value {
        Value::List(_) => Ok(Rights { segments: vec![topics(node, path)?], topics: Vec::new() }),
        Value::Map(entries) => {
            let mut rights = Rights::default();
            let lists = all(entries.iter().map(|entry| {
                let list = topics(&entry.node, &format!("{path}.{}", entry.key))?;
                Ok((entry.key.as_str(), list))
            }));
            for (key, list) in lists.map_err(|found: Vec<Vec<_>>| found.concat())? {
                if key == "topics" {
                    rights.topics = list;
                } else {
                    rights.segments.push(list);
                }
            }
            Ok(rights)
        }
        other => {
            let what = format!("expected segments with lists of topics, or one list, found {}", other.describe());
            Err(vec![problem(node.at, path, what)])
        }
    }
}

fn topics(node: &Node, path: &str) -> Result<Vec<String>, Vec<Problem>> {
    let Value::List(items) = &node.value else {
        let what = format!("expected a list of topics, found {}", node.value.describe());
        return Err(vec![problem(node.at, path, what)]);
    };
    all(items.iter().map(|item| match &item.value {
        Value::Text(topic) => Ok(topic.clone()),
        other => Err(problem(item.at, path, format!("a topic is text, found {}: put it in quotes", other.describe()))),
    }))
}

fn problem(at: Position, path: &str, message: impl Into<String>) -> Problem {
    Problem { at, path: path.to_owned(), message: message.into() }
}

/// All that are right, or all that are wrong.
fn all<T, E>(results: impl Iterator<Item = Result<T, E>>) -> Result<Vec<T>, Vec<E>> {
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(it) => right.push(it),
            Err(it) => wrong.push(it),
        }
    }
    if wrong.is_empty() { Ok(right) } else { Err(wrong) }
}

#[cfg(test)]
mod tests;
