//! What rqlite does that others don't: several nodes, of which one leads.

use std::time::Duration;

use eventhive_webhook::store::{Options, StoreError, open};
use eventhive_webhook::wire::Interest;

use crate::place::{Place, patient};
use crate::rqlite_server::{Manner, RqliteCluster, USER};

const URL: &str = "http://one.example/v1/receive";

/// A cluster of the test's own.
pub(crate) async fn place() -> Place {
    let cluster = RqliteCluster::start(&[Manner::Leads]).await;
    Place::at(cluster.address(), cluster)
}

#[tokio::test]
async fn another_node_answers_for_one_that_is_down() {
    let cluster = RqliteCluster::start(&[Manner::Refuses, Manner::Leads]).await;
    let store = open(&cluster.address(), &patient()).await.unwrap();
    let id = store.insert(URL, Interest::Exact(b"a"), None).await.unwrap().unwrap();
    assert_eq!(store.rows(&[id]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_to_the_leader_is_followed_with_the_password() {
    let cluster = RqliteCluster::start(&[Manner::Redirects, Manner::Leads]).await;
    let only_the_first = cluster.address_of(0);
    let store = open(&only_the_first, &patient()).await.unwrap();
    store.insert(URL, Interest::Exact(b"a"), None).await.unwrap().unwrap();
    assert_eq!(store.page(None, 10).await.unwrap().len(), 1);
    // The leader is remembered, and forgotten when it is down.
    let asked = cluster.asked(0);
    store.page(None, 10).await.unwrap();
    assert_eq!(cluster.asked(0), asked);
}

#[tokio::test]
async fn an_election_is_waited_for() {
    let cluster = RqliteCluster::start(&[Manner::Leaderless(5)]).await;
    let store = open(&cluster.address(), &patient()).await.unwrap();
    assert!(store.accept(&[1; 64], 1).await.unwrap());
    assert!(cluster.asked(0) > 5);
}

#[tokio::test]
async fn a_write_without_an_answer_is_not_sent_twice() {
    let cluster = RqliteCluster::start(&[Manner::Leads, Manner::Leads]).await;
    let store = open(&cluster.address(), &patient()).await.unwrap();
    cluster.set(0, Manner::HangsUp);
    let unknown = store.accept(&[1; 64], 1).await;
    assert!(matches!(unknown, Err(StoreError::Unavailable { .. })), "{unknown:?}");
    // It was done, and done once.
    cluster.set(0, Manner::Leads);
    assert!(!store.accept(&[1; 64], 1).await.unwrap());
    // A question may be asked again, elsewhere.
    cluster.set(0, Manner::HangsUp);
    assert_eq!(store.page(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_node_that_says_nothing_costs_no_more_than_the_patience() {
    let cluster = RqliteCluster::start(&[Manner::Leads]).await;
    let options = Options::default().patience(Duration::from_millis(300));
    let store = open(&cluster.address(), &options).await.unwrap();
    cluster.set(0, Manner::Silent);
    for _ in 0..2 {
        let late = store.page(None, 10).await;
        assert!(matches!(late, Err(StoreError::Unavailable { .. })), "{late:?}");
    }
    let late = store.insert(URL, Interest::Glob("*"), None).await;
    assert!(matches!(late, Err(StoreError::Unavailable { .. })), "{late:?}");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let cluster = RqliteCluster::start(&[Manner::Leads]).await;
    let address = cluster.address().replace(USER, "hive:wr0ng");
    let Err(error) = open(&address, &patient()).await else { panic!("it was let in") };
    assert!(matches!(error, StoreError::Address { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error:?}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_unavailable() {
    let cluster = RqliteCluster::start(&[Manner::Refuses, Manner::Refuses]).await;
    let Err(error) = open(&cluster.address(), &patient()).await else { panic!("it was opened") };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_file_trusts() {
    let cluster = RqliteCluster::start_with_tls(&[Manner::Leads]).await;
    let store = open(&cluster.address(), &patient()).await.unwrap();
    store.insert(URL, Interest::Exact(b"a"), None).await.unwrap().unwrap();
    let other = RqliteCluster::start_with_tls(&[Manner::Leads]).await;
    let (address, others) = (cluster.address(), other.address());
    let distrusted = format!("{}?{}", address.split_once('?').unwrap().0, others.split_once('?').unwrap().1);
    let Err(error) = open(&distrusted, &patient()).await else { panic!("it was trusted") };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_password_is_not_sent_where_it_would_show() {
    // It names a leader that speaks no TLS.
    let cluster = RqliteCluster::start_with_tls(&[Manner::Redirects, Manner::Leads]).await;
    let only_the_first = cluster.address_of(0);
    let Err(error) = open(&only_the_first, &patient()).await else { panic!("it was sent") };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert_eq!(cluster.asked(1), 0);
}
