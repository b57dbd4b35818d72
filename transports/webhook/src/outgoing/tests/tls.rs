//! Encrypted urls.

use std::sync::Arc;
use std::time::Duration;

use eventhive_tls::Io;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use super::support::{LONG, Peer, Server, hello, outgoing};
use crate::outgoing::{Outgoing, OutgoingSettings, Report};
use crate::store::Outcome;

/// A server with a certificate for these names, and a file that trusts it.
async fn server(names: &[&str]) -> (Server, NamedTempFile) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.cert.pem()).unwrap();
    (serve(&made.cert, &made.signing_key).await, file)
}

async fn serve(certificate: &Certificate, key: &KeyPair) -> Server {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let wrap = move |stream| -> futures_util::future::BoxFuture<'static, Option<Box<dyn Io>>> {
        let acceptor = acceptor.clone();
        Box::pin(async move { acceptor.accept(stream).await.ok().map(|stream| Box::new(stream) as Box<dyn Io>) })
    };
    Server::wrapped(wrap, Peer::confirm_all).await
}

/// An authority of this name, and a file that trusts it.
fn authority(name: &str) -> (CertifiedIssuer<'static, KeyPair>, NamedTempFile) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (authority, file)
}

/// What becomes of a message to `localhost` whose certificate an authority has given, to somebody who trusts it or another.
async fn with_certificate(name: &str, year_of_its_end: i32, trusts_it: bool) -> Report {
    let ((issuer, trusted), (_, other)) = (authority("an authority"), authority("another"));
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a subscriber");
    params.not_after = date_time_ymd(year_of_its_end, 1, 1);
    let server = serve(&params.signed_by(&key, &issuer).unwrap(), &key).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let trusted = if trusts_it { trusted } else { other };
    trusting(&trusted, |_| ()).receive(&url, &hello()).await
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
async fn a_certificate_of_an_authority_that_is_trusted_is_taken() {
    let report = with_certificate("localhost", 4000, true).await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
}

#[tokio::test]
async fn a_certificate_of_nobody_who_is_trusted_for_another_name_or_of_the_past_is_refused_by_name() {
    for (name, end, trusts_it, why) in [
        ("localhost", 4000, false, "`tls_ca`"),
        ("hooks.example.org", 4000, true, "hooks.example.org"),
        ("localhost", 2020, true, "expired"),
    ] {
        let report = with_certificate(name, end, trusts_it).await;
        assert_eq!(report.outcome, Outcome::Unreachable, "{report:?}");
        let detail = report.detail;
        assert!(detail.starts_with("no TLS: invalid peer certificate") && detail.contains(why), "{detail}");
    }
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_taken_if_it_is_trusted_and_else_refused() {
    let (server, file) = server(&["localhost"]).await;
    let (_, other) = self::server(&["localhost"]).await;
    let url = format!("https://localhost:{}/", server.address.port());
    assert_eq!(trusting(&file, |_| ()).receive(&url, &hello()).await.outcome, Outcome::Confirmed);
    let report = trusting(&other, |_| ()).receive(&url, &hello()).await;
    assert!(report.outcome == Outcome::Unreachable && report.detail.starts_with("no TLS"), "{report:?}");
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
