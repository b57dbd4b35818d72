//! Sealed networks.

use serde_json::json;

use super::memory::{Memory, next};

fn sealed(channel: &str, extra: &str) -> String {
    format!("connectors: {{net: {{pubsub_type: memory, input_channel: '{channel}', init: {{}}{extra}}}}}")
}

#[tokio::test]
async fn hives_with_one_secret_understand_each_other_with_either_cipher() {
    for extra in [", secret: s3", ", secret: s3, cipher: eventhive-0.5"] {
        let network = Memory::new();
        let (worker, queen) = (network.hive(&sealed("w", extra)), network.hive(&sealed("q", extra)));
        let mut events = worker.stream("w/x").unwrap();
        worker.start().await.unwrap();
        queen.start().await.unwrap();
        queen.emit("net/w/x", json!({"float": 1e16, "text": "é"})).unwrap().published.unwrap().unwrap();
        let event = next(&mut events).await;
        assert_eq!(event.payload().as_value().unwrap(), &json!({"float": 1e16, "text": "é"}));
        assert_eq!(event.metadata().event, "net/w/x");
    }
}

#[tokio::test]
async fn with_a_secret_nothing_else_comes_in() {
    let network = Memory::new();
    let worker = network.hive(&sealed("w", ", secret: [new, old]"));
    let mut events = worker.stream("w/*").unwrap();
    worker.start().await.unwrap();
    network.publish("net/w/plain", r#"{"a": 1}"#);
    for (name, extra) in
        [("wrong", ", secret: other"), ("weaker", ", secret: new, cipher: eventhive-0.5"), ("retired", ", secret: old")]
    {
        let sender = network.hive(&sealed("", extra));
        sender.start().await.unwrap();
        sender.emit(&format!("net/w/{name}"), json!({})).unwrap().published.unwrap().unwrap();
        sender.stop(std::time::Duration::from_secs(10)).await;
    }
    assert_eq!(next(&mut events).await.name().as_str(), "w/retired");
    assert_eq!(worker.connector_stats()[0].1.refused, 3);
}
