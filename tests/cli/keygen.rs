//! `hive-cli keygen`, and what is said of secrets elsewhere.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use eventhive_conformance::free_port;
use tempfile::TempDir;

use crate::support::{Running, SOON, ended, folder_with, program, run, run_in};

fn is_a_secret(text: &str) -> bool {
    let digits = text.strip_prefix("hive-").unwrap_or_default();
    digits.len() == 64 && digits.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

#[test]
fn a_secret_is_printed_that_is_new_each_time_as_text_and_as_json() {
    let ended = run(&["keygen"]);
    assert!(ended.code == 0 && is_a_secret(ended.out.trim_end()), "{ended:?}");
    let json = run(&["keygen", "--json"]).json();
    assert!(is_a_secret(json["secret"].as_str().unwrap()) && json["bits"] == 256, "{json}");
    assert_ne!(json["secret"], ended.out.trim_end());
}

#[test]
fn a_secret_stands_in_yaml_without_quotes_and_is_not_weak() {
    let secret = run(&["keygen"]).out;
    let config =
        format!("connectors: {{a: {{pubsub_type: websocket, input_channel: w, secret: {}}}}}", secret.trim_end());
    let checked = run_in(folder_with("eventhive.yaml", &config).path(), &["check", "--json"]);
    assert_eq!((checked.code, &checked.json()["warnings"]), (0, &serde_json::json!([])), "{checked:?}");
}

#[test]
fn a_file_is_made_that_only_its_owner_reads_and_that_a_configuration_takes() {
    let folder = folder_with(
        "eventhive.yaml",
        "connectors: {a: {pubsub_type: websocket, input_channel: w, secret: file:new.secret}}",
    );
    assert_eq!(run_in(folder.path(), &["check"]).code, 1);
    let ended = run_in(folder.path(), &["keygen", "--output", "new.secret"]);
    let written = std::fs::read_to_string(folder.path().join("new.secret")).unwrap();
    assert!(ended.code == 0 && is_a_secret(written.trim_end()) && written.ends_with('\n'), "{ended:?}");
    assert!(ended.out.contains("secret: file:new.secret") && !ended.out.contains(written.trim_end()), "{ended:?}");
    let mode = std::fs::metadata(folder.path().join("new.secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let checked = run_in(folder.path(), &["check"]);
    assert!(checked.code == 0 && !checked.out.contains("warning"), "{checked:?}");
    let json = run_in(folder.path(), &["keygen", "-o", "other.secret", "--json"]).json();
    assert_eq!(json, serde_json::json!({"file": "other.secret", "bits": 256}));
}

#[test]
fn a_file_that_is_there_is_left_as_it_is() {
    let folder = folder_with("hive.secret", "in use\n");
    let ended = run_in(folder.path(), &["keygen", "--output", "hive.secret"]);
    assert!(ended.code == 4 && ended.err.contains("there already"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("hive.secret")).unwrap(), "in use\n");
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    assert_eq!(run_in(folder.path(), &["keygen", "--output", "link"]).code, 4);
    assert!(!folder.path().join("nowhere").exists());
    let nowhere = run_in(TempDir::new().unwrap().path(), &["keygen", "--output", "no/such/folder"]);
    assert!(nowhere.code == 4 && nowhere.err.contains("cannot write `no/such/folder`"), "{nowhere:?}");
}

#[test]
fn the_help_shows_how_to_use_it_and_how_to_change_it() {
    let help = run(&["keygen", "--help"]).out;
    for text in ["secret: file:hive.secret", "[file:old.secret, file:new.secret]", "[file:new.secret, file:old.secret]"]
    {
        assert!(help.contains(text), "{help}");
    }
}

#[test]
fn check_warns_of_a_weak_secret_and_does_not_fail() {
    let folder =
        folder_with("eventhive.yaml", "connectors: {a: {pubsub_type: websocket, input_channel: w, secret: hunter2}}");
    let checked = run_in(folder.path(), &["check"]);
    assert_eq!(checked.code, 0);
    assert!(checked.out.contains("warning: ") && checked.out.contains("hive-cli keygen"), "{checked:?}");
    assert!(!format!("{checked:?}").contains("hunter2"), "{checked:?}");
}

/// A hub with a hive that seals; calls to it that are sealed, sealed otherwise, and not at all; and all that is logged.
#[test]
fn no_log_line_has_a_secret_whatever_the_level() {
    const SECRETS: [&str; 3] = ["sting-one-s3cret", "sting-two-s3cret", "sting-other-s3cret"];
    for cipher in ["aes-256-gcm", "eventhive-0.5"] {
        let config = |secret: &str, port: u16| {
            format!(
                "connectors: {{net: {{pubsub_type: websocket, input_channel: w, cipher: {cipher}, init: {{port: {port}}}, \
                 secret: {secret}}}}}\n"
            )
        };
        let port = free_port();
        let server = format!("servers: {{net: {{pubsub_type: websocket, create: always, init: {{port: {port}}}}}}}");
        let folder =
            folder_with("eventhive.yaml", &(config(&format!("[{}, {}]", SECRETS[0], SECRETS[1]), port) + &server));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut serving = program(folder.path(), &["serve", "--debug"]);
        let mut hub = Running::of(serving.env("RUST_LOG", "trace").stdout(Stdio::piped()).stderr(log));
        hub.line();
        let mut logged = String::new();
        for secret in [SECRETS[2], SECRETS[1], "''"] {
            let folder = folder_with("eventhive.yaml", &config(secret, port));
            let called = ended(program(folder.path(), &["call", "net/w/x", "{\"a\": 1}"]).env("RUST_LOG", "trace"));
            assert_eq!(called.code, 0, "{called:?}");
            logged += &called.err;
        }
        let read = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        let until = Instant::now() + SOON;
        while read().matches("message dropped").count() < 2 {
            assert!(Instant::now() < until, "{}", read());
            std::thread::sleep(Duration::from_millis(5));
        }
        hub.signal("TERM");
        assert_eq!(hub.end().code, 0);
        logged += &read();
        assert!(logged.contains("TRACE") && logged.contains("net/w/x"), "{logged}");
        assert!(SECRETS.iter().all(|secret| !logged.contains(secret)), "{logged}");
    }
}
