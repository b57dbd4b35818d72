//! Who wants what.

use eventhive_webhook::store::{Row, Store, StoreError, Wanted};
use eventhive_webhook::wire::{Interest, InterestKind};

use crate::place::Place;

const URL: &str = "http://one.example/v1/receive";
const RECOVERY: &str = "http://one.example/v1/recover";

pub(crate) async fn a_subscription_is_there_once(place: Place) {
    let store = place.open().await;
    for interest in [Interest::Exact(b"news\x00\xff"), Interest::Glob("new*")] {
        let id = store.insert(URL, interest, Some(RECOVERY)).await.unwrap().unwrap();
        assert_eq!(id.kind, interest.kind());
        assert_eq!(store.insert(URL, interest, None).await.unwrap(), None);
        let rows = store.rows(&[id]).await.unwrap();
        assert_eq!(
            rows,
            [Row { id, url: URL.into(), interest: interest.as_bytes().into(), recovery: Some(RECOVERY.into()) }]
        );
        assert_eq!(store.count(interest.kind()).await.unwrap(), 1);
        assert_eq!(store.remove(URL, interest).await.unwrap(), Some(id));
        assert_eq!(store.remove(URL, interest).await.unwrap(), None);
        assert_eq!(store.rows(&[id]).await.unwrap(), []);
        assert_eq!(store.count(interest.kind()).await.unwrap(), 0);
    }
}

pub(crate) async fn an_empty_url_and_an_empty_topic_are_as_good_as_others(place: Place) {
    let store = place.open().await;
    for interest in [Interest::Exact(b""), Interest::Glob("")] {
        let id = store.insert("", interest, Some("")).await.unwrap().unwrap();
        let row = store.rows(&[id]).await.unwrap().remove(0);
        assert_eq!((&*row.url, &*row.interest, row.recovery.as_deref()), ("", &b""[..], Some("")));
    }
    assert_eq!(all(&*store, "").await.len(), 2);
}

pub(crate) async fn the_largest_url_topic_and_pattern_fit(place: Place) {
    let store = place.open().await;
    // Of random letters, because databases compress what repeats before they find it too long.
    let random = |length: usize| -> String { (0..length).map(|_| fastrand::alphanumeric()).collect() };
    let (url, glob) = (random(65535), random(65535));
    let topic: Vec<u8> = (0..65535).map(|_| fastrand::u8(..)).collect();
    let wanted = [Interest::Exact(&topic), Interest::Glob(&glob)];
    for interest in wanted {
        store.insert(&url, interest, Some(&url)).await.unwrap().unwrap();
        assert_eq!(store.insert(&url, interest, None).await.unwrap(), None);
    }
    let rows = all(&*store, &url).await;
    assert_eq!(rows.iter().map(|row| row.interest().unwrap()).collect::<Vec<_>>(), wanted);
    let same = wanted.map(|interest| Wanted { interest, recovery: Some(&*url) });
    assert_eq!(store.replace(&url, &same).await.unwrap(), []);
    for interest in wanted {
        store.remove(&url, interest).await.unwrap().unwrap();
    }
}

pub(crate) async fn a_row_that_came_later_is_not_removed_by_the_number_of_an_earlier_one(place: Place) {
    let store = place.open().await;
    for interest in [Interest::Exact(b"a"), Interest::Glob("a")] {
        let first = store.insert(URL, interest, None).await.unwrap().unwrap();
        store.remove(URL, interest).await.unwrap().unwrap();
        let second = store.insert(URL, interest, None).await.unwrap().unwrap();
        assert!(!store.remove_row(first).await.unwrap());
        assert!(store.remove_row(second).await.unwrap());
        assert!(!store.remove_row(second).await.unwrap());
    }
}

pub(crate) async fn a_replacement_keeps_numbers_and_corrects_recovery_urls(place: Place) {
    let store = place.open().await;
    let stays = store.insert(URL, Interest::Exact(b"stays"), Some(RECOVERY)).await.unwrap().unwrap();
    let corrected = store.insert(URL, Interest::Exact(b"corrected"), Some(RECOVERY)).await.unwrap().unwrap();
    let goes = store.insert(URL, Interest::Glob("goes*"), None).await.unwrap().unwrap();
    let wanted = [
        Wanted { interest: Interest::Exact(b"corrected"), recovery: None },
        Wanted { interest: Interest::Exact(b"stays"), recovery: Some(RECOVERY) },
        Wanted { interest: Interest::Glob("comes\u{e9}'\"\\"), recovery: Some("http://\u{e9}/\"\\") },
    ];
    let mut changed = store.replace(URL, &wanted).await.unwrap();
    let rows = all(&*store, URL).await;
    let found: Vec<_> = rows
        .iter()
        .map(|row| Wanted { interest: row.interest().unwrap(), recovery: row.recovery.as_deref() })
        .collect();
    assert_eq!(found, wanted);
    assert_eq!([rows[0].id, rows[1].id], [corrected, stays]);
    changed.sort();
    let mut expected = vec![corrected, goes, rows[2].id];
    expected.sort();
    assert_eq!(changed, expected);
    assert_eq!(store.replace(URL, &wanted).await.unwrap(), []);
    assert_eq!(store.replace(URL, &[]).await.unwrap().len(), 3);
    assert_eq!(all(&*store, URL).await, []);
}

pub(crate) async fn a_replacement_of_one_url_leaves_others_alone(place: Place) {
    let store = place.open().await;
    let other = format!("{URL}#2");
    store.insert(&other, Interest::Exact(b"a"), Some(RECOVERY)).await.unwrap().unwrap();
    store.insert(&other, Interest::Glob("a*"), None).await.unwrap().unwrap();
    let before = all(&*store, &other).await;
    let wanted = [Wanted { interest: Interest::Exact(b"a"), recovery: None }];
    store.replace(URL, &wanted).await.unwrap();
    store.replace(URL, &[]).await.unwrap();
    assert_eq!(all(&*store, &other).await, before);
}

pub(crate) async fn replacements_at_the_same_time_leave_the_result_of_one(place: Place) {
    let stores = [place.open().await, place.open().await];
    for round in 0..10 {
        let names: Vec<[String; 20]> =
            (0..6).map(|who| std::array::from_fn(|number| format!("{round:02} {who} {number:02}"))).collect();
        let replace = |who: usize| {
            let (store, names) = (&stores[who % 2], &names[who]);
            async move {
                let wanted: Vec<_> = names
                    .iter()
                    .map(|name| Wanted { interest: Interest::Exact(name.as_bytes()), recovery: None })
                    .collect();
                store.replace(URL, &wanted).await.unwrap();
            }
        };
        futures_util::future::join_all((0..6).map(replace)).await;
        let rows = all(&*stores[0], URL).await;
        let found: Vec<_> = rows.iter().map(|row| String::from_utf8(row.interest.to_vec()).unwrap()).collect();
        assert!(names.iter().any(|names| names[..] == found[..]), "a mixture: {found:?}");
    }
}

pub(crate) async fn pages_of_a_url_are_sorted_bytewise(place: Place) {
    let store = place.open().await;
    let mut topics: Vec<&[u8]> = vec![b"\xff", b"", b"a\0", b"B", b"\x80\x00", b"a", b"\xc3\xa9", b"aa", b"\0"];
    let mut globs = vec!["z", "A", "a", "\u{e9}", "\u{10000}", "\u{ffff}", "[", "aa", ""];
    for topic in &topics {
        store.insert(URL, Interest::Exact(topic), None).await.unwrap().unwrap();
    }
    for glob in &globs {
        store.insert(URL, Interest::Glob(glob), None).await.unwrap().unwrap();
    }
    topics.sort_unstable();
    globs.sort_unstable();
    let expected: Vec<_> =
        topics.into_iter().map(Interest::Exact).chain(globs.into_iter().map(Interest::Glob)).collect();
    for limit in [1, 2, 7, 100] {
        let mut found: Vec<Row> = Vec::new();
        loop {
            let after = found.last().cloned();
            let page = store.of_url(URL, after.as_ref().and_then(Row::interest), limit).await.unwrap();
            let is_last = page.len() < limit;
            assert!(page.len() <= limit);
            found.extend(page);
            if is_last {
                break;
            }
        }
        assert_eq!(found.iter().map(|row| row.interest().unwrap()).collect::<Vec<_>>(), expected);
    }
}

pub(crate) async fn text_with_a_nul_is_kept_or_refused(place: Place) {
    let store = place.open().await;
    match store.insert("http://nul.example/\0", Interest::Glob("a\0b"), Some("\0")).await {
        Ok(id) => {
            let row = store.rows(&[id.unwrap()]).await.unwrap().remove(0);
            assert_eq!(&*row.interest, b"a\0b");
        }
        Err(StoreError::Unfit { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let wanted = [Wanted { interest: Interest::Glob("a\0b"), recovery: Some("c\0d") }];
    match store.replace(URL, &wanted).await {
        Ok(changed) => {
            let row = store.rows(&changed).await.unwrap().remove(0);
            assert_eq!((row.interest(), row.recovery.as_deref()), (Some(Interest::Glob("a\0b")), Some("c\0d")));
            assert_eq!(store.replace(URL, &wanted).await.unwrap(), []);
        }
        Err(StoreError::Unfit { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    store.insert(URL, Interest::Glob("after"), None).await.unwrap().unwrap();
    assert!(store.count(InterestKind::Glob).await.unwrap() >= 1);
}

/// All subscriptions of a url.
async fn all(store: &dyn Store, url: &str) -> Vec<Row> {
    store.of_url(url, None, usize::MAX).await.unwrap()
}
