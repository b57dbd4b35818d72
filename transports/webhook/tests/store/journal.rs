//! What was tried, and what could not be delivered.

use std::time::Duration;

use eventhive_webhook::store::{Attempt, AttemptFilter, DeadLetter, Outcome, Store};

use crate::place::Place;

pub(crate) async fn attempts_come_newest_first_and_as_they_were(place: Place) {
    let store = place.open().await;
    let attempts: Vec<Attempt> =
        Outcome::ALL.into_iter().zip(0..).map(|(outcome, number)| attempt(number, outcome)).collect();
    store.log(&[]).await.unwrap();
    store.log(&attempts[..4]).await.unwrap();
    store.log(&attempts[4..]).await.unwrap();
    let mut found = attempts_of(&*store, AttemptFilter::default()).await;
    found.reverse();
    assert_eq!(found, attempts);
}

pub(crate) async fn attempts_are_filtered(place: Place) {
    let store = place.open().await;
    let outcomes = [Outcome::Confirmed, Outcome::TimedOut, Outcome::Confirmed, Outcome::TimedOut];
    let attempts: Vec<Attempt> =
        outcomes.into_iter().zip(0..).map(|(outcome, number)| attempt(number, outcome)).collect();
    store.log(&attempts).await.unwrap();
    let numbers = async |filter: AttemptFilter| -> Vec<u64> {
        attempts_of(&*store, filter).await.iter().map(|attempt| attempt.at_ms - START).collect()
    };
    let url = Some("http://1.example/".into());
    assert_eq!(numbers(AttemptFilter { url, ..Default::default() }).await, [1]);
    let outcome = Some(Outcome::TimedOut);
    assert_eq!(numbers(AttemptFilter { outcome, ..Default::default() }).await, [3, 1]);
    let since_ms = Some(START + 1);
    assert_eq!(numbers(AttemptFilter { outcome: Some(Outcome::Confirmed), since_ms, ..Default::default() }).await, [2]);
    assert_eq!(store.attempts(&AttemptFilter { limit: 1, ..Default::default() }).await.unwrap().len(), 1);
}

pub(crate) async fn a_dead_letter_comes_back_whole(place: Place) {
    let store = place.open().await;
    let body: Vec<u8> = (0..300_000).map(|_| fastrand::u8(..)).collect();
    for body in [Some(body.into_boxed_slice()), Some(Box::default()), None] {
        let mut letter = DeadLetter { body, ..letter(5) };
        letter.number = store.bury(&letter).await.unwrap();
        assert_eq!(store.dead_letter(letter.number).await.unwrap().unwrap(), letter);
        assert!(store.unbury(letter.number).await.unwrap());
        assert!(!store.unbury(letter.number).await.unwrap());
        assert_eq!(store.dead_letter(letter.number).await.unwrap(), None);
    }
}

pub(crate) async fn dead_letters_are_listed_without_their_bodies(place: Place) {
    let store = place.open().await;
    let mut letters = Vec::new();
    for number in 0..5 {
        let mut letter = letter(number);
        letter.number = store.bury(&letter).await.unwrap();
        letters.insert(0, DeadLetter { body: None, ..letter });
    }
    assert_eq!(store.dead_letters(None, None, 10).await.unwrap(), letters);
    assert_eq!(store.dead_letters(None, None, 2).await.unwrap(), letters[..2]);
    assert_eq!(store.dead_letters(None, Some(letters[1].number), 2).await.unwrap(), letters[2..4]);
    assert_eq!(store.dead_letters(Some("http://2.example/"), None, 10).await.unwrap(), letters[2..3]);
    assert_eq!(store.dead_letters(Some("http://9.example/"), None, 10).await.unwrap(), []);
}

pub(crate) async fn trimming_keeps_the_newest(place: Place) {
    let store = place.open().await;
    let attempts: Vec<Attempt> = (0..10).map(|number| attempt(number * 1000, Outcome::Confirmed)).collect();
    store.log(&attempts).await.unwrap();
    for number in 0..10 {
        store.bury(&letter(number * 1000)).await.unwrap();
    }
    // Times are whole seconds here: two of each are older.
    assert_eq!(store.trim(START / 1000 + 2, 100, 100).await.unwrap(), 4);
    assert_eq!(store.trim(0, 8, 8).await.unwrap(), 0);
    assert_eq!(store.trim(0, 3, 5).await.unwrap(), 5 + 3);
    assert_eq!(attempts_of(&*store, AttemptFilter::default()).await.len(), 3);
    assert_eq!(attempts_of(&*store, AttemptFilter::default()).await[0], attempts[9]);
    assert_eq!(store.dead_letters(None, None, 100).await.unwrap().len(), 5);
    assert_eq!(store.trim(0, 0, 0).await.unwrap(), 8);
}

/// Milliseconds since the epoch.
const START: u64 = 1_700_000_000_000;

fn attempt(number: u64, outcome: Outcome) -> Attempt {
    Attempt {
        at_ms: START + number,
        receive: number.is_multiple_of(2),
        url: format!("http://{number}.example/").into(),
        topic: vec![0, 255, 10].into(),
        identifier: vec![1, 2].into(),
        outcome,
        detail: "it's \"that\"".into(),
        status: number.is_multiple_of(3).then_some(503),
        took: Duration::from_micros(1_234_567),
        bytes: u64::from(u32::MAX) * 4,
    }
}

fn letter(number: u64) -> DeadLetter {
    DeadLetter {
        number: 0,
        at_ms: START + number,
        url: format!("http://{number}.example/").into(),
        topic: vec![0, 255].into(),
        outcome: Outcome::Unreachable,
        detail: "".into(),
        sha512: [7; 64],
        bytes: 3,
        body: Some(vec![0, 1, 255].into()),
    }
}

async fn attempts_of(store: &dyn Store, filter: AttemptFilter) -> Vec<Attempt> {
    store.attempts(&AttemptFilter { limit: 1000, ..filter }).await.unwrap()
}
