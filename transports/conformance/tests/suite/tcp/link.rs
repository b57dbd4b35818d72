//! The link: one task that connects, and reads, writes and watches the clock while it is connected.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::{
    Delivery, Filter, Gap, Incoming, Link, LinkError, LinkState, Receipt, Refused, RefusedReason, Sink, Subscription,
    Topic,
};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::{Flaw, Frame, Kind};

/// What may wait to be sent.
const QUEUE: usize = 8 << 20;
const RETRY: Duration = Duration::from_millis(30);
const PING: Duration = Duration::from_millis(100);
/// Silence that ends a connection, and the longest that closing takes.
const SILENCE: Duration = Duration::from_secs(1);
const LARGEST: usize = 2 << 20;

type Answer = oneshot::Sender<Result<Delivery, LinkError>>;

pub(super) struct TcpLink(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    flaw: Flaw,
    state: watch::Sender<LinkState>,
    inner: Mutex<Inner>,
    work: Notify,
}

#[derive(Default)]
struct Inner {
    up: bool,
    closing: bool,
    next: u64,
    queue: VecDeque<(Frame, Option<Answer>)>,
    bytes: usize,
    sinks: Vec<(u64, Topic, Arc<dyn Sink>)>,
}

pub(super) fn start(address: SocketAddr, flaw: Flaw) -> Arc<dyn Link> {
    let state = watch::Sender::new(LinkState::Connecting);
    let shared = Arc::new(Shared { address, flaw, state, inner: Mutex::default(), work: Notify::new() });
    tokio::spawn(supervise(Arc::clone(&shared)));
    Arc::new(TcpLink(shared))
}

impl Link for TcpLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        let (shared, mut inner) = (&self.0, self.0.inner.lock().unwrap());
        let full = inner.bytes > 0 && inner.bytes + payload.len() > QUEUE;
        let reason = if inner.closing {
            Some(RefusedReason::Closed)
        } else if !inner.up && shared.flaw != Flaw::TakesWhileDown {
            Some(RefusedReason::Down)
        } else if payload.len() > LARGEST {
            Some(RefusedReason::TooLarge { size: payload.len(), largest: LARGEST })
        } else {
            (full && shared.flaw != Flaw::QueuesWithoutBound).then_some(RefusedReason::Full)
        };
        if let Some(reason) = reason {
            return Err(Refused { topic, payload, reason });
        }
        let (sender, receipt) = Receipt::pending();
        inner.bytes += payload.len();
        inner.queue.push_back((Frame { kind: Kind::Publish, topic, payload }, Some(sender)));
        drop(inner);
        shared.work.notify_one();
        Ok(receipt)
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(async move {
            let Filter::Exact(topic) = filter else { return Err(LinkError::Unsupported("exact topics only".into())) };
            let (shared, id) = (&self.0, self.0.add(&topic, sink)?);
            loop {
                let up = shared.state.subscribe().wait_for(LinkState::is_up).await.is_ok();
                let (answer, answered) = oneshot::channel();
                shared.call(Kind::Subscribe, &topic, answer);
                if up && answered.await.is_ok() {
                    break;
                }
            }
            let shared = Arc::clone(shared);
            Ok(Subscription::new(move || Box::pin(async move { shared.remove(id, &topic).await })))
        })
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.0.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.0.flaw == Flaw::CloseNeedsAConnection {
                self.0.state.subscribe().wait_for(LinkState::is_up).await.unwrap();
            }
            self.0.inner.lock().unwrap().closing = true;
            self.0.work.notify_one();
            self.0.state.subscribe().wait_for(|state| *state == LinkState::Closed).await.unwrap();
        })
    }
}

impl Shared {
    fn add(&self, topic: &Topic, sink: Arc<dyn Sink>) -> Result<u64, LinkError> {
        let mut inner = self.inner.lock().unwrap();
        if inner.closing {
            return Err(LinkError::Closed);
        }
        if self.flaw == Flaw::SubscribesOnlyWhenUp && !inner.up {
            return Err(LinkError::Rejected("not now".into()));
        }
        inner.next += 1;
        let id = inner.next;
        inner.sinks.push((id, topic.clone(), sink));
        Ok(id)
    }

    fn call(&self, kind: Kind, topic: &Topic, answer: Answer) {
        let frame = Frame { kind, topic: topic.clone(), payload: Bytes::new() };
        self.inner.lock().unwrap().queue.push_back((frame, Some(answer)));
        self.work.notify_one();
    }

    /// Takes a sink out; whether it was the topic's last one while there is a connection.
    fn take_out(&self, id: u64, topic: &Topic) -> bool {
        let mut inner = self.inner.lock().unwrap();
        inner.sinks.retain(|(of, ..)| *of != id);
        inner.up && !inner.sinks.iter().any(|(_, other, _)| other == topic)
    }

    async fn remove(&self, id: u64, topic: &Topic) {
        if self.take_out(id, topic) {
            let (answer, answered) = oneshot::channel();
            self.call(Kind::Unsubscribe, topic, answer);
            let _ = answered.await;
        }
    }

    fn is_closing(&self) -> bool {
        self.inner.lock().unwrap().closing
    }

    fn lost(&self, pending: VecDeque<Option<Answer>>) {
        let mut inner = self.inner.lock().unwrap();
        inner.up = false;
        inner.bytes = 0;
        let answers = inner.queue.drain(..).map(|(_, answer)| answer).chain(pending);
        let answers: Vec<_> = answers.collect();
        drop(inner);
        if self.flaw == Flaw::ForgetsReceipts {
            std::mem::forget(answers);
        }
        if self.flaw != Flaw::NeverSaysDown {
            self.state.send_replace(LinkState::Down { reason: "the connection was lost".into(), gave_up: false });
        }
    }

    fn deliver(&self, topic: &Topic, payload: &Bytes) {
        let sinks = self.inner.lock().unwrap().sinks.clone();
        for (_, _, sink) in sinks.iter().filter(|(_, wanted, _)| wanted == topic) {
            sink.deliver(Incoming { topic: topic.clone(), payload: payload.clone() });
        }
    }
}

async fn supervise(shared: Arc<Shared>) {
    let mut last = None;
    while !shared.is_closing() {
        if shared.flaw != Flaw::NeverSaysDown {
            shared.state.send_replace(LinkState::Connecting);
        }
        if let Ok(stream) = TcpStream::connect(shared.address).await {
            stream.set_nodelay(true).unwrap();
            let mut pending = VecDeque::new();
            run(&shared, stream, &mut pending, &mut last).await;
            shared.lost(pending);
        } else {
            shared.lost(VecDeque::new());
            if shared.flaw == Flaw::GivesUpAtRefusal {
                std::future::pending::<()>().await;
            }
        }
        tokio::select! { () = shared.work.notified() => {}, () = tokio::time::sleep(RETRY) => {} }
    }
    shared.inner.lock().unwrap().sinks.clear();
    shared.state.send_replace(LinkState::Closed);
}

/// One connection, until it is lost, silent for too long, or closed with everything answered.
async fn run(
    shared: &Shared,
    stream: TcpStream,
    pending: &mut VecDeque<Option<Answer>>,
    last: &mut Option<(Topic, Bytes)>,
) {
    let (reader, mut writer) = stream.into_split();
    let (sender, mut frames) = tokio::sync::mpsc::channel::<Frame>(64);
    tokio::spawn(async move {
        let mut reader = BufReader::new(reader);
        while let Ok(frame) = Frame::read(&mut reader).await {
            if sender.send(frame).await.is_err() {
                break;
            }
        }
    });
    let standing = shared.inner.lock().unwrap().sinks.clone();
    if !matches!(shared.flaw, Flaw::NeverTellsOfGaps | Flaw::OnlySaysThatItResumes) {
        // Also to those that are new, who missed nothing: this is a small link.
        standing.iter().for_each(|(_, _, sink)| sink.gap(Gap { lost: None }));
    }
    let wanted = standing.into_iter().filter(|_| shared.flaw != Flaw::ForgetsSubscriptions);
    let mut unsent: VecDeque<_> = wanted
        .map(|(_, topic, _)| (Frame { kind: Kind::Subscribe, topic, payload: Bytes::new() }, None))
        .chain([(Frame::bare(Kind::Ping), None)])
        .collect();
    let mut greeting = unsent.len();
    let (mut heard, mut pinged) = (Instant::now(), Instant::now());
    let mut closing_since = None;
    loop {
        if unsent.is_empty() {
            unsent = std::mem::take(&mut shared.inner.lock().unwrap().queue);
        }
        while let Some((frame, answer)) = unsent.pop_front() {
            shared.inner.lock().unwrap().bytes -= if frame.kind == Kind::Publish { frame.payload.len() } else { 0 };
            pending.push_back(answer);
            // A connection that takes nothing is as silent as one that says nothing.
            let written = timeout(SILENCE, writer.write_all(&frame.encode())).await;
            if !matches!(written, Ok(Ok(()))) && shared.flaw != Flaw::QueuesWithoutBound {
                return;
            }
        }
        let closing = shared.is_closing();
        if closing && pending.is_empty() {
            return;
        }
        let watches = !matches!(shared.flaw, Flaw::NoKeepalive | Flaw::QueuesWithoutBound | Flaw::FlushesForEver);
        let since = if closing { *closing_since.get_or_insert_with(Instant::now) } else { heard };
        if watches && since.max(heard).elapsed() > SILENCE {
            return;
        }
        if pinged.elapsed() > PING && !closing {
            pinged = Instant::now();
            unsent.push_back((Frame::bare(Kind::Ping), None));
            continue;
        }
        let frame = tokio::select! {
            frame = frames.recv() => match frame { Some(frame) => frame, None => return },
            () = shared.work.notified() => continue,
            () = tokio::time::sleep(PING) => continue,
        };
        if frame.kind == Kind::Publish {
            shared.deliver(&frame.topic, &frame.payload);
            *last = Some((frame.topic, frame.payload));
            continue;
        }
        heard = Instant::now();
        if let Some(Some(answer)) = pending.pop_front() {
            let _ = answer.send(Ok(Delivery::Accepted));
        }
        greeting = greeting.saturating_sub(1);
        if greeting == 0 && !shared.inner.lock().unwrap().up {
            shared.inner.lock().unwrap().up = true;
            shared.state.send_replace(LinkState::Up);
            if let (Flaw::RepeatsAfterReconnect, Some((topic, payload))) = (shared.flaw, &*last) {
                shared.deliver(topic, payload);
            }
        }
    }
}
