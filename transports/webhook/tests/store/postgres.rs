//! What PostgreSQL does that others don't.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use eventhive_webhook::store::{Change, Options, Store, StoreError, open};
use eventhive_webhook::wire::Interest;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use crate::changes::tells;
use crate::place::{PATIENCE, Place, patient};
use crate::postgres_server::PostgresServer;

const URL: &str = "http://one.example/v1/receive";

/// A database of the test's own, on the server that all share.
pub(crate) async fn place() -> Place {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    let address = tokio::task::spawn_blocking(|| {
        let server = SERVER.get_or_init(PostgresServer::start);
        server.address(&server.database())
    });
    Place::at(address.await.unwrap(), ())
}

#[tokio::test]
async fn a_server_that_was_restarted_is_told_as_lost_and_then_as_everything() {
    let mut server = PostgresServer::start();
    let address = server.address("postgres");
    let store = open(&address, &Options::default()).await.unwrap();
    let mut changes = store.changes().await.unwrap();
    let before = store.insert(URL, Interest::Exact(b"before"), None).await.unwrap().unwrap();
    tells(&mut *changes, &[before]).await;
    server.stop();
    let lost = timeout(PATIENCE, changes.next()).await.unwrap();
    assert!(matches!(lost, Err(StoreError::Unavailable { .. })), "{lost:?}");
    let refused = store.insert(URL, Interest::Exact(b"while away"), None).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    server.start_again();
    assert_eq!(timeout(PATIENCE, changes.next()).await.unwrap().unwrap(), Change::Everything);
    let after = store.insert(URL, Interest::Exact(b"after"), None).await.unwrap().unwrap();
    tells(&mut *changes, &[after]).await;
    assert_eq!(store.page(None, 10).await.unwrap().len(), 2);
    store.close().await;
}

#[tokio::test]
async fn a_connection_that_is_lost_behind_changes_is_told_as_lost() {
    let mut server = PostgresServer::start();
    let store = open(&server.address("postgres"), &patient()).await.unwrap();
    let mut changes = store.changes().await.unwrap();
    // The first are taken, and wait; the others are in the connection, and its end behind them.
    for number in 0..20_u8 {
        store.insert(URL, Interest::Exact(&[number]), None).await.unwrap().unwrap();
    }
    server.stop();
    server.start_again();
    let lost = async {
        while let Ok(change) = changes.next().await {
            assert!(matches!(change, Change::Rows(_)), "{change:?}");
        }
    };
    timeout(PATIENCE, lost).await.expect("the loss is told");
    assert_eq!(timeout(PATIENCE, changes.next()).await.unwrap().unwrap(), Change::Everything);
}

#[tokio::test]
async fn tables_that_another_brings_up_to_date_are_not_waited_for_without_end() {
    let place = place().await;
    let mut shell = shell(&place).await;
    sqlx::query("SELECT pg_advisory_lock(5284016731190227)").execute(&mut shell).await.unwrap();
    let hasty = Options::default().patience(Duration::from_millis(300));
    let opened = timeout(PATIENCE, open(place.address(), &hasty)).await.expect("it gives up");
    let Err(error) = opened else { panic!("it was opened") };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("5284016731190227"), "{error}");
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut shell).await.unwrap();
    assert_eq!(place.open().await.page(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_password_goes_over_tls_and_into_no_error() {
    let server = PostgresServer::start();
    let certificate = server.folder.join("cert.pem");
    let with = |password: &str, mode: &str| {
        let port = server.port;
        let certificate = certificate.display();
        format!("postgres://eventhive:{password}@127.0.0.1:{port}/postgres?sslmode={mode}&sslrootcert={certificate}")
    };
    // As PASSWORD, with what a url has no room for encoded.
    let store = open(&with("p%40ss%3Aword%2F1", "verify-full"), &patient()).await.unwrap();
    store.insert(URL, Interest::Glob("*"), None).await.unwrap().unwrap();
    for (password, mode) in [("wr0ng", "verify-full"), ("p%40ss%3Aword%2F1", "disable")] {
        let Err(error) = open(&with(password, mode), &patient()).await else { panic!("it was let in") };
        assert!(matches!(error, StoreError::Address { .. }), "{error:?}");
        for text in [format!("{error}"), format!("{error:?}")] {
            assert!(!text.contains("wr0ng") && !text.contains("p%40ss") && !text.contains("p@ss"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_person_with_sql_is_noticed() {
    let place = place().await;
    let store = place.open().await;
    let mut changes = store.changes().await.unwrap();
    let mut shell = shell(&place).await;
    let sql = "INSERT INTO httppubsub_subscription_exacts (url, exact) VALUES ('http://shell/', 'news')";
    sqlx::query(sql).execute(&mut shell).await.unwrap();
    let row = store.of_url("http://shell/", None, 10).await.unwrap().remove(0);
    assert_eq!(&*row.interest, b"news");
    tells(&mut *changes, &[row.id]).await;
    sqlx::query("TRUNCATE httppubsub_subscription_exacts").execute(&mut shell).await.unwrap();
    assert_eq!(timeout(PATIENCE, changes.next()).await.unwrap().unwrap(), Change::Everything);
}

#[tokio::test]
async fn many_open_an_empty_database_at_once() {
    let place = Arc::new(place().await);
    let open = |_| {
        let place = Arc::clone(&place);
        tokio::spawn(async move { place.open().await })
    };
    for store in futures_util::future::join_all((0..6).map(open)).await {
        assert_eq!(store.unwrap().page(None, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let place = place().await;
    place.open().await.close().await;
    let mut shell = shell(&place).await;
    sqlx::query("INSERT INTO webhook_migrations VALUES (1000, now())").execute(&mut shell).await.unwrap();
    let Err(error) = open(place.address(), &patient()).await else { panic!("it was opened") };
    assert!(matches!(&error, StoreError::Address { problem, .. } if problem.contains("1000")), "{error}");
}

#[tokio::test]
async fn a_call_that_the_server_does_not_finish_ends_in_time() {
    let place = place().await;
    let store: Arc<dyn Store> =
        open(place.address(), &Options::default().patience(Duration::from_millis(500))).await.unwrap();
    let mut shell = shell(&place).await;
    let mut transaction = shell.begin().await.unwrap();
    let lock = "LOCK TABLE httppubsub_subscription_exacts IN EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut *transaction).await.unwrap();
    let late = store.insert(URL, Interest::Exact(b"late"), None).await;
    assert!(matches!(late, Err(StoreError::Unavailable { .. })), "{late:?}");
    transaction.rollback().await.unwrap();
    store.insert(URL, Interest::Exact(b"again"), None).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_row_in_the_hands_of_another_is_not_due_and_keeps_nobody_busy() {
    let place = place().await;
    let store = place.open().await;
    let locked = store.insert(URL, Interest::Exact(b"locked"), None).await.unwrap().unwrap();
    store.miss(locked, b"locked", 0, 1).await.unwrap();
    let mut shell = shell(&place).await;
    let mut transaction = shell.begin().await.unwrap();
    sqlx::query("SELECT * FROM httppubsub_subscription_exacts FOR UPDATE").execute(&mut *transaction).await.unwrap();
    assert_eq!(timeout(PATIENCE, store.due(2)).await.expect("it ends").unwrap(), None);
    let free = store.insert(URL, Interest::Glob("*"), None).await.unwrap().unwrap();
    store.miss(free, b"free", 0, 1).await.unwrap();
    let due = timeout(PATIENCE, store.due(2)).await.expect("it ends").unwrap();
    assert_eq!(due.unwrap().row.id, free);
    transaction.rollback().await.unwrap();
    assert_eq!(store.due(2).await.unwrap().unwrap().row.id, locked);
}

async fn shell(place: &Place) -> PgConnection {
    PgConnection::connect(place.address()).await.unwrap()
}
