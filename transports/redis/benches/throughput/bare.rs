//! The contestant without us: loops on the `redis` crate.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind};
use tokio::sync::mpsc;

use crate::measure::{Counter, Times};
use crate::{Bench, Outcome, PIPELINE, ROUND_TRIPS, STREAM, TOPIC};

impl Bench {
    /// A connection that calls back with what is pushed by a pattern.
    async fn connect(&self, on_message: impl Fn() + Send + Sync + 'static) -> Outcome<MultiplexedConnection> {
        let client = Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", self.server.port))?;
        let options = AsyncConnectionConfig::new().set_response_timeout(None);
        let options = options.set_push_sender(move |info: PushInfo| {
            if info.kind == PushKind::PMessage {
                on_message();
            }
            Ok::<(), Infallible>(())
        });
        Ok(client.get_multiplexed_async_connection_with_config(&options).await?)
    }

    pub(crate) async fn bare_publish(&self, command: &str, at_once: usize) -> Outcome<f64> {
        let connection = self.connect(|| ()).await?;
        let began = Instant::now();
        self.publish_all(connection, command, at_once).await?;
        Ok(self.rate(began.elapsed()))
    }

    async fn publish_all(&self, connection: MultiplexedConnection, command: &str, at_once: usize) -> Outcome<()> {
        let mut under_way = FuturesUnordered::new();
        for from in (0..self.messages).step_by(usize::try_from(PIPELINE)?) {
            if under_way.len() >= at_once
                && let Some(answered) = under_way.next().await
            {
                let _: Vec<redis::Value> = answered?;
            }
            let pipeline = self.pipeline(command, PIPELINE.min(self.messages - from));
            let mut connection = connection.clone();
            under_way.push(async move { pipeline.query_async(&mut connection).await });
        }
        while let Some(answered) = under_way.next().await {
            answered?;
        }
        Ok(())
    }

    fn pipeline(&self, command: &str, messages: u64) -> redis::Pipeline {
        let mut pipeline = redis::pipe();
        for _ in 0..messages {
            if command == "PUBLISH" {
                pipeline.cmd("PUBLISH").arg(TOPIC).arg(&self.payload[..]);
            } else {
                pipeline.cmd("XADD").arg(STREAM).arg("MAXLEN").arg("~").arg(self.messages * 2).arg("*");
                pipeline.arg("topic").arg(TOPIC).arg("payload").arg(&self.payload[..]);
            }
        }
        pipeline
    }

    pub(crate) async fn bare_deliver(&self, at_once: usize) -> Outcome<f64> {
        let counter = Counter::new(self.messages);
        let counting = Arc::clone(&counter);
        let mut subscriber = self.connect(move || counting.count()).await?;
        subscriber.psubscribe("net/in/*").await?;
        let publisher = self.connect(|| ()).await?;
        let began = Instant::now();
        tokio::try_join!(self.publish_all(publisher, "PUBLISH", at_once), counter.reached())?;
        Ok(self.rate(began.elapsed()))
    }

    pub(crate) async fn bare_read(&self, at_once: usize) -> Outcome<f64> {
        let (publisher, mut reader) = (self.connect(|| ()).await?, self.connect(|| ()).await?);
        redis::cmd("DEL").arg(STREAM).exec_async(&mut reader).await?;
        let began = Instant::now();
        tokio::try_join!(self.publish_all(publisher, "XADD", at_once), self.read_all(reader))?;
        Ok(self.rate(began.elapsed()))
    }

    async fn read_all(&self, mut reader: MultiplexedConnection) -> Outcome<()> {
        type Read = Option<Vec<(String, Vec<(String, Vec<Vec<u8>>)>)>>;
        let (mut last, mut left) = ("0-0".to_owned(), self.messages);
        while left > 0 {
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(PIPELINE).arg("BLOCK").arg(1000).arg("STREAMS").arg(STREAM).arg(&last);
            let answer: Read = read.query_async(&mut reader).await?;
            for (id, _fields) in answer.into_iter().flatten().flat_map(|(_, entries)| entries) {
                (last, left) = (id, left - 1);
            }
        }
        Ok(())
    }

    /// There and back, one at a time.
    pub(crate) async fn bare_round_trips(&self, times: &mut Times) -> Outcome<()> {
        let ((asked, mut requests), (answered, mut answers)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let mut there = self
            .connect(move || {
                let _ = asked.send(());
            })
            .await?;
        there.psubscribe("net/there/*").await?;
        let mut here = self
            .connect(move || {
                let _ = answered.send(());
            })
            .await?;
        here.psubscribe("net/here/*").await?;
        let payload = self.payload.clone();
        let answering = tokio::spawn(async move {
            while requests.recv().await.is_some() {
                publish(&mut there, "net/here/x", &payload).await?;
            }
            Outcome::Ok(())
        });
        for _ in 0..ROUND_TRIPS {
            let began = Instant::now();
            publish(&mut here, "net/there/x", &self.payload).await?;
            tokio::time::timeout(Duration::from_secs(10), answers.recv()).await?;
            times.push(began.elapsed());
        }
        answering.abort();
        Ok(())
    }
}

async fn publish(connection: &mut MultiplexedConnection, channel: &str, payload: &[u8]) -> Outcome<()> {
    Ok(redis::cmd("PUBLISH").arg(channel).arg(payload).exec_async(connection).await?)
}
