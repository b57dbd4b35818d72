//! Who a client is behind a real haproxy.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use eventhive_http::Config;
use eventhive_http::access::Access;
use eventhive_hub::HubSettings;
use eventhive_listener::{Limits, Networks, Proxies};
use tokio::net::TcpSocket;

use crate::haproxy::{HaProxy, Way};
use crate::support::{Client, Server, header};

const PROXY: &str = "127.0.0.1";
/// All of 127.0.0.0/8 is this machine's.
const PUBLISHER: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

/// A server that trusts the proxy and lets one client publish.
fn server(way: Way, per_address: usize) -> Server {
    let proxies = Proxies { trusted: Networks::parse([PROXY]).unwrap(), protocol: !matches!(way, Way::ForwardedFor) };
    let access = Access { payloaders: Networks::parse([PUBLISHER]).unwrap(), ..Access::default() };
    // Its pings show that a client behind the proxy is gone.
    let ping_interval = Duration::from_millis(100);
    let config = Config { access, proxies, max_sessions_per_address: per_address, ping_interval, ..Config::default() };
    Server::start_on(HubSettings::default(), config, Limits::default())
}

async fn connect(from: &str, to: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
    Client::of(socket.connect(to).await.unwrap())
}

async fn status(from: &str, to: SocketAddr, headers: &str) -> u16 {
    let (head, _) = connect(from, to).await.put("/a", "{}", headers).await;
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_publisher_behind_a_proxy_is_known_by_its_own_address_in_every_way_that_proxies_tell_it() {
    for way in [Way::Protocol1, Way::Protocol2, Way::ForwardedFor] {
        let server = server(way, 10);
        let proxy = HaProxy::start(way, server.address);
        for (from, headers, allowed) in [
            (PUBLISHER, "", 202),
            (OTHER, "", 403),
            (PROXY, "", 403),
            (OTHER, "X-Forwarded-For: 127.0.0.2\r\n", 403),
            (OTHER, "Forwarded: for=127.0.0.2\r\n", 403),
            (PUBLISHER, "X-Forwarded-For: 127.0.0.3\r\n", 202),
            (PUBLISHER, "X-Forwarded-For: nonsense\r\n", 202),
        ] {
            assert_eq!(status(from, proxy.address, headers).await, allowed, "{way:?} {from} {headers}");
        }
        // Past the proxy.
        assert_eq!(status(PUBLISHER, server.address, "").await, 202, "{way:?}");
        assert_eq!(status(OTHER, server.address, "X-Forwarded-For: 127.0.0.2\r\n").await, 403, "{way:?}");
    }
}

#[tokio::test]
async fn what_says_it_is_the_proxy_has_to_say_for_whom() {
    let server = server(Way::ForwardedFor, 10);
    for (headers, allowed) in [
        ("", 403),
        ("X-Forwarded-For: 127.0.0.2\r\n", 202),
        ("X-Forwarded-For: 127.0.0.2, nonsense\r\n", 403),
        ("X-Forwarded-For: 127.0.0.2\r\nX-Forwarded-For: 127.0.0.3\r\n", 403),
        ("X-Forwarded-For: 127.0.0.3\r\nX-Forwarded-For: 127.0.0.2, 127.0.0.1\r\n", 202),
    ] {
        assert_eq!(status(PROXY, server.address, headers).await, allowed, "{headers}");
    }
}

#[tokio::test]
async fn streams_are_counted_by_the_clients_address_and_not_by_the_proxys() {
    for way in [Way::Protocol2, Way::ForwardedFor] {
        let server = server(way, 2);
        let proxy = HaProxy::start(way, server.address);
        let open = async |from: &str| {
            let mut client = connect(from, proxy.address).await;
            client.get("/", "").await;
            let head = client.head().await;
            (client, head)
        };
        let (first, head) = open(PUBLISHER).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let _second = open(PUBLISHER).await;
        let (_, head) = open(PUBLISHER).await;
        assert!(head.starts_with("HTTP/1.1 503 ") && header(&head, "retry-after").is_some(), "{head}");
        let _others = [open(OTHER).await, open(OTHER).await];
        assert_eq!(server.door.stats().sessions, 4);
        drop(first);
        server.until("the place is free", |stats| stats.sessions == 3).await;
        assert!(open(PUBLISHER).await.1.starts_with("HTTP/1.1 200 "));
    }
}
