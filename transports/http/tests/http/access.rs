//! Who may publish, over real sockets.

use std::sync::Arc;

use eventhive_http::Config;
use eventhive_http::access::{Access, Credentials, Users};
use eventhive_listener::Networks;

use crate::support::{PATIENCE, Server, config_of_vectors, header, until};

async fn status(server: &Server, target: &str, headers: &str) -> u16 {
    let (head, text) = server.client().await.put(target, "{}", headers).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status == 403 {
        assert_eq!(text, "You are not authorized to deliver payloads!\n");
    }
    status
}

#[tokio::test]
async fn only_payloaders_publish_and_by_default_the_machine_itself() {
    let default = Server::start(Config::default());
    assert_eq!(status(&default, "/a", "").await, 202);
    let payloaders = Networks::parse(["10.0.0.0/8", "::1"]).unwrap();
    let closed = Server::start(Config { access: Access { payloaders, ..Access::default() }, ..Config::default() });
    assert_eq!(status(&closed, "/a", "").await, 403);
    // Whatever a client says of itself.
    assert_eq!(status(&closed, "/a", "X-Forwarded-For: 10.0.0.1\r\n").await, 403);
    assert_eq!(closed.door.stats().refused, 2);
    // Reading is for everyone.
    closed.subscribed("/", "").await;
}

const BATCH: &str = "Content-Type: application/vnd.eventhive-batch\r\nEventhive-Link: 1\r\n";

/// Whether a batch is refused whose body never comes.
async fn is_refused_unread(server: &Server, headers: &str) -> bool {
    let mut client = server.client().await;
    client.send(format!("PUT / HTTP/1.1\r\nHost: x\r\n{BATCH}{headers}Content-Length: 500\r\n\r\n").as_bytes()).await;
    client.head().await.starts_with("HTTP/1.1 403 ")
}

#[tokio::test]
async fn a_refusal_comes_before_the_body_is_read() {
    let server = Server::start(config_of_vectors());
    let mut client = server.client().await;
    client.send(b"PUT /bread HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 403 "));
    // Of a batch no path is known before its body: who may publish on none is refused all the same.
    let login = "Authorization: Basic dGVzdHVzZXI6Zm9vYmFy\r\n";
    let wrong = "Authorization: Basic dGVzdHVzZXI6d3Jvbmc=\r\n";
    for headers in ["", login, wrong] {
        let foreign = format!("{headers}Origin: https://evil.example\r\n");
        assert!(is_refused_unread(&server, &foreign).await, "{headers}");
    }
    let far = Access { payloaders: Networks::parse(["10.0.0.0/8"]).unwrap(), ..config_of_vectors().access };
    let server = Server::start(Config { access: far.clone(), ..config_of_vectors() });
    for headers in ["", wrong] {
        assert!(is_refused_unread(&server, headers).await, "{headers}");
    }
    let (head, body) = server.client().await.put("/", "/bread 2\n{}/x 2\n{}", &format!("{BATCH}{login}")).await;
    assert!(head.starts_with("HTTP/1.1 202 ") && body.starts_with("202\n403 "), "{head}{body}");
    let none_secured = Access { secure_topics: Vec::new(), ..far };
    let server = Server::start(Config { access: none_secured, ..config_of_vectors() });
    assert!(is_refused_unread(&server, login).await);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_publish_by_its_readers_browser() {
    let server = Server::start(Config { origins: vec!["https://app.example".into()], ..config_of_vectors() });
    assert_eq!(status(&server, "/a", "Origin: https://evil.example\r\n").await, 403);
    assert_eq!(status(&server, "/a", "Origin: null\r\n").await, 403);
    assert_eq!(status(&server, "/a", "Origin: https://app.example\r\n").await, 202);
}

#[tokio::test]
async fn named_origins_may_read_answers_and_ask_before_they_publish() {
    let server = Server::start(Config { origins: vec!["https://app.example".into()], ..config_of_vectors() });
    let preflight = |origin: &str| {
        format!("OPTIONS /a HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n\r\n")
    };
    let mut client = server.client().await;
    client.send(preflight("https://app.example").as_bytes()).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!(header(&head, "access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(header(&head, "access-control-allow-methods"), Some("GET, HEAD, PUT, POST"));
    assert!(header(&head, "access-control-allow-headers").unwrap().contains("idempotency-key"));
    client.send(preflight("https://evil.example").as_bytes()).await;
    let (head, _) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 400 ") && header(&head, "access-control-allow-origin").is_none(), "{head}");
    let stream = server.subscribed("/", "Origin: https://app.example\r\n").await;
    assert_eq!(header(&stream.head, "access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(header(&stream.head, "vary"), Some("origin"));
}

#[tokio::test]
async fn open_streams_lose_the_rights_that_the_access_list_takes_away() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = |segments: &str| format!("all: {{password: all, acl: {{{segments}}}}}");
    std::fs::write(file.path(), list("one: []")).unwrap();
    let users = Arc::new(Users::open(Some(file.path().to_owned()), None).unwrap());
    let server = Server::start(Config {
        access: Access { users: Some(Arc::clone(&users)), ..Access::default() },
        ..Config::default()
    });
    let mut stream = server.subscribed("/", "Authorization: Basic YWxsOmFsbA==\r\n").await;
    server.put("/private/a", "{\"n\":1}").await;
    assert_eq!(stream.event().await["n"], 1);
    std::fs::write(file.path(), list("")).unwrap();
    server.door.reload_access().unwrap();
    server.put("/private/a", "{\"n\":2}").await;
    server.put("/a", "{\"n\":3}").await;
    assert_eq!(stream.event().await["n"], 3);
    // The file is followed without being told, too.
    std::fs::write(file.path(), list("one: [a], two: [b]")).unwrap();
    let all = users.identify(Credentials::read("YWxsOmFsbA==").unwrap(), None).await.unwrap();
    until("the list is read again", || all.may_see("a")).await;
}

#[tokio::test]
async fn a_door_that_never_had_a_stream_follows_its_access_list() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "all: {password: all, acl: {}, topics: [bread]}").unwrap();
    let users = Users::open(Some(file.path().to_owned()), None).unwrap();
    let access = Access { users: Some(Arc::new(users)), secure_topics: vec!["bread".into()], ..Access::default() };
    let server = Server::start(Config { access, ..Config::default() });
    let login = "Authorization: Basic YWxsOmFsbA==\r\n";
    assert_eq!(status(&server, "/bread", login).await, 202);
    std::fs::write(file.path(), "other: {password: other, acl: {}}").unwrap();
    let removed = async { while status(&server, "/bread", login).await != 403 {} };
    tokio::time::timeout(PATIENCE, removed).await.expect("who was removed publishes no more");
    assert_eq!(server.door.stats().accepted, 0, "no stream was opened");
}
