//! A file of the original broadcaster, which goes on using it.

use eventhive_webhook::store::{Settled, Store, open};
use eventhive_webhook::wire::Interest;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::changes::tells;
use crate::place::patient;

/// A file as the original made it.
const FILE: &str = include_str!("original.sql");

/// How the original stores a subscription.
const SUBSCRIBE: &str = "INSERT INTO httppubsub_subscription_exacts (url, exact, missed_url, missed_lock_id, \
     missed_lock_expires_at, missed_attempts, missed_next_retry_at) SELECT ?, ?, ?, NULL, NULL, NULL, NULL \
     WHERE NOT EXISTS (SELECT 1 FROM httppubsub_subscription_exacts AS hse WHERE hse.url = ? AND hse.exact = ?)";
const UNSUBSCRIBE: &str = "DELETE FROM httppubsub_subscription_globs WHERE url = ? AND glob = ?";
const MISS: &str = "UPDATE httppubsub_subscription_exacts SET missed_url = ?, missed_attempts = ?, \
     missed_next_retry_at = ?, missed_lock_id = NULL, missed_lock_expires_at = NULL WHERE url = ? AND exact = ?";
const SUBSCRIBERS: &str = "SELECT url, missed_url FROM httppubsub_subscription_exacts WHERE exact = ?";
const DUE: &str = "SELECT count(*) FROM httppubsub_subscription_exacts WHERE missed_next_retry_at IS NOT NULL \
     AND missed_next_retry_at <= ? AND (missed_lock_expires_at IS NULL OR missed_lock_expires_at < ?)";

const ONE: &str = "http://one.example/v1/receive";
const TWO: &str = "http://two.example/v1/receive";

#[tokio::test]
async fn the_original_and_a_store_use_a_file_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("subscriptions.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut original = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(FILE).execute(&mut original).await.unwrap();

    // It opens what is there, while the original has it open.
    let store = open(&format!("sqlite:{}", path.display()), &patient()).await.unwrap();
    let rows = store.page(None, 10).await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (&*row.url, row.interest().unwrap(), row.recovery.as_deref())).collect();
    assert_eq!(
        found,
        [
            (ONE, Interest::Exact(b"news"), Some("http://one.example/v1/recover")),
            (TWO, Interest::Exact(b"\xff\x00"), None),
            (ONE, Interest::Glob("new*"), None),
        ]
    );

    // What the original does is told, and is no other subscription for the store.
    let mut changes = store.changes().await.unwrap();
    let added = sqlx::query(SUBSCRIBE).bind(TWO).bind(&b"news"[..]).bind(None::<&str>).bind(TWO).bind(&b"news"[..]);
    assert_eq!(added.execute(&mut original).await.unwrap().rows_affected(), 1);
    let ids: Vec<_> = store.of_url(TWO, None, 10).await.unwrap().iter().map(|row| row.id).collect();
    tells(&mut *changes, &ids[..1]).await;
    assert_eq!(store.insert(TWO, Interest::Exact(b"news"), None).await.unwrap(), None);
    let removed = sqlx::query(UNSUBSCRIBE).bind(ONE).bind("new*").execute(&mut original).await.unwrap();
    assert_eq!(removed.rows_affected(), 1);
    tells(&mut *changes, &[rows[2].id]).await;

    // And the other way round.
    store.insert("http://three.example/", Interest::Exact(b"news"), None).await.unwrap().unwrap();
    let news: Vec<(String, Option<String>)> =
        sqlx::query_as(SUBSCRIBERS).bind(&b"news"[..]).fetch_all(&mut original).await.unwrap();
    assert_eq!(news.len(), 3);
    let again = sqlx::query(SUBSCRIBE).bind(ONE).bind(&b"news"[..]).bind(None::<&str>).bind(ONE).bind(&b"news"[..]);
    assert_eq!(again.execute(&mut original).await.unwrap().rows_affected(), 0);

    missed(&*store, &mut original).await;
}

/// A MISSED that one of them has taken is left alone by the other.
async fn missed(store: &dyn Store, original: &mut SqliteConnection) {
    let noted = sqlx::query(MISS).bind("http://one.example/v1/recover").bind(0).bind(100).bind(ONE).bind(&b"news"[..]);
    noted.execute(&mut *original).await.unwrap();
    let due = store.due(100).await.unwrap().unwrap();
    assert_eq!((&*due.row.url, &*due.topic, due.attempts), (ONE, &b"news"[..], 0));
    let left: i64 = sqlx::query_scalar(DUE).bind(110).bind(110).fetch_one(&mut *original).await.unwrap();
    assert_eq!(left, 0);
    store.settle(due.lock, Settled::Later { attempts: 1, retry_at: 105 }).await.unwrap();
    let left: i64 = sqlx::query_scalar(DUE).bind(110).bind(110).fetch_one(&mut *original).await.unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_number_that_the_original_gives_again_is_another_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("subscriptions.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut original = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(FILE).execute(&mut original).await.unwrap();
    let store = open(&format!("sqlite:{}", path.display()), &patient()).await.unwrap();
    let last = store.remove(TWO, Interest::Exact(b"\xff\x00")).await.unwrap().unwrap();
    let added = sqlx::query(SUBSCRIBE).bind(TWO).bind(&b"other"[..]).bind(None::<&str>).bind(TWO).bind(&b"other"[..]);
    added.execute(&mut original).await.unwrap();
    assert!(!store.remove_row(last).await.unwrap());
    let row = store.of_url(TWO, None, 10).await.unwrap().remove(0);
    assert!(row.id > last);
    // A number that somebody chose, which is gone and has others behind it.
    sqlx::raw_sql("DELETE FROM httppubsub_subscription_exacts WHERE id = 1").execute(&mut original).await.unwrap();
    let chosen = "INSERT INTO httppubsub_subscription_exacts (id, url, exact) VALUES (1, 'http://chosen/', x'00')";
    sqlx::raw_sql(chosen).execute(&mut original).await.unwrap();
    assert_eq!(store.page(None, 10).await.unwrap().len(), 3);
    // REPLACE runs no trigger for what it deletes, and is noticed all the same.
    let mut changes = store.changes().await.unwrap();
    let replace = "REPLACE INTO httppubsub_subscription_exacts (url, exact) VALUES ('http://two.example/v1/receive', x'6f74686572')";
    sqlx::raw_sql(replace).execute(&mut original).await.unwrap();
    let replaced = store.of_url(TWO, None, 10).await.unwrap().remove(0);
    assert_ne!(replaced.id, row.id);
    tells(&mut *changes, &[row.id, replaced.id]).await;
}
