//! `backlog:` of a server, before anything is started.

use std::path::Path;
use std::time::Duration;

use eventhive::config::{Config, ConfigError, Kinds, Sources};
use eventhive::{Findings, Hive};
use tempfile::TempDir;

fn read(text: &str) -> Result<Config, ConfigError> {
    let mut sources = Sources::new();
    sources.read_named("hub.yaml", text);
    sources.resolve(&Kinds::compiled_in())
}

fn server(name: &str, port: u16, backlog: &str) -> String {
    format!("  {name}: {{pubsub_type: websocket, create: always, init: {{port: {port}}}, backlog: {{{backlog}}}}}\n")
}

#[test]
fn a_server_without_it_keeps_some_of_the_past_in_memory() {
    let config = read("servers: {a: {pubsub_type: websocket, create: always}}").unwrap();
    assert_eq!(config.servers[0].backlog.settings.path, None);
    assert_eq!(config.servers[0].backlog.settings.memory().messages, 10_000);
}

#[test]
fn what_is_wrong_with_it_is_told_with_file_line_and_key_and_the_fix() {
    let text = "servers:\n  a:\n    pubsub_type: websocket\n    create: always\n    backlog:\n      pth: log\n";
    let told = read(text).unwrap_err().to_string();
    assert!(told.starts_with("hub.yaml:6:7: servers.a.backlog.pth: unknown key `pth`: did you mean `path`?"), "{told}");
    let text = text.replace("pth: log", "durable: true\n      max_age: 1h30m\n      import_pypubsub: old.json");
    let told = read(&text).unwrap_err().to_string();
    for place in [
        "hub.yaml:6:16: servers.a.backlog.durable: a backlog in memory cannot be durable",
        "hub.yaml:7:16: servers.a.backlog.max_age: expected an age",
        "hub.yaml:8:24: servers.a.backlog.import_pypubsub: a backlog in memory takes no file over",
    ] {
        assert!(told.contains(place), "{told}");
    }
}

#[test]
fn what_a_backlog_is_given_is_taken_and_a_relative_folder_is_one_of_the_working_directory() {
    let text = "servers: {a: {pubsub_type: websocket, create: always, \
                backlog: {path: ../log, max_age: 12h, import_pypubsub: /old.json}}}";
    let settings = read(text).unwrap().servers.remove(0).backlog.settings;
    assert_eq!(settings.path.as_deref(), Some(Path::new("../log")));
    assert_eq!(settings.import_pypubsub.as_deref(), Some(Path::new("/old.json")));
    assert_eq!(settings.max_age, Some(Some(Duration::from_secs(12 * 3600))));
}

/// PyPubSub's bound is a number of events; the bytes that it lets each have must not be too many for ours.
#[cfg(feature = "http")]
#[test]
fn as_many_events_as_pypubsub_keeps_fit_however_large_they_are() {
    const TEXT: &str = "server: {backlog: {size: 10000STORAGE}LIMIT}\nclients: {payloaders: [127.0.0.1]}\n";
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pypubsub.yaml");
    for (limit, payload) in [("", 100 * 1024), (", max_payload_size: 1000000", 1_000_000)] {
        for storage in ["", ", storage: nosuch.json"] {
            std::fs::write(&file, TEXT.replace("LIMIT", limit).replace("STORAGE", storage)).unwrap();
            let mut sources = Sources::new();
            sources.read_pypubsub(&file, None);
            let settings = sources.resolve(&Kinds::compiled_in()).unwrap().servers.remove(0).backlog.settings;
            let (messages, bytes) = match settings.disk() {
                Some(disk) => (disk.max_messages, disk.max_bytes),
                None => (settings.memory().messages as u64, settings.memory().bytes as u64),
            };
            assert_eq!(messages, 10_000);
            // A file is deleted as a whole, and may have a 32nd of all.
            assert!(bytes / 32 * 31 > 10_000 * (payload + 4096 + 200), "{bytes}");
        }
    }
}

#[test]
fn two_servers_with_one_folder_are_refused_however_it_is_spelled() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
    let at = |name: &str| format!("path: '{}/{name}'", folder.path().display());
    for (first, second) in [("log", "log"), ("log", "./x/../log"), ("real/log", "link/log"), ("log", "log/")] {
        let text = format!("servers:\n{}{}", server("a", 1, &at(first)), server("b", 2, &at(second)));
        let told = read(&text).unwrap_err().to_string();
        assert!(told.starts_with("hub.yaml:3:"), "{told}");
        assert!(told.contains("servers.b.backlog.path: the server `a` has its backlog in "), "{told}");
    }
    let apart = format!("servers:\n{}{}", server("a", 1, &at("log")), server("b", 2, &at("log2")));
    read(&apart).unwrap();
    let never =
        format!("servers:\n{}{}", server("a", 1, &at("log")), server("b", 2, &at("log")).replace("always", "never"));
    read(&never).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_and_a_file_that_cannot_be_read_are_found_without_a_start() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let place = folder.path().display();
    let config = read(&format!("servers:\n{}", server("a", 1, &format!("path: {place}/file/log")))).unwrap();
    let found = Hive::builder().check(&config);
    let told = config.error(found.problems).to_string();
    assert!(told.starts_with("hub.yaml:2:") && told.contains("servers.a.backlog.path: the backlog's "), "{told}");
    assert!(told.contains("file/log cannot be used"), "{told}");
    let import = format!("path: {place}/log, import_pypubsub: {place}/old.json");
    let config = read(&format!("servers:\n{}", server("a", 1, &import))).unwrap();
    let told = config.error(Hive::builder().check(&config).problems).to_string();
    assert!(told.contains("servers.a.backlog.import_pypubsub: the backlog of PyPubSub "), "{told}");
    assert!(told.contains("old.json cannot be read"), "{told}");
    std::fs::write(folder.path().join("old.json"), "").unwrap();
    assert_eq!(Hive::builder().check(&config), Findings::default());
    assert!(!folder.path().join("log").exists(), "a check makes nothing");
}
