//! Authorizations of both directions, and Standard Webhooks.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::support::{Asked, Hmacs, Peer, Server, hello, http, outgoing, written};
use crate::outgoing::{Report, Signed, StandardWebhooks, Vouch as _, WebhookSecret};
use crate::store::Outcome;
use crate::wire::Proof;
use crate::wire::auth::Direction;
use crate::wire::digest::hash;
use crate::wire::responses::Response;

/// The answer to a RECEIVE at this url, for one subscriber but signed for as many.
fn confirmed(asked: &Asked, url: &str, signed_for: u32) -> Vec<u8> {
    let head = asked.receive().0;
    let text = Hmacs::authorize(&head.answer_claim(url, signed_for), Hmacs::default().now());
    let proof = Proof { authorization: Some(&text), tracing: b"" };
    http("200 OK", &written(Response::ConfirmReceive { proof, identifier: head.identifier, num_subscribers: 1 }))
}

async fn answered(answer: impl Fn(&Asked, &str) -> Vec<u8> + Send + Sync + 'static) -> (Report, Asked, String) {
    let answer = Arc::new(answer);
    let mut server = Server::start(move |mut peer: Peer| {
        let answer = Arc::clone(&answer);
        async move {
            let asked = peer.asked().await.unwrap();
            let url = format!("http://{}/hook#me", asked.header("host").unwrap());
            peer.say(&answer(&asked, &url)).await;
        }
    })
    .await;
    let url = server.url("/hook#me");
    let outgoing = outgoing(|settings| settings.vouch = Arc::new(Hmacs::default()));
    (outgoing.receive(&url, &hello()).await, server.asked().await, url)
}

#[tokio::test]
async fn a_request_is_signed_for_the_url_as_it_was_registered_and_its_answer_verified_for_it() {
    let (report, asked, url) = answered(|asked, url| confirmed(asked, url, 1)).await;
    assert_eq!((report.outcome, report.subscribers), (Outcome::Confirmed, 1), "{report:?}");
    let (head, message) = asked.receive();
    let scheme = Hmacs::scheme(Direction::ToSubscriber);
    let sha512 = hash(message);
    let now = Hmacs::default().now();
    let authorization = asked.header("authorization");
    assert!(scheme.verify(authorization, &head.claim(&url, &sha512), b"", now).is_ok());
    let without_fragment = url.trim_end_matches("#me");
    assert!(scheme.verify(authorization, &head.claim(without_fragment, &sha512), b"", now).is_err());
}

#[tokio::test]
async fn an_answer_that_is_not_authorized_is_not_counted() {
    let unsigned = |asked: &Asked, _: &str| http("200 OK", &asked.confirmed(1));
    let elsewhere = |asked: &Asked, _: &str| confirmed(asked, "http://example.org/", 1);
    let other_count = |asked: &Asked, url: &str| confirmed(asked, url, 2);
    for report in [answered(unsigned).await.0, answered(elsewhere).await.0, answered(other_count).await.0] {
        assert_eq!((report.outcome, report.subscribers), (Outcome::BadAuthorization, 0), "{report:?}");
        assert_eq!(report.status, Some(200));
    }
    // Nobody signs this.
    let report = answered(|_, _| http("403 Forbidden", &written(Response::UnsubscribeImmediate))).await.0;
    assert_eq!(report.outcome, Outcome::Unsubscribed);
}

#[tokio::test]
async fn an_authorization_of_an_answer_counts_once() {
    let vouch = Hmacs::default();
    let (report, asked, url) = answered(|asked, url| confirmed(asked, url, 1)).await;
    assert_eq!(report.outcome, Outcome::Confirmed);
    let claim = asked.receive().0.answer_claim(&url, 1);
    let text = Hmacs::authorize(&claim, vouch.now());
    assert_eq!(vouch.admit(Some(&text), claim, b"").await, Ok(()));
    assert!(vouch.admit(Some(&text), claim, b"").await.is_err());
}

#[tokio::test]
async fn standard_webhooks_are_signed_over_the_body_or_over_the_message_alone() {
    let key = [b'k'; 32];
    let text = format!("whsec_{}", STANDARD.encode(key));
    for signed in [Signed::Body, Signed::Message] {
        let mut server = Server::start(Peer::confirm_all).await;
        let secrets = vec![WebhookSecret::from_text(&text).unwrap()];
        let outgoing = outgoing(|settings| settings.standard_webhooks = Some(StandardWebhooks { secrets, signed }));
        let report = outgoing.receive(&server.url("/"), &hello()).await;
        assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
        let asked = server.asked().await;
        let header = |name| asked.header(name).unwrap();
        assert_eq!(header("webhook-id").as_bytes(), report.identifier.unwrap());
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
        mac.update(if signed == Signed::Body { &asked.body } else { asked.receive().1 });
        assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
}
