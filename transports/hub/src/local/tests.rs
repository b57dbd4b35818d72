//! What becomes of a local link's subscriptions when things go wrong.

use std::future::Future;
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::thread;
use std::time::Instant;

use super::*;
use crate::HubSettings;

/// How long anything may take. Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it did not happen that {what}");
        thread::yield_now();
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Enough that the time for waiting is over before a sink has taken them.
const EVENTS: usize = 5000;

/// Keeps what it is told. Each hundredth event takes it a while.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Sink for Told {
    fn deliver(&self, incoming: Incoming) {
        if incoming.payload.ends_with(b"00") {
            thread::sleep(Duration::from_micros(100));
        }
        let first = incoming.payload.slice(..incoming.payload.len().min(8));
        self.0.lock().unwrap().push(String::from_utf8_lossy(&first).into_owned());
    }

    fn gap(&self, _: Gap) {
        self.0.lock().unwrap().push("gap".to_owned());
    }
}

#[test]
fn a_subscription_whose_asker_goes_before_it_takes_the_answer_is_ended() {
    let hub = Hub::new(HubSettings::default());
    let link = LocalLink::new(hub.clone()).unwrap();
    for _ in 0..20 {
        let mut asking = link.subscribe(Filter::All, Arc::new(Told::default()));
        // Now and then the answer is there already; else it will be, and nobody takes it.
        let asked = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        until("it is subscribed", || hub.stats().subscriptions == 1);
        drop((asking, asked));
        until("it is ended", || hub.stats().subscriptions == 0);
    }
}

#[test]
fn a_link_without_a_subscription_learns_that_the_hub_closes() {
    let hub = Hub::new(HubSettings::default());
    let link = LocalLink::new(hub.clone()).unwrap();
    let mut state = link.state();
    wait(hub.close());
    let down = wait(async { tokio::time::timeout(PATIENCE, state.wait_for(|state| !state.is_up())).await });
    assert!(matches!(&*down.unwrap().unwrap(), LinkState::Down { gave_up: true, .. }));
}

/// The large event needs a queue that is empty, and may hardly wait for it.
#[test]
fn a_sink_too_slow_for_its_queue_is_told_of_the_gap_and_the_link_stays_up() {
    let hub = Hub::new(HubSettings::default());
    let each = SessionSettings {
        overflow: Overflow::Block,
        longest_block: Duration::ZERO,
        queue_bytes: EVENTS * 72,
        ..SessionSettings::default()
    };
    let link = LocalLink::start(hub.clone(), each).unwrap();
    let (slow, quick) = (Arc::new(Told::default()), Arc::new(Told::default()));
    let subscribe = |topic: &str, sink: &Arc<Told>| {
        wait(link.subscribe(Filter::exact(topic), Arc::clone(sink) as Arc<dyn Sink>)).unwrap()
    };
    let _subscriptions = [subscribe("slow", &slow), subscribe("quick", &quick)];
    // While this sink is called nothing else runs on the link's thread, so that all of it comes at once.
    let (_blocking, release) = {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Mutex::new(released);
        let sink = move |_: Incoming| assert!(released.lock().unwrap().recv().is_err());
        (wait(link.subscribe(Filter::exact("block"), Arc::new(sink))).unwrap(), release)
    };
    hub.publish(Draft::bytes("block", "")).unwrap();
    for number in 0..EVENTS {
        hub.publish(Draft::bytes("slow", number.to_string())).unwrap();
    }
    hub.publish(Draft::bytes("slow", vec![b'x'; EVENTS * 72])).unwrap();
    drop(release);
    until("the gap is told", || slow.0.lock().unwrap().last().is_some_and(|last| last == "gap"));
    assert!(slow.count() <= EVENTS, "the queue was full");
    hub.publish(Draft::bytes("slow", "after")).unwrap();
    hub.publish(Draft::bytes("quick", "other")).unwrap();
    until("both get what follows", || slow.0.lock().unwrap().last().unwrap() == "after" && quick.count() == 1);
    assert!(link.state().borrow().is_up());
}
