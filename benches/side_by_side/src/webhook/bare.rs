//! What delivering cannot cost less than: a loop that posts the same messages to the same sink, and does nothing else. A process
//! of its own, so that what it costs can be told from the rest.

use std::io::{self, Error, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use eventhive_webhook::wire::bodies::ReceiveHead;
use eventhive_webhook::wire::digest;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::deliveries::MESSAGE;
use crate::TOPIC;

/// Requests under way at a time: as many as the broadcaster has to one host.
const CONNECTIONS: usize = 32;

/// Posts to so many urls in turn, until standard input is closed.
pub(super) async fn run(client: &str, port: &str, urls: &str) -> io::Result<()> {
    let (port, urls) = (port.parse().map_err(Error::other)?, urls.parse().map_err(Error::other)?);
    let client = client.to_owned();
    let ended = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    // On as many threads as a broadcaster has.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let posting = runtime.spawn(async move {
        match client.as_str() {
            "hyper" => with_hyper(port, urls).await,
            "reqwest" => with_reqwest(port, urls).await,
            other => Err(Error::other(format!("no such client: {other}"))),
        }
    });
    let result = tokio::select! {
        result = posting => result.map_err(Error::other)?,
        _ = ended => Ok(()),
    };
    runtime.shutdown_background();
    result
}

/// What all requests have.
struct Post {
    digest: String,
    body: Bytes,
    port: u16,
    urls: usize,
    posted: AtomicUsize,
}

impl Post {
    fn new(port: u16, urls: usize) -> io::Result<Arc<Self>> {
        let mut body = Vec::new();
        let length = MESSAGE.len() as u64;
        let head = ReceiveHead { tracing: b"", topic: TOPIC.as_bytes(), identifier: b"identify", length };
        head.write(&mut body).map_err(Error::other)?;
        body.extend_from_slice(MESSAGE);
        let digest = digest::repr_digest(&digest::hash(MESSAGE));
        Ok(Arc::new(Self { digest, body: body.into(), port, urls, posted: AtomicUsize::new(0) }))
    }

    fn next(&self) -> usize {
        self.posted.fetch_add(1, Ordering::Relaxed) % self.urls
    }
}

async fn with_hyper(port: u16, urls: usize) -> io::Result<()> {
    let post = Post::new(port, urls)?;
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(hyper_connection(Arc::clone(&post)));
    }
    first_that_ends(connections).await
}

async fn hyper_connection(post: Arc<Post>) -> io::Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", post.port)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
    let driven = tokio::spawn(connection);
    loop {
        let request = Request::post(format!("/{}", post.next()))
            .header("host", format!("127.0.0.1:{}", post.port))
            .header("content-type", "application/octet-stream")
            .header("repr-digest", &post.digest)
            .body(Full::new(post.body.clone()))
            .map_err(Error::other)?;
        sender.ready().await.map_err(Error::other)?;
        let answer = sender.send_request(request).await.map_err(Error::other)?;
        answer.into_body().collect().await.map_err(Error::other)?;
        if driven.is_finished() {
            return Err(Error::other("the sink closed a connection"));
        }
    }
}

async fn with_reqwest(port: u16, urls: usize) -> io::Result<()> {
    let post = Post::new(port, urls)?;
    let client = reqwest::Client::new();
    let mut loops = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (post, client) = (Arc::clone(&post), client.clone());
        loops.spawn(async move {
            loop {
                let request = client
                    .post(format!("http://127.0.0.1:{}/{}", post.port, post.next()))
                    .header("content-type", "application/octet-stream")
                    .header("repr-digest", &post.digest)
                    .body(post.body.clone());
                let answer = request.send().await.map_err(Error::other)?;
                answer.bytes().await.map_err(Error::other)?;
            }
        });
    }
    first_that_ends(loops).await
}

/// None should.
async fn first_that_ends(mut loops: JoinSet<io::Result<()>>) -> io::Result<()> {
    match loops.join_next().await {
        Some(ended) => ended.map_err(Error::other)?,
        None => Ok(()),
    }
}
