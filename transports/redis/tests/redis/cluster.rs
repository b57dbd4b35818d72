//! A cluster of three nodes.

use std::sync::OnceLock;

use bytes::Bytes;
use eventhive_transport::settings::Value;
use eventhive_transport::{Delivery, Filter, Link, LinkError, LinkState};

use crate::server::{Server, eventually};
use crate::support::{
    Given, Seen, collect, link, listen, message, publish, text, texts, try_collect, until, until_down, with,
};

pub(crate) struct Cluster {
    nodes: Vec<Server>,
}

/// One for all tests that leave it as it is.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let nodes: Vec<_> = (0..3).map(|_| Server::node(&["--cluster-node-timeout", "2000"])).collect();
        let [first, ..] = nodes.as_slice() else { unreachable!("three nodes") };
        for (node, range) in nodes.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
            let _: () = node.ask(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]);
        }
        for (node, epoch) in nodes.iter().zip(1..) {
            let _: () = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()]);
        }
        for node in nodes.iter().skip(1) {
            let (port, bus) = (node.port().to_string(), node.bus_port().to_string());
            let _: () = first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            eventually("every node knows all nodes", || cluster.is_known_to(node).then_some(()));
        }
        cluster
    }

    fn is_known_to(&self, node: &Server) -> bool {
        let info: String = node.ask(&["CLUSTER", "INFO"]);
        let slots: Vec<redis::Value> = node.ask(&["CLUSTER", "SLOTS"]);
        let links: String = node.ask(&["CLUSTER", "NODES"]);
        info.contains("cluster_state:ok")
            && slots.len() == self.nodes.len()
            && !links.contains("disconnected")
            && !links.contains("handshake")
    }

    pub(crate) fn given(&self) -> Given {
        let nodes = self.nodes.iter().map(|node| node.address().to_string());
        vec![("cluster", Value::Bool(true)), ("nodes", texts(nodes))]
    }
}

const SLOTS: usize = 16_384;

fn slot_of(node: &Server, key: &str) -> usize {
    node.ask(&["CLUSTER", "KEYSLOT", key])
}

#[tokio::test]
async fn messages_cross_from_node_to_node_in_the_order_of_their_publisher() {
    let cluster = shared();
    let by = |first: usize| {
        let nodes = (0..3).map(|at| cluster.nodes[(first + at) % 3].address().to_string());
        vec![("cluster", Value::Bool(true)), ("nodes", texts(nodes))]
    };
    let (publisher, subscriber) = (link(&by(0)).await, link(&by(1)).await);
    let mut received = collect(&*subscriber, "cross/*").await;
    for number in 0..300 {
        // On topics of all nodes.
        let receipt = publish(&*publisher, &format!("cross/{}", number % 7), &number.to_string()).await;
        assert_eq!(receipt, Ok(Delivery::Accepted), "a node does not know how many receivers the others have");
    }
    for number in 0..300 {
        assert_eq!(received.payload().await, number.to_string());
    }
}

#[tokio::test]
async fn sharded_messages_reach_their_channel_on_every_node() {
    let given = with(shared().given(), [("sharded", Value::Bool(true))]);
    let (publisher, subscriber) = (link(&given).await, link(&given).await);
    let [first, ..] = shared().nodes.as_slice() else { unreachable!("three nodes") };
    // Topics on each third of the slots.
    let mut thirds = [0; 3];
    for number in 0..30 {
        let topic = format!("sharded/{number}");
        thirds[slot_of(first, &topic) * 3 / SLOTS] += 1;
        let mut received = listen(&*subscriber, &topic).await;
        publish(&*publisher, &topic, "x").await.unwrap();
        assert_eq!(received.next().await, message(&topic, "x"));
    }
    assert!(thirds.iter().all(|count| *count > 0), "{thirds:?}");
}

#[tokio::test]
async fn sharded_pubsub_refuses_patterns_and_says_what_to_do() {
    let link = link(&with(shared().given(), [("sharded", Value::Bool(true))])).await;
    let refused = try_collect(&*link, Filter::Glob("a/*".parse().unwrap())).await;
    let Err(LinkError::Unsupported(reason)) = refused.map(drop) else { panic!("patterns cannot be sharded") };
    assert!(reason.contains("remove `sharded`"), "{reason}");
}

#[tokio::test]
async fn a_node_that_dies_is_left_for_another() {
    let cluster = Cluster::start();
    let one = link(&cluster.given()).await;
    let mut received = collect(&*one, "net/*").await;
    let holds = |node: &&Server| node.ask::<usize>(&["PUBSUB", "NUMPAT"]) > 0;
    let [on] = cluster.nodes.iter().filter(holds).collect::<Vec<_>>()[..] else { panic!("one node has the pattern") };
    on.kill();
    until_down(&*one).await;
    until(&*one, LinkState::is_up).await;
    assert_eq!(received.next().await, Seen::Gap(None));
    publish(&*one, "net/a", "x").await.unwrap();
    assert_eq!(received.next().await, message("net/a", "x"));
}

/// Gives the slot of `key` from one node to another, as an operator's tool does.
fn move_slot(cluster: &Cluster, key: &str) {
    let slot = slot_of(&cluster.nodes[0], key);
    let from = slot * 3 / (SLOTS + 2);
    let to = (from + 1) % 3;
    let id = cluster.nodes[to].ask::<String>(&["CLUSTER", "MYID"]);
    for node in [to, from, 3 - to - from] {
        let _: () = cluster.nodes[node].ask(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]);
    }
}

#[tokio::test]
async fn a_sharded_subscription_follows_its_slot_to_another_node() {
    let cluster = Cluster::start();
    let given = with(cluster.given(), [("sharded", Value::Bool(true))]);
    let (publisher, subscriber) = (link(&given).await, link(&given).await);
    let mut received = listen(&*subscriber, "moves").await;
    publish(&*publisher, "moves", "before").await.unwrap();
    assert_eq!(received.payload().await, "before");
    move_slot(&cluster, "moves");
    let told = received.next().await;
    assert_eq!(told, Seen::Gap(None), "the move is a hole in what is received");
    until(&*subscriber, LinkState::is_up).await;
    // The publisher finds out by its first message, which is not confirmed then.
    while publish_when_up(&*publisher, "moves", "after").await.is_err() {}
    assert_eq!(received.payload().await, "after");
}

async fn publish_when_up(link: &dyn Link, topic: &str, payload: &str) -> Result<Delivery, LinkError> {
    until(link, LinkState::is_up).await;
    match link.publish(topic.into(), Bytes::copy_from_slice(payload.as_bytes())) {
        Ok(receipt) => receipt.await,
        Err(_) => Err(LinkError::Unconfirmed),
    }
}

#[tokio::test]
async fn streams_are_spread_over_the_nodes_and_read_from_each() {
    let given = with(shared().given(), [("mode", text("streams"))]);
    let (publisher, subscriber) = (link(&given).await, link(&given).await);
    for number in 0..12 {
        let topic = format!("spread/{number}/act");
        let mut received = collect(&*subscriber, &format!("spread/{number}/*")).await;
        publish(&*publisher, &topic, "x").await.unwrap();
        assert_eq!(received.next().await, message(&topic, "x"));
    }
    let holding = |node: &&Server| node.ask::<usize>(&["DBSIZE"]) > 0;
    assert_eq!(shared().nodes.iter().filter(holding).count(), 3);
}
