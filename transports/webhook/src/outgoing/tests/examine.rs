//! A message step by step.

use std::sync::Arc;

use super::support::{Hmacs, Server, hello, http, outgoing};
use crate::outgoing::{Examination, Stage};
use crate::store::Outcome;

fn last(examination: &Examination) -> (Stage, bool) {
    let passed = examination.steps.iter().filter(|step| step.passed).count();
    assert!(passed + 1 >= examination.steps.len(), "only the last may have failed: {examination:?}");
    examination.steps.last().map(|step| (step.stage, step.passed)).unwrap()
}

#[tokio::test]
async fn a_message_that_arrives_went_all_steps() {
    let server = Server::start(|peer| peer.confirm_all()).await;
    let examination = outgoing(|_| {}).examine(&server.url("/receive"), &hello()).await;
    let stages: Vec<_> = examination.steps.iter().map(|step| step.stage.word()).collect();
    assert_eq!(stages, ["url", "resolve", "guard", "connect", "status", "answer", "signature"]);
    assert_eq!(last(&examination), (Stage::Signature, true));
    assert_eq!(examination.report.outcome, Outcome::Confirmed);
}

#[tokio::test]
async fn the_step_that_fails_is_the_last_and_says_why() {
    let outgoing = outgoing(|_| {});
    let url = outgoing.examine("ftp://example.org/", &hello()).await;
    assert_eq!(last(&url), (Stage::Url, false));
    let guarded = outgoing.examine("http://10.0.0.1/", &hello()).await;
    assert_eq!(last(&guarded), (Stage::Guard, false));
    assert!(guarded.steps.last().unwrap().detail.contains("`allow`"), "{guarded:?}");
    let nobody = outgoing.examine("http://127.0.0.1:1/", &hello()).await;
    assert_eq!(last(&nobody), (Stage::Connect, false));
}

#[tokio::test]
async fn an_answer_that_confirms_nothing_is_told_with_its_status() {
    let server = Server::start(|mut peer| async move {
        while peer.asked().await.is_some() {
            peer.say(&http("418 Teapot", b"short and stout")).await;
        }
    })
    .await;
    let examination = outgoing(|_| {}).examine(&server.url("/receive"), &hello()).await;
    assert_eq!(last(&examination), (Stage::Answer, false));
    let status = examination.steps.iter().find(|step| step.stage == Stage::Status).unwrap();
    assert_eq!(&*status.detail, "status 418, with 15 bytes");
    assert_eq!(examination.report.status, Some(418));
}

#[tokio::test]
async fn an_answer_without_its_signature_fails_at_the_last_step() {
    let server = Server::start(|peer| peer.confirm_all()).await;
    let outgoing = outgoing(|settings| settings.vouch = Arc::new(Hmacs::default()));
    let examination = outgoing.examine(&server.url("/receive"), &hello()).await;
    assert_eq!(last(&examination), (Stage::Signature, false));
    assert_eq!(examination.report.outcome, Outcome::BadAuthorization);
}
