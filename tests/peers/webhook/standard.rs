//! The headers of Standard Webhooks, verified by the packages that others verify them with.

use std::process::Command;
use std::rc::Rc;

use serde_json::json;

use super::auth::{Auth, Folder};
use super::broadcaster::Broadcaster;
use super::client::{Client, Wire};
use crate::environment::{Stack, environments, root};
use crate::http::curl::try_curl;
use crate::process::Peer;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLDER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const STRANGE: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Each of them verifies what is signed by both secrets, and one with another secret does not.
fn verify(start: impl Fn(&str) -> Peer) {
    let folder = Rc::new(Folder::with(Auth::None, Auth::None));
    let keys = format!("{{standard_webhooks: {{secret: [{SECRET}, {OLDER}]}}}}");
    let broadcaster = Broadcaster::start_with(&folder, &keys);
    let mut verifiers = [SECRET, OLDER, STRANGE].map(start);
    for verifier in &mut verifiers {
        let url = verifier.wait_for("state", &json!("listening"))["url"].as_str().unwrap().to_owned();
        subscribe(&broadcaster, &url, "a");
    }
    let mut notifier = Client::start(&broadcaster, Wire::Http);
    for message in [r#"{"flowers": 3}"#, "ü", ""] {
        assert_eq!(notifier.notify("a", message), 3, "{message}");
        let verified =
            verifiers.each_mut().map(|verifier| verifier.wait_for("text", &json!(message))["verified"].take());
        assert_eq!(verified, [json!(true), json!(true), json!("WebhookVerificationError")], "{message}");
    }
}

/// With neither recovery url nor tracing.
pub(crate) fn subscribe(broadcaster: &Broadcaster, url: &str, topic: &str) {
    let field = |text: &str| [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    let body = [url, topic, "", ""].map(field).concat();
    let to = format!("{}/v1/subscribe/exact", broadcaster.url("http"));
    let answer = try_curl(&["--data-binary", "@-", &to], &body).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn the_package_of_pypi_verifies_them() {
    verify(|secret| Peer::python(Stack::Lonely, "standard_webhooks", &["--secret", secret]));
}

#[test]
fn the_package_of_npm_verifies_them() {
    verify(|secret| {
        let mut command = Command::new("node");
        command.arg(root().join("tests/peers/node/standard_webhooks.js")).arg(secret);
        command.env("NODE_PATH", environments().join("node/node_modules"));
        Peer::start("standard_webhooks.js", command)
    });
}
