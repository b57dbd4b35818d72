//! The index against the definition: every subscription's own [`Filter::matches`].

use std::collections::BTreeMap;
use std::time::SystemTime;

use eventhive_transport::Glob;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::lane::{Gate, Lane};
use crate::{Cursor, Draft, SessionId};

#[derive(Debug, Clone)]
enum Step {
    Open { lane: usize, deduplicate: bool },
    Close(usize),
    Subscribe(usize, Filter),
    Unsubscribe(usize),
    Publish(Topic),
}

fn topic() -> impl Strategy<Value = Topic> {
    prop_oneof![
        5 => "[ab]{1,3}(/[ab]{1,2}){0,2}".prop_map(Topic::from),
        1 => Just(Topic::from("")),
        1 => prop::collection::vec(any::<u8>(), 0..4).prop_map(Topic::new),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let set =
        || prop::collection::vec("[ab]{0,2}".prop_map(Topic::from), 0..3).prop_map(|set| set.into_iter().collect());
    prop_oneof![
        1 => Just(Filter::All),
        4 => topic().prop_map(Filter::Exact),
        4 => "[ab/*?]{1,6}".prop_map(|text| Filter::Glob(Glob::new(&text).unwrap())),
        1 => Just(Filter::Glob(Glob::new("[ab]*").unwrap())),
        3 => prop::collection::vec(set(), 0..3).prop_map(Filter::Segments),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_usize..3, any::<bool>()).prop_map(|(lane, deduplicate)| Step::Open { lane, deduplicate }),
        1 => (0_usize..8).prop_map(Step::Close),
        6 => (0_usize..8, filter()).prop_map(|(session, filter)| Step::Subscribe(session, filter)),
        3 => (0_usize..30).prop_map(Step::Unsubscribe),
        6 => topic().prop_map(Step::Publish),
    ]
}

/// The index, and beside it what it should know.
#[derive(Default)]
struct Pair {
    index: Index,
    lanes: Vec<Arc<Lane>>,
    opened: u64,
    sessions: Vec<(SessionId, u32, bool)>,
    subscriptions: Vec<(SessionId, u32, SubscriptionId, Filter)>,
}

impl Pair {
    fn new() -> Self {
        let gate = Arc::new(Gate::new(1));
        Self { lanes: (0..3).map(|_| Arc::new(Lane::new(Arc::clone(&gate)))).collect(), ..Self::default() }
    }

    fn open(&mut self, lane: usize, deduplicate: bool, access: Option<Arc<dyn Access>>) {
        self.opened += 1;
        let (id, lane) = (SessionId(self.opened), Arc::clone(&self.lanes[lane]));
        let session = NewSession {
            id,
            lane,
            slot: 0,
            max_subscriptions: usize::MAX,
            max_patterns: usize::MAX,
            deduplicate,
            access,
            relay: None,
        };
        let key = self.index.add(session).unwrap();
        self.sessions.push((id, key, deduplicate));
    }

    fn subscribe(&mut self, session: usize, filter: &Filter) {
        let (id, key, _) = self.sessions[session];
        let subscription = self.index.subscribe(key, filter.clone()).unwrap();
        self.subscriptions.push((id, key, subscription, filter.clone()));
    }

    fn close(&mut self, session: usize) {
        let (id, key, _) = self.sessions.swap_remove(session);
        while self.index.silence_some(key) {}
        self.index.remove(key);
        self.subscriptions.retain(|(owner, ..)| *owner != id);
    }

    fn wanted(&self, topic: &Topic) -> BTreeMap<SessionId, u32> {
        let mut wanted = BTreeMap::new();
        for (id, ..) in self.subscriptions.iter().filter(|(.., filter)| filter.matches(topic)) {
            let deduplicate = self.sessions.iter().any(|(known, _, deduplicate)| known == id && *deduplicate);
            let copies = wanted.entry(*id).or_insert(0);
            *copies = if deduplicate { 1 } else { *copies + 1 };
        }
        wanted
    }

    fn found(&mut self, topic: &Topic) -> BTreeMap<SessionId, u32> {
        copies(&self.index.matched(topic))
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Open { lane, deduplicate } => self.open(*lane, *deduplicate, None),
            Step::Close(session) if *session < self.sessions.len() => self.close(*session),
            Step::Subscribe(session, filter) if *session < self.sessions.len() => self.subscribe(*session, filter),
            Step::Unsubscribe(at) if *at < self.subscriptions.len() => {
                let (_, key, id, _) = self.subscriptions.swap_remove(*at);
                assert!(self.index.unsubscribe(key, id));
                assert!(!self.index.unsubscribe(key, id));
            }
            Step::Publish(topic) => assert_eq!(self.found(topic), self.wanted(topic), "{topic:?}"),
            _ => {}
        }
    }
}

fn copies(matched: &Matched) -> BTreeMap<SessionId, u32> {
    let targets = matched.groups.iter().flat_map(|group| group.targets.iter());
    let found: BTreeMap<SessionId, u32> = targets.map(|target| (target.session, target.copies)).collect();
    assert_eq!(found.len(), matched.sessions(), "no session is in it twice");
    assert!(found.keys().all(|session| matched.holds(*session)));
    found
}

proptest! {
    #[test]
    fn the_index_agrees_with_the_filters(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new();
        steps.iter().for_each(|step| pair.step(step));
        while !pair.sessions.is_empty() {
            pair.close(0);
        }
        let (subscriptions, filters, _) = pair.index.counts();
        prop_assert_eq!((pair.index.sessions(), subscriptions, filters), (0, 0, 0));
        prop_assert!(pair.found(&Topic::from("a")).is_empty());
    }
}

#[test]
fn the_cache_stays_bounded_and_right_however_many_topics_come_by() {
    let mut pair = Pair::new();
    pair.open(0, false, None);
    pair.subscribe(0, &Filter::Glob(Glob::new("t/*5").unwrap()));
    for number in 0..30_000 {
        let topic = Topic::from(format!("t/{number}"));
        assert_eq!(pair.found(&topic).len(), usize::from(number % 10 == 5));
        assert_eq!(pair.found(&Topic::from("t/5")).len(), 1);
    }
    assert!(pair.index.counts().2 <= 2 * 4096 + 2);
}

#[test]
fn a_subscription_to_a_topic_that_has_grown_old_in_the_cache_is_seen() {
    let mut pair = Pair::new();
    pair.open(0, false, None);
    let topic = Topic::from("t");
    assert_eq!(pair.found(&topic).len(), 0);
    (0..4096).for_each(|number| drop(pair.found(&Topic::from(format!("other/{number}")))));
    pair.subscribe(0, &Filter::Exact(topic.clone()));
    assert_eq!(pair.found(&topic).len(), 1);
}

#[test]
fn a_session_with_very_many_subscriptions_is_silenced_in_steps() {
    let mut pair = Pair::new();
    pair.open(0, false, None);
    (0..1000).for_each(|number| pair.subscribe(0, &Filter::exact(format!("t/{number}"))));
    let key = pair.sessions[0].1;
    let steps = std::iter::repeat_with(|| pair.index.silence_some(key)).take_while(|more| *more).count();
    assert_eq!(steps, 3);
    assert_eq!(pair.index.counts().0, 0);
}

/// Were a removal to look through what is filed beside it, this would take many minutes.
#[test]
fn a_hundred_thousand_subscriptions_in_one_place_go_in_any_order() {
    let set = |one: &str, other: String| {
        Filter::Segments(vec![[one.into()].into_iter().collect(), [other.into()].into_iter().collect()])
    };
    let kinds: [&dyn Fn(u32) -> Filter; 3] = [
        &|_| Filter::exact("one/topic"),
        // One gram and one segment for all of them.
        &|number| {
            Filter::Glob(
                Glob::new(&format!(
                    "a*{}",
                    "?".repeat(number as usize % 200 + 1) + &"*?".repeat(number as usize / 200 % 100)
                ))
                .unwrap(),
            )
        },
        &|number| set("all", format!("s{number}")),
    ];
    for kind in kinds {
        let mut pair = Pair::new();
        pair.open(0, false, None);
        let key = pair.sessions[0].1;
        let mut made: Vec<_> = (0..100_000).map(|number| pair.index.subscribe(key, kind(number)).unwrap()).collect();
        let later = made.split_off(50_000);
        // The first half from its start, the second from its end.
        assert!(made.into_iter().chain(later.into_iter().rev()).all(|id| pair.index.unsubscribe(key, id)));
        assert_eq!(pair.index.counts(), (0, 0, 0));
    }
}

#[test]
fn private_messages_match_only_sessions_that_may_see_them_and_nothing_of_it_is_cached() {
    let mut pair = Pair::new();
    let odd = |message: &Message| message.payload().len() % 2 == 1;
    pair.open(0, false, Some(Arc::new(odd)));
    pair.open(1, false, None);
    pair.subscribe(0, &Filter::All);
    pair.subscribe(1, &Filter::All);
    let private = |payload: &'static str| {
        Message::stamped(Draft::json("a", payload).private(true), Uuid::now_v7(), SystemTime::now(), Cursor::origin())
    };
    assert_eq!(copies(&pair.index.matched_private(&private("1"))), BTreeMap::from([(SessionId(1), 1)]));
    assert_eq!(copies(&pair.index.matched_private(&private("11"))), BTreeMap::new());
    assert_eq!(pair.index.counts().2, 0);
    assert_eq!(pair.found(&Topic::from("a")).len(), 2);
}
