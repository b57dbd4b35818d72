use std::sync::{Mutex, MutexGuard};

use eventhive_transport::{Filter, Overflow, Refused, Sink, Subscription, Topic};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::super::outbox::Pushed;
use super::super::pending::{Fate, Pending, Step};
use super::*;
use crate::envelope::{Cipher, ReplayWindow};

type Answer = oneshot::Sender<Result<Delivery, LinkError>>;

/// A link whose broker answers what the test says.
struct Scripted {
    state: watch::Sender<LinkState>,
    /// What was published and not looked at by the test.
    sent: Mutex<Vec<(Bytes, Answer)>>,
    /// Gives back what it is handed, which is kept here.
    full: Mutex<Option<Vec<Bytes>>>,
}

impl Scripted {
    fn new() -> Arc<Self> {
        let state = watch::Sender::new(LinkState::Up);
        Arc::new(Self { state, sent: Mutex::default(), full: Mutex::default() })
    }

    fn sent(&self) -> MutexGuard<'_, Vec<(Bytes, Answer)>> {
        self.sent.lock().unwrap()
    }

    /// The next published messages.
    async fn next(&self, count: usize) -> (Vec<Bytes>, Vec<Answer>) {
        until(|| self.sent().len() >= count).await;
        self.sent().drain(..).unzip()
    }
}

impl Link for Scripted {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        if let Some(full) = &mut *self.full.lock().unwrap() {
            full.push(payload.clone());
            return Err(Refused { topic, payload, reason: RefusedReason::Full });
        }
        let (answer, receipt) = Receipt::pending();
        self.sent().push((payload, answer));
        Ok(receipt)
    }

    fn subscribe(&self, _: Filter, _: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(async { Err(LinkError::Closed) })
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.state.send_replace(LinkState::Closed);
        Box::pin(async {})
    }
}

async fn until(mut probe: impl FnMut() -> bool) {
    let waiting = async {
        while !probe() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("within 10 s");
}

fn push(outbox: &Outbox, text: &'static str, fate: Option<Fate>) {
    let pushed = outbox.push(Topic::from("net/w/x"), Bytes::from_static(text.as_bytes()), fate, true);
    assert!(matches!(pushed, Pushed::Queued { .. }));
}

/// An outbox that is emptied into `link`.
fn pumped(link: &Arc<Scripted>, envelope: Envelope) -> (Arc<Outbox>, Arc<Counters>) {
    let outbox = Arc::new(Outbox::in_memory(1 << 20, Overflow::DropNewest));
    let counters = Arc::new(Counters::default());
    let link = Arc::clone(link) as Arc<dyn Link>;
    let pump = Pump::new("net".into(), Arc::clone(&outbox), Arc::new(envelope), link, Arc::clone(&counters));
    tokio::spawn(pump.run());
    (outbox, counters)
}

fn plain() -> Envelope {
    Envelope::plain("m", false)
}

#[tokio::test]
async fn what_the_broker_does_not_answer_for_in_time_is_sent_again_in_order_until_it_does() {
    let link = Scripted::new();
    let (outbox, counters) = pumped(&link, plain());
    ["1", "2", "3"].into_iter().for_each(|text| push(&outbox, text, None));
    for _ in 0..3 {
        let (texts, answers) = link.next(3).await;
        assert_eq!(texts, ["1", "2", "3"]);
        answers.into_iter().for_each(|answer| answer.send(Err(LinkError::TimedOut)).unwrap());
    }
    let (texts, answers) = link.next(3).await;
    assert_eq!(texts, ["1", "2", "3"]);
    // One more, which may go before or after what must be sent again.
    push(&outbox, "4", None);
    for (answer, what) in
        answers.into_iter().zip([Ok(Delivery::Accepted), Err(LinkError::TimedOut), Ok(Delivery::Accepted)])
    {
        answer.send(what).unwrap();
    }
    let mut texts = Vec::new();
    while texts.len() < 2 {
        let (sent, answers) = link.next(1).await;
        texts.extend(sent);
        answers.into_iter().for_each(|answer| answer.send(Ok(Delivery::Accepted)).unwrap());
    }
    texts.sort();
    assert_eq!(texts, ["2", "4"]);
    tokio::time::timeout(Duration::from_secs(10), outbox.settled()).await.unwrap();
    assert_eq!(counters.snapshot(0, 0).rejected, 0);
    assert_eq!(counters.snapshot(0, 0).published, 4);
}

#[tokio::test]
async fn a_request_that_the_broker_does_not_answer_for_waits_and_is_not_told_that_it_failed() {
    let link = Scripted::new();
    let (outbox, counters) = pumped(&link, plain());
    let pending = Pending::new(100);
    let mut ticket = pending.open(1).unwrap();
    push(&outbox, "1", Some(ticket.fate()));
    for _ in 0..2 {
        let (_, answers) = link.next(1).await;
        answers.into_iter().for_each(|answer| answer.send(Err(LinkError::TimedOut)).unwrap());
    }
    let (_, _answers) = link.next(1).await;
    assert!(ticket.poll(&Context::from_waker(Waker::noop()), true).is_pending());
    assert!(!ticket.is_published());
    pending.close();
    assert_eq!(ticket.poll(&Context::from_waker(Waker::noop()), true), Poll::Ready(Step::Closed));
    assert_eq!(counters.snapshot(0, 0).resent, 2);
}

#[tokio::test]
async fn a_broker_that_is_there_and_never_answers_is_asked_ever_more_seldom() {
    let link = Scripted::new();
    let (outbox, counters) = pumped(&link, plain());
    push(&outbox, "1", None);
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        link.sent().drain(..).for_each(|(_, answer)| answer.send(Err(LinkError::TimedOut)).unwrap());
        tokio::task::yield_now().await;
    }
    // A pause is 50 ms at least.
    let resent = counters.snapshot(0, 0).resent;
    assert!((1..=11).contains(&resent), "{resent}");
}

#[tokio::test]
async fn what_a_full_link_did_not_take_is_sealed_anew_after_an_outage() {
    let link = Scripted::new();
    *link.full.lock().unwrap() = Some(Vec::new());
    let envelope = plain().sealed(Cipher::Aes256Gcm, &["s3".to_owned().into()], ReplayWindow::default()).unwrap();
    let (outbox, _) = pumped(&link, envelope);
    push(&outbox, "{}", None);
    let tried = |link: &Scripted| link.full.lock().unwrap().as_ref().map_or(0, Vec::len);
    until(|| tried(&link) >= 3).await;
    link.state.send_replace(LinkState::Down { reason: "away".into(), gave_up: false });
    // The pump has seen it once the link is not tried any more.
    let before = link.full.lock().unwrap().replace(Vec::new()).unwrap();
    assert!(before.iter().all(|sealed| *sealed == before[0]), "a link that is full for a moment costs no second seal");
    link.state.send_replace(LinkState::Up);
    *link.full.lock().unwrap() = None;
    let (after, _answers) = link.next(1).await;
    assert_ne!(after[0], before[0]);
}

#[tokio::test]
async fn what_a_closed_link_has_not_answered_for_is_back_in_the_outbox_and_what_it_has_is_not() {
    let link = Scripted::new();
    let (outbox, _) = pumped(&link, plain());
    ["1", "2", "3"].into_iter().for_each(|text| push(&outbox, text, None));
    let (_, mut answers) = link.next(3).await;
    answers.remove(1).send(Ok(Delivery::Accepted)).unwrap();
    link.close().await;
    until(|| outbox.len() == 2).await;
    assert_eq!(outbox.unsettled(), 2);
}
