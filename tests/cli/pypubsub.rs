//! `hive-cli serve --pypubsub` and `hive-cli migrate pypubsub`

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use eventhive_conformance::free_port;
use tempfile::TempDir;

use crate::support::{Running, folder_with, run_in};

/// As PyPubSub is installed, but for the port.
const CONFIG: &str = "
server:
  bind: 127.0.0.1
  port: 'PORT'
  max_payload_size: 100
  backlog:
    size: 5
    max_age: 48h
    storage: backlog.json
clients:
  payloaders: [127.0.0.1, '2001:db8::/32']
  oldschoolers: [old/1.0]
  secure_topics: [bread]
  ldap: ~
";

const ACL: &str = "baker: {password: flour, acl: {}, topics: [bread]}\n";

/// A line of PyPubSub's backlog, of now.
fn kept() -> String {
    const KEPT: &str = r#"{"timestamp": NOW, "topics": ["c", "7"], "json": {"i": 7, "pubsub_timestamp": NOW, "pubsub_topics": ["c", "7"], "pubsub_path": "/c/7", "pubsub_cursor": "b3ea264d-ec23-40a1-b7d9-3c2aa071ecda"}, "private": false}"#;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    KEPT.replace("NOW", &now.as_secs_f64().to_string())
}

fn folder(port: u16) -> TempDir {
    let folder = folder_with("pypubsub.yaml", &CONFIG.replace("PORT", &port.to_string()));
    std::fs::write(folder.path().join("pypubsub_acl.yaml"), ACL).unwrap();
    folder
}

/// What a request on a connection of its own is answered, up to `end` or the end of the connection.
fn answer(port: u16, request: &str, end: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (String::new(), [0; 4096]);
    while !answer.contains(end) {
        match socket.read(&mut buffer).unwrap() {
            0 => panic!("the connection ended before {end:?}: {answer}"),
            read => answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
        }
    }
    answer
}

#[test]
fn files_of_pypubsub_are_served_as_they_are_and_say_the_same_when_migrated() {
    let port = free_port();
    let folder = folder(port);
    std::fs::write(folder.path().join("backlog.json"), format!("{}\n", kept())).unwrap();
    as_pypubsub_would(port, Running::start_in(folder.path(), &["serve", "--pypubsub", "pypubsub.yaml"]));

    let migrated = run_in(folder.path(), &["migrate", "pypubsub"]);
    assert_eq!(migrated.code, 0, "{migrated:?}");
    std::fs::write(folder.path().join("eventhive.yaml"), &migrated.out).unwrap();
    assert_eq!(run_in(folder.path(), &["check"]).code, 0);
    as_pypubsub_would(port, Running::start_in(folder.path(), &["serve"]));
}

/// The right answers to all that the files say.
fn as_pypubsub_would(port: u16, mut server: Running) {
    assert_eq!(server.line(), format!("server pypubsub: listening on http://127.0.0.1:{port}/"));
    let status = |path: &str, body: &str, more: &str| {
        let length = body.len();
        let request = format!("PUT {path} HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {length}\r\n\r\n{body}");
        answer(port, &request, "\r\n")[9..12].to_owned()
    };
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(100));
    let baker = "Authorization: Basic YmFrZXI6ZmxvdXI=\r\n";
    for (path, body, more, expected) in [
        ("/fruits", "{}", "", "202"),
        ("/fruits", long.as_str(), "", "400"),
        ("/bread", "{}", "", "403"),
        ("/bread", "{}", baker, "202"),
    ] {
        assert_eq!(status(path, body, more), expected, "{path} {body} {more}");
    }
    let stream =
        answer(port, "GET /c HTTP/1.1\r\nHost: x\r\nUser-Agent: old/1.0\r\nX-Fetch-Since: 1\r\n\r\n", "stillalive");
    assert!(stream.contains("/c/7") && stream.contains("\n\0"), "what its file has comes first: {stream}");
    server.signal("TERM");
    assert_eq!(server.end().code, 0);
}

#[test]
fn what_is_wrong_is_told_with_its_place_in_the_file_of_pypubsub() {
    let folder = folder(1);
    let wrong = CONFIG.replace("PORT", "many").replace("size: 5", "size: lots").replace("ldap: ~", "sqs: 1");
    std::fs::write(folder.path().join("pypubsub.yaml"), wrong).unwrap();
    for arguments in [&["migrate", "pypubsub"][..], &["serve", "--pypubsub", "pypubsub.yaml"]] {
        let ended = run_in(folder.path(), arguments);
        assert_eq!(ended.code, 2, "{ended:?}");
        for place in ["pypubsub.yaml:4:9: server.port", ":7:11: server.backlog.size", ":14:8: clients.sqs"] {
            assert!(ended.err.contains(place), "{place}: {ended:?}");
        }
    }
    let ended = run_in(folder.path(), &["migrate", "pypubsub", "nosuch.yaml"]);
    assert!(ended.code == 2 && ended.err.contains("cannot read `nosuch.yaml`"), "{ended:?}");
    assert_eq!(run_in(folder.path(), &["serve", "--acl", "x.yaml"]).code, 2);
}

#[test]
fn what_pypubsub_passes_over_is_a_warning_and_so_is_what_lacks_on_this_machine() {
    let folder = folder(1);
    let odd = CONFIG.replace("PORT", "1").replace("  bind:", "  max_playload_size: 7\n  bind:");
    std::fs::write(folder.path().join("pypubsub.yaml"), odd).unwrap();
    let ended = run_in(folder.path(), &["migrate", "pypubsub", "--acl", "nosuch.yaml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("did you mean `max_payload_size`?"), "{ended:?}");
    assert!(ended.err.contains("acl_file") && ended.err.contains("nosuch.yaml"), "{ended:?}");
    std::fs::remove_file(folder.path().join("pypubsub_acl.yaml")).unwrap();
    let ended = run_in(folder.path(), &["migrate", "pypubsub"]);
    assert!(ended.err.contains("nobody sees private events") && !ended.out.contains("acl_file"), "{ended:?}");
}

#[test]
fn what_pypubsub_passes_over_in_its_directory_and_its_queues_is_a_warning_too() {
    let folder = folder(1);
    let blocks = "ldap: {uri: 'ldap://x', user_dn: 'uid=%s', base_scope: b, acl: {}, colour: red}\n  \
                  sqs: {one: {queue: q, region: us-east-1, comment: ours}}";
    std::fs::write(folder.path().join("pypubsub.yaml"), CONFIG.replace("PORT", "1").replace("ldap: ~", blocks))
        .unwrap();
    let ended = run_in(folder.path(), &["migrate", "pypubsub"]);
    for place in ["clients.ldap.colour: unknown key", "clients.sqs.one.comment: unknown key"] {
        assert!(ended.err.contains(place), "{ended:?}");
    }
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.out.contains("queue: q") && !ended.out.contains("comment") && !ended.out.contains("colour"),
        "{ended:?}"
    );
}

#[test]
fn tls_of_pypubsub_is_a_second_door() {
    let folder = folder(1);
    let tls = "  tls: {port: 2070, cert: c.pem, key: k.pem, chain: i.pem}\nclients:";
    let with_tls = CONFIG.replace("PORT", "2069").replace("clients:", tls);
    std::fs::write(folder.path().join("pypubsub.yaml"), with_tls).unwrap();
    let ended = run_in(folder.path(), &["migrate", "pypubsub"]);
    let door =
        "          port: 2070\n          tls_cert: c.pem\n          tls_key: k.pem\n          tls_chain: i.pem\n";
    assert!(ended.out.contains(door) && ended.out.matches("acl_file").count() == 2, "{ended:?}");
}
