//! The contestant that is ours: links.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventhive_redis::Redis;
use eventhive_transport::settings::{Entry, Value};
use eventhive_transport::{
    Filter, Incoming, Link, LinkState, Node, Position, Problem, Receipt, Refused, RefusedReason, Settings, Topic,
    Transport,
};
use tokio::sync::mpsc;

use crate::measure::{Counter, Times};
use crate::{Bench, Outcome, ROUND_TRIPS, TOPIC};

/// Receipts that are awaited later, and how many of them at a time.
const UNAWAITED: usize = 4096;

impl Bench {
    /// A link that is up.
    async fn link(&self, mode: &str) -> Outcome<Arc<dyn Link>> {
        let node = |value| Node { value, at: Position::default() };
        let entry =
            |(key, value): (&str, Value)| Entry { key: key.into(), key_at: Position::default(), node: node(value) };
        let mut given = vec![
            ("host", Value::Text("127.0.0.1".into())),
            ("port", Value::Integer(self.server.port.into())),
            ("mode", Value::Text(mode.into())),
        ];
        if mode == "streams" {
            given.push(("stream_maxlen", Value::Integer(i64::try_from(self.messages)? * 2)));
        }
        let map = Value::Map(given.into_iter().map(entry).collect());
        let told = |problems: Vec<Problem>| format!("{problems:?}");
        let settings = Settings::check("init", &node(map), Redis.keys()).map_err(told)?;
        let link = Redis.connect(&settings).map_err(told)?;
        link.state().wait_for(LinkState::is_up).await?;
        Ok(link)
    }

    pub(crate) async fn link_publish(&self, mode: &str) -> Outcome<f64> {
        let link = self.link(mode).await?;
        let began = Instant::now();
        self.send_all(&*link).await?;
        let took = began.elapsed();
        link.close().await;
        Ok(self.rate(took))
    }

    async fn send_all(&self, link: &dyn Link) -> Outcome<()> {
        let topic = Topic::from_static(TOPIC);
        let mut receipts: VecDeque<Receipt> = VecDeque::new();
        for _ in 0..self.messages {
            let mut message = (topic.clone(), self.payload.clone());
            loop {
                match link.publish(message.0, message.1) {
                    Ok(receipt) => break receipts.push_back(receipt),
                    Err(Refused { topic, payload, reason: RefusedReason::Full }) => message = (topic, payload),
                    Err(refused) => return Err(refused.into()),
                }
                if let Some(receipt) = receipts.pop_front() {
                    receipt.await?;
                }
            }
            // As the bare loop waits for its answers.
            if receipts.len() >= UNAWAITED {
                for receipt in receipts.drain(..UNAWAITED / 2) {
                    receipt.await?;
                }
            }
        }
        for receipt in receipts {
            receipt.await?;
        }
        Ok(())
    }

    pub(crate) async fn link_deliver(&self, mode: &str) -> Outcome<f64> {
        let counter = Counter::new(self.messages);
        let counting = Arc::clone(&counter);
        let (publisher, subscriber) = (self.link(mode).await?, self.link(mode).await?);
        let sink = move |_: Incoming| counting.count();
        let subscription = subscriber.subscribe(Filter::Glob("net/in/*".parse()?), Arc::new(sink)).await?;
        let began = Instant::now();
        tokio::try_join!(self.send_all(&*publisher), counter.reached())?;
        let took = began.elapsed();
        subscription.cancel().await;
        tokio::join!(publisher.close(), subscriber.close());
        Ok(self.rate(took))
    }

    /// There and back, one at a time.
    pub(crate) async fn link_round_trips(&self, times: &mut Times) -> Outcome<()> {
        let (here, there) = (self.link("pubsub").await?, self.link("pubsub").await?);
        let (answered, mut answers) = mpsc::unbounded_channel();
        let (back, payload) = (Arc::clone(&there), self.payload.clone());
        let answer = move |_: Incoming| drop(back.publish("net/here/x".into(), payload.clone()));
        let asked = there.subscribe(Filter::Glob("net/there/*".parse()?), Arc::new(answer)).await?;
        let hear = move |_: Incoming| {
            let _ = answered.send(());
        };
        let heard = here.subscribe(Filter::Glob("net/here/*".parse()?), Arc::new(hear)).await?;
        for _ in 0..ROUND_TRIPS {
            let began = Instant::now();
            here.publish("net/there/x".into(), self.payload.clone())?.await?;
            tokio::time::timeout(Duration::from_secs(10), answers.recv()).await?;
            times.push(began.elapsed());
        }
        tokio::join!(asked.cancel(), heard.cancel());
        tokio::join!(here.close(), there.close());
        Ok(())
    }
}
