//! What was tried, and what could not be delivered.

use std::time::Duration;

use eventhive_webhook::store::{Attempt, AttemptFilter, Buried, DeadLetter, Endpoint, LettersOfUrl, Outcome, Store};

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
        letter.number = store.bury(&letter, ALL).await.unwrap().number;
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
        letter.number = store.bury(&letter, ALL).await.unwrap().number;
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
        store.bury(&letter(number * 1000), ALL).await.unwrap();
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

pub(crate) async fn a_url_has_so_many_dead_letters_and_its_oldest_go_first(place: Place) {
    let store = place.open().await;
    let others = DeadLetter { url: "http://other.example/".into(), ..letter(0) };
    let others = store.bury(&others, ALL).await.unwrap().number;
    let bury = async |number, keep| store.bury(&DeadLetter { url: URL.into(), ..letter(number) }, keep).await.unwrap();
    let keep = LettersOfUrl { letters: 3, bytes: 1000 };
    let mut buried = Vec::new();
    for number in 0..5 {
        let Buried { number, forgotten } = bury(number, keep).await;
        assert_eq!(forgotten, u64::from(buried.len() >= 3));
        buried.insert(0, number);
    }
    let kept = async |url| -> Vec<i64> {
        store.dead_letters(url, None, 100).await.unwrap().iter().map(|letter| letter.number).collect()
    };
    assert_eq!(kept(Some(URL)).await, buried[..3]);
    // A bound that has become narrower holds at once.
    let last = bury(5, LettersOfUrl { letters: 2, bytes: 1000 }).await;
    assert_eq!((kept(Some(URL)).await, last.forgotten), (vec![last.number, buried[0]], 2));
    assert_eq!(kept(None).await, [last.number, buried[0], others]);
}

/// Each has a body of three bytes.
pub(crate) async fn dead_letters_of_a_url_have_so_many_bytes_and_the_newest_is_kept(place: Place) {
    let store = place.open().await;
    let bury = async |body: Option<&[u8]>, bytes: u64| {
        let of_url = DeadLetter { url: URL.into(), body: body.map(Into::into), ..letter(0) };
        store.bury(&of_url, LettersOfUrl { letters: 100, bytes }).await.unwrap().forgotten
    };
    let count = async || store.dead_letters(Some(URL), None, 100).await.unwrap().len();
    let body = Some(&[1, 2, 3][..]);
    assert_eq!([bury(body, 8).await, bury(body, 8).await, bury(body, 8).await], [0, 0, 1]);
    assert_eq!(count().await, 2);
    // Of a body that was not kept there are no bytes.
    assert_eq!([bury(None, 6).await, bury(None, 6).await], [0, 0]);
    assert_eq!(count().await, 4);
    assert_eq!((bury(body, 2).await, count().await), (4, 1));
}

/// It may be kept as it is, or with something else in its place, but must not take others with it.
pub(crate) async fn a_nul_in_a_text_keeps_nothing_from_the_journal(place: Place) {
    let store = place.open().await;
    let (url, detail) = ("http://nul.example/\0", "it said \0");
    let kept = |text: &str, found: &str| found == text || found == text.replace('\0', "\u{fffd}");
    let strange = Attempt { url: url.into(), detail: detail.into(), ..attempt(1, Outcome::BadAnswer) };
    let page = [attempt(0, Outcome::TimedOut), strange, attempt(2, Outcome::TimedOut)];
    store.log(&page).await.unwrap();
    let found = attempts_of(&*store, AttemptFilter::default()).await;
    assert_eq!((&found[0], &found[2]), (&page[2], &page[0]));
    assert!(kept(url, &found[1].url) && kept(detail, &found[1].detail), "{:?}", found[1]);
    let strange = DeadLetter { url: url.into(), detail: detail.into(), ..letter(0) };
    let keep = LettersOfUrl { letters: 1, bytes: 1000 };
    assert_eq!(store.bury(&strange, keep).await.unwrap().forgotten, 0);
    let Buried { number, forgotten } = store.bury(&strange, keep).await.unwrap();
    assert_eq!(forgotten, 1);
    let found = store.dead_letter(number).await.unwrap().unwrap();
    assert!(kept(url, &found.url) && kept(detail, &found.detail), "{found:?}");
    let endpoint = Endpoint { url: URL.into(), failing_since: Some(1), reason: detail.into(), ..Endpoint::default() };
    store.remember(&endpoint).await.unwrap();
    let found = store.endpoint(URL).await.unwrap().unwrap();
    assert!(kept(detail, &found.reason), "{found:?}");
}

const URL: &str = "http://one.example/v1/receive";

/// A bound that nothing here reaches.
const ALL: LettersOfUrl = LettersOfUrl { letters: 1000, bytes: 1 << 30 };

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
