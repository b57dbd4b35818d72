//! Who may do what, over real sockets: the table of `access`, row by row.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use eventhive_http::Config;
use eventhive_http::access::{Access, Users, token};
use eventhive_listener::{Networks, Proxies};
use tokio::net::TcpSocket;

use crate::support::{Client, Server, header};

/// All of 127.0.0.0/8 is this machine's.
const PAYLOADER: &str = "127.0.0.2";
const ELSEWHERE: &str = "127.0.0.3";
/// A proxy that does not say for whom it speaks.
const UNKNOWN: &str = "127.0.0.4";

const TOKEN: &str = "hive-0123456789abcdef";

/// Hashes of `p`, with costs for tests.
const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$sCGqt2PObNcvvoo+/b2GFg$JFkFta8WYeXImDwmx0JGX65Q3woKBdK04qpu1kRGxPs";
const BCRYPT: &str = "$2b$04$E4sFe19RV5jywIUqJPd6A.yFcrrnid04YDAD6S/JJY8isTqbgnFVe";

/// Of `p`, with a cost by which logins wait.
const SLOW: &str = "$2b$10$kK3IsnDwaOnkQM6gk3Q53OAa8V/vYgx38P7cwrQ11VFqEkH9f4TBW";

/// Some users have the same rights, each in another way; one has all rights, some have broken ones.
fn list() -> String {
    let rights = "acl: {one: [a, b], two: [c]}, topics: [bread]";
    let token = token::hash(TOKEN).unwrap();
    format!(
        "plain: {{password: p, {rights}}}\n\
         argon2: {{password: '{ARGON2}', {rights}}}\n\
         bcrypt: {{password: '{BCRYPT}', {rights}}}\n\
         robot: {{tokens: ['{token}'], acl: {{all: []}}, topics: [bread, syrup]}}\n\
         bad-acl: {{password: p, acl: [a], topics: [bread]}}\n\
         bad-hash: {{password: $2b$04$p, {rights}}}\n\
         slow: {{password: '{SLOW}', {rights}}}\n"
    )
}

fn server() -> Server {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), list()).unwrap();
    let access = Access {
        payloaders: Networks::parse([PAYLOADER]).unwrap(),
        secure_topics: vec!["bread".into(), "syrup".into()],
        users: Some(Arc::new(Users::open(Some(file.path().to_owned()), None).unwrap())),
    };
    let proxies = Proxies { trusted: Networks::parse([UNKNOWN]).unwrap(), protocol: false };
    let origins = vec!["https://app.example".into()];
    Server::start(Config { access, proxies, origins, ping_interval: Duration::from_secs(60), ..Config::default() })
}

async fn connect(from: &str, server: &Server) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
    Client::of(socket.connect(server.address).await.unwrap())
}

/// Whether a publish is taken; otherwise it is refused with the text of the original.
async fn publishes(server: &Server, from: &str, path: &str, headers: &str) -> bool {
    let (head, body) = connect(from, server).await.put(path, "{}", headers).await;
    match &head[..12] {
        "HTTP/1.1 202" => true,
        "HTTP/1.1 403" => {
            assert_eq!(body, "You are not authorized to deliver payloads!\n");
            false
        }
        _ => panic!("{head}"),
    }
}

/// The paths of what a stream with these headers is shown of some private events, in front of a public one.
async fn sees(server: &Server, headers: &str) -> Vec<String> {
    let mut stream = connect(ELSEWHERE, server).await;
    stream.get("/", headers).await;
    assert!(stream.head().await.starts_with("HTTP/1.1 200 "));
    stream.ping().await;
    for path in ["/private/a/b", "/private/a", "/private/c/x", "/private/x", "/end"] {
        assert!(publishes(server, PAYLOADER, path, "").await);
    }
    let mut seen = Vec::new();
    loop {
        let path = stream.event().await["pubsub_path"].as_str().unwrap().to_owned();
        if path == "/end" {
            return seen;
        }
        seen.push(path.trim_start_matches("/private").to_owned());
    }
}

fn basic(login: &str) -> String {
    use base64::Engine as _;
    format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(login))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Every way to be nobody in particular.
fn nobodies() -> Vec<String> {
    let hash = token::hash(TOKEN).unwrap();
    let logins = ["plain:q", "plain:", "argon2:q", "bcrypt:q", "nobody:p", "robot:", "bad-acl:p", "bad-hash:$2b$04$p"];
    let stolen =
        [format!("argon2:{ARGON2}"), format!("bcrypt:{BCRYPT}"), format!("robot:{TOKEN}"), format!("robot:{hash}")];
    let logins = logins.into_iter().map(str::to_owned).chain(stolen).map(|login| basic(&login));
    let others =
        [String::new(), bearer("hive-of-nobody-at-all"), bearer(&hash), "Authorization: nonsense\r\n".to_owned()];
    logins.chain(others).collect()
}

#[tokio::test]
async fn nobody_in_particular_publishes_only_from_a_payloader_and_only_where_no_topic_is_secured() {
    let server = server();
    for who in nobodies() {
        for from in [PAYLOADER, ELSEWHERE, UNKNOWN] {
            for (path, open) in [("/a", true), ("/private/a", true), ("/bread", false), ("/private/a/bread", false)] {
                let allowed = open && from == PAYLOADER;
                assert_eq!(publishes(&server, from, path, &who).await, allowed, "{who} {from} {path}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_in_particular_sees_no_private_event_and_is_not_told() {
    let server = server();
    for who in nobodies() {
        assert!(sees(&server, &who).await.is_empty(), "{who}");
    }
}

#[tokio::test]
async fn a_user_publishes_from_anywhere_where_all_secured_topics_are_its_own_and_elsewhere_as_its_address_may() {
    let server = server();
    for who in ["plain:p", "argon2:p", "bcrypt:p"].map(basic) {
        for from in [PAYLOADER, ELSEWHERE, UNKNOWN] {
            for (path, allowed) in [
                ("/a", from == PAYLOADER),
                ("/private/a", from == PAYLOADER),
                ("/bread", true),
                ("/x/bread/y", true),
                ("/private/bread", true),
                ("/syrup", false),
                ("/bread/syrup", false),
            ] {
                assert_eq!(publishes(&server, from, path, &who).await, allowed, "{who} {from} {path}");
            }
        }
    }
    for from in [PAYLOADER, ELSEWHERE, UNKNOWN] {
        assert!(publishes(&server, from, "/bread/syrup", &bearer(TOKEN)).await);
        assert_eq!(publishes(&server, from, "/a", &bearer(TOKEN)).await, from == PAYLOADER);
    }
}

#[tokio::test]
async fn a_user_sees_the_private_events_of_its_segments() {
    let server = server();
    for who in ["plain:p", "argon2:p", "bcrypt:p"].map(basic) {
        assert_eq!(sees(&server, &who).await, ["/a/b", "/c/x"], "{who}");
    }
    assert_eq!(sees(&server, &bearer(TOKEN)).await, ["/a/b", "/a", "/c/x", "/x"]);
    // The scheme is of any case.
    assert_eq!(sees(&server, &bearer(TOKEN).replace("Bearer", "bearer")).await.len(), 4);
}

#[tokio::test]
async fn a_page_of_another_site_publishes_nothing_in_whosever_browser_it_is() {
    let server = server();
    for (origin, allowed) in [("https://evil.example", false), ("null", false), ("https://app.example", true)] {
        let headers = format!("Origin: {origin}\r\n{}", bearer(TOKEN));
        for path in ["/a", "/bread"] {
            assert_eq!(publishes(&server, PAYLOADER, path, &headers).await, allowed, "{origin} {path}");
        }
    }
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_is_told_to_come_later_and_who_logged_in_lately_is_not() {
    let server = server();
    assert!(publishes(&server, ELSEWHERE, "/bread", &basic("slow:p")).await);
    let mut flood = Vec::new();
    while server.door.stats().put_off < 2 {
        let mut client = connect(ELSEWHERE, &server).await;
        let wrong = basic(&format!("slow:{}", flood.len()));
        let request = if flood.len() % 2 == 0 { "GET /" } else { "PUT /bread" };
        client.send(format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{wrong}\r\n").as_bytes()).await;
        flood.push(client);
        assert!(flood.len() < 1000, "nobody is put off");
    }
    assert!(publishes(&server, ELSEWHERE, "/bread", &basic("slow:p")).await);
    // What needs no login does not wait.
    assert!(publishes(&server, PAYLOADER, "/a", &basic("slow:another")).await);
    let mut put_off = 0;
    for mut client in flood {
        let head = client.head().await;
        if head.starts_with("HTTP/1.1 503 ") {
            assert!(header(&head, "retry-after").is_some(), "{head}");
            put_off += 1;
        } else {
            assert!(head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 403 "), "{head}");
        }
    }
    assert!(put_off >= 2);
}
