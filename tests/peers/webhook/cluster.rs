//! Broadcasters of ours that share a PostgreSQL. Each reaches the websockets of the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};

use eventhive_conformance::free_port;

use super::auth::Folder;
use super::broadcaster::{Broadcaster, Kind};
use super::client::{Client, Wire, said};
use crate::http::curl::curl;
use crate::http::served::until;
use crate::postgres_server::PostgresServer;
use crate::process::run;

/// One for all tests that do not stop it.
fn postgres() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(PostgresServer::start)
}

/// What setup makes for a database of its own.
fn folder(postgres: &PostgresServer, auth: &str) -> Rc<Folder> {
    let address = postgres.address(&postgres.database());
    let store = ["--store", "postgres", "--store-address", &address];
    Rc::new(Folder::set_up(&[&store[..], &["--to-broadcasters-auth", auth, "--to-subscribers-auth", auth]].concat()))
}

fn broadcasters(folder: &Rc<Folder>) -> [Broadcaster; 2] {
    [(); 2].map(|()| {
        let port = free_port();
        Broadcaster::start_with(folder, &format!("{{port: {port}, advertise: 'http://127.0.0.1:{port}'}}"))
    })
}

fn what_is_subscribed_at_one_is_heard_from_the_other(wire: Wire) {
    let [one, other] = broadcasters(&folder(postgres(), "hmac"));
    let mut subscriber = Client::start(&one, wire);
    subscriber.subscribe(&["a"], &["b/*"]);
    let mut notifiers = [&one, &other].map(|broadcaster| Client::start(broadcaster, Wire::Http));
    for notifier in &mut notifiers {
        for topic in ["a", "b/c"] {
            until("it is served", || notifier.notify(topic, "hello") == 1);
            assert_eq!(subscriber.heard(), said(topic, "hello"));
        }
    }
    subscriber.unsubscribe(&["a"], &[]);
    for notifier in &mut notifiers {
        until("it is served no more", || notifier.notify("a", "gone") == 0);
        assert_eq!(notifier.notify("b/c", "still there"), 1);
    }
    until("the last has come", || subscriber.heard() == said("b/c", "still there"));
    assert_eq!(subscriber.heard(), said("b/c", "still there"));
    assert_eq!(subscriber.finish(), [""; 0]);
}

#[test]
fn what_is_subscribed_at_one_by_http_is_heard_from_the_other() {
    what_is_subscribed_at_one_is_heard_from_the_other(Wire::Http);
}

#[test]
fn what_is_subscribed_at_one_by_websocket_is_heard_from_the_other() {
    what_is_subscribed_at_one_is_heard_from_the_other(Wire::Websocket);
}

#[test]
fn a_websocket_at_each_hears_a_message_once() {
    let both = broadcasters(&folder(postgres(), "hmac"));
    let mut subscribers = both.each_ref().map(|broadcaster| Client::start(broadcaster, Wire::Websocket));
    for subscriber in &mut subscribers {
        subscriber.subscribe(&["a"], &["a*", "?"]);
    }
    for broadcaster in &both {
        let mut notifier = Client::start(broadcaster, Wire::Websocket);
        until("both are known", || notifier.notify("a", "hello") == 2);
    }
    for mut subscriber in subscribers {
        subscriber.0.tell(&serde_json::json!({"do": "notify", "topic": "a", "text": "last"}));
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != "last") {
            texts.push(subscriber.heard().1);
        }
        assert!(texts.iter().filter(|text| *text == "hello").count() >= 2, "{texts:?}");
    }
}

#[test]
fn the_etag_of_a_url_is_the_same_at_both() {
    let both = broadcasters(&folder(postgres(), "none"));
    let etag = |broadcaster: &Broadcaster| {
        // Without tracing.
        let body = [b"\0\0", &field("http://127.0.0.1:9/hook")[..]].concat();
        let answer = curl(&["--data-binary", "@-", &at(broadcaster, "check_subscriptions")], &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let mut seen = vec![etag(&both[0])];
    for (broadcaster, topic) in [(&both[0], "a"), (&both[1], "b"), (&both[0], "c")] {
        assert_eq!(subscribe(broadcaster, topic), 200);
        let now = etag(&both[0]);
        assert_eq!(etag(&both[1]), now);
        assert!(!seen.contains(&now), "{topic}");
        seen.push(now);
    }
}

#[test]
fn a_request_that_was_signed_for_one_is_refused_by_the_other_when_it_comes_again() {
    let folder = folder(postgres(), "hmac");
    let [one, other] = broadcasters(&folder);
    let between = Recorder::start(&one);
    let mut subscriber = Client::at(&[&between.url()], &["--secrets", &folder.text("subscriber-secrets.json")]);
    subscriber.subscribe(&["a"], &[]);
    let request = between.request("/v1/set_subscriptions");
    for broadcaster in [&other, &one] {
        assert_eq!(say(broadcaster, &request), 403);
    }
    // It is good, where it was not seen.
    let stranger = Rc::new(Folder::signed());
    std::fs::copy(folder.path("broadcaster-secrets.json"), stranger.path("broadcaster-secrets.json")).unwrap();
    let elsewhere = Broadcaster::start(Kind::Ours, &stranger);
    // It has its store once it has a subscription.
    Client::at(&[&elsewhere.url("http")], &["--secrets", &folder.text("subscriber-secrets.json")])
        .subscribe(&["a"], &[]);
    assert_eq!([say(&elsewhere, &request), say(&elsewhere, &request)], [200, 403]);
}

#[test]
fn a_broadcaster_that_was_killed_holds_nobody_up_and_comes_back() {
    let [killed, other] = broadcasters(&folder(postgres(), "hmac"));
    let mut lost = Client::start_with(&killed, Wire::Websocket, &["--retries", "20"]);
    lost.subscribe(&["a"], &[]);
    let mut stays = Client::start(&other, Wire::Http);
    stays.subscribe(&["a"], &[]);
    let mut notifier = Client::start(&other, Wire::Http);
    until("both are served", || notifier.notify("a", "before") == 2);
    let mut meanwhile = None;
    let killed = killed.restart_after(|| meanwhile = Some(notifier.notify("a", "meanwhile")));
    assert_eq!(meanwhile.unwrap(), 1);
    until("the message has come", || stays.heard() == said("a", "meanwhile"));
    until("its websocket is served again", || notifier.notify("a", "after") == 2);
    until("it is heard", || lost.heard() == said("a", "after"));
    // What is left of a websocket that is gone is nobody's, once its broadcaster has come back without it.
    drop(lost);
    until("it is gone", || notifier.notify("a", "last") == 1);
    drop(killed);
}

#[test]
fn without_the_database_messages_are_delivered_and_subscriptions_wait_until_it_is_back() {
    let mut postgres = PostgresServer::start();
    let both = broadcasters(&folder(&postgres, "none"));
    let mut subscribers =
        [(&both[0], Wire::Http), (&both[1], Wire::Websocket)].map(|(at, wire)| Client::start(at, wire));
    let mut notifiers = both.each_ref().map(|broadcaster| Client::start(broadcaster, Wire::Http));
    for subscriber in &mut subscribers {
        subscriber.subscribe(&["a"], &[]);
    }
    for notifier in &mut notifiers {
        until("both are served", || notifier.notify("a", "before") == 2);
    }
    postgres.stop();
    for broadcaster in &both {
        assert_eq!(subscribe(broadcaster, "b"), 503);
    }
    for notifier in &mut notifiers {
        assert_eq!(notifier.notify("a", "meanwhile"), 2);
    }
    postgres.start_again();
    for broadcaster in &both {
        // Once is enough for both.
        until("it takes subscriptions", || matches!(subscribe(broadcaster, "b"), 200 | 409));
    }
    for subscriber in &mut subscribers {
        until("it is heard", || subscriber.heard() == said("a", "meanwhile"));
        subscriber.subscribe(&["c"], &[]);
    }
    for notifier in &mut notifiers {
        until("both learn of it", || notifier.notify("c", "after") == 2);
        assert_eq!(notifier.notify("a", "after"), 2);
    }
    for mut subscriber in subscribers {
        until("it is heard", || subscriber.heard() == said("c", "after"));
    }
}

#[test]
fn signed_requests_wait_for_the_database_too() {
    let mut postgres = PostgresServer::start();
    let folder = folder(&postgres, "hmac");
    let [one, _] = broadcasters(&folder);
    let mut client = Client::start_with(&one, Wire::Http, &["--retries", "1"]);
    client.subscribe(&["a"], &[]);
    assert_eq!(client.notify("a", "before"), 1);
    postgres.stop();
    let refused = client.0.ask(&serde_json::json!({"do": "notify", "topic": "a", "text": "meanwhile"}));
    assert!(refused.get("error").is_some(), "{refused}");
    postgres.start_again();
    until("it is taken again", || {
        client.0.ask(&serde_json::json!({"do": "notify", "topic": "a", "text": "after"}))["result"] == 1
    });
    assert_eq!([client.heard(), client.heard()], [said("a", "before"), said("a", "after")]);
}

#[test]
fn what_setup_writes_for_a_server_with_a_password_and_tls_is_checked_and_serves() {
    let postgres = postgres();
    let certificate = postgres.folder.join("cert.pem");
    let address = format!(
        "postgres://eventhive:p%40ss%3Aword%2F1@127.0.0.1:{}/{}?sslmode=verify-full&sslrootcert={}",
        postgres.port,
        postgres.database(),
        certificate.display(),
    );
    let folder = Rc::new(Folder::set_up(&["--store", "postgres", "--store-address", &address]));
    let (out, errors, code) = run(Path::new(env!("CARGO_BIN_EXE_hive-cli")), &folder.path(""), &["check"]);
    assert_eq!(code, 0, "{errors}");
    assert!(!out.contains("p%40ss") && !errors.contains("p%40ss"), "{out}{errors}");
    let broadcaster = Broadcaster::start(Kind::Ours, &folder);
    let mut client = Client::start(&broadcaster, Wire::Http);
    client.subscribe(&["a"], &[]);
    assert_eq!(client.notify("a", "hello"), 1);
    assert_eq!(client.heard(), said("a", "hello"));
}

fn at(broadcaster: &Broadcaster, endpoint: &str) -> String {
    format!("{}/v1/{endpoint}", broadcaster.url("http"))
}

fn field(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// Of a url that nobody listens at, with neither recovery url nor tracing. Gives the status.
fn subscribe(broadcaster: &Broadcaster, topic: &str) -> u16 {
    let body = ["http://127.0.0.1:9/hook", topic, "", ""].map(field).concat();
    curl(&["--data-binary", "@-", &at(broadcaster, "subscribe/exact")], &body).status
}

/// Sends a request as it is, and gives the status.
fn say(broadcaster: &Broadcaster, request: &[u8]) -> u16 {
    let mut stream = connect(broadcaster);
    stream.write_all(request).unwrap();
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).unwrap();
    status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{status:?}"))
}

fn connect(broadcaster: &Broadcaster) -> TcpStream {
    TcpStream::connect(broadcaster.url("http").strip_prefix("http://").unwrap()).unwrap()
}

/// Between clients and a broadcaster: keeps what clients say.
struct Recorder {
    port: u16,
    /// One for each connection.
    said: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    fn start(broadcaster: &Broadcaster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let (to, kept) = (broadcaster.url("http"), Arc::clone(&said));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to.strip_prefix("http://").unwrap()) else { return };
                let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || record(client, server, &kept));
            }
        });
        Self { port, said }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The first request for this path.
    fn request(&self, path: &str) -> Vec<u8> {
        let start = format!("POST {path} ");
        let said = self.said.lock().unwrap();
        let found = said.iter().find_map(|bytes| {
            let at = bytes.windows(start.len()).position(|part| part == start.as_bytes())?;
            Some(bytes[at..].to_vec())
        });
        found.unwrap_or_else(|| panic!("there was no request for {path}"))
    }
}

/// Hands on what a client says, which is kept before that.
fn record(mut client: TcpStream, mut server: TcpStream, kept: &Mutex<Vec<Vec<u8>>>) {
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(Vec::new());
        kept.len() - 1
    };
    let mut bytes = [0; 65_536];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        kept.lock().unwrap()[number].extend_from_slice(&bytes[..length]);
        if server.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}
