//! A reference over TCP, small and plain, and the ways in which its broker and its link can be broken.
//!
//! A frame is a kind, the lengths of topic and payload, and both. The broker answers each call with [`Kind::Done`], in
//! order; so the link needs no ids.

mod broker;
mod link;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhive_conformance::{Broker, Fixture, free_port};
use eventhive_transport::{Capabilities, Link, Order, Topic};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is wrong with a broker or its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    CloseNeedsAConnection,
    FlushesForEver,
    ForgetsReceipts,
    ForgetsSubscriptions,
    GivesUpAtRefusal,
    KeepsAllForTheSlow,
    NeverSaysDown,
    NeverTellsOfGaps,
    NoKeepalive,
    OnlySaysThatItResumes,
    QueuesWithoutBound,
    RepeatsAfterReconnect,
    ServesInTurn,
    SubscribesOnlyWhenUp,
    TakesWhileDown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
    Ping,
    Done,
}

const KINDS: [Kind; 5] = [Kind::Publish, Kind::Subscribe, Kind::Unsubscribe, Kind::Ping, Kind::Done];

#[derive(Debug, Clone)]
struct Frame {
    kind: Kind,
    topic: Topic,
    payload: Bytes,
}

impl Frame {
    fn bare(kind: Kind) -> Self {
        Self { kind, topic: "".into(), payload: Bytes::new() }
    }

    fn encode(&self) -> Bytes {
        let (topic, payload) = (self.topic.as_bytes(), &self.payload);
        let lengths = [topic.len(), payload.len()].map(|length| u32::try_from(length).unwrap().to_be_bytes());
        Bytes::from([&[self.kind as u8][..], &lengths[0], &lengths[1], topic, payload].concat())
    }

    async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let kind = KINDS[usize::from(from.read_u8().await?)];
        let (topic, payload) = (from.read_u32().await? as usize, from.read_u32().await? as usize);
        let mut body = vec![0; topic + payload];
        from.read_exact(&mut body).await?;
        let payload = Bytes::from(body.split_off(topic));
        Ok(Self { kind, topic: Topic::new(body), payload })
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    flaw: Flaw,
    running: Mutex<Option<broker::Running>>,
}

impl Server {
    pub(crate) async fn sound() -> Self {
        Self::flawed(Flaw::None)
    }

    pub(crate) fn flawed(flaw: Flaw) -> Self {
        let running = broker::start(([127, 0, 0, 1], free_port()).into(), flaw);
        Self { address: running.address, flaw, running: Mutex::new(Some(running)) }
    }
}

impl Fixture for Server {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_order(Order::Total)
            .with_resumes(self.flaw == Flaw::OnlySaysThatItResumes)
            .with_binary(true)
            .with_max_payload(Some(2 << 20))
            .with_hears_itself(true)
            .with_broker(true)
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        self.link_via(self.address)
    }

    fn broker(&self) -> Option<&dyn Broker> {
        Some(self)
    }

    fn copies(&self) -> usize {
        if self.flaw == Flaw::None { 10 } else { 1 }
    }

    fn patience(&self) -> Duration {
        // A flawed one is one whose waits run out; a sound one's end at once.
        Duration::from_millis(if self.flaw == Flaw::None { 30_000 } else { 1500 })
    }
}

impl Broker for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, Arc<dyn Link>> {
        Box::pin(async move { link::start(address, self.flaw) })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        let running = self.running.lock().unwrap().take();
        Box::pin(async {
            if let Some(running) = running {
                running.stop().await;
            }
        })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { *self.running.lock().unwrap() = Some(broker::start(self.address, self.flaw)) })
    }

    fn queued_bytes(&self) -> Option<usize> {
        self.running.lock().unwrap().as_ref().map(broker::Running::queued_bytes)
    }
}
