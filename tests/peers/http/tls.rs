//! The door and the link over TLS. PyPubSub's `server.tls` opens a second listener beside the plain one: two doors.

use std::path::{Path, PathBuf};

use eventhive_conformance::free_port;
use serde_json::json;
use tempfile::TempDir;

use super::curl::{Stream, curl, put, put_with, try_curl};
use super::served::Served;
use crate::our_hive::OurHive;
use crate::process::run;

/// Curl's code for a certificate that it does not trust, or that is of another name.
const UNTRUSTED: i32 = 60;

const HUB: &str = "
servers:
  net:
    create: always
    doors:
      - {pubsub_type: http, init: {port: PORT, ping_interval_secs: 0.2}}
      - {pubsub_type: http, init: {port: TLS, ping_interval_secs: 0.2, tls_cert: used.pem, tls_key: used.key}}
";

/// A hub with a plain door and one over TLS, whose certificate is for `localhost` only.
struct Hub {
    served: Served,
    tls: u16,
}

impl Hub {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["one", "two"] {
            certificate(folder.path(), name);
        }
        install(folder.path(), "one");
        let tls = free_port();
        let served = Served::start_in(folder, &HUB.replace("TLS", &tls.to_string()));
        assert_eq!(served.urls, [served.url("/"), format!("https://127.0.0.1:{tls}/")]);
        Self { served, tls }
    }

    fn url(&self, target: &str) -> String {
        format!("https://localhost:{}{target}", self.tls)
    }

    fn file(&self, name: &str) -> String {
        self.served.folder().join(name).to_str().unwrap().to_owned()
    }
}

pub(super) fn certificate(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
}

fn install(folder: &Path, name: &str) {
    for kind in ["pem", "key"] {
        std::fs::copy(folder.join(format!("{name}.{kind}")), folder.join(format!("used.{kind}"))).unwrap();
    }
}

#[test]
fn a_plain_door_and_one_over_tls_stand_beside_each_other() {
    let hub = Hub::start();
    let trusted = ["--cacert", &hub.file("one.pem")];
    let mut plain = Stream::subscribed(&[hub.served.url("/a")]);
    let mut tls = Stream::subscribed(&[&trusted[..], &[&hub.url("/a")]].concat());
    put(&hub.served.url("/a"), "{\"n\":0}");
    put_with(&hub.url("/a"), "{\"n\":1}", &trusted);
    for n in 0..2 {
        assert_eq!((&plain.event()["n"], &tls.event()["n"]), (&json!(n), &json!(n)));
    }
    // Both directions in versions of TLS that the original has too.
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let answer = curl(&[&trusted[..], &version, &["-I", &hub.url("/")]].concat(), b"");
        assert_eq!(answer.status, 204, "{version:?}");
    }
    assert_eq!(try_curl(&["-I", &hub.url("/")], b"").unwrap_err().1, UNTRUSTED);
}

#[test]
fn a_new_certificate_is_for_new_connections_and_streams_that_are_open_live_on() {
    let hub = Hub::start();
    let (one, two) = (hub.file("one.pem"), hub.file("two.pem"));
    let asks = |trusted: &str| try_curl(&["-I", "--cacert", trusted, &hub.url("/")], b"").map_err(|(_, code)| code);
    let mut old = Stream::subscribed(&["--cacert", &one, &hub.url("/a")]);
    assert!(asks(&one).is_ok());
    assert_eq!(asks(&two).unwrap_err(), UNTRUSTED);

    install(hub.served.folder(), "two");
    hub.served.process.signal("HUP");
    hub.served.process.said("certificates and access lists read again");
    assert_eq!(asks(&one).unwrap_err(), UNTRUSTED);
    assert!(asks(&two).is_ok());
    let mut new = Stream::subscribed(&["--cacert", &two, &hub.url("/a")]);
    put_with(&hub.url("/a"), "{\"n\":1}", &["--cacert", &two]);
    assert_eq!((&old.event()["n"], &new.event()["n"]), (&json!(1), &json!(1)));
    while !old.line().contains("stillalive") {}
}

/// A hive on the door over TLS.
fn member(hub: &Hub, channel: &str, host: &str, authority: &str) -> String {
    format!(
        "connectors: {{net: {{pubsub_type: http, input_channel: '{channel}', init: {{\
         scheme: https, host: {host}, port: {}, tls_ca: '{authority}'}}}}}}",
        hub.tls
    )
}

#[test]
fn hives_call_each_other_over_tls() {
    let hub = Hub::start();
    let trusted = hub.file("one.pem");
    let worker = OurHive::start(&member(&hub, "worker", "localhost", &trusted), &["worker/action"], None);
    let queen = OurHive::start(&member(&hub, "queen", "localhost", &trusted), &[], None);
    for n in 0..50 {
        queen.call("net/worker/action", &json!({"n": n}));
    }
    for n in 0..50 {
        assert_eq!(worker.received(), ("worker/action".to_owned(), json!({"n": n})));
    }
}

#[test]
fn a_server_that_cannot_prove_itself_is_refused_and_the_message_says_what_to_change() {
    let hub = Hub::start();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_hive-cli"));
    let call = |host: &str, port: u16, authority: &str| {
        let yaml = member(&hub, "", host, &hub.file(authority)).replace(&hub.tls.to_string(), &port.to_string());
        std::fs::write(hub.served.folder().join("client.yaml"), yaml).unwrap();
        let arguments = ["call", "--config", "client.yaml", "net/worker/action", "{}", "--timeout", "3"];
        let (_, err, code) = run(&program, hub.served.folder(), &arguments);
        (code, err)
    };
    let fine = call("localhost", hub.tls, "one.pem");
    assert_eq!(fine.0, 0, "{}", fine.1);
    for (host, port, authority, said) in [
        (
            "localhost",
            hub.tls,
            "two.pem",
            "nobody who is trusted has signed the server's certificate: name the file of its authority with `tls_ca`",
        ),
        (
            "127.0.0.1",
            hub.tls,
            "one.pem",
            "set `host` to a name that the certificate has (invalid peer certificate: certificate not valid for name \"127.0.0.1\"; certificate is only valid for DnsName(\"localhost\"))",
        ),
        (
            "localhost",
            hub.served.port,
            "one.pem",
            "the server does not speak TLS there: change `port`, or `scheme` to `http`",
        ),
    ] {
        let (code, err) = call(host, port, authority);
        let expected = format!("https://{host}:{port}/ cannot be reached: {said}");
        assert!(code == 3 && err.contains(&expected), "{code}: {err}");
    }
}
