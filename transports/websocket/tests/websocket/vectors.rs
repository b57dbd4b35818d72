//! What the real Python server was sent and what it answered, replayed against the door: every case of every stack.

use std::collections::HashMap;

use eventhive_websocket::Config;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Server};

/// Where the door differs from the Python server, and from which stacks. The reasons are in the door's documentation.
const DIFFERENCES: &[(&str, &str, Differs)] = &[
    // A deaf socket or a cut connection there; a close frame here.
    ("arguments null", "ABC", Differs::Closes(1008)),
    ("unexpected argument", "ABC", Differs::Closes(1008)),
    ("unknown method", "ABC", Differs::Closes(1008)),
    ("subscribe unexpected argument", "ABC", Differs::Closes(1008)),
    ("invalid json", "ABC", Differs::Closes(1008)),
    ("empty text frame", "ABC", Differs::Closes(1008)),
    ("unsubscribe null", "ABC", Differs::Closes(1008)),
    ("binary frame with valid json", "ABC", Differs::Closes(1003)),
    // The stacks differ among themselves.
    ("method is a number", "AC", Differs::As("B")),
    ("call_id number", "B", Differs::As("A")),
    ("subscribe topic is a number", "AC", Differs::As("B")),
    ("unsubscribe never subscribed", "A", Differs::As("B")),
    ("unsubscribe no arguments", "A", Differs::As("B")),
    ("unsubscribe then publish", "A", Differs::As("B")),
    // `[NaN, Infinity, -Infinity, 1e400]`
    ("NaN and Infinity", "ABC", Differs::Data("[null,null,null,1e400]")),
    // An escape of half a pair: passed on by pydantic 1, the event lost with pydantic 2.
    ("lone surrogate", "ABC", Differs::Data("\"\u{fffd}\"")),
    ("publish to the ALL_TOPICS name itself: two notifies", "ABC", Differs::OneNotify),
    // Later requests do not wait for a publish that waits.
    ("requests of one connection are handled strictly one after the other", "ABC", Differs::AnyOrder),
    ("DEADLOCK: own publication with a foreign notifier_id, sync true", "ABC", Differs::NoDeadlock),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Differs {
    /// The first message of the case ends the connection with this code.
    Closes(u16),
    /// The door does what this stack does.
    As(&'static str),
    /// The events' `data` is this.
    Data(&'static str),
    /// One `notify` and its answer, where there are two.
    OneNotify,
    /// What the publisher is sent comes in another order.
    AnyOrder,
    /// Where all stacks fall silent, the publish and the next request are answered.
    NoDeadlock,
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/fastapi-pubsub-frames.json")).unwrap()
}

fn difference(name: &str, stack: &str) -> Option<Differs> {
    let found = DIFFERENCES.iter().find(|(of, stacks, _)| *of == name && stacks.contains(stack));
    found.map(|(_, _, differs)| *differs)
}

#[tokio::test]
async fn every_case_of_stack_a_is_answered_as_by_python_or_as_the_table_says() {
    replay("A").await;
}

#[tokio::test]
async fn every_case_of_stack_b_is_answered_as_by_python_or_as_the_table_says() {
    replay("B").await;
}

#[tokio::test]
async fn every_case_of_stack_c_is_answered_as_by_python_or_as_the_table_says() {
    replay("C").await;
}

#[test]
fn every_row_of_the_table_is_a_case() {
    let vectors = vectors();
    for (name, stacks, _) in DIFFERENCES {
        for stack in stacks.chars().map(String::from) {
            let cases = vectors["edge_cases"]["cases"][&stack].as_array().unwrap();
            assert!(cases.iter().any(|case| case["name"] == *name), "{name}");
        }
    }
}

async fn replay(stack: &str) {
    let vectors = vectors();
    let cases = &vectors["edge_cases"]["cases"];
    let server = Server::start(Config::default());
    for (at, case) in cases[stack].as_array().unwrap().iter().enumerate() {
        let name = case["name"].as_str().unwrap();
        let differs = difference(name, stack);
        let steps = match differs {
            Some(Differs::As(other)) => &cases[other][at]["steps"],
            // Where the stacks' data differ, so may what follows: with pydantic 2 an event is lost.
            Some(Differs::Data(_)) => &cases["A"][at]["steps"],
            _ => &case["steps"],
        };
        println!("{stack} {name} {differs:?}");
        let mut play = Play { server: &server, clients: HashMap::new(), ids: HashMap::new(), differs, notified: 0 };
        play.run(steps.as_array().unwrap()).await;
        drop(play);
        // Cases share topics: the next must not meet this one's subscribers.
        server.until_empty().await;
    }
}

struct Play<'a> {
    server: &'a Server,
    clients: HashMap<String, Client>,
    /// Captured ids, and what they are here.
    ids: HashMap<String, String>,
    differs: Option<Differs>,
    notified: usize,
}

impl Play<'_> {
    async fn run(&mut self, steps: &[Value]) {
        for step in self.in_order(steps) {
            let who = step["who"].as_str().unwrap().to_owned();
            if !self.clients.contains_key(&who) {
                let client = self.server.client().await;
                self.clients.insert(who.clone(), client);
            }
            let was_sent = step["dir"] == "c2s";
            if was_sent {
                self.sends(&who, &step).await;
            } else {
                self.gets(&who, &step).await;
            }
            if let (true, Some(Differs::Closes(code))) = (was_sent, self.differs) {
                self.client(&who).closed(code).await;
                return;
            }
        }
        for client in self.clients.values_mut() {
            client.nothing_came().await;
        }
    }

    /// The steps, in the order in which the door takes them.
    fn in_order(&self, steps: &[Value]) -> Vec<Value> {
        let mut steps = steps.to_vec();
        if self.differs == Some(Differs::AnyOrder) {
            let to_publisher = |step: &Value| step["who"] == "P" && step["dir"] == "s2c";
            let pong = steps.iter().rposition(to_publisher).unwrap();
            let pong = steps.remove(pong);
            let asked = steps.iter().rposition(|step| step["who"] == "P" && step["dir"] == "c2s").unwrap();
            steps.insert(asked + 1, pong);
        }
        steps
    }

    fn client(&mut self, who: &str) -> &mut Client {
        self.clients.get_mut(who).unwrap()
    }

    async fn sends(&mut self, who: &str, step: &Value) {
        if let Some(text) = step["text"].as_str() {
            let text = self.ids.iter().fold(text.to_owned(), |text, (captured, ours)| text.replace(captured, ours));
            // The answer to the second notify, which has not come.
            let is_answer = text.contains("\"None\"");
            if self.differs == Some(Differs::OneNotify)
                && is_answer
                && !self.ids.values().any(|ours| text.contains(ours))
            {
                return;
            }
            self.client(who).send(text).await;
        } else if let Some(hex) = step["binary_hex"].as_str() {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            self.client(who).send_raw(Message::binary(bytes)).await;
        } else {
            assert_eq!(step["closed"], "1000", "{step}");
            self.clients.remove(who).unwrap().socket.close(None).await.unwrap();
        }
    }

    async fn gets(&mut self, who: &str, step: &Value) {
        if step["silence"] == true {
            return self.silence(who).await;
        }
        let mut captured: Value = serde_json::from_str(step["text"].as_str().unwrap()).unwrap_or_else(|_| {
            // What pydantic 1 writes is not always JSON.
            let text = step["text"].as_str().unwrap().replace("-Infinity", "null").replace("Infinity", "null");
            serde_json::from_str(&text.replace("NaN", "null").replace("\\ud800", "?")).unwrap()
        });
        let is_notify = captured["request"]["method"] == "notify";
        self.notified += usize::from(is_notify);
        if is_notify && self.differs == Some(Differs::OneNotify) && self.notified > 1 {
            return;
        }
        if let (true, Some(Differs::Data(data))) = (is_notify, self.differs) {
            captured["request"]["arguments"]["data"] = serde_json::from_str(data).unwrap_or(Value::Null);
            let Some(Message::Text(text)) = self.client(who).next().await else { panic!("expected a text") };
            assert!(text.contains(&format!("\"data\":{data}}}")) || data.contains('\u{fffd}'), "{text}");
            let ours: Value = serde_json::from_str(&text.replace("1e400", "null")).unwrap();
            if data.contains('\u{fffd}') {
                assert_eq!(ours["request"]["arguments"]["data"], "\u{fffd}");
            }
            return self.learn(&captured["request"]["call_id"], &ours["request"]["call_id"]);
        }
        let ours = self.client(who).receive().await;
        self.same(&captured, &ours);
    }

    /// Nothing comes, where the connection stays; or what comes instead of a deadlock.
    async fn silence(&mut self, who: &str) {
        if self.differs == Some(Differs::NoDeadlock) {
            let mut answers = [self.client(who).receive().await, self.client(who).receive().await];
            answers.sort_by_key(|answer| answer["response"]["call_id"].to_string());
            assert_eq!(answers[0]["response"]["result"], "pong");
            assert_eq!(answers[1]["response"]["result"], true);
        } else {
            self.client(who).nothing_came().await;
        }
    }

    /// Compares a captured message with ours: equal but for ids, which are to be learnt.
    fn same(&mut self, captured: &Value, ours: &Value) {
        match (captured, ours) {
            (Value::Object(one), Value::Object(other)) => {
                let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(one), keys(other), "{captured} {ours}");
                one.iter().for_each(|(key, value)| self.same(value, &other[key]));
            }
            (Value::String(one), Value::String(_)) if is_id(one) => self.learn(captured, ours),
            _ => assert_eq!(captured, ours),
        }
    }

    fn learn(&mut self, captured: &Value, ours: &Value) {
        let (captured, ours) = (captured.as_str().unwrap(), ours.as_str().unwrap());
        assert!(is_id(ours), "{ours} is no id");
        self.ids.insert(captured.to_owned(), ours.to_owned());
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
