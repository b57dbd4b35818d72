//! What is sent, in the order in which it is signed.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::connection::{Ack, End, Expected, Shared, Socket};
use crate::message::Body;
use crate::subscriber::condition::Status;
use crate::subscriber::error::SubscriberError;
use crate::subscriber::outbox::Publish;
use crate::subscriber::table::Way;
use crate::subscriber::wish::Wish;
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::digest::Hash;
use crate::wire::identifier::Identifier;
use crate::wire::stateful::counter::Counter;
use crate::wire::stateful::split::payload_bytes;
use crate::wire::stateful::{Compression, MessageHead, Notify, Part, PartReceipt, Place, S2b};

/// Messages that wait for an answer at most: Python's broadcaster takes 255 that it has not worked off, and
/// acknowledgements come beside these.
const MOST_EXPECTED: usize = 128;

/// How often a connection that is there on demand looks whether it still is in demand.
const DEMAND: Duration = Duration::from_secs(5);

pub(super) struct Writing<'a> {
    shared: &'a Shared<'a>,
    sink: SplitSink<Socket, Message>,
    counter: Counter,
    /// The publish that is being sent, until its last part is.
    current: Option<Publish>,
    began: bool,
    wanted_at: Instant,
}

/// What goes over the wire of a message.
struct Sending {
    body: Body,
    sha512: Hash,
    compression: Option<Compression>,
}

type Written = Result<(), String>;

impl<'a> Writing<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, sink: SplitSink<Socket, Message>) -> Self {
        Self { shared, sink, counter: Counter::s2b(), current: None, began: false, wanted_at: Instant::now() }
    }

    /// What was begun and not sent to its end.
    pub(super) fn unsent(&mut self) -> Option<Publish> {
        self.current.take()
    }

    pub(super) async fn close(mut self) {
        // A peer that does not answer a close frame is gone all the same.
        let _ = timeout(self.shared.client.settings.close_timeout, self.sink.close()).await;
    }

    pub(super) async fn run(&mut self) -> End {
        loop {
            match self.turn().await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(reason) => return End::Lost(reason),
            }
        }
    }

    /// Writes all there is, and waits for more.
    async fn turn(&mut self) -> Result<Option<End>, String> {
        let (client, shared) = (self.shared.client, self.shared);
        self.acknowledge().await?;
        self.subscribe().await?;
        self.publish().await?;
        if std::mem::take(&mut shared.lock().ping) {
            self.feed(Message::Ping(Bytes::new())).await?;
        }
        self.sink.flush().await.map_err(|error| format!("the connection was lost: {error}"))?;
        if client.outbox.is_shut() && client.outbox.is_empty() {
            return Ok(Some(End::Closed));
        }
        let look = if client.settings.on_demand { self.wanted_at + DEMAND } else { Instant::now() + DEMAND * 720 };
        tokio::select! {
            () = shared.write.notified() => {}
            () = client.outbox.told.notified() => {}
            () = client.table.changed(Way::Websocket).notified() => {}
            () = sleep_until(look) => {
                self.wanted_at = Instant::now();
                if client.settings.on_demand && !client.table.any_wanted(Way::Websocket) && client.outbox.is_empty() {
                    return Ok(Some(End::Idle));
                }
            }
        }
        Ok(None)
    }

    async fn feed(&mut self, message: Message) -> Written {
        self.sink.feed(message).await.map_err(|error| format!("the connection was lost: {error}"))
    }

    async fn send(&mut self, message: &S2b<'_>) -> Written {
        let mut bytes = Vec::new();
        message.write(self.shared.client.settings.mode, &mut bytes).map_err(|error| error.to_string())?;
        self.feed(Message::Binary(bytes.into())).await
    }

    fn sign(&self, claim: &Claim<'_>) -> Result<Option<String>, String> {
        self.shared.client.credentials.sign(claim).map_err(|error| error.to_string())
    }

    fn counter_url(&mut self) -> String {
        self.shared.nonce.url(self.counter.take())
    }

    async fn acknowledge(&mut self) -> Written {
        loop {
            let Some(ack) = self.shared.lock().acks.pop_front() else { return Ok(()) };
            let url = self.counter_url();
            match ack {
                Ack::Continue(identifier, part_id) => {
                    let identifier = identifier.as_bytes();
                    let text = self.sign(&Claim::ContinueReceive { identifier, part_id, url: &url })?;
                    let proof = Proof { authorization: text.as_deref(), tracing: b"" };
                    self.send(&S2b::ContinueReceive(PartReceipt { identifier, part_id, proof })).await?;
                }
                Ack::Confirm(identifier) => {
                    let (identifier, num_subscribers) = (identifier.as_bytes(), 1);
                    let text = self.sign(&Claim::ConfirmReceive { identifier, num_subscribers, url: &url })?;
                    let proof = Proof { authorization: text.as_deref(), tracing: b"" };
                    self.send(&S2b::ConfirmReceive { identifier, num_subscribers, proof }).await?;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.shared.lock().expected.len() < MOST_EXPECTED
    }

    /// Asks for what is wanted, and ends what is not.
    async fn subscribe(&mut self) -> Written {
        let (client, shared) = (self.shared.client, self.shared);
        let plan = client.table.plan(Way::Websocket, &shared.lock().asked);
        if !self.began {
            self.began = true;
            shared.lock().beginning = Some(plan.begin.len());
            if plan.begin.is_empty() {
                up(self.shared);
            }
        }
        let confirmed: Vec<Wish> = {
            let state = shared.lock();
            plan.again.into_iter().filter(|wish| state.confirmed.contains(wish)).collect()
        };
        confirmed.iter().for_each(|wish| client.table.stands(Way::Websocket, wish));
        for wish in plan.end {
            self.ask(wish, false).await?;
        }
        for wish in plan.begin {
            self.ask(wish, true).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, wish: Wish, begun: bool) -> Written {
        while !self.has_room() {
            self.make_room().await?;
        }
        let url = self.counter_url();
        let interest = wish.interest();
        let text = self.sign(&Claim::Subscribe { url: &url, interest, recovery: None })?;
        let proof = Proof { authorization: text.as_deref(), tracing: b"" };
        let message = if begun { S2b::Subscribe { interest, proof } } else { S2b::Unsubscribe { interest, proof } };
        let mut bytes = Vec::new();
        message.write(self.shared.client.settings.mode, &mut bytes).map_err(|error| error.to_string())?;
        {
            let mut state = self.shared.lock();
            if begun {
                state.asked.insert(wish.clone());
                state.expected.push_back(Expected::Subscribe(wish, url));
            } else {
                state.asked.remove(&wish);
                state.confirmed.remove(&wish);
                state.expected.push_back(Expected::Unsubscribe(wish, url));
            }
        }
        self.feed(Message::Binary(bytes.into())).await
    }

    /// Waits until something is answered, or has to be acknowledged.
    async fn make_room(&mut self) -> Written {
        self.sink.flush().await.map_err(|error| format!("the connection was lost: {error}"))?;
        self.shared.write.notified().await;
        self.acknowledge().await
    }

    async fn publish(&mut self) -> Written {
        // Before everything stands, subscribers here would miss what is published here.
        if self.shared.lock().beginning != Some(0) {
            return Ok(());
        }
        while self.has_room() {
            let Some(mut publish) = self.shared.client.outbox.take() else { return Ok(()) };
            publish.sent = true;
            let message = publish.message.clone();
            self.current = Some(publish);
            let sending = match self.compressed(&message.body, message.sha512).await {
                Ok(sending) => sending,
                Err(error) => {
                    self.refuse(error.into());
                    continue;
                }
            };
            self.send_message(&message.topic, &sending).await?;
            self.acknowledge().await?;
        }
        Ok(())
    }

    /// The publish that is being sent cannot be.
    fn refuse(&mut self, error: SubscriberError) {
        if let Some(publish) = self.current.take() {
            self.shared.client.outbox.done(publish, Err(error));
        }
    }

    async fn compressed(&self, body: &Body, sha512: Hash) -> std::io::Result<Sending> {
        let codec = self.shared.lock().compressors.for_length(body.len()).cloned();
        if let Some(codec) = codec
            && let Some(frame) = codec.compress(body, &self.shared.client.settings.bounds).await?
        {
            let compression = Some(Compression { compressor_id: codec.id(), decompressed_length: body.len() });
            return Ok(Sending { body: frame.body, sha512: frame.sha512, compression });
        }
        Ok(Sending { body: body.clone(), sha512, compression: None })
    }

    /// In one piece if it fits into a message, else in parts.
    async fn send_message(&mut self, topic: &[u8], sending: &Sending) -> Written {
        let identifier = Identifier::new(&fastrand::u64(..).to_be_bytes()).map_err(|error| error.to_string())?;
        let Sending { body, sha512, compression } = sending;
        let head = MessageHead { topic, compression: *compression, length: body.len(), sha512 };
        let claim = Claim::Notify { topic, identifier: identifier.as_bytes(), sha512 };
        let text = match self.shared.client.credentials.sign(&claim) {
            Ok(text) => text,
            Err(error) => {
                self.refuse(error);
                return Ok(());
            }
        };
        let proof = Proof { authorization: text.as_deref(), tracing: b"" };
        let notify = Notify { proof, identifier: identifier.as_bytes(), message: head, payload: b"" };
        let (mut bytes, settings) = (Vec::new(), &self.shared.client.settings);
        S2b::Notify(notify).write(settings.mode, &mut bytes).map_err(|error| error.to_string())?;
        let room = settings.part_bytes.saturating_sub(bytes.len());
        let Some(length) = usize::try_from(body.len()).ok().filter(|length| *length <= room) else {
            return self.send_parts(&identifier, &claim, head, body).await;
        };
        let piece = self.piece(body, 0, length).await?;
        bytes.extend_from_slice(&piece);
        // The broadcaster vouches for the message as it is.
        let plain = self.current.as_ref().map_or(*sha512, |publish| publish.message.sha512);
        self.expect_count(identifier, plain);
        self.feed(Message::Binary(bytes.into())).await
    }

    fn expect_count(&mut self, identifier: Identifier, sha512: Hash) {
        if let Some(publish) = self.current.take() {
            self.shared.lock().expected.push_back(Expected::Notify { identifier, publish, sha512 });
        }
    }

    async fn piece(&self, body: &Body, at: u64, length: usize) -> Result<Bytes, String> {
        body.piece(at, length).await.map_err(|error| format!("what is published cannot be read: {error}"))
    }

    async fn send_parts(
        &mut self,
        identifier: &Identifier,
        claim: &Claim<'_>,
        head: MessageHead<'_>,
        body: &Body,
    ) -> Written {
        let (mut at, mut id) = (0, 0);
        loop {
            while !self.has_room() {
                self.make_room().await?;
            }
            let text = self.sign(claim)?;
            let proof = Proof { authorization: text.as_deref(), tracing: b"" };
            let place = NonZeroU64::new(id).map_or(Place::First(head), Place::Next);
            let part = Part { proof, identifier: identifier.as_bytes(), place, payload: b"" };
            let (mut bytes, settings) = (Vec::new(), &self.shared.client.settings);
            S2b::NotifyStream(part).write(settings.mode, &mut bytes).map_err(|error| error.to_string())?;
            let length = payload_bytes(settings.part_bytes, bytes.len(), body.len() - at);
            bytes.extend_from_slice(&self.piece(body, at, length).await?);
            at += length as u64;
            if at == body.len() {
                // The broadcaster vouches for the bytes that were sent.
                self.expect_count(*identifier, *head.sha512);
                return self.feed(Message::Binary(bytes.into())).await;
            }
            self.shared.lock().expected.push_back(Expected::Part(*identifier));
            id += 1;
            self.feed(Message::Binary(bytes.into())).await?;
            self.acknowledge().await?;
        }
    }
}

/// Everything stands that was wanted when the connection began.
pub(super) fn up(shared: &Shared<'_>) {
    let client = shared.client;
    client.outbox.open();
    client.teller.set(Status::Ok);
    shared.write.notify_one();
}
