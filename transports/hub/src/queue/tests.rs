//! The queue's accounts.

use super::*;
use std::task::Waker;
use std::time::SystemTime;

use proptest::prelude::*;

use crate::lane::Gate;
use crate::{Cursor, Draft, HubStats};

const BOUND: usize = 1000;

#[derive(Debug, Clone)]
enum Step {
    Offer { payload: usize, copies: u32 },
    Own(usize),
    Take,
    Evict(usize),
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..1500, 1_u32..4).prop_map(|(payload, copies)| Step::Offer { payload, copies }),
        3 => (0_usize..1500).prop_map(Step::Own),
        6 => Just(Step::Take),
        2 => (0_usize..1500).prop_map(Step::Evict),
        1 => Just(Step::Finish),
    ]
}

fn queue() -> Queue {
    let lane = Arc::new(Lane::new(Arc::new(Gate::new(1))));
    let settings = SessionSettings { queue_bytes: BOUND, ..SessionSettings::default() };
    Queue::new(SessionId(1), 0, 0, lane, &settings)
}

fn stats(queue: &Queue) -> HubStats {
    let mut stats = HubStats::default();
    queue.lane.counters.add_to(&mut stats);
    stats
}

fn apply(queue: &Queue, step: &Step) -> u64 {
    match step {
        Step::Offer { payload, copies } => {
            let draft = Draft::bytes("t", vec![0; *payload]);
            let message = Arc::new(Message::stamped(draft, uuid::Uuid::nil(), SystemTime::now(), Cursor::origin()));
            let queued = matches!(queue.offer(&message, None, *copies), Offer::Queued(_));
            return if queued { u64::from(*copies) } else { 0 };
        }
        Step::Own(bytes) => drop(queue.push_own(vec![0; *bytes].into())),
        Step::Take => drop(queue.poll_next(&Context::from_waker(Waker::noop()))),
        Step::Evict(weight) => queue.evict_for(*weight),
        Step::Finish => queue.finish(Ended::Closed),
    }
    0
}

proptest! {
    #[test]
    fn every_byte_and_every_delivery_is_accounted_for(steps in prop::collection::vec(step(), 1..80)) {
        let queue = queue();
        let mut queued = 0;
        for step in &steps {
            queued += apply(&queue, step);
            let state = queue.state.borrow();
            let weigh = |own: bool| {
                let of_kind = state.entries.iter().filter(|entry| matches!(entry, Entry::Own(_)) == own);
                (of_kind.clone().map(Entry::weight).sum::<usize>(), of_kind.count())
            };
            let (events, own) = (weigh(false), weigh(true));
            prop_assert_eq!((state.event_bytes, state.own_bytes), (events.0, own.0));
            prop_assert!(events.0 <= BOUND || events.1 == 1, "over the bound by more than one large event");
            prop_assert!(own.0 <= BOUND || own.1 == 1);
            prop_assert_eq!(stats(&queue).queue_bytes, (events.0 + own.0) as u64);
        }
        queue.abort(Ended::SlowConsumer);
        let stats = stats(&queue);
        prop_assert_eq!((queue.progress().0, stats.queue_bytes), (0, 0));
        prop_assert_eq!(stats.delivered + stats.drops.total(), queued);
        prop_assert_eq!(stats.drops, queue.drops());
    }
}

#[test]
fn room_for_a_burst_is_kept_until_less_than_a_burst_was_read() {
    let queue = Queue { bound: 1 << 20, ..queue() };
    let read = |messages: usize| {
        for _ in 0..messages {
            apply(&queue, &Step::Offer { payload: 1, copies: 1 });
        }
        for _ in 0..=messages {
            apply(&queue, &Step::Take);
        }
        queue.state.borrow().entries.capacity()
    };
    assert!(read(KEPT_CAPACITY) <= KEPT_CAPACITY);
    assert!(read(100) >= 100);
    assert!(read(50) >= 100);
    assert_eq!(read(1), 0);
    assert_eq!(read(KEPT_WHILE_BUSY + 1), 0);
}
