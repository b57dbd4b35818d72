//! Any sequence of calls, on a store and on a plain list.

use std::sync::Arc;

use eventhive_webhook::store::{Row, RowId, Store, Wanted};
use eventhive_webhook::wire::{Interest, InterestKind};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::place::Place;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Exact(Vec<u8>),
    Glob(String),
}

impl Wish {
    fn interest(&self) -> Interest<'_> {
        match self {
            Self::Exact(topic) => Interest::Exact(topic),
            Self::Glob(glob) => Interest::Glob(glob),
        }
    }
}

#[derive(Debug, Clone)]
enum Call {
    Insert(&'static str, Wish, Option<String>),
    Remove(&'static str, Wish),
    RemoveRow(prop::sample::Index),
    Replace(&'static str, Vec<(Wish, Option<String>)>),
    OfUrl(&'static str, Option<Wish>, usize),
    Page(usize),
}

/// Few, so that calls meet the same rows.
fn wishes() -> impl Strategy<Value = Wish> {
    prop_oneof![
        prop_oneof![
            Just(vec![]),
            Just(vec![0]),
            Just(vec![255]),
            Just(b"a".to_vec()),
            prop::collection::vec(any::<u8>(), 0..3)
        ]
        .prop_map(Wish::Exact),
        // PostgreSQL's text has no NUL.
        prop_oneof![Just(String::new()), Just("a*".to_owned()), Just("é".to_owned()), "[^\0]{0,2}"]
            .prop_map(Wish::Glob),
    ]
}

fn calls() -> impl Strategy<Value = Call> {
    let url = || prop_oneof![Just("http://a/"), Just("http://b/#'\"\\é"), Just("")];
    let recovery = || prop::option::of("[^\0]{0,3}");
    prop_oneof![
        4 => (url(), wishes(), recovery()).prop_map(|(url, wish, recovery)| Call::Insert(url, wish, recovery)),
        2 => (url(), wishes()).prop_map(|(url, wish)| Call::Remove(url, wish)),
        1 => any::<prop::sample::Index>().prop_map(Call::RemoveRow),
        2 => (url(), prop::collection::btree_map(wishes(), recovery(), 0..6))
            .prop_map(|(url, wanted)| Call::Replace(url, wanted.into_iter().collect())),
        2 => (url(), prop::option::of(wishes()), 1..5_usize).prop_map(|(url, after, limit)| Call::OfUrl(url, after, limit)),
        1 => (1..5_usize).prop_map(Call::Page),
    ]
}

pub(crate) async fn a_store_is_what_a_list_would_be(place: Place) {
    let store = place.open().await;
    let handle = tokio::runtime::Handle::current();
    let tests = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
        runner.run(&prop::collection::vec(calls(), 1..25), |calls| {
            handle.block_on(compare(Arc::clone(&store), calls));
            Ok(())
        })
    });
    tests.await.unwrap().unwrap();
}

async fn compare(store: Arc<dyn Store>, calls: Vec<Call>) {
    for row in all(&*store, 1000).await {
        assert!(store.remove_row(row.id).await.unwrap());
    }
    let mut list: Vec<Row> = Vec::new();
    for call in calls {
        one(&*store, &mut list, &call).await;
        for kind in [InterestKind::Exact, InterestKind::Glob] {
            let count = list.iter().filter(|row| row.id.kind == kind).count();
            assert_eq!(store.count(kind).await.unwrap(), u64::try_from(count).unwrap());
        }
    }
    list.sort_by_key(|row| row.id);
    assert_eq!(all(&*store, 2).await, list);
}

async fn one(store: &dyn Store, list: &mut Vec<Row>, call: &Call) {
    match call {
        Call::Insert(url, wish, recovery) => insert(store, list, url, wish, recovery.as_deref()).await,
        Call::Remove(url, wish) => {
            let place = position(list, url, wish);
            let removed = store.remove(url, wish.interest()).await.unwrap();
            assert_eq!(removed, place.map(|place| list.remove(place).id));
        }
        Call::RemoveRow(index) => {
            if !list.is_empty() {
                let row = list.remove(index.index(list.len()));
                assert!(store.remove_row(row.id).await.unwrap());
                assert!(!store.remove_row(row.id).await.unwrap());
            }
        }
        Call::Replace(url, wanted) => replace(store, list, url, wanted).await,
        Call::OfUrl(url, after, limit) => {
            let found = store.of_url(url, after.as_ref().map(Wish::interest), *limit).await.unwrap();
            let mut expected: Vec<Row> = list.iter().filter(|row| &*row.url == *url).cloned().collect();
            expected.sort_by(|a, b| a.interest().cmp(&b.interest()));
            expected.retain(|row| after.as_ref().is_none_or(|after| row.interest() > Some(after.interest())));
            expected.truncate(*limit);
            assert_eq!(found, expected);
        }
        Call::Page(limit) => {
            list.sort_by_key(|row| row.id);
            assert_eq!(all(store, *limit).await, *list);
        }
    }
}

async fn insert(store: &dyn Store, list: &mut Vec<Row>, url: &str, wish: &Wish, recovery: Option<&str>) {
    let id = store.insert(url, wish.interest(), recovery).await.unwrap();
    assert_eq!(id.is_none(), position(list, url, wish).is_some());
    if let Some(id) = id {
        assert!(list.iter().all(|row| row.id != id));
        list.push(row(id, url, wish, recovery));
    }
}

async fn replace(store: &dyn Store, list: &mut Vec<Row>, url: &str, wanted: &[(Wish, Option<String>)]) {
    let asked: Vec<_> = wanted
        .iter()
        .map(|(wish, recovery)| Wanted { interest: wish.interest(), recovery: recovery.as_deref() })
        .collect();
    let mut changed = store.replace(url, &asked).await.unwrap();
    let before: Vec<Row> = list.iter().filter(|row| &*row.url == url).cloned().collect();
    list.retain(|row| &*row.url != url);
    let after = store.of_url(url, None, 1000).await.unwrap();
    for ((wish, recovery), found) in wanted.iter().zip(&after) {
        assert_eq!(*found, row(found.id, url, wish, recovery.as_deref()));
        if let Some(old) = before.iter().find(|old| old.interest() == found.interest()) {
            assert_eq!(old.id, found.id);
        }
    }
    assert_eq!(after.len(), wanted.len());
    let gone = before.iter().filter(|row| !after.contains(row)).map(|row| row.id);
    let came = after.iter().filter(|row| !before.contains(row)).map(|row| row.id);
    let mut expected: Vec<RowId> = gone.chain(came).collect();
    expected.sort();
    expected.dedup();
    changed.sort();
    assert_eq!(changed, expected);
    list.extend(after);
}

fn row(id: RowId, url: &str, wish: &Wish, recovery: Option<&str>) -> Row {
    Row { id, url: url.into(), interest: wish.interest().as_bytes().into(), recovery: recovery.map(Into::into) }
}

fn position(list: &[Row], url: &str, wish: &Wish) -> Option<usize> {
    list.iter().position(|row| &*row.url == url && row.interest() == Some(wish.interest()))
}

/// All rows, by pages.
async fn all(store: &dyn Store, limit: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = store.page(rows.last().map(|row| row.id), limit).await.unwrap();
        let is_last = page.len() < limit;
        assert!(page.len() <= limit);
        rows.extend(page);
        if is_last {
            return rows;
        }
    }
}
