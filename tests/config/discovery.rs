//! Finding servers and being found, as configured.

use std::path::Path;

use eventhive::config::{Config, Kinds, Sources};

fn read(text: &str) -> Result<Config, eventhive::config::ConfigError> {
    let mut sources = Sources::with_variables(|_| None);
    sources.read_named("x", text);
    sources.resolve(&Kinds::compiled_in())
}

fn config(text: &str) -> Config {
    read(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn by_default_mdns_is_used_and_nothing_else() {
    let discovery = config("").hive.discovery;
    assert!(discovery.mdns && discovery.interfaces.is_empty());
    assert!(discovery.servers.is_empty() && discovery.file.is_none());
}

#[test]
fn the_list_and_the_file_are_what_is_written_and_stay_when_another_document_follows() {
    let text = "eventhive: {discovery_mdns: no, discovery_servers: [a.example, 'net wss://b:81/x'], discovery_file: f}";
    let mut sources = Sources::with_variables(|_| None);
    sources.read_named("x", text);
    sources.read_named("y", "eventhive: {metadata_key: m}");
    let discovery = sources.resolve(&Kinds::compiled_in()).unwrap().hive.discovery;
    assert!(!discovery.mdns);
    assert_eq!(discovery.servers, ["a.example", "net wss://b:81/x"]);
    assert_eq!(discovery.file.as_deref(), Some(Path::new("f")));
}

#[cfg(feature = "discovery")]
#[test]
fn an_entry_that_is_no_server_is_told_at_its_place_with_the_form_that_is_expected() {
    let error = read("eventhive: {discovery_servers: [good, 'bad:port', 'also:0']}").unwrap_err().to_string();
    assert!(
        error.starts_with("x:1:39: eventhive.discovery_servers: `bad:port` is not a server: write `name"),
        "{error}"
    );
    assert!(error.contains("x:1:51: eventhive.discovery_servers: `also:0` is not a server"), "{error}");
}

#[test]
fn a_misspelt_key_is_told_with_the_right_one() {
    let error = read("eventhive: {discovery_server: [a]}").unwrap_err().to_string();
    assert!(error.contains("did you mean `discovery_servers`?"), "{error}");
}

/// What signs the announcement of the server `net`.
fn signs(server: &str, connector: &str) -> Option<String> {
    let config = config(&format!(
        "servers: {{net: {{pubsub_type: websocket, create: always, broadcast: true{server}}}}}\n\
         connectors: {{net: {{pubsub_type: websocket, input_channel: w{connector}}}}}"
    ));
    config.servers[0].secret.as_ref().map(|secrets| secrets.current().to_owned())
}

#[test]
fn a_server_signs_with_its_secret_or_else_with_that_of_the_connector_of_its_name() {
    assert_eq!(signs("", ""), None);
    assert_eq!(signs("", ", secret: theirs").as_deref(), Some("theirs"));
    assert_eq!(signs(", secret: own", ", secret: [new, own]").as_deref(), Some("own"));
    assert_eq!(signs(", secret: ''", ", secret: theirs"), None);
    assert_eq!(signs("", ", secret: theirs, cipher: eventhive-0.5"), None, "Python hives do not sign");
    assert_eq!(signs(", secret: own", ", secret: theirs, cipher: eventhive-0.5").as_deref(), Some("own"));
}

fn warnings(text: &str) -> String {
    config(text).warnings().to_string()
}

#[test]
fn combinations_that_do_not_do_what_one_would_think_are_doubted() {
    let server = |more: &str| format!("servers: {{net: {{pubsub_type: websocket, {more}}}}}");
    let told = warnings(&server("create: needed"));
    assert!(told.starts_with("x:1:49: servers.net.create: a server that is `needed` and not announced"), "{told}");
    assert_eq!(warnings(&server("create: needed, broadcast: true")), "");

    let off = "eventhive: {discovery_mdns: false}\n";
    let told = warnings(&format!("{off}{}", server("create: needed, broadcast: true")));
    assert!(told.contains("servers.net.broadcast: nothing is announced"), "{told}");

    let connector = "connectors: {net: {pubsub_type: websocket, input_channel: w, from_broadcast: true}}";
    assert!(warnings(&format!("{off}{connector}")).contains("there is nowhere to look for the server"));
    let listed = off.replace("false", "false, discovery_servers: a");
    assert_eq!(warnings(&format!("{listed}{connector}")), "");

    let told =
        warnings(&format!("{}\n{}", server("create: always, secret: a"), connector.replace("true", "1, secret: b")));
    assert!(told.contains("servers.net.secret: the connector of the same name has another secret"), "{told}");
}

#[test]
fn a_token_beside_announcements_that_anybody_can_make_is_doubted() {
    let told = |more: &str, init: &str| {
        warnings(&format!(
            "connectors: {{net: {{pubsub_type: websocket, input_channel: w, from_broadcast: 1{more}, init: {{{init}}}}}}}"
        ))
    };
    const STRONG: &str = "4f1c9c1b7f0e4ac2a6b1d36a1c0e8f5d2b7a9e3c";
    for (more, init) in [("", "token: abc"), (&format!(", secret: {STRONG}, cipher: eventhive-0.5")[..], "token: abc")]
    {
        let told = told(more, init);
        assert!(told.contains("connectors.net.from_broadcast: announcements are not signed here"), "{told}");
        assert!(told.contains("`token`") && told.contains("`init.host`"), "{told}");
    }
    assert_eq!(told("", ""), "");
    assert_eq!(told("", "token: abc, host: hub.local"), "");
    assert_eq!(told(&format!(", secret: {STRONG}"), "token: abc"), "");
}
