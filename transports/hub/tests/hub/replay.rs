//! From history to live: no gap, no duplicate, whatever happens meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use eventhive_hub::{
    Access, Backlog, BacklogBounds, BacklogError, Cursor, CursorError, Draft, Ended, Extent, Hub, HubSettings,
    MemoryBacklog, Message, Outbound, Outgoing, ReplayError, SessionSettings, Start, SubscribeError,
};
use eventhive_transport::{Filter, Overflow};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use crate::support::{glob, hub, next, publish, run, session, take};

const NO_BOUNDS: BacklogBounds = BacklogBounds { messages: usize::MAX, bytes: usize::MAX, age: None };

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// A backlog that publishes more whenever it is read, as if other publishers were always quicker.
struct Busy {
    inner: MemoryBacklog,
    hub: OnceLock<Hub>,
    /// How many more publishes are to come, and the next payload.
    more: AtomicUsize,
    next: AtomicUsize,
}

impl Busy {
    fn hub(more: usize) -> (Hub, Arc<Self>) {
        let (more, next) = (AtomicUsize::new(more), AtomicUsize::new(0));
        let busy = Arc::new(Self { inner: MemoryBacklog::new(NO_BOUNDS), hub: OnceLock::new(), more, next });
        let hub = Hub::with_backlog(HubSettings::default(), Arc::clone(&busy) as Arc<dyn Backlog>);
        busy.hub.set(hub.clone()).unwrap();
        (hub, busy)
    }

    fn publish(&self) {
        let payload = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        publish(self.hub.get().unwrap(), "a/b", &payload);
    }

    fn step(&self) {
        if self.more.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |more| more.checked_sub(1)).is_ok() {
            self.publish();
        }
    }
}

impl Backlog for Busy {
    fn extent(&self) -> Extent {
        self.inner.extent()
    }
    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        self.inner.append(message)
    }
    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        async move {
            self.step();
            let located = self.inner.locate(start).await;
            self.step();
            located
        }
        .boxed()
    }
    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        async move {
            self.step();
            tokio::task::yield_now().await;
            let page = self.inner.read(place, most.min(3)).await;
            self.step();
            page
        }
        .boxed()
    }
    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        // Little is at hand, so that the pages matter.
        self.inner.recent(place, most.min(2))
    }
}

#[test]
fn a_publish_at_every_step_is_neither_lost_nor_repeated() {
    for more in 0..25 {
        run(async {
            let (hub, busy) = Busy::hub(0);
            (0..10).for_each(|_| busy.publish());
            busy.more.store(more, Ordering::Relaxed);
            // In every other round the queue is so small that the history has to wait for room.
            let queue_bytes = if more % 2 == 0 { 1 << 20 } else { 400 };
            let settings = SessionSettings { queue_bytes, overflow: Overflow::Block, ..SessionSettings::default() };
            let (session, mut outgoing) = session(&hub, settings, &[]);
            let reading = async {
                let mut got = Vec::new();
                while got.len() < 10 + more + 3 {
                    got.push(next(&mut outgoing).await.unwrap());
                    busy.step();
                }
                got
            };
            let replaying = async {
                session.subscribe_from(glob("a/*"), Start::Oldest).await.unwrap();
                // Whatever is still to come, comes live.
                busy.more.store(0, Ordering::Relaxed);
                (busy.next.load(Ordering::Relaxed)..10 + more + 3).for_each(|_| busy.publish());
            };
            let ((), got) = tokio::join!(replaying, reading);
            assert_eq!(got, numbers(0..10 + more + 3), "{more} more");
            assert!(outgoing.try_next().is_none());
        });
    }
}

/// A backlog that has another thread publish in the moment of going live.
struct Rival {
    inner: MemoryBacklog,
    hub: OnceLock<Hub>,
    rivals: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Backlog for Rival {
    fn extent(&self) -> Extent {
        self.inner.extent()
    }
    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        self.inner.append(message)
    }
    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        self.inner.locate(start)
    }
    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        self.inner.read(place, most)
    }
    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        let recent = self.inner.recent(place, most);
        let (hub, (at_the_door, told)) = (self.hub.get().unwrap().clone(), mpsc::channel());
        self.rivals.lock().unwrap().push(thread::spawn(move || {
            at_the_door.send(()).unwrap();
            publish(&hub, "a", "rival");
        }));
        told.recv().unwrap();
        // The rival now publishes as soon as it can. Were that before the subscription, its event would be lost.
        (0..20).for_each(|_| thread::yield_now());
        recent
    }
}

#[test]
fn nothing_is_published_in_the_moment_of_going_live() {
    // A gap would not show each time.
    for _ in 0..50 {
        run(async {
            let (inner, rivals) = (MemoryBacklog::new(NO_BOUNDS), Mutex::default());
            let rival = Arc::new(Rival { inner, hub: OnceLock::new(), rivals });
            let hub = Hub::with_backlog(HubSettings::default(), Arc::clone(&rival) as Arc<dyn Backlog>);
            rival.hub.set(hub.clone()).unwrap();
            publish(&hub, "a", "history");
            let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
            session.subscribe_from(Filter::All, Start::Oldest).await.unwrap();
            assert_eq!(take(&mut outgoing, 2).await, ["history", "rival"]);
            rival.rivals.lock().unwrap().drain(..).for_each(|rival| rival.join().unwrap());
        });
    }
}

#[test]
fn a_replay_under_full_load_is_gapless_for_every_reader() {
    let hub = Hub::new(HubSettings { backlog: NO_BOUNDS, ..HubSettings::default() });
    (0..2000).for_each(|number| assert_eq!(publish(&hub, "a", &number.to_string()), 0));
    let total = 12_000;
    let publisher = thread::spawn({
        let hub = hub.clone();
        move || {
            for number in 2000..total {
                publish(&hub, "a", &number.to_string());
            }
        }
    });
    run(async {
        let reader = |start| {
            let hub = hub.clone();
            tokio::task::spawn_local(async move {
                let settings =
                    SessionSettings { overflow: Overflow::Block, queue_bytes: 4096, ..SessionSettings::default() };
                let (session, mut outgoing) = session(&hub, settings, &[]);
                let replay = session.subscribe_from(Filter::exact("a"), start);
                let (subscription, got) = tokio::join!(replay, take(&mut outgoing, total));
                subscription.unwrap();
                assert_eq!(got, numbers(0..total));
            })
        };
        let readers: Vec<_> = (0..4).map(|_| reader(Start::Oldest)).collect();
        for reader in readers {
            reader.await.unwrap();
        }
    });
    publisher.join().unwrap();
}

#[test]
fn a_cursor_resumes_with_the_message_after_it() {
    run(async {
        let hub = hub();
        let cursors: Vec<Cursor> =
            (0..5).map(|n| hub.publish(Draft::json("a", n.to_string())).unwrap().cursor).collect();
        let given = hub.public(cursors[2], false).to_string();
        let resumed = hub.find(given.parse().unwrap(), None).await.unwrap();
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        session.subscribe_from(Filter::All, Start::After(resumed)).await.unwrap();
        publish(&hub, "a", "5");
        assert_eq!(take(&mut outgoing, 3).await, ["3", "4", "5"]);
        session.subscribe_from(Filter::exact("b"), Start::Now).await.unwrap();
        publish(&hub, "b", "6");
        assert_eq!(take(&mut outgoing, 2).await, ["6", "6"], "once for each subscription");
    });
}

/// Few messages, and far more than the queue holds: the last step to live must not take more of them than fit.
#[test]
fn a_history_heavier_than_the_queue_arrives_whole() {
    run(async {
        let hub = hub();
        let payload = |n: usize| format!("\"{n}{}\"", "x".repeat(100_000));
        for n in 0..20 {
            publish(&hub, "a", &payload(n));
        }
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        let replay = session.subscribe_from(Filter::All, Start::Oldest);
        let (replayed, taken) = tokio::join!(replay, take(&mut outgoing, 20));
        replayed.unwrap();
        assert!(taken == (0..20).map(payload).collect::<Vec<_>>(), "each once, in order");
    });
}

#[test]
fn a_time_is_a_place_to_start_from() {
    run(async {
        let hub = hub();
        publish(&hub, "a", "old");
        let now = SystemTime::now() + Duration::from_nanos(1);
        while SystemTime::now() < now {}
        publish(&hub, "a", "new");
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        session.subscribe_from(Filter::All, Start::Since(now)).await.unwrap();
        assert_eq!(next(&mut outgoing).await.unwrap(), "new");
        assert!(outgoing.try_next().is_none());
    });
}

#[test]
fn an_unknown_cursor_is_said_with_the_oldest_that_can_be_had() {
    run(async {
        let hub =
            Hub::new(HubSettings { backlog: BacklogBounds { messages: 2, ..NO_BOUNDS }, ..HubSettings::default() });
        let cursors: Vec<Cursor> = (0..4).map(|_| hub.publish(Draft::json("a", "1")).unwrap().cursor).collect();
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        for unknown in [cursors[0], Cursor::origin(), cursors[3].next()] {
            let error = session.subscribe_from(Filter::All, Start::After(unknown)).await.unwrap_err();
            let ReplayError::Backlog(BacklogError::Cursor(CursorError::Unknown { oldest })) = error else {
                panic!("{error}")
            };
            assert_eq!(oldest, Some(cursors[2]));
        }
        assert!(outgoing.try_next().is_none());
        assert_eq!(hub.stats().subscriptions, 0);
    });
}

#[test]
fn a_reader_too_slow_for_the_backlog_is_told() {
    run(async {
        let hub =
            Hub::new(HubSettings { backlog: BacklogBounds { messages: 500, ..NO_BOUNDS }, ..HubSettings::default() });
        (0..500).for_each(|number| assert_eq!(publish(&hub, "a", &number.to_string()), 0));
        let settings = SessionSettings { queue_bytes: 400, ..SessionSettings::default() };
        let (session, mut outgoing) = session(&hub, settings, &[]);
        let mut replay = Box::pin(session.subscribe_from(Filter::All, Start::Oldest));
        assert!((&mut replay).now_or_never().is_none(), "its queue is full");
        (500..2000).for_each(|number| assert_eq!(publish(&hub, "a", &number.to_string()), 0));
        let reading = async {
            loop {
                next(&mut outgoing).await;
            }
        };
        tokio::select! {
            error = replay => assert!(matches!(error, Err(ReplayError::Backlog(BacklogError::Cursor(_)))), "{error:?}"),
            () = reading => {}
        }
    });
}

#[test]
fn a_replay_that_is_dropped_or_whose_session_ends_leaves_nothing() {
    run(async {
        let hub = hub();
        (0..100).for_each(|number| assert_eq!(publish(&hub, "a", &number.to_string()), 0));
        let settings = SessionSettings { queue_bytes: 400, ..SessionSettings::default() };
        let (session, outgoing) = session(&hub, settings, &[]);
        assert!(session.subscribe_from(Filter::All, Start::Oldest).now_or_never().is_none());
        assert_eq!(hub.stats().subscriptions, 0);
        let mut replay = Box::pin(session.subscribe_from(Filter::All, Start::Oldest));
        assert!((&mut replay).now_or_never().is_none());
        session.monitor().disconnect(Ended::Closed);
        let error = replay.await.unwrap_err();
        assert!(matches!(error, ReplayError::Subscribe(SubscribeError::Ended(Ended::Closed))), "{error}");
        assert_eq!((hub.stats().sessions, hub.stats().queue_bytes), (0, 0));
        drop(outgoing);
    });
}

async fn drain(outgoing: &mut Outgoing) -> Vec<Arc<Message>> {
    let mut messages = Vec::new();
    while let Some(Outbound::Event { message, .. }) = outgoing.next().await {
        messages.push(message);
    }
    messages
}

#[test]
fn private_messages_are_seen_only_by_who_may_live_in_replay_and_in_counts() {
    run(async {
        let hub = hub();
        let green: Arc<dyn Access> = Arc::new(|message: &Message| message.topic().as_bytes().starts_with(b"green"));
        let may = SessionSettings { access: Some(green), ..SessionSettings::default() };
        let private = |topic: &str| hub.publish(Draft::json(topic, "1").private(true)).unwrap().receivers;
        let open = |settings: &SessionSettings| session(&hub, settings.clone(), &[]);
        let mut sessions = [open(&may), open(&SessionSettings::default())];
        assert_eq!((private("green/1"), publish(&hub, "green/2", "1"), private("red/1")), (0, 0, 0));
        for (session, _) in &sessions {
            session.subscribe_from(Filter::All, Start::Oldest).await.unwrap();
        }
        assert_eq!((private("green/3"), publish(&hub, "green/4", "1"), private("red/2")), (1, 2, 0));
        let mut seen = Vec::new();
        for (session, outgoing) in &mut sessions {
            tokio::task::yield_now().await;
            session.close();
            let topics = drain(outgoing).await.iter().map(|message| message.topic().to_string()).collect::<Vec<_>>();
            seen.push(topics);
        }
        assert_eq!(seen[0], ["green/1", "green/2", "green/3", "green/4"]);
        assert_eq!(seen[1], ["green/2", "green/4"]);
        assert_eq!(hub.stats().drops.total(), 0);
    });
}

#[test]
fn a_session_does_not_get_its_own_excluded_messages_as_history() {
    run(async {
        let hub = hub();
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        hub.publish(Draft::json("a", "own").exclude(session.id())).unwrap();
        publish(&hub, "a", "other");
        session.subscribe_from(Filter::All, Start::Oldest).await.unwrap();
        assert_eq!(next(&mut outgoing).await.unwrap(), "other");
    });
}

/// A backlog of which everything grows too old between the look for a time and the first page.
struct Fading(MemoryBacklog);

impl Backlog for Fading {
    fn extent(&self) -> Extent {
        self.0.extent()
    }
    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        self.0.append(message)
    }
    fn locate(&self, _: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        let place = Cursor::new(self.extent().newest.epoch(), 0);
        Box::pin(std::future::ready(Ok(place)))
    }
    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        self.0.read(place, most)
    }
    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        self.0.recent(place, most)
    }
}

#[test]
fn who_asks_for_a_time_gets_what_comes_when_all_of_it_has_gone_meanwhile() {
    run(async {
        let fading = Fading(MemoryBacklog::new(BacklogBounds { messages: 0, ..NO_BOUNDS }));
        let hub = Hub::with_backlog(HubSettings::default(), Arc::new(fading));
        publish(&hub, "a", "gone");
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        session.subscribe_from(Filter::All, Start::Since(SystemTime::UNIX_EPOCH)).await.unwrap();
        publish(&hub, "a", "live");
        assert_eq!(take(&mut outgoing, 1).await, ["live"]);
        let lost = session.subscribe_from(Filter::All, Start::After(hub.newest().previous())).await.unwrap_err();
        assert!(matches!(lost, ReplayError::Backlog(BacklogError::Cursor(_))), "{lost}");
    });
}
