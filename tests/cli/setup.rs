//! `hive-cli setup webhook`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ended, Running, folder_with, run, run_in};

const CONFIG: &str = "eventhive.yaml";
const SERVICE: &str = "subscriber.yaml";
const BROADCASTER: &str = "broadcaster-secrets.json";
const SUBSCRIBER: &str = "subscriber-secrets.json";
const FILES: [&str; 4] = [BROADCASTER, CONFIG, SUBSCRIBER, SERVICE];
const KINDS: [&str; 3] = ["hmac", "token", "none"];

/// 64 bytes in URL-safe base64.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw";

fn setup(folder: &Path, arguments: &[&str]) -> Ended {
    run_in(folder, &[&["setup", "webhook"], arguments].concat())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn secrets(folder: &Path) -> Value {
    assert_eq!(read(folder, BROADCASTER), read(folder, SUBSCRIBER));
    serde_json::from_str(&read(folder, BROADCASTER)).unwrap()
}

#[test]
fn four_files_are_written_that_only_their_owner_reads_and_nothing_else_is_left() {
    let folder = TempDir::new().unwrap();
    let ended = setup(folder.path(), &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(names(folder.path()), FILES);
    for name in FILES {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        assert!(ended.out.contains(name), "{ended:?}");
    }
    assert!(ended.out.contains("\n  hive-cli check\n  hive-cli serve\n"), "{}", ended.out);
    assert!(!ended.out.contains("cd "), "{}", ended.out);
}

#[test]
fn each_direction_has_a_secret_of_its_own_as_it_is_authorized() {
    for to_broadcasters in KINDS {
        for to_subscribers in KINDS {
            let folder = TempDir::new().unwrap();
            let auth = ["--to-broadcasters-auth", to_broadcasters, "--to-subscribers-auth", to_subscribers];
            let ended = setup(folder.path(), &auth);
            assert_eq!(ended.code, 0, "{ended:?}");
            let secrets = secrets(folder.path());
            assert_eq!(secrets["version"], "2");
            for (direction, kind) in [("to-broadcaster", to_broadcasters), ("to-subscriber", to_subscribers)] {
                if kind == "none" {
                    assert_eq!(secrets.get(direction), None);
                    continue;
                }
                assert_eq!(secrets[direction]["type"], kind);
                let secret = secrets[direction]["secret"].as_str().unwrap();
                assert!(secret.len() == 86 && !ended.out.contains(secret), "{ended:?}");
            }
        }
    }
}

#[test]
fn secrets_that_are_there_already_are_taken() {
    let folder = folder_with("token", "s3cr3t-s3cr3t-s3cr3t\n");
    let given = ["--to-broadcasters-secret", SECRET, "--to-subscribers-auth", "token"];
    let ended = setup(folder.path(), &[&given[..], &["--to-subscribers-secret", "file:token"]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let expected = json!({
        "version": "2",
        "to-broadcaster": { "type": "hmac", "secret": SECRET },
        "to-subscriber": { "type": "token", "secret": "s3cr3t-s3cr3t-s3cr3t" },
    });
    assert_eq!(secrets(folder.path()), expected);
}

#[test]
fn where_a_file_is_there_it_stays_and_no_other_is_written() {
    for name in FILES {
        let folder = folder_with(name, "mine");
        let ended = setup(folder.path(), &[]);
        assert!(ended.code == 4 && ended.err.contains(name) && ended.err.contains("already"), "{ended:?}");
        assert_eq!(names(folder.path()), [name]);
        assert_eq!(read(folder.path(), name), "mine");
    }
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join(BROADCASTER)).unwrap();
    let ended = setup(folder.path(), &[]);
    assert!(ended.code == 4 && names(folder.path()) == [BROADCASTER], "{ended:?}");
}

#[test]
fn a_folder_is_made_and_entered_first() {
    let folder = TempDir::new().unwrap();
    let ended = setup(folder.path(), &["--directory", "new/it's here", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let answer = ended.json();
    assert_eq!(answer["next"], json!([r"cd 'new/it'\''s here'", "hive-cli check", "hive-cli serve"]));
    assert_eq!(names(&folder.path().join("new/it's here")), FILES);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = folder_with("file", "");
    let ended = setup(folder.path(), &["--directory", "file/below"]);
    assert!(ended.code == 4 && ended.err.contains("file/below"), "{ended:?}");
}

#[test]
fn the_store_is_where_it_is_said_to_be() {
    for (store, address, expected) in [
        ("sqlite", None, "sqlite:subscriptions.db"),
        ("postgres", Some("postgres://me:p\"w@db/x"), "postgres://me:p\\\"w@db/x"),
        ("postgres", None, "postgres://127.0.0.1:5432/eventhive"),
        ("rqlite", None, "rqlite://127.0.0.1:4001"),
    ] {
        let folder = TempDir::new().unwrap();
        let place = address.map(|address| ["--store-address", address]);
        let ended =
            setup(folder.path(), &[&["--store", store][..], place.as_ref().map_or(&[], |place| place)].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        let config = read(folder.path(), CONFIG);
        assert!(config.contains(&format!("database: \"{expected}\"")), "{config}");
        assert_eq!(ended.out.contains("where the store is"), address.is_none() && store != "sqlite", "{ended:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    for (arguments, says) in [
        (
            &["--to-broadcasters-auth", "none", "--to-broadcasters-secret", "x"][..],
            "--to-broadcasters-secret is not used",
        ),
        (&["--to-broadcasters-secret", "short"], "to-broadcaster.secret"),
        (&["--to-subscribers-secret", "file:nosuch"], "--to-subscribers-secret: cannot read the secret"),
        (&["--to-subscribers-secret", ""], "--to-subscribers-secret: the secret is empty"),
        (&["--to-subscribers-auth", "token", "--to-subscribers-secret", "two words"], "to-subscriber.secret"),
        (&["--store", "rqlite", "--store-address", "http://x"], "rqlite://"),
        (&["--store-address", "sqlite:"], "sqlite:"),
        (&["--store", "mysql"], "possible values"),
    ] {
        let folder = TempDir::new().unwrap();
        let ended = setup(folder.path(), arguments);
        assert!(
            ended.code == 2 && ended.err.contains(says) && !ended.err.contains("short\""),
            "{arguments:?}: {ended:?}"
        );
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn what_is_written_passes_the_check() {
    for to_broadcasters in KINDS {
        for to_subscribers in KINDS {
            let folder = TempDir::new().unwrap();
            setup(folder.path(), &["--to-broadcasters-auth", to_broadcasters, "--to-subscribers-auth", to_subscribers]);
            for arguments in [&["check"][..], &["check", SERVICE]] {
                let checked = run_in(folder.path(), arguments);
                assert_eq!(checked.code, 0, "{to_broadcasters}, {to_subscribers}: {checked:?}");
            }
        }
    }
}

#[test]
fn a_broadcaster_serves_with_what_is_written_and_a_service_joins_it() {
    let folder = TempDir::new().unwrap();
    setup(folder.path(), &[]);
    let port = |kind: &str, port: u16| {
        fs::write(folder.path().join("port.yaml"), format!("{kind}: {{hive: {{init: {{port: {port}}}}}}}")).unwrap();
    };
    port("servers", 0);
    let mut broadcaster =
        Running::start_in(folder.path(), &["serve", "--json", "--config", CONFIG, "--config", "port.yaml"]);
    let told = broadcaster.json();
    let url = told["servers"][0]["urls"][0].as_str().unwrap_or_else(|| panic!("{told}"));
    let bound = url.split(['/', ':']).find_map(|part| part.parse().ok()).unwrap();
    port("connectors", bound);
    let mut service =
        Running::start_in(folder.path(), &["serve", "--json", "--config", SERVICE, "--config", "port.yaml"]);
    assert_eq!(service.json()["connectors"], json!([{"name": "hive", "state": "up", "reason": null}]));
}

#[test]
fn its_help_names_every_choice() {
    let ended = run(&["setup", "webhook", "--help"]);
    for text in ["sqlite", "postgres", "rqlite", "hmac", "token", "none", "--directory"] {
        assert!(ended.code == 0 && ended.out.contains(text), "{text}: {}", ended.out);
    }
}
