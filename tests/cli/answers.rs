//! The verbs that start nothing: check, explain, schema, completions, man.

use serde_json::{Value, json};

use crate::support::{ended, folder_with, program, run, run_in};

const GOOD: &str = "\
servers: {hive: {pubsub_type: websocket, create: always}}
connectors:
  hive: {pubsub_type: fastapi, input_channel: queen, secret: 9f86d081884c7d659a2feaa0c55ad015}
  other: {pubsub_type: websocket, input_channel: ''}
";

#[test]
fn check_says_ok_when_nothing_is_wrong() {
    let folder = folder_with("eventhive.yaml", GOOD);
    let text = run_in(folder.path(), &["check"]);
    assert_eq!((text.out.as_str(), text.code), ("ok: eventhive.yaml: 2 connectors, 1 server\n", 0));
    let json = run_in(folder.path(), &["check", "--json"]);
    assert_eq!(
        (json.json(), json.code),
        (json!({"ok": true, "files": ["eventhive.yaml"], "problems": [], "warnings": []}), 0)
    );
}

#[test]
fn check_tells_all_problems_of_all_files_and_ends_with_code_1() {
    let folder = folder_with("one.yaml", "connectors:\n  a: {pubsub_type: websocket, secret: hunter2}\n");
    std::fs::write(folder.path().join("two.yaml"), "conectors: {}\n").unwrap();
    let text = run_in(folder.path(), &["check", "one.yaml", "two.yaml", "three.yaml"]);
    assert_eq!(text.code, 1);
    for part in [
        "one.yaml:2:6: connectors.a: `input_channel` is missing",
        "did you mean `connectors`?",
        "three.yaml",
        "3 problems",
    ] {
        assert!(text.out.contains(part), "{part} is not in {}", text.out);
    }
    assert!(!text.out.contains("hunter2"), "{}", text.out);
    let json = run_in(folder.path(), &["check", "--json", "two.yaml"]);
    assert_eq!(json.code, 1);
    assert_eq!(json.json()["ok"], json!(false));
    assert_eq!(json.json()["problems"][0]["file"], json!("two.yaml"));
}

#[test]
fn check_sees_what_only_a_transport_knows() {
    let text = "\
servers:
  a: {pubsub_type: websocket, create: always, init: {tls_cert: nosuch.pem, tls_key: nosuch.key}}
  b: {pubsub_type: websocket, create: never, init: {tls_cert: nosuch.pem, tls_key: nosuch.key}}
connectors:
  c: {pubsub_type: websocket, input_channel: w, init: {scheme: wss, tls_ca: nosuch.pem, token: 'env:EVENTHIVE_NO_SUCH'}}
";
    let ended = run_in(folder_with("eventhive.yaml", text).path(), &["check"]);
    assert!(ended.code == 1 && ended.out.contains("connectors.c.init.token: the environment variable"), "{ended:?}");
    let ended = run_in(folder_with("eventhive.yaml", &text.replace("env:", "literal:")).path(), &["check"]);
    assert!(
        ended.out.contains("eventhive.yaml:2:64: servers.a.init.tls_cert: ") && ended.out.contains("nosuch"),
        "{ended:?}"
    );
    assert!(ended.out.contains("eventhive.yaml:5:77: connectors.c.init.tls_ca: "), "{ended:?}");
    assert!(ended.code == 1 && ended.out.ends_with("2 problems\n"), "{ended:?}");
}

#[test]
fn check_reads_what_the_environment_names() {
    let folder = folder_with("x.yaml", "servers: {a: {pubsub_type: websocket}}");
    let named = ended(program(folder.path(), &["check"]).env("EVENTHIVE_CONFIG", "x.yaml"));
    assert!(named.code == 1 && named.out.contains("x.yaml:1:14: servers.a: `create` is missing"), "{named:?}");
    let nothing = run_in(folder.path(), &["check"]);
    assert!(nothing.code == 2 && nothing.err.contains("no configuration found (looked for"), "{nothing:?}");
    let good = folder_with("eventhive.yaml", "{}");
    let warned = ended(program(good.path(), &["check"]).env("EVENTHIVE_SECRET", "b:hunter2"));
    assert_eq!(warned.code, 0);
    assert!(warned.out.starts_with("warning: EVENTHIVE_SECRET names the connector `b`"), "{warned:?}");
    assert!(!warned.out.contains("hunter2"));
}

fn explained(name: &str) -> (String, Value) {
    let folder = folder_with("eventhive.yaml", GOOD);
    let text = run_in(folder.path(), &["explain", name]);
    let json = run_in(folder.path(), &["explain", name, "--json"]);
    assert_eq!((text.code, json.code), (0, 0), "{text:?} {json:?}");
    (text.out.clone(), json.json())
}

#[test]
fn explain_tells_the_three_categories_apart() {
    let (text, json) = explained("hive/worker/action");
    assert!(text.starts_with("hive/worker/action: a remote event\n"), "{text}");
    assert!(text.contains("hive (websocket, 127.0.0.1:8085/pubsub)") && text.contains("aes-256-gcm"), "{text}");
    assert!(text.contains("`worker/action` in every hive of `hive` whose input_channel is `worker`\n"), "{text}");
    assert_eq!((&json["category"], &json["connectors"][0]["topic"]), (&json!("remote"), &json!("hive/worker/action")));

    let (text, json) = explained("queen/fly");
    assert!(
        text.contains("a network-accessible event") && text.contains("other hives call it as hive/queen/fly"),
        "{text}"
    );
    assert_eq!(
        (&json["category"], &json["connectors"][0]["topic"]),
        (&json!("network_accessible"), &json!("hive/queen/fly"))
    );

    let (text, json) = explained("hve/worker/action");
    assert!(text.contains("a strictly local event") && text.contains("did you mean `hive`?"), "{text}");
    assert_eq!((&json["category"], &json["meant"], &json["separator"]), (&json!("local"), &json!("hive"), &json!("/")));
}

#[test]
fn explain_compares_whole_segments_and_says_what_nobody_hears() {
    assert_eq!(explained("queen2/fly").1["category"], json!("local"));
    assert_eq!(explained("hive2/worker/act").1["category"], json!("local"));
    assert!(explained("hive/queen/fly").0.contains("this one included"));
    assert!(explained("hive/queen").0.contains("hives listen below a channel"));
}

// A smaller build has a smaller schema.
#[cfg(feature = "redis")]
#[test]
fn schema_prints_the_schema_that_the_examples_use() {
    let committed: Value = serde_json::from_str(include_str!("../../config-examples/schema.json")).unwrap();
    for arguments in [&["schema"][..], &["schema", "--json"]] {
        let is_the_same = run(arguments).json() == committed;
        assert!(is_the_same, "run `hive-cli schema > config-examples/schema.json`");
    }
}

#[test]
fn completions_know_every_verb_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains("explain") && script.out.contains("listen"), "{shell}: {}", script.out);
    }
    let json = run(&["completions", "bash", "--json"]).json();
    assert!(json["script"].as_str().unwrap().contains("complete"));
}

#[test]
fn man_prints_a_page_for_the_program_and_each_verb() {
    let page = run(&["man"]);
    assert_eq!(page.code, 0);
    for part in [".TH hive-cli 1", "Exit codes:", "listen", "json\\-fallback"] {
        assert!(page.out.contains(part), "{part} is not in {}", page.out);
    }
    let verb = run(&["man", "listen", "--json"]).json();
    assert!(verb["page"].as_str().unwrap().contains(".TH hive-cli-listen 1"), "{verb}");
}
