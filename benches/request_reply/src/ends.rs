//! The two ends of a contestant. The answering end gives back what it was asked; a request carries 128 bytes.

use std::io::{self, Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventhive::{Hive, Json, RequestOptions, StartOptions};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, oneshot};

use crate::contestant::Contestant;

const PAYLOAD_BYTES: usize = 128;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
const SUBJECT: &str = "bench.echo";
const EVENT: &str = "bench/echo/ask";

/// The end that asks. Clones share one connection.
#[derive(Clone)]
pub(crate) enum Asker {
    Tcp(Arc<Mutex<TcpAsker>>),
    Nats(async_nats::Client, Bytes),
    Hive(Hive, Value),
}

/// Requests on one connection, answered in their order.
pub(crate) struct TcpAsker {
    write: OwnedWriteHalf,
    waiting: tokio::sync::mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Asker {
    pub(crate) async fn connect(contestant: Contestant, port: u16) -> io::Result<Self> {
        match contestant {
            Contestant::Tcp => tcp(port).await,
            Contestant::Nats => {
                let client = async_nats::connect(format!("127.0.0.1:{port}")).await.map_err(Error::other)?;
                Ok(Self::Nats(client, vec![b'x'; PAYLOAD_BYTES].into()))
            }
            _ => {
                let hive = hive(contestant, port, "asker").await?;
                // With the key and the punctuation it is 128 bytes of JSON.
                Ok(Self::Hive(hive, json!({ "text": "x".repeat(PAYLOAD_BYTES - r#"{"text":""}"#.len()) })))
            }
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self) -> io::Result<()> {
        match self {
            Self::Tcp(asker) => {
                let (answered, answer) = oneshot::channel();
                {
                    let mut asker = asker.lock().await;
                    asker.waiting.send(answered).map_err(Error::other)?;
                    asker.write.write_all(&[b'x'; PAYLOAD_BYTES]).await?;
                }
                answer.await.map_err(Error::other)
            }
            Self::Nats(client, payload) => {
                let answer = client.request(SUBJECT, payload.clone()).await.map_err(Error::other)?;
                same(answer.payload == *payload)
            }
            Self::Hive(hive, payload) => {
                let options = RequestOptions::new().within(PATIENCE);
                let answer: Value = hive.request_with(options, EVENT, payload.clone()).await.map_err(Error::other)?;
                same(answer == *payload)
            }
        }
    }

    pub(crate) async fn close(self) {
        if let Self::Hive(hive, _) = self {
            hive.stop(PATIENCE).await;
        }
    }
}

fn same(same: bool) -> io::Result<()> {
    if same { Ok(()) } else { Err(Error::new(ErrorKind::InvalidData, "the answer is not what was sent")) }
}

async fn tcp(port: u16) -> io::Result<Asker> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut read, write) = stream.into_split();
    let (waiting, mut asked) = tokio::sync::mpsc::unbounded_channel::<oneshot::Sender<()>>();
    tokio::spawn(async move {
        let mut answer = [0; PAYLOAD_BYTES];
        while read.read_exact(&mut answer).await.is_ok() {
            let Some(answered) = asked.recv().await else { return };
            let _ = answered.send(());
        }
    });
    Ok(Asker::Tcp(Arc::new(Mutex::new(TcpAsker { write, waiting }))))
}

/// The end that answers; runs until it is killed.
pub(crate) async fn answer(contestant: Contestant, port: u16) -> io::Result<()> {
    match contestant {
        Contestant::Tcp => echo(port).await,
        Contestant::Nats => {
            let client = async_nats::connect(format!("127.0.0.1:{port}")).await.map_err(Error::other)?;
            let mut asked = client.subscribe(SUBJECT).await.map_err(Error::other)?;
            while let Some(request) = asked.next().await {
                if let Some(reply) = request.reply {
                    client.publish(reply, request.payload).await.map_err(Error::other)?;
                }
            }
            Ok(())
        }
        _ => {
            let hive = hive(contestant, port, "echo").await?;
            hive.hook("echo/ask", async |Json(payload): Json<Value>| payload).map_err(Error::other)?;
            std::future::pending().await
        }
    }
}

async fn echo(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut request = [0; PAYLOAD_BYTES];
            while stream.read_exact(&mut request).await.is_ok() && stream.write_all(&request).await.is_ok() {}
        });
    }
}

async fn hive(contestant: Contestant, port: u16, channel: &str) -> io::Result<Hive> {
    let (kind, init, secret) = match contestant {
        Contestant::Hub => ("websocket", ", endpoint: /pubsub", ""),
        Contestant::HubSealed => ("websocket", ", endpoint: /pubsub", "secret: a secret of the benchmark"),
        Contestant::Redis => ("redis", "", ""),
        _ => ("redis", "", "secret: a secret of the benchmark"),
    };
    let yaml = format!(
        "connectors:
           bench:
             pubsub_type: {kind}
             input_channel: {channel}
             init: {{host: 127.0.0.1, port: {port}{init}}}
             {secret}"
    );
    let hive = Hive::from_yaml(&yaml).map_err(Error::other)?;
    hive.start_with(StartOptions::new().require("bench")).await.map_err(Error::other)?;
    Ok(hive)
}
