//! nginx in front, as `config-examples/nginx.conf` has it: HTTP/2 for clients.

use std::net::TcpStream;
use std::process::Command;

use eventhive_conformance::free_port;
use serde_json::json;
use tempfile::TempDir;

use super::curl::{Stream, curl, put_with};
use super::served::{Served, until};
use super::tls::certificate;
use crate::environment::root;
use crate::process::Peer;

/// nginx with the example.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    /// The file of its certificate.
    pub(crate) authority: String,
    _process: Peer,
    _folder: TempDir,
}

impl Nginx {
    /// On a port of its own, and with more that is different in the example: texts, and what stands in their place.
    pub(crate) fn start(changes: &[(&str, String)]) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        certificate(folder.path(), "cert");
        std::fs::rename(path("cert.key"), path("key.pem")).unwrap();
        let example = std::fs::read_to_string(root().join("config-examples/nginx.conf")).unwrap();
        // What it writes goes into the folder too.
        let writes =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {name};"));
        let own = [
            ("listen 8443 ", format!("listen 127.0.0.1:{port} ")),
            ("http {", format!("http {{ access_log off; {}", writes.concat())),
        ];
        let config = own.iter().chain(changes).fold(example, |text, (old, new)| {
            assert!(text.contains(old), "the example has no `{old}`");
            text.replacen(old, new, 1)
        });
        std::fs::write(path("nginx.conf"), config).unwrap();
        // Not in the path of everyone.
        let program =
            ["/usr/sbin/nginx", "nginx"].into_iter().find(|name| Command::new(name).arg("-v").output().is_ok());
        let mut command = Command::new(program.expect("install nginx, as tests/all.sh does"));
        let options = "daemon off; user root; pid nginx.pid; error_log stderr;";
        command.arg("-p").arg(folder.path()).args(["-e", "stderr", "-c", &path("nginx.conf"), "-g", options]);
        let process = Peer::start("nginx", command);
        until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, authority: path("cert.pem"), _process: process, _folder: folder }
    }
}

/// A door, and nginx in front of it.
struct Proxied {
    door: Served,
    nginx: Nginx,
}

impl Proxied {
    /// With the example, where `publishers` are those who may publish.
    fn start(publishers: &str) -> Self {
        let door = Served::door("ping_interval_secs: 0.5");
        let nginx = Nginx::start(&[
            ("server 127.0.0.1:2069;", format!("server 127.0.0.1:{};", door.port)),
            ("allow 127.0.0.1;", format!("allow {publishers};")),
        ]);
        Self { door, nginx }
    }

    fn url(&self, target: &str) -> String {
        format!("https://localhost:{}{target}", self.nginx.port)
    }

    fn trusting<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["--http2", "--cacert", &self.nginx.authority], more].concat()
    }

    fn stream(&self, more: &[&str]) -> Stream {
        Stream::open(&self.trusting(more))
    }

    fn put(&self, target: &str, body: &str) -> String {
        let answer = put_with(&self.url(target), body, &self.trusting(&[]));
        assert!(answer.head.starts_with("HTTP/2 202"), "{}", answer.head);
        answer.header("x-pubsub-cursor").unwrap().to_owned()
    }
}

#[test]
fn events_pass_over_http_2_in_both_directions_and_each_at_once() {
    let proxied = Proxied::start("127.0.0.1");
    let mut stream = proxied.stream(&[&proxied.url("/a")]);
    assert!(stream.head.starts_with("HTTP/2 200"), "{}", stream.head);
    while !stream.line().contains("stillalive") {}
    let mut direct = Stream::subscribed(&[proxied.door.url("/a")]);
    let cursors: Vec<_> = (0..30)
        .map(|n| {
            let cursor = proxied.put("/a//b%2Fc", &format!("{{\"n\":{n}}}"));
            // Nothing is published that could push it out of a buffer.
            let event = stream.event();
            assert_eq!((&event["n"], &event["pubsub_path"]), (&json!(n), &json!("/a//b/c")));
            assert_eq!((event["pubsub_cursor"].as_str(), direct.event()["n"].as_u64()), (Some(&*cursor), Some(n)));
            cursor
        })
        .collect();
    let mut replay = proxied.stream(&["-H", &format!("X-Fetch-Since-Cursor: {}", cursors[9]), &proxied.url("/a")]);
    assert!(replay.head.contains("\r\nx-pubsub-replay: found\r\n"), "{}", replay.head);
    for n in 10..30 {
        assert_eq!(replay.event()["n"], n);
    }
}

#[test]
fn server_sent_events_and_bodies_of_any_kind_pass_over_http_2() {
    let proxied = Proxied::start("127.0.0.1");
    let url = proxied.url("/a");
    let mut events = proxied.stream(&["-H", "Accept: text/event-stream", &url]);
    while !events.line().contains("stillalive") {}
    // Without a length, and larger than nginx keeps in memory.
    let text = "x".repeat(100_000);
    let answer = curl(&proxied.trusting(&["-T", "-", &url]), format!("{{\"text\":\"{text}\"}}").as_bytes());
    assert_eq!(answer.status, 202, "{answer:?}");
    let data = std::iter::repeat_with(|| events.line()).find(|line| line.starts_with("data: ")).unwrap();
    assert!(data.contains(&text));
    // The door's own answers, to what is too large and to what is no object.
    let large = "x".repeat(200_000);
    for (body, said) in [(&*large, "too large"), ("[1]", "dictionary objects")] {
        let answer = curl(&proxied.trusting(&["-X", "PUT", "--data-binary", "@-", &url]), body.as_bytes());
        assert!(answer.status == 400 && answer.text().contains(said), "{answer:?}");
    }
    assert_eq!(curl(&proxied.trusting(&["-I", &url]), b"").status, 204);
}

#[test]
fn who_may_publish_is_said_by_the_proxy_which_the_door_cannot_tell_from_its_own_machine() {
    let proxied = Proxied::start("192.0.2.1");
    let url = proxied.url("/a");
    let publish = |url: &str| curl(&proxied.trusting(&["-X", "POST", "--data-binary", "@-", url]), b"{}").status;
    assert_eq!(publish(&url), 403);
    assert_eq!(publish(&proxied.door.url("/a")), 202);
    assert_eq!(proxied.stream(&[&url]).head.split(' ').nth(1), Some("200"));
}
