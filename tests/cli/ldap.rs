//! Users of an LDAP directory at the HTTP door of `hive-cli serve`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use eventhive_conformance::free_port;
use serde_json::Value;
use tempfile::TempDir;

use crate::slapd::Slapd;
use crate::support::{Running, SOON, folder_with, run_in};

const ENTRIES: &str = "dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Bob
sn: B
userPassword: builder

dn: cn=staff,dc=example,dc=org
objectClass: groupOfNames
member: uid=bob,ou=people,dc=example,dc=org
member: uid=other,ou=people,dc=example,dc=org
";
/// `bob:builder`, `bob:wrong` and `bob:` in base64.
const BOB: &str = "Ym9iOmJ1aWxkZXI=";
const WRONG: &str = "Ym9iOndyb25n";
const EMPTY: &str = "Ym9iOg==";

/// A configuration with a door that looks users up at `uri`, and the port of the door.
fn configured(uri: &str, more: &str) -> (TempDir, u16) {
    let port = free_port();
    let text = format!(
        "servers:
  my-hive:
    pubsub_type: http
    create: always
    init:
      port: {port}
      secure_topics: [bread]
      ldap:
        uri: {uri}
        user_dn: uid=%s,ou=people,dc=example,dc=org
        base_scope: dc=example,dc=org
        membership_patterns: ['member=uid=%s,ou=people,dc=example,dc=org']
        acl:
          cn=staff,dc=example,dc=org: {{private: [git], topics: [bread]}}
        {more}
"
    );
    (folder_with("eventhive.yaml", &text), port)
}

fn served(folder: &TempDir) -> Running {
    let mut running = Running::start_in(folder.path(), &["serve"]);
    assert!(running.line().contains("listening on"));
    running
}

/// Publishes; gives the status.
fn put(port: u16, path: &str, login: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let login = if login.is_empty() { String::new() } else { format!("Authorization: Basic {login}\r\n") };
    write!(stream, "PUT {path} HTTP/1.1\r\nHost: x\r\n{login}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).unwrap();
    status.split(' ').nth(1).unwrap_or_else(|| panic!("{status:?}")).parse().unwrap()
}

/// The events of a stream, that is subscribed.
fn stream(port: u16, login: &str) -> Receiver<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n\r\n").unwrap();
    let (sender, events) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        let values = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        values.filter(Value::is_object).try_for_each(|value| sender.send(value))
    });
    assert!(events.recv_timeout(SOON).unwrap()["stillalive"].is_number());
    events
}

/// The next event that is no ping.
fn event(events: &Receiver<Value>) -> Value {
    let mut values = std::iter::from_fn(|| events.recv_timeout(SOON).ok());
    values.find(|value| value.get("stillalive").is_none()).expect("an event comes")
}

/// Publishes a private event and a public one; whether the stream has the private one.
fn sees_private(port: u16, events: &Receiver<Value>) -> bool {
    assert_eq!(put(port, "/private/git", "", r#"{"is": "private"}"#), 202);
    assert_eq!(put(port, "/git", "", r#"{"is": "public"}"#), 202);
    let mut sees = false;
    loop {
        match event(events)["is"].as_str() {
            Some("public") => return sees,
            Some(_) => sees = true,
            None => {}
        }
    }
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < SOON, "it did not happen that {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn users_of_a_directory_see_private_events_and_publish_on_secured_topics_as_their_groups_say() {
    let slapd = Slapd::start(ENTRIES);
    let (folder, port) = configured(&slapd.uri(), "");
    let _running = served(&folder);
    let (bob, wrong, empty) = (stream(port, BOB), stream(port, WRONG), stream(port, EMPTY));
    assert!(sees_private(port, &bob));
    for nobody in [wrong, empty] {
        assert_eq!(event(&nobody)["is"], "public");
    }
    assert_eq!(put(port, "/bread", BOB, "{}"), 202);
    for login in [WRONG, EMPTY, ""] {
        assert_eq!(put(port, "/bread", login, "{}"), 403);
    }
}

#[test]
fn the_block_of_a_pypubsub_server_is_taken_as_it_is() {
    let (slapd, port) = (Slapd::start(ENTRIES), free_port());
    let text = format!(
        "server: {{port: {port}}}
clients:
  payloaders: [127.0.0.1]
  ldap:
    uri: {}
    user_dn: uid=%s,ou=people,dc=example,dc=org
    base_scope: dc=example,dc=org
    membership_patterns:
      - member=uid=%s,ou=people,dc=example,dc=org
    acl:
      cn=staff,dc=example,dc=org: [git]
",
        slapd.uri()
    );
    let folder = folder_with("pypubsub.yaml", &text);
    std::fs::write(folder.path().join("pypubsub_acl.yaml"), "").unwrap();
    let mut running = Running::start_in(folder.path(), &["serve", "--pypubsub", "pypubsub.yaml"]);
    assert!(running.line().contains("listening on"));
    assert!(sees_private(port, &stream(port, BOB)));
}

#[test]
fn an_open_stream_loses_the_rights_of_a_group_that_its_user_was_taken_out_of() {
    let slapd = Slapd::start(ENTRIES);
    let tls = format!("cache_secs: 0.1\n        recheck_secs: 1\n        tls_ca: {}", slapd.ca());
    let (folder, port) = configured(&slapd.tls_uri(), &tls);
    let _running = served(&folder);
    let bob = stream(port, BOB);
    assert!(sees_private(port, &bob));
    slapd.modify(
        "dn: cn=staff,dc=example,dc=org\nchangetype: modify\ndelete: member\nmember: uid=bob,ou=people,dc=example,dc=org\n",
    );
    until("the rights are gone", || !sees_private(port, &bob));
}

#[test]
fn a_directory_that_is_gone_denies_and_says_so_and_one_that_is_back_gives_open_streams_their_rights() {
    let mut slapd = Slapd::start(ENTRIES);
    slapd.stop();
    let (folder, port) = configured(&slapd.uri(), "retry_secs: 0.1\n        recheck_secs: 1");
    let mut running = served(&folder);
    let bob = stream(port, BOB);
    let told = running.told("the LDAP server cannot be asked");
    assert!(told.contains("ERROR") && told.contains(&slapd.uri()), "{told}");
    assert!(!sees_private(port, &bob));
    assert_eq!(put(port, "/bread", BOB, "{}"), 403);
    slapd.start_again();
    until("the user is known", || put(port, "/bread", BOB, "{}") == 202);
    running.told("the LDAP server answers again");
    until("the stream has its rights", || sees_private(port, &bob));
}

#[test]
fn a_directory_that_says_nothing_holds_no_request_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (folder, port) =
        configured(&format!("ldap://{}", silent.local_addr().unwrap()), "timeout_secs: 0.5\n        retry_secs: 3600");
    let mut running = served(&folder);
    assert_eq!(put(port, "/bread", BOB, "{}"), 403);
    running.told("the LDAP server cannot be asked");
    let bob = stream(port, BOB);
    assert!(!sees_private(port, &bob));
}

#[test]
fn what_is_wrong_with_the_block_is_told_with_its_place() {
    let (folder, _) = configured("ldap://localhost", "timeout: 5");
    let ended = run_in(folder.path(), &["check"]);
    assert!(ended.code == 1 && ended.out.contains("servers.my-hive.init.ldap.timeout: unknown key"), "{ended:?}");
    let (folder, _) = configured("ldap://localhost", "");
    let file = folder.path().join("eventhive.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("topics: [bread]}", "topics: bread}");
    std::fs::write(&file, text).unwrap();
    let ended = run_in(folder.path(), &["check"]);
    let place = "eventhive.yaml:14:";
    let problem =
        "servers.my-hive.init.ldap.acl.cn=staff,dc=example,dc=org.topics: expected a list of topics, found text";
    assert!(ended.code == 1 && ended.out.contains(place) && ended.out.contains(problem), "{ended:?}");
}
