//! Messages: file, line, column, key, fix, source line; never a secret.

use eventhive::config::{Kinds, Sources};
use serde_json::json;

const TEXT: &str =
    "connectors:\n  my-hive:\n    pubsub_type: websocket\n    input_channel: worker\n    init:\n      prot: 8085\n";

fn error(name: &str, text: &str) -> eventhive::config::ConfigError {
    let mut sources = Sources::new();
    sources.read_named(name, text);
    sources.resolve(&Kinds::compiled_in()).unwrap_err()
}

#[test]
fn a_message_points_at_the_key_in_its_line() {
    assert_eq!(
        error("file.yaml", TEXT).to_string(),
        "file.yaml:6:7: connectors.my-hive.init.prot: unknown key `prot`: did you mean `port`?\n    6 |       prot: 8085\n      |       ^^^^"
    );
}

#[test]
fn programs_get_the_same_as_json() {
    assert_eq!(
        error("file.yaml", TEXT).report().to_json(),
        json!([{
            "file": "file.yaml", "line": 6, "column": 7, "path": "connectors.my-hive.init.prot",
            "message": "unknown key `prot`: did you mean `port`?",
        }])
    );
}

#[test]
fn of_a_long_line_the_part_around_the_place_is_shown() {
    let far = format!("connectors: {{a: {{input_channel: {}, prot: 1, x: {}}}}}", "w".repeat(500), "y".repeat(500));
    let shown = error("file.yaml", &far).to_string();
    let lines: Vec<&str> = shown.lines().collect();
    let at = lines.iter().position(|line| line.contains("unknown key `prot`")).unwrap();
    let (source, caret) = (lines[at + 1], lines[at + 2]);
    assert!(source.len() < 200 && source.contains("| ...www") && source.ends_with("yyy..."), "{source}");
    let column = caret.find('^').unwrap();
    assert_eq!(&source[column..column + 4], "prot", "{shown}");
}

#[test]
fn a_secret_that_is_not_to_be_had_has_its_place() {
    let text =
        "connectors:\n  a:\n    pubsub_type: websocket\n    input_channel: w\n    init: {token: \"file:nope\"}\n";
    let shown = error("file.yaml", text).to_string();
    let path = std::env::current_dir().unwrap().join("nope");
    assert!(shown.starts_with("file.yaml:5:19: connectors.a.init.token: cannot read the secret from `"), "{shown}");
    assert!(shown.contains(&format!("`{}`", path.display())), "{shown}");
}

#[test]
fn what_is_wrong_is_told_beside_other_things_that_are() {
    let text = "eventhive: {channel_separator: '', metadata_key: '', remove_metadata: 5}\n\
                connectors:\n  a: {pubsub_type: nosuch, input_channel: w, init: 5}\n  b: {input_channel: w, init: [1]}\n";
    let error = error("file.yaml", text);
    let told: Vec<String> = error.report().problems().iter().map(ToString::to_string).collect();
    for part in [
        "eventhive.channel_separator: must not be empty",
        "eventhive.metadata_key: must not be empty",
        "eventhive.remove_metadata: expected true or false",
        "connectors.a.pubsub_type: there is no transport",
        "connectors.a.init: expected a mapping, found a whole number",
        "connectors.b: `pubsub_type` is missing",
        "connectors.b.init: expected a mapping, found a list",
    ] {
        assert_eq!(told.iter().filter(|problem| problem.starts_with(part)).count(), 1, "{part}: {told:#?}");
    }
}

#[test]
fn a_channel_that_looks_like_a_pattern_is_doubted() {
    let mut sources = Sources::new();
    sources.read_named("file.yaml", "connectors: {a: {pubsub_type: websocket, input_channel: 'w*'}}");
    let config = sources.resolve(&Kinds::compiled_in()).unwrap();
    assert!(
        config.warnings().to_string().starts_with("file.yaml:1:57: connectors.a.input_channel: `*` stands for itself")
    );
}

#[test]
fn a_port_of_nothing_and_a_host_without_a_name_are_wrong_for_a_connector() {
    let init = |init: &str| format!("connectors: {{a: {{pubsub_type: websocket, input_channel: w, init: {init}}}}}");
    assert!(error("x", &init("{port: 0}")).to_string().contains("0 is out of range: use 1 to 65535"));
    let mut sources = Sources::new();
    sources.read_string(&init("{host: ''}"));
    let config = sources.resolve(&Kinds::compiled_in()).unwrap();
    let problems = eventhive::Hive::builder().check(&config).problems;
    assert!(problems.iter().any(|it| it.to_string() == "connectors.a.init.host: must not be empty: name the server"));
}

#[test]
fn every_file_is_read_before_anything_is_reported() {
    let mut sources = Sources::new();
    sources.read_named("one.yaml", "a: [").read_named("two.yaml", "b: 1").read_file("/nonexistent/three.yaml");
    let text = sources.resolve(&Kinds::compiled_in()).unwrap_err().to_string();
    for part in ["one.yaml:1:", "two.yaml:1:1: b: unknown key", "cannot read `/nonexistent/three.yaml`"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn no_message_shows_a_secret() {
    for text in [
        "connectors: {a: {secret: hunter2, prot: 1}}",
        "connectors: {a: {secert: hunter2}}",
        "connectors:\n  a:\n    secret: hunter2\n    secret: hunter2",
        "connectors:\n  a:\n    secret: [hunter2, 5, [hunter2]]",
        "connectors:\n  a:\n    secret: {hunter2: hunter2}",
        "connectors:\n  a:\n    secret: 'hunter2\n",
        "connectors:\n  a: {secret: \"hunter2\"",
        "connectors:\n  a:\n    secret: !mine hunter2",
        "connectors:\n  a:\n    secret: !!int hunter2",
        "connectors:\n  a:\n    secret: @hunter2",
    ] {
        let error = error("file.yaml", text);
        let shown = format!("{error} {error:?} {}", error.report().to_json());
        assert!(!shown.contains("hunter2"), "{text:?} shows {shown}");
    }
}

#[test]
fn debug_output_of_a_configuration_shows_no_secret() {
    let text = "connectors: {a: {pubsub_type: websocket, input_channel: w, secret: hunter2}}";
    let mut sources = Sources::new();
    sources.read_string(text);
    let config = sources.resolve(&Kinds::compiled_in()).unwrap();
    let shown = format!("{config:?} {sources:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("Secrets(1 hidden)"), "{shown}");
}

#[cfg(feature = "http")]
#[test]
fn what_is_wrong_with_access_names_the_key_its_place_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("acl.yaml");
    std::fs::write(&list, "one:\n  password: p\n  acl: {}\ntwo: [\n").unwrap();
    let text = format!(
        "servers:\n  \
           a:\n    \
             pubsub_type: http\n    \
             create: always\n    \
             init:\n      \
               payloaders: [localhost]\n      \
               trusted_proxies: [10.0.0.0/33]\n      \
               acl_file: {}\n  \
           b:\n    \
             pubsub_type: websocket\n    \
             create: always\n    \
             init:\n      \
               proxy_protocol: true\n",
        list.display()
    );
    let mut sources = Sources::new();
    sources.read_named("file.yaml", &text);
    let config = sources.resolve(&Kinds::compiled_in()).unwrap();
    let found = eventhive::Hive::builder().check(&config);
    let report = config.error(found.problems).to_string();
    for part in [
        "file.yaml:6:19: servers.a.init.payloaders: `localhost` is no network: write it as `10.0.0.0/8`",
        "file.yaml:7:24: servers.a.init.trusted_proxies: `10.0.0.0/33` is no network: write it as `10.0.0.0/8`",
        "file.yaml:8:17: servers.a.init.acl_file: the access list `",
        "acl.yaml` is wrong: line 4: ",
        "file.yaml:13:23: servers.b.init.proxy_protocol: nobody may speak it: name the proxies under `trusted_proxies`",
    ] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    for (key, value, why) in [
        ("proxy_protocol", "perhaps", "expected true or false"),
        ("trusted_proxies", "{}", "expected"),
        ("max_sessions_per_address", "0", "out of range"),
    ] {
        let text = format!("servers: {{a: {{pubsub_type: http, create: always, init: {{{key}: {value}}}}}}}");
        let error = error("file.yaml", &text).to_string();
        assert!(error.contains(key) && error.contains(why), "{error}");
    }
}
