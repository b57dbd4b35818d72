//! Tokens, refusals and TLS.

use std::io::Write as _;
use std::sync::Arc;

use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners, TlsFiles};
use eventhive_transport::settings::{Node, Position, Value};
use eventhive_transport::{Filter, Incoming, Link, LinkError, LinkState, RefusedReason};
use eventhive_websocket::{Config, WebSocketDoor, WebSocketLink};

use crate::faults::answer_with;
use crate::scripted::{Script, is_down, settings, until};

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn has_given_up(state: &LinkState) -> bool {
    matches!(state, LinkState::Down { gave_up: true, .. })
}

#[tokio::test]
async fn the_token_is_sent_as_bearer() {
    let script = Script::new().await;
    let (_link, peer) = script.link(&[("token", text("geheim"))]).await;
    assert_eq!(peer.head.headers()["authorization"], "Bearer geheim");
}

#[tokio::test]
async fn a_refused_link_gives_up_and_tells_everyone() {
    for refusal in [UNAUTHORIZED, FORBIDDEN] {
        let script = Script::new().await;
        let link = WebSocketLink::start(settings(script.address, &[("token", text("geheim"))]));
        let waiting = link.subscribe(Filter::exact("a"), Arc::new(|_: Incoming| {}));
        let (waiting, _head) = tokio::join!(waiting, answer_with(&script, refusal));
        assert!(matches!(waiting, Err(LinkError::Rejected(_))), "{waiting:?}");
        let state = until(&link, has_given_up).await;
        assert!(state.to_string().contains("check `token`") && !state.to_string().contains("geheim"), "{state}");
        let later = link.subscribe(Filter::exact("a"), Arc::new(|_: Incoming| {})).await;
        assert!(matches!(later, Err(LinkError::Rejected(_))), "{later:?}");
        assert_eq!(link.publish("a".into(), "x".into()).unwrap_err().reason, RefusedReason::Down);
        link.close().await;
        assert_eq!(*link.state().borrow(), LinkState::Closed);
    }
}

#[tokio::test]
async fn of_several_tokens_the_next_is_tried() {
    let script = Script::new().await;
    let node = |value| Node { value, at: Position::default() };
    let tokens = Value::List(vec![node(text("old")), node(text("new"))]);
    let link = WebSocketLink::start(settings(script.address, &[("token", tokens)]));
    assert!(answer_with(&script, UNAUTHORIZED).await.contains("Bearer old"));
    let state = until(&link, is_down).await;
    assert!(!has_given_up(&state), "{state}");
    let mut peer = script.accept().await;
    assert_eq!(peer.head.headers()["authorization"], "Bearer new");
    peer.greet().await;
    until(&link, LinkState::is_up).await;
    drop(peer);
    // The one that was accepted goes first from now on; when both are refused it is over.
    assert!(answer_with(&script, UNAUTHORIZED).await.contains("Bearer new"));
    assert!(answer_with(&script, UNAUTHORIZED).await.contains("Bearer old"));
    until(&link, has_given_up).await;
}

/// A door with a certificate of its own for `localhost`, and the certificate's file.
fn encrypted() -> (Listeners, std::net::SocketAddr, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let file = |text: String| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    let (certificate, key) = (file(made.cert.pem()), file(made.signing_key.serialize_pem()));
    let tls = TlsFiles { certificate: certificate.path().to_owned(), key: key.path().to_owned(), chain: None };
    let door = Arc::new(WebSocketDoor::new(Hub::new(HubSettings::default()), Config::default()));
    let limits = Limits { workers: Some(1), ..Limits::default() };
    let listen = Listen { host: "127.0.0.1".to_owned(), port: 0, tls: Some(tls), proxies: None, limits };
    let plan = DoorPlan::new("servers.test", listen, "ws", "/pubsub", door);
    let listeners = Listeners::start(vec![plan]).unwrap();
    let address = listeners.addresses()[0].address;
    (listeners, address, certificate)
}

#[tokio::test]
async fn a_private_certificate_is_trusted_when_it_is_named_and_not_otherwise() {
    let (_listeners, address, certificate) = encrypted();
    let (scheme, path) = (("scheme", text("wss")), certificate.path().display().to_string());
    let trusting = WebSocketLink::start(settings(address, &[scheme.clone(), ("tls_ca", text(&path))]));
    until(&trusting, LinkState::is_up).await;
    // Another private certificate: a certificate is there to trust, but not the server's.
    let (_other_listeners, _, other) = encrypted();
    let path = other.path().display().to_string();
    let distrusting = WebSocketLink::start(settings(address, &[scheme, ("tls_ca", text(&path))]));
    let state = until(&distrusting, is_down).await;
    assert!(state.to_string().contains("certificate"), "{state}");
}
