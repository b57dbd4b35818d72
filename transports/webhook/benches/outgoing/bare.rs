//! Plain loops on hyper: the same request, over and over.

use std::net::Ipv4Addr;

use bytes::Bytes;
use eventhive_webhook::wire::bodies::ReceiveHead;
use eventhive_webhook::wire::digest::repr_digest;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::{AT_ONCE, Bench, Failed};

pub(crate) type Pooled = Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Pooled {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(AT_ONCE).build(connector)
}

/// A request with the headers and the body that ours has.
fn request(bench: &Bench, uri: &str, port: u16) -> Result<Request<Full<Bytes>>, Failed> {
    let message = &bench.message;
    let length = message.body.len();
    let mut body = Vec::new();
    ReceiveHead { tracing: b"", topic: &message.topic, identifier: b"8 bytes!", length }.write(&mut body)?;
    body.extend_from_slice(message.body.as_bytes().ok_or("the message is in memory")?);
    let request = Request::post(uri)
        .header("host", format!("127.0.0.1:{port}"))
        .header("accept", "*/*")
        .header("user-agent", "bare")
        .header("content-type", "application/octet-stream")
        .header("repr-digest", repr_digest(&message.sha512));
    Ok(request.body(Full::new(body.into()))?)
}

/// A connection for each task.
pub(crate) async fn own(bench: &Bench, ports: &[u16]) -> Result<(), Failed> {
    let tasks = ports.iter().map(|&port| {
        let (request, share) = (request(bench, "/v1/receive", port), bench.share());
        tokio::spawn(async move {
            let request = request?;
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            for _ in 0..share {
                sender.ready().await?;
                let answer = sender.send_request(request.clone()).await?;
                answer.into_body().collect().await?;
            }
            Ok::<_, Failed>(())
        })
    });
    try_join_all(tasks).await?.into_iter().collect()
}

/// One client with a pool for all tasks.
pub(crate) async fn pooled(bench: &Bench, client: &Pooled, ports: &[u16]) -> Result<(), Failed> {
    let tasks = ports.iter().map(|&port| {
        let request = request(bench, &format!("http://127.0.0.1:{port}/v1/receive"), port);
        let (client, share) = (client.clone(), bench.share());
        tokio::spawn(async move {
            let request = request?;
            for _ in 0..share {
                client.request(request.clone()).await?.into_body().collect().await?;
            }
            Ok::<_, Failed>(())
        })
    });
    try_join_all(tasks).await?.into_iter().collect()
}
