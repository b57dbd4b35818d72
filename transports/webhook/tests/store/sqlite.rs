//! What SQLite does that others don't.

use std::time::Duration;

use eventhive_webhook::store::{Change, Options, StoreError, Wanted, open};
use eventhive_webhook::wire::{Interest, InterestKind};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::changes::tells;
use crate::place::{PATIENCE, Place, patient, sqlite_file};

const URL: &str = "http://one.example/v1/receive";

#[tokio::test]
async fn a_file_that_is_locked_for_long_is_unavailable() {
    let place = sqlite_file().await;
    let options = Options::default().patience(Duration::from_millis(200));
    let store = open(place.address(), &options).await.unwrap();
    let mut shell = shell(&place).await;
    let transaction = shell.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.insert(URL, Interest::Exact(b"late"), None).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let refused = store.accept(&[1; 64], 1).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    // Who reads waits for nobody.
    assert_eq!(store.page(None, 10).await.unwrap(), []);
    transaction.rollback().await.unwrap();
    store.insert(URL, Interest::Exact(b"again"), None).await.unwrap().unwrap();
    assert!(store.accept(&[1; 64], 1).await.unwrap());
}

#[tokio::test]
async fn a_person_with_sql_is_noticed() {
    let place = sqlite_file().await;
    let store = place.open().await;
    let mut changes = store.changes().await.unwrap();
    let mut shell = shell(&place).await;
    // As somebody types it: text, where topics are bytes.
    let sql = "INSERT INTO httppubsub_subscription_exacts (url, exact) VALUES ('http://shell/', 'news')";
    sqlx::query(sql).execute(&mut shell).await.unwrap();
    let row = store.of_url("http://shell/", None, 10).await.unwrap().remove(0);
    assert_eq!(&*row.interest, b"news");
    tells(&mut *changes, &[row.id]).await;
    assert_eq!(store.insert("http://shell/", Interest::Exact(b"news"), None).await.unwrap(), None);
    let sql = "UPDATE httppubsub_subscription_exacts SET exact = 'others'";
    sqlx::query(sql).execute(&mut shell).await.unwrap();
    tells(&mut *changes, &[row.id]).await;
    assert_eq!(store.remove("http://shell/", Interest::Exact(b"others")).await.unwrap(), Some(row.id));
}

#[tokio::test]
async fn who_is_too_slow_is_told_everything() {
    let place = sqlite_file().await;
    let store = place.open().await;
    let mut slow = store.changes().await.unwrap();
    let topics: Vec<String> = (0..40_000).map(|number| format!("{number:06}")).collect();
    let wanted: Vec<_> =
        topics.iter().map(|topic| Wanted { interest: Interest::Exact(topic.as_bytes()), recovery: None }).collect();
    store.replace(URL, &wanted).await.unwrap();
    store.replace(URL, &[]).await.unwrap();
    assert_eq!(timeout(PATIENCE, slow.next()).await.unwrap().unwrap(), Change::Everything);
    let mut shell = shell(&place).await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM webhook_changes").fetch_one(&mut shell).await.unwrap();
    assert_eq!(kept, 65536);
    let id = store.insert(URL, Interest::Glob("*"), None).await.unwrap().unwrap();
    tells(&mut *slow, &[id]).await;
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let place = sqlite_file().await;
    place.open().await.close().await;
    let mut shell = shell(&place).await;
    sqlx::query("INSERT INTO webhook_migrations VALUES (1000, 'tomorrow')").execute(&mut shell).await.unwrap();
    let Err(error) = open(place.address(), &patient()).await else { panic!("it was opened") };
    assert!(matches!(&error, StoreError::Address { problem, .. } if problem.contains("1000")), "{error}");
}

#[tokio::test]
async fn a_file_that_is_none_of_sqlite_is_damaged_and_a_folder_that_is_not_there_an_address() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("text.db");
    std::fs::write(&path, "not a database, ".repeat(100)).unwrap();
    let Err(error) = open(&format!("sqlite:{}", path.display()), &patient()).await else { panic!("it was opened") };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    let path = folder.path().join("nowhere/subscriptions.db");
    let Err(error) = open(&format!("sqlite:{}", path.display()), &patient()).await else { panic!("it was opened") };
    assert!(matches!(error, StoreError::Address { .. }), "{error}");
    for address in ["sqlite:", "mysql://me:secret@host/", "subscriptions.db"] {
        let Err(error) = open(address, &patient()).await else { panic!("it was opened") };
        assert!(matches!(error, StoreError::Address { .. }) && !error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_row_of_another_type_does_not_take_the_others_with_it() {
    let place = sqlite_file().await;
    let store = place.open().await;
    let good = store.insert(URL, Interest::Glob("good*"), None).await.unwrap().unwrap();
    let mut shell = shell(&place).await;
    for values in ["(7, 'http://a/', CAST(x'ff' AS TEXT), NULL)", "(8, x'687474703a2f2f622f', x'612a', x'63')"] {
        let sql = format!("INSERT INTO httppubsub_subscription_globs (id, url, glob, missed_url) VALUES {values}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut shell).await.unwrap();
    }
    let rows = store.page(None, 10).await.unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.id.number).collect();
    assert_eq!(ids, [good.number, 7, 8]);
    // What is no pattern wants nothing; what can be read as one is one.
    assert_eq!(rows[1].interest(), None);
    assert_eq!((&*rows[2].url, rows[2].interest()), ("http://b/", Some(Interest::Glob("a*"))));
    assert_eq!(rows[2].recovery.as_deref(), Some("c"));
    for row in &rows[1..] {
        assert!(store.remove_row(row.id).await.unwrap());
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_closing() {
    let place = sqlite_file().await;
    let store = place.open().await;
    let inserts = (0..200_u8).map(|number| {
        let store = &store;
        async move { store.insert(URL, Interest::Exact(&[number]), None).await.unwrap().unwrap() }
    });
    futures_util::future::join_all(inserts).await;
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.count(InterestKind::Exact).await.unwrap(), 200);
    // A file of one piece: its log was taken in.
    store.close().await;
    let path = place.address().strip_prefix("sqlite:").unwrap();
    assert!(!std::fs::exists(format!("{path}-wal")).unwrap());
}

#[tokio::test]
async fn who_closes_a_store_that_is_closing_waits_for_its_end() {
    let place = sqlite_file().await;
    let store = place.open().await;
    store.insert(URL, Interest::Exact(b"a"), None).await.unwrap().unwrap();
    let log = format!("{}-wal", place.address().strip_prefix("sqlite:").unwrap());
    assert!(std::fs::exists(&log).unwrap());
    let second = async {
        store.close().await;
        assert!(!std::fs::exists(&log).unwrap());
    };
    tokio::join!(store.close(), second);
    // And who goes on where another has stopped.
    let store = place.open().await;
    store.insert(URL, Interest::Exact(b"b"), None).await.unwrap().unwrap();
    assert!(futures_util::FutureExt::now_or_never(store.close()).is_none());
    store.close().await;
    assert!(!std::fs::exists(&log).unwrap());
}

#[tokio::test]
async fn who_came_late_is_not_refused_with_those_who_came_early() {
    let place = sqlite_file().await;
    let patience = Duration::from_secs(1);
    let store = open(place.address(), &Options::default().patience(patience)).await.unwrap();
    let mut shell = shell(&place).await;
    let transaction = shell.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let early = async {
        let refused = store.insert(URL, Interest::Exact(b"early"), None).await;
        transaction.rollback().await.unwrap();
        refused
    };
    let late = async {
        tokio::time::sleep(patience / 2).await;
        store.insert(URL, Interest::Exact(b"late"), None).await
    };
    let (early, late) = tokio::join!(early, late);
    assert!(matches!(early, Err(StoreError::Unavailable { .. })), "{early:?}");
    late.unwrap().unwrap();
}

#[tokio::test]
async fn a_store_that_nobody_has_any_more_lets_go_of_its_file() {
    let place = sqlite_file().await;
    let store = place.open().await;
    let changes = store.changes().await.unwrap();
    store.insert(URL, Interest::Exact(b"a"), None).await.unwrap().unwrap();
    let log = format!("{}-wal", place.address().strip_prefix("sqlite:").unwrap());
    assert!(std::fs::exists(&log).unwrap());
    drop((store, changes));
    let gone = async {
        while std::fs::exists(&log).unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the last connection closes, and takes the log with it");
}

#[tokio::test]
async fn an_address_may_have_slashes() {
    let place = sqlite_file().await;
    let path = place.address().strip_prefix("sqlite:").unwrap();
    let store = open(&format!("sqlite://{path}"), &patient()).await.unwrap();
    store.insert(URL, Interest::Exact(b"a"), None).await.unwrap().unwrap();
    assert_eq!(place.open().await.page(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_burst_that_meets_a_lock_fails_as_a_whole() {
    let place = sqlite_file().await;
    let options = Options::default().patience(Duration::from_millis(200));
    let store = open(place.address(), &options).await.unwrap();
    let mut shell = shell(&place).await;
    let transaction = shell.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let inserts = (0..300_u16).map(|number| {
        let store = &store;
        async move { store.insert(URL, Interest::Exact(&number.to_be_bytes()), None).await }
    });
    let answers = timeout(PATIENCE, futures_util::future::join_all(inserts)).await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable { .. }))));
    transaction.rollback().await.unwrap();
    assert_eq!(store.count(InterestKind::Exact).await.unwrap(), 0);
}

async fn shell(place: &Place) -> SqliteConnection {
    let path = place.address().strip_prefix("sqlite:").unwrap();
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}
