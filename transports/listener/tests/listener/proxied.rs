//! Connections through proxies that speak the PROXY protocol.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use eventhive_listener::{Door, DoorPlan, Listen, Listeners, Networks, Proxies, StartError, TlsFiles};
use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::listen;

/// A door that says whom it sees.
struct Mirror(Proxies);

impl Door for Mirror {
    fn mount(&self, config: &mut ServiceConfig) {
        let proxies = self.0.clone();
        let answer = move |request: actix_web::HttpRequest| {
            let client = proxies.client(&request).map_or_else(|| "nobody".to_owned(), |client| client.to_string());
            async move { client }
        };
        config.route("/", web::get().to(answer));
    }

    fn drain(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn sessions(&self) -> usize {
        0
    }
}

fn proxies(trusted: &str) -> Proxies {
    Proxies { trusted: Networks::parse([trusted]).unwrap(), protocol: true }
}

fn plan(proxies: Proxies, tls: Option<TlsFiles>) -> DoorPlan {
    let listen = Listen { tls, proxies: proxies.of_connections(), ..listen("127.0.0.1", 0) };
    DoorPlan::new("servers.a", listen, "http", "/", Arc::new(Mirror(proxies)))
}

fn start(proxies: Proxies, tls: Option<TlsFiles>) -> (Listeners, SocketAddr) {
    let listeners = Listeners::start(vec![plan(proxies, tls)]).unwrap();
    let address = listeners.addresses()[0].address;
    (listeners, address)
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// What a connection that begins like this is answered, on a request behind that; nothing if it is cut.
fn answer(address: SocketAddr, header: &[u8], more: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    // Who is refused may be cut while it still sends.
    _ = socket.write_all(&[header, REQUEST.replace("\r\n\r\n", &format!("\r\n{more}\r\n")).as_bytes()].concat());
    let mut answer = String::new();
    _ = socket.read_to_string(&mut answer);
    answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
}

#[test]
fn a_trusted_proxy_says_in_front_of_the_connection_whom_it_speaks_for() {
    let (_listeners, address) = start(proxies("127.0.0.1"), None);
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\x02\x01\x12\x34\x01\xbb";
    let forged = "X-Forwarded-For: 198.51.100.1\r\n";
    for (header, more, seen) in [
        (&b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"[..], "", "203.0.113.9"),
        (b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n", "", "2001:db8::9"),
        (v2, "", "203.0.113.9"),
        // The client is no proxy, whatever it says.
        (v2, forged, "203.0.113.9"),
        // A proxy of HTTP behind the one of connections.
        (b"PROXY TCP4 127.0.0.1 192.0.2.1 4711 443\r\n", forged, "198.51.100.1"),
        (b"PROXY UNKNOWN\r\n", "", "nobody"),
        (b"PROXY UNKNOWN\r\n", forged, "nobody"),
        (b"", "", ""),
        (b"PROXY TCP4 nonsense\r\n", "", ""),
    ] {
        assert_eq!(answer(address, header, more), seen, "{header:?} {more}");
    }
}

#[test]
fn of_others_the_header_is_not_accepted_and_not_needed() {
    let (_listeners, address) = start(proxies("192.0.2.1"), None);
    assert_eq!(answer(address, b"", ""), "127.0.0.1");
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(format!("PROXY TCP4 192.0.2.1 192.0.2.1 4711 443\r\n{REQUEST}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn a_proxy_that_says_nothing_is_cut_off_in_the_time_for_requests() {
    let mut plan = plan(proxies("127.0.0.1"), None);
    plan.listen.limits.request_timeout = std::time::Duration::from_millis(200);
    let listeners = Listeners::start(vec![plan]).unwrap();
    let mut socket = TcpStream::connect(listeners.addresses()[0].address).unwrap();
    socket.write_all(b"PROXY").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    assert_eq!(socket.read(&mut [0; 16]).unwrap(), 0);
}

#[test]
fn tls_begins_behind_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name);
    let files = TlsFiles { certificate: path("cert.pem"), key: path("key.pem"), chain: None };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let (_listeners, address) = start(proxies("127.0.0.1"), Some(files));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let request = |header: &str| {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(header.as_bytes()).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut secured = StreamOwned::new(client, socket);
        secured.write_all(REQUEST.as_bytes())?;
        let mut answer = String::new();
        // The end of the connection without the end of TLS is an error, behind the answer.
        _ = secured.read_to_string(&mut answer);
        Ok::<_, std::io::Error>(answer)
    };
    let answer = request("PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n").unwrap();
    assert!(answer.ends_with("203.0.113.9"), "{answer}");
    assert!(request("").is_err());
}

#[test]
fn doors_of_one_address_agree_on_who_speaks_the_protocol() {
    let mut other = plan(proxies("127.0.0.2"), None);
    other.path = "/other".to_owned();
    other.name = "servers.b".to_owned();
    let errors = Listeners::start(vec![plan(proxies("127.0.0.1"), None), other]).unwrap_err();
    assert!(matches!(&errors[..], [StartError::ProxiesDiffer { .. }]), "{errors:?}");
}

#[tokio::test]
async fn a_listener_behind_proxies_stops_like_any_other() {
    let (listeners, address) = start(proxies("127.0.0.1"), None);
    let mut idle = TcpStream::connect(address).unwrap();
    idle.write_all(b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 16]).unwrap() > 0);
    listeners.stop(std::time::Duration::from_millis(100)).await;
    assert!(TcpStream::connect(address).is_err());
}
