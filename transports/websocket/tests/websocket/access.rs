//! Who gets in, and over what.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, web};
use eventhive_hub::{Draft, Hub, HubSettings};
use eventhive_listener::{Limits, TlsFiles};
use eventhive_websocket::{Config, WebSocketDoor};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::{Connector, client_async_tls_with_config};

use crate::support::{Client, Server, until};

fn with_header(url: &str, name: &'static str, value: &str) -> Request<()> {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

async fn status(request: impl IntoClientRequest + Unpin) -> u16 {
    match Client::connect(request).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_token_opens_the_door_and_a_wrong_one_is_told_so_after_a_while() {
    let delay = Duration::from_millis(200);
    let config = Config { tokens: vec!["secret".to_owned().into()], refusal_delay: delay, ..Config::default() };
    let server = Server::start(config);
    let url = server.url();
    assert_eq!(status(with_header(&url, "authorization", "Bearer secret")).await, 101);
    assert_eq!(status(format!("{url}?token=secret")).await, 101);
    let before = Instant::now();
    assert_eq!(status(with_header(&url, "authorization", "Bearer secre")).await, 401);
    assert_eq!(status(url).await, 401);
    assert!(before.elapsed() >= delay * 2);
    assert_eq!(server.door.stats().refused, 2);
}

#[tokio::test]
async fn a_foreign_page_is_kept_out() {
    let server = Server::start(Config { refusal_delay: Duration::ZERO, ..Config::default() });
    assert_eq!(status(with_header(&server.url(), "origin", "http://evil.example")).await, 403);
    let own = format!("http://{}", server.address);
    assert_eq!(status(with_header(&server.url(), "origin", &own)).await, 101);
}

#[tokio::test]
async fn other_paths_are_404_and_plain_requests_are_told_to_upgrade() {
    let server = Server::start(Config::default());
    assert_eq!(status(format!("ws://{}/other", server.address)).await, 404);
    let answer = plain(&server, "GET /pubsub HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = plain(&server, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

async fn plain(server: &Server, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Writes a fresh certificate for `localhost` and its key; gives the certificate.
fn new_certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()
}

async fn connect_trusting(server: &Server, certificate: &CertificateDer<'static>) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(server.address).await.unwrap();
    let url = format!("wss://{}/pubsub", ServerName::try_from("localhost").unwrap().to_str());
    let connected = client_async_tls_with_config(url, socket, None, Some(Connector::Rustls(Arc::new(config)))).await;
    connected.is_ok()
}

#[tokio::test]
async fn a_certificate_is_replaced_without_a_restart_and_a_broken_one_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let first = new_certificate(folder.path());
    let tls = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem"), chain: None };
    let server = Server::start_with(Config::default(), Limits::default(), Some(tls));
    assert!(server.listeners.addresses()[0].tls);
    assert!(connect_trusting(&server, &first).await);
    until("the connection is gone, and was known until then", || server.listeners.connections() == 0).await;
    assert_eq!(server.door.stats().accepted, 1);

    let second = new_certificate(folder.path());
    assert!(!connect_trusting(&server, &second).await);
    assert!(server.listeners.reload().run().is_empty());
    assert!(connect_trusting(&server, &second).await);
    assert!(!connect_trusting(&server, &first).await);

    std::fs::write(folder.path().join("cert.pem"), "broken").unwrap();
    let problems = server.listeners.reload().run();
    assert!(problems[0].contains("cert.pem"), "{problems:?}");
    assert!(connect_trusting(&server, &second).await);
}

#[tokio::test]
async fn certificates_that_lead_to_the_issuer_may_be_in_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params, rcgen::KeyPair::generate().unwrap())
    };
    let ((root, root_key), (middle, middle_key)) = (authority("root"), authority("middle"));
    let root_pem = root.clone().self_signed(&root_key).unwrap().pem();
    let middle_pem = middle.clone().signed_by(&middle_key, &rcgen::Issuer::new(root, root_key)).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf_pem = leaf.signed_by(&key, &rcgen::Issuer::new(middle, middle_key)).unwrap().pem();
    let mut tls = TlsFiles {
        certificate: file("cert.pem", leaf_pem),
        key: file("key.pem", key.serialize_pem()),
        chain: Some(file("chain.pem", middle_pem)),
    };
    let trusted = CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap();
    let server = Server::start_with(Config::default(), Limits::default(), Some(tls.clone()));
    assert!(connect_trusting(&server, &trusted).await);
    tls.chain = None;
    let server = Server::start_with(Config::default(), Limits::default(), Some(tls));
    assert!(!connect_trusting(&server, &trusted).await, "nothing leads from the certificate to its issuer");
}

/// Without `on_connect` too: the kernel's handle of a connection makes the end quicker, and no more.
#[tokio::test]
async fn a_door_fits_into_an_application_of_ones_own() {
    let hub = Hub::new(HubSettings::default());
    let door = Arc::new(WebSocketDoor::new(hub.clone(), Config::default()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (to_tell, told) = std::sync::mpsc::channel();
    let in_app = Arc::clone(&door);
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || {
                let mine = web::get().to(|| async { "mine" });
                App::new().route("/mine", mine).service(web::scope("/hub").service(in_app.scope()))
            };
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
            to_tell.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = told.recv().unwrap();
    let mut client = Client::connect(format!("ws://{address}/hub/pubsub")).await.unwrap();
    client.subscribe(&["t"]).await;
    hub.publish(Draft::json("t", "1")).unwrap();
    assert_eq!(client.notified().await.1, 1);
    client.send("nonsense").await;
    client.closed(1008).await;
    until("the session is gone", || door.stats().sessions == 0).await;
    handle.stop(true).await;
    thread.join().unwrap();
}
