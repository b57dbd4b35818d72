//! What a configuration means once it is checked.

use std::time::Duration;

use eventhive::config::{Config, Create, Kinds, Sources};
use eventhive_transport::Overflow;

fn config(text: &str) -> Config {
    Config::from_yaml(text, &Kinds::compiled_in()).unwrap_or_else(|error| panic!("{error}"))
}

fn errors(text: &str) -> Vec<String> {
    let error = Config::from_yaml(text, &Kinds::compiled_in()).unwrap_err();
    error.report().problems().iter().map(ToString::to_string).collect()
}

#[test]
fn without_a_document_the_defaults_hold() {
    let config = config("");
    assert_eq!(config.hive.metadata_key, "__eventhive__");
    assert!(!config.hive.remove_metadata);
    assert_eq!(config.hive.channel_separator, "/");
    assert!(config.connectors.is_empty() && config.servers.is_empty());
}

#[test]
fn the_files_of_the_original_are_read() {
    let config = config(
        "connectors:\n  my-hive:\n    pubsub_type: fastapi\n    input_channel: worker\n    init:\n      host: 10.0.0.1\n      port: '8085'\n      endpoint: pubsub\n\
         servers:\n  my-hive: {pubsub_type: fastapi, create: always, broadcast: no, init: {host: 0.0.0.0, port: 8085, endpoint: /pubsub}}\n",
    );
    let connector = config.connector("my-hive").unwrap();
    assert_eq!(connector.pubsub_type, "websocket");
    assert_eq!(connector.input_channel.as_deref(), Some("worker"));
    assert_eq!(connector.init.integer("port"), Some(8085));
    assert_eq!(connector.init.text("host"), Some("10.0.0.1"));
    assert_eq!(connector.init.path(), "connectors.my-hive.init");
    let server = &config.servers[0];
    assert_eq!((server.create, server.broadcast), (Create::Always, false));
    assert_eq!(server.doors[0].init.text("host"), Some("0.0.0.0"));
}

#[test]
fn a_connector_and_a_server_have_defaults_for_everything_that_can_have_one() {
    let config = config(
        "connectors: {a: {pubsub_type: websocket, input_channel: ''}}\nservers: {a: {pubsub_type: websocket, create: never}}",
    );
    let connector = &config.connectors[0];
    assert_eq!(connector.input_channel, None);
    assert_eq!(connector.init.text("host"), Some("127.0.0.1"));
    let outbox = &connector.outbox;
    assert_eq!((&outbox.path, outbox.max_bytes, outbox.overflow), (&None, 16 << 20, Overflow::DropOldest));
    assert_eq!((connector.inbox_bytes, connector.inbox_overflow), (16 << 20, Overflow::DropOldest));
    assert_eq!(connector.dedupe_events, 10_000);
    assert!(connector.secret.is_none() && connector.from_broadcast.is_none());
    let server = &config.servers[0];
    assert_eq!((server.create, server.broadcast), (Create::Never, false));
    assert_eq!(server.doors[0].init.integer("port"), Some(8085));
}

#[test]
fn from_broadcast_means_what_is_documented() {
    let time = |value: &str| {
        config(&format!("connectors: {{a: {{pubsub_type: fastapi, input_channel: w, from_broadcast: {value}}}}}"))
            .connectors[0]
            .from_broadcast
    };
    assert_eq!(time("false"), None);
    assert_eq!(time("off"), None);
    assert_eq!(time("true"), Some(Duration::from_secs(5)));
    assert_eq!(time(""), Some(Duration::from_secs(5)));
    assert_eq!(time("10"), Some(Duration::from_secs(10)));
    assert_eq!(time("0.5"), Some(Duration::from_millis(500)));
    for (value, message) in
        [("soon", "found text"), ("-1", "-1 is no time"), (".nan", "is no time"), ("[]", "found a list")]
    {
        let errors =
            errors(&format!("connectors: {{a: {{pubsub_type: fastapi, input_channel: w, from_broadcast: {value}}}}}"));
        assert!(errors.len() == 1 && errors[0].contains(message), "{value}: {errors:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_in_one_run() {
    let text = "\
eventhive: {channel_separator: '', remove_metadata: 'no'}
conectors: {}
connectors:
  a: {pubsub_type: fastapy, input_channel: 5}
  b/c: {pubsub_type: websocket}
  d: {pubsub_type: nats, input_channel: w, secret: 7, outbox: {max_bytes: -1, path: ''}}
  e: [x]
  f: {pubsub_type: fastapi, input_channel: w, init: {prot: 1, scheme: http}}
servers:
  s: {pubsub_type: websocket, create: allways, broadcast: 'false'}
  t: {create: yes}
";
    let errors = errors(text);
    let expected = [
        "eventhive.channel_separator: must not be empty",
        "eventhive.remove_metadata: expected true or false, found text",
        "conectors: unknown key `conectors`: did you mean `connectors`?",
        "connectors.a.pubsub_type: there is no transport `fastapy`: did you mean `fastapi`?",
        "connectors.a.input_channel: expected text, found a whole number: put it in quotes",
        "connectors.b/c: the name has the separator `/` in it",
        "connectors.b/c: `input_channel` is missing",
        "connectors.d.pubsub_type: there is no transport `nats`: there are ",
        "connectors.d.secret: expected text, found a whole number: put it in quotes",
        "connectors.d.outbox.max_bytes: -1 is out of range",
        "connectors.e: expected a mapping, found a list",
        "connectors.f.init.prot: unknown key `prot`: did you mean `port`?",
        "connectors.f.init.scheme: `http` is not one of ws, wss",
        "servers.s.create: `allways` is not one of never, needed, always: did you mean `always`?",
        "servers.s.broadcast: expected true or false, found text",
        "servers.t: `pubsub_type` is missing",
        "servers.t.create: expected one of never, needed, always, found a boolean",
    ];
    for message in expected {
        assert!(errors.iter().any(|error| error.starts_with(message)), "{message}\nis not in\n{}", errors.join("\n"));
    }
    assert_eq!(errors.len(), expected.len(), "{}", errors.join("\n"));
}

#[test]
fn a_transport_that_this_build_lacks_is_told_with_the_command_that_builds_it() {
    let mut sources = Sources::new();
    sources.read_string("connectors: {a: {pubsub_type: redis, input_channel: w, init: {}}}");
    let told = sources.resolve(&Kinds::none()).unwrap_err().to_string();
    assert!(told.contains("build it with `cargo build --release --features redis`"), "{told}");
}

#[test]
fn servers_on_one_port_and_path_clash_before_any_is_started() {
    let servers = |one: &str, other: &str| {
        format!(
            "servers:\n  one: {{pubsub_type: fastapi, create: always, init: {{{one}}}}}\n  two: {{pubsub_type: fastapi, create: always, init: {{{other}}}}}\n"
        )
    };
    for (one, other) in [
        ("", ""),
        ("endpoint: pubsub", "endpoint: /pubsub"),
        ("host: 0.0.0.0, endpoint: /a", "endpoint: /b"),
        ("host: '::', endpoint: /a", "endpoint: /b"),
    ] {
        let errors = errors(&servers(one, other));
        assert!(
            errors.len() == 1 && errors[0].starts_with("servers.two.init.port: the server `one` listens on"),
            "{errors:?}"
        );
    }
    for (one, other) in
        [("", "port: 8086"), ("endpoint: /a", "endpoint: /b"), ("port: 0", "port: 0"), ("", "host: 127.0.0.2")]
    {
        config(&servers(one, other));
    }
    config("servers: {a: {pubsub_type: fastapi, create: always}, b: {pubsub_type: fastapi, create: never}}");
    let needed = |other: &str| servers("endpoint: /a", other).replacen("always", "needed", 1);
    let errors = errors(&needed("endpoint: /b"));
    assert!(
        errors.len() == 1 && errors[0].contains("so it shares its port with no other: change the port"),
        "{errors:?}"
    );
    config(&needed("port: 8086"));
}

#[test]
fn sections_that_begin_with_x_are_free_for_anchors() {
    let config = config(
        "x-base: &base {pubsub_type: websocket, input_channel: w}\nconnectors: {a: {<<: *base}, b: {<<: *base, input_channel: q}}",
    );
    assert_eq!(config.connectors.iter().map(|it| it.input_channel.as_deref().unwrap()).collect::<Vec<_>>(), ["w", "q"]);
}

#[cfg(all(feature = "http", feature = "websocket"))]
#[test]
fn a_server_has_one_door_or_a_list_of_them() {
    let config = config(
        "servers: {net: {create: always, doors: [{pubsub_type: fastapi}, {pubsub_type: pypubsub, init: {port: 1}}]}}",
    );
    let kinds: Vec<&str> = config.servers[0].doors.iter().map(|door| door.pubsub_type).collect();
    assert_eq!(kinds, ["websocket", "http"]);
    assert_eq!(config.servers[0].doors[1].init.integer("port"), Some(1));
    for (text, wanted) in [
        ("{create: always}", "servers.net: `pubsub_type` is missing"),
        ("{create: always, doors: []}", "servers.net.doors: expected a list of doors"),
        (
            "{create: always, doors: [{pubsub_type: redis}]}",
            "servers.net.doors[0].pubsub_type: `redis` has no server to run here",
        ),
        ("{create: always, doors: [{init: {}}]}", "servers.net.doors[0]: `pubsub_type` is missing"),
        (
            "{create: always, init: {}, doors: [{pubsub_type: http}]}",
            "servers.net.init: a server has either `doors` or `init`",
        ),
        (
            "{create: always, doors: [{pubsub_type: http, init: {port: 9}}, {pubsub_type: http, init: {port: 9}}]}",
            "listens on 127.0.0.1:9 under `/` already",
        ),
    ] {
        let found = errors(&format!("servers: {{net: {text}}}"));
        assert!(found.iter().any(|error| error.contains(wanted)), "{text}: {found:?}");
    }
}
