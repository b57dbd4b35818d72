//! A master, a replica and a Sentinel that makes the one the other.

use eventhive_transport::{Delivery, LinkState};

use crate::server::{Server, eventually};
use crate::support::{Given, Seen, collect, connect, link, message, publish, text, texts, until, until_down, with};

struct Watched {
    master: Server,
    _replica: Server,
    sentinel: Server,
}

impl Watched {
    fn start() -> Self {
        let master = Server::start();
        let port = master.port().to_string();
        let replica = Server::with(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
        let synced = || replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up");
        eventually("the replica follows", || synced().then_some(()));
        let sentinel = Server::sentinel(&format!(
            "sentinel monitor the-master 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds the-master 300\n\
             sentinel failover-timeout the-master 2000\n"
        ));
        let knows = || sentinel.ask::<Vec<redis::Value>>(&["SENTINEL", "REPLICAS", "the-master"]).len() == 1;
        eventually("the Sentinel knows the replica", || knows().then_some(()));
        Self { master, _replica: replica, sentinel }
    }

    fn given(&self) -> Given {
        // The first one is not there.
        let sentinels = ["127.0.0.1:1".to_owned(), self.sentinel.address().to_string()];
        vec![("sentinels", texts(sentinels)), ("service_name", text("the-master"))]
    }
}

#[tokio::test]
async fn a_master_that_dies_is_followed_by_the_next() {
    let watched = Watched::start();
    let link = link(&watched.given()).await;
    let mut received = collect(&*link, "net/*").await;
    assert_eq!(publish(&*link, "net/a", "before").await, Ok(Delivery::Counted(1)));
    assert_eq!(received.next().await, message("net/a", "before"));
    watched.master.kill();
    until_down(&*link).await;
    until(&*link, LinkState::is_up).await;
    assert_eq!(received.next().await, Seen::Gap(None));
    assert_eq!(publish(&*link, "net/a", "after").await, Ok(Delivery::Counted(1)));
    assert_eq!(received.next().await, message("net/a", "after"));
}

#[tokio::test]
async fn streams_survive_the_change_of_masters() {
    let watched = Watched::start();
    let link = link(&with(watched.given(), [("mode", text("streams"))])).await;
    let mut received = collect(&*link, "net/in/*").await;
    assert_eq!(publish(&*link, "net/in/a", "before").await, Ok(Delivery::Accepted));
    assert_eq!(received.payload().await, "before");
    let answers: u64 = watched.master.ask(&["WAIT", "1", "5000"]);
    assert_eq!(answers, 1, "the replica has it");
    watched.master.kill();
    until_down(&*link).await;
    until(&*link, LinkState::is_up).await;
    assert_eq!(publish(&*link, "net/in/a", "after").await, Ok(Delivery::Accepted));
    assert_eq!(received.next().await, message("net/in/a", "after"));
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named_in_the_reason() {
    let watched = Watched::start();
    let given = with(watched.given(), []);
    let given = given.into_iter().map(|(key, value)| (key, if key == "service_name" { text("nobody") } else { value }));
    let told = until_down(&*connect(&given.collect())).await.to_string();
    assert!(told.contains("knows no master `nobody`") && told.contains("127.0.0.1:1: "), "{told}");
}
