//! A server that is needed hands over, and is replaced, and its clients go along.

use eventhive::ServerOutcome;
use eventhive::discovery::{Claim, Server};

use crate::alone;
use crate::bee::{Bee, NEEDED, connector, reaches};
use crate::namespace::ADDRESS;
use crate::servers::{entry, open, server, text};

/// A hub of its own that announces nothing.
async fn hub() -> (Bee, u16) {
    let yaml = NEEDED.replace("needed, broadcast: true", "always, broadcast: false");
    let hub = Bee::start(&yaml).await;
    let port = hub.port().await;
    (hub, port)
}

/// The announcement of a server that is older than any other.
fn oldest(port: u16) -> Server {
    let mut server = server("net", ADDRESS, port);
    server.init.push(entry("scheme", text("ws")));
    server.claim = Some(Claim::new(std::time::SystemTime::UNIX_EPOCH, "old".to_owned()));
    server
}

alone! {
    async fn the_younger_of_two_servers_hands_over_and_its_clients_move() {
        let mut worker = Bee::start(&format!("{NEEDED}{}", connector("worker", ""))).await;
        let mut queen = Bee::start(&connector("queen", "")).await;
        let younger = worker.port().await;
        reaches(&queen, "net/worker/action", &mut worker, "at the younger").await;

        // As if another network, with a server of the same name, had been joined to this one.
        let (_hub, port) = hub().await;
        let _announcement = open().announce_anyway(&oldest(port)).await.unwrap();
        let stands = worker.server(|outcome| matches!(outcome, ServerOutcome::Found { .. })).await;
        assert_eq!(stands, ServerOutcome::Found { at: format!("{ADDRESS}:{port}") });
        reaches(&queen, "net/worker/action", &mut worker, "at the older").await;
        reaches(&worker, "net/queen/done", &mut queen, "and back").await;
        let closed = tokio::net::TcpStream::connect((ADDRESS, younger)).await;
        assert!(closed.is_err(), "the younger server is gone");
    }
}

alone! {
    async fn a_server_that_ends_in_good_order_is_replaced_and_its_clients_move() {
        let first = Bee::start(NEEDED).await;
        let mut worker = Bee::start(&format!("{NEEDED}{}", connector("worker", ""))).await;
        let mut queen = Bee::start(&connector("queen", "")).await;
        assert!(matches!(worker.hive.server_states()[0].outcome, ServerOutcome::Found { .. }));
        reaches(&queen, "net/worker/action", &mut worker, "at the first").await;
        let before = first.port().await;
        first.stop().await;
        assert_ne!(worker.port().await, before);
        reaches(&queen, "net/worker/action", &mut worker, "at the second").await;
        reaches(&worker, "net/queen/done", &mut queen, "and back").await;
    }
}

alone! {
    async fn a_hive_that_stops_withdraws_its_server() {
        let hive = Bee::start(NEEDED).await;
        let mut browser = open().browse().unwrap();
        assert!(matches!(browser.next().await, eventhive::discovery::Change::Appeared(_)));
        hive.stop().await;
        // Heard from the goodbye: nothing has answered since.
        while !matches!(browser.next().await, eventhive::discovery::Change::Gone(_)) {}
        assert_eq!(open().resolve("net", std::time::Duration::from_secs(1)).await.unwrap(), None);
    }
}

alone! {
    async fn two_hives_with_server_and_connector_in_one_file_end_with_one_server() {
        let whole = |channel: &str| format!("{NEEDED}{}", connector(channel, ", secret: s"));
        let (one, other) = (whole("worker"), whole("queen"));
        let (mut worker, mut queen) = tokio::join!(Bee::start(&one), Bee::start(&other));
        let found = |outcome: &ServerOutcome| matches!(outcome, ServerOutcome::Found { .. });
        let (followed, port) = tokio::select! {
            followed = worker.server(found) => (followed, queen.port().await),
            followed = queen.server(found) => (followed, worker.port().await),
        };
        assert_eq!(followed, ServerOutcome::Found { at: format!("{ADDRESS}:{port}") });
        reaches(&queen, "net/worker/action", &mut worker, "there").await;
        reaches(&worker, "net/queen/done", &mut queen, "and back").await;
    }
}
