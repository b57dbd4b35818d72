//! Doors on shared listeners, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod proxied;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, web};
use eventhive_conformance::free_port;
use eventhive_listener::{Connection, Door, DoorPlan, Limits, Listen, Listeners, StartError, TlsFiles};
use futures_util::future::BoxFuture;

/// A door that says what it is called.
struct Named {
    path: &'static str,
    word: &'static str,
    drained: AtomicUsize,
    /// Requests that are never answered.
    stuck: Arc<AtomicUsize>,
}

impl Door for Named {
    fn mount(&self, config: &mut ServiceConfig) {
        let word = self.word;
        config.route(self.path, web::get().to(move || async move { word }));
        config.route(&format!("{}/peer", self.path), web::get().to(peer));
        let stuck = Arc::clone(&self.stuck);
        let never = move || {
            stuck.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<String>()
        };
        config.route(&format!("{}/stuck", self.path), web::get().to(never));
    }

    fn drain(&self, _: Duration) -> BoxFuture<'static, ()> {
        self.drained.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn sessions(&self) -> usize {
        3
    }
}

async fn peer(request: HttpRequest) -> String {
    let connection = request.conn_data::<Arc<Connection>>().expect("a connection");
    connection.peer().expect("a peer").to_string()
}

fn door(path: &'static str, word: &'static str) -> Arc<Named> {
    Arc::new(Named { path, word, drained: AtomicUsize::new(0), stuck: Arc::default() })
}

fn plan(name: &str, listen: Listen, door: &Arc<Named>) -> DoorPlan {
    DoorPlan::new(name, listen, "http", door.path, Arc::clone(door) as _)
}

fn listen(host: &str, port: u16) -> Listen {
    let limits = Limits { workers: Some(1), ..Limits::default() };
    Listen { host: host.to_owned(), port, tls: None, proxies: None, limits }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// A request that has begun and is never answered.
async fn stuck(door: &Named, address: SocketAddr) -> TcpStream {
    let mut stuck = TcpStream::connect(address).unwrap();
    stuck.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stuck.write_all(b"GET /a/stuck HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let begun = Instant::now();
    while door.stuck.load(Ordering::Relaxed) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it has not begun");
        tokio::task::yield_now().await;
    }
    stuck
}

fn errors(plans: Vec<DoorPlan>) -> Vec<String> {
    Listeners::start(plans).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn doors_of_one_address_share_a_listener_by_path_and_other_paths_are_404() {
    let (one, two) = (door("/one", "first"), door("/two", "second"));
    let plans = vec![plan("servers.a", listen("127.0.0.1", 0), &one), plan("servers.b", listen("127.0.0.1", 0), &two)];
    let listeners = Listeners::start(plans).unwrap();
    let bound = listeners.addresses();
    let [only] = &bound[..] else { panic!("{bound:?}") };
    assert_eq!(only.doors.iter().map(|door| &*door.path).collect::<Vec<_>>(), ["/one", "/two"]);
    assert_eq!(listeners.sessions(), 6);
    assert!(get(only.address, "/one").ends_with("first"));
    assert!(get(only.address, "/two").ends_with("second"));
    assert!(get(only.address, "/three").starts_with("HTTP/1.1 404"));
    assert!(get(only.address, "/one/peer").contains("127.0.0.1:"));
}

#[test]
fn clashes_name_both_doors_and_the_fix_and_all_are_found() {
    let (one, two) = (door("/a", ""), door("/b", ""));
    let tls = TlsFiles { certificate: PathBuf::from("c"), key: PathBuf::from("k"), chain: None };
    let plans = vec![
        plan("servers.x", listen("127.0.0.1", 1), &one),
        plan("servers.y", listen("127.0.0.1", 1), &one),
        plan("servers.z", Listen { tls: Some(tls), ..listen("127.0.0.1", 1) }, &two),
    ];
    assert_eq!(
        errors(plans),
        [
            "`servers.x` and `servers.y` both want /a on 127.0.0.1:1: give one of them another `endpoint`",
            "`servers.x` and `servers.z` share 127.0.0.1:1 but not their TLS files: give both the same, or another `port`",
        ]
    );
}

#[test]
fn what_stands_in_the_way_is_said_with_the_fix_and_nothing_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = free_port();
    let missing =
        TlsFiles { certificate: PathBuf::from("/no/such.pem"), key: PathBuf::from("/no/such.key"), chain: None };
    let one = door("/a", "");
    let found = errors(vec![
        plan("servers.fine", listen("127.0.0.1", free), &one),
        plan("servers.taken", listen("127.0.0.1", port), &one),
        plan("servers.far", listen("192.0.2.1", 0), &one),
        plan("servers.name", listen("no-such-host.invalid", 0), &one),
        plan("servers.tls", Listen { tls: Some(missing), ..listen("127.0.0.2", 0) }, &one),
    ]);
    assert!(
        found[0].starts_with(&format!("`servers.taken` cannot listen on 127.0.0.1:{port}: something else listens"))
    );
    assert!(found[1].contains("`servers.far`") && found[1].contains("does not have that address"), "{}", found[1]);
    assert!(found[2].contains("`servers.name`: the host `no-such-host.invalid` has no address"), "{}", found[2]);
    assert!(found[3].contains("`servers.tls`: the certificate /no/such.pem cannot be read"), "{}", found[3]);
    assert!(TcpStream::connect(("127.0.0.1", free)).is_err());
}

#[test]
fn a_host_may_be_a_name_an_ipv6_address_or_everything() {
    let one = door("/a", "here");
    for (host, reach) in
        [("localhost", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1"), ("*", "127.0.0.1"), ("*", "::1")]
    {
        let listeners = Listeners::start(vec![plan("servers.a", listen(host, 0), &one)]);
        let listeners = match listeners {
            Ok(listeners) => listeners,
            // A machine without IPv6.
            Err(errors) if reach == "::1" && matches!(errors[0], StartError::Bind { .. }) => continue,
            Err(errors) => panic!("{errors:?}"),
        };
        let bound = listeners.addresses();
        assert!(bound.iter().all(|one| one.address.port() == bound[0].address.port()), "{bound:?}");
        let address = SocketAddr::new(reach.parse().unwrap(), bound[0].address.port());
        if reach == "::1" && TcpStream::connect(address).is_err() {
            continue;
        }
        assert!(get(address, "/a").ends_with("here"), "{host}");
    }
}

#[test]
fn it_starts_inside_an_actix_system_inside_tokio_and_in_neither() {
    let one = door("/a", "here");
    let start = || Listeners::start(vec![plan("servers.a", listen("127.0.0.1", 0), &one)]).unwrap();
    let plain = start();
    actix_web::rt::System::new().block_on(async {
        let inside = start();
        assert!(get(inside.addresses()[0].address, "/a").ends_with("here"));
        inside.stop(Duration::from_secs(5)).await;
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let inside = start();
        assert!(get(inside.addresses()[0].address, "/a").ends_with("here"));
        inside.stop(Duration::from_secs(5)).await;
        assert!(get(plain.addresses()[0].address, "/a").ends_with("here"));
        plain.stop(Duration::from_secs(5)).await;
    });
    assert_eq!(one.drained.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn stopping_frees_the_address_at_once_and_cuts_what_does_not_end() {
    let one = door("/a", "here");
    let listeners = Listeners::start(vec![plan("servers.a", listen("127.0.0.1", free_port()), &one)]).unwrap();
    let address = listeners.addresses()[0].address;
    let _stuck = stuck(&one, address).await;
    let began = Instant::now();
    listeners.stop(Duration::from_millis(200)).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(one.drained.load(Ordering::Relaxed), 1);
    let again = Listeners::start(vec![plan("servers.a", listen("127.0.0.1", address.port()), &one)]).unwrap();
    assert!(get(again.addresses()[0].address, "/a").ends_with("here"));
}

#[tokio::test]
async fn a_connection_that_a_client_keeps_for_later_does_not_hold_up_a_stop() {
    let one = door("/a", "here");
    let listeners = Listeners::start(vec![plan("servers.a", listen("127.0.0.1", 0), &one)]).unwrap();
    let mut kept = TcpStream::connect(listeners.addresses()[0].address).unwrap();
    kept.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        let mut piece = [0; 256];
        let read = kept.read(&mut piece).unwrap();
        assert!(read > 0, "{answer:?}");
        answer.extend_from_slice(&piece[..read]);
    }
    let stop = listeners.stop(Duration::from_secs(3600));
    tokio::time::timeout(Duration::from_secs(20), stop).await.unwrap();
    assert_eq!(kept.read(&mut [0; 64]).unwrap(), 0, "ended in good order");
}

#[tokio::test]
async fn a_stop_that_nobody_waits_for_any_more_leaves_neither_connection_nor_port() {
    let one = door("/a", "here");
    let listeners = Listeners::start(vec![plan("servers.a", listen("127.0.0.1", 0), &one)]).unwrap();
    let address = listeners.addresses()[0].address;
    let mut stuck = stuck(&one, address).await;
    // Drained, but not within the hour that it gives the stuck request.
    let stop = listeners.stop(Duration::from_secs(3600));
    assert!(tokio::time::timeout(Duration::from_millis(200), stop).await.is_err());
    assert_eq!(one.drained.load(Ordering::Relaxed), 1);
    match stuck.read(&mut [0; 64]) {
        Ok(0) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => panic!("not cut: {other:?}"),
    }
    // The threads end by themselves.
    let began = Instant::now();
    while let Err(error) = TcpListener::bind(address) {
        assert!(began.elapsed() < Duration::from_secs(20), "{error}");
        tokio::task::yield_now().await;
    }
}
