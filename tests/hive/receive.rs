//! What a connector does with what it receives: every case that was run against Python eventhive 0.5.0.

use serde_json::Value;

use super::memory::{Memory, next};

/// Texts that Python reads and that are not JSON: dropped here, with a log line.
const BEYOND_JSON: &[&str] = &[
    "NaN payload",
    "signed over canonical form, sent as: lone surrogate",
    "signed over canonical form, sent as: NaN",
    "signed over canonical form, sent as: overflow float",
];

/// Half a surrogate pair is JSON, and no text: it is delivered, and a hook that reads it is told so.
const NO_TEXT: &str = "lone surrogate";

/// Python cannot read integers of more than 4,300 digits; nothing is wrong with them.
const BEYOND_PYTHON: &[&str] = &["5000 digit int"];

/// Delivered, to no hook: nothing here has one for it.
const NOT_DEFINED: &[&str] = &["unknown event below the input channel"];

fn expected(case: &Value) -> bool {
    let name = case["name"].as_str().unwrap();
    let outcome = case["correct"].as_str().or(case["outcome"].as_str()).unwrap();
    match name {
        name if BEYOND_JSON.contains(&name) => false,
        name if BEYOND_PYTHON.contains(&name) => true,
        // The event name is not a glob here; there is simply no event of that name, and a stream of all would see it.
        "glob in the channel name" => true,
        name if NOT_DEFINED.contains(&name) => true,
        _ => outcome == "delivered",
    }
}

#[tokio::test]
async fn every_case_of_the_vectors_is_delivered_or_dropped_as_it_should() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/eventhive.json")).unwrap();
    let cases = vectors["receive"].as_array().unwrap();
    assert_eq!(cases.len(), 92);
    for case in cases {
        // Each case starts anew: some say the same, and in a sealed network the same iv or id is a replay. The vectors are
        // as old as they are.
        let network = Memory::new();
        let sealed = case["secret"].as_str().map_or(String::new(), |secret| {
            format!(", secret: {secret}, cipher: eventhive-0.5, replay_secs: 1000000000")
        });
        let hive = network.hive(&format!(
            "connectors: {{net: {{pubsub_type: memory, input_channel: worker, init: {{}}, dedupe_events: 0{sealed}}}}}"
        ));
        let mut events = hive.stream("*").unwrap();
        hive.start().await.unwrap();
        check(&network, &mut events, case).await;
    }
}

async fn check(network: &Memory, events: &mut eventhive::EventStream, case: &Value) {
    let end = match case["secret"].as_str() {
        None => "{\"end\": 1}".to_owned(),
        // {"end":1} sealed by Python with the secret of the vectors.
        Some(_) => END_SEALED.to_owned(),
    };
    network.publish(case["event"].as_str().unwrap(), case["wire"].as_str().unwrap().to_owned());
    network.publish("net/worker/end", end);
    let first = next(events).await;
    let delivered = first.name().as_str() != "worker/end";
    assert_eq!(delivered, expected(case), "{}", case["name"]);
    if !delivered {
        return;
    }
    if let Some(message) = case["delivered"][0]["message_json"].as_str()
        && case["name"] != "glob in the channel name"
        && case["name"] != NO_TEXT
    {
        let mut wanted: Value = serde_json::from_str(message).unwrap();
        wanted.as_object_mut().unwrap().remove("__eventhive__");
        assert_eq!(first.payload().as_value().unwrap(), &wanted, "{}", case["name"]);
    }
    assert_eq!(next(events).await.name().as_str(), "worker/end");
}

const END_SEALED: &str = include_str!("../vectors/end_sealed.json");
