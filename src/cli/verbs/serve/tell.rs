//! What is printed of servers and connectors.

use eventhive::{ConnectorOutcome, Hive, ServerOutcome, ServerStarted, Started};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::cli::console::Console;
use crate::cli::exit::Failure;
use crate::cli::target::DEFAULT_URL;

/// The servers as they stand, and what was printed of them.
pub(super) struct Servers {
    now: watch::Receiver<Vec<ServerStarted>>,
    printed: Vec<ServerStarted>,
    console: Console,
}

impl Servers {
    pub(super) fn new(hive: &Hive, console: Console) -> Self {
        Self { now: hive.watch_servers(), printed: Vec::new(), console }
    }

    /// Waits until something has changed.
    pub(super) async fn changed(&mut self) {
        if self.now.changed().await.is_err() {
            // The hive is gone; nothing changes any more.
            std::future::pending().await
        }
    }

    /// Prints those that listen, if that was not printed yet. What became of the others may still change.
    pub(super) fn tell_listening(&mut self) -> Result<(), Failure> {
        self.print(|outcome| matches!(outcome, ServerOutcome::Listening(_)))
    }

    /// Prints those of which something else was printed before, or nothing.
    pub(super) fn tell(&mut self) -> Result<(), Failure> {
        self.print(|outcome| *outcome != ServerOutcome::Pending)
    }

    fn print(&mut self, wanted: impl Fn(&ServerOutcome) -> bool) -> Result<(), Failure> {
        let now = self.now.borrow_and_update().clone();
        let news: Vec<_> =
            now.into_iter().filter(|server| wanted(&server.outcome) && !self.printed.contains(server)).collect();
        if news.is_empty() {
            return Ok(());
        }
        self.printed.retain(|old| news.iter().all(|new| new.name != old.name));
        self.printed.extend(news.iter().cloned());
        self.console.answer(
            || news.iter().map(text).collect::<Vec<_>>().join("\n"),
            || json!({ "servers": news.iter().map(answer).collect::<Vec<_>>() }),
        )
    }
}

/// Prints the connectors, and how to see it work.
pub(super) fn connectors(started: &Started, console: Console) -> Result<(), Failure> {
    let lines = started.connectors.iter().map(|one| format!("connector {}: {}", one.name, one.outcome));
    let lines: Vec<String> = lines.chain(try_it(started)).collect();
    if lines.is_empty() && !console.json {
        return Ok(());
    }
    let connector = |one: &eventhive::ConnectorStarted| {
        let (state, reason) = match &one.outcome {
            ConnectorOutcome::Up => ("up", None),
            ConnectorOutcome::Trying(reason) => ("trying", Some(reason)),
            ConnectorOutcome::Failed(reason) => ("failed", Some(reason)),
            other => return json!({ "name": one.name, "state": other.to_string() }),
        };
        json!({ "name": one.name, "state": state, "reason": reason })
    };
    console.answer(
        || lines.join("\n"),
        || json!({ "connectors": started.connectors.iter().map(connector).collect::<Vec<_>>() }),
    )
}

fn text(server: &ServerStarted) -> String {
    match &server.outcome {
        ServerOutcome::Listening(_) => format!("server {}: listening on {}", server.name, urls(server).join(", ")),
        ServerOutcome::NotWanted => format!("server {}: not wanted (create: never)", server.name),
        other => format!("server {}: {other}", server.name),
    }
}

fn answer(server: &ServerStarted) -> Value {
    let (state, more) = match &server.outcome {
        ServerOutcome::Listening(_) => ("listening", None),
        ServerOutcome::NotWanted => ("not_wanted", None),
        ServerOutcome::Found { at } => ("found", Some(("at", at))),
        ServerOutcome::Failed(reason) => ("failed", Some(("reason", reason))),
        ServerOutcome::Stopped => ("stopped", None),
        _ => ("pending", None),
    };
    let mut answer = json!({ "name": server.name, "state": state, "urls": urls(server) });
    if let Some((key, text)) = more {
        answer[key] = json!(text);
    }
    answer
}

/// Commands to see it work.
fn try_it(started: &Started) -> Option<String> {
    let server = started.servers.iter().find(|server| !urls(server).is_empty())?;
    let urls = urls(server);
    let name = &server.name;
    let ours = urls.iter().find(|url| url.starts_with("ws")).map(|url| {
        let option = if url == DEFAULT_URL { String::new() } else { format!(" --url {url}") };
        format!("\n  hive-cli listen{option}\n  hive-cli call{option} {name}/worker/action '{{\"flowers\": 3}}'")
    });
    // Webhooks are no streams.
    let http = urls.iter().find(|url| url.starts_with("http") && !url.ends_with("/v1")).map(|url| {
        let url = url.trim_end_matches('/');
        format!("\n  curl -N {url}/{name}\n  curl -d '{{\"flowers\": 3}}' {url}/{name}/worker/action")
    });
    let commands: String = ours.into_iter().chain(http).collect();
    (!commands.is_empty()).then(|| format!("try, in two other terminals:{commands}"))
}

/// Where a server can be reached from this machine.
fn urls(server: &ServerStarted) -> Vec<String> {
    let ServerOutcome::Listening(bound) = &server.outcome else { return Vec::new() };
    let own = format!("servers.{}.", server.name);
    let url = |bound: &eventhive::Bound| {
        let secure = if bound.tls { "s" } else { "" };
        let mut address = bound.address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv6() {
                std::net::Ipv6Addr::LOCALHOST.into()
            } else {
                std::net::Ipv4Addr::LOCALHOST.into()
            });
        }
        let doors = bound.doors.iter().filter(|door| door.name.starts_with(&own));
        doors.map(|door| format!("{}{secure}://{address}{}", door.scheme, door.path)).collect::<Vec<_>>()
    };
    bound.iter().flat_map(url).collect()
}
