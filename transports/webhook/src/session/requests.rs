//! What a subscriber asks for: one thing after the other, so that the answers come in order.

use std::rc::Rc;

use super::closing::Close;
use super::configure;
use super::inbox::Received;
use super::incoming::{Incoming, Whole};
use super::live::Live;
use super::speech::Speech;
use crate::broadcaster::{Joined, NotifyError, Tracer};
use crate::budget::Charge;
use crate::message::Message;
use crate::wire::auth::Claim;
use crate::wire::digest::Hash;
use crate::wire::stateful::{B2s, Notify, Part, PartReceipt, S2b};
use crate::wire::{Interest, Proof};

/// Handles requests until the session ends. What is being handled then is finished.
pub(super) async fn run(live: Rc<Live>) {
    let mut requests = Requests { live: Rc::clone(&live), joined: None, incoming: Incoming::default() };
    loop {
        live.outbox.room_for_answers().await;
        let Some(received) = live.requests.next().await else { break };
        if let Err(close) = requests.handle(&received).await {
            live.close(&close);
        }
    }
    // The broadcaster goes down. Where there is another reason, it has been said.
    live.close(&Close::RESTART);
}

struct Requests {
    live: Rc<Live>,
    /// The place at the broadcaster, from CONFIGURE on.
    joined: Option<Joined>,
    incoming: Incoming,
}

impl Requests {
    async fn handle(&mut self, received: &Received) -> Result<(), Close> {
        let message = S2b::read(&received.bytes).map_err(Close::refused)?;
        let Some(joined) = &self.joined else {
            let S2b::Configure(configure) = message else { return Err(Close::refused("CONFIGURE has to come first")) };
            self.joined = Some(configure::configure(&self.live, configure).await?);
            return Ok(());
        };
        let url = self.live.speech.url(received.counter);
        match message {
            S2b::Configure(_) => Err(Close::refused("CONFIGURE came before")),
            S2b::Subscribe { interest, proof } => {
                self.admit_interest(interest, proof, &url).await?;
                subscribe(&self.live, joined, interest, &url).await
            }
            S2b::Unsubscribe { interest, proof } => {
                self.admit_interest(interest, proof, &url).await?;
                unsubscribe(&self.live, joined, interest, &url).await
            }
            S2b::Notify(notify) => self.notify(notify, received).await,
            S2b::NotifyStream(part) => self.notify_stream(part).await,
            S2b::ContinueReceive(_) | S2b::ConfirmReceive { .. } => {
                Err(Close::refused("an acknowledgement of nothing"))
            }
        }
    }

    async fn admit_interest(&self, interest: Interest<'_>, proof: Proof<'_>, url: &str) -> Result<(), Close> {
        let claim = Claim::Subscribe { url, interest, recovery: None };
        self.live.speech.admit(proof, proof.tracing, &claim).await
    }

    async fn notify(&mut self, notify: Notify<'_>, received: &Received) -> Result<(), Close> {
        if self.incoming.is_open() {
            return Err(Close::refused("NOTIFY before the parts of the message before it are complete"));
        }
        let Notify { proof, identifier, message, payload } = notify;
        let claim = Claim::Notify { topic: message.topic, identifier, sha512: message.sha512 };
        self.live.speech.admit(proof, proof.tracing, &claim).await?;
        let sent = received.bytes.slice_ref(payload).into();
        let (compression, sha512) = (message.compression, *message.sha512);
        let whole = Whole { compression, sha512, body: sent, charge: Charge::default() };
        let whole = whole.plain(&self.live).await?;
        // Confirmed with the hash of what it is decompressed.
        let confirmed = whole.sha512;
        self.deliver(identifier, message.topic, whole, &confirmed).await
    }

    async fn notify_stream(&mut self, part: Part<'_>) -> Result<(), Close> {
        self.incoming.admit(&self.live, &part).await?;
        let Some((topic, whole)) = self.incoming.push(&self.live, &part).await? else {
            return self.continue_notify(part.identifier, part.id());
        };
        // Confirmed with the hash of what was sent.
        let confirmed = whole.sha512;
        let whole = whole.plain(&self.live).await?;
        self.deliver(part.identifier, &topic, whole, &confirmed).await
    }

    fn continue_notify(&self, identifier: &[u8], part_id: u64) -> Result<(), Close> {
        let authorization = self.live.speech.sign(&Claim::ContinueNotify { identifier, part_id })?;
        let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
        answer(&self.live, &B2s::ContinueNotify(PartReceipt { identifier, part_id, proof }))
    }

    async fn deliver(&self, identifier: &[u8], topic: &[u8], whole: Whole, confirmed: &Hash) -> Result<(), Close> {
        let sessions = &self.live.sessions;
        sessions.counters.notified.add_one();
        Speech::saw(&self.live, &whole.body);
        let Whole { body, sha512, charge, .. } = whole;
        let message = Message { topic: topic.into(), body, sha512 };
        let delivered = sessions.broadcaster.notify(message, &mut Tracer::off()).await;
        drop(charge);
        let subscribers = delivered.map_err(|error| match error {
            NotifyError::Closed => Close::RESTART,
            _ => Close::failed("the broadcaster is not ready yet"),
        })?;
        let subscribers = subscribers.into();
        let claim = Claim::ConfirmNotify { identifier, subscribers, topic, sha512: confirmed };
        let authorization = self.live.speech.sign(&claim)?;
        let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
        answer(&self.live, &B2s::ConfirmNotify { identifier, subscribers, proof })
    }
}

/// Begins a subscription. Nothing is sent because of it before it is confirmed; and what is published after that is sent.
async fn subscribe(live: &Live, joined: &Joined, interest: Interest<'_>, url: &str) -> Result<(), Close> {
    live.queue.hold(true);
    let subscribed = joined.subscribe(interest).await;
    let confirmed = match subscribed {
        Ok(true) => confirm(live, interest, url, |interest, proof| B2s::ConfirmSubscribe { interest, proof }),
        Ok(false) => Err(Close::refused("a subscription that there is already")),
        Err(error) => Err(Close::refused(error)),
    };
    live.queue.hold(false);
    confirmed
}

/// Ends a subscription. What was published before is sent before that is confirmed, and nothing after.
async fn unsubscribe(live: &Live, joined: &Joined, interest: Interest<'_>, url: &str) -> Result<(), Close> {
    match joined.unsubscribe(interest).await {
        Ok(true) => {}
        Ok(false) => return Err(Close::refused("an end to a subscription that there is not")),
        // It has ended here all the same.
        Err(error) => tracing::warn!(%error, "the store keeps a subscription of a websocket that has ended"),
    }
    live.queue.flushed().await;
    confirm(live, interest, url, |interest, proof| B2s::ConfirmUnsubscribe { interest, proof })
}

fn confirm(
    live: &Live,
    interest: Interest<'_>,
    url: &str,
    message: impl for<'a> FnOnce(Interest<'a>, Proof<'a>) -> B2s<'a>,
) -> Result<(), Close> {
    let authorization = live.speech.sign(&Claim::ConfirmSubscribe { url, interest, recovery: None })?;
    let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
    answer(live, &message(interest, proof))
}

pub(super) fn answer(live: &Live, message: &B2s<'_>) -> Result<(), Close> {
    live.outbox.answer(live.speech.frame(message)?);
    Ok(())
}
