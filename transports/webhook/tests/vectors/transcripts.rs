//! Whole conversations on a websocket with Python's broadcaster, signed both ways: every message is read, its signature
//! verified with the counter url that counting gives, signed again, and written again.

use std::collections::VecDeque;

use eventhive_webhook::wire::Proof;
use eventhive_webhook::wire::auth::{Accepted, Claim, HmacHeader};
use eventhive_webhook::wire::digest::{self, Hash};
use eventhive_webhook::wire::stateful::counter::{ConnectionNonce, Counter, Expected};
use eventhive_webhook::wire::stateful::stream::{Arriving, Stream};
use eventhive_webhook::wire::stateful::{B2s, Mode, Place, S2b};
use serde_json::Value;

use crate::support::{NOW, array, bytes, list, scheme, text};

pub(crate) fn urls(section: &Value) -> usize {
    let nonce = nonce(section);
    for case in list(&section["urls"]) {
        assert_eq!(nonce.url(case["counter"].as_i64().unwrap()), text(&case["url"]));
    }
    list(&section["urls"]).len()
}

fn nonce(section: &Value) -> ConnectionNonce {
    let nonce =
        ConnectionNonce::new(&array(&section["subscriber_nonce_hex"]), &array(&section["broadcaster_nonce_hex"]));
    if let Some(expected) = section.get("connection_nonce_b64") {
        assert_eq!(nonce.as_str(), text(expected));
    }
    nonce
}

pub(crate) fn conversations(cases: &Value) -> usize {
    for case in list(cases) {
        let mut conversation = Conversation::new(nonce(case));
        let frames: Vec<_> = list(&case["messages"]).iter().map(|message| bytes(&message["hex"])).collect();
        for (message, frame) in list(&case["messages"]).iter().zip(&frames) {
            let url = if message["from"] == "subscriber" { conversation.s2b(frame) } else { conversation.b2s(frame) };
            // The url of each message that is counted, or answers one that is, is as it was recorded.
            assert_eq!(url.as_deref(), message["signed_url"].as_str(), "{}", message["type"]);
        }
        assert!(conversation.notified.is_empty() && conversation.requests.is_empty());
    }
    list(cases).len()
}

/// What both ends have to remember between messages.
struct Conversation {
    nonce: ConnectionNonce,
    s2b: Counter,
    b2s: Expected,
    up: Stream,
    down: Stream,
    /// The counter url of RECEIVE_STREAM's parts, by Python's way of counting.
    last_part: i64,
    /// Counter urls of requests that have not been answered.
    requests: VecDeque<String>,
    /// Topic and hash of messages that have not been confirmed.
    notified: VecDeque<(Vec<u8>, Hash)>,
}

impl Conversation {
    fn new(nonce: ConnectionNonce) -> Self {
        let (requests, notified) = (VecDeque::new(), VecDeque::new());
        let (s2b, b2s) = (Counter::s2b(), Expected::new());
        Self { nonce, s2b, b2s, up: Stream::new(), down: Stream::new(), last_part: 0, requests, notified }
    }

    /// What a broadcaster does with a message; gives the counter url.
    fn s2b(&mut self, frame: &[u8]) -> Option<String> {
        let message = S2b::read(frame).unwrap();
        let mut written = Vec::new();
        message.write(Mode::Minimal, &mut written).unwrap();
        assert_eq!(written, frame);

        let url = message.is_counted().then(|| self.nonce.url(self.s2b.take()));
        let proof = message.proof();
        match message.claim(url.as_deref().unwrap_or_default()) {
            Some(claim) => is_signed(proof, proof.tracing, &claim),
            None => {
                let first = self.up.arriving().unwrap();
                is_signed(proof, &first.tracing, &first.notify_claim());
            }
        }
        match message {
            S2b::Subscribe { .. } | S2b::Unsubscribe { .. } => self.requests.extend(url.clone()),
            S2b::Notify(notify) => {
                // Confirmed with the hash of what it is decompressed.
                let hash = match notify.message.compression {
                    None => *notify.message.sha512,
                    Some(compression) => digest::hash(&decompressed(notify.payload, compression.decompressed_length)),
                };
                self.notified.push_back((notify.message.topic.to_vec(), hash));
            }
            S2b::NotifyStream(part) => {
                if let Some(Arriving { topic, sha512, .. }) = self.up.push(&part).unwrap() {
                    self.notified.push_back((topic, sha512));
                }
            }
            _ => {}
        }
        url
    }

    /// What a subscriber does with a message; gives the counter url.
    fn b2s(&mut self, frame: &[u8]) -> Option<String> {
        let message = B2s::read(frame).unwrap();
        let mut written = Vec::new();
        message.write(Mode::Minimal, &mut written).unwrap();
        assert_eq!(written, frame);
        let proof = message.proof();
        match message {
            B2s::ConfirmNotify { identifier, subscribers, .. } => {
                let (topic, sha512) = self.notified.pop_front().unwrap();
                let claim = Claim::ConfirmNotify { identifier, subscribers, topic: &topic, sha512: &sha512 };
                is_signed(proof, proof.tracing, &claim);
                None
            }
            B2s::ConfirmSubscribe { .. } | B2s::ConfirmUnsubscribe { .. } => {
                let url = self.requests.pop_front().unwrap();
                is_signed(proof, proof.tracing, &message.claim(&url).unwrap());
                Some(url)
            }
            B2s::ReceiveStream(part) if matches!(part.place, Place::Next(_)) => {
                self.b2s.skip_part();
                // Python's broadcaster signs this part with a value of its own.
                self.last_part += 1;
                let url = self.nonce.url(self.last_part);
                is_signed(proof, proof.tracing, &self.down.arriving().unwrap().receive_claim(&url));
                self.down.push(&part).unwrap();
                Some(url)
            }
            _ if message.is_counted() => Some(self.counted(&message)),
            _ => {
                is_signed(proof, proof.tracing, &message.claim("").unwrap());
                None
            }
        }
    }

    /// A message that is counted, by one of the two ways to count.
    fn counted(&mut self, message: &B2s<'_>) -> String {
        let candidates = self.b2s.take();
        let urls =
            [Some(candidates.first), candidates.other].map(|counter| counter.map(|counter| self.nonce.url(counter)));
        let proof = message.proof();
        let right = |url: &String| verify(proof, proof.tracing, &message.claim(url).unwrap());
        let at = urls.iter().flatten().position(right).unwrap();
        if at == 1 {
            self.b2s.was_other();
        }
        self.last_part = if at == 1 { candidates.other.unwrap() } else { candidates.first };
        if let B2s::ReceiveStream(part) = message {
            self.down.push(part).unwrap();
        }
        urls.into_iter().flatten().nth(at).unwrap()
    }
}

fn verify(proof: Proof<'_>, tracing: &[u8], claim: &Claim<'_>) -> bool {
    let accepted = scheme(claim.direction()).verify(proof.authorization, claim, tracing, NOW);
    matches!(accepted, Ok(Accepted::Once(_)))
}

fn is_signed(proof: Proof<'_>, tracing: &[u8], claim: &Claim<'_>) {
    assert!(verify(proof, tracing, claim), "{claim:?}");
    let stamp = HmacHeader::read(proof.authorization, NOW).unwrap().stamp;
    assert_eq!(scheme(claim.direction()).sign(claim, tracing, stamp).unwrap().as_deref(), proof.authorization);
}

fn decompressed(frame: &[u8], length: u64) -> Vec<u8> {
    zstd::bulk::decompress(frame, usize::try_from(length).unwrap()).unwrap()
}
