//! Every file in `config-examples/` starts: its servers listen and its connectors come up.

use std::path::Path;

use eventhive_conformance::free_port;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::redis_server::RedisServer;
use crate::serve::certificate;
use crate::support::Running;

/// A copy of the examples on free ports, with the files that they name.
fn examples(port: u16) -> (TempDir, Vec<String>) {
    let other_port = || if port == 0 { 0 } else { free_port() };
    let (http_port, webhook_port) = (other_port(), other_port());
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("config-examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".yaml") {
            continue;
        }
        let mut text = std::fs::read_to_string(&path).unwrap().replace("8085", &port.to_string());
        text = text.replace("2069", &http_port.to_string()).replace("3003", &webhook_port.to_string());
        // Another test of this machine may announce the examples too, and would be found.
        text = text.replace("my-hive", &format!("my-hive-{}", std::process::id()));
        if !text.contains("\neventhive:") {
            // A test announces nothing in the network that the machine stands in.
            text.push_str("eventhive:\n  discovery_interfaces: [lo]\n");
        }
        write(&name, &text);
        names.push(name);
    }
    write("pypubsub.backlog", "");
    certificate(folder.path(), "cert");
    std::fs::rename(folder.path().join("cert.key"), folder.path().join("key.pem")).unwrap();
    for name in ["hub.token", "hub.token.new", "hive.secret", "hive.secret.old", "redis.password"] {
        write(name, &format!("{name}-0123456789\n"));
    }
    names.sort();
    (folder, names)
}

/// The Redis that an example asks for, with its address put into the file.
fn redis_for(folder: &Path, name: &str) -> Option<RedisServer> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let path = |file: &str| folder.join(file).to_str().unwrap().to_owned();
    let (port, server) = if text.contains("port: 6380") {
        let password = "redis.password-0123456789";
        let [certificate, key] = ["cert.pem", "key.pem"].map(path);
        let tls = ["--port", "0", "--tls-port", "PORT", "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let clients = ["--tls-ca-cert-file", &certificate, "--requirepass", password];
        ("6380", RedisServer::start(&[&tls[..], &clients].concat()))
    } else if text.contains("pubsub_type: redis") {
        ("6379", RedisServer::start(&[]))
    } else {
        return None;
    };
    std::fs::write(folder.join(name), text.replace(port, &server.port.to_string())).unwrap();
    Some(server)
}

/// Starts a file; gives what it told of its servers and connectors until all had their first attempt.
fn serve(folder: &Path, name: &str) -> (Running, Value) {
    let mut running = Running::start_in(folder, &["serve", "--config", name, "--json"]);
    let mut servers = Vec::new();
    loop {
        let line = running.json();
        servers.extend(line["servers"].as_array().into_iter().flatten().cloned());
        if let Some(connectors) = line.get("connectors") {
            let started = json!({"servers": servers, "connectors": connectors});
            return (running, started);
        }
    }
}

fn all<'a>(started: &'a Value, what: &str) -> &'a [Value] {
    started[what].as_array().unwrap()
}

#[test]
fn every_example_starts() {
    let mut servers = 0;
    let mut connectors = 0;
    // One after the other: each has the machine's attention, and ports that were free a moment ago are not fought over.
    for name in examples(0).1 {
        let (folder, _) = examples(free_port());
        let text = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        let misses = |feature: bool, text_of_it: &str| !feature && text.contains(text_of_it);
        if misses(cfg!(feature = "redis"), "pubsub_type: redis") || misses(cfg!(feature = "ldap"), " ldap:\n") {
            continue;
        }
        // Those without a server of their own join the one of hub.yaml.
        let _hub = (!text.contains("\nservers:")).then(|| serve(folder.path(), "hub.yaml"));
        let _redis = redis_for(folder.path(), &name);
        let (running, started) = serve(folder.path(), &name);
        for server in all(&started, "servers") {
            assert_eq!(server["state"], "listening", "{name}: {started}");
            servers += 1;
        }
        for connector in all(&started, "connectors") {
            assert_eq!(connector["state"], "up", "{name}: {started}");
            connectors += 1;
        }
        running.signal("TERM");
        assert_eq!(running.end().code, 0, "{name}");
    }
    assert!(servers >= 9 && connectors >= 9, "{servers} servers, {connectors} connectors");
}
