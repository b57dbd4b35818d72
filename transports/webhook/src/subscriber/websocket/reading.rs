//! What comes.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connection::{Ack, End, Expected, Shared, Socket};
use super::writing::up;
use crate::compression::Dictionary;
use crate::message::{Body, Message as Whole};
use crate::spool::Spool;
use crate::subscriber::credentials::NotVouched;
use crate::subscriber::filling::push;
use crate::subscriber::table::{Arrival, Way};
use crate::wire::auth::{Claim, Reason, Refused};
use crate::wire::digest::Hash;
use crate::wire::stateful::counter::{Candidates, Expected as Counters};
use crate::wire::stateful::stream::{Arriving, Stream};
use crate::wire::stateful::{B2s, Compressor, Part, PartReceipt};
use crate::wire::{Interest, Proof};

pub(super) struct Reading<'a> {
    shared: &'a Shared<'a>,
    stream: SplitStream<Socket>,
    counters: Counters,
    parts: Stream,
    /// The bytes of the message that is on its way.
    spool: Option<Spool>,
    heard: Instant,
}

type Read = Result<(), String>;

impl<'a> Reading<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, stream: SplitStream<Socket>, now: Instant) -> Self {
        Self { shared, stream, counters: Counters::new(), parts: Stream::new(), spool: None, heard: now }
    }

    pub(super) async fn run(&mut self) -> End {
        loop {
            if let Err(reason) = self.turn().await {
                return End::Lost(reason);
            }
        }
    }

    async fn turn(&mut self) -> Read {
        let heartbeat = self.shared.client.settings.heartbeat;
        let waiting = heartbeat.min(Duration::from_secs(3600)) / 4;
        let Ok(message) = tokio::time::timeout(waiting, self.stream.next()).await else {
            return self.silence(heartbeat);
        };
        self.heard = Instant::now();
        match message {
            Some(Ok(Message::Binary(bytes))) => self.take(&bytes).await,
            // The answer is made by the library, and has to be flushed.
            Some(Ok(Message::Ping(_))) => {
                self.shared.write.notify_one();
                Ok(())
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Text(_))) => Err("the broadcaster sent text".to_owned()),
            Some(Ok(Message::Close(frame))) => Err(closed(frame.as_ref())),
            Some(Err(Error::Capacity(error))) => Err(format!("the broadcaster's message is too large: {error}")),
            Some(Err(error)) => Err(format!("the connection was lost: {error}")),
            None => Err(closed(None)),
        }
    }

    fn silence(&self, heartbeat: Duration) -> Read {
        let silent = self.heard.elapsed();
        if silent >= heartbeat + heartbeat / 2 {
            return Err("the broadcaster does not answer a ping".to_owned());
        }
        if silent >= heartbeat {
            self.shared.lock().ping = true;
            self.shared.write.notify_one();
        }
        Ok(())
    }

    async fn take(&mut self, bytes: &Bytes) -> Read {
        let message = B2s::read(bytes).map_err(|error| format!("the broadcaster's message: {error}"))?;
        let waits_for_end = self.parts.arriving().is_some();
        match message {
            B2s::ReceiveStream(part) => self.receive(&part, bytes).await,
            B2s::ConfirmSubscribe { interest, proof } => self.subscribed(interest, &proof),
            B2s::ConfirmUnsubscribe { interest, proof } => self.unsubscribed(interest, &proof),
            B2s::ContinueNotify(receipt) => self.part_taken(&receipt),
            B2s::ConfirmNotify { identifier, subscribers, proof } => self.notified(identifier, subscribers, &proof),
            _ if waits_for_end => Err("the broadcaster said something else between the parts of a message".to_owned()),
            B2s::Missed { topic, .. } => {
                self.verify_counted(&message)?;
                self.shared.client.missed.note(Arrival::Websocket, topic);
                Ok(())
            }
            B2s::EnableZstdPreset { compressor, .. } => {
                self.verify_counted(&message)?;
                self.enable_preset(compressor)
            }
            B2s::EnableZstdCustom { compressor, dictionary, .. } => {
                self.verify_counted(&message)?;
                if !self.shared.client.settings.training {
                    return Err("the broadcaster has trained a dictionary that nobody asked for".to_owned());
                }
                let dictionary = Dictionary::new(bytes.slice_ref(dictionary), compressor.level);
                let dictionary = dictionary.map_err(|error| error.to_string())?;
                self.enable(compressor, Some(Arc::new(dictionary)))
            }
            B2s::DisableZstdCustom { compressor_id, .. } => {
                self.verify_counted(&message)?;
                self.shared.lock().compressors.disable(compressor_id).map_err(|error| error.to_string())
            }
            B2s::ConfirmConfigure { .. } => Err("the broadcaster confirmed the connection twice".to_owned()),
        }
    }

    /// Verifies a message that takes a value of the counter, of which there may be two to choose from.
    fn verify_counted(&mut self, message: &B2s<'_>) -> Read {
        let Candidates { first, other } = self.counters.take();
        let verify = |counter| {
            let url = self.shared.nonce.url(counter);
            let proof = message.proof();
            let Some(claim) = message.claim(&url) else { return Ok(()) };
            self.shared.client.credentials.verify(proof.authorization, &claim, proof.tracing)
        };
        let wrong = NotVouched::Refused(Refused::Forbidden(Reason::Signature));
        match (verify(first), other) {
            (Err(why), Some(other)) if why == wrong => {
                verify(other).map_err(|why| unvouched(&why))?;
                self.counters.was_other();
                Ok(())
            }
            (verified, _) => verified.map_err(|why| unvouched(&why)),
        }
    }

    fn verify(&self, claim: &Claim<'_>, proof: &Proof<'_>) -> Read {
        let verified = self.shared.client.credentials.verify(proof.authorization, claim, proof.tracing);
        verified.map_err(|why| unvouched(&why))
    }

    async fn receive(&mut self, part: &Part<'_>, frame: &Bytes) -> Read {
        let first = part.id() == 0;
        if first {
            self.verify_counted(&B2s::ReceiveStream(*part))?;
        } else {
            // The signature of the first covers the hash of all.
            self.counters.skip_part();
        }
        let whole = self.parts.push(part).map_err(|error| format!("a message's part: {error}"))?;
        self.acknowledge(part, whole.is_some())?;
        let payload = frame.slice_ref(part.payload);
        let spool_bytes = self.shared.client.settings.bounds.spool_bytes;
        let kept = |error: std::io::Error| format!("a message cannot be kept: {error}");
        if first && whole.is_some() && payload.len() <= spool_bytes {
            return self.arrived(whole, Body::Memory(payload)).await;
        }
        let spool = self.spool.take().unwrap_or_else(|| Spool::new(spool_bytes));
        let spool = push(spool, payload).await.map_err(kept)?;
        if whole.is_none() {
            self.spool = Some(spool);
            return Ok(());
        }
        self.arrived(whole, spool.finish().map_err(kept)?).await
    }

    fn acknowledge(&self, part: &Part<'_>, whole: bool) -> Read {
        let identifier =
            crate::wire::identifier::Identifier::new(part.identifier).map_err(|error| error.to_string())?;
        let ack = if whole { Ack::Confirm(identifier) } else { Ack::Continue(identifier, part.id()) };
        self.shared.lock().acks.push_back(ack);
        self.shared.write.notify_one();
        Ok(())
    }

    async fn arrived(&self, whole: Option<Arriving>, body: Body) -> Read {
        let Some(Arriving { topic, compression, sha512, .. }) = whole else { return Ok(()) };
        let bounds = &self.shared.client.settings.bounds;
        let (body, sha512) = match compression {
            None if body.len() > bounds.max_message_bytes => return self.too_large(&topic),
            None => (body, sha512),
            Some(how) if how.decompressed_length > bounds.max_message_bytes => return self.too_large(&topic),
            Some(how) => self.decompress(&body, how.compressor_id, how.decompressed_length).await?,
        };
        let message = Whole { topic: topic.into(), body, sha512 };
        // What comes for a subscription that was ended a moment ago is nobody's.
        self.shared.client.table.deliver(Arrival::Websocket, &message);
        Ok(())
    }

    /// A message that is not wanted at this size would come again and again if the connection ended for it.
    fn too_large(&self, topic: &[u8]) -> Read {
        tracing::warn!("a message larger than `max_message_bytes` was left out");
        self.shared.client.missed.note(Arrival::Websocket, topic);
        Ok(())
    }

    async fn decompress(&self, frame: &Body, id: NonZeroU64, length: u64) -> Result<(Body, Hash), String> {
        let codec = self.shared.lock().compressors.with_id(id).map(Arc::clone).map_err(|error| error.to_string())?;
        let plain = codec.decompress(frame, length, &self.shared.client.settings.bounds).await;
        plain.map(|plain| (plain.body, plain.sha512)).map_err(|error| error.to_string())
    }

    fn enable_preset(&self, compressor: Compressor) -> Read {
        let settings = &self.shared.client.settings;
        // 0 is no compressor, and means nothing.
        if compressor.id == 0 {
            return Ok(());
        }
        if !settings.compression {
            return Err("the broadcaster compresses, which nobody asked for".to_owned());
        }
        let known = u16::try_from(compressor.id).ok().and_then(|id| settings.dictionaries.get(&id)).cloned();
        self.enable(compressor, known)
    }

    fn enable(&self, compressor: Compressor, dictionary: Option<Arc<Dictionary>>) -> Read {
        self.shared.lock().compressors.enable(compressor, dictionary).map_err(|error| error.to_string())
    }

    /// The oldest that is not answered.
    fn next_expected(&self) -> Result<Expected, String> {
        let next = self.shared.lock().expected.pop_front();
        // There is room for one more.
        self.shared.write.notify_one();
        next.ok_or_else(|| "the broadcaster answers what nobody asked".to_owned())
    }

    fn subscribed(&self, interest: Interest<'_>, proof: &Proof<'_>) -> Read {
        match self.next_expected()? {
            Expected::Subscribe(wish, url) if wish.interest() == interest => {
                self.verify(&Claim::ConfirmSubscribe { url: &url, interest, recovery: None }, proof)?;
                self.shared.client.table.stands(Way::Websocket, &wish);
                self.shared.lock().confirmed.insert(wish);
                if self.shared.confirmed_one() {
                    up(self.shared);
                }
                Ok(())
            }
            other => self.out_of_order(other),
        }
    }

    fn unsubscribed(&self, interest: Interest<'_>, proof: &Proof<'_>) -> Read {
        match self.next_expected()? {
            Expected::Unsubscribe(wish, url) if wish.interest() == interest => {
                self.verify(&Claim::ConfirmSubscribe { url: &url, interest, recovery: None }, proof)
            }
            other => self.out_of_order(other),
        }
    }

    fn part_taken(&self, receipt: &PartReceipt<'_>) -> Read {
        let PartReceipt { identifier, part_id, proof } = *receipt;
        match self.next_expected()? {
            Expected::Part(ours) if ours.as_bytes() == identifier => {
                self.verify(&Claim::ContinueNotify { identifier, part_id }, &proof)
            }
            other => self.out_of_order(other),
        }
    }

    fn notified(&self, identifier: &[u8], subscribers: u64, proof: &Proof<'_>) -> Read {
        match self.next_expected()? {
            Expected::Notify { identifier: ours, publish, sha512 } if ours.as_bytes() == identifier => {
                let claim =
                    Claim::ConfirmNotify { identifier, subscribers, topic: &publish.message.topic, sha512: &sha512 };
                let verified = self.verify(&claim, proof);
                let what = verified.clone().map(|()| subscribers);
                let what = what.map_err(crate::subscriber::error::SubscriberError::Ambiguous);
                self.shared.client.outbox.done(publish, what);
                verified
            }
            other => self.out_of_order(other),
        }
    }

    /// It goes back to where what is not confirmed is found.
    fn out_of_order(&self, expected: Expected) -> Read {
        self.shared.lock().expected.push_front(expected);
        Err("the broadcaster answers in another order than it was asked".to_owned())
    }
}

fn unvouched(why: &NotVouched) -> String {
    format!("the broadcaster cannot vouch for what it sent: {why}")
}

/// Python's broadcaster gives no reasons; doors of ours do.
fn closed(frame: Option<&CloseFrame>) -> String {
    let code = frame.map(|frame| u16::from(frame.code));
    let reason = frame.map_or("", |frame| frame.reason.as_str());
    match (code, reason) {
        (_, reason) if !reason.is_empty() => format!("the broadcaster closed the connection: {reason}"),
        (Some(1009), _) => "the broadcaster closed the connection: a message was too large for it".to_owned(),
        (Some(1012), _) => "the broadcaster is restarted".to_owned(),
        _ => "the broadcaster closed the connection".to_owned(),
    }
}
