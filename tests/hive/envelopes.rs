//! Sealed networks.

use eventhive::Payload;
use serde_json::json;

use super::memory::{Memory, next, until};

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

/// What a sealed event looks like to whoever has no secret: a hive without one is given it as it is.
async fn captured(network: &Memory, extra: &str, name: &str) -> String {
    let (sender, listener) = (network.hive(&sealed("", extra)), network.hive(&sealed("w", "")));
    let mut heard = listener.stream("*").unwrap();
    listener.start().await.unwrap();
    sender.start().await.unwrap();
    sender.emit(name, json!({"n": 1})).unwrap().published.unwrap().unwrap();
    let text = next(&mut heard).await.payload().as_text().to_owned();
    assert!(text.contains("ciphertext") && !text.contains("\"n\""), "{text}");
    listener.stop(std::time::Duration::from_secs(10)).await;
    text
}

#[tokio::test]
async fn a_captured_message_comes_in_once_and_on_its_own_topic() {
    for extra in [", secret: s3, dedupe_events: 0", ", secret: s3, dedupe_events: 0, cipher: eventhive-0.5"] {
        let network = Memory::new();
        let message = captured(&network, extra, "net/w/open").await;
        let worker = network.hive(&sealed("w", extra));
        let mut events = worker.stream("*").unwrap();
        worker.start().await.unwrap();
        for topic in ["net/w/close", "net/w/open", "net/w/open", "net/w/close"] {
            network.publish(topic, message.clone());
        }
        let stats = || worker.connector_stats()[0].1;
        until("all four are looked at", || stats().received + stats().refused + stats().repeated == 4).await;
        assert_eq!(next(&mut events).await.name().as_str(), "w/open");
        // A repeated one on another topic is refused for either reason.
        assert_eq!((stats().received, stats().refused), (1, 2), "{extra}");
        assert_eq!(stats().repeated, 1, "{extra}");
    }
}

#[tokio::test]
async fn a_python_message_of_2023_is_refused_unless_the_window_reaches_back_to_it() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/eventhive.json")).unwrap();
    let case = vectors["receive"].as_array().unwrap().iter().find(|case| case["name"] == "valid").unwrap();
    for (window, received) in [("", 0), (", replay_secs: 1000000000", 1)] {
        let network = Memory::new();
        let worker = network.hive(&sealed("worker", &format!(", secret: s3cret, cipher: eventhive-0.5{window}")));
        worker.start().await.unwrap();
        network.publish(case["event"].as_str().unwrap(), case["wire"].as_str().unwrap().to_owned());
        let stats = || worker.connector_stats()[0].1;
        until("it is looked at", || stats().received + stats().refused == 1).await;
        assert_eq!(stats().received, received);
    }
}

#[tokio::test]
async fn what_is_sent_is_sealed_with_the_first_secret_and_received_with_all() {
    for cipher in ["aes-256-gcm", "eventhive-0.5"] {
        let network = Memory::new();
        let hive = |channel: &str, secrets: &str| {
            network.hive(&sealed(channel, &format!(", cipher: {cipher}, secret: {secrets}")))
        };
        // Old, rotating, and new: in the middle of a rotation all understand each other but old and new.
        let (old, rotating, new) = (hive("old", "old"), hive("rotating", "[new, old]"), hive("new", "new"));
        let mut heard = (rotating.stream("rotating/*").unwrap(), new.stream("new/*").unwrap());
        for hive in [&old, &rotating, &new] {
            hive.start().await.unwrap();
        }
        for (sender, name) in [(&old, "net/rotating/a"), (&new, "net/rotating/b"), (&rotating, "net/new/c")] {
            sender.emit(name, json!({})).unwrap().published.unwrap().unwrap();
        }
        let mut names = [next(&mut heard.0).await, next(&mut heard.0).await].map(|event| event.name().to_string());
        names.sort();
        assert_eq!(names, ["rotating/a", "rotating/b"]);
        assert_eq!(next(&mut heard.1).await.name().as_str(), "new/c");
        rotating.emit("net/old/d", json!({})).unwrap().published.unwrap().unwrap();
        until("it is refused", || old.connector_stats()[0].1.refused == 1).await;
    }
}

/// JSON that travels, and that Python's form of a message cannot have.
#[tokio::test]
async fn what_the_cipher_cannot_seal_is_refused_to_the_caller_and_not_dropped_later() {
    for network in [Memory::new(), Memory::deaf_to_itself()] {
        let hive = network.hive(&sealed("w", ", secret: s3, cipher: eventhive-0.5"));
        let mut events = hive.stream("w/x").unwrap();
        hive.start().await.unwrap();
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for text in [r#"{"a":"\ud800"}"#, &deep] {
            let payload = Payload::raw(text.to_owned()).unwrap();
            let refused = hive.emit("net/w/x", payload).unwrap().published.unwrap().unwrap_err().to_string();
            assert!(refused.contains("cannot be sealed"), "{refused}");
        }
        hive.emit("net/w/x", json!({"a": 1})).unwrap().published.unwrap().unwrap();
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"a": 1}));
        assert!(hive.flush(std::time::Duration::from_secs(10)).await);
        let stats = hive.connector_stats()[0].1;
        assert_eq!((stats.published, stats.rejected, stats.waiting), (1, 0, 0));
    }
}
