//! Hives of ours and of eventhive 0.5.0 that find each other's server and exchange events.

use serde_json::json;

use crate::alone;
use crate::bee::{Bee, NEEDED, connector, python};
use crate::python::{Packages, Program};

/// Sealed as hives of eventhive 0.5.0 seal. They give no cipher, and do not know the word.
const SECRET: &str = ", secret: a secret";
const SEALED: &str = ", secret: a secret, cipher: eventhive-0.5";

/// A call there, and its answer back.
async fn exchange(queen: &mut Bee) {
    for number in 0..20 {
        queen.call("net/worker/action", json!({"number": number}));
        let (event, data) = queen.received().await;
        assert_eq!(event, "queen/done");
        // Python's metadata comes with it.
        assert_eq!(data["answer"]["number"], json!(number), "{data}");
    }
}

async fn python_finds_ours(ours: &str, theirs: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut queen = Bee::start(&format!("{NEEDED}{}", connector("queen", ours))).await;
    let _worker = python(&folder, &connector("worker", theirs)).await;
    exchange(&mut queen).await;
    queen.stop().await;
}

async fn ours_finds_python(ours: &str, theirs: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = "servers: {net: {pubsub_type: fastapi, create: always, broadcast: true, init: {host: 0.0.0.0, port: 18087, endpoint: /pubsub}}}\n";
    let _worker = python(&folder, &format!("{server}{}", connector("worker", theirs))).await;
    let mut queen = Bee::start(&connector("queen", ours)).await;
    exchange(&mut queen).await;
    queen.stop().await;
}

alone! {
    async fn a_python_hive_finds_our_server_and_they_exchange_events() {
        python_finds_ours("", "").await;
    }
}

alone! {
    async fn a_python_hive_with_a_secret_finds_our_server_and_they_exchange_sealed_events() {
        python_finds_ours(SEALED, SECRET).await;
    }
}

alone! {
    async fn our_hive_finds_the_server_of_a_python_hive_and_they_exchange_events() {
        ours_finds_python("", "").await;
    }
}

alone! {
    async fn our_hive_with_a_secret_finds_the_server_of_a_python_hive_and_they_exchange_sealed_events() {
        ours_finds_python(SEALED, SECRET).await;
    }
}

alone! {
    async fn our_hive_follows_when_the_server_of_a_python_hive_comes_late() {
        let folder = tempfile::tempdir().unwrap();
        let looks = connector("queen", "").replace("from_broadcast: 60", "from_broadcast: 0");
        let queen = eventhive::Hive::from_yaml(&looks).unwrap();
        let started = queen.start().await.unwrap();
        assert_eq!(started.connectors[0].outcome.to_string(), "not up yet, keeps trying: no server `net` was found");
        queen.emit("net/worker/action", json!({"early": true})).unwrap().published.unwrap().unwrap();
        let server = "servers: {net: {pubsub_type: fastapi, create: always, broadcast: true, init: {host: 0.0.0.0, port: 18087, endpoint: /pubsub}}}\n";
        let _worker = python(&folder, &format!("{server}{}", connector("worker", ""))).await;
        let mut state = queen.link_state("net").unwrap();
        tokio::time::timeout(crate::python::LIMIT, state.wait_for(eventhive::LinkState::is_up)).await.unwrap().unwrap();
        assert!(queen.flush(crate::python::LIMIT).await, "what waited has gone out");
    }
}

alone! {
    async fn with_a_secret_hives_find_the_signed_server_and_no_other() {
        let trap = tokio::net::TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
        let port = trap.local_addr().unwrap().port();
        let txt = json!({"host": crate::namespace::ADDRESS, "port": port, "endpoint": "/pubsub"});
        let what = json!({"name": "net", "port": port, "txt": txt});
        let mut python = Program::start(Packages::Eventhive, "announce", &[&what.to_string()]);
        python.said("announced").await;

        let secret = ", secret: a secret";
        let mut queen = Bee::start(&format!("{NEEDED}{}", connector("queen", secret))).await;
        let mut worker = Bee::start(&connector("worker", secret)).await;
        crate::bee::reaches(&queen, "net/worker/action", &mut worker, "there").await;
        crate::bee::reaches(&worker, "net/queen/done", &mut queen, "and back").await;
        let trapped = tokio::time::timeout(std::time::Duration::ZERO, trap.accept()).await;
        assert!(trapped.is_err(), "nobody went to the server that is not signed");
        queen.stop().await;
    }
}
