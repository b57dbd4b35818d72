//! Servers that would be in each other's way, found before any is started.

use std::net::IpAddr;
use std::path::{self, Component, Path, PathBuf};

use eventhive_transport::settings::{Problem, Settings};

use super::model::{Create, ServerConfig};

/// Where a door listens.
struct Place<'a> {
    server: &'a str,
    needed: bool,
    init: &'a Settings,
    host: &'a str,
    port: i64,
    endpoint: &'a str,
}

/// Two servers on the same address and path, or on addresses of which one contains the other.
///
/// The same address with different paths is fine: they share a listener. One that is `needed` shares none, because it is
/// started and stopped while the others run. Port 0 is a free port, never a clash.
pub(super) fn clashes(servers: &[ServerConfig]) -> Vec<Problem> {
    let started = servers.iter().filter(|server| server.create != Create::Never);
    let places: Vec<_> =
        started.flat_map(|server| server.doors.iter().filter_map(|door| place(server, &door.init))).collect();
    let pairs = places
        .iter()
        .enumerate()
        .flat_map(|(number, later)| places.iter().take(number).map(move |first| (first, later)));
    pairs
        .filter_map(|(first, later)| clash(first, later))
        .chain(shared_folders(servers))
        .chain(shared_databases(servers))
        .collect()
}

/// Two backlogs in one folder: each hub needs its own.
fn shared_folders(servers: &[ServerConfig]) -> Vec<Problem> {
    let started = servers.iter().filter(|server| server.create != Create::Never);
    let folders: Vec<_> =
        started.filter_map(|server| Some((server, whole(server.backlog.settings.path.as_deref()?)))).collect();
    let shared = folders.iter().enumerate().filter_map(|(number, (later, folder))| {
        let (first, _) = folders.iter().take(number).find(|(_, other)| other == folder)?;
        let message = format!(
            "the server `{}` has its backlog in {} already: each needs a folder of its own",
            first.name,
            folder.display()
        );
        Some(later.backlog.given.problem("path", message))
    });
    shared.collect()
}

/// Two doors with the subscriptions of one database: of two servers, subscribers of one would get the events of the other; of one
/// server, each event twice.
fn shared_databases(servers: &[ServerConfig]) -> Vec<Problem> {
    let started = servers.iter().filter(|server| server.create != Create::Never);
    let databases: Vec<_> = started
        .flat_map(|server| &server.doors)
        .filter_map(|door| Some((&door.init, database(door.init.text(DATABASE)?)?)))
        .collect();
    let shared = databases.iter().enumerate().filter_map(|(number, (later, database))| {
        let (first, _) = databases.iter().take(number).find(|(_, other)| other == database)?;
        let message = format!(
            "`{}` has its subscriptions in `{}` already: each door needs a database of its own",
            first.path(),
            later.text(DATABASE)?
        );
        Some(later.problem(DATABASE, message))
    });
    shared.collect()
}

/// The key of doors that keep subscriptions.
const DATABASE: &str = "database";

/// The one spelling of a database's address; `None` if nobody else can have the same.
fn database(address: &str) -> Option<PathBuf> {
    match address.strip_prefix("sqlite:") {
        Some(":memory:") => None,
        Some(path) => Some(whole(Path::new(path.strip_prefix("//").unwrap_or(path)))),
        None => Some(PathBuf::from(address)),
    }
}

/// The one spelling of a folder, as far as it exists with its links resolved.
fn whole(folder: &Path) -> PathBuf {
    let folder = path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut whole = PathBuf::new();
    for part in folder.components() {
        match part {
            Component::ParentDir => _ = whole.pop(),
            part => whole.push(part),
        }
        whole = whole.canonicalize().unwrap_or(whole);
    }
    whole
}

/// What the transport's settings say of the place; `None` for a door that listens on no port of its own.
fn place<'a>(server: &'a ServerConfig, init: &'a Settings) -> Option<Place<'a>> {
    Some(Place {
        server: &server.name,
        needed: server.create == Create::Needed,
        init,
        host: init.text("host").unwrap_or_default(),
        port: init.integer("port").filter(|port| *port != 0)?,
        endpoint: init.text("endpoint").unwrap_or_default(),
    })
}

fn clash(first: &Place<'_>, later: &Place<'_>) -> Option<Problem> {
    if first.port != later.port {
        return None;
    }
    let (host, port, other) = (later.host, later.port, first.server);
    let same_path = first.endpoint.trim_start_matches('/') == later.endpoint.trim_start_matches('/');
    let message = if first.host == host && same_path {
        let path = later.endpoint.trim_start_matches('/');
        format!(
            "the server `{other}` listens on {host}:{port} under `/{path}` already: change the port or the endpoint"
        )
    } else if first.host == host && (first.needed || later.needed) && first.server != later.server {
        format!(
            "the server `{other}` listens on {host}:{port} too, and a server with `create: needed` starts and stops by itself, so it shares its port with no other: change the port"
        )
    } else if first.host != host && (is_wildcard(first.host) || is_wildcard(host)) {
        let theirs = first.host;
        format!(
            "the server `{other}` listens on {theirs}:{port}, and one of the two addresses contains the other: use the same host, or another port"
        )
    } else {
        return None;
    };
    Some(later.init.problem("port", message))
}

fn is_wildcard(host: &str) -> bool {
    matches!(host, "" | "*") || host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}
