//! The index against the definition: every subscription compared with the topic.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::wire::InterestKind;
use crate::wire::glob::{Glob, Subject};

#[derive(Debug, Clone)]
enum Step {
    Insert(Row),
    Remove(RowId),
    Reload(Vec<Row>),
    Join,
    Leave(usize),
    Subscribe(usize, OwnedInterest),
    Unsubscribe(usize, OwnedInterest),
    Find(Vec<u8>),
}

fn topic() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[ab]{1,3}(/[ab]{1,2}){0,2}".prop_map(String::into_bytes),
        1 => "(ab|ba){300,301}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

fn interest() -> impl Strategy<Value = OwnedInterest> {
    prop_oneof![
        topic().prop_map(|topic| OwnedInterest::Exact(topic.into())),
        "[ab/*?]{0,6}|[ab]{2,9}[*]|[*][ab]{2,4}|\\[ab\\][*]|\\[a".prop_map(|glob| OwnedInterest::Glob(glob.into())),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let recovery = prop::option::of("[rs]".prop_map(String::into_boxed_str));
    (0_i64..12, "[uvw]", recovery, interest()).prop_map(|(number, url, recovery, interest)| Row {
        id: RowId { kind: interest.borrowed().kind(), number },
        url: url.into(),
        interest: interest.borrowed().as_bytes().into(),
        recovery,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(InterestKind::Exact), Just(InterestKind::Glob)];
    prop_oneof![
        8 => row().prop_map(Step::Insert),
        4 => (kind, 0_i64..12).prop_map(|(kind, number)| Step::Remove(RowId { kind, number })),
        1 => prop::collection::vec(row(), 0..9).prop_map(Step::Reload),
        2 => Just(Step::Join),
        1 => (0_usize..5).prop_map(Step::Leave),
        6 => (0_usize..5, interest()).prop_map(|(peer, interest)| Step::Subscribe(peer, interest)),
        3 => (0_usize..5, interest()).prop_map(|(peer, interest)| Step::Unsubscribe(peer, interest)),
        6 => topic().prop_map(Step::Find),
    ]
}

fn wants(interest: Interest<'_>, topic: &[u8]) -> bool {
    match interest {
        Interest::Exact(wanted) => wanted == topic,
        Interest::Glob(glob) => Glob::new(glob).unwrap().matches(&Subject::new(topic)),
    }
}

/// The index, and beside it what it should know.
#[derive(Default)]
struct Pair {
    index: Index<usize>,
    rows: BTreeMap<RowId, Row>,
    peers: Vec<(PeerKey, usize, BTreeSet<OwnedInterest>)>,
    joined: usize,
}

impl Pair {
    fn take(&mut self, step: Step) {
        match step {
            Step::Insert(row) => {
                assert!(self.index.insert([&row]).is_empty());
                self.rows.insert(row.id, row);
            }
            Step::Remove(id) => self.remove(id),
            Step::Reload(rows) => self.reload(rows),
            Step::Join => {
                let key = self.index.join(self.joined).unwrap();
                self.peers.push((key, self.joined, BTreeSet::new()));
                self.joined += 1;
            }
            Step::Leave(at) if at < self.peers.len() => self.leave(at),
            Step::Subscribe(at, interest) if at < self.peers.len() => self.subscribe(at, interest),
            Step::Unsubscribe(at, interest) if at < self.peers.len() => self.unsubscribe(at, &interest),
            Step::Find(topic) => self.find(&topic),
            Step::Leave(_) | Step::Subscribe(..) | Step::Unsubscribe(..) => {}
        }
        self.compare_numbers();
    }

    fn remove(&mut self, id: RowId) {
        let removed = self.index.remove(id);
        let expected = self.rows.remove(&id).map(|row| {
            let interest = OwnedInterest::from(row.interest().unwrap());
            (row.url, Some(interest).filter(|interest| self.wanted(interest) > 0))
        });
        assert_eq!(removed.map(|Removed { urls, of_peers }| (urls.receive.clone(), of_peers)), expected);
    }

    fn reload(&mut self, rows: Vec<Row>) {
        let reload = self.index.reload();
        self.index.insert(&rows);
        reload.finish();
        self.rows = rows.into_iter().map(|row| (row.id, row)).collect();
    }

    fn wanted(&self, interest: &OwnedInterest) -> usize {
        self.peers.iter().filter(|(_, _, wanted)| wanted.contains(interest)).count()
    }

    fn leave(&mut self, at: usize) {
        let (key, _, wanted) = self.peers.remove(at);
        let unwanted: BTreeSet<OwnedInterest> = self.index.leave(key).into_iter().collect();
        let expected = wanted.into_iter().filter(|interest| self.wanted(interest) == 0).collect();
        assert_eq!(unwanted, expected);
        assert_eq!(self.index.subscribe(key, Interest::Exact(b"late")).err(), self.gone(key));
    }

    /// A key may have been given again.
    fn gone(&self, key: PeerKey) -> Option<IndexError> {
        self.peers.iter().all(|(other, ..)| *other != key).then_some(IndexError::Gone)
    }

    fn subscribe(&mut self, at: usize, interest: OwnedInterest) {
        let before = self.wanted(&interest);
        let (key, _, wanted) = &mut self.peers[at];
        let expected = match (wanted.insert(interest.clone()), before) {
            (false, _) => Subscribed::Already,
            (true, 0) => Subscribed::First,
            (true, _) => Subscribed::Another,
        };
        assert_eq!(self.index.subscribe(*key, interest.borrowed()), Ok(expected));
    }

    fn unsubscribe(&mut self, at: usize, interest: &OwnedInterest) {
        let (key, _, wanted) = &mut self.peers[at];
        let (key, known) = (*key, wanted.remove(interest));
        let expected = match (known, self.wanted(interest)) {
            (false, _) => Unsubscribed::Unknown,
            (true, 0) => Unsubscribed::Last,
            (true, _) => Unsubscribed::OneOfMany,
        };
        assert_eq!(self.index.unsubscribe(key, interest.borrowed()), expected);
    }

    fn find(&self, topic: &[u8]) {
        let mut found = self.index.find(topic);
        found.targets.sort_by_key(|target| target.id);
        let matching = self.rows.values().filter(|row| wants(row.interest().unwrap(), topic));
        let expected: Vec<_> = matching.map(|row| (row.id, &row.url, &row.recovery)).collect();
        let targets = found.targets.iter().map(|target| (target.id, &target.urls.receive, &target.urls.recovery));
        assert_eq!(targets.collect::<Vec<_>>(), expected);
        let key_of = |peer: &usize| self.peers.iter().find(|(_, id, _)| id == peer).map(|(key, ..)| *key);
        assert_eq!(found.peers.iter().filter_map(key_of).collect::<Vec<_>>(), found.keys);
        found.peers.sort_unstable();
        let wanting =
            |wanted: &BTreeSet<OwnedInterest>| wanted.iter().any(|interest| wants(interest.borrowed(), topic));
        let peers: Vec<usize> =
            self.peers.iter().filter(|(.., wanted)| wanting(wanted)).map(|(_, id, _)| *id).collect();
        assert_eq!(found.peers, peers);
        for (key, id, wanted) in &self.peers {
            assert_eq!(self.index.wants(*key, topic), wanting(wanted).then_some(*id));
        }
    }

    fn compare_numbers(&self) {
        let of_rows = self.rows.values().map(|row| OwnedInterest::from(row.interest().unwrap()));
        let of_peers: BTreeSet<OwnedInterest> =
            self.peers.iter().flat_map(|(.., wanted)| wanted.iter().cloned()).collect();
        let urls: BTreeSet<_> = self.rows.values().map(|row| (&row.url, &row.recovery)).collect();
        let interests = of_rows.chain(of_peers.iter().cloned()).collect::<BTreeSet<_>>().len();
        let (rows, urls, peers) = (self.rows.len(), urls.len(), self.peers.len());
        assert_eq!(self.index.stats(), IndexStats { rows, urls, peers, interests });
        assert_eq!(self.index.wanted_by_peers().into_iter().collect::<BTreeSet<_>>(), of_peers);
    }
}

proptest! {
    #[test]
    fn it_finds_what_comparing_every_subscription_finds(steps in prop::collection::vec(step(), 0..60)) {
        let mut pair = Pair::default();
        steps.into_iter().for_each(|step| pair.take(step));
        for topic in [&b""[..], b"a", b"ab", b"a/b", b"ab/ab/b"] {
            pair.find(topic);
        }
    }
}

fn row_of(number: i64, interest: &OwnedInterest) -> Row {
    let id = RowId { kind: interest.borrowed().kind(), number };
    Row { id, url: "http://a/".into(), interest: interest.borrowed().as_bytes().into(), recovery: None }
}

#[test]
fn a_row_that_cannot_be_matched_is_told_and_the_others_are_there() {
    let index = Index::<()>::new();
    let glob = |text: &str| OwnedInterest::Glob(text.into());
    let (long, bad) =
        (row_of(1, &glob(&"a".repeat(60_000))), Row { interest: b"\xff".as_slice().into(), ..row_of(2, &glob("")) });
    let errors = index.insert([&long, &bad, &row_of(3, &glob("*"))]);
    assert_eq!(errors.iter().map(|(id, _)| id.number).collect::<Vec<_>>(), [1, 2]);
    assert!(matches!(errors[0].1, IndexError::Glob(_)) && matches!(errors[1].1, IndexError::NotText(_)));
    assert_eq!(index.find(b"x").targets.len(), 1);
    assert_eq!(index.stats().interests, 1);
}

#[test]
fn a_reload_that_is_given_up_leaves_all_rows() {
    let index = Index::<()>::new();
    index.insert([&row_of(1, &OwnedInterest::Exact(b"a".as_slice().into()))]);
    drop(index.reload());
    assert_eq!(index.stats().rows, 1);
    assert_eq!(index.reload().finish().len(), 1);
    assert_eq!(index.stats(), IndexStats::default());
}

#[test]
fn a_reload_that_another_has_overtaken_takes_nothing_out() {
    let index = Index::<()>::new();
    let row = row_of(1, &OwnedInterest::Exact(b"a".as_slice().into()));
    let first = index.reload();
    index.insert([&row]);
    let second = index.reload();
    assert_eq!((first.finish().len(), index.stats().rows), (0, 1), "the second has not read it yet");
    index.insert([&row]);
    assert_eq!((second.finish().len(), index.stats().rows), (0, 1));
}
