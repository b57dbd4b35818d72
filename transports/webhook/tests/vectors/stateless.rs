//! Whole exchanges over HTTP: each request is read as a server would, verified, and written again as a client would;
//! each answer likewise, the other way round.

use std::collections::HashSet;

use eventhive_webhook::wire::auth::{Accepted, Claim, HmacHeader};
use eventhive_webhook::wire::bodies::{
    CheckSubscriptions, Collector, Entry, Head, Lists, Missed, NotifyHead, ReceiveHead, SetHead, Subscribe,
    Unsubscribe, write_lists,
};
use eventhive_webhook::wire::digest::{self, Hasher};
use eventhive_webhook::wire::endpoint::Endpoint;
use eventhive_webhook::wire::etag::{Etag, EtagBuilder};
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::tracing::Traces;
use eventhive_webhook::wire::{Proof, WireError};
use serde_json::Value;

use crate::support::{NOW, bytes, list, number, scheme, text};

pub(crate) fn exchanges(section: &Value) -> usize {
    let mut used = HashSet::new();
    for exchange in list(&section["exchanges"]) {
        let (request, response) = (&exchange["request"], &exchange["response"]);
        let sent = Sent::read(request);
        let answer = bytes(&response["body_hex"]);
        let status = number(&response["status"]);
        let name = text(&exchange["name"]);
        // What only a broadcaster can know, and not the wire: what is stored, and what its own urls are.
        let of_state =
            status == 409 || ["nobody wants", "not exactly the configured"].iter().any(|of| name.contains(of));
        if !of_state {
            assert_eq!(sent.serve(&answer, &mut used), status, "{name}");
        }
        match status {
            200 => {}
            409 => assert!(answer.is_empty()),
            _ if answer.is_empty() || answer[0] == b'{' => {}
            _ => assert_eq!(Response::read(&answer), Ok(Response::UnsubscribeImmediate), "{name}"),
        }
    }
    list(&section["exchanges"]).len()
}

struct Sent<'a> {
    url: &'a str,
    endpoint: Endpoint,
    body: Vec<u8>,
    authorization: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Sent<'a> {
    fn read(request: &'a Value) -> Self {
        let url = text(&request["url"]);
        let path = &url[url.find("/v1/").unwrap()..];
        let endpoint = Endpoint::of(path.split('?').next().unwrap()).unwrap();
        let header = |name: &str| request["headers"].get(name).map(text);
        let body = bytes(&request["body_hex"]);
        Self { url, endpoint, body, authorization: header("Authorization"), digest: header("Repr-Digest") }
    }

    /// The status of the answer as far as the wire decides it. One with 200 is compared with what came.
    fn serve(&self, answer: &[u8], used: &mut HashSet<[u8; 64]>) -> u64 {
        match self.endpoint {
            Endpoint::Subscribe(kind) => self.plain(Subscribe::read(kind, &self.body), answer, used),
            Endpoint::Unsubscribe(kind) => self.plain(Unsubscribe::read(kind, &self.body), answer, used),
            Endpoint::CheckSubscriptions => self.plain(CheckSubscriptions::read(&self.body), answer, used),
            Endpoint::SetSubscriptions => self.plain(SetHead::read(&self.body).map(|(head, _)| head), answer, used),
            Endpoint::Recover | Endpoint::MissedForWebsockets => {
                self.plain(Missed::read(&self.body).map(|missed| (missed, self.url)), answer, used)
            }
            Endpoint::Notify => self.notify(answer, used),
            Endpoint::Receive | Endpoint::ReceiveForWebsockets => self.receive(answer, used),
            Endpoint::Websocket => panic!("no exchange"),
        }
    }

    fn plain<R: Request>(&self, request: Result<R, WireError>, answer: &[u8], used: &mut HashSet<[u8; 64]>) -> u64 {
        let Ok(request) = request else { return 400 };
        // What is behind the last field is not looked at.
        let written = request.written(&self.body);
        assert_eq!(written, self.body[..written.len()]);
        if let Err(status) = self.authorize(&request.claim(), request.tracing(), used) {
            return status;
        }
        let response = Response::read(answer).unwrap();
        let (proof, claim) = request.answered(&response);
        the_answer_is_signed(answer, &response, proof, &claim);
        200
    }

    fn notify(&self, answer: &[u8], used: &mut HashSet<[u8; 64]>) -> u64 {
        let (collector, message) = in_chunks::<NotifyHead<'_>>(&self.body);
        let head = collector.head().unwrap();
        let mut hasher = Hasher::new(head.length);
        hasher.push(&message).unwrap();
        hasher.verify(head.sha512).unwrap();
        let mut written = Vec::new();
        head.write(&mut written).unwrap();
        assert_eq!([written, message].concat(), self.body);

        self.authorize(&head.claim(), head.tracing, used).unwrap();
        let response = Response::read(answer).unwrap();
        let Response::Notify { proof, count, identifier } = response else { panic!("{response:?}") };
        assert_eq!(identifier, head.identifier);
        assert!(Traces::read(proof.tracing).unwrap().iter().next().is_some());
        the_answer_is_signed(answer, &response, proof, &head.answer_claim(count));
        200
    }

    fn receive(&self, answer: &[u8], used: &mut HashSet<[u8; 64]>) -> u64 {
        let Some(sha512) = self.digest.and_then(digest::read_repr_digest) else { return 400 };
        let (collector, message) = in_chunks::<ReceiveHead<'_>>(&self.body);
        let head = collector.head().unwrap();
        let mut written = Vec::new();
        head.write(&mut written).unwrap();
        assert_eq!([written, message.clone()].concat(), self.body);
        if let Err(status) = self.authorize(&head.claim(self.url, &sha512), head.tracing, used) {
            return status;
        }
        let mut hasher = Hasher::new(head.length);
        hasher.push(&message).unwrap();
        if hasher.verify(&sha512).is_err() {
            return 400;
        }
        let response = Response::read(answer).unwrap();
        let Response::ConfirmReceive { proof, identifier, num_subscribers } = response else { panic!("{response:?}") };
        assert_eq!(identifier, head.identifier);
        the_answer_is_signed(answer, &response, proof, &head.answer_claim(self.url, num_subscribers));
        200
    }

    fn authorize(&self, claim: &Claim<'_>, tracing: &[u8], used: &mut HashSet<[u8; 64]>) -> Result<(), u64> {
        match scheme(claim.direction()).verify(self.authorization, claim, tracing, NOW) {
            Err(refused) => Err(refused.status().into()),
            Ok(Accepted::Once(code)) if used.insert(code.code) => {
                the_text_is_made_again(self.authorization.unwrap(), claim, tracing);
                Ok(())
            }
            Ok(_) => Err(403),
        }
    }
}

/// The body in chunks of 3 bytes: the collected head, and the message behind it.
fn in_chunks<H: Head>(body: &[u8]) -> (Collector<H>, Vec<u8>) {
    let mut collector = Collector::new();
    let mut message = Vec::new();
    for chunk in body.chunks(3) {
        message.extend_from_slice(collector.push(chunk).unwrap());
    }
    assert!(collector.is_complete());
    (collector, message)
}

fn the_text_is_made_again(authorization: &str, claim: &Claim<'_>, tracing: &[u8]) {
    let header = HmacHeader::read(Some(authorization), NOW).unwrap();
    let made = scheme(claim.direction()).sign(claim, tracing, header.stamp).unwrap();
    assert_eq!(made.as_deref(), Some(authorization));
}

fn the_answer_is_signed(answer: &[u8], response: &Response<'_>, proof: Proof<'_>, claim: &Claim<'_>) {
    let mut written = Vec::new();
    response.write(&mut written).unwrap();
    assert_eq!(written, answer);
    let accepted = scheme(claim.direction()).verify(proof.authorization, claim, proof.tracing, NOW);
    assert!(matches!(accepted, Ok(Accepted::Once(_))), "{response:?}: {accepted:?}");
    the_text_is_made_again(proof.authorization.unwrap(), claim, proof.tracing);
}

/// What requests without a message have in common.
trait Request {
    fn claim(&self) -> Claim<'_>;
    fn tracing(&self) -> &[u8];
    fn written(&self, body: &[u8]) -> Vec<u8>;
    /// What the answer has to prove, which is of the kind that belongs to this request.
    fn answered<'a>(&'a self, response: &'a Response<'a>) -> (Proof<'a>, Claim<'a>);
}

fn generic<'a>(response: &Response<'a>) -> Proof<'a> {
    let Response::Generic { proof } = response else { panic!("{response:?}") };
    *proof
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    out
}

impl Request for Subscribe<'_> {
    fn claim(&self) -> Claim<'_> {
        self.claim()
    }
    fn tracing(&self) -> &[u8] {
        self.tracing
    }
    fn written(&self, _: &[u8]) -> Vec<u8> {
        written(|out| self.write(out))
    }
    fn answered<'a>(&'a self, response: &'a Response<'a>) -> (Proof<'a>, Claim<'a>) {
        (generic(response), self.answer_claim())
    }
}

impl Request for Unsubscribe<'_> {
    fn claim(&self) -> Claim<'_> {
        self.claim()
    }
    fn tracing(&self) -> &[u8] {
        self.tracing
    }
    fn written(&self, _: &[u8]) -> Vec<u8> {
        written(|out| self.write(out))
    }
    fn answered<'a>(&'a self, response: &'a Response<'a>) -> (Proof<'a>, Claim<'a>) {
        (generic(response), self.answer_claim())
    }
}

impl Request for CheckSubscriptions<'_> {
    fn claim(&self) -> Claim<'_> {
        self.claim()
    }
    fn tracing(&self) -> &[u8] {
        self.tracing
    }
    fn written(&self, _: &[u8]) -> Vec<u8> {
        written(|out| self.write(out))
    }
    fn answered<'a>(&'a self, response: &'a Response<'a>) -> (Proof<'a>, Claim<'a>) {
        let Response::CheckSubscriptions { proof, etag } = response else { panic!("{response:?}") };
        (*proof, Claim::CheckSubscriptionsResponse { etag })
    }
}

impl Request for SetHead<'_> {
    fn claim(&self) -> Claim<'_> {
        self.claim()
    }
    fn tracing(&self) -> &[u8] {
        self.tracing
    }
    fn written(&self, body: &[u8]) -> Vec<u8> {
        let mut out = written(|out| self.write(out));
        let mut rest = &body[out.len()..];
        let mut lists = Lists::new(out.len());
        let entries = || lists.next(&mut rest).unwrap();
        let entries: Vec<Entry<'_>> = std::iter::from_fn(entries).collect();
        assert_eq!(etag(self.url, &entries), self.etag);
        let globs =
            entries.partition_point(|entry| matches!(entry.interest, eventhive_webhook::wire::Interest::Exact(_)));
        write_lists(&entries[..globs], &entries[globs..], &mut out).unwrap();
        out
    }
    fn answered<'a>(&'a self, response: &'a Response<'a>) -> (Proof<'a>, Claim<'a>) {
        (generic(response), self.answer_claim())
    }
}

fn etag(url: &str, entries: &[Entry<'_>]) -> Etag {
    let mut builder = EtagBuilder::new(url).unwrap();
    entries.iter().for_each(|entry| builder.push(entry.interest, entry.recovery).unwrap());
    builder.finish()
}

impl Request for (Missed<'_>, &str) {
    fn claim(&self) -> Claim<'_> {
        self.0.claim(self.1)
    }
    fn tracing(&self) -> &[u8] {
        self.0.tracing
    }
    fn written(&self, _: &[u8]) -> Vec<u8> {
        written(|out| self.0.write(out))
    }
    fn answered<'a>(&'a self, response: &'a Response<'a>) -> (Proof<'a>, Claim<'a>) {
        let Response::ConfirmMissed { proof } = response else { panic!("{response:?}") };
        (*proof, self.0.answer_claim(self.1))
    }
}
