//! The other end: a process that confirms every RECEIVE, and does no more than it has to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use eventhive_webhook::wire::Proof;
use eventhive_webhook::wire::auth::{Direction, Nonce, Scheme, Stamp};
use eventhive_webhook::wire::bodies::{Head as _, ReceiveHead};
use eventhive_webhook::wire::responses::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{AT_ONCE, Failed, ours};

/// A running sink; killed when dropped.
pub(crate) struct Sink {
    pub(crate) ports: Vec<u16>,
    process: Child,
}

impl Sink {
    pub(crate) fn start() -> Result<Self, Failed> {
        let mut process = Command::new(std::env::current_exe()?).arg("sink").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let ports = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { ports, process })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Nothing is left to do if it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The sink's process: prints its ports, then serves for ever.
pub(crate) fn run() -> Result<(), Failed> {
    let scheme = Arc::new(ours::scheme(Direction::ToBroadcaster));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut ports = Vec::new();
        for _ in 0..AT_ONCE {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.push(listener.local_addr()?.port().to_string());
            let scheme = Arc::clone(&scheme);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let scheme = Arc::clone(&scheme);
                    tokio::spawn(async move { serve(stream, &scheme).await });
                }
            });
        }
        println!("{}", ports.join(" "));
        std::io::stdout().flush()?;
        std::future::pending().await
    })
}

async fn serve(mut stream: TcpStream, scheme: &Scheme) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let port = stream.local_addr()?.port();
    let (mut bytes, mut answer) = (Vec::with_capacity(64 << 10), Vec::new());
    loop {
        let Some((head, length)) = complete(&bytes) else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        answer.clear();
        let signed = bytes.get(..head).is_some_and(|head| find(head, b"authorization: ").is_some());
        confirm(&bytes[head..head + length], signed.then_some((scheme, port)), &mut answer)?;
        stream.write_all(&answer).await?;
        bytes.drain(..head + length);
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// How many bytes the head and the body of a request have that is there as a whole.
fn complete(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let at = find(&bytes[..head], b"content-length: ")? + 16;
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    (bytes.len() >= head + length).then_some((head, length))
}

fn confirm(body: &[u8], sign: Option<(&Scheme, u16)>, out: &mut Vec<u8>) -> Result<(), Failed> {
    let (head, _) = ReceiveHead::read(body)?;
    let mut text = None;
    if let Some((scheme, port)) = sign {
        let (nonce, now) = (Nonce::fresh()?, SystemTime::now().duration_since(UNIX_EPOCH)?);
        let url = format!("http://127.0.0.1:{port}/v1/receive");
        text = scheme.sign(&head.answer_claim(&url, 1), b"", Stamp::new(now, &nonce))?;
    }
    let proof = Proof { authorization: text.as_deref(), tracing: b"" };
    let mut confirmed = Vec::with_capacity(160);
    Response::ConfirmReceive { proof, identifier: head.identifier, num_subscribers: 1 }.write(&mut confirmed)?;
    write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", confirmed.len())?;
    out.extend_from_slice(&confirmed);
    Ok(())
}
