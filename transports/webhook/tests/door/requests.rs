//! Bodies of requests and what answers say, for tests.

use eventhive_webhook::wire::Interest;
use eventhive_webhook::wire::bodies::{
    CheckSubscriptions, Entry, NotifyHead, ReceiveHead, SetHead, Subscribe, Unsubscribe, write_lists,
};
use eventhive_webhook::wire::digest::hash;
use eventhive_webhook::wire::etag::{Etag, EtagBuilder};
use eventhive_webhook::wire::responses::Response;

use crate::harness::{Answered, Served, exchange, post};

pub(crate) const URL: &str = "http://127.0.0.1:9/v1/receive";

pub(crate) fn path(verb: &str, interest: Interest<'_>) -> String {
    format!("/v1/{verb}/{}", if matches!(interest, Interest::Exact(_)) { "exact" } else { "glob" })
}

pub(crate) fn subscribe_body(url: &str, interest: Interest<'_>, recovery: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    Subscribe { url, interest, recovery, tracing: b"" }.write(&mut body).unwrap();
    body
}

pub(crate) async fn subscribe(served: &Served, url: &str, interest: Interest<'_>) -> u16 {
    let body = subscribe_body(url, interest, None);
    exchange(served.address, &post(&path("subscribe", interest), &[], &body)).await.status
}

pub(crate) async fn unsubscribe(served: &Served, url: &str, interest: Interest<'_>) -> u16 {
    let mut body = Vec::new();
    Unsubscribe { url, interest, tracing: b"" }.write(&mut body).unwrap();
    exchange(served.address, &post(&path("unsubscribe", interest), &[], &body)).await.status
}

pub(crate) fn notify_body(topic: &[u8], message: &[u8]) -> Vec<u8> {
    let (sha512, length) = (hash(message), message.len() as u64);
    let mut body = Vec::new();
    NotifyHead { topic, sha512: &sha512, tracing: b"", identifier: b"id", length }.write(&mut body).unwrap();
    [body, message.to_vec()].concat()
}

pub(crate) async fn notify(served: &Served, topic: &[u8], message: &[u8]) -> Result<u32, u16> {
    count(exchange(served.address, &post("/v1/notify", &[], &notify_body(topic, message))).await)
}

pub(crate) fn count(answered: Answered) -> Result<u32, u16> {
    if answered.status != 200 {
        return Err(answered.status);
    }
    match Response::read(&answered.body).unwrap() {
        Response::Notify { count, identifier: b"id", .. } => Ok(count),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn receive_body(topic: &[u8], message: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    ReceiveHead { tracing: b"", topic, identifier: b"id", length: message.len() as u64 }.write(&mut body).unwrap();
    [body, message.to_vec()].concat()
}

pub(crate) fn set_body(url: &str, entries: &[Entry<'_>]) -> Vec<u8> {
    let mut etag = EtagBuilder::new(url).unwrap();
    entries.iter().for_each(|entry| etag.push(entry.interest, entry.recovery).unwrap());
    let mut body = Vec::new();
    SetHead { tracing: b"", url, etag: etag.finish() }.write(&mut body).unwrap();
    let globs = entries.partition_point(|entry| matches!(entry.interest, Interest::Exact(_)));
    write_lists(&entries[..globs], &entries[globs..], &mut body).unwrap();
    body
}

pub(crate) async fn etag(served: &Served, url: &str) -> Etag {
    let mut body = Vec::new();
    CheckSubscriptions { tracing: b"", url }.write(&mut body).unwrap();
    let answered = exchange(served.address, &post("/v1/check_subscriptions", &[], &body)).await;
    match Response::read(&answered.body).unwrap() {
        Response::CheckSubscriptions { etag, .. } => etag,
        other => panic!("{other:?}"),
    }
}
