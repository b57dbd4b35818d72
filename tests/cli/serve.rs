//! `hive-cli serve`

use std::path::Path;

use eventhive_conformance::free_port;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Hub, Running, folder_with, run, run_in};

#[test]
fn serve_without_a_configuration_tells_where_it_listens_and_commands_that_work() {
    let mut running = Running::start(&["serve", "--port", "0"]);
    let first = running.line();
    let urls = first.strip_prefix("server hive: listening on ").unwrap_or_else(|| panic!("{first}"));
    let [url, http, webhooks] = urls.split(", ").collect::<Vec<_>>()[..] else { panic!("{urls}") };
    assert!(url.starts_with("ws://127.0.0.1:") && url.ends_with("/pubsub"), "{url}");
    assert_eq!(http, url.replace("ws:", "http:").replace("/pubsub", "/"), "one port for all");
    assert_eq!(webhooks, format!("{http}v1"), "one port for all");
    assert_eq!(running.line(), "try, in two other terminals:");
    let words = |line: String| line.trim().replace('\'', "\u{0}");
    let (listen, call) = (words(running.line()), words(running.line()));
    assert_eq!(listen, format!("hive-cli listen --url {url}"));
    assert_eq!(running.line().trim(), format!("curl -N {http}hive"));
    assert_eq!(running.line().trim(), format!("curl -d '{{\"flowers\": 3}}' {http}hive/worker/action"));

    let mut listener = Running::start(&["listen", "--url", url, "--count", "1"]);
    listener.told("listening to");
    // The payload is the one word in quotes.
    let (before, payload) = call.split_once('\u{0}').unwrap();
    let arguments: Vec<&str> = before.split_whitespace().skip(1).chain([payload.trim_end_matches('\u{0}')]).collect();
    assert_eq!(run(&arguments).code, 0);
    assert_eq!(listener.line(), r#"hive/worker/action {"flowers":3}"#);
}

#[test]
fn ctrl_c_and_sigterm_end_it_cleanly() {
    for signal in ["INT", "TERM"] {
        let hub = Hub::start();
        hub.running.signal(signal);
        assert_eq!(hub.running.end().code, 0, "{signal}");
        assert!(std::net::TcpListener::bind(("127.0.0.1", hub.port)).is_ok(), "the port is free again");
    }
}

#[test]
fn a_signal_while_it_starts_ends_it_at_once() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = format!("connectors: {{a: {{pubsub_type: websocket, input_channel: w, init: {{port: {port}}}}}}}");
    let folder = folder_with("eventhive.yaml", &text);
    let running = Running::start_in(folder.path(), &["serve"]);
    let _connection = silent.accept().unwrap();
    let told = std::time::Instant::now();
    running.signal("TERM");
    let ended = running.end();
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    assert!(told.elapsed() < std::time::Duration::from_millis(1500), "{:?}", told.elapsed());
}

#[test]
fn options_in_place_of_a_configuration_say_that_the_file_is_not_used() {
    let folder = folder_with("eventhive.yaml", "connectors: {}");
    let mut running = Running::start_in(folder.path(), &["serve", "--port", "0"]);
    running.told("eventhive.yaml is not used because of --port");
    assert!(running.line().starts_with("server hive: listening on"));
}

#[test]
fn what_is_asked_for_without_a_configuration_is_done() {
    let port = free_port();
    let (http_port, webhook_port) = (free_port(), free_port());
    let ports = [port, http_port, webhook_port].map(|port| port.to_string());
    let options = ["--network", "my-hive", "--port", &ports[0], "--http-port", &ports[1], "--webhook-port", &ports[2]];
    let mut running = Running::start(&[&["serve", "--json"][..], &options].concat());
    let urls = [
        format!("ws://127.0.0.1:{port}/pubsub"),
        format!("http://127.0.0.1:{http_port}/"),
        format!("http://127.0.0.1:{webhook_port}/v1"),
    ];
    assert_eq!(running.json(), json!({"servers": [{"name": "my-hive", "state": "listening", "urls": urls}]}));
    assert_eq!(running.json(), json!({"connectors": []}));
}

#[test]
fn a_port_in_use_ends_with_code_4_and_nothing_running() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(&["serve", "--port", &port, "--json"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.err.contains("server hive:") && ended.err.contains(&port), "{ended:?}");
    assert_eq!(ended.json()["exit"], json!(4));
}

#[test]
fn nothing_to_run_and_contradicting_arguments_end_with_code_2() {
    let folder = folder_with("eventhive.yaml", "eventhive: {metadata_key: md}");
    let ended = run_in(folder.path(), &["serve"]);
    assert!(ended.code == 2 && ended.err.contains("nothing to run"), "{ended:?}");
    assert_eq!(run_in(folder.path(), &["serve", "--config", "eventhive.yaml", "--port", "0"]).code, 2);
}

#[test]
fn a_server_is_told_of_as_soon_as_it_listens() {
    // Its connector has no answer yet, and waits for one far longer than the test does.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = format!(
        "servers: {{a: {{pubsub_type: websocket, create: always, init: {{port: 0}}}}}}\n\
         connectors: {{b: {{pubsub_type: websocket, input_channel: '', init: {{port: {port}}}}}}}\n"
    );
    let folder = folder_with("eventhive.yaml", &text);
    let mut running = Running::start_in(folder.path(), &["serve", "--json"]);
    let told = running.json();
    assert_eq!((&told["servers"][0]["state"], &told["connectors"]), (&json!("listening"), &json!(null)));
    assert_eq!(running.json()["connectors"][0]["state"], "trying");
}

#[test]
fn a_connector_that_cannot_connect_does_not_end_it() {
    let text = "servers: {a: {pubsub_type: websocket, create: always, init: {port: 0}}}\n\
                connectors: {b: {pubsub_type: websocket, input_channel: '', init: {port: 1}}}\n";
    let folder = folder_with("eventhive.yaml", text);
    let mut running = Running::start_in(folder.path(), &["serve", "--json"]);
    assert_eq!(running.json()["servers"][0]["state"], "listening");
    let started = running.json();
    assert_eq!(started["connectors"][0]["state"], "trying");
    assert!(started["connectors"][0]["reason"].as_str().unwrap().contains("cannot be reached"), "{started}");
    running.signal("TERM");
    assert_eq!(running.end().code, 0);
}

/// A certificate for localhost with its key, as files.
pub(crate) fn certificate(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
}

fn client(folder: &Path, port: u16, authority: &str) -> i32 {
    let text = format!(
        "connectors: {{a: {{pubsub_type: websocket, input_channel: '', init: {{scheme: wss, host: localhost, port: {port}, tls_ca: {authority}.pem}}}}}}"
    );
    std::fs::write(folder.join("client.yaml"), text).unwrap();
    run_in(folder, &["call", "--config", "client.yaml", "a/b/c", "--timeout", "10"]).code
}

#[test]
fn sighup_reads_certificates_again_and_keeps_the_old_ones_when_the_new_are_broken() {
    certificates_are_read_again("always");
}

#[cfg(feature = "discovery")]
#[test]
fn sighup_reaches_a_server_that_is_needed_too() {
    certificates_are_read_again("needed");
}

fn certificates_are_read_again(create: &str) {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    certificate(folder.path(), "one");
    certificate(folder.path(), "two");
    let install = |name: &str| {
        std::fs::copy(path(&format!("{name}.pem")), path("used.pem")).unwrap();
        std::fs::copy(path(&format!("{name}.key")), path("used.key")).unwrap();
    };
    install("one");
    // A test looks for nothing in the network that the machine stands in.
    let text = format!(
        "eventhive: {{discovery_mdns: false}}\n\
         servers: {{a: {{pubsub_type: websocket, create: {create}, init: {{port: 0, tls_cert: used.pem, tls_key: used.key}}}}}}"
    );
    std::fs::write(path("hub.yaml"), text).unwrap();
    let mut hub = Hub::of(Running::start_in(folder.path(), &["serve", "--config", "hub.yaml", "--json"]));
    assert!(hub.url.starts_with("wss://127.0.0.1:"), "{}", hub.url);
    assert_eq!((client(folder.path(), hub.port, "one"), client(folder.path(), hub.port, "two")), (0, 3));

    std::fs::write(path("used.key"), "broken").unwrap();
    hub.running.signal("HUP");
    hub.running.told("the old stays in use");
    assert_eq!(client(folder.path(), hub.port, "one"), 0);

    install("two");
    hub.running.signal("HUP");
    hub.running.told("certificates and access lists read again");
    assert_eq!((client(folder.path(), hub.port, "one"), client(folder.path(), hub.port, "two")), (3, 0));
}

/// The status of a publish on a secured topic by `u` with the password `p`.
#[cfg(feature = "http")]
fn published(address: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let head = "PUT /bread HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic dTpw\r\nContent-Length: 2\r\n\r\n{}";
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[cfg(feature = "http")]
#[test]
fn sighup_and_sigusr2_read_access_lists_again_and_keep_the_old_ones_when_the_new_are_broken() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let may = |topic: &str| write("acl.yaml", &format!("u:\n  password: p\n  acl: {{}}\n  topics: [{topic}]\n"));
    may("none");
    write(
        "hub.yaml",
        "servers: {a: {pubsub_type: http, create: always, init: {port: 0, secure_topics: [bread], acl_file: acl.yaml}}}",
    );
    let mut hub = Hub::of(Running::start_in(folder.path(), &["serve", "--config", "hub.yaml", "--json"]));
    let address = format!("127.0.0.1:{}", hub.port);
    assert_eq!(published(&address), "403");
    may("bread");
    hub.running.signal("USR2");
    hub.running.told("access lists read again");
    assert_eq!(published(&address), "202");
    write("acl.yaml", "u:\n  password: p\n  acl: {]\n");
    hub.running.signal("HUP");
    hub.running.told("the access list `acl.yaml` is wrong: line 3");
    hub.running.told("the old stays in use");
    assert_eq!(published(&address), "202");
    may("none");
    hub.running.signal("HUP");
    hub.running.told("access lists read again");
    assert_eq!(published(&address), "403");
}

/// A named pipe that nobody writes stands for a list that takes long.
#[cfg(feature = "http")]
#[test]
fn the_end_does_not_wait_for_an_access_list_that_is_being_read() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("acl.yaml"), "u: {password: p, acl: {}}\n").unwrap();
    let text = "servers: {a: {pubsub_type: http, create: always, init: {port: 0, acl_file: acl.yaml}}}";
    std::fs::write(path("hub.yaml"), text).unwrap();
    let hub = Hub::of(Running::start_in(folder.path(), &["serve", "--config", "hub.yaml", "--json"]));
    std::fs::remove_file(path("acl.yaml")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path("acl.yaml")).status().unwrap().success());
    hub.running.signal("HUP");
    // Opening it for writing, with nothing written yet, waits for a reader: it is being read now.
    let _pipe = std::fs::File::options().write(true).open(path("acl.yaml")).unwrap();
    hub.running.signal("TERM");
    assert_eq!(hub.running.end().code, 0);
}

#[cfg(feature = "http")]
#[test]
fn a_door_that_does_not_secure_what_another_one_does_is_warned_of() {
    let told = |second: &str| {
        let doors = format!("[{{pubsub_type: http, init: {{port: 1, secure_topics: [bread, salt]}}}}, {second}]");
        let text = format!("servers: {{a: {{create: always, doors: {doors}}}}}");
        let folder = folder_with("eventhive.yaml", &text);
        let checked = run_in(folder.path(), &["check", "--json"]);
        assert_eq!(checked.code, 0, "{checked:?}");
        let warnings = checked.json()["warnings"].as_array().unwrap().clone();
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (second, part) in [
        ("{pubsub_type: websocket, init: {port: 2, tokens: secret}}", "secures (bread, salt): let only those reach it"),
        ("{pubsub_type: http, init: {port: 2}}", "secures (bread, salt): give this door the same `secure_topics`"),
        ("{pubsub_type: http, init: {port: 2, secure_topics: [salt, bread, more]}}", "secures (more): give this door"),
        ("{pubsub_type: http, init: {port: 2, secure_topics: salt}}", "secures (bread): give this door"),
    ] {
        let warnings = told(second);
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{warnings:?}");
        assert_eq!(warnings[0].contains("doors[1]"), !second.contains("more"), "{warnings:?}");
    }
    assert!(told("{pubsub_type: http, init: {port: 2, secure_topics: [salt, bread]}}").is_empty());
}
