//! The link to a door with TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventhive_listener::TlsFiles;
use eventhive_transport::{Filter, Incoming, Link, LinkState, Topic, Transport};
use eventhive_webhook::Webhook;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

use crate::door::listen;
use crate::settings::{settings, text};

const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate for this name, and the file that trusts it.
fn certificate(folder: &Path, name: &str) -> (TlsFiles, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let [certificate, key] = ["pem", "key"].map(|end| folder.join(format!("{name}.{end}")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let file = certificate.to_str().unwrap().to_owned();
    (TlsFiles { certificate, key, chain: None }, file)
}

async fn becomes(link: &dyn Link, state: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut states = link.state();
    timeout(PATIENCE, states.wait_for(|now| state(now))).await.expect("the link's state").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_with_tls_is_used_where_it_is_trusted_and_the_link_is_down_with_the_reason_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, trusted) = certificate(folder.path(), "127.0.0.1");
    let (_, other) = certificate(folder.path(), "localhost");
    let running = listen(&folder, 0, Some(tls), |_| ());
    for upgrade in ["never", "websocket", "auto"] {
        let link = |ca: &str| {
            let settings = settings(running.address, upgrade, &[("scheme", text("https")), ("tls_ca", text(ca))]);
            Webhook.connect(&settings).unwrap()
        };
        let friend = link(&trusted);
        becomes(&*friend, LinkState::is_up).await;
        let (to, mut received) = unbounded_channel();
        let sink = Arc::new(move |incoming: Incoming| _ = to.send(incoming.payload));
        let _subscription = friend.subscribe(Filter::Exact(Topic::from("a")), sink).await.unwrap();
        let receipt = friend.publish(Topic::from("a"), Bytes::from_static(b"x")).unwrap();
        timeout(PATIENCE, receipt).await.unwrap().unwrap();
        assert_eq!(timeout(PATIENCE, received.recv()).await.unwrap().unwrap(), "x", "{upgrade}");
        friend.close().await;

        let stranger = link(&other);
        let down = becomes(&*stranger, |now| matches!(now, LinkState::Down { .. })).await;
        assert!(down.to_string().contains("certificate"), "{upgrade}: {down}");
        stranger.close().await;
    }
    running.stop().await;
}
