//! Encrypted urls.

use std::sync::Arc;
use std::time::Duration;

use eventhive_tls::Io;
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use super::support::{LONG, Peer, Server, hello, outgoing};
use crate::outgoing::{Outgoing, OutgoingSettings};
use crate::store::Outcome;

/// A server with a certificate for these names, and a file that trusts it.
async fn server(names: &[&str]) -> (Server, NamedTempFile) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let wrap = move |stream| -> futures_util::future::BoxFuture<'static, Option<Box<dyn Io>>> {
        let acceptor = acceptor.clone();
        Box::pin(async move { acceptor.accept(stream).await.ok().map(|stream| Box::new(stream) as Box<dyn Io>) })
    };
    (Server::wrapped(wrap, Peer::confirm_all).await, file)
}

fn trusting(file: &NamedTempFile, change: impl FnOnce(&mut OutgoingSettings)) -> Outgoing {
    outgoing(|settings| {
        settings.tls_ca = file.path().to_str().map(Into::into);
        change(settings);
    })
}

#[tokio::test]
async fn an_encrypted_url_is_called_by_name_and_by_address_over_kept_connections() {
    let (server, file) = server(&["localhost", "127.0.0.1"]).await;
    let outgoing = trusting(&file, |_| ());
    for host in ["localhost", "LOCALHOST.", "127.0.0.1"] {
        for _ in 0..2 {
            let url = format!("https://{host}:{}/", server.address.port());
            let report = outgoing.receive(&url, &hello()).await;
            assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
        }
    }
    assert_eq!(server.connections(), 2);
    let message = crate::message::Message::new(b"a", vec![7; 3_000_000].into());
    let report = outgoing.receive(&format!("https://{}/", server.address), &message).await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
}

#[tokio::test]
async fn a_certificate_of_nobody_who_is_trusted_or_for_another_name_is_refused() {
    let (server, file) = server(&["hooks.example.org"]).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let report = trusting(&file, |_| ()).receive(&url, &hello()).await;
    assert_eq!(report.outcome, Outcome::Unreachable);
    assert!(report.detail.contains("no TLS") && report.detail.contains("hooks.example.org"), "{}", report.detail);
    let (_, other) = self::server(&["localhost"]).await;
    let report = trusting(&other, |_| ()).receive(&url, &hello()).await;
    assert!(report.detail.contains("no TLS"), "{}", report.detail);
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_no_answer() {
    let server = Server::start(async |mut peer: Peer| {
        peer.read_once().await;
        peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let report = outgoing(|_| ()).receive(&format!("https://{}/", server.address), &hello()).await;
    assert_eq!(report.outcome, Outcome::Unreachable, "{report:?}");
}

#[tokio::test]
async fn tls_that_is_never_agreed_on_is_not_waited_for() {
    let server = Server::start(async |peer: Peer| {
        tokio::time::sleep(LONG).await;
        drop(peer);
    })
    .await;
    let outgoing = outgoing(|settings| settings.connect_timeout = Duration::from_millis(100));
    let report = outgoing.receive(&format!("https://{}/", server.address), &hello()).await;
    assert_eq!(report.outcome, Outcome::TimedOut);
    assert!(report.detail.contains("TLS"), "{}", report.detail);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    for (key, change) in [
        ("tls_ca", (|settings| settings.tls_ca = Some("/nowhere".into())) as fn(&mut OutgoingSettings)),
        ("user_agent", |settings| settings.user_agent = "a\nb".into()),
        ("origin", |settings| settings.origin = Some("a\nb".into())),
        ("standard_webhooks", |settings| {
            settings.standard_webhooks =
                Some(crate::outgoing::StandardWebhooks { secrets: Vec::new(), signed: Default::default() });
        }),
    ] {
        let mut settings = super::support::settings();
        change(&mut settings);
        assert_eq!(Outgoing::new(settings).err().unwrap().key, key);
    }
}
